//! The stages of a run, and what went wrong in it.
//!
//! Ends travel as closed channels: a source that has ended drops its senders, and so on down to the
//! sinks. A stage only tells sources when to end, and drivers when not to try again.

use super::RunError;
use super::node::Node;
use super::watch;
use super::wiring::is_batch;
use crate::fault::Fault;
use dsl::plan::Plan;
use petgraph::graph::NodeIndex;
use petgraph::visit::Dfs;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// Only ever moves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Sources read.
    Running,
    /// Told to stop: sources end, each after those that feed it; what is in hand is delivered.
    Draining,
    /// Something failed: all sources end at once, nothing is tried again.
    Failing,
    /// The drain took too long: what is in flight fails.
    Aborting,
}

/// What all drivers of a run share to end it.
#[derive(Debug)]
pub(crate) struct Control {
    stage: watch::Sender<Stage>,
    /// Of each `batch` node, how often a source before it stood still with all its rows in flight.
    stalls: BTreeMap<NodeIndex, watch::Sender<u64>>,
    plan: Arc<Plan>,
    errors: Mutex<Vec<RunError>>,
}

impl Control {
    pub fn new(plan: Arc<Plan>) -> Control {
        let batches = plan.graph.node_indices().filter(|node| is_batch(&plan, *node));
        Control {
            stage: watch::Sender::new(Stage::Running),
            stalls: batches.map(|node| (node, watch::Sender::new(0))).collect(),
            plan,
            errors: Mutex::default(),
        }
    }

    pub fn stage(&self) -> Stage {
        self.stage.get()
    }

    pub fn stages(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// Moves on to a stage, unless the run is further already.
    pub fn raise(&self, to: Stage) {
        self.stage.update(|stage| to.max(stage));
    }

    /// A source can read no more until rows are settled, and none are: batches of its rows are
    /// closed early.
    pub fn stall(&self, source: NodeIndex) {
        let mut behind = Dfs::new(&self.plan.graph, source);
        while let Some(node) = behind.next(&self.plan.graph) {
            if let Some(stalls) = self.stalls.get(&node) {
                stalls.update(|stalls| stalls + 1);
            }
        }
    }

    /// The stalls of the sources before a `batch` node.
    pub fn stalls(&self, batch: NodeIndex) -> watch::Receiver<u64> {
        self.stalls[&batch].subscribe()
    }

    /// A node has failed for good: the run ends.
    pub fn fail(&self, node: &Node, fault: Fault) {
        let (flow, id) = (node.flow.clone(), node.id.clone());
        self.push(match node.errors_target {
            true => RunError::ErrorsTarget { flow, fault },
            false => RunError::Node { node: id, fault },
        });
    }

    /// The run ends with this error.
    pub fn push(&self, error: RunError) {
        self.errors().push(error);
        self.raise(Stage::Failing);
    }

    /// All errors, in order.
    pub fn take_errors(&self) -> Vec<RunError> {
        std::mem::take(&mut *self.errors())
    }

    fn errors(&self) -> MutexGuard<'_, Vec<RunError>> {
        self.errors.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
