//! What a `batch` node does: a pure state machine. It is told what has happened and when, and
//! answers with what the driver has to do; it waits for nothing and stores nothing.
//!
//! Where the source can send the rows again, a batch is held until its end is recorded. Dropped,
//! the machine fails the rows that it holds, so they come again.

use super::cuts::Entry;
use super::cutter::CutLimits;
use super::lane::Lane;
use crate::ack::Verdict;
use crate::batch::{Batch, Partition};
use crate::ctx::nanos;
use crate::fault::Fault;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How long an end may wait to be recorded with others.
const RECORD_AFTER: Duration = Duration::from_millis(10);
/// So many ends that wait are recorded at once …
pub(super) const CLOSED_MAX: usize = 32;
/// … and so many bytes of their batches.
pub(super) const CLOSED_BYTES_MAX: u64 = 1 << 20;

/// What has happened.
#[derive(Debug)]
pub(super) enum Event {
    /// Rows of one partition have come.
    Rows(Batch),
    /// What [`Output::Load`] has asked for.
    Loaded(Entry),
    /// What [`Output::Record`] has asked for is durable.
    Recorded,
    /// It is as late as [`Machine::wake_ns`] has said, or not yet.
    Tick,
    /// A source stands still until some of its rows are settled.
    Stalled,
    /// The run was told to stop: from now on rows wait for no others.
    Draining,
    /// No rows come any more. They are `complete` when the source has sent all that it had: else
    /// rows up to an end that an earlier run has recorded may still come in the next run.
    InputEnded { complete: bool },
}

/// What there is to do, in order. [`Output::Load`] and [`Output::Record`] are answered before
/// anything else is told.
#[derive(Debug)]
pub(super) enum Output {
    /// Look up what earlier runs have left of the partition, nothing with `from_start`.
    Load { partition: Arc<Partition>, from_start: bool },
    /// That many rows have been taken; the first `skipped` were delivered by an earlier run.
    Took { rows: u64, skipped: u64 },
    /// Make these ends durable.
    Record(Vec<(Arc<Partition>, u64)>),
    /// Send the batch.
    Send(Batch),
}

/// What the flow says of the node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// The number of the node.
    pub node: usize,
    pub limits: CutLimits,
    /// How long the first row may wait.
    pub wait: Option<Duration>,
    /// Rows may come in any order.
    pub any_order: bool,
    /// Bytes of all open batches at most; above it the largest is closed early, unless an earlier
    /// run has recorded where it ends.
    pub bytes_max: u64,
}

#[derive(Debug)]
pub(super) struct Machine {
    options: Options,
    /// By partition.
    lanes: BTreeMap<[u8; 16], Lane>,
    /// The first rows of a partition, until what is left of it is loaded.
    opening: Option<Batch>,
    closed: Closed,
    /// Batches whose ends are being recorded.
    recording: Vec<Batch>,
    /// No lane is due before: the wait is the same for all, so what is opened later is due later.
    /// `None` = none is due by itself.
    lanes_ns: Option<i64>,
    /// Bytes of all open batches.
    held_bytes: u64,
}

/// Batches that are closed, whose ends wait to be recorded.
#[derive(Debug, Default)]
struct Closed {
    ends: Vec<(Arc<Partition>, u64)>,
    batches: Vec<Batch>,
    bytes: u64,
    due_ns: Option<i64>,
}

impl Machine {
    pub fn new(options: Options) -> Machine {
        Machine {
            options,
            lanes: BTreeMap::new(),
            opening: None,
            closed: Closed::default(),
            recording: Vec::new(),
            lanes_ns: None,
            held_bytes: 0,
        }
    }

    /// When to tell the time: then something is due, or it was a little too early.
    pub fn wake_ns(&self) -> Option<i64> {
        self.lanes_ns.into_iter().chain(self.closed.due_ns).min()
    }

    /// Notes what has happened and adds what there is to do.
    ///
    /// # Errors
    /// Rows have come out of order, so that a replay could not make the same batches.
    pub fn handle(
        &mut self,
        event: Event,
        now_ns: i64,
        outputs: &mut VecDeque<Output>,
    ) -> Result<(), Fault> {
        match event {
            Event::Rows(batch) if batch.rows.is_empty() => batch.ack.settle(Verdict::Settled),
            Event::Rows(batch) => self.take(batch, now_ns, outputs)?,
            Event::Loaded(entry) => {
                if let Some(batch) = self.opening.take() {
                    self.open(&batch, entry);
                    self.push(batch, now_ns, outputs)?;
                }
            }
            Event::Recorded => outputs.extend(self.recording.drain(..).map(Output::Send)),
            Event::Tick => self.tick(now_ns, outputs),
            Event::Stalled => self.close(i64::MAX, false, outputs),
            Event::Draining => {
                self.options.wait = Some(Duration::ZERO);
                self.close(i64::MAX, false, outputs);
            }
            Event::InputEnded { complete } => self.close(i64::MAX, complete, outputs),
        }
        if self.lanes_ns.is_none() {
            self.lanes_ns = self.lanes.values().filter_map(|lane| self.deadline(lane)).min();
        }
        Ok(())
    }

