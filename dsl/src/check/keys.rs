//! Declared resources: what they may hold, their keys, and the bucket of a delivery.

use super::cx::Cx;
use super::decls;
use super::draft::whole;
use super::{suggest, types};
use crate::ast::{Key, ResourceKind};
use crate::problem::Problem;
use crate::span::{Name, Span};
use crate::ty::{RecordTy, Ty};

/// Checks every declared resource.
pub(crate) fn check_resources(cx: &mut Cx) {
    let names: Vec<&str> = cx.decls.resources.keys().copied().collect();
    for name in names {
        let ty = types::of_resource(cx, name);
        let decl = &cx.decls.resources[name];
        let (kind, span, key, into) = (decl.kind.node, decl.ty.span, decl.key, decl.into);
        let (kind_span, resource) = (decl.kind.span, decl.name);
        if kind == ResourceKind::Queue {
            cx.unsupported(kind_span, "queue", "use a `stream`");
        }
        holds(cx, kind, &ty, span);
        if let Some(key) = key {
            check_key(cx, kind, &ty, key, span);
        }
        match (kind, into) {
            (ResourceKind::Delivery, Some(into)) => bucket_of(cx, resource, &ty, span, into),
            (ResourceKind::Delivery, None) => into_missing(cx, resource),
            (_, Some(into)) => into_wrong(cx, kind, into),
            (_, None) => {}
        }
    }
}

/// The record in a content: of `Line`, `json<Line>`, `ndjson<Line>`, …
pub(crate) fn record_in(ty: &Ty) -> Option<&RecordTy> {
    match ty {
        Ty::Record(record) => Some(record),
        Ty::Json(inner) | Ty::Ndjson(inner) | Ty::Csv(inner) => inner.record(),
        _ => None,
    }
}

/// A table holds records, everything else holds bytes of some kind (E0402).
fn holds(cx: &mut Cx, kind: ResourceKind, ty: &Ty, span: Span) {
    let written = cx.files.text(span).to_string();
    let kind_word = kind.word();
    let (fits, what, help) = match kind {
        ResourceKind::Table => {
            let inner = record_in(ty).is_some_and(|_| written.contains('<'));
            let help = match (inner, written.split_once('<')) {
                (true, Some((_, rest))) => format!("write `{}`", rest.trim_end_matches('>')),
                _ => "write the name of a record type".to_string(),
            };
            (matches!(ty, Ty::Record(_)), "records", help)
        }
        ResourceKind::Bucket | ResourceKind::Delivery => {
            (ty.is_wire(), "bytes", format!("write `ndjson<{written}>`: lines of JSON"))
        }
        _ => (ty.is_wire(), "bytes", format!("write `json<{written}>`")),
    };
    if !fits && whole(ty.clone()) != Ty::Unknown {
        let message = format!("a {kind_word} holds {what}, and `{written}` is not");
        let problem =
            Problem::error("E0402", message, span, format!("a {kind_word} cannot hold this"));
        cx.report(problem.help(help));
    }
}

/// E0302: not a field. E0603: not storable as a key.
fn check_key(cx: &mut Cx, kind: ResourceKind, ty: &Ty, key: &Key, declared: Span) {
    if whole(ty.clone()) == Ty::Unknown {
        return;
    }
    if !matches!(kind, ResourceKind::Stream | ResourceKind::Table) {
        let message = format!("a {} has no key", kind.word());
        cx.report(Problem::error("E0603", message, key.span, "not here").help("remove it"));
        return;
    }
    let Some(record) = record_in(ty).cloned() else {
        let message = format!("`{ty}` has no fields, so it has no key");
        let problem = Problem::error("E0603", message, key.span, "no field to read");
        cx.report(problem.label(declared, "this holds no record").help("remove the key"));
        return;
    };
    for name in &key.fields {
        match record.field(&name.node) {
            None => unknown_key(cx, &record, name, declared),
            Some(field) => {
                let storable = !matches!(
                    field.ty.non_null(),
                    Ty::Float | Ty::Record(_) | Ty::List(_) | Ty::Map(..) | Ty::Bool
                );
                if !storable {
                    let message = format!("`.{}` cannot be a key: it is {}", name.node, field.ty);
                    let problem = Problem::error("E0603", message, name.span, "not a key");
                    let at = field.span.unwrap_or(declared);
                    let problem = problem.label(at, format!("{}  here", field.ty));
                    cx.report(problem.help("a key is `text`, `int`, `decimal`, `bytes` or a time"));
                }
            }
        }
    }
}

fn unknown_key(cx: &mut Cx, record: &RecordTy, name: &Name, declared: Span) {
    let message = format!("no field `.{}` on this record", name.node);
    let problem = Problem::error("E0302", message, name.span, "the key is read from this field");
    let near = suggest::nearest(&name.node, record.fields.iter().map(|field| field.name.as_str()));
    let help = match near {
        Some(near) => format!("did you mean `.{near}`?"),
        None => {
            let fields: Vec<String> =
                record.fields.iter().map(|field| format!("`.{}`", field.name)).collect();
            format!("its fields: {}", fields.join(", "))
        }
    };
    cx.report(problem.label(declared, "what it holds").help(help));
}

/// A delivery fills a bucket of the same content.
fn bucket_of(cx: &mut Cx, delivery: &Name, ty: &Ty, span: Span, into: &Name) {
    let Some(bucket) = cx.decls.resources.get_mut(into.node.as_str()) else {
        decls::no_resource(cx, into, &format!("bucket {} : {ty}", into.node));
        return;
    };
    bucket.used = true;
    let (kind, bucket_span) = (bucket.kind.node, bucket.ty.span);
    if kind != ResourceKind::Bucket {
        into_wrong_target(cx, kind, into, bucket_span);
        return;
    }
    let held = types::of_resource(cx, &into.node);
    let known = |ty: &Ty| whole(ty.clone()) != Ty::Unknown;
    if held != *ty && known(&held) && known(ty) {
        let message =
            format!("`{}` delivers {ty}, and bucket `{}` holds {held}", delivery.node, into.node);
        let problem = Problem::error("E0301", message, span, format!("delivers  {ty}"));
        let problem = problem.label(bucket_span, format!("holds  {held}"));
        cx.report(problem.help("write the same type in both places"));
    }
}

fn into_wrong_target(cx: &mut Cx, kind: ResourceKind, into: &Name, declared: Span) {
    let message = format!("a delivery fills a bucket, and `{}` is a {}", into.node, kind.word());
    let problem = Problem::error("E0206", message, into.span, "not a bucket");
    let problem = problem.label(declared, format!("a {}", kind.word()));
    cx.report(problem.help("name a bucket"));
}

fn into_missing(cx: &mut Cx, name: &Name) {
    let message = format!("delivery `{}` does not say which bucket it fills", name.node);
    let problem = Problem::error("E0204", message, name.span, "`into` is missing");
    cx.report(problem.help("add `into` and the name of a bucket of the same type"));
}

fn into_wrong(cx: &mut Cx, kind: ResourceKind, into: &Name) {
    let message = format!("a {} fills no bucket", kind.word());
    let problem = Problem::error("E0206", message, into.span, "only a `delivery` has `into`");
    cx.report(problem.help("remove it, or declare a `delivery`"));
}
