//! The plan's edges as channels: which nodes are one task, which ports lead where.

use super::edge::{Edge, Inlet, Item, Outlet, Target};
use super::node::{Count, Node};
use super::shed::{Shed, is_shed};
use crate::ctx::Ctx;
use crate::memory::{Budget, Budgets};
use dsl::plan::{Plan, Port};
use dsl::spec::NodeKind;
use petgraph::Direction::{Incoming, Outgoing};
use petgraph::graph::{EdgeIndex, NodeIndex};
use petgraph::visit::EdgeRef;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Everything of a run that follows from its plan alone.
pub(crate) struct Wiring {
    /// In plan order.
    pub nodes: Vec<Arc<Node>>,
    /// In plan order.
    pub edges: Vec<Arc<Edge>>,
    pub tasks: Vec<Task>,
}

/// The nodes that one task works.
pub(crate) struct Task {
    pub nodes: Vec<NodeIndex>,
    /// `None` for a source.
    pub inlet: Option<Inlet>,
    /// The ports of each node.
    pub outlets: Vec<Vec<Outlet>>,
}

/// Engine nodes that are no plain transforms have a task of their own.
pub(crate) fn is_batch(plan: &Plan, node: NodeIndex) -> bool {
    plan.graph[node].op == "batch" && !plan.graph[node].elided
}

impl Wiring {
    /// Of `ctx` it takes how many batches a channel holds, the clock and the log.
    pub fn new(plan: &Plan, ctx: &Ctx, budgets: &Budgets) -> Wiring {
        let nodes: Vec<Arc<Node>> = Node::all(plan).into_iter().map(Arc::new).collect();
        let edges: Vec<Arc<Edge>> =
            plan.graph.edge_indices().map(|e| edge(plan, &nodes, e, budgets)).collect();
        let chains = chains(plan);
        let mut channels = BTreeMap::new();
        for chain in &chains {
            if plan.graph[chain[0]].kind != NodeKind::Source {
                channels.insert(chain[0], mpsc::channel::<Item>(ctx.channel_batches.max(1)));
            }
        }
        let senders: BTreeMap<NodeIndex, mpsc::Sender<Item>> =
            channels.iter().map(|(node, (sender, _))| (*node, sender.clone())).collect();
        let tasks = chains.into_iter().map(|chain| Task {
            inlet: channels.remove(&chain[0]).map(|(_, receiver)| Inlet::new(receiver)),
            outlets: chain
                .iter()
                .map(|node| outlets((plan, ctx), *node, &chain, &edges, &senders))
                .collect(),
            nodes: chain,
        });
        Wiring { tasks: tasks.collect(), nodes, edges }
    }
}

fn edge(plan: &Plan, nodes: &[Arc<Node>], edge: EdgeIndex, budgets: &Budgets) -> Arc<Edge> {
    let (from, to) = plan.graph.edge_endpoints(edge).expect("an edge of the plan");
    let lane = lane(plan, edge, to);
    let (from, to) = (nodes[from.index()].clone(), nodes[to.index()].clone());
    let port = plan.graph[edge].port.clone();
    let (sent, received) = (Count::default(), Count::default());
    let budget = Budget::new(budgets.edge(edge));
    Arc::new(Edge { from, to, port, lane, sent, received, budget })
}

/// By the number of the edge, what its rows are told apart by; see [`dsl::plan::Replay::lanes`].
pub(crate) fn lanes(plan: &Plan) -> BTreeMap<usize, String> {
    let lane = |edge: EdgeIndex| {
        let (_, to) = plan.graph.edge_endpoints(edge)?;
        Some((edge.index(), lane(plan, edge, to)?))
    };
    plan.graph.edge_indices().filter_map(lane).collect()
}

/// What tells the rows of an edge from those of others into the same node; `None` for its only
/// data edge. Failures tell themselves apart, and `done` events need not.
fn lane(plan: &Plan, edge: EdgeIndex, to: NodeIndex) -> Option<String> {
    if let Some(replay) = &plan.replay {
        return replay.lanes.get(&edge.index()).cloned();
    }
    let is_data = |edge: EdgeIndex| !matches!(plan.graph[edge].port, Port::Errors | Port::Done);
    let mut edges: Vec<EdgeIndex> =
        plan.graph.edges_directed(to, Incoming).map(|edge| edge.id()).collect();
    edges.retain(|edge| is_data(*edge));
    edges.sort();
    if !is_data(edge) || edges.len() < 2 {
        return None;
    }
    let name = |edge: EdgeIndex| {
        let from = plan.graph.edge_endpoints(edge).map(|(from, _)| from).unwrap_or(to);
        let port = match &plan.graph[edge].port {
            Port::Named(name) => name,
            _ => "out",
        };
        format!("{}.{port}", plan.graph[from].id)
    };
    let same = edges.iter().filter(|other| **other < edge && name(**other) == name(edge)).count();
    Some(if same == 0 { name(edge) } else { format!("{}#{}", name(edge), same + 1) })
}

/// All nodes, in tasks: a transform is worked by the task of the transform before it where the two
/// have only each other.
fn chains(plan: &Plan) -> Vec<Vec<NodeIndex>> {
    let is_step =
        |node: NodeIndex| plan.graph[node].kind == NodeKind::Transform && !is_batch(plan, node);
    let next = |node: NodeIndex| -> Option<NodeIndex> {
        let mut data =
            plan.graph.edges_directed(node, Outgoing).filter(|e| e.weight().port != Port::Errors);
        let only = data.next().filter(|_| data.next().is_none())?.target();
        let fed_once = plan.graph.edges_directed(only, Incoming).count() == 1;
        (is_step(node) && is_step(only) && fed_once && !is_shed(plan, only)).then_some(only)
    };
    let joined: Vec<NodeIndex> = plan.graph.node_indices().filter_map(next).collect();
    let heads = plan.graph.node_indices().filter(|node| !joined.contains(node));
    heads.map(|head| std::iter::successors(Some(head), |node| next(*node)).collect()).collect()
}

/// The ports of a node, with their targets in plan order.
fn outlets(
    (plan, ctx): (&Plan, &Ctx),
    node: NodeIndex,
    chain: &[NodeIndex],
    edges: &[Arc<Edge>],
    senders: &BTreeMap<NodeIndex, mpsc::Sender<Item>>,
) -> Vec<Outlet> {
    let mut out: Vec<_> = plan.graph.edges_directed(node, Outgoing).collect();
    out.sort_by_key(|edge| edge.id());
    let mut ports: BTreeMap<Port, Vec<Target>> = BTreeMap::new();
    for edge in out {
        let counts = edges[edge.id().index()].clone();
        let target = match chain.iter().position(|other| *other == edge.target()) {
            Some(step) => Target::Step(counts, step),
            None if is_shed(plan, edge.target()) => {
                let shed = Shed::new(counts.to.clone(), ctx);
                Target::Shed(counts, senders[&edge.target()].clone(), shed)
            }
            None => Target::Channel(counts, senders[&edge.target()].clone()),
        };
        ports.entry(edge.weight().port.clone()).or_default().push(target);
    }
    let outlets = ports.into_iter();
    outlets.map(|(port, targets)| Outlet { port, targets, rows: Count::default() }).collect()
}
