//! Spawns the drivers of a run and sees it to its end: by itself, told to stop, or failing.

use super::node::Node;
use super::open::Drivers;
use super::shutdown::{Control, Stage};
use super::timer::Timer;
use crate::ctx::Ctx;
use crate::fault::Fault;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::{Id, JoinError, JoinSet};

/// How long the rest of a run may go on after a failure.
const FAILING_MAX: Duration = Duration::from_secs(5);
/// How long sources may take to commit after everything else was aborted.
const ABORT_MAX: Duration = Duration::from_secs(5);

struct Tasks {
    inner: JoinSet<()>,
    sources: JoinSet<()>,
    nodes: HashMap<Id, Arc<Node>>,
}

/// Runs the drivers until all have ended; returns the rows that would be sent again.
pub(crate) async fn supervise(
    drivers: Drivers,
    ctx: &Ctx,
    control: &Control,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> u64 {
    let Drivers { inner, sources, undelivered } = drivers;
    let mut tasks = Tasks { inner: JoinSet::new(), sources: JoinSet::new(), nodes: HashMap::new() };
    for (node, driver) in inner {
        tasks.nodes.insert(tasks.inner.spawn(driver).id(), node);
    }
    for (node, driver) in sources {
        tasks.nodes.insert(tasks.sources.spawn(driver).id(), node);
    }
    let mut shutdown = pin!(shutdown);
    let mut stopping = false;
    let mut stages = control.stages();
    let mut deadline = Timer::default();
    while !(tasks.inner.is_empty() && tasks.sources.is_empty()) {
        tokio::select! {
            biased;
            () = deadline.fired() => {
                if stages.get() == Stage::Aborting {
                    break;
                }
                control.raise(Stage::Aborting);
            }
            () = stages.changed() => {
                let stage = stages.see();
                deadline.set(ctx.clock.sleep(time_left(stage, ctx)));
                if stage == Stage::Aborting {
                    tasks.inner.abort_all();
                }
            }
            () = &mut shutdown, if !stopping => {
                stopping = true;
                control.raise(Stage::Draining);
            }
            Some(ended) = tasks.inner.join_next_with_id() => {
                check(&tasks.nodes, control, ended);
            }
            Some(ended) = tasks.sources.join_next_with_id() => {
                check(&tasks.nodes, control, ended);
            }
        }
    }
    let rows = |source: &Arc<AtomicU64>| source.load(Ordering::Relaxed);
    undelivered.iter().map(rows).sum()
}

fn time_left(stage: Stage, ctx: &Ctx) -> Duration {
    match stage {
        Stage::Running | Stage::Draining => ctx.drain,
        Stage::Failing => ctx.drain.min(FAILING_MAX),
        Stage::Aborting => ABORT_MAX,
    }
}

/// A driver that panicked is a bug of the engine; the run fails, and says where.
fn check(nodes: &HashMap<Id, Arc<Node>>, control: &Control, ended: Result<(Id, ()), JoinError>) {
    let Err(error) = ended else { return };
    let id = error.id();
    if let (Ok(panic), Some(node)) = (error.try_into_panic(), nodes.get(&id)) {
        control.fail(node, Fault::panic(panic));
    }
}
