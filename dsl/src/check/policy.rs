//! The policies of an edge, `wait`, `spill(size)` and `shed`: where each may stand, and where one
//! is missing.

use super::cx::Cx;
use super::draft::{Draft, unbatched};
use crate::ast::Guarantee;
use crate::plan::Port;
use crate::problem::Problem;
use crate::span::{Name, Span};
use crate::spec::NodeKind;
use crate::ty::Ty;
use petgraph::Direction::{Incoming, Outgoing};
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;
use std::collections::{BTreeMap, BTreeSet};

/// Whether a node is a policy of the edge into it.
pub(crate) fn is_policy(op: &str) -> bool {
    matches!(op, "wait" | "spill" | "shed")
}

/// Checks the policies of a flow.
pub(crate) fn check(cx: &mut Cx, draft: &Draft, flow: &str) {
    let Some(decl) = cx.decls.flows.get(flow) else { return };
    let promise = decl.guarantee.map(|guarantee| guarantee.node).unwrap_or_default();
    let promised = decl.guarantee.map_or(decl.name.span, |guarantee| guarantee.span);
    let index = decl.index;
    let policies = draft.of_flow(index).iter().filter(|node| is_policy(&draft.graph[**node].op));
    for &node in policies {
        if twice(cx, draft, node) | no_records(cx, draft, node) {
            continue;
        }
        match draft.graph[node].op.as_str() {
            "shed" if promise != Guarantee::AtMostOnce => loses(cx, draft, node, promised),
            "spill" if promise == Guarantee::AtMostOnce => in_vain(cx, draft, node, promised),
            _ => {}
        }
    }
    for node in draft.of_flow(index) {
        holds_up(cx, draft, *node);
    }
}

/// E0712: two policies for one edge.
fn twice(cx: &mut Cx, draft: &Draft, node: NodeIndex) -> bool {
    let mut before = draft.graph.edges_directed(node, Incoming).map(|edge| edge.source());
    let alone = |before: &NodeIndex| {
        is_policy(&draft.graph[*before].op) && draft.graph.edges(*before).count() == 1
    };
    let Some(first) = before.find(alone) else { return false };
    let (first, second) = (&draft.graph[first], &draft.graph[node]);
    let message = format!("two policies for one edge: `{}` and `{}`", first.label, second.label);
    let problem = Problem::error("E0712", message, second.span, "the second");
    let problem = problem.label(first.span, "the first");
    let help = match [first.op.as_str(), second.op.as_str()].contains(&"spill") {
        true => "keep one: a full `spill` waits, and never drops",
        false => "keep one",
    };
    cx.report(problem.help(help));
    true
}

/// E0713: a policy takes records, one by one.
fn no_records(cx: &mut Cx, draft: &Draft, node: NodeIndex) -> bool {
    let found = &draft.graph[node];
    let Some(input) = found.input.as_ref().filter(|_| found.op != "wait") else { return false };
    let label = &found.label;
    let (message, help) = match (input, unbatched(input)) {
        (_, Ty::Bytes | Ty::Csv(_) | Ty::Ndjson(_)) => (
            format!("`{label}` takes records, and what arrives is not cut into records yet"),
            format!("put it behind what decodes them: `text.lines -> {label}`"),
        ),
        (Ty::Batch(_), _) if found.op == "spill" => (
            format!("`{label}` takes records one by one, and what arrives is a batch"),
            format!(
                "put it before the `batch`: `{label}(…) -> batch(…)`; the same batches come out"
            ),
        ),
        _ => return false,
    };
    let problem = Problem::error("E0713", message, found.span, format!("arrives  {input}"));
    cx.report(problem.help(help));
    true
}

