//! The queue, by hand and against lists of rows that wait.

use super::*;
use crate::ack::{Ack, Completions, Origin, ReadId, SourceFacts, Verdict};
use crate::testing;
use std::sync::Arc;

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

/// A row that waits: partition, first and last number, bytes, and whether it is a joined one.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    partition: usize,
    first: u64,
    last: u64,
    bytes: u64,
}

impl Row {
    fn is_joined(&self) -> bool {
        self.first != self.last
    }
}

const PARTITIONS: [&str; 3] = ["a", "b", "c"];

/// The queue, the rows that wait in it in the order in which they came, and what was settled.
struct Model {
    queue: Queue,
    limits: SinkLimits,
    waiting: Vec<Row>,
    /// Rows of each batch that was pushed.
    batches: VecDeque<usize>,
    next: [u64; 3],
    pushed: usize,
    completions: Arc<Completions>,
}

impl Model {
    fn push(&mut self, random: &mut fastrand::Rng) {
        let partition = random.usize(0..3);
        let first = self.next[partition] + random.u64(0..2);
        let len = random.usize(1..9);
        self.next[partition] = first + len as u64;
        let joined = random.u8(0..6) == 0;
        let payloads: Vec<Vec<u8>> =
            (0..if joined { 1 } else { len }).map(|_| vec![b'x'; random.usize(0..12)]).collect();
        let ids = testing::ids(PARTITIONS[partition], first, len);
        let rows = crate::batch::Rows { ids: ids.clone(), ..testing::payload(&payloads) };
        self.waiting.extend(payloads.iter().zip(first..).map(|(payload, seq)| Row {
            partition,
            first: seq,
            last: if joined { first + len as u64 - 1 } else { seq },
            bytes: payload.len() as u64,
        }));
        self.batches.push_back(payloads.len());
        let id = ReadId { partition: 0, number: self.pushed as u64 };
        self.pushed += 1;
        let origin = Origin::new(id, &ids, false, SourceFacts::default(), &self.completions);
        self.queue.push(Batch { rows, ack: Ack::of(Arc::new(origin)) });
    }

    /// Takes a write, and looks whether it is the next one, within the limits, and no smaller than
    /// they ask for.
    fn next(&mut self, what: &str) {
        let Some(Batch { rows, ack }) = self.queue.next() else {
            return assert!(self.waiting.is_empty(), "{what}");
        };
        let front = self.waiting[0].partition;
        let of_front = |row: &Row| row.partition == front;
        let wanted: Vec<Row> = match self.limits.whole {
            true => self.waiting[..self.batches.pop_front().unwrap_or(0)].to_vec(),
            false => {
                let first = self.waiting.iter().copied().filter(of_front);
                first.take(rows.len()).collect()
            }
        };
        assert_eq!(rows.ids.partition.name, PARTITIONS[front], "{what}");
        let bounds =
            wanted.first().zip(wanted.last()).map(|(first, last)| (first.first, last.last));
        assert_eq!(rows.ids.first().zip(rows.ids.last()), bounds, "{what}");
        let seqs = wanted.iter().flat_map(|row| row.first..=row.last);
        assert!(rows.ids.seqs().eq(seqs), "{what}");
        let bytes = testing::payloads(&rows).into_iter().map(|payload| payload.len() as u64);
        assert!(bytes.eq(wanted.iter().map(|row| row.bytes)), "{what}");
        self.waiting.retain(|row| !wanted.contains(row));
        let rest = self.waiting.iter().find(|row| of_front(row));
        if !self.limits.whole {
            self.check(&wanted, rest.copied(), what);
        }
        ack.settle(Verdict::Settled);
    }

    fn check(&self, write: &[Row], rest: Option<Row>, what: &str) {
        let SinkLimits { rows_max, bytes_max, align, .. } = self.limits;
        let fits = |rows: &[Row]| {
            let bytes: u64 = rows.iter().map(|row| row.bytes).sum();
            let block = |row: &Row| row.first.checked_div(align);
            let one_block = rows.iter().all(|row| block(row) == block(&rows[0]));
            let joined = rows.iter().any(Row::is_joined);
            rows.len() <= rows_max.max(1) && bytes <= bytes_max as u64 && one_block && !joined
        };
        assert!(write.len() == 1 || fits(write), "{what}: {write:?}");
        if let Some(rest) = rest {
            let more: Vec<Row> = write.iter().copied().chain([rest]).collect();
            assert!(!fits(&more), "{what}: {write:?} leaves {rest:?}");
        }
    }

    fn counts(&self, what: &str) {
        let bytes: u64 = self.waiting.iter().map(|row| row.bytes).sum();
        assert_eq!((self.queue.rows, self.queue.bytes()), (self.waiting.len(), bytes), "{what}");
        let SinkLimits { rows_max, bytes_max, whole, .. } = self.limits;
        let full = self.waiting.len() >= rows_max.max(1) || bytes >= bytes_max as u64;
        let full = full || (whole && !self.waiting.is_empty());
        assert_eq!((self.queue.is_full(), self.queue.has_room()), (full, !full));
    }
}

#[test]
fn writes_are_those_of_a_naive_model() {
    let mut writes = 0;
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let align = if random.bool() { 0 } else { random.u64(1..9) };
        let limits = limits(random.usize(0..20), random.usize(1..70), align);
        let limits = SinkLimits { whole: random.u8(0..5) == 0, ..limits };
        let mut model = Model {
            queue: Queue::new(limits),
            limits,
            waiting: Vec::new(),
            batches: VecDeque::new(),
            next: [0; 3],
            pushed: 0,
            completions: Arc::default(),
        };
        for step in 0..120 {
            let what = format!("seed {seed}, step {step}, {limits:?}");
            match model.queue.has_room() && random.u8(0..3) > 0 {
                true => model.push(&mut random),
                false => {
                    writes += 1;
                    model.next(&what);
                }
            }
            model.counts(&what);
        }
        while !model.queue.is_empty() {
            model.next(&format!("seed {seed}, the rest"));
        }
        assert!(model.waiting.is_empty(), "seed {seed}: {:?}", model.waiting);
        let ended = model.completions.take();
        assert_eq!(ended.len(), model.pushed, "seed {seed}");
        assert!(ended.iter().all(|read| read.outcome.verdict == Verdict::Settled));
    }
    assert!(writes > 10_000, "{writes}");
}
