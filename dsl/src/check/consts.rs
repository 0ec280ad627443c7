//! Values known before a run: constants, parameters, arguments.

use super::cx::{Cx, Lazy};
use super::expr_fit::Place;
use super::scope::Scope;
use super::words::{a, shown};
use super::{expr, expr_fit, fold, suggest, types, walk};
use crate::ast;
use crate::plan::{Entry, Expr, ExprKind, TemplatePart};
use crate::problem::Problem;
use crate::span::Span;
use crate::ty::Ty;
use crate::value::Value;

/// The value of an expression that must be known before the run (an argument, a default, a
/// constant); `None` where it is wrong or only known at run time, which is reported. A relative
/// `path` written in the file comes out relative to the current directory.
pub(crate) fn value(
    cx: &mut Cx,
    expr: &ast::Expr,
    scope: &Scope,
    expected: Option<&Ty>,
) -> Option<(Value, Ty)> {
    value_for(cx, expr, scope, &Place { ty: expected, ..Place::default() })
}

/// The same for a place that problems can name.
pub(crate) fn value_for(
    cx: &mut Cx,
    expr: &ast::Expr,
    scope: &Scope,
    place: &Place,
) -> Option<(Value, Ty)> {
    let typed = expr::hinted(cx, expr, scope, place);
    if typed.ty == Ty::Unknown {
        return None;
    }
    match constant(&typed) {
        Ok(_) => {
            let fitted = expr_fit::fit(cx, typed, scope, place);
            let value = constant(&fitted).ok().filter(|_| fitted.ty != Ty::Unknown)?;
            Some((value, fitted.ty))
        }
        Err(part) if walk::find(part, &at_run_time).is_none() => {
            let message = format!("`{}` does not fit `{}`", shown(cx, part), part.ty);
            cx.report(Problem::error("E0311", message, part.span, "out of range"));
            None
        }
        Err(part) => {
            let name = match place.name {
                "" => "this value",
                name => &format!("`{name}`"),
            };
            let message =
                format!("{name} is needed before the run, and `{}` is not known", shown(cx, part));
            let label = match part.kind {
                ExprKind::Field(_) | ExprKind::Get(..) => "differs between records",
                ExprKind::Batch(_) => "differs between batches",
                _ => "only known at run time",
            };
            let problem = Problem::error("E0313", message, part.span, label);
            cx.report(problem.help("write a literal, a const or a param"));
            None
        }
    }
}

/// True for what only a run knows.
fn at_run_time(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Field(_) | ExprKind::Batch(_) | ExprKind::Call(..))
}

/// The value of a typed expression, or the part of it that is not constant.
fn constant(expr: &Expr) -> Result<Value, &Expr> {
    match &expr.kind {
        ExprKind::Const(value) => Ok(value.clone()),
        ExprKind::List(items) => {
            let items: Result<Vec<Value>, &Expr> = items.iter().map(constant).collect();
            Ok(Value::List(items?))
        }
        ExprKind::Record(entries) => {
            let mut fields = Vec::new();
            for entry in entries {
                let (name, value) = match entry {
                    Entry::Named(name, value) => (name.clone(), value),
                    Entry::Computed(name, value) => match constant(name)? {
                        Value::Text(text) => (text, value),
                        _ => return Err(name),
                    },
                };
                fields.push((name, constant(value)?));
            }
            Ok(Value::Record(fields))
        }
        ExprKind::Cast(inner) => constant(inner),
        ExprKind::Template(parts) => Err(parts
            .iter()
            .find_map(|part| match part {
                TemplatePart::Hole(hole, _) | TemplatePart::Encoded(hole) => constant(hole).err(),
                TemplatePart::Text(_) => None,
            })
            .unwrap_or(expr)),
        _ => Err(expr),
    }
}

/// The value and type of a const; `None` where it is wrong, which was said.
pub(crate) fn constant_named(cx: &mut Cx, name: &str) -> Option<(Value, Ty)> {
    let decl = cx.decls.consts.get_mut(name)?;
    decl.used = true;
    let (at, written, expr) = (decl.name, decl.ty, decl.expr);
    match std::mem::replace(&mut decl.value, Lazy::Busy) {
        Lazy::Done(done) => {
            decl.value = Lazy::Done(done.clone());
            return done;
        }
        Lazy::Busy => {
            let message = format!("const `{name}` is made of itself");
            cx.report(Problem::error("E0208", message, at.span, "declared here"));
            return None;
        }
        Lazy::Todo => {}
    }
    let ty = written.map(|written| (types::resolve(cx, written), written.span));
    let place = Place {
        ty: ty.as_ref().map(|(ty, _)| ty),
        declared: ty.as_ref().map(|(_, span)| *span),
        name,
        ..Place::default()
    };
    let done = value_for(cx, expr, &Scope::empty(), &place);
    if let Some(decl) = cx.decls.consts.get_mut(name) {
        decl.value = Lazy::Done(done.clone());
    }
    done
}

