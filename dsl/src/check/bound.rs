//! Resources against the profiles: each that is used is bound, to something that can do what the
//! flows ask of it.

use super::cx::Cx;
use super::draft::Draft;
use super::keys::record_in;
use super::policy;
use super::profile::Profile;
use super::services::{self, Service};
use super::suggest;
use super::types;
use crate::ast::{ProfileBody, ResourceKind};
use crate::plan::PlanNode;
use crate::problem::Problem;
use crate::span::{Name, Span};
use crate::ty::Ty;
use std::collections::{BTreeMap, BTreeSet};

/// Checks the bindings of every profile that has its own.
pub(crate) fn check(cx: &mut Cx, draft: &Draft, profiles: &BTreeMap<String, Profile>) {
    let needed = needed(cx, draft);
    if cx.decls.profiles.is_empty() {
        if !needed.is_empty() {
            no_profile(cx, &needed);
        }
        return;
    }
    let own: Vec<(&Name, &[(Name, crate::ast::Expr)])> = cx
        .decls
        .profiles
        .values()
        .filter_map(|decl| match decl.body {
            ProfileBody::Bindings(list) => Some((decl.name, list.as_slice())),
            ProfileBody::Alias(_) => None,
        })
        .collect();
    let users = users(draft);
    for (name, written) in own {
        let names = || written.iter().map(|(bound, _)| bound.node.as_str());
        let bound: BTreeSet<&str> = names().collect();
        let unknown: Vec<&str> =
            names().filter(|bound| !cx.decls.resources.contains_key(bound)).collect();
        for resource in &needed {
            // A binding of an unknown name that is near is a misspelled one of this.
            let misspelled = || unknown.iter().any(|name| suggest::near(name, &resource.node));
            if !bound.contains(resource.node.as_str()) && !misspelled() {
                unbound(cx, resource, name);
            }
        }
        let Some(profile) = profiles.get(&name.node) else { continue };
        if profile.provider.spill.is_none() {
            policy::no_dir(cx, draft, name);
        }
        for (resource, (binding, span)) in &profile.bindings {
            let Some(service) = services::find(&binding.service) else { continue };
            verbs(cx, &users, service, resource, *span);
            content(cx, service, resource, *span);
        }
    }
}

/// The resources in the order of the file.
pub(crate) fn in_order<'a>(cx: &Cx<'a>) -> Vec<&'a Name> {
    let mut all: Vec<_> = cx.decls.resources.values().map(|decl| (decl.index, decl.name)).collect();
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, name)| name).collect()
}

/// The resources that a flow or a query uses, and the buckets of the deliveries among them, in the
/// order of the file.
fn needed<'a>(cx: &Cx<'a>, draft: &Draft) -> Vec<&'a Name> {
    let decls = &cx.decls;
    let used = users(draft);
    let queries = decls.queries.values();
    let mut names: BTreeSet<&str> = queries.map(|query| query.on.node.as_str()).collect();
    for decl in decls.resources.values().filter(|decl| used.contains_key(&decl.index)) {
        names.insert(&decl.name.node);
        names.extend(decl.into.map(|into| into.node.as_str()));
    }
    in_order(cx).into_iter().filter(|name| names.contains(name.node.as_str())).collect()
}

/// The nodes that work on a resource, by its index.
type Users<'d> = BTreeMap<usize, Vec<&'d PlanNode>>;

fn users(draft: &Draft) -> Users<'_> {
    let mut users = Users::new();
    for node in draft.graph.node_weights() {
        if let Some(resource) = node.resource {
            users.entry(resource).or_default().push(node);
        }
    }
    users
}

/// E0608: there is no profile at all.
fn no_profile(cx: &mut Cx, needed: &[&Name]) {
    let decl = |name: &Name| &cx.decls.resources[name.node.as_str()];
    let lines = needed.iter().filter_map(|name| {
        let service = services::for_kind(decl(name).kind.node, decl(name).key.is_some())?;
        Some(format!("      {}\n", service.example.replace("{}", &name.node)))
    });
    let lines: String = lines.collect();
    let first = needed[0];
    let message = format!("no profile binds {} `{}`", decl(first).kind.node.word(), first.node);
    let problem = Problem::error("E0608", message, first.span, "nothing is bound to it");
    cx.report(problem.help(format!(
        "add profiles:\n\n    profile aws {{\n{lines}    }}\n    \
         profile local = emulate(aws, dir: \"out\")\n"
    )));
}

/// E0608
fn unbound(cx: &mut Cx, resource: &Name, profile: &Name) {
    let decl = &cx.decls.resources[resource.node.as_str()];
    if decl.kind.node == ResourceKind::Queue {
        return;
    }
    let line = services::for_kind(decl.kind.node, decl.key.is_some())
        .map_or(String::new(), |service| service.example.replace("{}", &resource.node));
    let message = format!(
        "profile `{}` does not bind {} `{}`",
        profile.node,
        decl.kind.node.word(),
        resource.node
    );
    let problem = Problem::error("E0608", message, resource.span, "nothing is bound to it")
        .label(profile.span, "no line for it here")
        .help(format!("add a line to `profile {}`:\n\n    {line}\n", profile.node));
    cx.report(problem);
}

/// E0610: a verb that the service cannot do.
fn verbs(cx: &mut Cx, users: &Users, service: &Service, resource: &str, bound: Span) {
    let index = cx.decls.resources[resource].index;
    let mut told = Vec::new();
    for node in users.get(&index).into_iter().flatten() {
        let verb = node.op.rsplit('.').next().unwrap_or_default();
        if service.verbs.contains(&verb) || told.contains(&node.span) {
            continue;
        }
        told.push(node.span);
        let message = format!("{} cannot `{verb}`", service.title);
        let problem = Problem::error("E0610", message, node.span, "not what it is bound to");
        let problem = problem.label(bound, format!("bound to {}", service.title));
        let can = services::SERVICES.iter().filter(|other| {
            other.verbs.contains(&verb)
                && other.kinds.iter().any(|kind| service.kinds.contains(kind))
        });
        let can: Vec<String> = can.map(|other| format!("`{}`", other.word)).collect();
        let help = format!("bind `{resource}` to {}", can.join(" or "));
        cx.report(problem.help(help));
    }
}

/// E0610: a content that the service cannot hold.
fn content(cx: &mut Cx, service: &Service, resource: &str, bound: Span) {
    let ty = types::of_resource(cx, resource);
    let decl = &cx.decls.resources[resource];
    let (key, span) = (decl.key, decl.ty.span);
    if service.verbs.contains(&"upsert") && key.is_none() {
        let message =
            format!("{} finds an item by its key, and `{resource}` has none", service.title);
        let problem =
            Problem::error("E0610", message, bound, format!("bound to {}", service.title));
        let problem = problem.label(span, "no `key` clause behind this");
        cx.report(problem.help(format!("add `key .field` to table `{resource}`")));
    }
    let Some(record) = record_in(&ty).filter(|_| service.verbs.contains(&"copy")) else { return };
    let plain = |ty: &Ty| !matches!(ty.non_null(), Ty::Record(_) | Ty::List(_) | Ty::Map(..));
    let nested =
        record.fields.iter().find(|field| !plain(&field.ty)).map(|field| field.name.clone());
    let nested = nested.or(record.dynamic.as_ref().map(|_| "[text]".to_string()));
    if let Some(field) = nested {
        let message =
            format!("a column of {} holds one plain value, and `{field}` does not", service.title);
        let problem =
            Problem::error("E0610", message, bound, format!("bound to {}", service.title));
        cx.report(problem.label(span, "what it holds").help("flatten the record with `map`"));
    }
}
