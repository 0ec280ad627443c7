//! What a node can know of the sinks behind it.

use super::node::Node;
use dsl::plan::Plan;
use dsl::spec::NodeKind;
use petgraph::Direction::Outgoing;
use petgraph::graph::NodeIndex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The sinks that a node's rows can reach, through edges of the graph.
#[derive(Clone, Debug, Default)]
pub struct Behind(Arc<[Arc<Node>]>);

impl Behind {
    pub(crate) fn of(plan: &Plan, nodes: &[Arc<Node>], node: NodeIndex) -> Behind {
        let (mut seen, mut next) = (BTreeSet::new(), vec![node]);
        while let Some(node) = next.pop() {
            if seen.insert(node) {
                next.extend(plan.graph.neighbors_directed(node, Outgoing));
            }
        }
        let sinks = seen.into_iter().filter(|node| plan.graph[*node].kind == NodeKind::Sink);
        Behind(sinks.map(|node| nodes[node.index()].clone()).collect())
    }

    /// The first sink, `flow/name`, that has stored nothing for some time although it tries: only
    /// one write is tried now and then.
    pub fn blocked(&self) -> Option<&str> {
        let open = |node: &&Arc<Node>| node.meter.breaker_open.load(Ordering::Relaxed);
        self.0.iter().find(open).map(|node| node.id.as_str())
    }
}
