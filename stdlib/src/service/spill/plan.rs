//! `spill` in the plan of a run: a sink, and a hidden source in front of the rest of the branch.

use dsl::plan::{Plan, PlanNode};
use dsl::spec::NodeKind;
use dsl::value::Value;
use petgraph::Direction::Incoming;
use petgraph::graph::NodeIndex;
use std::collections::{BTreeMap, BTreeSet};

/// The option that names the buffer's directory.
pub(super) const BUFFER: &str = "buffer";
/// The option that says whether rows keep the ids that they came with.
pub(super) const KEEPS_IDS: &str = "keeps_ids";

/// Makes of each `spill` a sink that fills its buffer and a source that empties it.
pub fn add_buffers(plan: &mut Plan) {
    let spills: Vec<NodeIndex> =
        plan.graph.node_indices().filter(|node| plan.graph[*node].op == "spill").collect();
    if spills.is_empty() {
        return;
    }
    let mut names = BTreeSet::new();
    let mut readers: BTreeMap<NodeIndex, NodeIndex> = BTreeMap::new();
    let described: Vec<(String, bool)> =
        spills.iter().map(|&spill| (name(plan, spill), replays(plan, spill))).collect();
    for (&spill, (name, keeps_ids)) in spills.iter().zip(described) {
        let mut unique = name.clone();
        for n in 2.. {
            if names.insert(unique.clone()) {
                break;
            }
            unique = format!("{name}#{n}");
        }
        let write = &mut plan.graph[spill];
        write.options.insert(BUFFER.into(), Value::Text(unique));
        write.options.insert(KEEPS_IDS.into(), Value::Bool(keeps_ids));
        let read = PlanNode {
            id: format!("{}.read", write.id),
            label: format!("{} (read)", write.label),
            op: super::read::SPEC.path.into(),
            kind: NodeKind::Source,
            input: None,
            inserted: true,
            fed_by: vec![spill],
            ..write.clone()
        };
        write.op = super::write::SPEC.path.into();
        write.kind = NodeKind::Sink;
        write.output = None;
        readers.insert(spill, plan.graph.add_node(read));
    }
    rewire(plan, &readers);
}

/// What left a `spill` leaves its reader; the order of the edges stays.
fn rewire(plan: &mut Plan, readers: &BTreeMap<NodeIndex, NodeIndex>) {
    let edges: Vec<_> = plan
        .graph
        .edge_indices()
        .filter_map(|edge| {
            let (from, to) = plan.graph.edge_endpoints(edge)?;
            Some((*readers.get(&from).unwrap_or(&from), to, plan.graph[edge].clone()))
        })
        .collect();
    plan.graph.clear_edges();
    for (from, to, edge) in edges {
        plan.graph.add_edge(from, to, edge);
    }
}

/// A buffer is named after the sinks behind it, so that it stays with its branch when the flow gets
/// another `spill`: `copy~orders.write`.
fn name(plan: &Plan, spill: NodeIndex) -> String {
    let (mut open, mut seen, mut sinks) = (vec![spill], BTreeSet::new(), BTreeSet::new());
    while let Some(node) = open.pop() {
        if !seen.insert(node) {
            continue;
        }
        let found = &plan.graph[node];
        if found.kind == NodeKind::Sink || (found.op == "spill" && node != spill) {
            let id = found.id.split_once('/').map_or(found.id.as_str(), |(_, name)| name);
            sinks.insert(id.to_owned());
            continue;
        }
        let data = plan.graph.edges(node).filter(|edge| is_data(&edge.weight().port));
        open.extend(data.map(|edge| petgraph::visit::EdgeRef::target(&edge)));
    }
    let sinks: Vec<String> = sinks.into_iter().collect();
    let name = format!("{}~{}", plan.flow_of(spill).name, sinks.join("+"));
    let legal = |c: char| if c.is_alphanumeric() || "_.-~+#".contains(c) { c } else { '-' };
    let name: String = name.chars().map(legal).collect();
    match name.len() > 100 {
        false => name,
        // The name of a directory has 255 bytes at most.
        true => {
            let short: String = name.chars().take(60).collect();
            format!("{short}~{}", &blake3::hash(name.as_bytes()).to_hex()[..16])
        }
    }
}

fn is_data(port: &dsl::plan::Port) -> bool {
    matches!(port, dsl::plan::Port::Out | dsl::plan::Port::Named(_))
}

/// Whether all sources before a node can send their rows again: then these come in the order of
/// their numbers, and keep them.
fn replays(plan: &Plan, node: NodeIndex) -> bool {
    let (mut open, mut seen) = (vec![node], BTreeSet::new());
    while let Some(node) = open.pop() {
        if !seen.insert(node) {
            continue;
        }
        let before: Vec<NodeIndex> = plan.graph.neighbors_directed(node, Incoming).collect();
        if before.is_empty() && plan.graph[node].op == "http.serve" {
            return false;
        }
        open.extend(before);
    }
    true
}
