//! AST to plan: names, types, wires, graph, keys, quotas; every problem, one per cause.

mod bound;
mod consts;
mod cx;
mod decls;
mod draft;
mod expr;
mod expr_call;
mod expr_fit;
mod expr_name;
mod expr_op;
mod flow;
mod flow_errors;
mod flow_join;
mod fold;
pub mod functions;
mod guarantee;
mod keys;
mod lower;
mod lower_feed;
mod lower_query;
mod narrow;
mod node;
mod node_decl;
mod node_name;
mod node_stage;
mod node_store;
mod node_wire;
mod options;
mod policy;
mod ports;
mod profile;
mod query;
mod record;
mod record_fit;
mod scope;
mod services;
mod signature;
pub(crate) mod suggest;
mod template;
#[cfg(test)]
mod tests;
mod types;
mod unused;
mod walk;
mod words;

use crate::ast::File;
use crate::parse;
use crate::plan::{Expr, Plan};
use crate::problem::{Problem, Severity};
use crate::span::{FileId, SourceMap, Span};
use crate::spec::NodeSpec;
use crate::ty::Ty;
use cx::Cx;
use draft::Draft;
use flow::{Body, Builder};
use profile::Profile;
use std::collections::BTreeMap;

/// What the user asked for on the command line.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The profile to lower for; `None` = `local`, or the only one.
    pub profile: Option<String>,
    /// `--param` and environment values, by parameter.
    pub params: BTreeMap<String, String>,
    /// The flows to run; empty = all.
    pub flows: Vec<String>,
    /// True for a run: a required parameter without a value is then a problem.
    pub run: bool,
}

/// Parses, checks (against all profiles) and lowers a file. The plan is there when no problem is an
/// error. A problem of the request itself (an unknown flow) stands at the start of the file.
pub fn compile(
    files: &SourceMap,
    root: FileId,
    specs: &[&'static NodeSpec],
    request: &Request,
) -> (Option<Plan>, Vec<Problem>) {
    let (file, problems) = parse::parse(files, root);
    let mut cx = Cx::new(files, specs, request);
    let syntax = problems.len();
    let lost = if syntax > 0 { decls::lost(files, root, &file) } else { Vec::new() };
    cx.problems = problems;
    let plan = check(&mut cx, root, &file, &lost);
    let mut problems = cx.problems;
    if syntax > 0 {
        problems[syntax..].sort_by_key(|problem| problem.primary().start);
        decls::without_lost(files, &mut problems, (syntax, &lost));
    }
    problems.sort_by_key(|problem| (problem.primary().file, problem.primary().start));
    (plan.filter(|_| !any_error(&problems)), problems)
}

/// Types a condition over records of one type: the file holds `where` and an expression, in one
/// line. The condition is there when no problem is an error.
pub fn condition(files: &SourceMap, file: FileId, ty: &Ty) -> (Option<Expr>, Vec<Problem>) {
    let (parsed, problems) = parse::condition(files, file);
    let request = Request::default();
    let mut cx = Cx::new(files, &[], &request);
    cx.problems = problems;
    let typed = parsed.map(|parsed| {
        let word = Span::new(file, 0, "where".len());
        let sends = format!("sees {}", scope::described(&cx, ty));
        let record = Some(scope::Incoming { ty: ty.clone(), from: word, sends });
        expr::condition(&mut cx, &parsed, &scope::Scope { record, ..scope::Scope::default() })
    });
    let problems = cx.problems;
    (typed.filter(|_| !any_error(&problems)), problems)
}

fn any_error(problems: &[Problem]) -> bool {
    problems.iter().any(|problem| problem.severity == Severity::Error)
}

/// Everything after the parser. `lost` are the names of declarations that could not be parsed.
fn check<'a>(cx: &mut Cx<'a>, root: FileId, file: &'a File, lost: &[String]) -> Option<Plan> {
    let whole = cx.problems.is_empty();
    decls::collect(cx, file);
    types::resolve_all(cx);
    keys::check_resources(cx);
    consts::resolve_all(cx);
    let flows = chosen_flows(cx, root, lost);
    let profile = chosen_profile(cx, root, lost);
    let draft = build(cx, &flows);
    lower_query::check(cx);
    let profiles = profiles(cx, profile.as_deref());
    if whole {
        bound::check(cx, &draft, &profiles);
        lower_query::bound(cx, &profiles);
    }
    // What is unused may be meant where something else is wrong: one cause, one problem.
    if whole && !any_error(&cx.problems) {
        unused::check(cx);
    }
    if any_error(&cx.problems) {
        return None;
    }
    let name = profile?;
    let chosen = profiles.get(&name)?;
    Some(lower::lower(cx, root, &draft, &flows, (&name, chosen)))
}

