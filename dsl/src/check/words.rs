//! Words of problems: articles, lists of names, where a null came from.

use super::cx::Cx;
use super::scope::Scope;
use crate::plan::{Expr, ExprKind};
use crate::span::Span;
use crate::ty::{RecordTy, Ty};

/// A type with its article: "an `int`", "a size", "a record".
pub(crate) fn a(ty: &Ty) -> String {
    match ty {
        Ty::Duration => "a duration".into(),
        Ty::Size => "a size".into(),
        Ty::Null => "null".into(),
        Ty::Record(RecordTy { name: None, .. }) => "a record".into(),
        other => {
            let text = other.to_string();
            let article = if text.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
            format!("{article} `{text}`")
        }
    }
}

/// Where the `?` stands that made a value nullable.
pub(crate) fn origin(expr: &Expr, scope: &Scope) -> Option<Span> {
    let (record, name) = match &expr.kind {
        ExprKind::Field(name) => (scope.record.as_ref()?.ty.record()?, name),
        ExprKind::Get(of, name) => (of.ty.non_null().record()?, name),
        ExprKind::Cast(inner) => return origin(inner, scope),
        _ => return None,
    };
    record.field(name).filter(|field| field.ty.is_nullable())?.span
}

/// The fields of a record for a help line: "`.a`, `.b` and 3 more".
pub(crate) fn fields_of(record: &RecordTy) -> String {
    let names: Vec<String> =
        record.fields.iter().map(|field| format!("`.{}`", field.name)).collect();
    some_of(&names)
}

/// At most ten of some words.
pub(crate) fn some_of(words: &[String]) -> String {
    const MOST: usize = 10;
    if words.len() <= MOST {
        return words.join(", ");
    }
    format!("{} and {} more", words[..MOST].join(", "), words.len() - MOST)
}

/// A field as it is read: `.name`, or `."odd name"`.
pub(crate) fn dotted(name: &str) -> String {
    if is_word(name) { format!(".{name}") } else { format!(".{name:?}") }
}

/// A name before a colon: `name`, or `"odd name"`.
pub(crate) fn keyed(name: &str) -> String {
    if is_word(name) { name.to_string() } else { format!("{name:?}") }
}

fn is_word(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && chars.all(|each| each.is_ascii_alphanumeric() || each == '_')
}

/// An expression as a problem shows it: its text, or for a field that came by a spread its name;
/// one line, not too long.
pub(crate) fn shown(cx: &Cx, expr: &Expr) -> String {
    let text = cx.files.text(expr.span);
    match &expr.kind {
        ExprKind::Field(name) if !text.starts_with('.') || text.starts_with("...") => dotted(name),
        ExprKind::Get(_, name) if text.starts_with("...") => {
            format!("{}{}", text.trim_start_matches('.'), dotted(name))
        }
        _ => brief(text),
    }
}

/// A text for a message: one line, not too long.
pub(crate) fn brief(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.len() == text.len() && line.chars().count() <= 48 {
        return line.to_string();
    }
    format!("{} …", line.chars().take(40).collect::<String>().trim_end())
}
