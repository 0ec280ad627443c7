//! Nodes that lose or double rows are found out, before anything of it is acknowledged.

use crate::toys::*;
use engine::fault::Fault;
use engine::node::Output;

async fn run_with<F>(apply: F) -> (Vec<String>, Option<u64>)
where
    F: Fn(engine::batch::Rows, &mut Output) -> Result<(), Fault> + Send + Sync + Clone + 'static,
{
    let numbers = Numbers::new(&[4]);
    let seen = numbers.seen.clone();
    let mut bench = Bench::new();
    let source = bench.source("numbers", numbers);
    let node = bench.transform("node", apply);
    let sink = bench.sink("store", Store::new());
    bench.chain(&[source, node, sink]);
    (errors(&bench.run().await), seen.committed())
}

#[tokio::test(start_paused = true)]
async fn a_lost_row() {
    let lossy = |rows: engine::batch::Rows, out: &mut Output| {
        let part = rows.slice(0..3);
        out.send(&part, part.columns.clone());
        Ok(())
    };
    let (errors, committed) = run_with(lossy).await;
    assert_eq!(errors, ["balance test/node: in 4 ≠ out 3", "undelivered 4"]);
    assert_eq!(committed, None);
}

#[tokio::test(start_paused = true)]
async fn a_doubled_row() {
    let double = |rows: engine::batch::Rows, out: &mut Output| {
        out.send(&rows, rows.columns.clone());
        out.filter(1);
        Ok(())
    };
    let (errors, committed) = run_with(double).await;
    assert_eq!(errors, ["balance test/node: in 4 ≠ out 4 + filtered 1", "undelivered 4"]);
    assert_eq!(committed, None);
}

#[tokio::test(start_paused = true)]
async fn all_rows_filtered_are_settled() {
    let none = |rows: engine::batch::Rows, out: &mut Output| {
        out.filter(rows.len());
        Ok(())
    };
    assert_eq!(run_with(none).await, (vec![], Some(4)));
}
