//! `shed` and `wait` on an edge: who waits for whom.

use crate::toys::*;
use dsl::spec::NodeKind;
use dsl::value::Value;
use engine::node::SinkLimits;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;

/// A branch that hangs: the other one and the source go on to the end as if it were not there.
#[tokio::test(start_paused = true)]
async fn a_blocked_branch_behind_shed_holds_up_nobody() {
    for batches in [1, 4] {
        let gate = Arc::new(Semaphore::new(0));
        let (fast, slow) = (Store::new(), Store { gate: Some(gate.clone()), ..Store::new() });
        let numbers = Numbers::new(&[10; 100]);
        let seen = numbers.seen.clone();
        let mut bench = Bench::new();
        bench.ctx.channel_batches = batches;
        bench.ctx.in_flight_rows_max = 50;
        let source = bench.source("numbers", numbers);
        let shed = bench.engine("shed", NodeKind::Transform, &[]);
        let (to_fast, to_slow) =
            (bench.sink("fast", fast.clone()), bench.sink("slow", slow.clone()));
        bench.chain(&[source, shed, to_slow]);
        bench.chain(&[source, to_fast]);
        let all_through = async {
            while seen.committed() != Some(1000) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(fast.numbers().len(), 1000);
            assert_eq!(slow.numbers().len(), 0);
            gate.add_permits(1000);
        };
        let (report, ()) = tokio::join!(bench.run(), all_through);
        assert_eq!(errors(&report), [""; 0], "the law holds");
        let shed = of(&report.summary, "shed");
        let dropped = shed.counts["shed"];
        assert!(dropped > 500, "{dropped}");
        assert_eq!((shed.rows_in, shed.rows_out), (1000, 1000 - dropped));
        assert_eq!(slow.numbers().len() as u64, 1000 - dropped);
    }
}

/// The same branch with `wait`, which is what an edge does by itself.
#[tokio::test(start_paused = true)]
async fn a_blocked_branch_behind_wait_holds_up_its_siblings_and_no_other_source() {
    let gate = Arc::new(Semaphore::new(0));
    let (fast, slow) = (Store::new(), Store { gate: Some(gate.clone()), ..Store::new() });
    let other = Store::new();
    let (numbers, free) =
        (Numbers::new(&[10; 100]), Numbers { name: "free", ..Numbers::new(&[10; 100]) });
    let (seen, free_seen) = (numbers.seen.clone(), free.seen.clone());
    let mut bench = Bench::new();
    bench.ctx.in_flight_rows_max = 50;
    let (source, free) = (bench.source("numbers", numbers), bench.source("free", free));
    let wait = bench.engine("wait", NodeKind::Transform, &[]);
    let (to_fast, to_slow) = (bench.sink("fast", fast.clone()), bench.sink("slow", slow.clone()));
    let to_other = bench.sink("other", other.clone());
    bench.chain(&[source, wait, to_slow]);
    bench.chain(&[source, to_fast]);
    bench.chain(&[free, to_other]);
    let others_through = async {
        while free_seen.committed() != Some(1000) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(seen.committed(), None);
        assert!(fast.numbers().len() <= 60, "{}", fast.numbers().len());
        gate.add_permits(1000);
    };
    let (report, ()) = tokio::join!(bench.run(), others_through);
    assert_eq!(errors(&report), [""; 0]);
    assert_eq!((fast.numbers().len(), slow.numbers().len()), (1000, 1000));
    assert_eq!(seen.committed(), Some(1000));
}

#[tokio::test(start_paused = true)]
async fn what_is_shed_is_told_now_and_then_and_batches_behind_it_are_whole() {
    let limits = SinkLimits { whole: true, ..SinkLimits::default() };
    let slow = Store { takes: |_| Duration::from_secs(7), ..Store::new() }.with(limits);
    let numbers = Numbers { pause: Duration::from_secs(1), ..Numbers::new(&[10; 60]) };
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = lines.clone();
    let mut bench = Bench::new();
    bench.ctx.channel_batches = 1;
    bench.ctx.log = Arc::new(move |line| told.lock().unwrap().push(line.to_owned()));
    let source = bench.source("numbers", numbers);
    let shed = bench.engine("shed", NodeKind::Transform, &[]);
    let batch = bench.engine("batch", NodeKind::Transform, &[("max", Value::Int(10))]);
    let sink = bench.sink("slow", slow.clone());
    bench.chain(&[source, shed, batch, sink]);
    let report = bench.run().await;
    assert_eq!(errors(&report), [""; 0]);
    let lines = lines.lock().unwrap();
    assert!((3..=7).contains(&lines.len()), "{lines:?}");
    let first = "test/shed: 10 rows shed, as what is behind it is slower than its source";
    assert_eq!(lines[0], first);
    assert!(slow.calls().iter().all(|rows| rows.group.as_ref().is_some_and(|it| it.count == 10)));
}
