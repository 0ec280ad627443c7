//! Several batches of a chain at once: their order, their ends, their faults.

use crate::toys::*;
use engine::batch::{Resume, RowIds, Rows};
use engine::fault::Fault;
use engine::node::{Output, Rest, Transform};
use engine::testing;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Rows of each batch: enough to be worth a job.
const ROWS: u64 = 600;
const BATCHES: u64 = 40;

/// Which batches are through.
#[derive(Default)]
struct Through {
    batches: Mutex<Vec<u64>>,
    changed: Condvar,
}

impl Through {
    /// An even batch waits for the odd one behind it, so the two must be under way at once.
    fn pass(&self, batch: u64) {
        let mut through = self.batches.lock().unwrap();
        while batch.is_multiple_of(2) && !through.contains(&(batch + 1)) {
            let (again, wait) =
                self.changed.wait_timeout(through, Duration::from_secs(60)).unwrap();
            assert!(!wait.timed_out(), "batch {batch} is worked alone");
            through = again;
        }
        through.push(batch);
        self.changed.notify_all();
    }
}

/// Passes rows on, the batches out of order.
#[derive(Clone, Default)]
struct Scrambled {
    through: Arc<Through>,
    fails_at: Option<u64>,
}

impl Transform for Scrambled {
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        let batch = rows.ids.first().unwrap() / ROWS;
        // Behind the one that fails nothing is sure to be worked any more.
        if self.fails_at.is_none_or(|fails_at| batch <= fails_at) {
            self.through.pass(batch);
        }
        if self.fails_at == Some(batch) {
            return Err(Fault::service("on_purpose", "it fails here"));
        }
        pass(rows, out)
    }

    fn another(&self) -> Option<Box<dyn Transform>> {
        Some(Box::new(self.clone()))
    }
}

fn in_order(store: &Store) -> Vec<u64> {
    store.writes().iter().flatten().map(|text| number(text)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn batches_end_out_of_order_and_leave_in_order() {
    let store = Store::new();
    let mut bench = Bench::new();
    let numbers = Numbers::new(&[ROWS; BATCHES as usize]);
    let seen = numbers.seen.clone();
    let source = bench.source("numbers", numbers);
    let scrambled = Scrambled::default();
    let through = scrambled.through.clone();
    let first = bench.opened_transform("scrambled", scrambled);
    let last = bench.transform("pass", pass);
    let sink = bench.sink("store", store.clone());
    bench.chain(&[source, first, last, sink]);
    let report = bench.run().await;
    assert_eq!(errors(&report), [""; 0]);
    assert_eq!(in_order(&store), (0..ROWS * BATCHES).collect::<Vec<_>>());
    assert_eq!(seen.committed(), Some(ROWS * BATCHES));
    assert!(!through.batches.lock().unwrap().is_sorted(), "some were worked at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_batch_that_fails_keeps_those_behind_it_back() {
    let store = Store::new();
    let mut bench = Bench::new();
    let numbers = Numbers::new(&[ROWS; BATCHES as usize]);
    let seen = numbers.seen.clone();
    let source = bench.source("numbers", numbers);
    let scrambled = Scrambled { fails_at: Some(7), ..Scrambled::default() };
    let first = bench.opened_transform("scrambled", scrambled);
    let sink = bench.sink("store", store.clone());
    bench.chain(&[source, first, sink]);
    let report = bench.run().await;
    assert_eq!(errors(&report)[0], "node test/scrambled on_purpose");
    assert_eq!(in_order(&store), (0..ROWS * 7).collect::<Vec<_>>());
    assert!(seen.committed().is_none_or(|upto| upto <= ROWS * 7));
}

/// A decoder that keeps the last row of each read, and does the rest out of order.
#[derive(Clone, Default)]
struct Keeps {
    kept: Option<u64>,
    through: Arc<Through>,
}

impl Transform for Keeps {
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        match self.begin(rows, out)? {
            Some(rest) => rest(out),
            None => Ok(()),
        }
    }

    fn begin(&mut self, rows: Rows, out: &mut Output) -> Result<Option<Rest>, Fault> {
        let mut all: Vec<u64> = self.kept.take().into_iter().collect();
        all.extend(texts(&rows).iter().map(|text| number(text)));
        self.kept = all.pop();
        out.keep();
        let (first, through) = (all[0], self.through.clone());
        let offset = first + all.len() as u64;
        out.resume_at(Resume { offset, ..Resume::default() });
        Ok(Some(Box::new(move |out| {
            through.pass(rows.ids.first().unwrap_or(0) / ROWS);
            let ids = RowIds::range(rows.ids.partition.clone(), first, all.len(), 0);
            let texts: Vec<String> = all.iter().map(u64::to_string).collect();
            out.send_made(&rows, testing::payload(&texts).columns, ids, all.len() as u64);
            Ok(())
        })))
    }

    fn finish(&mut self, out: &mut Output) -> Result<(), Fault> {
        let last = self.kept.take().unwrap();
        let from = testing::payload(&[""]);
        let ids = testing::ids("numbers", last, 1);
        out.send_made(&from, testing::payload(&[last.to_string()]).columns, ids, 1);
        out.resume_at(Resume { offset: last + 1, ..Resume::default() });
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_decoder_begins_in_order_and_the_rest_is_done_at_once() {
    let store = Store::new();
    let mut bench = Bench::new();
    let numbers = Numbers::new(&[ROWS; BATCHES as usize]);
    let seen = numbers.seen.clone();
    let source = bench.source("numbers", numbers);
    let decoder = bench.opened_transform("keeps", Keeps::default());
    let sink = bench.sink("store", store.clone());
    bench.chain(&[source, decoder, sink]);
    let report = bench.run().await;
    assert_eq!(errors(&report), [""; 0]);
    assert_eq!(in_order(&store), (0..ROWS * BATCHES).collect::<Vec<_>>());
    assert_eq!(seen.committed(), Some(ROWS * BATCHES));
    let resumes = seen.resumes.lock().unwrap();
    let last = resumes.last().unwrap().as_ref().unwrap();
    assert_eq!(last.offset, ROWS * BATCHES);
}
