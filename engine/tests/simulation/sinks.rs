//! Simulated services that hold rows: an append log that drops what it has seen, objects put by
//! name, a table of the newest row of each key.

use crate::shape::{Shape, SinkKind, roll};
use crate::truth::Truth;
use async_trait::async_trait;
use engine::batch::Rows;
use engine::fault::{Fault, RowFault};
use engine::node::{Sink, SinkLimits, Written};
use engine::sim::{Service, Touch};
use engine::testing;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

/// The service behind a sink, and its client; a clone is the same.
#[derive(Clone)]
pub struct Store {
    pub number: usize,
    pub shape: Arc<Shape>,
    pub truth: Truth,
    pub service: Service,
    pub state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub struct State {
    /// Copies that are here, by partition and number.
    seen: HashSet<(u128, u64)>,
    /// By partition and key, the number that came last.
    last: HashMap<(u128, u64), u64>,
    objects: BTreeMap<String, Vec<u64>>,
    /// By key, the newest row.
    table: BTreeMap<u64, u64>,
    /// Rows of writes that the client was not told of.
    unconfirmed: u64,
}

/// A row of a write.
#[derive(Clone, Copy)]
struct Row {
    row: u64,
    partition: u128,
    seq: u64,
}

/// The number of a row, from its text.
pub fn row_of(text: &[u8]) -> u64 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
}

/// The text of a row: its number, and some more.
pub fn text_of(row: u64) -> String {
    let more = (row.wrapping_mul(0x9e37_79b9) >> 7) % 40;
    format!("{row} {}", "x".repeat(more as usize))
}

/// The key of a row; a key's rows are of one partition.
pub fn key_of(row: u64) -> u64 {
    row.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 61
}

impl Store {
    /// Rows that were written and that the client was not told of: they may come again.
    pub fn take_unconfirmed(&self) -> u64 {
        std::mem::take(&mut self.lock().unconfirmed)
    }

    /// Checks that a table holds the newest rows, `wanted` by key.
    pub fn check_table(&self, wanted: &BTreeMap<u64, u64>) {
        let state = self.lock();
        if state.table != *wanted {
            let wrong = wanted.iter().find(|(key, row)| state.table.get(key) != Some(row));
            let what = format!("table {} holds an old row: {wrong:?} is wanted", self.number);
            drop(state);
            self.truth.violated(what);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Does a write, where the service is.
    fn apply(&self, rows: &[Row], name: Option<String>, touch: &mut Touch) -> Applied {
        let mut state = self.lock();
        let shape = &self.shape.sinks[self.number];
        let refused: Vec<usize> =
            (0..rows.len()).filter(|at| roll(rows[*at].row, shape.node, shape.refuses)).collect();
        if shape.unnamed && !refused.is_empty() {
            return Applied { invalid: true, ..Applied::default() };
        }
        if let Some(name) = name {
            self.put(&mut state, name, rows);
            return Applied { stored: rows.len() as u64, ..Applied::default() };
        }
        let mut applied = Applied { refused, ..Applied::default() };
        let mut held: HashSet<(u128, u64)> = HashSet::new();
        for (at, row) in rows.iter().enumerate() {
            if applied.refused.contains(&at) {
                continue;
            }
            let lane = (row.partition, key_of(row.row));
            if touch.again() || (shape.strict && held.contains(&lane)) {
                held.insert(lane);
                applied.again.push(at);
                continue;
            }
            applied.stored += 1;
            self.store(&mut state, row, shape.strict);
        }
        state.unconfirmed += applied.stored;
        applied
    }

    fn store(&self, state: &mut State, row: &Row, strict: bool) {
        if !state.seen.insert((row.partition, row.seq)) {
            return self.truth.doubled(self.number);
        }
        self.truth.stored(self.number, row.row);
        let newest = state.table.entry(partition_key(&self.shape, row.row)).or_insert(row.row);
        *newest = (*newest).max(row.row);
        let last = state.last.insert((row.partition, key_of(row.row)), row.seq);
        if let Some(last) = last.filter(|last| strict && *last > row.seq) {
            let (sink, seq) = (self.number, row.seq);
            self.truth.violated(format!("sink {sink}: row {seq} of a key comes after {last}"));
        }
    }

    fn put(&self, state: &mut State, name: String, rows: &[Row]) {
        state.unconfirmed += rows.len() as u64;
        let content: Vec<u64> = rows.iter().map(|row| row.row).collect();
        if let Some(known) = state.objects.get(&name) {
            rows.iter().for_each(|_| self.truth.doubled(self.number));
            if *known != content {
                let sink = self.number;
                self.truth.violated(format!(
                    "sink {sink}: two contents of {name}: {known:?} and {content:?}"
                ));
            }
            return;
        }
        state.objects.insert(name, content);
        rows.iter().for_each(|row| self.truth.stored(self.number, row.row));
    }

    fn written(&self, rows: &Rows, applied: Applied) -> Result<Written, Fault> {
        if applied.invalid {
            return Err(Fault::records("invalid", "a record of the write is invalid"));
        }
        let mut state = self.lock();
        state.unconfirmed = state.unconfirmed.saturating_sub(applied.stored);
        drop(state);
        let payloads = testing::payloads(rows);
        let refused = applied.refused.into_iter().map(|row| RowFault {
            row,
            code: "refused",
            message: "the service refuses it".into(),
            payload: payloads[row].clone(),
            meta: Vec::new(),
        });
        let fault = (!applied.again.is_empty())
            .then(|| Fault::throttle("again", "the service did not take all records"));
        Ok(Written { refused: refused.collect(), again: applied.again, fault })
    }
}

/// What the service has done with the rows of a write.
#[derive(Default)]
struct Applied {
    stored: u64,
    refused: Vec<usize>,
    again: Vec<usize>,
    invalid: bool,
}

#[async_trait]
impl Sink for Store {
    fn limits(&self) -> SinkLimits {
        self.shape.sinks[self.number].limits
    }

    async fn write(&self, rows: &Rows) -> Result<Written, Fault> {
        let ids = &rows.ids;
        let partition = u128::from_le_bytes(ids.partition.id);
        let payloads = testing::payloads(rows);
        let each: Vec<Row> = payloads
            .iter()
            .zip(ids.seqs())
            .map(|(text, seq)| Row { row: row_of(text), partition, seq })
            .collect();
        let altered = payloads.iter().find(|text| **text != text_of(row_of(text)).into_bytes());
        if let Some(text) = altered {
            self.truth.violated(format!("altered: {}", String::from_utf8_lossy(text)));
        }
        let objects = self.shape.sinks[self.number].kind == SinkKind::Objects;
        let name = objects.then(|| rows.group.as_ref().map(|group| group.id.clone())).flatten();
        let store = self.clone();
        let write = self.service.call("write", move |touch| store.apply(&each, name, touch));
        let applied = write.await?;
        self.written(rows, applied)
    }

    async fn close(&self) -> Result<(), Fault> {
        self.service.call("close", |_| ()).await
    }
}

/// A key of the table: the rows of one are of one partition.
pub fn partition_key(shape: &Shape, row: u64) -> u64 {
    let all = shape.sources.iter().flat_map(|source| &source.rows);
    let partition = all.take_while(|rows| rows.end <= row).count() as u64;
    partition * 16 + key_of(row)
}
