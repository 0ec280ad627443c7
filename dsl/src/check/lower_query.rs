//! Queries and tests: the names in them resolve, and a query becomes SQL over one table.

use super::cx::{Cx, QueryDecl};
use super::decls;
use super::profile::Profile;
use super::{query, suggest};
use crate::ast::{Arg, Call, ExprKind, ResourceKind, TemplatePart, TestStep};
use crate::plan::PlanQuery;
use crate::problem::Problem;
use crate::span::{Name, Span};
use std::collections::BTreeMap;

/// Checks the names of every query and test.
pub(crate) fn check(cx: &mut Cx) {
    let queries: Vec<(&Name, &Name, &crate::ast::Template, Option<&Call>)> = cx
        .decls
        .queries
        .values()
        .map(|query| (query.name, query.on, query.sql, query.chart))
        .collect();
    for (_, on, sql, chart) in queries {
        table(cx, on);
        let known = cx.decls.resources.contains_key(on.node.as_str());
        for part in &sql.parts {
            if let TemplatePart::Hole { expr, .. } = part {
                match &expr.kind {
                    ExprKind::Ident(word) if *word == on.node || !known => {}
                    _ => hole(cx, expr.span, &on.node),
                }
            }
        }
        for arg in chart.and_then(|chart| chart.args.as_deref()).unwrap_or_default() {
            column(cx, arg);
        }
        query::check(cx, on, sql, chart);
    }
    let steps: Vec<&TestStep> = cx.decls.tests.iter().flat_map(|test| test.steps).collect();
    for step in steps {
        match step {
            TestStep::Given { path, .. } => given(cx, &path[0]),
            TestStep::Run(call) => run(cx, &call.path[0]),
            TestStep::Expect(_) => {}
        }
    }
}

/// The table of a query.
fn table(cx: &mut Cx, on: &Name) {
    let Some(decl) = cx.decls.resources.get_mut(on.node.as_str()) else {
        return decls::no_resource(cx, on, &format!("table {} : …", on.node));
    };
    decl.used = true;
    let (kind, declared) = (decl.kind.node, decl.name.span);
    if kind != ResourceKind::Table {
        let message = format!("a query reads a table, and `{}` is a {}", on.node, kind.word());
        let problem = Problem::error("E0206", message, on.span, "not a table");
        let problem = problem.label(declared, format!("a {}", kind.word()));
        cx.report(problem.help("copy its records into a table and query that"));
    }
}

fn hole(cx: &mut Cx, span: Span, table: &str) {
    let message = format!("a query is on one table, `{table}`");
    let problem = Problem::error("E0201", message, span, "not the table of this query");
    cx.report(problem.help(format!("write `{{{table}}}`")));
}

/// `x: .revenue`
fn column(cx: &mut Cx, arg: &Arg) {
    if arg.name.is_none() || !matches!(arg.value.kind, ExprKind::Field(_)) {
        let message = "a chart takes the columns of the query by name";
        let problem = Problem::error("E0203", message, arg.value.span, "not a column");
        cx.report(problem.help("write `x: .column`"));
    }
}

fn given(cx: &mut Cx, name: &Name) {
    match cx.decls.resources.get_mut(name.node.as_str()) {
        Some(decl) => decl.used = true,
        None => decls::no_resource(cx, name, &format!("stream {} : …", name.node)),
    }
}

fn run(cx: &mut Cx, name: &Name) {
    if cx.decls.flows.contains_key(name.node.as_str()) {
        return;
    }
    let names: Vec<&str> = cx.decls.flows.keys().copied().collect();
    let message = format!("there is no flow `{}`", name.node);
    let problem = Problem::error("E0201", message, name.span, "not declared");
    let near = suggest::nearest(&name.node, names.iter().copied());
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the flows: `{}`", names.join("`, `")),
    };
    cx.report(problem.help(help));
}

/// E0610: a query on a table that no warehouse holds.
pub(crate) fn bound(cx: &mut Cx, profiles: &BTreeMap<String, Profile>) {
    let on: Vec<&Name> = cx.decls.queries.values().map(|query| query.on).collect();
    for on in on {
        for profile in profiles.values() {
            let Some((binding, span)) = profile.bindings.get(&on.node) else { continue };
            if binding.service != "redshift" {
                let message =
                    format!("a query runs in a warehouse, and `{}` is no table of one", on.node);
                let problem = Problem::error("E0610", message, on.span, "no SQL here");
                let problem = problem.label(*span, format!("bound to `{}`", binding.service));
                cx.report(problem.help(format!("bind it: `{} = redshift(…)`", on.node)));
            }
        }
    }
}

/// The queries of the plan, in the order of the file.
pub(crate) fn all(cx: &mut Cx) -> Vec<PlanQuery> {
    let mut queries: Vec<&QueryDecl> = cx.decls.queries.values().collect();
    queries.sort_by_key(|query| query.index);
    queries.iter().map(|query| lowered(cx, query)).collect()
}

fn lowered(cx: &Cx, query: &QueryDecl) -> PlanQuery {
    let text = |part: &TemplatePart| match part {
        TemplatePart::Text(text) => text.node.clone(),
        TemplatePart::Hole { .. } => query.on.node.clone(),
    };
    let chart = query.chart.map(|chart| {
        let args = chart.args.as_deref().unwrap_or_default();
        let column = |arg: &Arg| match (&arg.name, &arg.value.kind) {
            (Some(name), ExprKind::Field(field)) => Some((name.node.clone(), field.clone())),
            _ => None,
        };
        (chart.dotted(), args.iter().filter_map(column).collect())
    });
    PlanQuery {
        name: query.name.node.clone(),
        doc: query.doc.map(str::to_string),
        table: cx.decls.resources[query.on.node.as_str()].index,
        sql: query.sql.parts.iter().map(text).collect(),
        chart,
        span: query.name.span,
    }
}
