//! Whether a source row can come to a sink more than once in one pass: where two branches of one
//! source meet again (`[a, b] -> x`), two records have one id, and an id says nothing.

use dsl::plan::{Plan, Port};
use dsl::spec::NodeKind;
use engine::ctx::NodeCtx;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;
use petgraph::{Direction, Graph};
use std::collections::HashMap;

/// Of one row at most this many copies are counted.
const MANY: usize = 2;

/// True where each source row comes to this node at most once.
pub fn each_row_once(ctx: &NodeCtx) -> bool {
    find(ctx).is_none_or(|node| arrivals(&ctx.plan, node) < MANY)
}

/// True where each source row fails at most once at each node whose failures come to this one.
pub fn each_failure_once(ctx: &NodeCtx) -> bool {
    let Some(own) = find(ctx) else { return true };
    let mut edges = ctx.plan.graph.edges_directed(own, Direction::Incoming);
    edges.all(|edge| {
        let failing = edge.weight().port == Port::Errors;
        arrivals(&ctx.plan, if failing { edge.source() } else { own }) < MANY
    })
}

fn find(ctx: &NodeCtx) -> Option<NodeIndex> {
    ctx.plan.graph.node_indices().find(|node| ctx.plan.graph[*node].id == ctx.node.id)
}

/// How often a row of one partition can come to a node: readers of one stream or of files may send
/// the same rows, each server has its own.
fn arrivals(plan: &Plan, node: NodeIndex) -> usize {
    let mut counted = HashMap::new();
    let mut by_origin: HashMap<(&str, Option<usize>, usize), usize> = HashMap::new();
    for source in plan.graph.node_indices() {
        let each = &plan.graph[source];
        if each.kind == NodeKind::Source {
            let apart = if each.op == "http.serve" { source.index() } else { 0 };
            let copies = copies(&plan.graph, source, node, &mut counted);
            *by_origin.entry((&each.op, each.resource, apart)).or_default() += copies;
        }
    }
    by_origin.into_values().max().unwrap_or(0)
}

/// How many copies of a row at `from` come to `to`. A port with several receivers copies; of
/// several ports a row takes one.
fn copies<N>(
    graph: &Graph<N, dsl::plan::PlanEdge>,
    from: NodeIndex,
    to: NodeIndex,
    counted: &mut HashMap<NodeIndex, usize>,
) -> usize {
    if from == to {
        return 1;
    }
    if let Some(copies) = counted.get(&from) {
        return *copies;
    }
    let mut by_port: HashMap<&Port, usize> = HashMap::new();
    for edge in graph.edges(from).filter(|edge| edge.weight().port != Port::Done) {
        let copies = copies(graph, edge.target(), to, counted);
        let sum = by_port.entry(&edge.weight().port).or_default();
        *sum = (*sum + copies).min(MANY);
    }
    let most = by_port.into_values().max().unwrap_or(0);
    counted.insert(from, most);
    most
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsl::plan::PlanEdge;
    use dsl::ty::Ty;
    use engine::testing;
    use std::sync::Arc;

    /// `source -> a, source -> b`, both by the given ports to `sink`.
    fn plan(same_port: bool) -> Plan {
        let mut plan = testing::plan(Vec::new());
        let node = |id: &str, kind| {
            let mut node = testing::plan_node(id, kind, None, None);
            node.id = id.into();
            node
        };
        let [source, a, b, sink] = [
            ("source", NodeKind::Source),
            ("a", NodeKind::Transform),
            ("b", NodeKind::Transform),
            ("sink", NodeKind::Sink),
        ]
        .map(|(id, kind)| plan.graph.add_node(node(id, kind)));
        let named = |n: &str| if same_port { Port::Out } else { Port::Named(n.into()) };
        let edge = |port: Port| PlanEdge { port, ty: Ty::Bytes };
        plan.graph.add_edge(source, a, edge(named("0")));
        plan.graph.add_edge(source, b, edge(named("1")));
        plan.graph.add_edge(a, sink, edge(Port::Errors));
        plan.graph.add_edge(b, sink, edge(Port::Errors));
        plan
    }

    fn ctx(plan: Plan, id: &str) -> NodeCtx {
        let node = plan.graph.node_indices().find(|node| plan.graph[*node].id == id).unwrap();
        testing::node_ctx_in(&testing::ctx(), &Arc::new(plan), node)
    }

    #[test]
    fn copies_meet_again_arms_of_a_route_do_not() {
        assert!(!each_row_once(&ctx(plan(true), "sink")));
        assert!(each_row_once(&ctx(plan(true), "a")));
        assert!(each_row_once(&ctx(plan(false), "sink")));
        assert!(each_failure_once(&ctx(plan(true), "sink")), "each fails at a node of its own");
    }

    #[test]
    fn two_readers_of_one_stream_send_the_same_rows() {
        let mut plan = plan(false);
        let mut other = testing::plan_node("source", NodeKind::Source, None, None);
        other.id = "other".into();
        let other = plan.graph.add_node(other);
        let edge = PlanEdge { port: Port::Out, ty: Ty::Bytes };
        plan.graph.add_edge(other, NodeIndex::new(3), edge);
        assert!(!each_row_once(&ctx(plan, "sink")));
    }
}
