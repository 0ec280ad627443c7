//! What is bounded however long something takes.

use crate::toys::*;
use dsl::plan::Port;
use engine::fault::Fault;
use engine::node::SinkLimits;
use engine::run::RunError;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn one_row_that_is_stuck_bounds_what_is_read_behind_it() {
    let limits = SinkLimits { rows_max: 1, concurrency: 3, ..SinkLimits::default() };
    let slow = |first| if first == 0 { Duration::from_secs(86_400) } else { Duration::ZERO };
    let store = Store { takes: slow, ..Store::new().with(limits) };
    let mut bench = Bench::new();
    bench.ctx.in_flight_rows_max = 50;
    let source = bench.source("numbers", Numbers::new(&[1; 5_000]));
    let sink = bench.sink("store", store.clone());
    bench.chain(&[source, sink]);
    tokio::select! {
        _ = bench.run() => panic!("one row is not written for a day"),
        () = tokio::time::sleep(Duration::from_secs(7_200)) => (),
    }
    let written = store.numbers().len();
    assert!((50..=2 * 50).contains(&written), "{written} rows would be sent again");
}

#[tokio::test(start_paused = true)]
async fn rows_whose_position_is_not_stored_when_a_run_is_cut_off_are_undelivered() {
    let checkpoints = engine::testing::MemoryCheckpoints::default();
    let mut bench = Bench::new();
    bench.ctx.checkpoints = std::sync::Arc::new(checkpoints.clone());
    let numbers = Numbers { endless: true, ..Numbers::new(&[3, 4]) };
    let source = bench.source("numbers", numbers);
    let batch = bench.engine("batch", dsl::spec::NodeKind::Transform, &[]);
    let sink = bench.sink("store", Store { takes: |_| Duration::from_millis(50), ..Store::new() });
    bench.edge(source, Port::Out, batch);
    bench.edge(batch, Port::Out, sink);
    let clock = bench.ctx.clock.clone();
    let stop = async move {
        // The batch is sent when the source stands still or stops; its anchor is never stored.
        clock.sleep(Duration::from_millis(5)).await;
    };
    let fails = checkpoints.clone();
    tokio::spawn(async move {
        while fails.stores() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        fails.fail_with(Some(Fault::transient("away", "the store is away")));
    });
    let report = bench.run_until(stop).await;
    let undelivered =
        report.errors.iter().any(|error| matches!(error, RunError::Undelivered { rows: 7 }));
    assert!(undelivered, "{:?}", report.errors);
}
