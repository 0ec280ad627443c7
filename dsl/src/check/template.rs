//! Text with holes.

use super::cx::Cx;
use super::expr::{self, poison, whole};
use super::scope::Scope;
use super::words::{a, shown};
use super::{expr_fit, unused, walk};
use crate::ast;
use crate::plan::{self, ExprKind, TemplatePart};
use crate::problem::Problem;
use crate::span::Spanned;
use crate::ty::Ty;
use crate::value::Value;
use chrono::format::{Item, StrftimeItems};
use std::collections::BTreeSet;

/// Types a template; the result has type `text`, or `path` where it begins with one. With only
/// constants in its holes it is one.
pub(crate) fn check(cx: &mut Cx, template: &ast::Template, scope: &Scope) -> plan::Expr {
    filled(cx, template, scope, hole)
}

/// Types the name of an object: a template, or another text. What stands in the file is taken as it
/// is, and so are `batch.*` and a time with a format; every other value is percent-encoded.
pub(crate) fn check_name(cx: &mut Cx, name: &ast::Expr, scope: &Scope) -> plan::Expr {
    if let ast::ExprKind::Template(text) = &name.kind {
        return filled(cx, text, scope, |cx, written, format, scope| {
            let part = hole(cx, written, format, scope)?;
            Some(encoded(cx, part, written, scope))
        });
    }
    let typed = expr::check(cx, name, scope, Some(&Ty::Text));
    if !printable(&typed.ty) {
        return typed;
    }
    match encoded(cx, TemplatePart::Hole(typed, None), name, scope) {
        TemplatePart::Hole(typed, _) => typed,
        part => whole(ExprKind::Template(vec![part]), Ty::Text, name.span),
    }
}

/// The hole of a name, encoded where its value does not stand in the file.
fn encoded(cx: &Cx, part: TemplatePart, written: &ast::Expr, scope: &Scope) -> TemplatePart {
    match part {
        TemplatePart::Hole(typed, None) => match typed.kind {
            ExprKind::Batch(_) => TemplatePart::Hole(typed, None),
            ExprKind::Const(_) if literal(cx, written, scope) => TemplatePart::Hole(typed, None),
            _ => TemplatePart::Encoded(typed),
        },
        part => part,
    }
}

/// True where a constant is made of what stands in the file alone, and not of a param.
pub(crate) fn literal(cx: &Cx, written: &ast::Expr, scope: &Scope) -> bool {
    let mut names = Vec::new();
    unused::idents(written, &mut names);
    if names.iter().filter_map(|name| scope.locals.get(*name)).any(|local| !local.literal) {
        return false;
    }
    names.retain(|name| !scope.locals.contains_key(*name));
    let mut seen = BTreeSet::new();
    while let Some(name) = names.pop() {
        if let Some(decl) = cx.decls.consts.get(name) {
            if seen.insert(name) {
                unused::idents(decl.expr, &mut names);
            }
        } else if cx.decls.params.contains_key(name) {
            return false;
        }
    }
    true
}

fn filled(
    cx: &mut Cx,
    template: &ast::Template,
    scope: &Scope,
    hole: impl Fn(&mut Cx, &ast::Expr, Option<&Spanned<String>>, &Scope) -> Option<TemplatePart>,
) -> plan::Expr {
    let mut parts = Vec::new();
    let mut fine = true;
    for part in &template.parts {
        match part {
            ast::TemplatePart::Text(text) => parts.push(TemplatePart::Text(text.node.clone())),
            ast::TemplatePart::Hole { expr, format } => {
                match hole(cx, expr, format.as_ref(), scope) {
                    Some(part) => parts.push(part),
                    None => fine = false,
                }
            }
        }
    }
    if !fine {
        return poison(template.span);
    }
    if parts.is_empty() {
        let kind = ExprKind::Const(Value::Text(String::new()));
        return plan::Expr { kind, ty: Ty::Text, span: template.span };
    }
    // `"{folder}/lines.csv"`: what begins with a path is one, already relative to the right place.
    let ty = match &parts[0] {
        TemplatePart::Hole(plan::Expr { ty: Ty::Path, .. }, None) => Ty::Path,
        _ => Ty::Text,
    };
    whole(ExprKind::Template(parts), ty, template.span)
}

