//! Typing of names: fields of the record that flows here, members, params, consts, `batch`.

use super::cx::Cx;
use super::expr::{self, poison, whole};
use super::scope::{Incoming, Local, Scope, described};
use super::words::{dotted, fields_of};
use super::{consts, expr_fit, functions, record, suggest};
use crate::ast;
use crate::plan::{BatchField, Expr, ExprKind};
use crate::problem::Problem;
use crate::span::{Name, Span};
use crate::ty::{RecordTy, Ty};

/// The members of `batch`.
const BATCH: &[(&str, BatchField, Ty)] = &[
    ("id", BatchField::Id, Ty::Text),
    ("time", BatchField::Time, Ty::Timestamp),
    ("count", BatchField::Count, Ty::Int),
    ("size", BatchField::Size, Ty::Size),
];

/// `.name`
pub(crate) fn field(cx: &mut Cx, name: &str, span: Span, scope: &Scope) -> Expr {
    let Some(incoming) = &scope.record else {
        let message = format!("`{}` is a field, and no record flows here", dotted(name));
        let mut problem = Problem::error("E0302", message, span, "no record to read it from");
        if is_value(cx, name) {
            problem = problem.help(format!("did you mean `{name}`?"));
        }
        cx.report(problem);
        return poison(span);
    };
    match &incoming.ty {
        Ty::Unknown => poison(span),
        Ty::Record(record) => match record.field(name) {
            Some(field) => {
                let ty = field.ty.clone();
                if ty == Ty::Unknown {
                    return poison(span);
                }
                Expr { kind: ExprKind::Field(name.to_string()), ty, span }
            }
            None => no_field(cx, name, span, incoming, record),
        },
        _ => encoded(cx, name, span, incoming),
    }
}

/// E0302: the incoming record has no such field.
fn no_field(cx: &mut Cx, name: &str, span: Span, incoming: &Incoming, record: &RecordTy) -> Expr {
    let message = format!("no field `{}` on this record", dotted(name));
    let label = match &record.name {
        Some(ty) => format!("not a field of `{ty}`"),
        None => "not one of its fields".into(),
    };
    let problem = Problem::error("E0302", message, span, label)
        .label(incoming.from, incoming.sends.clone())
        .help(which_field(name, record));
    cx.report(problem);
    poison(span)
}

/// "did you mean `.StockCode`?", else all fields.
fn which_field(name: &str, record: &RecordTy) -> String {
    let names = record.fields.iter().map(|field| field.name.as_str());
    match suggest::nearest(name, names) {
        Some(near) => format!("did you mean `{}`?", dotted(near)),
        None if record.fields.is_empty() => "it has no fields".into(),
        None => format!("its fields: {}", fields_of(record)),
    }
}

/// E0403: what arrives is encoded, or is no record at all.
fn encoded(cx: &mut Cx, name: &str, span: Span, incoming: &Incoming) -> Expr {
    let arrives = &incoming.ty;
    let message =
        format!("`{}` is a field, but what arrives is `{arrives}`, not a record", dotted(name));
    let sender = cx.files.text(incoming.from).to_string();
    let help = match arrives {
        _ if sender.ends_with(".encode") => format!(
            "put this before `{sender}`, or leave `{sender}` out: a resource encodes by itself"
        ),
        Ty::Base64(_) => "decode it first:\n\n  -> base64.decode -> json.decode".into(),
        Ty::Gzip(_) => "decode it first:\n\n  -> gzip.decode -> json.decode".into(),
        Ty::Zstd(_) => "decode it first:\n\n  -> zstd.decode -> json.decode".into(),
        Ty::Json(_) => "decode it first:\n\n  -> json.decode".into(),
        Ty::Ndjson(_) => "split and decode it first:\n\n  -> text.lines -> json.decode".into(),
        Ty::Text | Ty::Bytes => "decode it first:\n\n  -> json.decode as Line".into(),
        Ty::Object(_) => "an object is read as a whole; it has no fields here".into(),
        _ => "fields are read where records flow".into(),
    };
    let problem = Problem::error("E0403", message, span, format!("no fields in `{arrives}`"))
        .label(incoming.from, incoming.sends.clone())
        .help(help);
    cx.report(problem);
    poison(span)
}