    fn take(
        &mut self,
        batch: Batch,
        now_ns: i64,
        outputs: &mut VecDeque<Output>,
    ) -> Result<(), Fault> {
        if !self.lanes.contains_key(&batch.rows.ids.partition.id) {
            let facts = batch.ack.origins().next().map(|origin| origin.facts).unwrap_or_default();
            if facts.replays {
                let partition = batch.rows.ids.partition.clone();
                outputs.push_back(Output::Load { partition, from_start: facts.from_start });
                self.opening = Some(batch);
                return Ok(());
            }
            self.open(&batch, Entry::default());
        }
        self.push(batch, now_ns, outputs)
    }

    fn open(&mut self, first: &Batch, left: Entry) {
        let Options { node, limits, any_order, .. } = self.options;
        let lane = Lane::new(node, limits, first, left).in_any_order(any_order);
        self.lanes.insert(lane.partition().id, lane);
    }

    fn push(
        &mut self,
        batch: Batch,
        now_ns: i64,
        outputs: &mut VecDeque<Output>,
    ) -> Result<(), Fault> {
        let id = batch.rows.ids.partition.id;
        let Some(lane) = self.lanes.get_mut(&id) else { return Ok(()) };
        let rows = batch.rows.len() as u64;
        let held_bytes = lane.held_bytes();
        let pushed = lane.push(batch, now_ns)?;
        self.held_bytes = self.held_bytes - held_bytes + lane.held_bytes();
        outputs.push_back(Output::Took { rows, skipped: pushed.skipped });
        for (end, batch) in pushed.ends.into_iter().zip(pushed.closed) {
            match lane.tracked {
                true => self.closed.push(lane.partition(), end, batch),
                false => outputs.push_back(Output::Send(batch)),
            }
        }
        if lane.is_empty() && !lane.tracked {
            self.lanes.remove(&id);
        }
        self.keep_within(outputs);
        if self.closed.is_full() {
            self.record(outputs);
        } else if !self.closed.batches.is_empty() {
            let due_ns = now_ns.saturating_add(nanos(RECORD_AFTER));
            self.closed.due_ns.get_or_insert(due_ns);
        }
        Ok(())
    }

    /// Closes the largest open batches until the rest is within its budget. Their ends are recorded
    /// like any other.
    fn keep_within(&mut self, outputs: &mut VecDeque<Output>) {
        while self.held_bytes > self.options.bytes_max {
            let may_close = self.lanes.values_mut().filter(|lane| lane.waits_since_ns().is_some());
            let Some(lane) = may_close.max_by_key(|lane| lane.held_bytes()) else { return };
            self.held_bytes -= lane.held_bytes();
            let (id, tracked) = (lane.partition().id, lane.tracked);
            if let Some((end, batch)) = lane.close(false) {
                match tracked {
                    true => self.closed.push(lane.partition(), end, batch),
                    false => outputs.push_back(Output::Send(batch)),
                }
            }
            if !tracked {
                self.lanes.remove(&id);
            }
        }
    }

    fn tick(&mut self, now_ns: i64, outputs: &mut VecDeque<Output>) {
        if self.lanes_ns.is_some_and(|at| at <= now_ns) {
            self.close(now_ns, false, outputs);
        } else if self.closed.due_ns.is_some_and(|at| at <= now_ns) {
            self.record(outputs);
        }
    }

    /// Closes the open batches of the lanes that have waited until `now_ns`, and does not let those
    /// wait that are closed.
    fn close(&mut self, now_ns: i64, input_ended: bool, outputs: &mut VecDeque<Output>) {
        let wait = self.options.wait;
        for lane in self.lanes.values_mut() {
            if now_ns < i64::MAX && deadline(lane, wait).is_none_or(|at| at > now_ns) {
                continue;
            }
            let held_bytes = lane.held_bytes();
            if let Some((end, batch)) = lane.close(input_ended) {
                self.held_bytes -= held_bytes;
                match lane.tracked {
                    true => self.closed.push(lane.partition(), end, batch),
                    false => outputs.push_back(Output::Send(batch)),
                }
            }
        }
        self.lanes.retain(|_, lane| lane.tracked || !lane.is_empty());
        self.lanes_ns = None;
        self.record(outputs);
    }

    /// Asks for the ends that wait to be recorded.
    fn record(&mut self, outputs: &mut VecDeque<Output>) {
        let Closed { ends, batches, .. } = std::mem::take(&mut self.closed);
        if !ends.is_empty() {
            self.recording.extend(batches);
            outputs.push_back(Output::Record(ends));
        }
    }

    fn deadline(&self, lane: &Lane) -> Option<i64> {
        deadline(lane, self.options.wait)
    }
}

/// When the clock closes the lane's open batch.
fn deadline(lane: &Lane, wait: Option<Duration>) -> Option<i64> {
    lane.waits_since_ns()?.checked_add(nanos(wait?))
}

impl Closed {
    fn push(&mut self, partition: &Arc<Partition>, end: u64, batch: Batch) {
        self.ends.push((partition.clone(), end));
        self.bytes += batch.rows.group.as_ref().map_or(0, |group| group.size);
        self.batches.push(batch);
    }

    fn is_full(&self) -> bool {
        self.batches.len() >= CLOSED_MAX || self.bytes >= CLOSED_BYTES_MAX
    }
}

#[cfg(test)]
mod tests;
