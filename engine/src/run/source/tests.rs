//! A source whose rows are lost, and nobody says why.

use super::*;
use crate::ack::Verdict;
use crate::batch::{Resume, RowIds};
use crate::memory::{Budgets, Limits};
use crate::run::edge::Inlet;
use crate::run::wiring::Wiring;
use crate::testing;
use async_trait::async_trait;
use dsl::plan::{PlanEdge, Port};
use dsl::spec::NodeKind;
use dsl::ty::Ty;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Goes on for ever, a row a read.
#[derive(Default)]
struct Endless {
    next: u64,
    stopped: bool,
    /// No commit is ever done.
    refuses: bool,
    commits: Arc<Mutex<Vec<u64>>>,
}

#[async_trait]
impl Source for Endless {
    async fn read(&mut self) -> Result<Read, Fault> {
        if self.stopped {
            return Ok(Read::End);
        }
        let first = self.next;
        self.next += 1;
        Ok(Read::Rows(SourceRows {
            columns: testing::payload(&["x"]).columns,
            ids: RowIds::range(testing::partition("endless"), first, 1, 0),
            partition: 0,
            end: self.next,
            resumed: None,
            reply: None,
        }))
    }

    async fn commit(&mut self, _: u32, upto: u64, _: Option<Arc<Resume>>) -> Result<(), Fault> {
        if self.refuses {
            return Err(Fault::service("access_denied", "it may not commit"));
        }
        self.commits.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(upto);
        Ok(())
    }

    async fn stop(&mut self) -> Result<(), Fault> {
        self.stopped = true;
        Ok(())
    }
}

/// The driver of the source, and the far end of its channel.
fn driver(source: Endless, control: &Arc<Control>) -> (SourceDriver, Inlet) {
    let mut plan = testing::plan(Vec::new());
    let wire = Some(Ty::Text);
    let from = testing::plan_node("endless", NodeKind::Source, None, wire.clone());
    let from = plan.graph.add_node(from);
    let to = plan.graph.add_node(testing::plan_node("store", NodeKind::Sink, wire, None));
    plan.graph.add_edge(from, to, PlanEdge { port: Port::Out, ty: Ty::Text });
    let budgets = Budgets::new(&plan, Limits::default());
    let Wiring { tasks, nodes, .. } = Wiring::new(&Arc::new(plan), &testing::ctx(), &budgets);
    let (mut outlets, mut inlets) = (Vec::new(), Vec::new());
    for task in tasks {
        outlets.extend(task.outlets.into_iter().flatten());
        inlets.extend(task.inlet);
    }
    let node = nodes[from.index()].clone();
    let driver = SourceDriver {
        node: node.clone(),
        source: Box::new(source),
        facts: SourceFacts::default(),
        out: outlets.pop().map(Arc::new),
        done: Done::new(node, None),
        settling: Settling::new(Arc::new(BTreeMap::new()), Arc::default(), 1),
        fed: None,
        bytes_max: budgets.source(from),
        ctx: testing::ctx(),
        control: control.clone(),
    };
    let inlet = inlets.pop().unwrap_or_else(|| panic!("the sink has one"));
    (driver, inlet)
}

/// Loses the third batch and settles the others, until the source ends or 200 have come.
async fn lose_the_third(mut inlet: Inlet, control: Arc<Control>) -> (u64, Stage) {
    let mut came = 0;
    while let Some(batch) = inlet.recv().await {
        came += 1;
        match came {
            3 => drop(batch),
            200 => {
                let stage = control.stage();
                control.raise(Stage::Failing);
                batch.ack.settle(Verdict::Settled);
                return (came, stage);
            }
            _ => batch.ack.settle(Verdict::Settled),
        }
    }
    (came, control.stage())
}

#[tokio::test(start_paused = true)]
async fn a_run_ends_when_rows_are_lost_that_nobody_speaks_for() {
    let control = Arc::new(Control::new(Arc::default()));
    let source = Endless::default();
    let commits = source.commits.clone();
    let (driver, inlet) = driver(source, &control);
    let ((), (came, stage)) = tokio::join!(driver.drive(), lose_the_third(inlet, control.clone()));
    assert_eq!(stage, Stage::Failing, "it does not read on behind a read that has failed");
    assert!(came < 20, "{came}");
    let commits = commits.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    assert_eq!(*commits, [2], "and never moves past it");
}

#[tokio::test(start_paused = true)]
async fn in_a_drain_the_others_deliver_what_they_have() {
    let control = Arc::new(Control::new(Arc::default()));
    let (driver, mut inlet) = driver(Endless::default(), &control);
    let lose = async {
        let batch = inlet.recv().await;
        control.raise(Stage::Draining);
        while let Some(batch) = inlet.recv().await {
            batch.ack.settle(Verdict::Settled);
        }
        drop(batch);
    };
    let undelivered = driver.settling.kept_rows();
    let ((), ()) = tokio::join!(driver.drive(), lose);
    assert_eq!((undelivered, control.stage()), (0, Stage::Draining));
}

/// The commit of the first fails; the second is due when it is settled, and the third is in hand
/// for long.
#[tokio::test(start_paused = true)]
async fn a_source_whose_commit_has_failed_waits_and_does_not_spin() {
    let control = Arc::new(Control::new(Arc::default()));
    let source = Endless { refuses: true, ..Endless::default() };
    let (driver, mut inlet) = driver(source, &control);
    let hold = async {
        let mut held = Vec::new();
        while held.len() < 3 {
            held.extend(inlet.recv().await);
        }
        for (batch, seconds) in held.into_iter().zip([5, 5, 60]) {
            batch.ack.settle(Verdict::Settled);
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
        while let Some(batch) = inlet.recv().await {
            batch.ack.settle(Verdict::Settled);
        }
    };
    let (mut drive, mut polls) = (std::pin::pin!(driver.drive()), 0);
    let counted = std::future::poll_fn(|context| {
        polls += 1;
        assert!(polls < 10_000, "it spins");
        drive.as_mut().poll(context)
    });
    let ((), ()) = tokio::join!(counted, hold);
    assert_eq!(control.take_errors().len(), 1);
}
