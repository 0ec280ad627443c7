//! What fails, and what then is not acknowledged.

use crate::toys::*;
use dsl::plan::Port;
use engine::ack::Verdict;
use engine::fault::Fault;
use engine::node::{Output, Written};
use engine::registry::Open;
use std::sync::atomic::Ordering;

fn verdicts(seen: &SourceSeen) -> Vec<Option<Verdict>> {
    seen.outcomes().into_iter().map(|outcome| Some(outcome?.verdict)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_fault_of_the_node_and_its_rows_fail() {
    let numbers = Numbers { asks: true, endless: true, ..Numbers::new(&[2, 2]) };
    let seen = numbers.seen.clone();
    let mut bench = Bench::new();
    let source = bench.source("numbers", numbers);
    let boom = bench.transform("boom", |rows, out| {
        assert!(!texts(&rows).contains(&"2".into()), "on purpose");
        pass(rows, out)
    });
    let store = Store::new();
    let sink = bench.sink("store", store.clone());
    bench.chain(&[source, boom, sink]);
    let report = bench.run().await;
    assert_eq!(errors(&report), ["node test/boom panic", "undelivered 2"]);
    assert_eq!(verdicts(&seen), [Some(Verdict::Settled), Some(Verdict::Failed)]);
    assert_eq!(seen.committed(), Some(2));
    assert_eq!(store.numbers(), [0, 1], "what was in hand is delivered");
    assert_eq!(seen.stops.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn panics_of_sinks_and_sources_are_caught_too() {
    let mut bench = Bench::new();
    let source = bench.source("numbers", Numbers::new(&[2]));
    let sink = bench.sink("store", Store::answering(|_, _| panic!("on purpose")));
    bench.chain(&[source, sink]);
    assert_eq!(errors(&bench.run().await), ["node test/store panic", "undelivered 2"]);

    let numbers = Numbers::new(&[2]);
    numbers.faults.lock().unwrap().push_back(Fault::service("panic_on_purpose", ""));
    let mut bench = Bench::new();
    let source = bench.source("numbers", numbers);
    let sink = bench.sink("store", Store::new());
    bench.chain(&[source, sink]);
    assert_eq!(errors(&bench.run().await), ["node test/numbers panic"]);
}

#[tokio::test(start_paused = true)]
async fn every_node_that_cannot_be_opened_is_named_and_nothing_is_read() {
    let numbers = Numbers { asks: true, ..Numbers::new(&[2]) };
    let seen = numbers.seen.clone();
    let mut bench = Bench::new();
    let source = bench.source("numbers", numbers);
    let engine = bench.engine("nothing", dsl::spec::NodeKind::Transform, &[]);
    let sink = bench.sink("store", Store::new());
    let denied = Open::Sink(Box::new(|_| {
        Box::pin(async { Err(Fault::service("denied", "access denied")) })
    }));
    let spec = dsl::spec::NodeSpec { path: "denied", ..dsl::spec::BLANK };
    bench.registry.add(Box::leak(Box::new(spec)), denied);
    bench.plan.graph[sink].op = "denied".into();
    bench.chain(&[source, engine, sink]);
    let report = bench.run().await;
    assert_eq!(errors(&report), ["node test/nothing wrong_place", "node test/store denied"]);
    assert_eq!(seen.replies.lock().unwrap().len(), 0);
}

/// `numbers` into a sink that refuses odd rows, into `quarantine`.
fn quarantined(quarantine: Store) -> (Bench, std::sync::Arc<SourceSeen>) {
    let numbers = Numbers { asks: true, endless: true, ..Numbers::new(&[2, 2]) };
    let seen = numbers.seen.clone();
    let store = Store::answering(|rows, _| {
        let odd = texts(rows).into_iter().enumerate().filter(|(_, text)| number(text) % 2 == 1);
        let refused = odd.map(|(row, _)| refused(row, "odd")).collect();
        Ok(Written { refused, ..Written::default() })
    });
    let mut bench = Bench::new();
    let source = bench.source("numbers", numbers);
    let sink = bench.sink("store", store);
    let errors = bench.sink("quarantine", quarantine);
    bench.chain(&[source, sink]);
    bench.edge(sink, Port::Errors, errors);
    (bench, seen)
}

#[tokio::test(start_paused = true)]
async fn when_the_errors_target_fails_nothing_is_acknowledged() {
    let full = Store::answering(|_, _| Err(Fault::service("disk_full", "no space left")));
    let (bench, seen) = quarantined(full);
    let report = bench.run().await;
    assert_eq!(errors(&report)[0], "errors of test disk_full");
    assert_eq!(seen.committed(), None);
    assert!(verdicts(&seen).iter().all(|verdict| *verdict == Some(Verdict::Failed)));
}

#[tokio::test(start_paused = true)]
async fn rows_that_the_errors_target_refuses_stop_the_run() {
    let picky = Store::answering(|_, _| {
        Ok(Written { refused: vec![refused(0, "too_large")], ..Written::default() })
    });
    let (bench, seen) = quarantined(picky);
    let report = bench.run().await;
    assert_eq!(errors(&report)[0], "errors of test too_large");
    assert_eq!(seen.committed(), None);
}

#[tokio::test(start_paused = true)]
async fn failing_rows_without_errors_stop_the_run() {
    let mut bench = Bench::new();
    let source = bench.source("numbers", Numbers::new(&[3]));
    let strict = bench.transform("strict", |rows, out: &mut Output| {
        out.fail((0..rows.len()).map(|row| refused(row, "no")));
        Ok(())
    });
    let sink = bench.sink("store", Store::new());
    bench.chain(&[source, strict, sink]);
    assert_eq!(errors(&bench.run().await), ["node test/strict no", "undelivered 3"]);
}

#[tokio::test(start_paused = true)]
async fn a_healthy_branch_delivers_what_it_has_when_another_fails() {
    let (bad, good) = (Store::answering(|_, _| Err(Fault::service("gone", ""))), Store::new());
    let numbers = Numbers { endless: true, ..Numbers::new(&[5]) };
    let mut bench = Bench::new();
    let source = bench.source("numbers", numbers);
    let (to_bad, to_good) = (bench.sink("bad", bad), bench.sink("good", good.clone()));
    bench.chain(&[source, to_bad]);
    bench.chain(&[source, to_good]);
    let report = bench.run().await;
    assert_eq!(errors(&report), ["node test/bad gone", "undelivered 5"]);
    assert_eq!(good.numbers(), [0, 1, 2, 3, 4]);
    assert!(good.closed.load(Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_tried_again_when_the_run_is_failing() {
    let bad = Store::answering(|_, _| Err(Fault::service("gone", "")));
    let slow = Store::answering(|_, _| {
        let retry_after = Some(std::time::Duration::from_secs(3));
        Err(Fault { retry_after, ..Fault::transient("reset", "") })
    });
    let mut bench = Bench::new();
    let source = bench.source("numbers", Numbers::new(&[5]));
    let (to_bad, to_slow) = (bench.sink("bad", bad), bench.sink("slow", slow.clone()));
    bench.chain(&[source, to_bad]);
    bench.chain(&[source, to_slow]);
    let began = tokio::time::Instant::now();
    assert_eq!(errors(&bench.run().await), ["node test/bad gone", "undelivered 5"]);
    assert_eq!((began.elapsed().as_secs(), slow.calls().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_read_is_tried_again_unless_the_fault_is_for_good() {
    for (fault, wanted) in [
        (Fault::transient("reset", ""), vec![]),
        (Fault::service("denied", ""), vec!["node test/numbers denied"]),
    ] {
        let numbers = Numbers::new(&[2]);
        numbers.faults.lock().unwrap().extend([fault]);
        let store = Store::new();
        let mut bench = Bench::new();
        let source = bench.source("numbers", numbers);
        let sink = bench.sink("store", store.clone());
        bench.chain(&[source, sink]);
        assert_eq!(errors(&bench.run().await), wanted);
        assert_eq!(store.numbers().is_empty(), !wanted.is_empty());
    }
}
