//! What a source may forget: of each partition, the contiguous prefix of settled reads.
//!
//! A pure state machine: reads are opened in order and settled in any order; the ledger says which
//! position may be committed, and when. It never moves past a failed read.

use crate::ack::{Anchor, Completed, ReadId, Verdict};
use crate::batch::Resume;
use crate::ctx::nanos;
use smallvec::SmallVec;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// A position is committed at the latest when this many rows before it are settled …
pub const COMMIT_ROWS: u64 = 10_000;
/// … or this long after the last commit.
pub const COMMIT_AFTER: Duration = Duration::from_secs(1);

/// The reads of one source.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    lanes: BTreeMap<u32, Lane>,
    in_flight_rows: u64,
    /// Rows of reads that are kept, settled or not.
    kept_rows: u64,
    in_flight_reads: u64,
    failed_rows: u64,
}

/// A position to be committed.
#[derive(Debug, PartialEq)]
pub(crate) struct Commit {
    pub partition: u32,
    /// Everything before it is settled.
    pub upto: u64,
    /// Where a decoder can resume, if one said so.
    pub resume: Option<Arc<Resume>>,
    /// To be stored before the position is.
    pub anchors: Vec<Anchor>,
    /// Source rows that it is about.
    pub rows: u64,
}

/// The reads of one partition that are not committed.
#[derive(Debug, Default)]
struct Lane {
    /// The number of the first read in `reads`.
    first: u64,
    reads: VecDeque<Read>,
    /// The settled prefix that is not committed.
    due: Option<Due>,
    /// A decoder says where to resume: only reads with such a place can be committed.
    resumes: bool,
    /// Of settled reads behind the last one that can be committed.
    anchors: Vec<Anchor>,
    rows: u64,
    committed_ns: Option<i64>,
}

#[derive(Debug)]
struct Due {
    upto: u64,
    resume: Option<Arc<Resume>>,
    anchors: Vec<Anchor>,
    rows: u64,
    since_ns: i64,
}

#[derive(Debug)]
struct Read {
    rows: u64,
    end: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    InFlight,
    Failed,
    Settled { resume: Option<Arc<Resume>>, anchors: SmallVec<[Anchor; 1]> },
}

impl Ledger {
    /// Notes a read of `rows` rows that ends at position `end`.
    pub fn open(&mut self, partition: u32, rows: u64, end: u64) -> ReadId {
        let lane = self.lanes.entry(partition).or_default();
        let number = lane.first + lane.reads.len() as u64;
        lane.reads.push_back(Read { rows, end, state: State::InFlight });
        self.in_flight_rows += rows;
        self.kept_rows += rows;
        self.in_flight_reads += 1;
        ReadId { partition, number }
    }

    /// Notes the end of a read; returns how many source rows it was.
    pub fn settle(&mut self, completed: &Completed, now_ns: i64) -> u64 {
        let ReadId { partition, number } = completed.id;
        let lane = self.lanes.get_mut(&partition).expect("an opened read");
        let index = number.checked_sub(lane.first).expect("settled once") as usize;
        let read = &mut lane.reads[index];
        assert!(matches!(read.state, State::InFlight), "settled once");
        self.in_flight_rows -= read.rows;
        self.in_flight_reads -= 1;
        let rows = read.rows;
        match completed.outcome.verdict {
            Verdict::Failed => {
                read.state = State::Failed;
                self.failed_rows += rows.max(completed.made.unwrap_or(0));
            }
            Verdict::Settled => {
                let resume = completed.resume.clone();
                lane.resumes |= resume.is_some();
                read.state = State::Settled { resume, anchors: completed.anchors.clone() };
            }
        }
        self.kept_rows -= lane.advance(now_ns);
        rows
    }

    /// Takes the commits that are due; with `all`, every one that can be made.
    pub fn take_due(&mut self, now_ns: i64, all: bool) -> Vec<Commit> {
        let mut commits = Vec::new();
        for (partition, lane) in &mut self.lanes {
            let is_due = |due: &Due| {
                all || due.rows >= COMMIT_ROWS || lane.due_ns(due).is_some_and(|at| at <= now_ns)
            };
            if !lane.due.as_ref().is_some_and(is_due) {
                continue;
            }
            if let Some(Due { upto, resume, anchors, rows, .. }) = lane.due.take() {
                lane.committed_ns = Some(now_ns);
                commits.push(Commit { partition: *partition, upto, resume, anchors, rows });
            }
        }
        self.lanes.retain(|_, lane| !lane.reads.is_empty() || lane.due.is_some() || lane.resumes);
        commits
    }

    /// When the next commit is due by time.
    pub fn next_due_ns(&self) -> Option<i64> {
        let due = self.lanes.values().filter_map(|lane| lane.due_ns(lane.due.as_ref()?));
        due.min()
    }

    /// Source rows of all reads that are not part of a settled prefix: those in flight, and those
    /// that are settled behind one that is not.
    pub fn kept_rows(&self) -> u64 {
        self.kept_rows
    }

    /// Rows that are settled and wait to be committed.
    pub fn due_rows(&self) -> u64 {
        self.lanes.values().filter_map(|lane| lane.due.as_ref()).map(|due| due.rows).sum()
    }

    /// No read is in flight.
    pub fn is_idle(&self) -> bool {
        self.in_flight_reads == 0
    }

    /// Rows that will be sent again: in flight or failed.
    pub fn undelivered_rows(&self) -> u64 {
        self.in_flight_rows + self.failed_rows
    }
}

impl Lane {
    /// Takes the settled reads off the front; returns their rows.
    fn advance(&mut self, now_ns: i64) -> u64 {
        let mut taken = 0;
        while let Some(Read { state: State::Settled { .. }, .. }) = self.reads.front() {
            let Some(Read { rows, end, state: State::Settled { resume, anchors } }) =
                self.reads.pop_front()
            else {
                unreachable!("just looked at");
            };
            self.first += 1;
            self.rows += rows;
            taken += rows;
            self.anchors.extend(anchors);
            if self.resumes && resume.is_none() {
                continue;
            }
            let before = self.due.take();
            let mut due = Due {
                upto: end,
                resume,
                anchors: std::mem::take(&mut self.anchors),
                rows: std::mem::take(&mut self.rows),
                since_ns: now_ns,
            };
            if let Some(before) = before {
                due.rows += before.rows;
                due.since_ns = before.since_ns;
                due.anchors = latest(before.anchors, due.anchors);
            }
            self.due = Some(due);
        }
        taken
    }

    fn due_ns(&self, due: &Due) -> Option<i64> {
        self.committed_ns.unwrap_or(due.since_ns).checked_add(nanos(COMMIT_AFTER))
    }
}

/// Of each `batch` node and partition the anchor that is further on.
fn latest(mut anchors: Vec<Anchor>, newer: Vec<Anchor>) -> Vec<Anchor> {
    for anchor in newer {
        let same = |known: &&mut Anchor| {
            known.node == anchor.node && known.partition.id == anchor.partition.id
        };
        match anchors.iter_mut().find(same) {
            Some(known) => known.end = known.end.max(anchor.end),
            None => anchors.push(anchor),
        }
    }
    anchors
}

#[cfg(test)]
mod tests;
