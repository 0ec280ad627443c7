//! Graphs that are right: what the plan of each looks like.

mod check;

use check::{BASE, compiled};
use dsl::check::Request;
use dsl::plan::{Plan, Port};
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;

fn plan(body: &str) -> Plan {
    let (plan, found) = compiled(&format!("{BASE}{body}"), &Request::default());
    let wrong: Vec<_> = found.iter().filter(|found| found.error).collect();
    assert!(wrong.is_empty(), "{body}\n{wrong:#?}");
    plan.expect("a plan where there is no problem")
}

/// The edges as `sender -port-> receiver`, sorted.
fn edges(body: &str) -> Vec<String> {
    let plan = plan(body);
    let id = |node: NodeIndex| plan.graph[node].id.clone();
    let mut edges: Vec<String> = plan
        .graph
        .edge_references()
        .map(|edge| {
            let port = match &edge.weight().port {
                Port::Out => "",
                Port::Errors => "errors",
                Port::Done => "done",
                Port::Named(name) => name,
            };
            format!("{} -{port}-> {}", id(edge.source()), id(edge.target()))
        })
        .collect();
    edges.sort();
    edges
}

#[test]
fn fan_out_and_fan_in() {
    let found = edges(
        "flow a {\n let x = orders.read\n x -> [base64.encode -> [drop, count(\"n\")], log]\n }",
    );
    assert_eq!(
        found,
        [
            "a/base64.encode --> a/count",
            "a/base64.encode --> a/drop",
            "a/orders.read --> a/base64.encode",
            "a/orders.read --> a/log",
        ]
    );
    let found = edges("flow a { [orders.read, orders.read] -> log }");
    assert_eq!(found, ["a/orders.read --> a/log", "a/orders.read#2 --> a/log"]);
}

#[test]
fn lets_may_be_used_before_they_are_declared() {
    let found =
        edges("flow a {\n x -> drop\n let x = y -> base64.encode\n let y = orders.read\n }");
    assert_eq!(found, ["a/base64.encode --> a/drop", "a/orders.read --> a/base64.encode"]);
}

#[test]
fn failures_go_where_they_are_sent() {
    let found = edges(
        "flow a {\n let x = orders.read -> base64.decode\n x.errors -> quarantine.append\n\
         x -> json.decode catch log -> drop\n }",
    );
    assert_eq!(
        found,
        [
            "a/base64.decode --> a/json.decode",
            "a/base64.decode -errors-> a/quarantine.append",
            "a/json.decode --> a/drop",
            "a/json.decode -errors-> a/log",
            "a/orders.read --> a/base64.decode",
        ]
    );
}

#[test]
fn rejected_records_leave_by_their_port() {
    let found = edges(
        "flow a {\n let big = lines() -> where .Quantity > 5\n big -> drop\n\
         big.rejected -> count(\"small\")\n errors -> quarantine.append\n\
         done -> count(\"all\")\n }",
    );
    assert!(found.contains(&"a/where -rejected-> a/count".to_string()), "{found:#?}");
    assert!(found.contains(&"a/orders.read -done-> a/count#2".to_string()), "{found:#?}");
}

#[test]
fn a_declared_node_is_built_where_it_is_used() {
    let plan = plan(
        "node big(least: int) : { Quantity: int, ... } -> { Quantity: int, ... } {\n\
         in -> where .Quantity >= least -> out\n }\n\
         flow a {\n lines() -> big(least: 5) -> stock.upsert\n errors -> drop\n }\n\
         flow b {\n lines() -> big(7) -> stock.upsert\n errors -> drop\n }",
    );
    let ids: Vec<&str> = plan.graph.node_weights().map(|node| node.id.as_str()).collect();
    for id in ["a/where", "b/where", "a/orders.read", "b/orders.read"] {
        assert!(ids.contains(&id), "{ids:?}");
    }
    let inserted = plan.graph.node_weights().filter(|node| node.inserted).count();
    assert_eq!(inserted, 2, "the fields come in the order of the signature: {ids:?}");
}

#[test]
fn what_leads_to_no_sink_does_not_run() {
    let found = edges("flow a {\n let x = orders.read -> base64.encode\n lake.read -> drop\n }");
    assert_eq!(found, ["a/lake.read --> a/drop"]);
}

#[test]
fn a_reader_that_also_sends_base64_puts_the_layer_on() {
    let plan = plan(
        "flow a {\n let x = orders.read\n x -> base64.decode -> drop\n x -> log\n\
         errors -> drop\n }",
    );
    let node = |op: &str| {
        plan.graph.node_indices().find(|node| plan.graph[*node].op == op).expect("a node")
    };
    assert!(!plan.graph[node("base64.decode")].elided);
    assert!(!plan.hands_raw(node("stream.read")));
}

#[test]
fn records_of_one_type_are_laid_out_alike() {
    let plan = plan(
        "flow a {\n let x = lines() -> map { .Country, .InvoiceNo }\n\
         let y = lines() -> map { .InvoiceNo, .Country }\n [x, y] -> log\n errors -> drop\n }",
    );
    let map = plan.graph.node_weights().find(|node| node.inserted).expect("a map");
    assert_eq!(
        map.output.as_ref().map(|ty| ty.to_string()).as_deref(),
        Some("{ Country: text, InvoiceNo: text }")
    );
}

#[test]
fn one_broken_declaration_does_not_hide_or_make_other_problems() {
    let body = "stream broken : json<Line\nflow a { broken.read -> drop }\n\
                flow b { orders.read -> jason.decode -> drop }\n";
    let (plan, found) = compiled(&format!("{BASE}{body}"), &Request::default());
    let codes: Vec<&str> = found.iter().map(|found| &found.place[..5]).collect();
    assert!(plan.is_none());
    assert_eq!(codes.len(), 2, "{found:#?}");
    assert!(codes[0].starts_with("E010"), "{found:#?}");
    assert_eq!(found[1].place, "E0201 jason.decode");
}
