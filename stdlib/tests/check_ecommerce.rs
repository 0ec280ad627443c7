//! The reference flow, compiled with the real specs: no problem, and the plan it should be.

use dsl::check::{Request, compile};
use dsl::plan::{Plan, PlanNode, Port};
use dsl::span::SourceMap;
use dsl::ty::Ty;
use dsl::value::Value;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;

const FLOW: &str = include_str!("../../flows/ecommerce.flow");

fn plan(request: &Request) -> Plan {
    let mut files = SourceMap::default();
    let root = files.add("flows/ecommerce.flow", FLOW);
    let (plan, problems) = compile(&files, root, &stdlib::registry::specs(), request);
    assert!(problems.is_empty(), "{problems:#?}");
    plan.expect("a plan where there is no problem")
}

fn node<'p>(plan: &'p Plan, id: &str) -> (NodeIndex, &'p PlanNode) {
    let index = plan.graph.node_indices().find(|node| plan.graph[*node].id == id);
    let index = index.unwrap_or_else(|| panic!("no node `{id}`"));
    (index, &plan.graph[index])
}

/// Every edge of a flow as `sender -port-> receiver : type`, without the flow's name.
fn edges(plan: &Plan, flow: &str) -> Vec<String> {
    let name =
        |node: NodeIndex| plan.graph[node].id.split_once('/').expect("flow/name").1.to_string();
    let of_flow = |node: NodeIndex| plan.flow_of(node).name == flow;
    let mut edges: Vec<String> = plan
        .graph
        .edge_references()
        .filter(|edge| of_flow(edge.source()))
        .map(|edge| {
            let port = match &edge.weight().port {
                Port::Out => "out",
                Port::Errors => "errors",
                Port::Done => "done",
                Port::Named(name) => name,
            };
            let (from, to) = (name(edge.source()), name(edge.target()));
            format!("{from} -{port}-> {to} : {}", edge.weight().ty)
        })
        .collect();
    edges.sort();
    edges
}

fn fed_by(plan: &Plan, id: &str) -> Vec<String> {
    node(plan, id).1.fed_by.iter().map(|node| plan.graph[*node].id.clone()).collect()
}

#[test]
fn the_reference_flow_has_no_problem_on_any_profile() {
    for profile in [None, Some("local"), Some("aws")] {
        let request = Request { profile: profile.map(str::to_string), ..Request::default() };
        let plan = plan(&request);
        assert_eq!(plan.profile, profile.unwrap_or("local"));
        let local = (profile != Some("aws")).then_some("out/local");
        assert_eq!(plan.local_dir.as_deref(), local);
        assert!(plan.resources.iter().all(|resource| resource.binding.is_some()));
    }
}

#[test]
fn edges_carry_their_wire_types() {
    let plan = plan(&Request::default());
    assert_eq!(
        edges(&plan, "archive"),
        [
            "base64.decode -errors-> quarantine.append : Failure",
            "base64.decode -out-> batch : json<Line>",
            "batch -out-> text.join : batch<json<Line>>",
            "orders.read -out-> base64.decode : base64<json<Line>>",
            "text.join -out-> lake.put : ndjson<Line>",
        ]
    );
    assert_eq!(
        edges(&plan, "dynamo"),
        [
            "base64.decode -errors-> quarantine.append : Failure",
            "base64.decode -out-> json.decode : json<Line>",
            "customers.upsert -errors-> quarantine.append : Failure",
            "invoices.upsert -errors-> quarantine.append : Failure",
            "json.decode -errors-> quarantine.append : Failure",
            "json.decode -out-> invoices.upsert : Line",
            "json.decode -out-> where : Line",
            "orders.read -done-> count : Done",
            "orders.read -out-> base64.decode : base64<json<Line>>",
            "where -out-> customers.upsert : Line",
        ]
    );
}

#[test]
fn a_condition_narrows_the_edge_behind_it() {
    let plan = plan(&Request::default());
    let (_, filter) = node(&plan, "dynamo/where");
    let customer = |ty: &Option<Ty>| {
        let record = ty.as_ref().and_then(Ty::record).expect("a record");
        record.field("CustomerID").expect("a field").ty.clone()
    };
    assert_eq!(customer(&filter.input), Ty::Text.nullable());
    assert_eq!(customer(&filter.output), Ty::Text);
    assert!(filter.condition.is_some());
}

#[test]
fn sources_are_fed_by_the_writers_of_the_run() {
    let whole = plan(&Request::default());
    assert_eq!(fed_by(&whole, "gateway/http.serve"), ["ingest/http.post"]);
    for reader in ["archive/orders.read", "dynamo/orders.read", "redshift/orders.read"] {
        assert_eq!(fed_by(&whole, reader), ["gateway/orders.write"]);
    }
    assert_eq!(fed_by(&whole, "load/staging.read"), ["redshift/feed.write"]);
    assert!(fed_by(&whole, "ingest/file.read").is_empty());
    let lone = plan(&Request { flows: vec!["gateway".into()], ..Request::default() });
    assert_eq!(lone.flows.len(), 1);
    assert!(lone.graph.node_weights().all(|node| node.flow == 0));
    assert!(fed_by(&lone, "gateway/http.serve").is_empty());
}

#[test]
fn layers_at_the_resources() {
    let plan = plan(&Request::default());
    let elided = |id: &str| node(&plan, id).1.elided;
    assert!(elided("archive/base64.decode") && elided("dynamo/base64.decode"));
    assert!(!elided("dynamo/json.decode") && !elided("archive/orders.read"));
    assert!(plan.hands_raw(node(&plan, "archive/orders.read").0));
    let encodes = |id: &str| node(&plan, id).1.encodes.as_ref().map(Ty::to_string);
    assert_eq!(encodes("gateway/orders.write").as_deref(), Some("json<Line>"));
    assert_eq!(encodes("redshift/feed.write").as_deref(), Some("ndjson<Line>"));
    assert_eq!(encodes("load/quarantine.append").as_deref(), Some("ndjson<Failure>"));
    assert_eq!(encodes("archive/lake.put"), None);
    assert_eq!(encodes("dynamo/invoices.upsert"), None);
    assert!(node(&plan, "dynamo/invoices.upsert").1.record.is_some());
}

#[test]
fn options_are_given_or_have_their_default() {
    let default = plan(&Request::default());
    let path = |plan: &Plan| node(plan, "ingest/file.read").1.options["path"].clone();
    assert_eq!(path(&default), Value::Text("flows/data/online-retail.csv".into()));
    let post = node(&default, "ingest/http.post").1;
    assert_eq!(post.options["url"], Value::Text("http://127.0.0.1:8080/orders".into()));
    assert_eq!(post.options["batch"], Value::Int(500));
    assert_eq!(post.options["retry_for"], Value::Duration(300_000_000_000));
    assert!(node(&default, "archive/lake.put").1.templates.contains_key("key"));
    let params = [("csv_file".to_string(), "mine.csv".to_string())].into();
    let given = plan(&Request { params, run: true, ..Request::default() });
    assert_eq!(path(&given), Value::Text("mine.csv".into()));
}

#[test]
fn queries_are_sql_over_their_table() {
    let plan = plan(&Request::default());
    let query = &plan.queries[0];
    assert_eq!(plan.resources[query.table].name, "sales");
    assert!(query.sql.contains("from sales group by Description"), "{}", query.sql);
    let (chart, columns) = query.chart.as_ref().expect("a chart");
    assert_eq!(chart, "bar");
    assert_eq!(columns[0], ("x".to_string(), "revenue".to_string()));
}
