//! `bucket.append` where objects cannot be appended to: a `batch` of the engine in front of each
//! such node gathers what it gets, and the node stores each batch as an object.
//!
//! The ends of batches are stored before they are sent, so what comes again after a crash has the
//! same names. Failures come in any order and need not come again; see the engine's `batch`.

use dsl::plan::{Plan, PlanEdge, PlanNode, Port};
use dsl::spec::NodeKind;
use dsl::ty::Ty;
use dsl::value::Value;
use petgraph::Direction::Incoming;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;

/// Bytes of an object, about.
const SIZE_BYTES: u64 = 5 << 20;
/// How long appended records wait for company.
const WAIT_NS: i64 = 1_000_000_000;

/// Puts a `batch` in front of each `bucket.append`.
pub fn add_batches(plan: &mut Plan) {
    let appends = plan.graph.node_indices();
    let appends: Vec<NodeIndex> =
        appends.filter(|node| plan.graph[*node].op == "bucket.append").collect();
    for append in appends {
        let Some(item) = plan.graph[append].input.clone() else { continue };
        let batched = Ty::Batch(Box::new(item.clone()));
        let batch = plan.graph.add_node(batch(&plan.graph[append], &item));
        let mut edges: Vec<_> = plan.graph.edges_directed(append, Incoming).collect();
        edges.sort_by_key(|edge| edge.id());
        let edges: Vec<(NodeIndex, PlanEdge)> =
            edges.into_iter().map(|edge| (edge.source(), edge.weight().clone())).collect();
        plan.graph.retain_edges(|graph, edge| {
            graph.edge_endpoints(edge).is_none_or(|(_, to)| to != append)
        });
        for (from, edge) in edges {
            plan.graph.add_edge(from, batch, edge);
        }
        plan.graph.add_edge(batch, append, PlanEdge { port: Port::Out, ty: batched });
    }
}

fn batch(append: &PlanNode, item: &Ty) -> PlanNode {
    let failures = *item == Ty::failure();
    let options = [
        ("size", Value::Size(SIZE_BYTES)),
        ("wait", Value::Duration(WAIT_NS)),
        ("any_order", Value::Bool(failures)),
    ];
    let (id, kind) = (format!("{}/batch", append.id), NodeKind::Transform);
    PlanNode {
        label: format!("{} (batch)", append.label),
        resource: append.resource,
        input: Some(item.clone()),
        output: Some(Ty::Batch(Box::new(item.clone()))),
        options: options.map(|(name, value)| (name.to_owned(), value)).into(),
        ..PlanNode::inserted(id, "batch", kind, append.flow, append.span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::testing;

    #[test]
    fn what_was_sent_to_the_append_goes_to_its_batch() {
        let mut plan = testing::plan(Vec::new());
        let node = |op: &str, kind, input| testing::plan_node(op, kind, input, None);
        let read = plan.graph.add_node(node("stream.read", NodeKind::Source, None));
        let append = node("bucket.append", NodeKind::Sink, Some(Ty::failure()));
        let append = plan.graph.add_node(append);
        for port in [Port::Errors, Port::Named("rejected".into())] {
            plan.graph.add_edge(read, append, PlanEdge { port, ty: Ty::failure() });
        }
        add_batches(&mut plan);
        let edges = plan.graph.edge_references();
        let edges: Vec<_> =
            edges.map(|edge| (edge.source(), edge.target(), edge.weight().port.clone())).collect();
        let batch = NodeIndex::new(2);
        let expected = [
            (read, batch, Port::Errors),
            (read, batch, Port::Named("rejected".into())),
            (batch, append, Port::Out),
        ];
        assert_eq!(edges, expected);
        let batch = &plan.graph[batch];
        assert_eq!(batch.id, "test/bucket.append/batch");
        assert_eq!(batch.options["any_order"], Value::Bool(true));
    }
}
