//! What a `batch` node is told apart by in the intent log: the branch it stands in.
//!
//! Recorded ends and anchors are facts of the rows of one branch and of where these went. The ids
//! of nodes follow their order in the text, so another branch may have the id tomorrow; and what
//! one branch has delivered must never be skipped in another. So the log goes by what stands before
//! the node and behind it. A branch that has moved in the text finds its ends again; one that has
//! been changed begins without any, and its rows that were in flight may be stored twice.
//!
//! Not part of it is what may change freely: limits of batches, the limits of sinks, where a source
//! reads (its partitions say that), types, and the target of errors.

use dsl::plan::{Entry, Expr, ExprKind, Plan, PlanNode, Port, TemplatePart};
use dsl::spec::NodeKind;
use dsl::value::Value;
use petgraph::Direction::{self, Incoming, Outgoing};
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;
use std::collections::BTreeMap;
use std::fmt::Write;

/// By the number of each node of `nodes`, its branch: `flow/<32 hex>`, with `#2` on the second of
/// two that are the same in all.
pub(crate) fn branches(plan: &Plan, nodes: &[NodeIndex]) -> BTreeMap<usize, String> {
    let (before, behind) = (hashes(plan, Incoming), hashes(plan, Outgoing));
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut all = BTreeMap::new();
    for node in nodes {
        let mut hasher = blake3::Hasher::new();
        hasher.update(before[node.index()].as_bytes()).update(behind[node.index()].as_bytes());
        let hash = hasher.finalize().to_hex();
        let branch = format!("{}/{}", plan.flow_of(*node).name, &hash[..32]);
        let count = seen.entry(branch.clone()).or_default();
        *count += 1;
        let nth = if *count > 1 { format!("#{count}") } else { String::new() };
        all.insert(node.index(), format!("{branch}{nth}"));
    }
    all
}

/// Of each node, a hash of it and of all that stands in that direction.
fn hashes(plan: &Plan, direction: Direction) -> Vec<blake3::Hash> {
    let mut order = petgraph::algo::toposort(&plan.graph, None).expect("a plan is acyclic");
    if direction == Outgoing {
        order.reverse();
    }
    let mut hashes = vec![blake3::hash(b""); plan.graph.node_count()];
    for index in order {
        let mut hasher = blake3::Hasher::new();
        hasher.update(describe(plan, &plan.graph[index]).as_bytes());
        let mut next: Vec<String> = Vec::new();
        for edge in plan.graph.edges_directed(index, direction) {
            let port = &edge.weight().port;
            if direction == Outgoing && matches!(port, Port::Errors | Port::Done) {
                continue;
            }
            let other = if direction == Incoming { edge.source() } else { edge.target() };
            next.push(format!("\n{port:?} {}", hashes[other.index()]));
        }
        // The order of branches in the text means nothing.
        next.sort();
        hasher.update(next.concat().as_bytes());
        hashes[index.index()] = hasher.finalize();
    }
    hashes
}

/// One node, without its id, its place and what may change freely.
fn describe(plan: &Plan, node: &PlanNode) -> String {
    let mut text = node.op.clone();
    if let Some(resource) = node.resource.map(|resource| &plan.resources[resource]) {
        match &resource.binding {
            Some(binding) => write_to(&mut text, "of", &(&binding.service, &binding.name)),
            None => write_to(&mut text, "of", &resource.name),
        }
    }
    if node.kind == NodeKind::Source || node.op == "batch" {
        return text;
    }
    for (name, value) in &node.options {
        if node.kind != NodeKind::Sink || matches!(value, Value::Text(_)) {
            write_to(&mut text, name, value);
        }
    }
    for (name, template) in &node.templates {
        write_to(&mut text, "template", name);
        expr(template, &mut text);
    }
    for (name, part) in [("record", &node.record), ("condition", &node.condition)] {
        if let Some(part) = part {
            write_to(&mut text, "body", &name);
            expr(part, &mut text);
        }
    }
    for condition in &node.conditions {
        write_to(&mut text, "body", &"route");
        expr(condition, &mut text);
    }
    text
}

fn write_to(text: &mut String, name: &str, value: &dyn std::fmt::Debug) {
    // Writing to a text cannot fail.
    let _ = write!(text, "\n{name} {value:?}");
}

