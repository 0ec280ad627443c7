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
            let within = sizes.iter().take_while(|size| {
                let takes = bytes + **size <= self.bytes || (self.empty && bytes == 0);
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
mod tests {
    use super::*;
    use crate::ack::Ack;
    use crate::testing;

    fn limits(rows_max: usize, bytes_max: usize, align: u64) -> SinkLimits {
        SinkLimits { rows_max, bytes_max, align, ..SinkLimits::default() }
    }

    /// A batch whose row `seq` has `seq % 4 + 1` bytes.
    fn batch(partition: &str, first: u64, len: usize) -> Batch {
        let payloads: Vec<Vec<u8>> =
            (first..first + len as u64).map(|seq| vec![b'x'; seq as usize % 4 + 1]).collect();
        let mut rows = testing::payload(&payloads);
        rows.ids = testing::ids(partition, first, len);
        Batch { rows, ack: Ack::none() }
    }

    /// Partition, first and last of each write.
    fn writes(queue: &mut Queue) -> Vec<(String, u64, u64)> {
        let mut writes = Vec::new();
        while let Some(Batch { rows, .. }) = queue.next() {
            let ids = &rows.ids;
            assert_eq!(ids.len(), rows.len());
            let bounds = ids.first().zip(ids.last()).unwrap_or_default();
            writes.push((ids.partition.name.clone(), bounds.0, bounds.1));
        }
        assert_eq!((queue.rows, queue.bytes), (0, 0));
        writes
    }

    fn of(partition: &str, bounds: &[(u64, u64)]) -> Vec<(String, u64, u64)> {
        bounds.iter().map(|(first, last)| (partition.to_owned(), *first, *last)).collect()
    }

    #[test]
    fn batches_are_joined_and_cut_by_rows() {
        let mut queue = Queue::new(limits(5, 1000, 0));
        for (first, len) in [(0, 3), (3, 3), (6, 1), (7, 5)] {
            queue.push(batch("p", first, len));
        }
        assert_eq!(writes(&mut queue), of("p", &[(0, 4), (5, 9), (10, 11)]));
    }

    #[test]
    fn batches_are_cut_by_bytes_and_a_large_row_goes_alone() {
        let mut queue = Queue::new(limits(100, 5, 0));
        queue.push(batch("p", 0, 8));
        assert_eq!(writes(&mut queue), of("p", &[(0, 1), (2, 2), (3, 4), (5, 6), (7, 7)]));
        let mut queue = Queue::new(limits(100, 1, 0));
        queue.push(batch("p", 2, 2));
        assert_eq!(writes(&mut queue), of("p", &[(2, 2), (3, 3)]));
    }

    #[test]
    fn writes_end_where_the_block_of_numbers_does() {
        let mut queue = Queue::new(limits(4, 1000, 4));
        for (first, len) in [(2, 1), (3, 3), (6, 9)] {
            queue.push(batch("p", first, len));
        }
        assert_eq!(writes(&mut queue), of("p", &[(2, 3), (4, 7), (8, 11), (12, 14)]));
    }

    #[test]
    fn a_write_is_of_one_partition_and_none_overtakes_itself() {
        let mut queue = Queue::new(limits(4, 1000, 0));
        for (name, at) in [("a", 0), ("b", 0), ("a", 3), ("b", 3)] {
            queue.push(batch(name, at, 3));
        }
        let mut wanted = of("a", &[(0, 3)]);
        wanted.extend(of("b", &[(0, 3)]));
        wanted.extend(of("a", &[(4, 5)]));
        wanted.extend(of("b", &[(4, 5)]));
        assert_eq!(writes(&mut queue), wanted);
    }

    #[test]
    fn whole_batches_stay_whole() {
        let mut queue = Queue::new(SinkLimits { whole: true, ..limits(1, 1, 1) });
        queue.push(batch("p", 0, 9));
        assert!(!queue.has_room() && queue.is_full());
        assert_eq!(writes(&mut queue), of("p", &[(0, 8)]));
        assert!(queue.has_room());
    }

    #[test]
    fn room_ends_with_the_limits() {
        let mut queue = Queue::new(limits(4, 1000, 0));
        queue.push(batch("p", 0, 3));
        assert!(queue.has_room());
        queue.push(batch("p", 3, 1));
        assert!(!queue.has_room());
    }
}