/// Checks a text that is filled once for a whole batch: no field of its records (E0313), and
/// nothing that differs on replay (L0902). `name` is the option's.
pub(crate) fn for_batch(cx: &mut Cx, name: &str, text: &plan::Expr) {
    let help = "write `{batch.id}` or `{batch.time:%Y-%m-%d}`: they name the batch, and are the \
                same on replay";
    let field = |expr: &plan::Expr| matches!(expr.kind, ExprKind::Field(_));
    if let Some(field) = walk::find(text, &field) {
        let shown = shown(cx, field);
        let message = format!("`{name}` is one for the whole batch, and `{shown}` is not");
        let label = "differs between its records";
        cx.report(Problem::error("E0313", message, field.span, label).help(help));
    }
    let fresh = |expr: &plan::Expr| matches!(expr.kind, ExprKind::Call("now" | "uuid", _));
    if let Some(call) = walk::find(text, &fresh) {
        let shown = shown(cx, call);
        let message = format!("`{shown}` gives another `{name}` on replay, and stores twice");
        let label = "differs between runs";
        cx.report(Problem::warning("L0902", message, call.span, label).help(help));
    }
}

/// `{expr:format}`; `None` where something is wrong, which was said.
fn hole(
    cx: &mut Cx,
    written: &ast::Expr,
    format: Option<&Spanned<String>>,
    scope: &Scope,
) -> Option<TemplatePart> {
    let typed = expr::check(cx, written, scope, None);
    let typed = expr_fit::present(cx, typed, scope, "a hole in a text");
    if typed.ty == Ty::Unknown {
        return None;
    }
    if !printable(&typed.ty) {
        let message = format!("`{}` has no text form", shown(cx, &typed));
        let problem = Problem::error("E0311", message, typed.span, a(&typed.ty));
        cx.report(problem.help("put one of its fields into the text"));
        return None;
    }
    let Some(format) = format else { return Some(TemplatePart::Hole(typed, None)) };
    if !matches!(typed.ty, Ty::Timestamp | Ty::Date) {
        let message = format!(
            "`{}` formats a time, and `{}` is {}",
            format.node,
            shown(cx, &typed),
            a(&typed.ty)
        );
        let problem = Problem::error("E0311", message, format.span, "a strftime format");
        let label = a(&typed.ty);
        let bare = format!("write `{{{}}}`", shown(cx, &typed));
        cx.report(problem.label(typed.span, label).help(bare));
        return None;
    }
    if !is_strftime(&format.node) {
        let message = format!("`{}` is not a strftime format", format.node);
        let help = "write it like `{batch.time:%Y-%m-%d}`";
        cx.report(Problem::error("E0311", message, format.span, "not a format").help(help));
        return None;
    }
    if typed.ty == Ty::Date && !is_date_format(&format.node) {
        let message = format!("`{}` asks a date for its time of day", format.node);
        let help = "a date has `%Y`, `%m`, `%d` and the like";
        cx.report(Problem::error("E0311", message, format.span, "a date has none").help(help));
        return None;
    }
    Some(TemplatePart::Hole(typed, Some(format.node.clone())))
}

/// True for types whose values have a text form.
pub(crate) fn printable(ty: &Ty) -> bool {
    use Ty::*;
    matches!(
        ty,
        Text | Int
            | Float
            | Decimal { .. }
            | Bool
            | Timestamp
            | Date
            | Duration
            | Size
            | Path
            | Url
            | Uuid
            | Literal(_)
    )
}

/// True for a format that chrono knows.
pub(crate) fn is_strftime(format: &str) -> bool {
    StrftimeItems::new(format).all(|item| item != Item::Error)
}

/// True when a calendar day alone has everything that the format asks for.
fn is_date_format(format: &str) -> bool {
    use std::fmt::Write;
    let day = chrono::NaiveDate::default();
    let mut text = String::new();
    write!(text, "{}", day.format(format)).is_ok()
}
