//! The graph while it is being built: all flows of the file, before one is chosen and the rest is
//! left out.

use super::signature::Layer;
use crate::plan::{PlanEdge, PlanNode, Port};
use crate::span::Span;
use crate::spec::{NodeKind, NodeSpec};
use crate::ty::Ty;
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use std::collections::BTreeMap;

/// The nodes of all flows, with what the checker needs to remember of each.
#[derive(Default)]
pub(crate) struct Draft {
    /// The graph; nodes are only added, so that indices stay.
    pub graph: DiGraph<PlanNode, PlanEdge>,
    notes: Vec<Note>,
    /// The nodes of each flow, in the order in which they were added.
    flows: BTreeMap<usize, Vec<NodeIndex>>,
}

/// What the checker remembers of a node.
#[derive(Clone)]
pub(crate) struct Note {
    /// What it says of itself.
    pub spec: &'static NodeSpec,
    /// Why it can fail, each completing "can fail: …"; empty = it cannot.
    pub fails: Vec<String>,
    /// Its failures are connected by name or by `catch`.
    pub caught: bool,
}

/// Records on their way: who sends them, and what they are.
#[derive(Clone, Debug)]
pub(crate) struct Tap {
    /// Who sends them.
    pub sender: Sender,
    /// What they are.
    pub ty: Ty,
    /// The words that stand for the sender: a node's, or the name of a `let`.
    pub at: Span,
    /// `batch.id` and the like are known of them.
    pub batch: bool,
}

/// Who sends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Sender {
    /// A port of a node.
    Node(NodeIndex, Port),
    /// The `errors` of the flow: all failures that are connected nowhere else.
    Errors,
    /// The `done` of the flow.
    Done,
    /// Something that is wrong, and was reported, or `in` of a node that no flow uses.
    Nothing,
}

impl Tap {
    /// Stands for something that is wrong, so that what depends on it is silent.
    pub fn poison(at: Span) -> Tap {
        Tap { sender: Sender::Nothing, ty: Ty::Unknown, at, batch: true }
    }

    /// The sending node.
    pub fn node(&self) -> Option<NodeIndex> {
        match &self.sender {
            Sender::Node(node, _) => Some(*node),
            _ => None,
        }
    }

    /// The type of one record: T of `batch<T>`.
    pub fn record(&self) -> &Ty {
        unbatched(&self.ty)
    }
}

/// T of `batch<T>`; any other type is itself.
pub(crate) fn unbatched(ty: &Ty) -> &Ty {
    match ty {
        Ty::Batch(inner) => inner,
        other => other,
    }
}

/// The type, or `Unknown` when a part of it is unknown: what depends on it is then silent.
pub(crate) fn whole(ty: Ty) -> Ty {
    let mut inner = &ty;
    while let Some((_, content)) = Layer::of(inner) {
        inner = content;
    }
    if *inner == Ty::Unknown { Ty::Unknown } else { ty }
}

/// Applies `change` to a type, or to the content of a batch.
pub(crate) fn in_batch(ty: &Ty, change: impl FnOnce(&Ty) -> Ty) -> Ty {
    match ty {
        Ty::Batch(inner) => Ty::Batch(Box::new(change(inner))),
        other => change(other),
    }
}

impl Draft {
    /// Adds a node.
    pub fn add(&mut self, node: PlanNode, note: Note) -> NodeIndex {
        self.notes.push(note);
        let flow = node.flow;
        let index = self.graph.add_node(node);
        self.flows.entry(flow).or_default().push(index);
        index
    }

    /// What is remembered of a node.
    pub fn note(&self, node: NodeIndex) -> &Note {
        &self.notes[node.index()]
    }

    /// The same, to change it.
    pub fn note_mut(&mut self, node: NodeIndex) -> &mut Note {
        &mut self.notes[node.index()]
    }

    /// The nodes of a flow, in the order in which they were added.
    pub fn of_flow(&self, flow: usize) -> &[NodeIndex] {
        self.flows.get(&flow).map_or(&[], Vec::as_slice)
    }

    /// The sources of a flow.
    pub fn sources(&self, flow: usize) -> Vec<NodeIndex> {
        self.of_kind(flow, NodeKind::Source)
    }

    /// The sinks of a flow.
    pub fn sinks(&self, flow: usize) -> Vec<NodeIndex> {
        self.of_kind(flow, NodeKind::Sink)
    }

    fn of_kind(&self, flow: usize, kind: NodeKind) -> Vec<NodeIndex> {
        let of_kind = |node: &NodeIndex| self.graph[*node].kind == kind;
        self.of_flow(flow).iter().copied().filter(of_kind).collect()
    }

    /// `node` and the nodes before it, nearest first, as long as records come by `out` of one
    /// sender.
    pub fn upstream(&self, node: NodeIndex) -> Vec<NodeIndex> {
        let mut found = vec![node];
        let mut at = node;
        loop {
            let mut edges = self.graph.edges_directed(at, Direction::Incoming);
            match (edges.next(), edges.next()) {
                (Some(edge), None) if edge.weight().port == Port::Out => at = edge.source(),
                _ => return found,
            }
            found.push(at);
        }
    }

    /// All nodes that `from` leads to, itself included.
    pub fn reachable(&self, from: impl IntoIterator<Item = NodeIndex>) -> Vec<bool> {
        self.walk(from, Direction::Outgoing)
    }

    /// All nodes that lead to one of `to`, themselves included.
    pub fn leading(&self, to: impl IntoIterator<Item = NodeIndex>) -> Vec<bool> {
        self.walk(to, Direction::Incoming)
    }

    fn walk(&self, from: impl IntoIterator<Item = NodeIndex>, way: Direction) -> Vec<bool> {
        let mut seen = vec![false; self.graph.node_count()];
        let mut open: Vec<NodeIndex> = from.into_iter().collect();
        while let Some(node) = open.pop() {
            if !std::mem::replace(&mut seen[node.index()], true) {
                open.extend(self.graph.neighbors_directed(node, way));
            }
        }
        seen
    }
}