/// The value and type of a parameter: the request's text read as its type (E0803 where it is no
/// such value), else its default, else (E0804 when it is needed for this run) a placeholder of its
/// type. `None` where it is wrong, which was said.
pub(crate) fn param(cx: &mut Cx, name: &str) -> Option<(Value, Ty)> {
    let decl = cx.decls.params.get_mut(name)?;
    decl.used = true;
    let (at, written, default) = (decl.name, decl.ty, decl.default);
    match std::mem::replace(&mut decl.value, Lazy::Busy) {
        Lazy::Done(done) => {
            decl.value = Lazy::Done(done.clone());
            return done;
        }
        Lazy::Busy => {
            let message = format!("the default of param `{name}` is made of itself");
            cx.report(Problem::error("E0208", message, at.span, "declared here"));
            return None;
        }
        Lazy::Todo => {}
    }
    let ty = types::resolve(cx, written);
    let given = cx.request.params.get(name).cloned();
    // The default is checked even where the request replaces it.
    let default = default.map(|default| {
        let place = Place { ty: Some(&ty), declared: Some(written.span), name, ..Place::default() };
        value_for(cx, default, &Scope::empty(), &place)
    });
    let done = match (given, default) {
        (Some(text), _) => {
            read(cx, name, &text, &ty, written.span).map(|value| (value, ty.clone()))
        }
        (None, Some(default)) => default,
        (None, None) => return missing(cx, name, at.span, &ty),
    };
    if let Some(decl) = cx.decls.params.get_mut(name) {
        decl.value = Lazy::Done(done.clone());
    }
    done
}

/// A parameter that has no value: a problem in a run that needs it, else a stand-in.
fn missing(cx: &mut Cx, name: &str, at: Span, ty: &Ty) -> Option<(Value, Ty)> {
    if let Some(decl) = cx.decls.params.get_mut(name) {
        decl.value = Lazy::Todo;
    }
    if *ty == Ty::Unknown {
        return None;
    }
    if !(cx.request.run && cx.chosen) {
        return Some((placeholder(name, ty), ty.clone()));
    }
    let message = format!("param `{name}` has no value");
    let variable = name.to_uppercase();
    let help = format!(
        "give it on the command line:  --param {name}=…\nor in the environment:      \
         FLOW_{variable}=…"
    );
    let problem = Problem::error("E0804", message, at, format!("{}, without a default", a(ty)));
    cx.report(problem.help(help));
    None
}

/// A value of a type, where the real one is only known in a run.
fn placeholder(name: &str, ty: &Ty) -> Value {
    match ty {
        Ty::Bool => Value::Bool(false),
        Ty::Int => Value::Int(1),
        Ty::Float => Value::Float(1.0),
        Ty::Decimal { scale, .. } => Value::Decimal { unscaled: 1, scale: *scale },
        Ty::Timestamp => Value::Timestamp(0),
        Ty::Date => Value::Date(0),
        Ty::Duration => Value::Duration(1_000_000_000),
        Ty::Size => Value::Size(1 << 20),
        Ty::List(_) => Value::List(Vec::new()),
        Ty::Nullable(_) | Ty::Null => Value::Null,
        Ty::Literal(text) => Value::Text(text.clone()),
        _ => Value::Text(format!("<{name}>")),
    }
}

