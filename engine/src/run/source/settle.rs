//! What comes back to a source: settled reads, their replies, and commits of what they free.

use crate::ack::{Anchor, Completions, Outcome, ReadId, Verdict};
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::ledger::{Commit, Ledger};
use crate::node::Source;
use crate::retry::Retry;
use crate::run::batcher::CutLog;
use crate::run::node::Node;
use futures::FutureExt;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::oneshot;

pub(crate) struct Settling {
    ledger: Ledger,
    pub completions: Arc<Completions>,
    replies: BTreeMap<(u32, u64), oneshot::Sender<Outcome>>,
    /// Bytes of each read in flight.
    bytes: BTreeMap<(u32, u64), u64>,
    in_flight_bytes: u64,
    /// By number, the logs of all `batch` nodes of the plan.
    logs: Arc<BTreeMap<usize, Arc<CutLog>>>,
    /// Rows of commits that were taken and are not made.
    committing: u64,
    /// Rows that would be sent again, for who waits for the driver.
    undelivered: Arc<AtomicU64>,
    seed: u64,
}

/// What settling has come to.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Records whose branches are all acknowledged.
    pub records: u64,
    /// A read has failed: the source cannot move past it.
    pub failed: bool,
}

impl Settling {
    pub fn new(
        logs: Arc<BTreeMap<usize, Arc<CutLog>>>,
        undelivered: Arc<AtomicU64>,
        seed: u64,
    ) -> Settling {
        Settling {
            ledger: Ledger::default(),
            completions: Arc::default(),
            replies: BTreeMap::new(),
            bytes: BTreeMap::new(),
            in_flight_bytes: 0,
            logs,
            committing: 0,
            undelivered,
            seed,
        }
    }

    /// Notes a read of so many rows and bytes, and who waits for its outcome.
    pub fn open(
        &mut self,
        partition: u32,
        (rows, bytes): (u64, u64),
        end: u64,
        reply: Option<oneshot::Sender<Outcome>>,
    ) -> ReadId {
        let id = self.ledger.open(partition, rows, end);
        self.bytes.insert((id.partition, id.number), bytes);
        self.in_flight_bytes += bytes;
        if let Some(reply) = reply {
            self.replies.insert((id.partition, id.number), reply);
        }
        self.show();
        id
    }

    /// Waits until reads may be complete. Cancel-safe.
    pub async fn arrived(&self) {
        self.completions.arrived().await;
    }

    /// Takes the reads that are complete, and replies.
    pub fn settle(&mut self, node: &Node, now_ns: i64) -> Settled {
        let mut settled = Settled::default();
        for completed in self.completions.take() {
            let rows = self.ledger.settle(&completed, now_ns);
            match completed.outcome.verdict {
                Verdict::Failed => settled.failed = true,
                Verdict::Settled => {
                    let records = completed.made.unwrap_or(rows);
                    settled.records += records;
                    node.meter.settled.add(rows);
                    node.meter.records.add(records);
                }
            }
            let key = (completed.id.partition, completed.id.number);
            self.in_flight_bytes -= self.bytes.remove(&key).unwrap_or(0);
            if let Some(reply) = self.replies.remove(&key) {
                // Who asked may be gone; the rows are where they belong all the same.
                let _ = reply.send(completed.outcome);
            }
        }
        self.show();
        settled
    }

    /// Rows that are not settled, and those that are settled behind one that is not: so one that is
    /// stuck bounds what a crash would send again.
    pub fn kept_rows(&self) -> u64 {
        self.ledger.kept_rows()
    }

    /// Bytes of what was read and has not come back.
    pub fn in_flight_bytes(&self) -> u64 {
        self.in_flight_bytes
    }

    /// Everything that was read has come back.
    pub fn is_idle(&self) -> bool {
        self.ledger.is_idle()
    }

    pub fn next_due_ns(&self) -> Option<i64> {
        self.ledger.next_due_ns()
    }

    pub fn take_due(&mut self, now_ns: i64, all: bool) -> Vec<Commit> {
        let due = self.ledger.take_due(now_ns, all);
        self.committing += due.iter().map(|commit| commit.rows).sum::<u64>();
        due
    }

    /// Commits a position: first the anchors of the `batch` nodes behind it, then the source's.
    ///
    /// # Errors
    /// What of the two could not be stored, at last.
    pub async fn commit(
        &mut self,
        source: &mut dyn Source,
        commit: Commit,
        ctx: &Ctx,
    ) -> Result<(), Fault> {
        for (number, log) in self.logs.iter() {
            let anchors = commit.anchors.iter().filter(|anchor| anchor.node == *number);
            let anchors: Vec<Anchor> = anchors.cloned().collect();
            if anchors.is_empty() {
                continue;
            }
            ctx.failpoints.pass("batch.anchor")?;
            let mut retry = Retry::new(ctx, self.seed);
            while let Err(fault) = log.anchor(&anchors).await {
                retry.wait(fault).await?;
            }
            ctx.failpoints.pass("batch.anchored")?;
        }
        let Commit { partition, upto, resume, rows, .. } = commit;
        ctx.failpoints.pass("source.commit")?;
        let mut retry = Retry::new(ctx, self.seed);
        loop {
            let committed = source.commit(partition, upto, resume.clone());
            let committed = AssertUnwindSafe(committed).catch_unwind().await;
            match committed.unwrap_or_else(|panic| Err(Fault::panic(panic))) {
                Ok(()) => {
                    self.committing = self.committing.saturating_sub(rows);
                    self.show();
                    return ctx.failpoints.pass("source.committed");
                }
                Err(fault) => retry.wait(fault).await?,
            }
        }
    }

    fn show(&self) {
        let rows = self.ledger.undelivered_rows() + self.ledger.due_rows() + self.committing;
        self.undelivered.store(rows, Ordering::Relaxed);
    }
}
