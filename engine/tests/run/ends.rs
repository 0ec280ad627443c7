//! How runs end: by themselves, in the order of who feeds whom, told to stop, or too late.

use crate::toys::*;
use engine::ack::Verdict;
use engine::node::SinkLimits;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn told_to_stop_it_delivers_what_it_has_read() {
    let numbers = Numbers { endless: true, ..Numbers::new(&[4, 4]) };
    let (seen, store) = (numbers.seen.clone(), Store::new());
    let mut bench = Bench::new();
    let source = bench.source("numbers", numbers);
    let sink = bench.sink("store", store.clone());
    bench.chain(&[source, sink]);
    let report = bench.run_until(sleep(Duration::from_secs(5))).await;
    assert_eq!(errors(&report), [""; 0]);
    assert_eq!((store.numbers().len(), seen.committed()), (8, Some(8)));
    assert_eq!(seen.stops.load(Ordering::Relaxed), 1);
    assert!(seen.closed.load(Ordering::Relaxed) && store.closed.load(Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn a_drain_is_bounded_and_says_what_is_undelivered() {
    let gate = Arc::new(Semaphore::new(2));
    let limits = SinkLimits { rows_max: 4, ..SinkLimits::default() };
    let store = Store { gate: Some(gate), ..Store::new().with(limits) };
    let numbers = Numbers { endless: true, asks: true, ..Numbers::new(&[4; 5]) };
    let seen = numbers.seen.clone();
    let mut bench = Bench::new();
    let source = bench.source("numbers", numbers);
    let sink = bench.sink("store", store.clone());
    bench.chain(&[source, sink]);
    let began = Instant::now();
    let report = bench.run_until(sleep(Duration::from_secs(5))).await;
    assert_eq!(errors(&report), ["undelivered 12"]);
    assert_eq!(began.elapsed().as_secs(), 30, "5 s, and the drain of 25 s");
    assert_eq!(seen.committed(), Some(8));
    let outcomes = seen.outcomes().into_iter().flatten().map(|outcome| outcome.verdict);
    let wanted = [Verdict::Settled, Verdict::Settled, Verdict::Failed, Verdict::Failed];
    assert_eq!(outcomes.take(4).collect::<Vec<_>>(), wanted);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_commits_within_a_second() {
    let numbers = Numbers { endless: true, ..Numbers::new(&[4]) };
    let seen = numbers.seen.clone();
    let mut bench = Bench::new();
    let source = bench.source("numbers", numbers);
    let sink = bench.sink("store", Store::new());
    bench.chain(&[source, sink]);
    let watch = async {
        sleep(Duration::from_millis(900)).await;
        assert_eq!(seen.committed(), None);
        sleep(Duration::from_millis(200)).await;
        assert_eq!(seen.committed(), Some(4));
    };
    let (report, ()) = tokio::join!(bench.run_until(sleep(Duration::from_secs(9))), watch);
    assert_eq!(errors(&report), [""; 0]);
}

/// `first → writer`, and `second → reader`, where the writer feeds the second source.
fn fed(first: Numbers, writer: &Store) -> (Bench, Arc<SourceSeen>) {
    let second = Numbers { endless: true, ..Numbers::new(&[1]) };
    let seen = second.seen.clone();
    let mut bench = Bench::new();
    let source = bench.source("first", first);
    let sink = bench.sink("writer", writer.clone());
    bench.chain(&[source, sink]);
    let source = bench.source("second", second);
    let reader = bench.sink("reader", Store::new());
    bench.chain(&[source, reader]);
    bench.plan.graph[source].fed_by = vec![sink];
    (bench, seen)
}

#[tokio::test(start_paused = true)]
async fn a_source_ends_after_those_that_feed_it() {
    let writer = Store::new();
    let (bench, second) = fed(Numbers::new(&[3; 20]), &writer);
    let report = bench.run().await;
    assert_eq!(errors(&report), [""; 0]);
    assert!(writer.closed.load(Ordering::Relaxed));
    assert_eq!((second.committed(), second.stops.load(Ordering::Relaxed)), (Some(1), 0));
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_feeders_end_first() {
    let gate = Arc::new(Semaphore::new(0));
    let writer = Store { gate: Some(gate.clone()), ..Store::new() };
    let first = Numbers { endless: true, ..Numbers::new(&[3]) };
    let (stopped_first, (bench, second)) = (first.seen.clone(), fed(first, &writer));
    let watch = async {
        sleep(Duration::from_secs(9)).await;
        assert_eq!(stopped_first.stops.load(Ordering::Relaxed), 1);
        assert_eq!(second.stops.load(Ordering::Relaxed), 0, "the writer is not through");
        gate.add_permits(1);
    };
    let (report, ()) = tokio::join!(bench.run_until(sleep(Duration::from_secs(5))), watch);
    assert_eq!(errors(&report), [""; 0]);
    assert!(writer.closed.load(Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn keep_running_keeps_fed_sources_open_until_told_to_stop() {
    let (mut bench, second) = fed(Numbers::new(&[3]), &Store::new());
    bench.ctx.keep_running = true;
    let began = Instant::now();
    let report = bench.run_until(sleep(Duration::from_secs(100))).await;
    assert_eq!(errors(&report), [""; 0]);
    assert_eq!(began.elapsed().as_secs(), 100);
    assert_eq!(second.stops.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn sources_that_feed_each_other_stop_at_once() {
    let mut bench = Bench::new();
    let mut ends = Vec::new();
    for (name, writer) in [("here", "to there"), ("there", "to here")] {
        let source = bench.source(name, Numbers { endless: true, ..Numbers::new(&[2]) });
        let sink = bench.sink(writer, Store::new());
        bench.chain(&[source, sink]);
        ends.push((source, sink));
    }
    bench.plan.graph[ends[0].0].fed_by = vec![ends[1].1];
    bench.plan.graph[ends[1].0].fed_by = vec![ends[0].1];
    let began = Instant::now();
    let report = bench.run_until(sleep(Duration::from_secs(5))).await;
    assert_eq!(errors(&report), [""; 0]);
    assert_eq!(began.elapsed().as_secs(), 5);
}
