//! Declarations that nothing uses (W0901).

use super::cx::Cx;
use crate::ast::{Arg, Entry, Expr, ExprKind, Record, TemplatePart, TestStep};
use crate::problem::Problem;
use crate::span::Name;

/// Reports params, constants, types, resources, nodes and secrets that nothing uses. A name that
/// begins with `_` is meant so.
pub(crate) fn check(cx: &mut Cx) {
    used_by_tests(cx);
    let decls = &cx.decls;
    let mut unused: Vec<(&str, &Name)> = Vec::new();
    unused.extend(decls.params.values().filter(|d| !d.used).map(|d| ("param", d.name)));
    unused.extend(decls.consts.values().filter(|d| !d.used).map(|d| ("const", d.name)));
    unused.extend(decls.secrets.values().filter(|d| !d.used).map(|d| ("secret", d.name)));
    unused.extend(decls.types.values().filter(|d| !d.used).map(|d| ("type", d.name)));
    unused.extend(decls.nodes.values().filter(|d| !d.used).map(|d| ("node", d.name)));
    let resources = decls.resources.values().filter(|d| !d.used);
    unused.extend(resources.map(|d| (d.kind.node.word(), d.name)));
    unused.sort_by_key(|(_, name)| name.span);
    for (what, name) in unused {
        if !name.node.starts_with('_') {
            let message = format!("{what} `{}` is never used", name.node);
            let problem = Problem::warning("W0901", message, name.span, "nothing uses it");
            let help = format!("delete it, or write `_{}` to keep it", name.node);
            cx.report(problem.help(help));
        }
    }
}

/// Tests are not run yet, so their expressions are only read for the names in them.
fn used_by_tests(cx: &mut Cx) {
    let steps: Vec<&TestStep> = cx.decls.tests.iter().flat_map(|test| test.steps).collect();
    let mut names = Vec::new();
    for step in steps {
        match step {
            TestStep::Given { value, .. } => idents(value, &mut names),
            TestStep::Expect(expr) => idents(expr, &mut names),
            TestStep::Run(call) => in_args(call.args.as_deref().unwrap_or_default(), &mut names),
        }
    }
    for name in names {
        if let Some(decl) = cx.decls.consts.get_mut(name) {
            decl.used = true;
        }
        if let Some(decl) = cx.decls.params.get_mut(name) {
            decl.used = true;
        }
        if let Some(decl) = cx.decls.resources.get_mut(name) {
            decl.used = true;
        }
    }
}

/// The bare words of an expression.
pub(crate) fn idents<'a>(expr: &'a Expr, names: &mut Vec<&'a str>) {
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Field(_) => {}
        ExprKind::Ident(name) => names.push(name),
        ExprKind::Template(template) => {
            for part in &template.parts {
                if let TemplatePart::Hole { expr, .. } = part {
                    idents(expr, names);
                }
            }
        }
        ExprKind::Get { of, .. } => idents(of, names),
        ExprKind::Index { of, index, .. } => {
            idents(of, names);
            idents(index, names);
        }
        ExprKind::Call { of, args } => {
            idents(of, names);
            in_args(args, names);
        }
        ExprKind::Unary { expr, .. } => idents(expr, names),
        ExprKind::Binary { left, right, .. } => {
            idents(left, names);
            idents(right, names);
        }
        ExprKind::If { cond, then, other } => {
            for expr in [cond, then, other] {
                idents(expr, names);
            }
        }
        ExprKind::Lambda { body, .. } => idents(body, names),
        ExprKind::List(items) => items.iter().for_each(|item| idents(item, names)),
        ExprKind::Record(record) => in_record(record, names),
    }
}

fn in_args<'a>(args: &'a [Arg], names: &mut Vec<&'a str>) {
    args.iter().for_each(|arg| idents(&arg.value, names));
}

fn in_record<'a>(record: &'a Record, names: &mut Vec<&'a str>) {
    for entry in &record.entries {
        match entry {
            Entry::Spread { expr, .. } => expr.iter().for_each(|expr| idents(expr, names)),
            Entry::Computed { name, value } => {
                idents(name, names);
                idents(value, names);
            }
            Entry::Shorthand(_) => {}
            Entry::Named { value, .. } => idents(value, names),
        }
    }
}
