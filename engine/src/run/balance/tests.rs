//! The law, broken on purpose.

use super::*;
use crate::memory::Budget;
use crate::run::node::Count;
use crate::testing;
use dsl::plan::PlanEdge;
use dsl::ty::Ty;
use petgraph::graph::NodeIndex;

/// `read → decode → [keep → store, store]`, with `errors` of `decode` and `done` of `read`.
fn graph() -> (Vec<Arc<Node>>, Vec<Arc<Edge>>) {
    let mut plan = testing::plan(Vec::new());
    let mut node = |op: &str, kind| plan.graph.add_node(testing::plan_node(op, kind, None, None));
    let read = node("read", NodeKind::Source);
    let [decode, keep] = ["decode", "keep"].map(|op| node(op, NodeKind::Transform));
    let [store, errors, done] = ["store", "errors", "done"].map(|op| node(op, NodeKind::Sink));
    let edges = [
        (read, Port::Out, decode),
        (read, Port::Done, done),
        (decode, Port::Out, keep),
        (decode, Port::Out, store),
        (decode, Port::Errors, errors),
        (keep, Port::Named("kept".into()), store),
    ];
    for (from, port, to) in edges {
        plan.graph.add_edge(from, to, PlanEdge { port, ty: Ty::Text });
    }
    let nodes: Vec<Arc<Node>> = Node::all(&plan).into_iter().map(Arc::new).collect();
    let of = |index: NodeIndex| nodes[index.index()].clone();
    let edge = |edge: petgraph::graph::EdgeIndex| {
        let ends = plan.graph.edge_endpoints(edge);
        let (from, to) = ends.unwrap_or_else(|| panic!("an edge"));
        let port = plan.graph[edge].port.clone();
        let (sent, received) = (Count::default(), Count::default());
        let budget = Budget::new(1);
        Arc::new(Edge { from: of(from), to: of(to), port, lane: None, sent, received, budget })
    };
    let edges = plan.graph.edge_indices().map(edge).collect();
    (nodes, edges)
}

/// Counts of a run of 2 reads of one row, 10 records, one of which fails and three are filtered.
fn counted(nodes: &[Arc<Node>], edges: &[Arc<Edge>]) {
    let [read, decode, keep, store, errors, done] = nodes else { panic!("six nodes") };
    for (edge, rows) in edges.iter().zip([2, 10, 9, 9, 1, 6]) {
        edge.sent.add(rows);
        edge.received.add(rows);
    }
    let counts = [
        (&read.meter.rows_in, 2),
        (&read.meter.settled, 2),
        (&read.meter.rows_out, 2),
        (&read.meter.records, 10),
        (&decode.meter.rows_in, 2),
        (&decode.meter.opened, 2),
        (&decode.meter.made, 10),
        (&decode.meter.failed, 1),
        (&decode.meter.rows_out, 9),
        (&keep.meter.rows_in, 9),
        (&keep.meter.filtered, 3),
        (&keep.meter.rows_out, 6),
        (&store.meter.rows_in, 15),
        (&store.meter.stored, 15),
        (&errors.meter.rows_in, 1),
        (&errors.meter.stored, 1),
        (&done.meter.rows_in, 10),
        (&done.meter.stored, 10),
    ];
    counts.into_iter().for_each(|(count, rows)| count.add(rows));
}

fn equations(nodes: &[Arc<Node>], edges: &[Arc<Edge>]) -> Vec<String> {
    let errors = check_run(nodes, edges).into_iter().map(|error| match error {
        RunError::Balance { node, equation } => format!("{node}: {equation}"),
        other => panic!("{other:?}"),
    });
    errors.collect()
}

#[test]
fn a_run_that_balances() {
    let (nodes, edges) = graph();
    counted(&nodes, &edges);
    assert_eq!(equations(&nodes, &edges), [""; 0]);
}

