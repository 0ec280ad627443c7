//! What sinks take, refuse and take later.

use crate::toys::*;
use arrow_array::cast::AsArray;
use dsl::plan::Port;
use engine::ack::Verdict;
use engine::batch::Rows;
use engine::fault::Fault;
use engine::node::{Output, SinkLimits, Written};
use engine::testing;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// `numbers` into `store`, whose errors go to `quarantine`.
fn bench(numbers: Numbers, store: &Store, quarantine: &Store) -> Bench {
    let mut bench = Bench::new();
    let source = bench.source("numbers", numbers);
    let sink = bench.sink("store", store.clone());
    let errors = bench.sink("quarantine", quarantine.clone());
    bench.chain(&[source, sink]);
    bench.edge(sink, Port::Errors, errors);
    bench
}

#[tokio::test(start_paused = true)]
async fn refused_rows_leave_by_errors_and_the_sender_is_told() {
    let store = Store::answering(|rows, _| {
        let odd = texts(rows).into_iter().enumerate().filter(|(_, text)| number(text) % 2 == 1);
        let refused = odd.map(|(row, _)| refused(row, "odd")).collect();
        Ok(Written { refused, ..Written::default() })
    });
    let quarantine = Store::new();
    let numbers = Numbers { asks: true, ..Numbers::new(&[4]) };
    let seen = numbers.seen.clone();
    let report = bench(numbers, &store, &quarantine).run().await;
    assert_eq!(errors(&report), [""; 0]);
    let summary = &report.summary;
    assert_eq!((of(summary, "store").stored, of(summary, "store").failed), (2, 2));
    assert_eq!(of(summary, "quarantine").stored, 2);

    let failures = &quarantine.calls()[0];
    let text = |name: &str, row| {
        failures.columns.column_by_name(name).unwrap().as_string::<i32>().value(row).to_owned()
    };
    assert_eq!((text("flow", 0), text("node", 0)), ("test".into(), "test/store".into()));
    assert_eq!((text("code", 1), text("message", 1)), ("odd".into(), "row 3 is odd".into()));
    let payload = failures.columns.column_by_name("payload").unwrap();
    assert_eq!(payload.as_binary::<i32>().value(1), b"3");
    let meta = failures.columns.column_by_name("meta").unwrap().as_map().value(0);
    let values: Vec<_> = meta.column(1).as_string::<i32>().iter().flatten().collect();
    assert_eq!([values[0], values[2], values[3]], ["numbers", "1", "n"]);
    assert_eq!((values[1].len(), text("id", 0).len()), (32, 32));
    assert_ne!(text("id", 0), text("id", 1));
    assert_eq!(text("position", 1), "numbers#3");
    assert_eq!(failures.ids.seqs().collect::<Vec<_>>(), [1, 3]);
    assert_ne!(failures.ids.partition.id, store.calls()[0].ids.partition.id);

    let outcome = seen.outcomes().remove(0).unwrap();
    assert_eq!(outcome.verdict, Verdict::Settled);
    let told: Vec<(u64, String)> =
        outcome.failures.into_iter().map(|failed| (failed.seq, failed.code)).collect();
    assert_eq!(told, [(1, "odd".into()), (3, "odd".into())]);
    assert_eq!(seen.committed(), Some(4));
}

#[tokio::test(start_paused = true)]
async fn only_rows_that_were_not_accepted_are_written_again_and_in_order() {
    let store = Store::answering(|_, call| {
        let again = if call == 0 { vec![3, 1] } else { Vec::new() };
        let fault = Some(Fault::throttle("busy", "too fast"));
        Ok(Written { again, fault, ..Written::default() })
    });
    let store = store.with(SinkLimits { rows_max: 4, ..SinkLimits::default() });
    let numbers = Numbers::new(&[4, 2]);
    let seen = numbers.seen.clone();
    let report = bench(numbers, &store, &Store::new()).run().await;
    assert_eq!(errors(&report), [""; 0]);
    let writes = store.writes().concat();
    assert_eq!(writes, ["0", "1", "2", "3", "1", "3", "4", "5"]);
    assert_eq!(store.calls()[1].ids.seqs().collect::<Vec<_>>(), [1, 3]);
    let counts = of(&report.summary, "store");
    assert_eq!((counts.stored, counts.retries), (6, 1));
    assert_eq!(seen.committed(), Some(6));
}

