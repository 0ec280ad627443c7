//! Draft to plan: the chosen flows, for one profile.

use super::bound;
use super::cx::Cx;
use super::draft::Draft;
use super::profile::Profile;
use super::types;
use super::{lower_feed, lower_query};
use crate::plan::{Plan, PlanFlow, PlanNode, PlanResource, Provider};
use crate::span::FileId;
use crate::spec::NodeKind;
use petgraph::graph::NodeIndex;
use std::collections::BTreeMap;

/// The plan of the flows named in `chosen`. Nothing is wrong any more.
pub(crate) fn lower(
    cx: &mut Cx,
    root: FileId,
    draft: &Draft,
    chosen: &[&str],
    (name, profile): (&str, &Profile),
) -> Plan {
    let mut plan = Plan {
        file: cx.files.file(root).path.clone(),
        profile: name.to_string(),
        local_dir: profile.dir.clone(),
        provider: match profile.dir {
            None => profile.provider.clone(),
            Some(_) => Provider::default(),
        },
        resources: resources(cx, profile),
        queries: lower_query::all(cx),
        ..Plan::default()
    };
    let mut flows: Vec<_> =
        cx.decls.flows.values().filter(|flow| chosen.contains(&flow.name.node.as_str())).collect();
    flows.sort_by_key(|flow| flow.index);
    let mut places = vec![None; cx.decls.flows.len()];
    for flow in flows {
        places[flow.index] = Some(plan.flows.len());
        plan.flows.push(PlanFlow {
            name: flow.name.node.clone(),
            doc: flow.doc.map(str::to_string),
            guarantee: flow.guarantee.map(|guarantee| guarantee.node).unwrap_or_default(),
            hidden: false,
            span: flow.name.span,
        });
    }
    copy_nodes(&mut plan, draft, &places);
    plan.places = written(cx, &plan);
    lower_feed::feed(&mut plan);
    lower_feed::elide(&mut plan);
    assert!(!petgraph::algo::is_cyclic_directed(&plan.graph), "the checker lets no cycle through");
    plan
}

/// Copies the nodes of the chosen flows that lie between a source and a sink.
fn copy_nodes(plan: &mut Plan, draft: &Draft, places: &[Option<usize>]) {
    let of_kind = |kind: NodeKind| {
        draft.graph.node_indices().filter(move |node| draft.graph[*node].kind == kind)
    };
    let (fed, ending) =
        (draft.reachable(of_kind(NodeKind::Source)), draft.leading(of_kind(NodeKind::Sink)));
    let mut moved: Vec<Option<NodeIndex>> = vec![None; draft.graph.node_count()];
    for node in draft.graph.node_indices() {
        let Some(flow) = places[draft.graph[node].flow] else { continue };
        if fed[node.index()] && ending[node.index()] {
            let mut copy = draft.graph[node].clone();
            copy.flow = flow;
            moved[node.index()] = Some(plan.graph.add_node(copy));
        }
    }
    for edge in draft.graph.edge_indices() {
        let Some((from, to)) = draft.graph.edge_endpoints(edge) else { continue };
        if let (Some(from), Some(to)) = (moved[from.index()], moved[to.index()]) {
            plan.graph.add_edge(from, to, draft.graph[edge].clone());
        }
    }
}

/// Where each node was written.
fn written(cx: &Cx, plan: &Plan) -> BTreeMap<String, String> {
    let place = |node: &PlanNode| {
        let (line, column) = cx.files.line_column(node.span);
        let path = &cx.files.file(node.span.file).path;
        (node.id.clone(), format!("{path}:{line}:{column}"))
    };
    plan.graph.node_weights().map(place).collect()
}

/// All declared resources with their bindings.
fn resources(cx: &mut Cx, profile: &Profile) -> Vec<PlanResource> {
    let names = bound::in_order(cx);
    let mut resources = Vec::new();
    for name in names {
        let ty = types::of_resource(cx, &name.node);
        let decl = &cx.decls.resources[name.node.as_str()];
        let into = decl.into.and_then(|into| cx.decls.resources.get(into.node.as_str()));
        resources.push(PlanResource {
            name: name.node.clone(),
            kind: decl.kind.node,
            ty,
            key: decl
                .key
                .map(|key| key.fields.iter().map(|field| field.node.clone()).collect())
                .unwrap_or_default(),
            into: into.map(|decl| decl.index),
            binding: profile.bindings.get(&name.node).map(|(binding, _)| binding.clone()),
            span: name.span,
        });
    }
    resources
}
