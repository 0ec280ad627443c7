//! The part of a plan that takes failed records in where they failed, and everything behind it.

use super::Session;
use super::failure::hex;
use crate::nodes::{quarantine_enter, quarantine_replay};
use dsl::plan::{Plan, PlanEdge, PlanNode, Port, Replay, Replayed};
use dsl::spec::NodeKind;
use dsl::ty::Ty;
use petgraph::Direction::Outgoing;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one session runs: of a plan that the provider has prepared, the node and all that it leads
/// to, with a source of the failed records before it. A server of this file that is posted to, and
/// the provider's own flows, run with it; readers of streams do not.
///
/// # Panics
/// The plan has no such node.
pub fn part(whole: &Plan, session: &Session) -> Plan {
    let at = find(whole, &session.node).expect("the scan has found the node");
    let mut plan = reduce(whole, &[at]);
    let at = find(&plan, &session.node).expect("what is reached from it is kept");
    let mut failures: BTreeMap<u64, Vec<Replayed>> = BTreeMap::new();
    for entry in &session.entries {
        failures.entry(entry.seq).or_default().push(Replayed {
            partition: entry.partition,
            name: entry.name.to_string(),
            id: hex(&entry.id),
            attempts: entry.attempts,
        });
    }
    let lanes = kept_lanes(whole, &plan);
    plan.replay = Some(Arc::new(Replay { label: session.label(), lanes, failures }));
    let input = plan.graph[at].input.clone().unwrap_or(Ty::Bytes);
    let source = hidden(&plan.graph[at], &quarantine_replay::SPEC, None, Some(Ty::Bytes));
    let enter =
        hidden(&plan.graph[at], &quarantine_enter::SPEC, Some(Ty::Bytes), Some(input.clone()));
    let source = plan.graph.add_node(PlanNode { inserted: false, ..source });
    let enter = plan.graph.add_node(enter);
    plan.graph.add_edge(source, enter, PlanEdge { port: Port::Out, ty: Ty::Bytes });
    plan.graph.add_edge(enter, at, PlanEdge { port: Port::Out, ty: input });
    plan
}

/// What brings failures into their buckets that a run which was broken off has only appended: the
/// provider's own flows behind the appends, with nothing to append. `None` where there are none.
pub fn drain(whole: &Plan) -> Option<Plan> {
    let failure = Ty::failure();
    let appends: Vec<NodeIndex> = whole
        .graph
        .node_indices()
        .filter(|node| {
            let node = &whole.graph[*node];
            node.op == "bucket.append" && node.input.as_ref() == Some(&failure)
        })
        .collect();
    let mut plan = reduce(whole, &appends);
    let hidden_flows = plan.graph.node_weights().any(|node| node.op == "delivery.read");
    if !hidden_flows {
        return None;
    }
    let lanes = kept_lanes(whole, &plan);
    let label = "nothing".to_owned();
    plan.replay = Some(Arc::new(Replay { label, lanes, failures: BTreeMap::new() }));
    for append in appends {
        let at = find(&plan, &whole.graph[append].id).expect("it is kept");
        let source = hidden(&plan.graph[at], &quarantine_replay::SPEC, None, Some(failure.clone()));
        let source = plan.graph.add_node(source);
        plan.graph.add_edge(source, at, PlanEdge { port: Port::Out, ty: failure.clone() });
    }
    Some(plan)
}

/// The node of an id.
pub fn find(plan: &Plan, id: &str) -> Option<NodeIndex> {
    plan.graph.node_indices().find(|node| plan.graph[*node].id == id)
}

/// All that `from` leads to, by edges, by a server that is posted to, and by the provider's own
/// flows.
fn reduce(whole: &Plan, from: &[NodeIndex]) -> Plan {
    let graph = &whole.graph;
    let mut kept = vec![false; graph.node_count()];
    let mut open = from.to_vec();
    loop {
        while let Some(node) = open.pop() {
            if !std::mem::replace(&mut kept[node.index()], true) {
                open.extend(graph.neighbors_directed(node, Outgoing));
            }
        }
        let runs_with = |node: &NodeIndex| {
            let server = graph[*node].op == "http.serve" || whole.flow_of(*node).hidden;
            let is_fed = graph[*node].fed_by.iter().any(|feeder| kept[feeder.index()]);
            !kept[node.index()] && graph[*node].kind == NodeKind::Source && server && is_fed
        };
        open.extend(graph.node_indices().filter(runs_with));
        if open.is_empty() {
            break;
        }
    }
    let mut plan = Plan { graph: Default::default(), ..whole.clone() };
    let mut moved: Vec<Option<NodeIndex>> = vec![None; kept.len()];
    for node in graph.node_indices().filter(|node| kept[node.index()]) {
        moved[node.index()] = Some(plan.graph.add_node(graph[node].clone()));
    }
    for node in plan.graph.node_weights_mut() {
        node.fed_by = node.fed_by.iter().filter_map(|feeder| moved[feeder.index()]).collect();
    }
    for edge in graph.edge_references() {
        if let (Some(from), Some(to)) = (moved[edge.source().index()], moved[edge.target().index()])
        {
            plan.graph.add_edge(from, to, edge.weight().clone());
        }
    }
    plan
}

/// What the rows of the edges that are kept are told apart by in the whole plan. Edges are kept in
/// their order.
fn kept_lanes(whole: &Plan, part: &Plan) -> BTreeMap<usize, String> {
    let names = engine::run::lanes(whole);
    let ends = |plan: &Plan, from: NodeIndex, to: NodeIndex| {
        (plan.graph[from].id.clone(), plan.graph[to].id.clone())
    };
    let mut left = part.graph.edge_references().peekable();
    let mut lanes = BTreeMap::new();
    for edge in whole.graph.edge_references() {
        let Some(next) = left.peek() else { break };
        let same = ends(whole, edge.source(), edge.target())
            == ends(part, next.source(), next.target())
            && edge.weight().port == next.weight().port;
        if same {
            if let Some(name) = names.get(&edge.id().index()) {
                lanes.insert(next.id().index(), name.clone());
            }
            left.next();
        }
    }
    lanes
}

/// A node of the same flow and place, which the user did not write.
fn hidden(
    beside: &PlanNode,
    spec: &'static dsl::spec::NodeSpec,
    input: Option<Ty>,
    output: Option<Ty>,
) -> PlanNode {
    PlanNode {
        id: format!("{}/{}", beside.id, spec.path),
        label: spec.path.to_owned(),
        op: spec.path.to_owned(),
        kind: spec.kind,
        flow: beside.flow,
        resource: None,
        input,
        output,
        options: BTreeMap::new(),
        templates: BTreeMap::new(),
        record: None,
        condition: None,
        conditions: Vec::new(),
        encodes: None,
        inserted: true,
        elided: false,
        fed_by: Vec::new(),
        span: beside.span,
    }
}