/// The flows to run. E0201 for one that is not there.
fn chosen_flows<'a>(cx: &mut Cx<'a>, root: FileId, lost: &[String]) -> Vec<&'a str> {
    let all: Vec<&'a str> = cx.decls.flows.keys().copied().collect();
    if cx.request.flows.is_empty() {
        return all;
    }
    let request = cx.request;
    let unknown = |name: &&String| !all.contains(&name.as_str()) && !lost.contains(name);
    for name in request.flows.iter().filter(unknown) {
        let help = match suggest::nearest(name, all.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if all.is_empty() => "the file declares no flow".to_string(),
            None => format!("its flows: `{}`", all.join("`, `")),
        };
        let message = format!("there is no flow `{name}` in this file");
        cx.report(Problem::error("E0201", message, Span::new(root, 0, 0), "").help(help));
    }
    all.into_iter().filter(|flow| request.flows.iter().any(|name| name == flow)).collect()
}

/// The profile to lower for: the request's, else `local`, else the only or first one. A file
/// without profiles has an implicit `local`.
fn chosen_profile(cx: &mut Cx, root: FileId, lost: &[String]) -> Option<String> {
    let names: Vec<&str> = cx.decls.profiles.keys().copied().collect();
    let Some(name) = &cx.request.profile else {
        if names.is_empty() || names.contains(&IMPLICIT) {
            return Some(IMPLICIT.to_string());
        }
        if names.len() > 1 && cx.request.run {
            let message = "which profile? None of them is called `local`";
            let help = format!("name one with --profile: `{}`", names.join("`, `"));
            cx.report(Problem::error("E0201", message, Span::new(root, 0, 0), "").help(help));
        }
        return names.first().map(|name| name.to_string());
    };
    let implicit = names.is_empty() && name == IMPLICIT;
    if names.contains(&name.as_str()) || implicit || lost.contains(name) {
        return Some(name.clone());
    }
    let help = match suggest::nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "the file declares no profile".to_string(),
        None => format!("its profiles: `{}`", names.join("`, `")),
    };
    let message = format!("there is no profile `{name}` in this file");
    cx.report(Problem::error("E0201", message, Span::new(root, 0, 0), "").help(help));
    None
}

/// The profile that a file without profiles has, and where it keeps its state, relative to the
/// file.
const IMPLICIT: &str = "local";
const IMPLICIT_DIR: &str = "out/local";

fn profiles(cx: &mut Cx, chosen: Option<&str>) -> BTreeMap<String, Profile> {
    let mut profiles = profile::check_all(cx, chosen);
    if cx.decls.profiles.is_empty() {
        let at = cx.decls.flows.values().next().map(|flow| flow.name.span).unwrap_or_default();
        let dir = Some(fold::beside(cx, at, IMPLICIT_DIR));
        profiles.insert(IMPLICIT.to_string(), Profile { dir, ..Profile::default() });
    }
    profiles
}

/// Builds and checks the graph of every flow, then of the nodes that no flow uses.
fn build<'a>(cx: &mut Cx<'a>, chosen: &[&str]) -> Draft {
    let mut draft = Draft::default();
    let mut flows: Vec<_> =
        cx.decls.flows.values().map(|flow| (flow.index, flow.name, flow.body)).collect();
    flows.sort_by_key(|(index, ..)| *index);
    for (index, name, body) in flows {
        cx.chosen = cx.request.run && chosen.contains(&name.node.as_str());
        let mut builder = Builder::new(cx, &mut draft, index, &name.node);
        builder.body = Body { is_flow: true, ..Body::default() };
        builder.statements(body);
        builder.connect_ports(name);
        guarantee::check(cx, &draft, &name.node);
        policy::check(cx, &draft, &name.node);
    }
    cx.chosen = false;
    let unused: Vec<&'a str> = cx
        .decls
        .nodes
        .values()
        .filter(|node| !node.used)
        .map(|node| node.name.node.as_str())
        .collect();
    for name in unused {
        let mut scratch = Draft::default();
        Builder::new(cx, &mut scratch, 0, name).check_unused_node(name);
    }
    draft
}
