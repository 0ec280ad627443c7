//! `batch`: the same batches whatever happens.

use crate::toys::*;
use dsl::spec::NodeKind;
use dsl::value::Value;
use engine::fault::Fault;
use engine::node::{SinkLimits, Written};
use engine::testing::MemoryCheckpoints;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::sleep;

const SECOND: i64 = 1_000_000_000;

/// Objects by batch id; a second write of an id must bring the same rows.
#[derive(Clone, Default)]
struct Bucket(Arc<Mutex<BTreeMap<String, Vec<String>>>>);

impl Bucket {
    /// A sink that puts each batch here, and from call `crash` on fails.
    fn sink(&self, crash: Option<usize>) -> Store {
        let objects = self.0.clone();
        let store = Store::answering(move |rows, call| {
            if crash.is_some_and(|crash| call >= crash) {
                return Err(Fault::service("crash", "on purpose"));
            }
            let group = rows.group.clone().unwrap();
            assert_eq!(group.count, rows.len() as u64);
            let before = objects.lock().unwrap().insert(group.id.clone(), texts(rows));
            assert!(before.is_none_or(|before| before == texts(rows)), "{}", group.id);
            Ok(Written::default())
        });
        store.with(SinkLimits { whole: true, ..SinkLimits::default() })
    }

    fn objects(&self) -> Vec<Vec<u64>> {
        let objects = self.0.lock().unwrap();
        objects.values().map(|texts| texts.iter().map(|text| number(text)).collect()).collect()
    }
}

fn bench(numbers: Numbers, options: &[(&str, Value)], store: Store) -> Bench {
    let mut bench = Bench::new();
    let source = bench.source("numbers", numbers);
    let batch = bench.engine("batch", NodeKind::Transform, options);
    let sink = bench.sink("put", store);
    bench.chain(&[source, batch, sink]);
    bench
}

