//! What each place of a plan may hold.

use super::Limits;
use dsl::plan::Plan;
use dsl::value::Value;
use petgraph::Direction::Outgoing;
use petgraph::graph::{EdgeIndex, NodeIndex};
use std::collections::BTreeSet;

/// A source may read so many times the `size` of a batch behind it: its rows may be larger than
/// what arrives there, and the next batch begins while one is sent.
const SOURCE_BATCHES: u64 = 4;

/// The budgets of a plan, in bytes.
pub(crate) struct Budgets {
    limits: Limits,
    sources: Vec<u64>,
    /// Of each `batch` node, the `size` that it says; else 0.
    sizes: Vec<u64>,
}

impl Budgets {
    pub fn new(plan: &Plan, limits: Limits) -> Budgets {
        let source = |node: NodeIndex| {
            let batch = batch_bytes_behind(plan, node).saturating_mul(SOURCE_BATCHES);
            limits.source_bytes.max(batch)
        };
        let sources = plan.graph.node_indices().map(source).collect();
        let sizes = plan.graph.node_indices().map(|node| batch_bytes(plan, node)).collect();
        Budgets { limits, sources, sizes }
    }

    /// Of rows that wait on an edge.
    pub fn edge(&self, _edge: EdgeIndex) -> u64 {
        self.limits.edge_bytes
    }

    /// Of the open batches of a `batch` node: it holds two of its `size` at least.
    pub fn batch(&self, node: NodeIndex) -> u64 {
        self.limits.batch_bytes.max(self.sizes[node.index()].saturating_mul(2))
    }

    /// Of what a source has read and is not settled.
    pub fn source(&self, node: NodeIndex) -> u64 {
        self.sources[node.index()]
    }
}

/// The largest `size` of the `batch` nodes behind a node; 0 where none says one.
fn batch_bytes_behind(plan: &Plan, node: NodeIndex) -> u64 {
    let (mut seen, mut next, mut size) = (BTreeSet::new(), vec![node], 0);
    while let Some(node) = next.pop() {
        if seen.insert(node) {
            size = size.max(batch_bytes(plan, node));
            next.extend(plan.graph.neighbors_directed(node, Outgoing));
        }
    }
    size
}

/// The `size` of a `batch` node, where it says one.
fn batch_bytes(plan: &Plan, node: NodeIndex) -> u64 {
    match plan.graph[node].options.get("size") {
        Some(Value::Size(bytes)) if plan.graph[node].op == "batch" => *bytes,
        _ => 0,
    }
}
