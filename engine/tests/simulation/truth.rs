//! The checker: it sees what went in, what was acknowledged and what the sinks hold, and nothing
//! of the engine.

use crate::shape::{Shape, SourceKind};
use engine::sim::World;
use std::sync::{Arc, Mutex, MutexGuard};

/// What is known of all rows; a clone is the same.
#[derive(Clone)]
pub struct Truth(Arc<Inner>);

struct Inner {
    world: World,
    shape: Arc<Shape>,
    /// By row and sink: how often it must be there.
    copies: Vec<u8>,
    /// By row: it fails somewhere.
    fails: Vec<bool>,
    /// By row: its source.
    source: Vec<usize>,
    state: Mutex<State>,
}

struct State {
    /// By row and sink: how often it is not there yet.
    missing: Vec<u8>,
    /// By row: over all sinks.
    left: Vec<u32>,
    /// By row: the life that has read it last, and has it in flight.
    read_in: Vec<u64>,
    /// By source: rows that this life has read and that are not where they must be.
    in_flight: Vec<u64>,
    in_flight_peak: u64,
    doubled: Vec<u64>,
    allowed: Vec<u64>,
    stored: u64,
    /// Copies beyond those that must be there.
    excess: u64,
    /// The first that was seen.
    violation: Option<String>,
}

/// Sums over a world, for the summary.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    pub rows: u64,
    pub stored: u64,
    pub doubled: u64,
    pub allowed: u64,
    pub excess: u64,
    pub in_flight_peak: u64,
}

impl Truth {
    pub fn new(world: &World, shape: &Arc<Shape>) -> Truth {
        let (mut copies, mut fails, mut sources) = (Vec::new(), Vec::new(), Vec::new());
        for (number, source) in shape.sources.iter().enumerate() {
            for row in source.rows.iter().cloned().flatten() {
                let (each, failing) = shape.becomes(number, row);
                copies.extend(each);
                fails.push(failing);
                sources.push(number);
            }
        }
        let width = shape.sinks.len();
        let sum = |row: usize| -> u32 {
            copies[row * width..(row + 1) * width].iter().map(|n| u32::from(*n)).sum()
        };
        let state = State {
            missing: copies.clone(),
            left: (0..fails.len()).map(sum).collect(),
            read_in: vec![0; fails.len()],
            in_flight: vec![0; shape.sources.len()],
            in_flight_peak: 0,
            doubled: vec![0; width],
            allowed: vec![0; width],
            stored: 0,
            excess: 0,
            violation: None,
        };
        let (world, shape, state) = (world.clone(), shape.clone(), Mutex::new(state));
        Truth(Arc::new(Inner { world, shape, copies, fails, source: sources, state }))
    }

    /// Something is not as promised; the first counts.
    pub fn violated(&self, what: String) {
        self.0.world.event("VIOLATION", &[]);
        self.state().violation.get_or_insert(what);
    }

    pub fn violation(&self) -> Option<String> {
        self.state().violation.clone()
    }

    /// A source has handed out rows; `max` is what it may have in flight.
    pub fn read(&self, source: usize, rows: impl Iterator<Item = u64>, max: u64) {
        let life = self.0.world.lives();
        let mut state = self.state();
        for row in rows {
            let index = row as usize;
            if state.left[index] > 0 && state.read_in[index] != life {
                state.read_in[index] = life;
                state.in_flight[source] += 1;
            }
        }
        let in_flight = state.in_flight[source];
        state.in_flight_peak = state.in_flight_peak.max(in_flight);
        drop(state);
        if in_flight > max {
            self.violated(format!("source {source} has {in_flight} rows in flight, not {max}"));
        }
    }

    /// A new life begins: nothing is in flight.
    pub fn begin(&self) {
        self.state().in_flight.fill(0);
    }

    /// A sink holds one more copy of a row, durably.
    pub fn stored(&self, sink: usize, row: u64) {
        let index = row as usize;
        let place = index * self.0.shape.sinks.len() + sink;
        let mut state = self.state();
        state.stored += 1;
        if state.missing[place] == 0 {
            state.excess += 1;
            drop(state);
            return self.violated(format!("sink {sink} holds row {row} too often"));
        }
        state.missing[place] -= 1;
        state.left[index] -= 1;
        if state.left[index] == 0 && state.read_in[index] == self.0.world.lives() {
            let source = self.0.source[index];
            state.in_flight[source] = state.in_flight[source].saturating_sub(1);
        }
    }

    /// A row is not yet where it must be.
    pub fn is_left(&self, row: u64) -> bool {
        self.state().left[row as usize] > 0
    }

    /// A sink was given a copy that it has.
    pub fn doubled(&self, sink: usize) {
        self.state().doubled[sink] += 1;
    }

    /// Sinks may get these rows again: all copies.
    pub fn allow(&self, rows: impl Iterator<Item = u64>) {
        let width = self.0.shape.sinks.len();
        let mut state = self.state();
        for row in rows {
            for sink in 0..width {
                state.allowed[sink] += u64::from(self.0.copies[row as usize * width + sink]);
            }
        }
    }

    /// A sink may get so many rows again: it has not confirmed them.
    pub fn allow_rows(&self, sink: usize, rows: u64) {
        self.state().allowed[sink] += rows;
    }

    /// Rows are acknowledged: each must be wherever it must be.
    pub fn acknowledged(&self, by: &str, rows: impl Iterator<Item = u64>) {
        let state = self.state();
        let lost = rows.into_iter().find(|row| state.left[*row as usize] > 0);
        drop(state);
        if let Some(row) = lost {
            self.violated(format!("{by} acknowledges row {row}, which is {}", self.place(row)));
        }
    }

    /// Of rows that a client was answered for, those that failed must be named, and no others.
    pub fn named(&self, rows: impl Iterator<Item = u64>, named: &[u64]) {
        let fails: Vec<u64> = rows.filter(|row| self.0.fails[*row as usize]).collect();
        if fails != named {
            self.violated(format!("rows {named:?} are named as failed, not {fails:?}"));
        }
    }

    /// Checks that no sink was given more copies again than it may be.
    pub fn check_doubled(&self) {
        let state = self.state();
        let (doubled, allowed) = (state.doubled.clone(), state.allowed.clone());
        drop(state);
        for (sink, (doubled, allowed)) in doubled.into_iter().zip(allowed).enumerate() {
            if doubled > allowed {
                self.violated(format!("sink {sink} got {doubled} rows again, {allowed} may be"));
            }
        }
    }

    /// Checks that everything has arrived.
    pub fn check_end(&self) {
        let state = self.state();
        let lost = state.left.iter().position(|left| *left > 0);
        let count = state.left.iter().filter(|left| **left > 0).count();
        drop(state);
        if let Some(row) = lost {
            let place = self.place(row as u64);
            self.violated(format!("{count} rows are lost; row {row} is {place}"));
        }
    }

    pub fn sums(&self) -> Sums {
        let state = self.state();
        Sums {
            rows: self.0.shape.rows,
            stored: state.stored,
            doubled: state.doubled.iter().sum(),
            allowed: state.allowed.iter().sum(),
            excess: state.excess,
            in_flight_peak: state.in_flight_peak,
        }
    }

    fn place(&self, row: u64) -> String {
        let width = self.0.shape.sinks.len();
        let places = row as usize * width..(row as usize + 1) * width;
        let source = self.0.source[row as usize];
        let kind: SourceKind = self.0.shape.sources[source].kind;
        let state = self.state();
        let missing = &state.missing[places.clone()];
        let wanted = &self.0.copies[places];
        format!("missing {missing:?} times of {wanted:?} (source {source}, {kind:?})")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
