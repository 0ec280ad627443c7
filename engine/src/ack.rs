//! Acknowledgements: who may say that a source's rows are through.
//!
//! A source driver makes an [`Origin`] for each read and an [`Ack`] that stands for it. The ack
//! travels with the rows; it is split where they are and settled where they end. When the last
//! handle of an origin is settled, the origin's [`Completed`] is handed to its source's driver.
//! Costs one atomic per batch and edge, nothing per row unless rows fail.

mod origin;

pub(crate) use origin::{Anchor, Completed, Completions, Origin, ReadId, SourceFacts};

use origin::Dead;
use smallvec::SmallVec;
use std::sync::Arc;

/// The end of a source's rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The worst verdict of all branches.
    pub verdict: Verdict,
    /// Rows that were dead-lettered, by sequence number.
    pub failures: Vec<Failed>,
}

/// What a branch says; the worst wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Stored, filtered, shed, or dead-lettered with a durable receipt: the source may move on.
    Settled,
    /// Lost, dropped unsettled, or not written: the source may not move on.
    Failed,
}

/// A row that was dead-lettered.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// Its sequence number in the source's partition.
    pub seq: u64,
    /// As in the `Failure`.
    pub code: String,
    /// As in the `Failure`.
    pub message: String,
}

/// The right and the duty to settle some rows; dropped unsettled (also by a panic), it fails them.
#[derive(Debug, Default)]
pub struct Ack {
    handles: SmallVec<[Handle; 1]>,
    /// The rows were made by this decoder: the records of one behind it do not count for `done`.
    decoder: Option<usize>,
}

impl Ack {
    /// Stands for nothing: rows that no source waits for, such as `done` events.
    pub fn none() -> Ack {
        Ack::default()
    }

    pub(crate) fn of(origin: Arc<Origin>) -> Ack {
        Ack { handles: SmallVec::from_buf([Handle::new(origin)]), decoder: None }
    }

    /// Settles the rows.
    pub fn settle(mut self, verdict: Verdict) {
        // The newest read first: a decoder notes where to resume on the last of several, and this
        // is known then before the first of them is complete.
        while let Some(mut handle) = self.handles.pop() {
            handle.verdict = verdict;
        }
    }

    /// `n` acknowledgements of the same rows: the rows are settled when all are. At least one.
    pub fn fan_out(self, n: usize) -> Vec<Ack> {
        assert!(n > 0, "rows need an acknowledgement");
        let mut acks = Vec::with_capacity(n);
        acks.push(self);
        for _ in 1..n {
            acks.push(acks[0].another());
        }
        acks
    }

    /// One acknowledgement for the rows of all.
    pub fn merge(acks: impl IntoIterator<Item = Ack>) -> Ack {
        let mut acks = acks.into_iter();
        let mut merged = acks.next().unwrap_or_default();
        for mut ack in acks {
            merged.decoder = merged.decoder.or(ack.decoder);
            ack.handles.drain(..).for_each(|handle| merged.add(handle));
        }
        merged
    }

    /// One more acknowledgement of the same rows.
    pub(crate) fn another(&self) -> Ack {
        let handles = self.handles.iter().map(Handle::another).collect();
        Ack { handles, decoder: self.decoder }
    }

    /// The same, for rows that leave by `errors`: settling it marks them as dead-lettered.
    pub(crate) fn dead_letter(mut self, rows: Vec<Failed>) -> Ack {
        let rows = Arc::new(Dead { rows, made: self.decoder.is_some() });
        for handle in &mut self.handles {
            if handle.origin.wants_failures() {
                handle.dead.push(rows.clone());
            }
        }
        self
    }

    /// Whether anybody waits for the names of dead-lettered rows.
    pub(crate) fn wants_failures(&self) -> bool {
        self.handles.iter().any(|handle| handle.origin.wants_failures())
    }

    /// What the rows came from.
    pub(crate) fn origins(&self) -> impl Iterator<Item = &Arc<Origin>> {
        self.handles.iter().map(|handle| &handle.origin)
    }

    /// Notes that a decoder, node number `node`, has made `records` out of the rows.
    pub(crate) fn decoded(&mut self, node: usize, records: u64) {
        let first = *self.decoder.get_or_insert(node);
        if let (true, Some(handle)) = (first == node, self.handles.last()) {
            handle.origin.add_made(node, records);
        }
    }

    /// A handle of the same origin adds nothing: one is enough. Looks at the last few, where the
    /// parts of one read are.
    fn add(&mut self, mut handle: Handle) {
        let mut same = self.handles.iter_mut().rev().take(4);
        let same = same.find(|other| Arc::ptr_eq(&other.origin, &handle.origin));
        match same {
            Some(other) if handle.verdict == other.verdict => {
                other.dead.extend(handle.dead.drain(..));
                handle.verdict = Verdict::Settled;
            }
            _ => self.handles.push(handle),
        }
    }
}

/// One count of an origin's outstanding ones.
#[derive(Debug)]
struct Handle {
    origin: Arc<Origin>,
    /// Rows that are dead-lettered when this is settled.
    dead: SmallVec<[Arc<Dead>; 1]>,
    verdict: Verdict,
}

impl Handle {
    fn new(origin: Arc<Origin>) -> Handle {
        origin.take_one();
        Handle { origin, dead: SmallVec::new(), verdict: Verdict::Failed }
    }

    fn another(&self) -> Handle {
        let mut handle = Handle::new(self.origin.clone());
        handle.dead = self.dead.clone();
        handle
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.origin.release(self.verdict, &self.dead);
    }
}

#[cfg(test)]
mod tests;
