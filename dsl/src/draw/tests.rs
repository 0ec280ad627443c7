//! Drawings of a plan that is made by hand.

use super::*;
use crate::ast::{Guarantee, ResourceKind};
use crate::plan::{Binding, PlanEdge, PlanFlow, PlanNode, PlanResource, Port};
use crate::span::Span;
use crate::spec::NodeKind;
use crate::ty::{RecordTy, Ty};
use petgraph::graph::NodeIndex;
use std::collections::BTreeMap;

/// A plan under construction.
#[derive(Default)]
pub struct Shop {
    pub plan: Plan,
}

pub fn named(name: &str) -> Ty {
    Ty::Record(RecordTy { name: Some(name.into()), ..RecordTy::default() })
}

pub fn json_of(ty: Ty) -> Ty {
    Ty::Json(Box::new(ty))
}

impl Shop {
    pub fn resource(&mut self, kind: ResourceKind, name: &str, ty: Ty) -> usize {
        let physical = format!("{name}-1");
        let binding = Binding { service: "s".into(), name: physical, options: BTreeMap::new() };
        self.plan.resources.push(PlanResource {
            name: name.into(),
            kind,
            ty,
            key: vec![],
            into: None,
            binding: Some(binding),
            span: Span::default(),
        });
        self.plan.resources.len() - 1
    }

    pub fn flow(&mut self, name: &str) -> usize {
        self.plan.flows.push(PlanFlow {
            name: name.into(),
            doc: None,
            guarantee: Guarantee::AtLeastOnce,
            hidden: false,
            span: Span::default(),
        });
        self.plan.flows.len() - 1
    }

    pub fn node(&mut self, flow: usize, label: &str, kind: NodeKind) -> NodeIndex {
        let resource = label
            .split_once('.')
            .and_then(|(name, _)| self.plan.resources.iter().position(|r| r.name == name));
        self.plan.graph.add_node(PlanNode {
            id: format!("{}/{label}", self.plan.flows[flow].name),
            label: label.into(),
            op: label.into(),
            kind,
            flow,
            resource,
            input: None,
            output: None,
            options: BTreeMap::new(),
            templates: BTreeMap::new(),
            record: None,
            condition: None,
            conditions: vec![],
            encodes: None,
            inserted: false,
            elided: false,
            fed_by: vec![],
            span: Span::default(),
        })
    }

    pub fn edge(&mut self, from: NodeIndex, to: NodeIndex, port: Port, ty: Ty) {
        self.plan.graph.add_edge(from, to, PlanEdge { port, ty });
    }

    /// A chain of nodes; the types travel between them.
    pub fn chain(
        &mut self,
        flow: usize,
        nodes: &[(&str, NodeKind)],
        types: &[Ty],
    ) -> Vec<NodeIndex> {
        let made: Vec<NodeIndex> =
            nodes.iter().map(|(label, kind)| self.node(flow, label, *kind)).collect();
        for (pair, ty) in made.windows(2).zip(types) {
            self.edge(pair[0], pair[1], Port::Out, ty.clone());
        }
        made
    }

    /// `errors -> quarantine.append` for these nodes.
    pub fn errors(&mut self, flow: usize, failing: &[NodeIndex]) {
        let target = self.node(flow, "quarantine.append", NodeKind::Sink);
        self.plan.graph[target].encodes = Some(Ty::Ndjson(Box::new(Ty::failure())));
        for &node in failing {
            self.edge(node, target, Port::Errors, Ty::failure());
        }
    }
}