#[tokio::test(start_paused = true)]
async fn rows_that_the_source_waits_for_do_not_wait_for_more() {
    let store = Bucket::default().sink(None);
    let numbers = Numbers { one_by_one: true, ..Numbers::new(&[3, 9, 2]) };
    let options = [("max", Value::Int(4))];
    let report = bench(numbers, &options, store.clone()).run().await;
    assert_eq!(errors(&report), [""; 0]);
    let sizes: Vec<usize> = store.calls().iter().map(|rows| rows.len()).collect();
    assert_eq!(sizes, [3, 4, 4, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn the_first_limit_closes_and_the_rest_leaves_at_the_end() {
    let store = Bucket::default().sink(None);
    let options = [("max", Value::Int(4)), ("size", Value::Size(5))];
    let report = bench(Numbers::new(&[3, 9]), &options, store.clone()).run().await;
    assert_eq!(errors(&report), [""; 0]);
    let groups: Vec<_> = store.calls().into_iter().filter_map(|rows| rows.group).collect();
    let ids: Vec<String> = groups.iter().map(|group| group.id.clone()).collect();
    let id = |first: u64, last: u64| format!("{first:020}-{last:020}");
    assert_eq!(ids, [id(0, 3), id(4, 7), id(8, 10), id(11, 11)]);
    let shape: Vec<_> = groups.iter().map(|g| (g.count, g.size, g.time_ns)).collect();
    assert_eq!(shape, [(4, 4, 0), (4, 4, 3), (3, 4, 3), (1, 2, 3)]);
}

#[tokio::test(start_paused = true)]
async fn the_clock_closes_a_batch_and_it_is_recorded_before_it_is_sent() {
    let checkpoints = MemoryCheckpoints::default();
    let recorded = checkpoints.clone();
    let store = Store::answering(move |_, _| {
        assert_eq!(recorded.all().into_values().collect::<Vec<_>>(), [b"1 0 3x1"]);
        Ok(Written::default())
    });
    let numbers = Numbers { endless: true, ..Numbers::new(&[3]) };
    let seen = numbers.seen.clone();
    let options = [("wait", Value::Duration(60 * SECOND))];
    let mut bench = bench(numbers, &options, store.clone());
    bench.ctx.checkpoints = Arc::new(checkpoints.clone());
    let watch = async {
        sleep(Duration::from_secs(59)).await;
        assert_eq!(store.calls().len(), 0);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(store.calls().len(), 1);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(seen.committed(), Some(3));
        assert_eq!(checkpoints.all().into_values().collect::<Vec<_>>(), [b"1 3"], "forgotten");
    };
    let (report, ()) = tokio::join!(bench.run_until(sleep(Duration::from_secs(70))), watch);
    assert_eq!(errors(&report), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_not_sent_whose_end_cannot_be_recorded() {
    let checkpoints = MemoryCheckpoints::default();
    let store = Bucket::default().sink(None);
    let mut bench = bench(Numbers::new(&[3]), &[], store.clone());
    bench.ctx.checkpoints = Arc::new(checkpoints.clone());
    checkpoints.fail_with(Some(Fault::service("disk_full", "no space left")));
    let report = bench.run().await;
    assert_eq!(errors(&report), ["node test/batch disk_full", "undelivered 3"]);
    assert_eq!(store.calls().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_holds_all_rows_in_flight_is_closed_early() {
    let bucket = Bucket::default();
    let mut bench = bench(Numbers::new(&[10; 10]), &[], bucket.sink(None));
    bench.ctx.in_flight_rows_max = 30;
    let report = bench.run().await;
    assert_eq!(errors(&report), [""; 0]);
    let sizes: Vec<usize> = bucket.objects().iter().map(Vec::len).collect();
    assert_eq!(sizes, [30, 30, 30, 10]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_all_rows_in_flight_comes_out_again_though_reads_are_cut_otherwise() {
    let (bucket, checkpoints) = (Bucket::default(), MemoryCheckpoints::default());
    for (reads, crash) in [(&[29, 8, 3][..], Some(0)), (&[10, 10, 10, 10][..], None)] {
        let numbers = Numbers::new(reads);
        let seen = numbers.seen.clone();
        let mut bench = bench(numbers, &[], bucket.sink(crash));
        bench.ctx.checkpoints = Arc::new(checkpoints.clone());
        bench.ctx.in_flight_rows_max = 30;
        let report = bench.run_until(sleep(Duration::from_secs(100))).await;
        assert_eq!(report.errors.is_empty(), crash.is_none(), "{:?}", errors(&report));
        assert_eq!(seen.committed(), crash.is_none().then_some(40));
    }
    assert_eq!(bucket.objects().concat(), (0..40).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_the_same_batches_come_out_and_no_row_twice() {
    let options = [("max", Value::Int(10)), ("size", Value::Size(19))];
    for crash in 0..17 {
        let (bucket, checkpoints) = (Bucket::default(), MemoryCheckpoints::default());
        let mut from = 0;
        for crash in [Some(crash), Some(3), None] {
            let numbers = Numbers { from, ..Numbers::new(&[7; 20]) };
            let seen = numbers.seen.clone();
            let mut bench = bench(numbers, &options, bucket.sink(crash));
            bench.ctx.checkpoints = Arc::new(checkpoints.clone());
            let report = bench.run().await;
            assert_eq!(report.errors.is_empty(), crash.is_none() || seen.committed() == Some(140));
            from = seen.committed().unwrap_or(from);
        }
        assert_eq!(from, 140);
        assert_eq!(bucket.objects().concat(), (0..140).collect::<Vec<_>>(), "write {crash}");
    }
}

/// The rows are copied by two branches, each with a `batch` of its own, and the clock closes many.
fn two_branches(from: u64, pause: Duration, left: Store, right: Store) -> (Bench, Arc<SourceSeen>) {
    let numbers = Numbers { from, pause, ..Numbers::new(&[7; 12]) };
    let seen = numbers.seen.clone();
    let mut bench = Bench::new();
    let source = bench.source("numbers", numbers);
    for (name, max, store) in [("left", 10, left), ("right", 17, right)] {
        let wait = Value::Duration(100 * SECOND / 1000);
        let options = [("max", Value::Int(max)), ("wait", wait)];
        let batch = bench.engine("batch", NodeKind::Transform, &options);
        bench.plan.graph[batch].id = format!("test/{name} batch");
        let takes: fn(u64) -> Duration = |first| Duration::from_millis(first * 37 % 400);
        let limits = SinkLimits { concurrency: 3, ..store.limits };
        let sink = bench.sink(name, Store { takes, ..store.with(limits) });
        bench.chain(&[source, batch, sink]);
    }
    (bench, seen)
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_moment_every_row_is_in_one_batch_of_each_branch() {
    for killed_ms in (0..2000).step_by(23) {
        let (left, right) = (Bucket::default(), Bucket::default());
        let checkpoints = MemoryCheckpoints::default();
        let mut from = 0;
        for (killed_ms, pause_ms) in [(killed_ms, 70), (300, 10), (900, 170), (1_000_000, 130)] {
            let pause = Duration::from_millis(pause_ms);
            let (left, right) = (left.sink(None), right.sink(None));
            let (mut bench, seen) = two_branches(from, pause, left, right);
            bench.ctx.checkpoints = Arc::new(checkpoints.clone());
            tokio::select! {
                report = bench.run() => assert_eq!(errors(&report), [""; 0]),
                () = sleep(Duration::from_millis(killed_ms)) => (),
            }
            from = seen.committed().unwrap_or(from);
        }
        assert_eq!(from, 84);
        for bucket in [left, right] {
            assert_eq!(bucket.objects().concat(), (0..84).collect::<Vec<_>>(), "{killed_ms} ms");
        }
    }
}

/// One source and two branches in the order given, with ids as the planner gives them.
fn in_order(from: u64, branches: [(&str, Store); 2]) -> (Bench, Arc<SourceSeen>) {
    let numbers = Numbers { from, ..Numbers::new(&[7; 12]) };
    let seen = numbers.seen.clone();
    let mut bench = Bench::new();
    let source = bench.source("numbers", numbers);
    for ((path, store), id) in branches.into_iter().zip(["test/batch", "test/batch#2"]) {
        // A commit leaves the left one's anchor further on than the right one's.
        let max = Value::Int(if path == "left" { 17 } else { 10 });
        let batch = bench.engine("batch", NodeKind::Transform, &[("max", max)]);
        bench.plan.graph[batch].id = id.into();
        let sink = bench.sink(path, store);
        bench.chain(&[source, batch, sink]);
    }
    (bench, seen)
}

#[tokio::test(start_paused = true)]
async fn branches_that_change_their_places_do_not_skip_for_each_other() {
    for swapped in [false, true] {
        let (left, right) = (Bucket::default(), Bucket::default());
        let checkpoints = MemoryCheckpoints::default();
        // The left one delivers all, the right one fails after a batch.
        let branches = [("left", left.sink(None)), ("right", right.sink(Some(1)))];
        let (mut bench, seen) = in_order(0, branches);
        bench.ctx.checkpoints = Arc::new(checkpoints.clone());
        assert!(!errors(&bench.run().await).is_empty());
        let from = seen.committed().unwrap_or(0);
        assert!(from < 84 && left.objects().concat().len() > right.objects().concat().len());
        let mut branches = [("left", left.sink(None)), ("right", right.sink(None))];
        if swapped {
            branches.reverse();
        }
        let (mut bench, seen) = in_order(from, branches);
        bench.ctx.checkpoints = Arc::new(checkpoints.clone());
        assert_eq!(errors(&bench.run().await), [""; 0]);
        assert_eq!(seen.committed(), Some(84));
        for bucket in [left, right] {
            assert_eq!(bucket.objects().concat(), (0..84).collect::<Vec<_>>(), "{swapped}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_stands_still_closes_only_batches_of_its_own_rows() {
    let mut bench = Bench::new();
    bench.ctx.in_flight_rows_max = 5;
    let stuck = bench.source("stuck", Numbers { endless: true, ..Numbers::new(&[5]) });
    let never = Store { takes: |_| Duration::from_secs(86_400), ..Store::new() };
    let never = bench.sink("never", never);
    bench.chain(&[stuck, never]);
    let slow = Numbers { endless: true, ..Numbers::new(&[3]) };
    let slow = bench.source("slow", slow);
    let options = [("wait", Value::Duration(60 * SECOND))];
    let batch = bench.engine("batch", NodeKind::Transform, &options);
    let store = Bucket::default().sink(None);
    let put = bench.sink("put", store.clone());
    bench.chain(&[slow, batch, put]);
    tokio::select! {
        _ = bench.run() => panic!("a row is not written for a day"),
        () = sleep(Duration::from_secs(30)) => (),
    }
    assert_eq!(store.calls().len(), 0, "its batch may wait for 60 s");
}
