//! What all acknowledgements of one source read have in common.

use super::{Failed, Outcome, Verdict};
use crate::batch::{Partition, Resume, RowIds};
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Notify;

/// A read of a source: the source's number of the partition, and the read's number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadId {
    pub partition: u32,
    pub number: u64,
}

/// One source read: how many acknowledgements of it are outstanding, and what they have said.
#[derive(Debug)]
pub(crate) struct Origin {
    pub id: ReadId,
    /// The source's own partition; decoders and fan-ins may give the rows another.
    pub partition: Arc<Partition>,
    pub facts: SourceFacts,
    outstanding: AtomicU32,
    failed: AtomicBool,
    /// The rows, where somebody waits for the names of those that are dead-lettered.
    named: Option<RowIds>,
    notes: Mutex<Notes>,
    completions: Arc<Completions>,
}

/// What a `batch` node needs to know of the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SourceFacts {
    /// It sends rows of one partition only, the same in every run.
    pub one_partition: bool,
    /// It can send the rows again.
    pub replays: bool,
    /// It was told to begin anew and to forget what it has delivered.
    pub from_start: bool,
}

/// What is known of a read beside its verdict.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// By sequence number.
    pub failures: BTreeMap<u64, Failed>,
    /// The last place that each decoder said it can resume at.
    resumes: SmallVec<[(usize, Arc<Resume>); 1]>,
    /// Records made, by decoder.
    made: SmallVec<[(usize, u64); 1]>,
    /// By `batch` node and partition: everything before this sequence number is in batches that
    /// are settled when the read is.
    pub anchors: SmallVec<[Anchor; 1]>,
}

/// The end of the last batch that holds a row of the read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Anchor {
    /// The number of the `batch` node in the plan.
    pub node: usize,
    /// The partition of the rows at that node.
    pub partition: Arc<Partition>,
    /// One past the last sequence number of the batch.
    pub end: u64,
}

/// Rows that leave by `errors`.
#[derive(Debug)]
pub(crate) struct Dead {
    pub rows: Vec<Failed>,
    /// A decoder has made them: their numbers are its own, not the source's.
    pub made: bool,
}

/// A read of which nothing is outstanding any more.
#[derive(Debug)]
pub(crate) struct Completed {
    pub id: ReadId,
    pub outcome: Outcome,
    /// The earliest place of all decoders.
    pub resume: Option<Arc<Resume>>,
    /// Records that decoders made out of it; `None` = its rows are the records.
    pub made: Option<u64>,
    pub anchors: SmallVec<[Anchor; 1]>,
}

impl Origin {
    /// `named`: somebody waits for the names of rows that are dead-lettered.
    pub fn new(
        id: ReadId,
        ids: &RowIds,
        named: bool,
        facts: SourceFacts,
        completions: &Arc<Completions>,
    ) -> Origin {
        Origin {
            id,
            partition: ids.partition.clone(),
            facts,
            outstanding: AtomicU32::new(0),
            failed: AtomicBool::new(false),
            named: named.then(|| ids.clone()),
            notes: Mutex::default(),
            completions: completions.clone(),
        }
    }

    pub fn wants_failures(&self) -> bool {
        self.named.is_some()
    }

    /// Decoder number `node` can resume here, when the read is settled.
    pub fn resume_at(&self, node: usize, resume: &Arc<Resume>) {
        let mut notes = self.notes();
        match notes.resumes.iter_mut().find(|(known, _)| *known == node) {
            Some((_, last)) => *last = resume.clone(),
            None => notes.resumes.push((node, resume.clone())),
        }
    }

    pub fn add_made(&self, node: usize, records: u64) {
        let mut notes = self.notes();
        match notes.made.iter_mut().find(|(known, _)| *known == node) {
            Some((_, sum)) => *sum += records,
            None => notes.made.push((node, records)),
        }
    }

    pub fn anchor(&self, anchor: &Anchor) {
        let mut notes = self.notes();
        let same = |known: &&mut Anchor| {
            known.node == anchor.node && known.partition.id == anchor.partition.id
        };
        match notes.anchors.iter_mut().find(same) {
            Some(known) => known.end = known.end.max(anchor.end),
            None => notes.anchors.push(anchor.clone()),
        }
    }

    pub(super) fn take_one(&self) {
        let before = self.outstanding.fetch_add(1, Ordering::Relaxed);
        assert!(before < u32::MAX, "too many acknowledgements of one read");
    }

    pub(super) fn release(&self, verdict: Verdict, dead: &[Arc<Dead>]) {
        match verdict {
            Verdict::Settled => dead.iter().for_each(|rows| self.mark_dead(rows)),
            Verdict::Failed => self.failed.store(true, Ordering::Relaxed),
        }
        if self.outstanding.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.completions.push(self.completed());
        }
    }

    fn completed(&self) -> Completed {
        let notes = std::mem::take(&mut *self.notes());
        let verdict = match self.failed.load(Ordering::Relaxed) {
            true => Verdict::Failed,
            false => Verdict::Settled,
        };
        let resumes = notes.resumes.into_iter().map(|(_, resume)| resume);
        let resume = resumes.min_by_key(|resume| resume.offset);
        Completed {
            id: self.id,
            outcome: Outcome { verdict, failures: notes.failures.into_values().collect() },
            resume,
            made: notes.made.iter().map(|(_, records)| *records).max(),
            anchors: notes.anchors,
        }
    }

    /// Takes those of the rows that are its own; each once, however many branches fail it.
    fn mark_dead(&self, dead: &Dead) {
        let Some(named) = &self.named else { return };
        let mut ranges = named.ranges();
        ranges.sort_unstable();
        let mut notes = self.notes();
        for row in &dead.rows {
            let within = || {
                let behind = ranges.partition_point(|(first, _)| *first <= row.seq);
                behind.checked_sub(1).is_some_and(|range| row.seq <= ranges[range].1)
            };
            if dead.made || within() {
                notes.failures.entry(row.seq).or_insert_with(|| row.clone());
            }
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Completed reads on their way to the driver of their source; bounded by the reads in flight.
#[derive(Debug, Default)]
pub(crate) struct Completions {
    done: Mutex<Vec<Completed>>,
    arrived: Notify,
}

impl Completions {
    fn push(&self, completed: Completed) {
        self.done.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(completed);
        self.arrived.notify_one();
    }

    /// Waits until there may be something to take. Cancel-safe.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// What has arrived since, in order.
    pub fn take(&self) -> Vec<Completed> {
        std::mem::take(&mut *self.done.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}
