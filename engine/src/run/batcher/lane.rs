//! The open batch of one partition: its rows, and the acknowledgements that it holds.

use super::cuts::Entry;
use super::cutter::{Closed, CutLimits, CutRow, Cutter};
use crate::ack::{Anchor, Verdict};
use crate::batch::{Batch, Partition, Rows, held_bytes, row_bytes};
use crate::fault::Fault;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Lane {
    /// The number of the `batch` node.
    node: usize,
    partition: Arc<Partition>,
    /// The source replays: batches must come out the same, so cuts by the clock are recorded.
    pub tracked: bool,
    /// Rows may come in any order, and those of an earlier run need not come again (failures): no
    /// batch waits for its recorded end.
    any_order: bool,
    cutter: Cutter,
    parts: Vec<Batch>,
    /// Bytes of the parts.
    held_bytes: u64,
    /// When the first row of the open batch came in.
    opened_ns: Option<i64>,
    /// The lowest sequence number that may come next.
    next: u64,
}

/// What rows did.
#[derive(Debug, Default)]
pub(crate) struct Pushed {
    /// Batches that are closed, in order.
    pub closed: Vec<Batch>,
    /// Their ends, to be recorded before they are sent.
    pub ends: Vec<u64>,
    /// Rows that an earlier run has delivered; they are settled.
    pub skipped: u64,
}

impl Lane {
    /// The lane of the partition of `first`, with what an earlier run has left in the log.
    pub fn new(node: usize, limits: CutLimits, first: &Batch, left: Entry) -> Lane {
        let partition = first.rows.ids.partition.clone();
        let origin = first.ack.origins().next();
        let alone = origin.is_some_and(|origin| {
            origin.facts.one_partition && origin.partition.id == partition.id
        });
        let tag = partition.id[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        let cutter = Cutter::new(limits, left.anchor, left.cuts).tagged((!alone).then_some(tag));
        let tracked = origin.is_some_and(|origin| origin.facts.replays);
        Lane {
            node,
            partition,
            tracked,
            any_order: false,
            cutter,
            parts: Vec::new(),
            held_bytes: 0,
            opened_ns: None,
            next: 0,
        }
    }

    /// Takes rows in any order, where the node was told so.
    pub fn in_any_order(mut self, any_order: bool) -> Lane {
        self.any_order = any_order;
        self
    }

    pub fn partition(&self) -> &Arc<Partition> {
        &self.partition
    }

    /// No row waits.
    pub fn is_empty(&self) -> bool {
        self.opened_ns.is_none()
    }

    /// Since when the clock may count for the open batch.
    pub fn waits_since_ns(&self) -> Option<i64> {
        self.opened_ns.filter(|_| self.any_order || !self.cutter.is_bound())
    }

    /// Bytes of the open batch.
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// Adds rows of the lane's partition.
    ///
    /// # Errors
    /// They do not follow what came before, so a replay could not make the same batches.
    pub fn push(&mut self, batch: Batch, now_ns: i64) -> Result<Pushed, Fault> {
        let len = batch.rows.len();
        let mut pushed = Pushed::default();
        let mut ends: Vec<usize> = Vec::new();
        let mut closed: Vec<Option<Closed>> = Vec::new();
        for (row, cut_row) in cut_rows(&batch.rows).into_iter().enumerate() {
            self.follow(&cut_row)?;
            let cuts = self.cutter.push(cut_row);
            pushed.skipped += u64::from(cuts.skip);
            if cuts.before.is_some() {
                ends.push(row);
                closed.push(cuts.before);
            }
            if cuts.after.is_some() {
                ends.push(row + 1);
                closed.push(cuts.after);
            }
        }
        if ends.last() != Some(&len) {
            ends.push(len);
            closed.push(None);
        }
        for (part, closed) in split(batch, pushed.skipped as usize, &ends).into_iter().zip(closed) {
            if !part.rows.is_empty() {
                self.opened_ns.get_or_insert(now_ns);
                // A small rest of a batch does not keep all of it in memory.
                let small = closed.is_none() && part.rows.len() * 2 < len;
                let rows = if small { part.rows.copy() } else { part.rows };
                self.held_bytes += held_bytes(&rows);
                self.parts.push(Batch { rows, ack: part.ack });
            } else {
                part.ack.settle(Verdict::Settled);
            }
            if let Some(closed) = closed {
                pushed.ends.push(closed.end);
                pushed.closed.push(self.take(closed));
            }
        }
        Ok(pushed)
    }

    /// Closes the open batch by the clock: its end, and the batch. Not while an earlier run has
    /// said where it ends, unless the rows up to there can not come any more.
    pub fn close(&mut self, input_ended: bool) -> Option<(u64, Batch)> {
        if self.cutter.is_bound() && !input_ended && !self.any_order {
            return None;
        }
        let closed = self.cutter.close()?;
        Some((closed.end, self.take(closed)))
    }

    fn take(&mut self, closed: Closed) -> Batch {
        self.opened_ns = None;
        self.held_bytes = 0;
        let mut batch = Batch::concat(std::mem::take(&mut self.parts));
        batch.rows.group = Some(Arc::new(closed.group));
        if self.tracked {
            let partition = self.partition.clone();
            let anchor = Anchor { node: self.node, partition, end: closed.end };
            batch.ack.origins().for_each(|origin| origin.anchor(&anchor));
        }
        batch
    }

    fn follow(&mut self, row: &CutRow) -> Result<(), Fault> {
        if self.tracked && row.first < self.next && !self.any_order {
            let (name, seq, next) = (&self.partition.name, row.first, self.next);
            let message = format!("row {seq} of `{name}` came when row {next} or later was due");
            return Err(Fault::service("row_order", message));
        }
        self.next = self.next.max(row.end);
        Ok(())
    }
}

/// Cuts a batch at `ends`, its first `skipped` rows taken off and settled.
fn split(batch: Batch, skipped: usize, ends: &[usize]) -> Vec<Batch> {
    if skipped == 0 {
        return batch.split(ends);
    }
    let (skip, rest) = batch.split_at(skipped);
    skip.ack.settle(Verdict::Settled);
    let ends: Vec<usize> = ends.iter().map(|end| end - skipped).collect();
    rest.split(&ends)
}

fn cut_rows(rows: &Rows) -> Vec<CutRow> {
    let bytes = row_bytes(rows);
    let arrival_ns = rows.ids.arrival_ns().unwrap_or_default();
    if let (true, Some(first), Some(last)) = (rows.is_joined(), rows.ids.first(), rows.ids.last()) {
        return vec![CutRow { first, end: last + 1, bytes: bytes[0], arrival_ns }];
    }
    let runs = rows.ids.runs.iter();
    let ids = runs.flat_map(|run| {
        (run.first..run.first + u64::from(run.len)).map(|seq| (seq, run.arrival_ns))
    });
    let rows = ids.zip(bytes).map(|((seq, arrival_ns), bytes)| CutRow {
        first: seq,
        end: seq + 1,
        bytes,
        arrival_ns,
    });
    rows.collect()
}

#[cfg(test)]
mod tests;
