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

#[cfg(test)]
mod tests {
    use super::*;
    use dsl::plan::{PlanEdge, Port};
    use dsl::ty::Ty;
    use engine::testing;

    /// `from → [write, spill → map → write, spill → put]`, with `spill` behind `from`.
    fn plan(from: &str) -> Plan {
        let mut plan = testing::plan(Vec::new());
        let node = |op: &str, kind| testing::plan_node(op, kind, None, Some(Ty::Text));
        let mut add = |op: &str, kind, id: &str| {
            let id = format!("test/{id}");
            plan.graph.add_node(PlanNode { id, ..node(op, kind) })
        };
        let from = add(from, NodeKind::Source, "from");
        let [first, second] = ["spill", "spill#2"].map(|id| add("spill", NodeKind::Transform, id));
        let map = add("map", NodeKind::Transform, "map");
        let [fast, slow, put] = ["write", "write#2", "put"].map(|id| add("x", NodeKind::Sink, id));
        for (a, b) in
            [(from, fast), (from, first), (first, map), (map, slow), (from, second), (second, put)]
        {
            plan.graph.add_edge(a, b, PlanEdge { port: Port::Out, ty: Ty::Text });
        }
        plan
    }

    #[test]
    fn a_spill_becomes_a_sink_and_a_source_and_is_named_after_its_branch() {
        let mut plan = plan("file.read");
        add_buffers(&mut plan);
        let of = |id: &str| {
            let id = format!("test/{id}");
            let found = plan.graph.node_indices().find(|node| plan.graph[*node].id == id);
            found.unwrap_or_else(|| panic!("{id}"))
        };
        let (write, read) = (of("spill"), of("spill.read"));
        assert_eq!(plan.graph[write].op, "spill.write");
        assert_eq!(
            (plan.graph[read].op.as_str(), &plan.graph[read].fed_by),
            ("spill.read", &vec![write])
        );
        assert_eq!(plan.graph[write].text(BUFFER), "test~write#2");
        assert_eq!(plan.graph[read].text(BUFFER), "test~write#2");
        assert_eq!(plan.graph[of("spill#2")].text(BUFFER), "test~put");
        assert!(plan.graph[read].flag(KEEPS_IDS));
        let behind = |node| plan.graph.neighbors(node).collect::<Vec<_>>();
        assert_eq!((behind(write), behind(read)), (vec![], vec![of("map")]));
        assert_eq!(plan.graph.edge_count(), 6);
    }

    #[test]
    fn rows_of_a_server_get_ids_of_the_buffer() {
        let mut plan = plan("http.serve");
        add_buffers(&mut plan);
        let nodes = plan.graph.node_weights().filter(|node| node.op.starts_with("spill"));
        let keep: Vec<bool> = nodes.map(|node| node.flag(KEEPS_IDS)).collect();
        assert_eq!(keep, [false; 4]);
    }
}
