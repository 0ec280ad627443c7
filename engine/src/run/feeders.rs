//! Which sources can still be fed: a source with `fed_by` ends when all its feeders have.

use dsl::plan::Plan;
use petgraph::Direction::Incoming;
use petgraph::graph::NodeIndex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use tokio::sync::watch;

#[derive(Debug)]
pub(crate) struct Feeders {
    sources: Mutex<BTreeMap<NodeIndex, Fed>>,
    keep_running: bool,
}

#[derive(Debug)]
struct Fed {
    by: BTreeSet<NodeIndex>,
    /// What the run knows: its feeders have ended.
    ended: watch::Sender<bool>,
    /// What the source is told; stays false with `keep_running`.
    told: watch::Sender<bool>,
}

impl Feeders {
    pub fn new(plan: &Plan, keep_running: bool) -> Feeders {
        let fed = plan.graph.node_indices().map(|index| {
            let by = plan.graph[index].fed_by.iter().copied().collect();
            let (ended, told) = (watch::Sender::new(false), watch::Sender::new(false));
            (index, Fed { by, ended, told })
        });
        Feeders { sources: Mutex::new(fed.collect()), keep_running }
    }

    /// What the source is told of its feeders.
    pub fn told(&self, source: NodeIndex) -> watch::Receiver<bool> {
        self.sources()[&source].told.subscribe()
    }

    /// What the run knows of a source's feeders; `None` where it has none to wait for: nothing
    /// feeds it, or it feeds itself, through other flows perhaps.
    pub fn watch(&self, plan: &Plan, source: NodeIndex) -> Option<watch::Receiver<bool>> {
        let waits = !plan.graph[source].fed_by.is_empty() && !feeds_itself(plan, source);
        waits.then(|| self.sources()[&source].ended.subscribe())
    }

    /// A node has ended, everything it was given settled.
    pub fn ended(&self, node: NodeIndex) {
        for fed in self.sources().values_mut() {
            if fed.by.remove(&node) && fed.by.is_empty() {
                fed.ended.send_replace(true);
                fed.told.send_replace(!self.keep_running);
            }
        }
    }

    fn sources(&self) -> MutexGuard<'_, BTreeMap<NodeIndex, Fed>> {
        self.sources.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Whether what the source sends comes back to it, through edges and through what feeds sources.
fn feeds_itself(plan: &Plan, source: NodeIndex) -> bool {
    let mut seen = BTreeSet::new();
    let mut above = plan.graph[source].fed_by.clone();
    while let Some(node) = above.pop() {
        if node == source {
            return true;
        }
        if seen.insert(node) {
            above.extend(plan.graph.neighbors_directed(node, Incoming));
            above.extend(&plan.graph[node].fed_by);
        }
    }
    false
}