/// A bare word: a parameter of the node, a const, a param; else a problem.
pub(crate) fn ident(cx: &mut Cx, name: &str, span: Span, scope: &Scope) -> Expr {
    if let Some(Local { ty, value, .. }) = scope.locals.get(name) {
        return match value {
            Some(value) => Expr { kind: ExprKind::Const(value.clone()), ty: ty.clone(), span },
            None => poison(span),
        };
    }
    let found = if cx.decls.consts.contains_key(name) {
        consts::constant_named(cx, name)
    } else if cx.decls.params.contains_key(name) {
        consts::param(cx, name)
    } else {
        no_value(cx, name, span, scope);
        return poison(span);
    };
    match found {
        Some((value, ty)) => record::opened(Expr { kind: ExprKind::Const(value), ty, span }),
        None => poison(span),
    }
}

fn is_value(cx: &Cx, name: &str) -> bool {
    cx.decls.consts.contains_key(name) || cx.decls.params.contains_key(name)
}

/// A word that is no value: something else of that name, a field without its dot, or unknown.
fn no_value(cx: &mut Cx, name: &str, span: Span, scope: &Scope) {
    if name == "batch" {
        let message = "`batch` alone is no value";
        let help = "write `batch.id`, `batch.time`, `batch.count` or `batch.size`";
        cx.report(Problem::error("E0201", message, span, "not a value").help(help));
        return;
    }
    if let Some(secret) = cx.decls.secrets.get_mut(name) {
        secret.used = true;
        let declared = secret.name.span;
        let message = format!("`{name}` is a secret, and would be readable here");
        let problem = Problem::error("E0801", message, span, "a secret has no text form")
            .label(declared, "the secret")
            .help("pass it only to an option declared `secret`");
        cx.report(problem);
        return;
    }
    if let Some((kind, declared)) = declared(cx, name) {
        let message = format!("`{name}` is {kind}, not a value");
        let problem = Problem::error("E0201", message, span, "no value");
        cx.report(problem.label(declared, "declared here"));
        return;
    }
    let message = format!("there is no param, const or function `{name}`");
    let help = named_help(cx, name, scope);
    let problem = Problem::error("E0201", message, span, "not a name known here");
    cx.report(match help {
        Some(help) => problem.help(help),
        None => problem,
    });
}

/// What a name is, when it is no value.
fn declared(cx: &Cx, name: &str) -> Option<(String, Span)> {
    let decls = &cx.decls;
    if let Some(found) = decls.resources.get(name) {
        return Some((format!("a {}", found.kind.node.word()), found.name.span));
    }
    let span = |of: Option<&Name>| of.map(|name| name.span);
    let kinds = [
        ("a flow", span(decls.flows.get(name).map(|found| found.name))),
        ("a node", span(decls.nodes.get(name).map(|found| found.name))),
        ("a profile", span(decls.profiles.get(name).map(|found| found.name))),
        ("a type", span(decls.types.get(name).map(|found| found.name))),
        ("a query", span(decls.queries.get(name).map(|found| found.name))),
    ];
    kinds.into_iter().find_map(|(kind, span)| Some((kind.to_string(), span?)))
}

