//! The ports of a flow: `errors` gathers what no node's own connection takes, `done` the sources'
//! events; and failures that go nowhere (E0501).

use super::cx::Cx;
use super::draft::{Draft, Sender};
use super::flow::Builder;
use super::types;
use crate::ast::ResourceKind;
use crate::plan::{PlanEdge, Port};
use crate::problem::{Problem, Severity};
use crate::span::{Name, Span};
use crate::ty::Ty;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;

impl<'a> Builder<'_, 'a> {
    /// Draws the edges of `errors` and `done`; reports failures that go nowhere.
    pub fn connect_ports(&mut self, name: &'a Name) {
        let pending = std::mem::take(&mut self.pending);
        let targets = |of: Sender| {
            let of = move |(sender, node): &(Sender, NodeIndex)| (*sender == of).then_some(*node);
            pending.iter().filter_map(of).collect::<Vec<_>>()
        };
        for target in targets(Sender::Done) {
            for source in self.draft.sources(self.flow) {
                let edge = PlanEdge { port: Port::Done, ty: Ty::Done };
                self.draft.graph.add_edge(source, target, edge);
            }
        }
        let ending = self.draft.leading(self.draft.sinks(self.flow));
        let mut errors = targets(Sender::Errors);
        errors.retain(|target| ending[target.index()]);
        // What handles failures has nobody behind it: when it fails, the run fails.
        let handlers = self.draft.reachable(errors.iter().copied());
        // A connection that is wrong in itself was reported; it is no missing one.
        let wrong = self.cx.problems.iter().any(|problem| problem.severity == Severity::Error);
        let failing: Vec<NodeIndex> = self
            .draft
            .of_flow(self.flow)
            .iter()
            .copied()
            .filter(|node| {
                let note = self.draft.note(*node);
                let caught = note.caught && (wrong || self.handled(*node, &ending));
                !note.fails.is_empty() && !caught && !handlers[node.index()]
            })
            .collect();
        for target in &errors {
            for node in &failing {
                let edge = PlanEdge { port: Port::Errors, ty: Ty::failure() };
                self.draft.graph.add_edge(*node, *target, edge);
            }
        }
        let said = wrong && self.body.used.contains("errors");
        if errors.is_empty() && !failing.is_empty() && !said {
            unhandled(self.cx, self.draft, name, &failing);
        }
    }

    /// Whether the failures of a node reach a sink by a connection of their own.
    fn handled(&self, node: NodeIndex, ending: &[bool]) -> bool {
        let mut edges = self.draft.graph.edges(node);
        edges.any(|edge| edge.weight().port == Port::Errors && ending[edge.target().index()])
    }
}

/// E0501
fn unhandled(cx: &mut Cx, draft: &Draft, flow: &Name, failing: &[NodeIndex]) {
    let message = format!("flow `{}` does not say where its failures go", flow.node);
    let label = "no `errors -> …` in this flow";
    let mut problem = Problem::error("E0501", message, flow.span, label);
    let mut seen: Vec<Span> = Vec::new();
    for node in failing {
        let span = draft.graph[*node].span;
        if !seen.contains(&span) {
            seen.push(span);
            let why = reasons(&draft.note(*node).fails);
            problem = problem.label(span, format!("can fail: {why}"));
        }
    }
    let target = quarantine(cx).unwrap_or_else(|| "log".to_string());
    let first = cx.files.text(draft.graph[failing[0]].span);
    let help = format!(
        "send every failure of this flow to one place:\n\n    errors -> {target}\n\n\
         or handle the one node:  {first} catch {target}\n\
         or say you mean it:      errors -> drop"
    );
    cx.report(problem.help(help));
}

/// The first reason to fail, and how many there are beside it.
fn reasons(fails: &[String]) -> String {
    match fails {
        [] => String::new(),
        [one] => one.clone(),
        [first, more @ ..] => format!("{first} (and {} more)", more.len()),
    }
}

/// A declared bucket that holds failures.
fn quarantine(cx: &mut Cx) -> Option<String> {
    let names: Vec<&str> = cx.decls.resources.keys().copied().collect();
    names.into_iter().find_map(|name| {
        let ty = types::of_resource(cx, name);
        let bucket = cx.decls.resources[name].kind.node == ResourceKind::Bucket;
        (bucket && ty == Ty::Ndjson(Box::new(Ty::failure()))).then(|| format!("{name}.append"))
    })
}