#[test]
fn any_count_that_is_one_off_is_found() {
    let of_node: [fn(&Node) -> &Count; 8] = [
        |node| &node.meter.rows_in,
        |node| &node.meter.rows_out,
        |node| &node.meter.failed,
        |node| &node.meter.filtered,
        |node| &node.meter.stored,
        |node| &node.meter.made,
        |node| &node.meter.settled,
        |node| &node.meter.records,
    ];
    let applies = |count: usize, kind: NodeKind| match kind {
        NodeKind::Source => [0, 1, 6, 7].contains(&count),
        NodeKind::Transform => [0, 1, 2, 3, 5].contains(&count),
        NodeKind::Sink => [0, 2, 4].contains(&count),
    };
    for node in 0..6 {
        for (number, count) in of_node.iter().enumerate() {
            let (nodes, edges) = graph();
            counted(&nodes, &edges);
            if applies(number, nodes[node].kind) {
                count(&nodes[node]).add(1);
                let found = equations(&nodes, &edges);
                assert!(!found.is_empty(), "count {number} of {}", nodes[node].id);
            }
        }
    }
}

#[test]
fn a_row_lost_or_doubled_on_any_edge_is_found() {
    for edge in 0..6 {
        for (sent, received) in [(0, 1), (1, 0), (1, 1)] {
            let (nodes, edges) = graph();
            counted(&nodes, &edges);
            edges[edge].sent.add(sent);
            edges[edge].received.add(received);
            assert!(!equations(&nodes, &edges).is_empty(), "edge {edge}: {sent} {received}");
        }
    }
}

#[test]
fn the_equation_is_shown_as_a_person_reads_it() {
    let (nodes, edges) = graph();
    counted(&nodes, &edges);
    nodes[3].meter.stored.add(1);
    nodes[3].meter.failed.add(2);
    assert_eq!(equations(&nodes, &edges), ["test/store: in 15 ≠ stored 16 + failed 2"]);
}

fn call(given: usize, sent: &[(usize, usize)], filtered: u64, made: Option<u64>) -> Output {
    let mut out = Output::default();
    let from = testing::payload(&vec!["x"; given]);
    for (rows, ids) in sent {
        let mut rows = testing::payload(&vec!["x"; *rows]);
        rows.ids = testing::ids("test", 0, *ids);
        out.sent.push(crate::node::Sent { port: None, rows });
    }
    out.filter(filtered as usize);
    if let Some(made) = made {
        let nothing = testing::payload(&[""; 0]);
        out.send_made(&from, nothing.columns.clone(), nothing.ids, made);
    }
    out
}

#[test]
fn each_call_balances() {
    let given = |rows: usize| testing::payload(&vec!["x"; rows]);
    let ok = |out: Output, rows: usize| check_call(&out, Some(&given(rows))).is_ok();
    assert!(ok(call(5, &[(3, 3)], 2, None), 5), "some filtered");
    assert!(!ok(call(5, &[(3, 3)], 1, None), 5), "one lost");
    assert!(!ok(call(5, &[(3, 3), (3, 3)], 0, None), 5), "one doubled");
    assert!(ok(call(5, &[(1, 5)], 0, None), 5), "joined");
    assert!(!ok(call(5, &[(1, 4)], 0, None), 5), "joined, one lost");
    assert!(ok(call(1, &[(7, 7)], 0, Some(7)), 1), "decoded");
    assert!(!ok(call(1, &[(7, 7)], 0, Some(8)), 1), "decoded, one lost");
    assert!(ok(call(1, &[], 0, Some(0)), 1), "nothing to decode yet");
    let mut joined = given(1);
    joined.ids = testing::ids("test", 0, 9);
    assert!(check_call(&call(1, &[(1, 9)], 0, None), Some(&joined)).is_ok(), "passed on");
    assert!(check_call(&call(1, &[], 1, None), Some(&joined)).is_ok(), "filtered");
    let mut two = given(2);
    two.ids = testing::ids("test", 0, 9);
    assert!(check_call(&call(2, &[(1, 9)], 0, None), Some(&two)).is_ok(), "joined again");
    assert!(check_call(&call(2, &[(1, 8)], 0, None), Some(&two)).is_err(), "again, one lost");
}
