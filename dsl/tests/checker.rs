//! What only small specs can show: `route`, sources that cannot replay, specs of every form.

use dsl::ast::ResourceKind;
use dsl::check::{Request, compile};
use dsl::plan::{Plan, Port};
use dsl::span::SourceMap;
use dsl::spec::{BLANK, BodySpec, Delivery, FailureSpec, NodeKind, NodeSpec};
use petgraph::visit::EdgeRef;

const SOURCE: NodeSpec = NodeSpec { kind: NodeKind::Source, ..BLANK };
const SINK: NodeSpec = NodeSpec { kind: NodeKind::Sink, ..BLANK };
const REPLAYS: Delivery = Delivery { replays: true, holds_ack: false, idempotent: false };

static TICKS: NodeSpec = NodeSpec { path: "ticks", signatures: &["-> text"], ..SOURCE };
static READ: NodeSpec = NodeSpec {
    path: "stream.read",
    resource: Some(ResourceKind::Stream),
    signatures: &["-> base64<R>"],
    delivery: REPLAYS,
    ..SOURCE
};
static BASE64: NodeSpec =
    NodeSpec { path: "base64.decode", signatures: &["base64<W> -> W"], ..BLANK };
static JSON: NodeSpec = NodeSpec {
    path: "json.decode",
    signatures: &["json<T> -> T"],
    fails: &[FailureSpec { code: "json", when: "it is not JSON" }],
    ..BLANK
};
static ROUTE: NodeSpec =
    NodeSpec { path: "route", signatures: &["T -> T"], body: BodySpec::Condition, ..BLANK };
static DROP: NodeSpec = NodeSpec { path: "drop", signatures: &["_ ->"], ..SINK };

const BASE: &str = "type Line = { Id: text, Quantity: int?, Note: text? }\n\
                    stream orders : json<Line> key .Id\n\
                    profile local { orders = kinesis(\"orders\") }\n";

fn compiled(body: &str) -> (Option<Plan>, Vec<String>) {
    let mut files = SourceMap::default();
    let root = files.add("test.flow", format!("{BASE}{body}"));
    let specs: [&'static NodeSpec; 6] = [&TICKS, &READ, &BASE64, &JSON, &ROUTE, &DROP];
    let (plan, problems) = compile(&files, root, &specs, &Request::default());
    let place = |problem: &dsl::problem::Problem| {
        format!("{} {}", problem.code, files.text(problem.primary()))
    };
    let used = |place: &String| place != "W0901 orders";
    (plan, problems.iter().map(place).filter(used).collect())
}

#[test]
fn a_source_that_cannot_replay_keeps_no_promise() {
    let (_, places) = compiled("flow a : at_least_once { ticks -> drop }");
    assert_eq!(places, ["E0701 ticks"]);
    let (_, places) = compiled("flow a { ticks -> drop }");
    assert_eq!(places, ["E0701 ticks"]);
    let (plan, places) = compiled("flow a : at_most_once { ticks -> drop }");
    assert!(plan.is_some() && places.is_empty(), "{places:?}");
}

#[test]
fn a_route_has_a_port_for_each_arm() {
    let (plan, places) = compiled(
        "flow a {\n  orders.read -> base64.decode -> json.decode -> route {\n\
         .Quantity == null -> drop\n    .Quantity > 5 -> drop\n    else -> drop\n  }\n\
         errors -> drop\n}",
    );
    assert_eq!(places, ["E0303 .Quantity"]);
    assert!(plan.is_none());
    let (plan, places) = compiled(
        "flow a {\n  orders.read -> base64.decode -> json.decode -> route {\n\
         .Quantity != null and .Quantity > 5 -> drop\n    else -> drop\n  }\n\
         errors -> drop\n}",
    );
    assert!(places.is_empty(), "{places:?}");
    let plan = plan.expect("a plan");
    let route = plan.graph.node_indices().find(|node| plan.graph[*node].op == "route");
    let route = route.expect("a route");
    assert_eq!(plan.graph[route].conditions.len(), 1);
    let mut arms: Vec<(Port, bool)> = plan
        .graph
        .edges(route)
        .map(|edge| {
            let ty = &edge.weight().ty;
            let quantity = ty.record().and_then(|record| record.field("Quantity"));
            (edge.weight().port.clone(), quantity.expect("a field").ty.is_nullable())
        })
        .collect();
    arms.sort();
    let named = |name: &str| Port::Named(name.into());
    assert_eq!(arms, [(named("0"), false), (named("1"), true)]);
    assert!(plan.graph.edge_references().all(|edge| edge.source() != edge.target()));
}

#[test]
fn a_route_says_where_the_rest_goes() {
    let chain = "orders.read -> base64.decode -> json.decode -> route";
    let (_, places) =
        compiled(&format!("flow a {{\n {chain} {{ .Id == \"x\" -> drop }}\n errors -> drop }}"));
    assert_eq!(places, ["E0507 route"]);
    let (_, places) = compiled(&format!(
        "flow a {{\n {chain} {{ else -> drop\n .Id == \"x\" -> drop }}\n errors -> drop }}"
    ));
    assert_eq!(places, ["E0507 drop"]);
}

#[test]
fn a_const_in_a_condition_is_used() {
    let flow = |least: &str| {
        format!(
            "const least : int = 5\nconst half : int = least\n\
             flow a {{\n  orders.read -> base64.decode -> json.decode -> route {{\n\
             .Quantity != null and .Quantity > {least} -> drop\n    else -> drop\n  }}\n\
             errors -> drop\n}}"
        )
    };
    let (_, places) = compiled(&flow("half"));
    assert!(places.is_empty(), "{places:?}");
    let (_, places) = compiled(&flow("5"));
    assert_eq!(places, ["W0901 half"], "`least` is used by it");
}

#[test]
fn a_place_is_a_line_and_a_column_in_characters() {
    let mut files = SourceMap::default();
    let file = files.add("a.flow", "é b\n\nc\n");
    let at = |byte| files.line_column(dsl::span::Span::new(file, byte, byte));
    assert_eq!(
        [at(0), at(2), at(4), at(5), at(6), at(8)],
        [(1, 1), (1, 2), (1, 4), (2, 1), (3, 1), (4, 1)]
    );
    let empty = files.add("b.flow", "");
    assert_eq!(files.line_column(dsl::span::Span::new(empty, 0, 0)), (1, 1));
}
