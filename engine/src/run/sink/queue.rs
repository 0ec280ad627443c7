//! Batches that wait to be written, joined and cut to the limits of one write.

use crate::batch::{Batch, row_bytes, rows_bytes};
use crate::node::SinkLimits;
use std::collections::VecDeque;

/// Batches that wait at most, however small they are.
const BATCHES_MAX: usize = 1024;

#[derive(Debug)]
pub(crate) struct Queue {
    limits: SinkLimits,
    batches: VecDeque<Waiting>,
    rows: usize,
    bytes: u64,
}

#[derive(Debug)]
struct Waiting {
    batch: Batch,
    bytes: u64,
}

impl Queue {
    pub fn new(limits: SinkLimits) -> Queue {
        let rows_max = limits.rows_max.max(1);
        let limits = SinkLimits { rows_max, ..limits };
        Queue { limits, batches: VecDeque::new(), rows: 0, bytes: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Takes one more batch; there must be room.
    pub fn push(&mut self, batch: Batch) {
        let bytes = rows_bytes(&batch.rows);
        self.count(&batch, bytes);
        self.batches.push_back(Waiting { batch, bytes });
    }

    /// There is no whole write yet.
    pub fn has_room(&self) -> bool {
        match self.limits.whole {
            true => self.batches.is_empty(),
            false => !self.is_full(),
        }
    }

    /// What waits may be written without waiting for more.
    pub fn is_full(&self) -> bool {
        let SinkLimits { rows_max, bytes_max, whole, .. } = self.limits;
        let full = self.rows >= rows_max || self.bytes >= bytes_max as u64;
        full || self.batches.len() >= BATCHES_MAX || (whole && !self.batches.is_empty())
    }

    /// Bytes of columns that wait, about.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes that the next write takes at most, about.
    pub fn next_bytes(&self) -> u64 {
        let first = self.batches.front().map_or(0, |waiting| waiting.bytes);
        let limit = self.limits.bytes_max as u64;
        if self.limits.whole { first } else { self.bytes.min(limit) }
    }

    /// The rows of the next write: those of the first partition that waits, in order. A joined row
    /// goes alone: beside another one nothing would say which ids are whose.
    pub fn next(&mut self) -> Option<Batch> {
        if self.limits.whole {
            let waiting = self.batches.pop_front()?;
            self.uncount(&waiting);
            return Some(waiting.batch);
        }
        let partition = self.batches.front()?.batch.rows.ids.partition.id;
        let mut room = Room::new(&self.limits);
        let mut taken = Vec::new();
        let mut index = 0;
        while index < self.batches.len() {
            if self.batches[index].batch.rows.ids.partition.id != partition {
                index += 1;
                continue;
            }
            let joined = self.batches[index].batch.rows.is_joined();
            if joined && !taken.is_empty() {
                break;
            }
            let rows = room.fits(&self.batches[index]);
            if rows == 0 {
                break;
            }
            let Some(waiting) = self.batches.remove(index) else { break };
            self.uncount(&waiting);
            let len = waiting.batch.rows.len();
            if rows < len {
                let (head, rest) = waiting.batch.split_at(rows);
                let bytes = rows_bytes(&rest.rows);
                self.count(&rest, bytes);
                self.batches.insert(index, Waiting { batch: rest, bytes });
                taken.push(head);
                break;
            }
            taken.push(waiting.batch);
            if joined {
                break;
            }
        }
        Some(Batch::concat(taken))
    }

    fn count(&mut self, batch: &Batch, bytes: u64) {
        self.rows += batch.rows.len();
        self.bytes += bytes;
    }

    fn uncount(&mut self, waiting: &Waiting) {
        self.rows -= waiting.batch.rows.len();
        self.bytes -= waiting.bytes;
    }
}

/// What is left of the limits of the write that is being put together.
struct Room {
    rows: usize,
    bytes: u64,
    align: u64,
    /// The block of `align` sequence numbers that the write is of.
    block: Option<u64>,
    empty: bool,
}

impl Room {
    fn new(limits: &SinkLimits) -> Room {
        Room {
            rows: limits.rows_max,
            bytes: limits.bytes_max as u64,
            align: limits.align,
            block: None,
            empty: true,
        }
    }

    /// How many of the batch's first rows fit; takes their room. The first row always fits.
    fn fits(&mut self, waiting: &Waiting) -> usize {
        let rows = &waiting.batch.rows;
        let mut fits = rows.len().min(self.rows);
        if self.align > 0 && !rows.is_joined() {
            fits = fits.min(self.in_block(&rows.ids.slice(0..fits)));
        }
        let mut bytes = waiting.bytes;
        if bytes > self.bytes || fits < rows.len() {
            bytes = 0;
            let sizes = row_bytes(&rows.slice(0..fits));
            let within = sizes.iter().enumerate().take_while(|(row, size)| {
                let takes = bytes + **size <= self.bytes || (self.empty && *row == 0);
                bytes += if takes { **size } else { 0 };
                takes
            });
            fits = within.count();
        }
        self.rows -= fits;
        self.bytes = self.bytes.saturating_sub(bytes);
        self.empty &= fits == 0;
        fits
    }

    fn in_block(&mut self, ids: &crate::batch::RowIds) -> usize {
        let align = self.align;
        let Some(first) = ids.first() else { return 0 };
        let block = *self.block.get_or_insert(first / align);
        ids.seqs().take_while(|seq| seq / align == block).count()
    }
}

#[cfg(test)]
mod tests;