/// The advice for an unknown word.
fn named_help(cx: &Cx, name: &str, scope: &Scope) -> Option<String> {
    let record = scope.record.as_ref().and_then(|record| record.ty.record());
    if record.is_some_and(|record| record.field(name).is_some()) {
        return Some(format!("a field begins with a dot: `.{name}`"));
    }
    if functions::find(name).is_some() {
        return Some(format!("a function is called: `{}`", functions::example_call(name)));
    }
    if matches!(name, "True" | "False" | "TRUE" | "FALSE") {
        return Some(format!("write `{}`", name.to_lowercase()));
    }
    if matches!(name, "None" | "nil" | "NULL" | "Null") {
        return Some("write `null`".into());
    }
    let locals = scope.locals.keys().map(String::as_str);
    let consts = cx.decls.consts.keys().copied();
    let params = cx.decls.params.keys().copied();
    let functions = functions::FUNCTIONS.iter().map(|function| function.name);
    let values = locals.chain(consts).chain(params).chain(functions).chain(["batch"]);
    if let Some(near) = suggest::nearest(name, values) {
        return Some(format!("did you mean `{near}`?"));
    }
    let fields = record?.fields.iter().map(|field| field.name.as_str());
    suggest::nearest(name, fields).map(|near| format!("did you mean `{}`?", dotted(near)))
}

/// `of.name` and `of?.name`
pub(crate) fn get(
    cx: &mut Cx,
    of: &ast::Expr,
    name: &Name,
    optional: bool,
    span: Span,
    scope: &Scope,
) -> Expr {
    if let ast::ExprKind::Ident(word) = &of.kind
        && word == "batch"
        && !scope.locals.contains_key("batch")
    {
        return batch(cx, name, span, scope);
    }
    let of = expr::check(cx, of, scope, None);
    let text = cx.files.text(of.span).to_string();
    if of.ty == Ty::Unknown {
        return poison(span);
    }
    let Some(record) = of.ty.non_null().record().cloned() else {
        let message = format!("`{text}` has no fields: it is `{}`", of.ty);
        let mut problem = Problem::error("E0302", message, name.span, "no such field")
            .label(of.span, format!("`{}`", of.ty));
        if functions::find(&name.node).is_some() {
            problem = problem.help(format!("a function takes it inside:  {}({text})", name.node));
        }
        cx.report(problem);
        return poison(span);
    };
    if of.ty.is_nullable() && !optional {
        let needs = format!("only a value has `.{}`", name.node);
        let at = of.clone();
        expr_fit::null_problem(cx, &at, scope, &needs, (None, ""));
        return poison(span);
    }
    let Some(found) = record.field(&name.node) else {
        let message = format!("no field `{}` on `{text}`", dotted(&name.node));
        let about = described(cx, &of.ty.non_null().clone());
        let problem = Problem::error("E0302", message, name.span, "not one of its fields")
            .label(of.span, format!("holds {about}"))
            .help(which_field(&name.node, &record));
        cx.report(problem);
        return poison(span);
    };
    let nullable = of.ty.is_nullable();
    let ty = if nullable { found.ty.clone().nullable() } else { found.ty.clone() };
    whole(ExprKind::Get(Box::new(of), name.node.clone()), ty, span)
}

/// `batch.name`
fn batch(cx: &mut Cx, name: &Name, span: Span, scope: &Scope) -> Expr {
    if scope.record.as_ref().is_some_and(|record| record.ty == Ty::Unknown) {
        return poison(span);
    }
    if !scope.batch {
        let message = format!("`batch.{}` is only there behind `batch(…)`", name.node);
        let problem = Problem::error("E0201", message, span, "no batch here");
        cx.report(problem.help("gather the records first:\n\n  -> batch(max: 500, wait: 60s)"));
        return poison(span);
    }
    match BATCH.iter().find(|(member, ..)| *member == name.node) {
        Some((_, field, ty)) => Expr { kind: ExprKind::Batch(*field), ty: ty.clone(), span },
        None => {
            let message = format!("a batch has no `{}`", name.node);
            let members = BATCH.iter().map(|(member, ..)| *member);
            let help = match suggest::nearest(&name.node, members) {
                Some(near) => format!("did you mean `batch.{near}`?"),
                None => "it has `batch.id`, `batch.time`, `batch.count` and `batch.size`".into(),
            };
            cx.report(Problem::error("E0302", message, name.span, "not in a batch").help(help));
            poison(span)
        }
    }
}
