//! The engine's one verb: [`run`].
//!
//! A plan becomes tasks joined by bounded channels ([`wiring`]); each task is the driver of a
//! source, a chain of transforms, a `batch` or a sink. Rows flow down; acknowledgements come back
//! to the source's driver without passing the graph.

pub(crate) mod balance;
mod batcher;
mod behind;
mod crew;
mod edge;
mod errors;
mod feeders;
mod guard;
mod live;
mod node;
mod open;
mod shed;
mod shutdown;
mod sink;
mod source;
mod step;
mod supervise;
mod timer;
mod transform;
mod watch;
mod wiring;

pub(crate) use batcher::options as batch_options;
pub use behind::Behind;
pub use guard::StateChange;
pub use live::Live;

/// By the number of the edge, what the rows of each edge of a plan are told apart by where several
/// lead into one node; see [`dsl::plan::Replay::lanes`].
pub fn lanes(plan: &Plan) -> std::collections::BTreeMap<usize, String> {
    wiring::lanes(plan)
}

use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::memory::Budgets;
use crate::registry::Registry;
use crate::summary::Summary;
use dsl::plan::Plan;
use feeders::Feeders;
use open::Opener;
use shutdown::Control;
use std::sync::Arc;
use supervise::supervise;
use wiring::Wiring;

/// How a run ended.
#[derive(Debug)]
pub struct Report {
    /// The counts.
    pub summary: Summary,
    /// Why it did not end well, most important first; empty = all settled.
    pub errors: Vec<RunError>,
}

/// One reason why a run did not end well.
#[derive(Debug)]
pub enum RunError {
    /// A node could not be opened or stopped for good.
    Node {
        /// `flow/name`
        node: String,
        /// Why.
        fault: Fault,
    },
    /// The target of a flow's `errors` failed: exit 3.
    ErrorsTarget {
        /// The flow.
        flow: String,
        /// Why.
        fault: Fault,
    },
    /// The counts do not balance: exit 70. A bug of flowc.
    Balance {
        /// `flow/name`
        node: String,
        /// The sum that does not hold.
        equation: String,
    },
    /// What earlier runs have left does not fit the graph: nothing was opened.
    StateChanged {
        /// What has changed.
        changes: Vec<StateChange>,
    },
    /// What earlier runs have left cannot be read or written.
    State {
        /// Why.
        fault: Fault,
    },
    /// The drain ended with rows in flight: exit 75; they are sent again by the next run.
    Undelivered {
        /// Source rows that are not settled.
        rows: u64,
    },
}

/// Runs a plan until every source has ended and every record is settled, or until `shutdown`
/// resolves and the drain is done.
pub async fn run(
    plan: Plan,
    registry: &Registry,
    ctx: &Ctx,
    live: &Live,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Report {
    let plan = Arc::new(plan);
    let budgets = Budgets::new(&plan, ctx.memory);
    let wiring = Wiring::new(&plan, ctx, &budgets);
    let (nodes, edges) = (wiring.nodes.clone(), wiring.edges.clone());
    live.begin(&nodes, &ctx.clock);
    if let Err(error) = guard::check(&plan, &edges, registry, ctx).await {
        return Report { summary: live.snapshot(), errors: vec![error] };
    }
    let control = Arc::new(Control::new(plan.clone()));
    let opener = Opener {
        plan: plan.clone(),
        registry,
        ctx,
        control: control.clone(),
        feeders: Arc::new(Feeders::new(&plan, ctx.keep_running)),
        logs: Arc::new(open::logs(&plan, ctx)),
        nodes: nodes.clone(),
        budgets,
    };
    let mut errors = match opener.open(wiring).await {
        Err(errors) => errors,
        Ok(drivers) => {
            if let Err(fault) = guard::remember(&plan, &edges, registry, ctx).await {
                control.push(RunError::State { fault });
            }
            let undelivered = supervise(drivers, ctx, &control, shutdown).await;
            let mut errors = control.take_errors();
            if errors.is_empty() && undelivered == 0 {
                errors.extend(balance::check_run(&nodes, &edges));
            }
            if undelivered > 0 {
                errors.push(RunError::Undelivered { rows: undelivered });
            }
            errors
        }
    };
    errors.sort_by_key(|error| matches!(error, RunError::Undelivered { .. }));
    Report { summary: live.snapshot(), errors }
}
