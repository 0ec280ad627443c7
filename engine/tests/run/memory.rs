//! Byte budgets: what may be where, and that no graph locks however small they are.

use crate::toys::*;
use dsl::spec::NodeKind;
use engine::memory::Limits;
use petgraph::graph::NodeIndex;
use std::sync::Arc;
use std::time::Duration;

/// Budgets that hold one row each, at most.
const TINY: Limits = Limits { edge_bytes: 1, source_bytes: 1, batch_bytes: 1 };

#[tokio::test(start_paused = true)]
async fn a_source_reads_no_more_than_its_bytes_while_nothing_is_settled() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let mut numbers = Numbers::new(&[100; 200]);
    numbers.asks = true;
    let seen = numbers.seen.clone();
    let mut bench = Bench::new();
    // A batch of a hundred numbers takes 200 to 500 bytes beside 404 of offsets.
    bench.ctx.memory = Limits { source_bytes: 10_000, ..Limits::default() };
    let source = bench.source("numbers", numbers);
    let sink = bench.sink("store", Store { gate: Some(gate.clone()), ..Store::new() });
    bench.chain(&[source, sink]);
    let run = tokio::spawn(bench.run());
    tokio::time::sleep(Duration::from_millis(900)).await;
    let reads = seen.replies.lock().unwrap().len();
    assert!((11..=17).contains(&reads), "{reads} reads");
    // A source that stands still may go up to twice as far, and no further.
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let reads = seen.replies.lock().unwrap().len();
    assert!((20..=34).contains(&reads), "{reads} reads");
    gate.add_permits(1_000);
    let report = run.await.unwrap();
    assert_eq!(errors(&report), [""; 0]);
    assert_eq!(seen.committed(), Some(20_000));
}

#[tokio::test(start_paused = true)]
async fn an_edge_holds_no_more_than_its_bytes() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let numbers = Numbers { asks: true, ..Numbers::new(&[100; 200]) };
    let seen = numbers.seen.clone();
    let mut bench = Bench::new();
    bench.ctx.channel_batches = 1_000;
    bench.ctx.memory = Limits { edge_bytes: 3_000, ..Limits::default() };
    let source = bench.source("numbers", numbers);
    let limits = engine::node::SinkLimits { whole: true, ..Default::default() };
    let sink = Store { gate: Some(gate.clone()), ..Store::new().with(limits) };
    let sink = bench.sink("store", sink);
    bench.chain(&[source, sink]);
    let run = tokio::spawn(bench.run());
    tokio::time::sleep(Duration::from_secs(60)).await;
    // One is written, one waits in the sink's queue, one is being sent, and some wait on the edge.
    let reads = seen.replies.lock().unwrap().len();
    assert!((5..=3 + 5).contains(&reads), "{reads} reads");
    gate.add_permits(1_000);
    assert_eq!(errors(&run.await.unwrap()), [""; 0]);
}

/// Sources, steps and sinks joined at random: each step takes from one to three nodes before it,
/// and every node leads on.
fn random_graph(bench: &mut Bench, rng: &mut fastrand::Rng) -> (Vec<Store>, u64) {
    let mut nodes: Vec<(NodeIndex, u64)> = Vec::new();
    let mut leads = std::collections::BTreeSet::new();
    for (name, read) in [("one", 7), ("two", 3)] {
        let numbers = Numbers { name, ..Numbers::new(&[read; 30]) };
        nodes.push((bench.source(name, numbers), read * 30));
    }
    for step in 0..rng.usize(2..9) {
        let name = format!("step{step}");
        let node = match rng.u8(0..4) {
            0 => bench.engine("merge", NodeKind::Transform, &[]),
            1 => {
                let max = ("max", dsl::value::Value::Int(rng.i64(1..9)));
                bench.engine("batch", NodeKind::Transform, &[max])
            }
            _ => bench.transform(&name, pass),
        };
        let mut rows = 0;
        let mut from: Vec<usize> = (0..nodes.len()).collect();
        rng.shuffle(&mut from);
        for from in from.into_iter().take(rng.usize(1..4)) {
            bench.edge(nodes[from].0, dsl::plan::Port::Out, node);
            leads.insert(nodes[from].0);
            rows += nodes[from].1;
        }
        nodes.push((node, rows));
    }
    let (mut stores, mut rows) = (Vec::new(), 0);
    for (at, (node, given)) in nodes.into_iter().enumerate() {
        if !leads.contains(&node) || rng.u8(0..4) == 0 {
            let takes = if rng.bool() { |_| Duration::from_millis(3) } else { |_| Duration::ZERO };
            let store = Store { takes, ..Store::new() };
            let sink = bench.sink(&format!("store{at}"), store.clone());
            bench.edge(node, dsl::plan::Port::Out, sink);
            stores.push(store);
            rows += given;
        }
    }
    (stores, rows)
}

#[tokio::test(start_paused = true)]
async fn no_graph_locks_with_the_smallest_budgets() {
    for seed in 0..150 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut bench = Bench::new();
        bench.ctx.channel_batches = rng.usize(1..3);
        bench.ctx.memory = TINY;
        let (stores, rows) = random_graph(&mut bench, &mut rng);
        let report = tokio::time::timeout(Duration::from_secs(1_000_000), bench.run()).await;
        let report = report.unwrap_or_else(|_| panic!("graph {seed} is locked"));
        assert_eq!(errors(&report), [""; 0], "graph {seed}");
        let stored: usize = stores.iter().map(|store| store.numbers().len()).sum();
        assert_eq!(stored as u64, rows, "graph {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn open_batches_are_closed_early_when_they_hold_too_much() {
    let mut bench = Bench::new();
    bench.ctx.memory = Limits { batch_bytes: 2_000, ..Limits::default() };
    let mut sources = Vec::new();
    for name in ["a", "b", "c", "d"] {
        let numbers = Numbers { name, ..Numbers::new(&[10; 40]) };
        sources.push(bench.source(name, numbers));
    }
    let batch = bench.engine("batch", NodeKind::Transform, &[]);
    let store = Store::new();
    let sink = bench.sink("store", store.clone());
    sources.iter().for_each(|source| bench.chain(&[*source, batch]));
    bench.chain(&[batch, sink]);
    let batches = bench.live.clone();
    assert_eq!(errors(&bench.run().await), [""; 0]);
    assert_eq!(store.numbers().len(), 1600);
    // 1,600 numbers of at least five bytes, in batches of less than 2,000 bytes together.
    let summary = batches.snapshot();
    assert!(of(&summary, "batch").counts["batches"] >= 8, "{:?}", of(&summary, "batch").counts);
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_no_row_waits_for_others() {
    let mut numbers = Numbers::new(&[3; 2]);
    numbers.endless = true;
    let store = Store::new();
    let mut bench = Bench::new();
    let source = bench.source("numbers", numbers);
    let hours = dsl::value::Value::Duration(4 * 3_600_000_000_000);
    let batch = bench.engine("batch", NodeKind::Transform, &[("wait", hours)]);
    let sink = bench.sink("store", store.clone());
    bench.chain(&[source, batch, sink]);
    let stop = tokio::time::sleep(Duration::from_secs(60));
    let began = tokio::time::Instant::now();
    let report = bench.run_until(stop).await;
    assert_eq!(errors(&report), [""; 0]);
    assert_eq!(store.numbers(), [0, 1, 2, 3, 4, 5]);
    assert!(began.elapsed() < Duration::from_secs(61), "{:?}", began.elapsed());
}
