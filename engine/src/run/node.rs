//! A node of a run as its drivers and the summary know it: its name, its place, its counts.

use crate::summary::{Counters, NodeSummary};
use dsl::plan::{Plan, Port, Replay};
use dsl::spec::NodeKind;
use petgraph::Direction::Outgoing;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A count that drivers touch once a batch.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A node.
#[derive(Debug)]
pub(crate) struct Node {
    pub index: NodeIndex,
    pub id: String,
    pub flow: String,
    /// `file:line:column`; empty where the plan does not say.
    pub place: String,
    /// Set in a run that sends failed records again.
    pub replay: Option<Arc<Replay>>,
    label: String,
    pub kind: NodeKind,
    resource: Option<String>,
    hidden: bool,
    /// Behind an `errors` port: its failure is the flow's.
    pub errors_target: bool,
    pub counters: Counters,
    pub meter: Meter,
}

/// A node's counts, in rows unless said otherwise.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Taken from the input, or read by a source.
    pub rows_in: Count,
    /// Sent, all ports but `errors` and `done` together, each row once.
    pub rows_out: Count,
    /// Taken out by a filter, or sent to a port that goes nowhere.
    pub filtered: Count,
    /// Left by `errors`.
    pub failed: Count,
    /// Dropped in front of a `shed` that was full.
    pub shed: Count,
    /// Records that a decoder made.
    pub made: Count,
    /// Rows that a decoder opened.
    pub opened: Count,
    /// Rows that went into a joined row.
    pub joined: Count,
    /// Written and confirmed durable.
    pub stored: Count,
    /// Writes that were tried again.
    pub retries: Count,
    /// Writes that the service answered by asking for less.
    pub throttled: Count,
    /// Nothing gets through: only one write is tried now and then.
    pub breaker_open: AtomicBool,
    /// Of a source: rows of reads that are settled.
    pub settled: Count,
    /// Of a source: records of reads that are settled.
    pub records: Count,
    /// Of a source: `done` events sent.
    pub done: Count,
    pub ended: AtomicBool,
}

impl Node {
    /// All nodes of a plan, in plan order.
    pub fn all(plan: &Plan) -> Vec<Node> {
        let behind_errors = behind_errors(plan);
        let nodes = plan.graph.node_indices().map(|index| {
            let node = &plan.graph[index];
            let flow = plan.flow_of(index);
            let resource = node.resource.map(|resource| plan.resources[resource].name.clone());
            Node {
                index,
                id: node.id.clone(),
                flow: flow.name.clone(),
                place: plan.places.get(&node.id).cloned().unwrap_or_default(),
                replay: plan.replay.clone(),
                label: node.label.clone(),
                kind: node.kind,
                resource,
                hidden: node.inserted || node.elided || flow.hidden,
                errors_target: behind_errors.contains(&index),
                counters: Counters::default(),
                meter: Meter::default(),
            }
        });
        nodes.collect()
    }

    /// What tells its failures from those of other nodes, and of other replays.
    pub fn failures(&self) -> String {
        match &self.replay {
            Some(replay) => format!("{} replay {}", self.id, replay.label),
            None => self.id.clone(),
        }
    }

    /// A seed of its own, the same in every run with the run's seed.
    pub fn seed(&self, run: u64) -> u64 {
        let hash = blake3::hash(self.id.as_bytes());
        let mut seed = [0; 8];
        seed.copy_from_slice(&hash.as_bytes()[..8]);
        run ^ u64::from_le_bytes(seed)
    }

    pub fn summary(&self) -> NodeSummary {
        let meter = &self.meter;
        NodeSummary {
            id: self.id.clone(),
            flow: self.flow.clone(),
            label: self.label.clone(),
            kind: self.kind,
            resource: self.resource.clone(),
            hidden: self.hidden,
            rows_in: if self.kind == NodeKind::Source { 0 } else { meter.rows_in.get() },
            rows_out: meter.rows_out.get(),
            filtered: meter.filtered.get(),
            failed: meter.failed.get(),
            stored: meter.stored.get(),
            retries: meter.retries.get(),
            throttled: meter.throttled.get(),
            breaker_open: meter.breaker_open.load(Ordering::Relaxed),
            counts: self.counters.snapshot(),
            ended: meter.ended.load(Ordering::Relaxed),
        }
    }

    pub fn end(&self) {
        self.meter.ended.store(true, Ordering::Relaxed);
    }
}

/// The nodes that failures reach.
fn behind_errors(plan: &Plan) -> BTreeSet<NodeIndex> {
    let errors = plan.graph.edge_references().filter(|edge| edge.weight().port == Port::Errors);
    let mut found: BTreeSet<NodeIndex> = BTreeSet::new();
    let mut next: Vec<NodeIndex> = errors.map(|edge| edge.target()).collect();
    while let Some(node) = next.pop() {
        if found.insert(node) {
            next.extend(plan.graph.neighbors_directed(node, Outgoing));
        }
    }
    found
}
