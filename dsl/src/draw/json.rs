//! A plan for programs: JSON with a stable shape.

use crate::plan::{Binding, Plan, PlanNode, Port};
use crate::spec::NodeKind;
use petgraph::visit::EdgeRef;
use serde_json::{Map, Value, json};

/// The plan as one JSON object: `file`, `profile`, `flows`, `resources`, `nodes`, `edges`. Types
/// and option values are as they would be written in a `.flow` file.
pub fn text(plan: &Plan) -> String {
    let flows: Vec<Value> = plan
        .flows
        .iter()
        .filter(|flow| !flow.hidden)
        .map(|flow| {
            let guarantee = format!("{:?}", flow.guarantee);
            json!({ "name": flow.name, "doc": flow.doc, "guarantee": snake(&guarantee) })
        })
        .collect();
    let shown = |node: &PlanNode| !plan.flows[node.flow].hidden;
    let nodes: Vec<Value> = plan
        .graph
        .node_weights()
        .filter(|node| shown(node))
        .map(|node| json_node(plan, node))
        .collect();
    let edges: Vec<Value> = plan
        .graph
        .edge_references()
        .map(|edge| (&plan.graph[edge.source()], &plan.graph[edge.target()], edge.weight()))
        .filter(|(from, to, _)| shown(from) && shown(to))
        .map(|(from, to, edge)| {
            json!({
                "from": from.id, "port": port_text(&edge.port), "to": to.id,
                "type": edge.ty.to_string(),
            })
        })
        .collect();
    let value = json!({
        "file": plan.file, "profile": plan.profile, "flows": flows,
        "resources": resources(plan), "nodes": nodes, "edges": edges,
    });
    format!("{value:#}\n")
}

fn resources(plan: &Plan) -> Vec<Value> {
    let name = |index: usize| plan.resources[index].name.clone();
    plan.resources
        .iter()
        .map(|resource| {
            json!({
                "name": resource.name, "kind": resource.kind.word(),
                "type": resource.ty.to_string(), "key": resource.key,
                "into": resource.into.map(name),
                "binding": resource.binding.as_ref().map(json_binding),
            })
        })
        .collect()
}

fn json_binding(binding: &Binding) -> Value {
    let options: Map<String, Value> = binding
        .options
        .iter()
        .map(|(name, value)| (name.clone(), value.to_string().into()))
        .collect();
    json!({ "service": binding.service, "name": binding.name, "options": options })
}

fn json_node(plan: &Plan, node: &PlanNode) -> Value {
    let options: Map<String, Value> =
        node.options.iter().map(|(name, value)| (name.clone(), value.to_string().into())).collect();
    let fed_by: Vec<&str> =
        node.fed_by.iter().map(|&feeder| plan.graph[feeder].id.as_str()).collect();
    json!({
        "id": node.id, "label": node.label, "op": node.op,
        "kind": match node.kind {
            NodeKind::Source => "source",
            NodeKind::Transform => "transform",
            NodeKind::Sink => "sink",
        },
        "flow": plan.flows[node.flow].name,
        "resource": node.resource.map(|resource| plan.resources[resource].name.clone()),
        "input": node.input.as_ref().map(ToString::to_string),
        "output": node.output.as_ref().map(ToString::to_string),
        "encodes": node.encodes.as_ref().map(ToString::to_string),
        "options": options, "inserted": node.inserted, "elided": node.elided, "fed_by": fed_by,
    })
}

fn port_text(port: &Port) -> &str {
    match port {
        Port::Out => "out",
        Port::Errors => "errors",
        Port::Done => "done",
        Port::Named(name) => name,
    }
}

/// `AtLeastOnce` as `at_least_once`.
fn snake(word: &str) -> String {
    let mut snake = String::new();
    for c in word.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}
