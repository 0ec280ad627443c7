//! Branches that part and meet.

use crate::toys::*;
use dsl::plan::Port;
use dsl::spec::NodeKind;
use engine::testing;

#[tokio::test(start_paused = true)]
async fn every_branch_gets_every_row_and_then_the_source_moves_on() {
    let (numbers, a, b) = (Numbers::new(&[3, 4]), Store::new(), Store::new());
    let seen = numbers.seen.clone();
    let mut bench = Bench::new();
    let source = bench.source("numbers", numbers);
    let (to_a, to_b) = (bench.sink("a", a.clone()), bench.sink("b", b.clone()));
    bench.chain(&[source, to_a]);
    bench.chain(&[source, to_b]);
    let live = bench.live.clone();
    let report = bench.run().await;
    assert_eq!(errors(&report), [""; 0]);
    let all: Vec<u64> = (0..7).collect();
    assert_eq!((a.numbers(), b.numbers()), (all.clone(), all));
    assert_eq!(seen.committed(), Some(7));
    assert!(seen.closed.load(std::sync::atomic::Ordering::Relaxed));
    let snapshot = live.snapshot();
    assert_eq!((of(&snapshot, "numbers").rows_out, of(&snapshot, "a").stored), (7, 7));
    assert!(snapshot.nodes.iter().all(|node| node.ended));
}

#[tokio::test(start_paused = true)]
async fn a_diamond_over_the_smallest_channels_does_not_lock() {
    let (numbers, store) = (Numbers::new(&[5; 400]), Store::new());
    let seen = numbers.seen.clone();
    let mut bench = Bench::new();
    bench.ctx.channel_batches = 1;
    bench.ctx.in_flight_rows_max = 20;
    let source = bench.source("numbers", numbers);
    let left = bench.transform("left", pass);
    let right = bench.transform("right", pass);
    let merge = bench.engine("merge", NodeKind::Transform, &[]);
    let sink = bench.sink("store", store.clone());
    bench.chain(&[source, left, merge, sink]);
    bench.chain(&[source, right, merge]);
    bench.chain(&[source, sink]);
    let report = bench.run().await;
    assert_eq!(errors(&report), [""; 0]);
    let wanted: Vec<u64> = (0..2000).flat_map(|n| [n; 3]).collect();
    assert_eq!(store.numbers(), wanted);
    assert_eq!(seen.committed(), Some(2000));
    let mut partitions: Vec<_> = store.calls().iter().map(|rows| rows.ids.partition.id).collect();
    partitions.sort_unstable();
    partitions.dedup();
    assert_eq!(partitions.len(), 3, "copies of a row are different rows, by branch");
}

#[tokio::test(start_paused = true)]
async fn ports_part_the_rows_and_a_port_that_leads_nowhere_filters() {
    for connected in [true, false] {
        let (out, rejected) = (Store::new(), Store::new());
        let mut bench = Bench::new();
        let source = bench.source("numbers", Numbers::new(&[4, 4]));
        let filter = bench.transform("evens", evens);
        let to_out = bench.sink("out", out.clone());
        let to_rejected = bench.sink("rejected", rejected.clone());
        bench.chain(&[source, filter, to_out]);
        if connected {
            bench.edge(filter, Port::Named("rejected".into()), to_rejected);
        }
        let report = bench.run().await;
        assert_eq!(errors(&report), [""; 0]);
        assert_eq!(out.numbers(), [0, 2, 4, 6]);
        let (odd, filtered) = if connected { (vec![1, 3, 5, 7], 0) } else { (vec![], 4) };
        assert_eq!(rejected.numbers(), odd);
        assert_eq!(of(&report.summary, "evens").filtered, filtered);
        assert_eq!(of(&report.summary, "evens").rows_out, 8 - filtered);
    }
}

#[tokio::test(start_paused = true)]
async fn done_comes_once_for_each_row_after_all_branches() {
    let (a, b, done) = (Store::new(), Store::new(), Store::new());
    let mut bench = Bench::new();
    let source = bench.source("numbers", Numbers::new(&[10; 30]));
    let filter = bench.transform("evens", evens);
    let nodes = [("a", &a), ("b", &b)].map(|(name, store)| bench.sink(name, store.clone()));
    let count = bench.engine("drop", NodeKind::Sink, &[]);
    bench.chain(&[source, filter, nodes[0]]);
    bench.chain(&[source, nodes[1]]);
    bench.edge(source, Port::Done, count);
    let report = bench.run().await;
    assert_eq!(errors(&report), [""; 0]);
    assert_eq!(of(&report.summary, "drop").stored, 300);
    assert_eq!((a.numbers().len(), b.numbers().len()), (150, 300));
    assert_eq!(done.calls().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_elided_node_passes_rows_through_unopened() {
    let store = Store::new();
    let mut bench = Bench::new();
    let source = bench.source("numbers", Numbers::new(&[2]));
    let layer = bench.transform("layer", |_, _| panic!("never called"));
    bench.plan.graph[layer].elided = true;
    let sink = bench.sink("store", store.clone());
    bench.chain(&[source, layer, sink]);
    let report = bench.run().await;
    assert_eq!(errors(&report), [""; 0]);
    assert_eq!(store.numbers(), [0, 1]);
    assert!(of(&report.summary, "layer").hidden);
    assert_eq!(store.calls()[0].ids, testing::ids_at("numbers", 0, 2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_branches_on_many_threads_lose_nothing() {
    let (store, odd) = (Store::new(), Store::new());
    let mut bench = Bench::new();
    bench.ctx.channel_batches = 1;
    bench.ctx.in_flight_rows_max = 500;
    let sink = bench.sink("store", store.clone());
    let to_odd = bench.sink("odd", odd.clone());
    let mut seen = Vec::new();
    for name in ["one", "two", "three"] {
        let numbers = Numbers { name, ..Numbers::new(&[9; 300]) };
        seen.push(numbers.seen.clone());
        let source = bench.source(name, numbers);
        let filter = bench.transform("evens", evens);
        let batch =
            bench.engine("batch", NodeKind::Transform, &[("max", dsl::value::Value::Int(20))]);
        bench.plan.graph[batch].id = format!("test/{name} batch");
        bench.chain(&[source, filter, batch, sink]);
        bench.edge(filter, Port::Named("rejected".into()), to_odd);
        bench.chain(&[source, sink]);
    }
    let report = bench.run().await;
    assert_eq!(errors(&report), [""; 0]);
    assert_eq!((store.numbers().len(), odd.numbers().len()), (3 * 4050, 3 * 1350));
    assert!(seen.iter().all(|seen| seen.committed() == Some(2700)));
}