/// E0711: `shed` before something that stores, in a flow that promises to lose nothing.
fn loses(cx: &mut Cx, draft: &Draft, node: NodeIndex, promised: Span) {
    let behind = draft.reachable([node]);
    let stores = |other: &NodeIndex| {
        let keeps = !draft.note(*other).spec.best_effort;
        behind[other.index()] && draft.graph[*other].kind == NodeKind::Sink && keeps
    };
    let Some(sink) = draft.graph.node_indices().find(stores) else { return };
    let name = draft.graph[sink].label.clone();
    let message = format!(
        "`shed` may drop records on their way to `{name}`, and the flow promises `at_least_once`"
    );
    let at = draft.graph[node].span;
    let problem = Problem::error("E0711", message, at, "drops what finds no room")
        .label(draft.graph[sink].span, "stores what arrives")
        .label(promised, "promised here");
    let help = format!(
        "keep the records on disk until `{name}` has time:  spill(1GiB) -> {name}\n\
         or move this branch to a flow that promises `at_most_once`"
    );
    cx.report(problem.help(help));
}

/// E0714: a profile of a real provider does not say where buffers are.
pub(crate) fn no_dir(cx: &mut Cx, draft: &Draft, profile: &Name) {
    let Some(node) = draft.graph.node_weights().find(|node| node.op == "spill") else { return };
    let message = format!("profile `{}` does not say where `spill` keeps its buffer", profile.node);
    let problem = Problem::error("E0714", message, node.span, "needs a directory on a disk")
        .label(profile.span, "names none");
    let help = format!(
        "add a line to `profile {}`, with a directory that outlives the process:\n\n    \
         spill = \"/var/lib/flowc\"\n",
        profile.node
    );
    cx.report(problem.help(help));
}

/// L0908: a durable buffer in a flow that may lose records anyway.
fn in_vain(cx: &mut Cx, draft: &Draft, node: NodeIndex, promised: Span) {
    let message = "`spill` makes records durable in a flow that may lose them anyway";
    let at = draft.graph[node].span;
    let problem = Problem::warning("L0908", message, at, "waits for the disk");
    let problem = problem.label(promised, "promises no more than this");
    cx.report(problem.help("write `shed`, which never waits; or promise `at_least_once`"));
}

/// L0909: a slow sink beside a fast one, with nothing said about it.
fn holds_up(cx: &mut Cx, draft: &Draft, node: NodeIndex) {
    let mut ports: BTreeMap<&Port, Vec<NodeIndex>> = BTreeMap::new();
    for edge in draft.graph.edges(node) {
        if matches!(edge.weight().port, Port::Out | Port::Named(_)) {
            ports.entry(&edge.weight().port).or_default().push(edge.target());
        }
    }
    for branches in ports.into_values().filter(|branches| branches.len() > 1) {
        let sinks: Vec<_> =
            branches.iter().map(|branch| sinks_until_policy(draft, *branch)).collect();
        let sinks = sinks.into_iter().flatten().collect::<BTreeSet<NodeIndex>>();
        let spec = |sink: &&NodeIndex| draft.note(**sink).spec;
        let slow = sinks.iter().find(|sink| spec(sink).slow);
        let fast = sinks.iter().find(|sink| !spec(sink).slow && !spec(sink).best_effort);
        let (Some(slow), Some(fast)) = (slow, fast) else { continue };
        let (slow, fast) = (&draft.graph[*slow], &draft.graph[*fast]);
        let message = format!("`{}` holds up `{}`", slow.label, fast.label);
        let problem = Problem::hint("L0909", message, slow.span, "slow by its nature")
            .label(fast.span, "gets each record at the same pace");
        let help = format!(
            "let it wait on disk, and the other goes on:  spill(1GiB) -> {0}\n\
             or say you mean it:                          wait -> {0}",
            slow.label
        );
        cx.report(problem.help(help));
    }
}

/// The sinks that a branch leads to without a policy on the way.
fn sinks_until_policy(draft: &Draft, branch: NodeIndex) -> Vec<NodeIndex> {
    let (mut open, mut seen, mut sinks) = (vec![branch], BTreeSet::new(), Vec::new());
    while let Some(node) = open.pop() {
        let found = &draft.graph[node];
        if is_policy(&found.op) || !seen.insert(node) {
            continue;
        }
        if found.kind == NodeKind::Sink {
            sinks.push(node);
        }
        let data = draft.graph.edges_directed(node, Outgoing);
        let data = data.filter(|edge| matches!(edge.weight().port, Port::Out | Port::Named(_)));
        open.extend(data.map(|edge| edge.target()));
    }
    sinks
}
