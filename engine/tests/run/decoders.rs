//! Decoders: nodes that open what arrives and make records of their own.

use crate::toys::*;
use dsl::plan::Port;
use dsl::spec::NodeKind;
use engine::batch::{Resume, RowIds, Rows};
use engine::fault::Fault;
use engine::node::{Output, Transform};
use engine::testing;
use std::sync::Arc;

/// Makes ten records of each number; those that end in `fails` fail.
fn tens(rows: &Rows, out: &mut Output, fails: Option<u64>) {
    let first = rows.ids.first().unwrap() * 10;
    let made: Vec<u64> =
        texts(rows).iter().flat_map(|text| (0..10).map(move |n| number(text) * 10 + n)).collect();
    let partition = Arc::new(rows.ids.partition.derive("tens"));
    let ids = RowIds::range(partition, first, made.len(), 0);
    let fails = |n: &u64| fails == Some(n % 10);
    let faults = made.iter().enumerate().filter(|(_, n)| fails(n));
    out.fail_made(&ids, faults.map(|(row, _)| refused(row, "bad")).collect::<Vec<_>>());
    let kept: Vec<bool> = made.iter().map(|n| !fails(n)).collect();
    let texts: Vec<String> = made.iter().filter(|n| !fails(n)).map(u64::to_string).collect();
    let columns = testing::payload(&texts).columns;
    out.send_made(rows, columns, ids.filter(&kept.into()), made.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn done_counts_the_records_that_were_made() {
    let (store, quarantine) = (Store::new(), Store::new());
    let mut bench = Bench::new();
    let source = bench.source("numbers", Numbers::new(&[3, 2]));
    let decoder = bench.transform("tens", |rows, out: &mut Output| {
        tens(&rows, out, Some(7));
        Ok(())
    });
    let sink = bench.sink("store", store.clone());
    let errors_sink = bench.sink("quarantine", quarantine.clone());
    let count = bench.engine("drop", NodeKind::Sink, &[]);
    bench.chain(&[source, decoder, sink]);
    bench.edge(decoder, Port::Errors, errors_sink);
    bench.edge(source, Port::Done, count);
    let report = bench.run().await;
    assert_eq!(errors(&report), [""; 0]);
    assert_eq!((store.numbers().len(), of(&report.summary, "drop").stored), (45, 50));
    let failed: Vec<u64> =
        quarantine.calls().iter().flat_map(|rows| rows.ids.seqs().collect::<Vec<_>>()).collect();
    assert_eq!(failed, [7, 17, 27, 37, 47]);
}

/// Sends each number when the next one has come, and the last one at the end.
#[derive(Clone, Default)]
struct Late {
    kept: Option<u64>,
    forgets: bool,
}

impl Late {
    fn send(&self, from: &Rows, out: &mut Output, numbers: &[u64]) {
        let texts: Vec<String> = numbers.iter().map(u64::to_string).collect();
        let first = numbers.first().copied().unwrap_or_default();
        let ids = RowIds::range(from.ids.partition.clone(), first, numbers.len(), 0);
        out.send_made(from, testing::payload(&texts).columns, ids, numbers.len() as u64);
    }
}

impl Transform for Late {
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        let mut numbers: Vec<u64> = self.kept.take().into_iter().collect();
        numbers.extend(texts(&rows).iter().map(|text| number(text)));
        self.kept = numbers.pop();
        self.send(&rows, out, &numbers);
        let offset = self.kept.unwrap_or_default();
        out.resume_at(Resume { offset, record: offset, ..Resume::default() });
        if !self.forgets {
            out.keep();
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Output) -> Result<(), Fault> {
        if let Some(number) = self.kept.take() {
            self.send(&testing::payload(&[""; 0]), out, &[number]);
            out.resume_at(Resume { offset: 99, ..Resume::default() });
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_decoder_keeps_is_acknowledged_with_what_it_becomes() {
    let store = Store::new();
    let numbers = Numbers { asks: true, ..Numbers::new(&[3, 1, 2]) };
    let seen = numbers.seen.clone();
    let mut bench = Bench::new();
    let source = bench.source("numbers", numbers);
    let late = bench.opened_transform("late", Late::default());
    let sink = bench.sink("store", store.clone());
    let count = bench.engine("drop", NodeKind::Sink, &[]);
    bench.chain(&[source, late, sink]);
    bench.edge(source, Port::Done, count);
    let report = bench.run().await;
    assert_eq!(errors(&report), [""; 0]);
    assert_eq!(store.numbers(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(of(&report.summary, "drop").stored, 6);
    assert_eq!(seen.committed(), Some(6));
    let resumes = seen.resumes.lock().unwrap();
    let last = resumes.last().cloned().flatten().unwrap();
    assert_eq!(last.offset, 99, "the end of everything");
}

#[tokio::test(start_paused = true)]
async fn what_a_decoder_keeps_when_the_run_stops_is_read_again() {
    let store = Store::new();
    let numbers = Numbers { endless: true, asks: true, ..Numbers::new(&[3, 1, 2]) };
    let seen = numbers.seen.clone();
    let mut bench = Bench::new();
    let source = bench.source("numbers", numbers);
    let late = bench.opened_transform("late", Late::default());
    let sink = bench.sink("store", store.clone());
    bench.chain(&[source, late, sink]);
    let report = bench.run_until(tokio::time::sleep(std::time::Duration::from_secs(5))).await;
    assert_eq!(errors(&report), [""; 0]);
    assert_eq!(store.numbers(), [0, 1, 2, 3, 4], "the last one is not whole yet");
    let resumes = seen.resumes.lock().unwrap();
    let last = resumes.last().cloned().flatten().unwrap();
    assert_eq!(last.offset, 5, "the start of what was kept");
}

#[tokio::test(start_paused = true)]
async fn a_failing_run_makes_no_record_of_what_is_not_complete() {
    let (store, denied) = (Store::new(), Fault::service("denied", "no"));
    let mut bench = Bench::new();
    let source = bench.source("numbers", Numbers { endless: true, ..Numbers::new(&[3]) });
    let late = bench.opened_transform("late", Late::default());
    let sink = bench.sink("store", store.clone());
    bench.chain(&[source, late, sink]);
    let pause = std::time::Duration::from_secs(5);
    let other = bench.source("other", Numbers { pause, ..Numbers::new(&[1]) });
    let failing = bench.sink("failing", Store::answering(move |_, _| Err(denied.clone())));
    bench.chain(&[other, failing]);
    let report = bench.run().await;
    assert_eq!(errors(&report)[0], "node test/failing denied");
    assert_eq!(store.numbers(), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn nothing_may_come_out_of_nothing() {
    let mut bench = Bench::new();
    let source = bench.source("numbers", Numbers::new(&[3]));
    let late = bench.opened_transform("late", Late { forgets: true, ..Late::default() });
    let sink = bench.sink("store", Store::new());
    bench.chain(&[source, late, sink]);
    assert_eq!(errors(&bench.run().await), ["node test/late not_kept"]);
}