/// An expression without its places, with brackets around its parts.
fn expr(of: &Expr, text: &mut String) {
    let mut call = |name: &dyn std::fmt::Debug, parts: &[&Expr]| {
        let _ = write!(text, "({name:?}");
        parts.iter().for_each(|part| expr(part, text));
        text.push(')');
    };
    match &of.kind {
        ExprKind::Const(value) => call(value, &[]),
        ExprKind::Field(name) => call(&("field", name), &[]),
        ExprKind::Get(value, name) => call(&("get", name), &[value]),
        ExprKind::Batch(field) => call(field, &[]),
        ExprKind::Neg(value) => call(&"neg", &[value]),
        ExprKind::Not(value) => call(&"not", &[value]),
        ExprKind::IsNull(value) => call(&"null", &[value]),
        ExprKind::Binary(op, left, right) => call(op, &[left, right]),
        ExprKind::Coalesce(left, right) => call(&"??", &[left, right]),
        ExprKind::Catch(left, right) => call(&"catch", &[left, right]),
        ExprKind::If(when, then, other) => call(&"if", &[when, then, other]),
        ExprKind::Call(name, parts) => call(name, &parts.iter().collect::<Vec<_>>()),
        ExprKind::Cast(value) => call(&("cast", &of.ty), &[value]),
        ExprKind::List(parts) => call(&"list", &parts.iter().collect::<Vec<_>>()),
        ExprKind::Record(entries) => {
            for entry in entries {
                match entry {
                    Entry::Named(name, value) => call(&("named", name), &[value]),
                    Entry::Computed(name, value) => call(&"computed", &[name, value]),
                }
            }
        }
        ExprKind::Template(parts) => {
            for part in parts {
                match part {
                    TemplatePart::Text(part) => call(&("text", part), &[]),
                    TemplatePart::Hole(value, format) => call(&("hole", format), &[value]),
                    TemplatePart::Encoded(value) => call(&"encoded", &[value]),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use dsl::plan::PlanEdge;
    use dsl::span::Span;
    use dsl::ty::Ty;

    /// `source → [where (a field) → batch → write (a path)]` for each, in that order.
    fn plan(branches: &[(&str, &str)]) -> (Plan, Vec<NodeIndex>) {
        let mut plan = testing::plan(Vec::new());
        let mut add = |op: &str, kind, id: &str| {
            let mut node = testing::plan_node(op, kind, None, Some(Ty::Text));
            node.id = format!("test/{id}");
            plan.graph.add_node(node)
        };
        let source = add("file.read", NodeKind::Source, "file.read");
        let mut chains = Vec::new();
        for (nth, _) in branches.iter().enumerate() {
            chains.push([
                add("where", NodeKind::Transform, &format!("where#{nth}")),
                add("batch", NodeKind::Transform, &format!("batch#{nth}")),
                add("file.write", NodeKind::Sink, &format!("file.write#{nth}")),
            ]);
        }
        for (nth, ((field, path), [filter, batch, sink])) in
            branches.iter().zip(&chains).enumerate()
        {
            let (kind, span) = (ExprKind::Field((*field).to_owned()), Span::default());
            plan.graph[*filter].condition =
                Some(Expr { kind, ty: Ty::Bool, span: Span { start: nth as u32, ..span } });
            plan.graph[*batch].options.insert("max".into(), Value::Int(nth as i64));
            plan.graph[*sink].options.insert("concurrency".into(), Value::Int(nth as i64));
            plan.graph[*sink].options.insert("path".into(), Value::Text((*path).to_owned()));
            for (from, to) in [(source, *filter), (*filter, *batch), (*batch, *sink)] {
                plan.graph.add_edge(from, to, PlanEdge { port: Port::Out, ty: Ty::Text });
            }
        }
        (plan, chains.iter().map(|chain| chain[1]).collect())
    }

    fn names(branches: &[(&str, &str)]) -> Vec<String> {
        let (plan, batches) = plan(branches);
        let names = super::branches(&plan, &batches);
        batches.iter().map(|batch| names[&batch.index()].clone()).collect()
    }

    #[test]
    fn a_branch_is_found_again_wherever_it_stands_in_the_text() {
        let before = names(&[("a", "x"), ("b", "x"), ("b", "y")]);
        let now = names(&[("b", "y"), ("a", "x"), ("b", "x")]);
        assert_eq!([&before[0], &before[1], &before[2]], [&now[1], &now[2], &now[0]]);
        assert!(before[0] != before[1] && before[1] != before[2] && before[0] != before[2]);
        assert_eq!(names(&[("b", "y")])[0], before[2], "alone");
    }

    #[test]
    fn two_branches_that_are_the_same_have_logs_of_their_own() {
        let names = names(&[("a", "x"), ("a", "x")]);
        assert_eq!(names[1], format!("{}#2", names[0]));
    }
}
