//! Sinks whose service fails for a time, in parts, or for good.

use crate::toys::*;
use dsl::plan::Port;
use engine::fault::{Fault, FaultClass};
use engine::node::{SinkLimits, Written};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

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

/// What a service has stored, in the order in which it came.
type Stored = Arc<Mutex<Vec<u64>>>;

fn limits(rows_max: usize, concurrency: usize) -> SinkLimits {
    SinkLimits { rows_max, concurrency, retry_for: 3600 * SECOND, ..SinkLimits::default() }
}

fn all(stored: &Stored, rows: u64) {
    let stored = stored.lock().unwrap();
    let set: BTreeSet<u64> = stored.iter().copied().collect();
    assert_eq!(set.len(), stored.len(), "nothing twice");
    assert!(set.into_iter().eq(0..rows), "everything");
}

#[tokio::test(start_paused = true)]
async fn a_third_of_the_entries_fails_each_time_and_all_arrive_in_order() {
    for seed in 0..5 {
        let stored = Stored::default();
        let (into, random) = (stored.clone(), Mutex::new(fastrand::Rng::with_seed(seed)));
        let store = Store::answering(move |rows, _| {
            let mut random = random.lock().unwrap();
            let mut again = Vec::new();
            // A service in order: what comes behind an entry that failed fails too.
            for (row, text) in texts(rows).iter().enumerate() {
                match !again.is_empty() || random.u8(0..100) < 3 {
                    true => again.push(row),
                    false => into.lock().unwrap().push(number(text)),
                }
            }
            Ok(Written { again, ..Written::default() })
        });
        let store = store.with(limits(50, 1));
        let (quarantine, numbers) = (Store::new(), Numbers::new(&[100; 50]));
        let seen = numbers.seen.clone();
        let report = bench(numbers, &store, &quarantine).run().await;
        assert_eq!(errors(&report), [""; 0]);
        assert!(stored.lock().unwrap().iter().copied().eq(0..5000), "in order");
        assert!(quarantine.calls().is_empty());
        assert_eq!(seen.committed(), Some(5000));
        let counts = of(&report.summary, "store");
        assert!(counts.retries > 50 && !counts.breaker_open, "{counts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_third_of_the_entries_fails_and_only_those_are_sent_again() {
    let stored = Stored::default();
    let (into, random) = (stored.clone(), Mutex::new(fastrand::Rng::with_seed(3)));
    let store = Store::answering(move |rows, _| {
        let mut random = random.lock().unwrap();
        let texts = texts(rows);
        let (again, good): (Vec<usize>, Vec<usize>) =
            (0..texts.len()).partition(|_| random.u8(0..10) < 3);
        into.lock().unwrap().extend(good.iter().map(|row| number(&texts[*row])));
        let fault = Some(Fault::throttle("ProvisionedThroughputExceededException", "too fast"));
        Ok(Written { again, fault, ..Written::default() })
    });
    let store = Store { takes: |_| Duration::from_millis(10), ..store.with(limits(500, 16)) };
    let started = Instant::now();
    let report = bench(Numbers::new(&[500; 200]), &store, &Store::new()).run().await;
    assert_eq!(errors(&report), [""; 0]);
    all(&stored, 100_000);
    let sent: usize = store.calls().iter().map(|rows| rows.len()).sum();
    assert!(sent < 150_000, "{sent} sent");
    assert!(of(&report.summary, "store").throttled > 100);
    assert!(started.elapsed() < 300 * SECOND, "{:?}", started.elapsed());
}

/// A service that is down from its first minute to its sixth; the times of its calls.
fn down_for_five_minutes(fault: fn() -> Fault) -> (Store, Stored, Arc<Mutex<Vec<Duration>>>) {
    let (stored, times) = (Stored::default(), Arc::new(Mutex::new(Vec::new())));
    let (into, called, began) = (stored.clone(), times.clone(), Instant::now());
    let store = Store::answering(move |rows, _| {
        let at = began.elapsed();
        called.lock().unwrap().push(at);
        if (60 * SECOND..360 * SECOND).contains(&at) {
            return Err(fault());
        }
        into.lock().unwrap().extend(texts(rows).iter().map(|text| number(text)));
        Ok(Written::default())
    });
    (Store { takes: |_| Duration::from_millis(20), ..store }, stored, times)
}

async fn five_minutes_without(concurrency: usize, fault: fn() -> Fault) {
    for seed in 1..9 {
        five_minutes_seeded(concurrency, fault, seed).await;
    }
}

async fn five_minutes_seeded(concurrency: usize, fault: fn() -> Fault, seed: u64) {
    let (store, stored, times) = down_for_five_minutes(fault);
    let store = store.with(limits(10, concurrency));
    let quarantine = Store::new();
    let numbers = Numbers { pause: Duration::from_millis(500), ..Numbers::new(&[10; 800]) };
    let seen = numbers.seen.clone();
    let mut bench = bench(numbers, &store, &quarantine);
    let lines = Arc::new(Mutex::new(Vec::new()));
    let (into, live) = (lines.clone(), bench.live.clone());
    bench.ctx.log = Arc::new(move |line: &str| into.lock().unwrap().push(line.to_owned()));
    bench.ctx.in_flight_rows_max = 500;
    bench.ctx.seed = seed;
    let looks = async move {
        tokio::time::sleep(200 * SECOND).await;
        let (open, read) = (of(&live.snapshot(), "store").breaker_open, live.snapshot());
        assert!(open, "the breaker is shown");
        assert!(of(&read, "numbers").rows_out <= 120 * 10 + 500, "the source waits");
    };
    let (report, ()) = tokio::join!(bench.run(), looks);
    assert_eq!(errors(&report), [""; 0]);
    all(&stored, 8000);
    assert_eq!(seen.committed(), Some(8000));
    assert!(quarantine.calls().is_empty());
    let times = times.lock().unwrap();
    let out = times.iter().filter(|at| (60 * SECOND..360 * SECOND).contains(*at)).count();
    // Some ten tries of each write before it opens, then 1, 2, 4, 8, 16 and every 30 s.
    assert!((10..=14 + 12 * concurrency).contains(&out), "{out} calls while it was down");
    let back = times.iter().find(|at| **at >= 360 * SECOND).unwrap();
    assert!(*back <= 391 * SECOND, "back after {back:?}");
    assert!(!of(&report.summary, "store").breaker_open);
    let lines = lines.lock().unwrap();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("test/store: nothing has gone through for 10 s"), "{lines:?}");
    assert_eq!(lines[1], "test/store: writes go through again");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_down_for_five_minutes_costs_a_few_calls_and_no_row() {
    five_minutes_without(1, || Fault::transient("ServiceUnavailable", "the service is down")).await;
    five_minutes_without(16, || Fault::transient("ServiceUnavailable", "the service is down"))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_throttles_everything_for_five_minutes_too() {
    five_minutes_without(8, || Fault::throttle("SlowDown", "please reduce your rate")).await;
    five_minutes_without(8, || Fault::timeout("http_timeout", "no answer in 1 s")).await;
}

#[tokio::test(start_paused = true)]
async fn a_write_that_waited_for_the_service_has_its_time_again_when_it_is_back() {
    let began = Instant::now();
    let store = Store::answering(move |rows, _| {
        let down = if texts(rows)[0] == "1" { 420 * SECOND } else { 300 * SECOND };
        match began.elapsed() < down {
            true => Err(Fault::transient("ServiceUnavailable", "the service is down")),
            false => Ok(Written::default()),
        }
    });
    let store = store.with(SinkLimits { retry_for: 390 * SECOND, ..limits(1, 2) });
    let report = bench(Numbers::new(&[2]), &store, &Store::new()).run().await;
    assert_eq!(errors(&report), [""; 0]);
    assert!(began.elapsed() < 460 * SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn while_the_breaker_is_open_its_pace_is_that_of_the_tries() {
    for seed in 0..8 {
        let (began, times) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
        let called = times.clone();
        let store = Store::answering(move |_, _| {
            called.lock().unwrap().push(began.elapsed());
            match began.elapsed() < 200 * SECOND {
                true => Err(Fault::transient("ServiceUnavailable", "the service is down")),
                false => Ok(Written::default()),
            }
        });
        let store = store.with(limits(1, 1));
        let mut bench = bench(Numbers::new(&[1]), &store, &Store::new());
        bench.ctx.seed = seed;
        assert_eq!(errors(&bench.run().await), [""; 0]);
        let times = times.lock().unwrap();
        let opens = |(n, at): (usize, &Duration)| n >= 4 && *at >= times[0] + 10 * SECOND;
        let opened = times.iter().enumerate().position(opens).unwrap();
        let waits = times[opened..].windows(2).map(|pair| pair[1] - pair[0]);
        let wanted = [1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30].map(|wait| wait * SECOND);
        let waits: Vec<Duration> = waits.collect();
        assert!(waits.len() >= 8 && wanted.starts_with(&waits), "seed {seed}: {waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttle_halves_the_writes_at_once_and_they_come_back() {
    let store = Counting::new();
    let peak = store.peak.clone();
    let mut bench = Bench::new();
    let source = bench.source("numbers", Numbers::new(&[1; 4000]));
    let sink = bench.any_sink("store", move || Box::new(store.clone()));
    bench.chain(&[source, sink]);
    let report = bench.run().await;
    assert_eq!(errors(&report), [""; 0]);
    let peak = peak.lock().unwrap();
    let most = |from: u32, to: u32| {
        let within = peak.iter().filter(|(at, _)| (from * SECOND..to * SECOND).contains(at));
        within.map(|(_, under_way)| *under_way).max().unwrap()
    };
    assert_eq!(most(0, 1), 4, "it begins with four");
    assert_eq!(most(15, 20), 16);
    assert!((5..=11).contains(&most(23, 24)), "{}", most(23, 24));
    assert_eq!(most(40, 60), 16);
    assert!(of(&report.summary, "store").throttled > 0);
}

/// Takes a second a write, throttles for two seconds, and notes how many were under way.
#[derive(Clone)]
struct Counting {
    limits: SinkLimits,
    peak: Arc<Mutex<Vec<(Duration, usize)>>>,
    under_way: Arc<Mutex<usize>>,
    began: Instant,
}

impl Counting {
    fn new() -> Counting {
        let (limits, began) = (limits(1, 16), Instant::now());
        Counting { limits, peak: Arc::default(), under_way: Arc::default(), began }
    }
}

#[async_trait::async_trait]
impl engine::node::Sink for Counting {
    fn limits(&self) -> SinkLimits {
        self.limits
    }

    async fn write(&self, _: &engine::batch::Rows) -> Result<Written, Fault> {
        let at = self.began.elapsed();
        let now = {
            let mut under_way = self.under_way.lock().unwrap();
            *under_way += 1;
            *under_way
        };
        self.peak.lock().unwrap().push((at, now));
        tokio::time::sleep(SECOND).await;
        *self.under_way.lock().unwrap() -= 1;
        match (20 * SECOND..22 * SECOND).contains(&at) {
            true => Err(Fault::throttle("SlowDown", "please reduce your rate")),
            false => Ok(Written::default()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_knows_stops_the_node_after_ten_minutes() {
    let store = Store::answering(|_, _| Err(Fault::unknown("TeapotException", "a teapot")));
    let store = store.with(SinkLimits { retry_for: 60 * SECOND, ..SinkLimits::default() });
    let (quarantine, numbers) = (Store::new(), Numbers::new(&[3]));
    let seen = numbers.seen.clone();
    let started = Instant::now();
    let report = bench(numbers, &store, &quarantine).run().await;
    let took = started.elapsed();
    assert!((600 * SECOND..660 * SECOND).contains(&took), "{took:?}");
    assert_eq!(errors(&report), ["node test/store TeapotException", "undelivered 3"]);
    let engine::run::RunError::Node { fault, .. } = &report.errors[0] else { panic!() };
    assert_eq!(fault.class, FaultClass::Service);
    assert!(fault.message.starts_with("a teapot; given up after 600s, try "), "{fault}");
    assert!(quarantine.calls().is_empty());
    assert_eq!(seen.committed(), None);
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_the_service_stops_the_node_at_once_and_is_nobodys_error() {
    let denied = || Fault::service("AccessDeniedException", "no right to `kinesis:PutRecords`");
    let whole = Store::answering(move |_, _| Err(denied()));
    let part = Store::answering(move |rows, _| {
        let again = (1..rows.len()).collect();
        Ok(Written { again, fault: Some(denied()), ..Written::default() })
    });
    for store in [whole, part] {
        let (quarantine, numbers) = (Store::new(), Numbers::new(&[3; 20]));
        let seen = numbers.seen.clone();
        let started = Instant::now();
        let report = bench(numbers, &store, &quarantine).run().await;
        assert_eq!(errors(&report)[0], "node test/store AccessDeniedException");
        assert_eq!(store.calls().len(), 1);
        assert!(quarantine.calls().is_empty(), "a typo must not drain the stream");
        assert_eq!(seen.committed(), None);
        assert!(started.elapsed() < SECOND);
    }
}

/// A service that refuses a request with one of these numbers in it and does not say which.
fn refusing(bad: &'static [u64], stored: &Stored) -> Store {
    let into = stored.clone();
    Store::answering(move |rows, _| {
        let numbers: Vec<u64> = texts(rows).iter().map(|text| number(text)).collect();
        if numbers.iter().any(|number| bad.contains(number)) {
            return Err(Fault::records("ValidationException", "an attribute is empty"));
        }
        into.lock().unwrap().extend(numbers);
        Ok(Written::default())
    })
}

#[tokio::test(start_paused = true)]
async fn halves_find_exactly_the_rows_that_are_refused() {
    let sets: [&[u64]; 6] =
        [&[0], &[99], &[17, 18], &[3, 50, 51, 97], &[0, 1, 2, 3, 4, 5, 6, 7], &[]];
    for bad in sets {
        let stored = Stored::default();
        let store = refusing(bad, &stored).with(limits(100, 1));
        let quarantine = Store::new();
        let numbers = Numbers { asks: true, ..Numbers::new(&[100]) };
        let seen = numbers.seen.clone();
        let report = bench(numbers, &store, &quarantine).run().await;
        assert_eq!(errors(&report), [""; 0]);
        let good = (0..100).filter(|number| !bad.contains(number));
        assert!(stored.lock().unwrap().iter().copied().eq(good), "in order: {bad:?}");
        let outcome = seen.outcomes().remove(0).unwrap();
        let refused: Vec<u64> = outcome.failures.iter().map(|failed| failed.seq).collect();
        let mut wanted = bad.to_vec();
        wanted.sort_unstable();
        assert_eq!(refused, wanted);
        let codes = outcome.failures.iter().map(|failed| failed.code.as_str());
        assert!(codes.into_iter().all(|code| code == "ValidationException"));
        assert_eq!(of(&report.summary, "quarantine").stored, bad.len() as u64);
        assert_eq!(seen.committed(), Some(100));
        // Two calls a step down to each, 7 steps deep.
        assert!(store.calls().len() <= 1 + 14 * bad.len(), "{}", store.calls().len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_row_says_why_and_holds_what_it_was() {
    use arrow_array::cast::AsArray;
    let quarantine = Store::new();
    let store = refusing(&[4], &Stored::default());
    let report = bench(Numbers::new(&[6]), &store, &quarantine).run().await;
    assert_eq!(errors(&report), [""; 0]);
    let columns = quarantine.calls()[0].columns.clone();
    let column = |name: &str| columns.column_by_name(name).unwrap().clone();
    let text = |name: &str| column(name).as_string::<i32>().value(0).to_owned();
    assert_eq!(text("code"), "ValidationException");
    assert_eq!(text("message"), "an attribute is empty");
    assert_eq!(column("payload").as_binary::<i32>().value(0), b"4");
}

#[tokio::test(start_paused = true)]
async fn where_rows_are_written_together_or_errors_lead_nowhere_a_refusal_stops_the_node() {
    let whole = SinkLimits { whole: true, ..limits(100, 1) };
    let store = refusing(&[4], &Stored::default()).with(whole);
    let report = bench(Numbers::new(&[6]), &store, &Store::new()).run().await;
    assert_eq!(errors(&report)[0], "node test/store ValidationException");
    assert_eq!(store.calls().len(), 1);

    let store = refusing(&[4], &Stored::default());
    let mut bench = Bench::new();
    let source = bench.source("numbers", Numbers::new(&[6]));
    let sink = bench.sink("store", store.clone());
    bench.chain(&[source, sink]);
    let report = bench.run().await;
    assert_eq!(errors(&report), ["node test/store ValidationException", "undelivered 6"]);
}

#[tokio::test(start_paused = true)]
async fn bytes_under_way_have_a_limit() {
    for (in_flight_bytes_max, wanted) in [(1, 1), (64, 2), (1 << 20, 4)] {
        let limits = SinkLimits { in_flight_bytes_max, ..limits(10, 4) };
        let store = Counting { limits, ..Counting::new() };
        let peak = store.peak.clone();
        let mut bench = Bench::new();
        let source = bench.source("numbers", Numbers { from: 100, ..Numbers::new(&[10; 50]) });
        let sink = bench.any_sink("store", move || Box::new(store.clone()));
        bench.chain(&[source, sink]);
        let report = bench.run().await;
        assert_eq!(errors(&report), [""; 0]);
        // Ten rows of three bytes a write.
        let most = peak.lock().unwrap().iter().map(|(_, under_way)| *under_way).max().unwrap();
        assert_eq!(most, wanted, "of {in_flight_bytes_max} bytes");
    }
}