/// The text of a `--param`, read as the declared type.
fn read(cx: &mut Cx, name: &str, text: &str, ty: &Ty, declared: Span) -> Option<Value> {
    let value = match ty.non_null() {
        Ty::Unknown => return None,
        Ty::Text | Ty::Path => Some(Value::Text(text.to_string())),
        Ty::Literal(wanted) if text == wanted => Some(Value::Text(text.to_string())),
        Ty::Url if fold::is_url(text) => Some(Value::Text(text.to_string())),
        Ty::Uuid if fold::is_uuid(text) => Some(Value::Text(text.to_string())),
        Ty::Int => text.replace('_', "").parse().ok().map(Value::Int),
        Ty::Decimal { .. } => {
            fold::parse_decimal(text).and_then(|value| fold::rescaled(&value, ty.non_null()))
        }
        Ty::Float => fold::parse_float(text).map(Value::Float),
        Ty::Bool => fold::parse_bool(text).map(Value::Bool),
        Ty::Timestamp => fold::parse_timestamp(text, "rfc3339", "UTC").map(Value::Timestamp),
        Ty::Date => fold::parse_date(text, "%Y-%m-%d").map(Value::Date),
        Ty::Duration => {
            quantity(text, DURATIONS).and_then(|ns| i64::try_from(ns).ok()).map(Value::Duration)
        }
        Ty::Size => {
            quantity(text, SIZES).and_then(|size| u64::try_from(size).ok()).map(Value::Size)
        }
        _ => None,
    };
    if value.is_none() {
        let message = format!("param `{name}` is {}, and `{text}` is none", a(ty.non_null()));
        let label = format!("declared `{ty}` here");
        let help = format!("write it like  --param {name}={}", example(ty.non_null()));
        cx.report(Problem::error("E0803", message, declared, label).help(help));
    }
    value
}

const DURATIONS: &[(&str, i128)] = &[
    ("ms", 1_000_000),
    ("us", 1_000),
    ("min", 60_000_000_000),
    ("s", 1_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

const SIZES: &[(&str, i128)] = &[
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

/// `5MiB` in the base unit.
fn quantity(text: &str, units: &[(&str, i128)]) -> Option<i128> {
    let digits = text.trim_end_matches(|each: char| each.is_ascii_alphabetic());
    let (_, unit) = units.iter().find(|(unit, _)| *unit == &text[digits.len()..])?;
    digits.replace('_', "").parse::<u64>().ok().and_then(|n| i128::from(n).checked_mul(*unit))
}

/// A value of a type as it is written on the command line.
fn example(ty: &Ty) -> String {
    match ty {
        Ty::Int => "500".into(),
        Ty::Decimal { .. } | Ty::Float => "2.5".into(),
        Ty::Bool => "true".into(),
        Ty::Timestamp => "2026-01-31T12:00:00Z".into(),
        Ty::Date => "2026-01-31".into(),
        Ty::Duration => "5s".into(),
        Ty::Size => "5MiB".into(),
        Ty::Url => "https://example.org".into(),
        Ty::Uuid => "7f9c24e5-2c1b-4f7a-9d3e-0a1b2c3d4e5f".into(),
        Ty::Literal(text) => text.clone(),
        _ => "…".into(),
    }
}

/// Works out every const and param, so that each is checked once, used or not, and reports the
/// parameters of the request that the file does not declare.
pub(crate) fn resolve_all(cx: &mut Cx) {
    let chosen = std::mem::replace(&mut cx.chosen, false);
    for name in cx.decls.consts.keys().copied().collect::<Vec<_>>() {
        let used = cx.decls.consts[name].used;
        constant_named(cx, name);
        if let Some(decl) = cx.decls.consts.get_mut(name) {
            decl.used = used;
        }
    }
    for name in cx.decls.params.keys().copied().collect::<Vec<_>>() {
        let used = cx.decls.params[name].used;
        param(cx, name);
        if let Some(decl) = cx.decls.params.get_mut(name) {
            decl.used = used;
        }
    }
    cx.chosen = chosen;
    let unknown =
        cx.request.params.keys().filter(|name| !cx.decls.params.contains_key(name.as_str()));
    for name in unknown.cloned().collect::<Vec<_>>() {
        let names: Vec<&str> = cx.decls.params.keys().copied().collect();
        let help = match suggest::nearest(&name, names.iter().copied()) {
            Some(near) => format!("did you mean  --param {near}=… ?"),
            None if names.is_empty() => "the file declares no params".into(),
            None => format!("its params: `{}`", names.join("`, `")),
        };
        let first = cx.decls.params.values().map(|param| param.name.span).min();
        let (span, label) = match first {
            Some(span) => (span, "the params begin here"),
            None => (Span::default(), "no param in this file"),
        };
        let message = format!("there is no param `{name}`");
        cx.report(Problem::error("E0803", message, span, label).help(help));
    }
}