/// Two flows that share a stream, with a quarantine.
pub fn two_flows() -> Plan {
    use NodeKind::{Sink, Source, Transform};
    let mut shop = Shop::default();
    shop.plan.file = "flows/shop.flow".into();
    shop.plan.profile = "local".into();
    shop.resource(ResourceKind::Stream, "orders", json_of(named("Line")));
    shop.resource(ResourceKind::Table, "invoices", named("Invoice"));
    let failures = Ty::Ndjson(Box::new(Ty::failure()));
    shop.resource(ResourceKind::Bucket, "quarantine", failures);
    let ingest = shop.flow("ingest");
    let chain = [("file.read", Source), ("csv.decode", Transform), ("orders.write", Sink)];
    let made = shop.chain(ingest, &chain, &[Ty::Bytes, named("Line")]);
    shop.plan.graph[made[2]].encodes = Some(json_of(named("Line")));
    shop.errors(ingest, &made[1..]);
    let load = shop.flow("load");
    let coded = Ty::Base64(Box::new(json_of(named("Line"))));
    let chain = [
        ("orders.read", Source),
        ("base64.decode", Transform),
        ("json.decode", Transform),
        ("invoices.upsert", Sink),
    ];
    let made = shop.chain(load, &chain, &[coded, json_of(named("Line")), named("Line")]);
    shop.plan.graph[made[1]].elided = true;
    shop.errors(load, &made[1..]);
    shop.plan
}

/// The reference pipeline: six flows, a node that is used twice, branches, `done`, a delivery.
pub fn shop() -> Plan {
    let mut shop = Shop::default();
    shop.plan.file = "flows/ecommerce.flow".into();
    shop.plan.profile = "local".into();
    let line = || named("Line");
    let ndjson = |ty| Ty::Ndjson(Box::new(ty));
    shop.resource(ResourceKind::Stream, "orders", json_of(line()));
    shop.resource(ResourceKind::Bucket, "lake", Ty::Text);
    let staging = shop.resource(ResourceKind::Bucket, "staging", ndjson(line()));
    let feed = shop.resource(ResourceKind::Delivery, "feed", ndjson(line()));
    shop.plan.resources[feed].into = Some(staging);
    shop.resource(ResourceKind::Bucket, "quarantine", ndjson(Ty::failure()));
    shop.resource(ResourceKind::Table, "invoices", named("Invoice"));
    shop.resource(ResourceKind::Table, "customers", named("Customer"));
    shop.resource(ResourceKind::Table, "sales", line());
    shop_front(&mut shop);
    shop_back(&mut shop);
    shop.plan
}

/// Ingest and gateway.
fn shop_front(shop: &mut Shop) {
    use NodeKind::{Sink, Source, Transform};
    let line = || named("Line");
    let flow = shop.flow("ingest");
    let nodes = [
        ("file.read", Source),
        ("csv.decode", Transform),
        ("json.encode", Transform),
        ("http.post", Sink),
    ];
    let ingest = shop.chain(flow, &nodes, &[Ty::Bytes, line(), json_of(line())]);
    shop.errors(flow, &[ingest[1], ingest[3]]);

    let flow = shop.flow("gateway");
    let nodes = [("http.serve", Source), ("json.decode", Transform), ("orders.write", Sink)];
    let made = shop.chain(flow, &nodes, &[Ty::Bytes, line()]);
    shop.plan.graph[made[0]].fed_by = vec![ingest[3]];
    shop.plan.graph[ingest[3]].input = Some(json_of(line()));
    shop.plan.graph[made[2]].encodes = Some(json_of(line()));
    shop.errors(flow, &made[1..]);
}