#[tokio::test(start_paused = true)]
async fn a_whole_write_is_tried_again_until_it_goes_through() {
    let store = Store::answering(|_, call| match call {
        0 => Err(Fault::transient("reset", "connection reset")),
        1 => Err(Fault::throttle("busy", "too fast")),
        _ => Ok(Written::default()),
    });
    let report = bench(Numbers::new(&[3]), &store, &Store::new()).run().await;
    assert_eq!(errors(&report), [""; 0]);
    assert_eq!(store.writes(), vec![vec!["0", "1", "2"]; 3]);
    assert_eq!(of(&report.summary, "store").retries, 2);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_never_recovers_stops_the_run_and_nothing_is_acknowledged() {
    let store = Store::answering(|_, _| Err(Fault::transient("reset", "connection reset")));
    let limits = SinkLimits { retry_for: Duration::from_secs(60), ..SinkLimits::default() };
    let store = store.with(limits);
    let numbers = Numbers { asks: true, endless: true, ..Numbers::new(&[3]) };
    let seen = numbers.seen.clone();
    let report = bench(numbers, &store, &Store::new()).run().await;
    assert_eq!(errors(&report), ["node test/store reset", "undelivered 3"]);
    assert_eq!(seen.committed(), None);
    assert_eq!(seen.outcomes()[0].as_ref().map(|outcome| outcome.verdict), Some(Verdict::Failed));
    assert!(store.calls().len() > 3);
}

#[tokio::test(start_paused = true)]
async fn a_service_fault_is_not_tried_again() {
    let store = Store::answering(|_, _| Err(Fault::service("disk_full", "no space left")));
    let report = bench(Numbers::new(&[3; 50]), &store, &Store::new()).run().await;
    assert_eq!(errors(&report)[0], "node test/store disk_full");
    assert_eq!(store.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn while_a_write_is_under_way_batches_gather() {
    let gate = Arc::new(Semaphore::new(0));
    let store = Store { gate: Some(gate.clone()), ..Store::new() };
    let mut bench = bench(Numbers::new(&[1; 12]), &store, &Store::new());
    bench.ctx.channel_batches = 16;
    let open = async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        gate.add_permits(100);
    };
    let (report, ()) = tokio::join!(bench.run(), open);
    assert_eq!(errors(&report), [""; 0]);
    let sizes: Vec<usize> = store.writes().iter().map(Vec::len).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 12);
    assert!(sizes.len() <= 3, "{sizes:?}");
    assert_eq!(store.writes().concat().len(), store.numbers().len());
}

#[tokio::test(start_paused = true)]
async fn writes_keep_the_limits_and_the_concurrency() {
    let gate = Arc::new(Semaphore::new(0));
    let limits = SinkLimits { rows_max: 4, concurrency: 3, ..SinkLimits::default() };
    let store = Store { gate: Some(gate.clone()), ..Store::new().with(limits) };
    let bench = bench(Numbers::new(&[10; 3]), &store, &Store::new());
    let open = async move {
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            gate.add_permits(1);
        }
    };
    let (report, ()) = tokio::join!(bench.run(), open);
    assert_eq!(errors(&report), [""; 0]);
    assert!(store.writes().iter().all(|write| write.len() <= 4));
    assert_eq!(store.numbers(), (0..30).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn rows_linger_for_company_when_the_sink_asks_for_it() {
    let limits = SinkLimits { linger: Duration::from_secs(3600), ..SinkLimits::default() };
    let store = Store::new().with(limits);
    let numbers = Numbers { endless: true, ..Numbers::new(&[2, 2, 2]) };
    let stop = tokio::time::sleep(Duration::from_secs(60));
    let bench = bench(numbers, &store, &Store::new());
    let started = tokio::time::Instant::now();
    let report = bench.run_until(stop).await;
    assert_eq!(errors(&report), [""; 0]);
    assert_eq!(store.writes().len(), 1, "the end of the input flushes");
    assert!(started.elapsed() < Duration::from_secs(61));
}

#[tokio::test(start_paused = true)]
async fn an_answer_for_a_row_that_was_not_given_is_a_fault() {
    let wrong = |again: Vec<usize>| {
        Store::answering(move |_, _| Ok(Written { again: again.clone(), ..Written::default() }))
    };
    for again in [vec![7], vec![1, 1]] {
        let report = bench(Numbers::new(&[3]), &wrong(again), &Store::new()).run().await;
        assert_eq!(errors(&report)[0], "node test/store sink_answer");
    }
}

#[tokio::test(start_paused = true)]
async fn joined_rows_that_wait_together_keep_their_ids_apart() {
    let store = Store { takes: |_| Duration::from_secs(1), ..Store::new() };
    let mut bench = Bench::new();
    let source = bench.source("numbers", Numbers::new(&[3; 4]));
    let join = bench.transform("join", |rows, out: &mut Output| {
        out.send(&rows, testing::payload(&[texts(&rows).concat()]).columns);
        Ok(())
    });
    let sink = bench.sink("store", store.clone());
    bench.chain(&[source, join, sink]);
    let report = bench.run().await;
    assert_eq!(errors(&report), [""; 0]);
    assert_eq!(store.writes().concat(), ["012", "345", "678", "91011"]);
    let of = |rows: &Rows| (rows.len(), rows.ids.ranges());
    let ids: Vec<_> = store.calls().iter().map(of).collect();
    let one = |first| (1, vec![(first, first + 2)]);
    assert_eq!(ids, [one(0), one(3), one(6), one(9)]);
}
