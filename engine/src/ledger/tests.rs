//! The ledger against a model that keeps everything and looks at it from the start each time.

mod model;

use super::*;
use crate::ack::Outcome;
use crate::testing;

const SECOND: i64 = 1_000_000_000;

fn completed(id: ReadId, verdict: Verdict) -> Completed {
    Completed {
        id,
        outcome: Outcome { verdict, failures: Vec::new() },
        resume: None,
        made: None,
        anchors: SmallVec::new(),
    }
}

fn with_resume(id: ReadId, offset: u64) -> Completed {
    let resume = Resume { offset, ..Resume::default() };
    Completed { resume: Some(Arc::new(resume)), ..completed(id, Verdict::Settled) }
}

fn with_anchor(id: ReadId, end: u64) -> Completed {
    let partition = testing::partition("orders/0");
    let anchors = SmallVec::from_iter([Anchor { node: 2, partition, end }]);
    Completed { anchors, ..completed(id, Verdict::Settled) }
}

/// One read of the model: its end, its rows, its verdict once it has one.
type ModelRead = (u64, u64, Option<Verdict>);

#[derive(Default)]
struct Model {
    lanes: [Vec<ModelRead>; 3],
}

impl Model {
    fn prefix_end(&self, lane: usize) -> Option<u64> {
        let settled = |read: &&ModelRead| read.2 == Some(Verdict::Settled);
        self.lanes[lane].iter().take_while(settled).last().map(|read| read.0)
    }

    fn sum(&self, counts: impl Fn(Option<Verdict>) -> bool) -> u64 {
        let reads = self.lanes.iter().flatten();
        reads.filter(|read| counts(read.2)).map(|read| read.1).sum()
    }
}

#[test]
fn commits_are_the_prefix_of_the_model() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut ledger, mut model) = (Ledger::default(), Model::default());
        let mut open: Vec<(usize, usize, ReadId)> = Vec::new();
        let mut ends = [0_u64; 3];
        let mut committed = [None; 3];
        for step in 0..200_i64 {
            let lane = random.usize(0..3);
            if open.is_empty() || random.u8(0..10) < 4 {
                let rows = random.u64(0..50);
                ends[lane] += rows + 1;
                let id = ledger.open(lane as u32, rows, ends[lane]);
                open.push((lane, model.lanes[lane].len(), id));
                model.lanes[lane].push((ends[lane], rows, None));
            } else {
                let (lane, index, id) = open.swap_remove(random.usize(0..open.len()));
                let failed = random.u8(0..100) < 2;
                let verdict = if failed { Verdict::Failed } else { Verdict::Settled };
                ledger.settle(&completed(id, verdict), step);
                model.lanes[lane][index].2 = Some(verdict);
            }
            if random.bool() {
                for commit in ledger.take_due(step, true) {
                    let lane = commit.partition as usize;
                    assert_eq!(Some(commit.upto), model.prefix_end(lane), "seed {seed}");
                    assert!(committed[lane] < Some(commit.upto), "seed {seed}: it moved on");
                    committed[lane] = Some(commit.upto);
                }
                (0..3).for_each(|lane| assert_eq!(committed[lane], model.prefix_end(lane)));
            }
            assert_eq!(ledger.in_flight_rows, model.sum(|verdict| verdict.is_none()));
            let lost = model.sum(|verdict| verdict != Some(Verdict::Settled));
            assert_eq!(ledger.undelivered_rows(), lost, "seed {seed}");
            assert_eq!(ledger.is_idle(), open.is_empty());
        }
    }
}

#[test]
fn a_failed_read_stops_its_partition_only() {
    let mut ledger = Ledger::default();
    let reads: Vec<ReadId> = (1..=3).map(|end| ledger.open(0, 1, end)).collect();
    let other = ledger.open(1, 1, 1);
    ledger.settle(&completed(reads[1], Verdict::Failed), 0);
    ledger.settle(&completed(reads[2], Verdict::Settled), 0);
    ledger.settle(&completed(reads[0], Verdict::Settled), 0);
    ledger.settle(&completed(other, Verdict::Settled), 0);
    let ends: Vec<(u32, u64)> =
        ledger.take_due(0, true).iter().map(|commit| (commit.partition, commit.upto)).collect();
    assert_eq!(ends, [(0, 1), (1, 1)]);
    assert_eq!(ledger.take_due(i64::MAX, true), []);
    assert_eq!((ledger.undelivered_rows(), ledger.is_idle()), (1, true));
}

#[test]
fn commits_wait_for_a_second_or_ten_thousand_rows() {
    let mut ledger = Ledger::default();
    let read = |ledger: &mut Ledger, rows, end, now_ns| {
        let id = ledger.open(0, rows, end);
        ledger.settle(&completed(id, Verdict::Settled), now_ns);
    };
    read(&mut ledger, 9_999, 1, 5);
    assert_eq!(ledger.next_due_ns(), Some(5 + SECOND));
    assert_eq!(ledger.take_due(4 + SECOND, false), []);
    read(&mut ledger, 1, 2, 6);
    assert_eq!(ledger.take_due(7, false).len(), 1, "by rows");
    read(&mut ledger, 1, 3, 8);
    let due = ledger.next_due_ns().unwrap_or_default();
    assert_eq!(ledger.take_due(due - 1, false), []);
    assert_eq!(ledger.take_due(due, false).len(), 1, "by time");
    assert_eq!((ledger.next_due_ns(), ledger.take_due(i64::MAX, false)), (None, vec![]));
}

#[test]
fn a_position_is_where_a_decoder_can_resume() {
    let mut ledger = Ledger::default();
    let reads: Vec<ReadId> = (1..=3).map(|end| ledger.open(0, 1, end * 100)).collect();
    ledger.settle(&with_resume(reads[0], 90), 0);
    ledger.settle(&completed(reads[1], Verdict::Settled), 0);
    let commits = ledger.take_due(0, true);
    assert_eq!((commits.len(), commits[0].upto), (1, 100), "200 is in the middle of a record");
    ledger.settle(&with_resume(reads[2], 290), 0);
    let commits = ledger.take_due(0, true);
    assert_eq!(commits[0].upto, 300);
    assert_eq!(commits[0].resume.as_ref().map(|resume| resume.offset), Some(290));
}

#[test]
fn anchors_travel_with_the_first_commit_that_covers_them() {
    let mut ledger = Ledger::default();
    let reads: Vec<ReadId> = (1..=4).map(|end| ledger.open(0, 1, end)).collect();
    for (read, end) in [(2, 9), (0, 5), (1, 7)] {
        ledger.settle(&with_anchor(reads[read], end), 0);
    }
    let commits = ledger.take_due(0, true);
    let ends: Vec<u64> = commits[0].anchors.iter().map(|anchor| anchor.end).collect();
    assert_eq!((commits[0].upto, ends), (3, vec![9]));
    ledger.settle(&completed(reads[3], Verdict::Settled), 0);
    assert_eq!(ledger.take_due(0, true)[0].anchors, []);
}