/// The readers of the stream, and the load.
fn shop_back(shop: &mut Shop) {
    use NodeKind::{Sink, Source, Transform};
    let line = || named("Line");
    let ndjson = |ty| Ty::Ndjson(Box::new(ty));
    let coded = Ty::Base64(Box::new(json_of(line())));
    let batch = |ty| Ty::Batch(Box::new(ty));

    let flow = shop.flow("archive");
    let nodes = [
        ("orders.read", Source),
        ("base64.decode", Transform),
        ("batch", Transform),
        ("text.join", Transform),
        ("lake.put", Sink),
    ];
    let types = [coded.clone(), json_of(line()), batch(json_of(line())), ndjson(line())];
    let made = shop.chain(flow, &nodes, &types);
    shop.plan.graph[made[1]].elided = true;
    shop.errors(flow, &[made[1], made[4]]);

    let flow = shop.flow("dynamo");
    let head = [("orders.read", Source), ("base64.decode", Transform), ("json.decode", Transform)];
    let read = shop.chain(flow, &head, &[coded.clone(), json_of(line())]);
    shop.plan.graph[read[1]].elided = true;
    let invoices = shop.node(flow, "invoices.upsert", Sink);
    shop.edge(read[2], invoices, Port::Out, line());
    let customers =
        shop.chain(flow, &[("where", Transform), ("customers.upsert", Sink)], &[line()]);
    shop.edge(read[2], customers[0], Port::Out, line());
    let count = shop.node(flow, "count", Sink);
    let name = crate::value::Value::Text("processed".into());
    shop.plan.graph[count].options.insert("name".into(), name);
    shop.edge(read[0], count, Port::Done, Ty::Done);
    shop.errors(flow, &[read[1], read[2], invoices, customers[1]]);

    let flow = shop.flow("redshift");
    let made = shop.chain(flow, &head, &[coded, json_of(line())]);
    shop.plan.graph[made[1]].elided = true;
    let feed = shop.node(flow, "feed.write", Sink);
    shop.plan.graph[feed].encodes = Some(ndjson(line()));
    shop.edge(made[2], feed, Port::Out, line());
    shop.errors(flow, &[made[1], made[2], feed]);

    let flow = shop.flow("load");
    let nodes = [("staging.read", Source), ("sales.copy", Sink)];
    let made = shop.chain(flow, &nodes, &[Ty::Object(Box::new(ndjson(line())))]);
    shop.errors(flow, &made[1..]);
}

#[test]
fn a_resource_is_drawn_once() {
    let drawing = model::drawing(&two_flows());
    for name in ["orders", "quarantine", "invoices"] {
        assert_eq!(drawing.nodes.iter().filter(|node| node.id == name).count(), 1, "{name}");
    }
    let quarantine = drawing.nodes.iter().position(|node| node.id == "quarantine");
    let into = drawing.edges.iter().filter(|edge| Some(edge.to) == quarantine).count();
    assert_eq!(into, 2, "both flows write their failures to it");
}

#[test]
fn codecs_that_are_implied_or_at_no_cost_are_dotted() {
    let drawing = model::drawing(&two_flows());
    let dotted: Vec<&str> =
        drawing.nodes.iter().filter(|n| n.dotted).map(|n| n.id.as_str()).collect();
    assert_eq!(dotted, ["ingest/orders.write/encode", "load/base64.decode"]);
}

#[test]
fn hidden_flows_are_not_drawn() {
    let mut plan = two_flows();
    plan.flows[1].hidden = true;
    let drawing = model::drawing(&plan);
    assert_eq!(drawing.clusters.len(), 1);
    assert!(drawing.nodes.iter().all(|node| !node.id.starts_with("load/")));
    assert!(!dot(&plan).contains("load/") && !json(&plan).contains("load/"));
}

#[test]
fn every_format_has_the_types_of_the_edges() {
    let plan = two_flows();
    assert!(dot(&plan).contains("label=\" base64<json<Line>> \""));
    assert!(mermaid(&plan).contains("|\"base64#lt;json#lt;Line#gt;#gt;\"|"));
    assert!(svg(&plan).contains(">base64&lt;json&lt;Line&gt;&gt;</text>"));
    let value: serde_json::Value = serde_json::from_str(&json(&plan)).expect("JSON");
    let edges = value["edges"].as_array().expect("edges");
    assert!(edges.iter().any(|edge| edge["type"] == "base64<json<Line>>"));
}

#[test]
fn names_are_escaped() {
    let mut plan = two_flows();
    plan.file = "a \"b\" <c> & d.flow".into();
    assert!(dot(&plan).contains(r#"a \"b\" <c> & d.flow"#));
    assert!(svg(&plan).contains("a &quot;b&quot; &lt;c&gt; &amp; d.flow"));
}

#[test]
fn an_empty_plan_can_be_drawn() {
    let plan = Plan::default();
    assert!(svg(&plan).ends_with("</svg>\n"));
    assert!(dot(&plan).ends_with("}\n"));
}
