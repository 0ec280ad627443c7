//! Whether a whole record fits a declared type, and the problems of keys.

use super::cx::Cx;
use super::expr_fit::{fits, stand_in};
use super::record::Want;
use super::scope::{Scope, described};
use super::words::{a, dotted, keyed, origin, shown};
use crate::plan::Expr;
use crate::problem::Problem;
use crate::span::{Name, Span};
use crate::ty::{Field, RecordTy, Ty};

/// Whether a whole record of type `found` fits `want`, deep; what does not is reported, the
/// primary label at `at` (the receiving node's words), the secondary labels at `from` (the
/// sender's words), at the fields and at the declaration.
pub(crate) fn conforms(cx: &mut Cx, found: &Ty, want: &Want, at: Span, from: Span) -> bool {
    let Some(record) = found.record() else {
        if *found == Ty::Unknown {
            return true;
        }
        let message =
            format!("{} takes {}, and what arrives is `{found}`", want.owner, taken(want));
        let problem = Problem::error("E0301", message, at, format!("takes {}", taken(want)))
            .label(from, format!("sends `{found}`"));
        cx.report(problem);
        return false;
    };
    let mut differences = Vec::new();
    compare(record, want.ty, want, "", &mut differences);
    if let Some(key) = null_key_of(record, want) {
        whole_null_key(cx, want, key, at, from);
        return false;
    }
    let kinds = |wanted: Kind| {
        let each = differences.iter().filter(move |difference| difference.kind == wanted);
        each.collect::<Vec<_>>()
    };
    let sends = format!("sends {}", described(cx, found));
    for (kind, code) in KINDS {
        let some = kinds(*kind);
        if !some.is_empty() {
            report(cx, *kind, code, &some, want, (at, from), &sends);
        }
    }
    differences.is_empty()
}

/// What is reported, one problem for each kind.
const KINDS: &[(Kind, &str)] = &[
    (Kind::Missing, "E0304"),
    (Kind::Extra, "E0305"),
    (Kind::Null, "E0303"),
    (Kind::Type, "E0301"),
];

/// How a field differs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Missing,
    Extra,
    Null,
    Type,
}

/// A field that does not fit.
struct Difference {
    kind: Kind,
    /// `Stock.Quantity`
    path: String,
    found: Option<(Ty, Option<Span>)>,
    wanted: Option<(Ty, Option<Span>)>,
}

/// Gathers what differs, field by field, deep.
fn compare(
    found: &RecordTy,
    wanted: &RecordTy,
    want: &Want,
    prefix: &str,
    all: &mut Vec<Difference>,
) {
    let path = |name: &str| match prefix {
        "" => name.to_string(),
        prefix => format!("{prefix}.{name}"),
    };
    for field in &wanted.fields {
        match found.field(&field.name) {
            Some(other) => compare_field(other, field, want, &path(&field.name), all),
            None if want.partial && prefix.is_empty() => {}
            None => all.push(Difference {
                kind: Kind::Missing,
                path: path(&field.name),
                found: None,
                wanted: Some((field.ty.clone(), field.span)),
            }),
        }
    }
    for field in found.fields.iter().filter(|field| wanted.field(&field.name).is_none()) {
        match &wanted.dynamic {
            Some(dynamic) => {
                let name = field.name.clone();
                let dynamic = Field { name, ty: (**dynamic).clone(), span: None };
                compare_field(field, &dynamic, want, &path(&field.name), all);
            }
            None if want.exact && !wanted.open => all.push(Difference {
                kind: Kind::Extra,
                path: path(&field.name),
                found: Some((field.ty.clone(), field.span)),
                wanted: None,
            }),
            None => {}
        }
    }
}

fn compare_field(
    found: &Field,
    wanted: &Field,
    want: &Want,
    path: &str,
    all: &mut Vec<Difference>,
) {
    if let (Ty::Record(found), Ty::Record(wanted)) = (found.ty.non_null(), wanted.ty.non_null()) {
        compare(found, wanted, want, path, all);
    }
    let inner_fits = match (found.ty.non_null(), wanted.ty.non_null()) {
        (Ty::Record(_), Ty::Record(_)) => true,
        (found, wanted) => fits(found, wanted),
    };
    let null = found.ty.is_nullable() && !wanted.ty.is_nullable();
    let kind = match (inner_fits, null, &wanted.ty) {
        (_, _, Ty::Unknown) | (true, false, _) => return,
        (true, true, _) => Kind::Null,
        (false, ..) if found.ty == Ty::Unknown => return,
        (false, ..) => Kind::Type,
    };
    all.push(Difference {
        kind,
        path: path.to_string(),
        found: Some((found.ty.clone(), found.span)),
        wanted: Some((wanted.ty.clone(), wanted.span)),
    });
}

/// One problem for all differences of a kind.
fn report(
    cx: &mut Cx,
    kind: Kind,
    code: &'static str,
    some: &[&Difference],
    want: &Want,
    (at, from): (Span, Span),
    sends: &str,
) {
    let first = some[0];
    let name = &first.path;
    let more = match some.len() {
        1 => String::new(),
        2 => " and one more field".to_string(),
        many => format!(" and {} more fields", many - 1),
    };
    let owner = &want.owner;
    let whole = want.whole();
    let message = match (kind, some.len()) {
        (Kind::Missing, 1) => format!("`{name}` is missing, and {owner} holds {whole}"),
        (Kind::Missing, _) => format!("`{name}`{more} are missing, and {owner} holds {whole}"),
        (Kind::Extra, 1) => {
            format!("`{name}` is no field of {}, and {owner} takes no other", want.called())
        }
        (Kind::Extra, _) => {
            format!("`{name}`{more} are no fields of {}, and {owner} takes no other", want.called())
        }
        (Kind::Null, 1) => format!("`{name}` may be null, and {owner} declares it present"),
        (Kind::Null, _) => format!("`{name}`{more} may be null, and {owner} declares them present"),
        (Kind::Type, 1) => format!(
            "`{name}` is `{}`, and {owner} declares it `{}`",
            shown_ty(&first.found),
            shown_ty(&first.wanted)
        ),
        (Kind::Type, _) => format!("`{name}`{more} have other types than {owner} declares"),
    };
    let mut problem = Problem::error(code, message, at, format!("takes {}", taken(want)));
    problem = problem.label(from, sends);
    for difference in some.iter().take(3) {
        let place = |side: &Option<(Ty, Option<Span>)>| side.as_ref().and_then(|(_, span)| *span);
        if let Some(span) = place(&difference.found) {
            let text = match kind {
                Kind::Null => "made nullable here".to_string(),
                Kind::Extra => format!("not a field of {}", want.called()),
                _ => format!("`{}` here", shown_ty(&difference.found)),
            };
            problem = problem.label(span, text);
        }
        if let Some(span) = place(&difference.wanted) {
            let ty = shown_ty(&difference.wanted);
            problem = problem.label(span, format!("declared `{ty}` here"));
        }
    }
    cx.report(problem.help(help(kind, some, want)));
}

fn shown_ty(side: &Option<(Ty, Option<Span>)>) -> String {
    side.as_ref().map_or_else(String::new, |(ty, _)| ty.to_string())
}

/// What to write: text that can be pasted.
fn help(kind: Kind, some: &[&Difference], want: &Want) -> String {
    let first = &some[0].path;
    let entries = |entry: &dyn Fn(&Difference) -> String| {
        some.iter().take(10).map(|each| entry(each)).collect::<Vec<_>>().join(", ")
    };
    match kind {
        Kind::Missing => {
            let added = entries(&|each| match &each.wanted {
                Some((ty, _)) if ty.is_nullable() => format!("{}: null", each.path),
                _ => format!("{}: …", each.path),
            });
            format!("add it before:\n\n  -> map {{ ..., {added} }}")
        }
        Kind::Extra => {
            let kept: Vec<String> =
                want.ty.fields.iter().map(|field| dotted(&field.name)).collect();
            let add = entries(&|each| format!("{}: {}", each.path, shown_ty(&each.found)));
            let ty = match &want.ty.name {
                Some(name) => format!("type `{name}`"),
                None => "the type".into(),
            };
            format!(
                "keep only what it holds:\n\n  -> map {{ {} }}\n\nor add to {ty}:  {add}",
                kept.join(", ")
            )
        }
        Kind::Null => {
            let stand_in = match &some[0].wanted {
                Some((ty, _)) => stand_in(ty),
                None => "…".into(),
            };
            format!(
                "keep only the records that have it:\n\n  -> where .{first} != null\n\n\
                 or give it a stand-in:\n\n  -> map {{ ..., {first}: .{first} ?? {stand_in} }}"
            )
        }
        Kind::Type => {
            let converted = converted(some[0]);
            if some.len() == 1 {
                return format!("convert it before:\n\n  {converted}");
            }
            let rows: Vec<String> = some
                .iter()
                .map(|each| {
                    let (found, wanted) = (shown_ty(&each.found), shown_ty(&each.wanted));
                    format!("  {}: `{found}` arrives, `{wanted}` is declared", each.path)
                })
                .collect();
            format!("they differ in:\n{}\n\nconvert it before:\n\n  {converted}", rows.join("\n"))
        }
    }
}

/// A `map` that gives a field the wanted type.
fn converted(difference: &Difference) -> String {
    let path = &difference.path;
    let wanted = difference.wanted.as_ref().map(|(ty, _)| ty.non_null());
    let call = match wanted {
        Some(Ty::Int) => format!("int(.{path})"),
        Some(Ty::Float) => format!("float(.{path})"),
        Some(Ty::Text) => format!("text(.{path})"),
        Some(Ty::Bool) => format!("bool(.{path})"),
        Some(Ty::Timestamp) => format!("timestamp(.{path})"),
        Some(Ty::Date) => format!("date(.{path})"),
        Some(Ty::Decimal { scale, .. })
            if matches!(&difference.found, Some((Ty::Decimal { .. }, _))) =>
        {
            format!("round(.{path}, {scale})")
        }
        Some(Ty::Decimal { precision, scale }) => format!("decimal(.{path}, {precision}, {scale})"),
        _ => "…".into(),
    };
    format!("-> map {{ ..., {path}: {call} }}")
}

/// "a `Line`" or "a record".
fn taken(want: &Want) -> String {
    a(&Ty::Record(RecordTy { name: want.ty.name.clone(), ..RecordTy::default() }))
}

/// The first key field that may be null in a record.
fn null_key_of<'k>(record: &RecordTy, want: &Want<'k>) -> Option<(&'k Name, Field)> {
    want.key?.fields.iter().find_map(|key| {
        let field = record.field(&key.node).filter(|field| field.ty.is_nullable())?;
        Some((key, field.clone()))
    })
}

/// E0601 for a record that is taken whole.
fn whole_null_key(cx: &mut Cx, want: &Want, (key, field): (&Name, Field), at: Span, from: Span) {
    let name = &key.node;
    let message = format!("`{}` may be null, and it is the key of {}", dotted(name), want.owner);
    let mut problem =
        Problem::error("E0601", message, at, format!("`{}: {}` here", name, field.ty))
            .label(from, "sends it");
    if let Some(span) = field.span {
        problem = problem.label(span, "made nullable here");
    }
    if let Some(clause) = want.key {
        problem = problem.label(clause.span, "a key is never null");
    }
    let node = cx.files.text(at).to_string();
    cx.report(problem.help(key_help(name, &field.ty, &node)));
}

/// E0601 for a field of a written record.
pub(super) fn null_key(cx: &mut Cx, want: &Want, name: &str, value: &Expr, scope: &Scope) {
    let text = shown(cx, value);
    let message = format!("`{text}` may be null, and it is the key of {}", want.owner);
    let label = format!("`{}` here", value.ty);
    let mut problem = Problem::error("E0601", message, value.span, label);
    if let Some(span) = origin(value, scope) {
        problem = problem.label(span, "made nullable here");
    }
    if let Some(clause) = want.key {
        problem = problem.label(clause.span, "a key is never null");
    }
    // "table `customers`": its records are written by `customers.upsert { … }`.
    let write = match want.owner.strip_prefix("table `").and_then(|rest| rest.strip_suffix('`')) {
        Some(table) => format!("\n  -> {table}.upsert {{ … }}"),
        None => String::new(),
    };
    let help = format!(
        "keep only the records that have it, before the write:\n\n  -> where {text} != \
         null{write}\n\nor give it a stand-in:  {}: {text} ?? {}",
        keyed(name),
        stand_in(value.ty.non_null())
    );
    cx.report(problem.help(help));
}

fn key_help(name: &str, ty: &Ty, node: &str) -> String {
    let (dotted, keyed) = (dotted(name), keyed(name));
    let stand_in = stand_in(ty.non_null());
    format!(
        "keep only the records that have it, before the write:\n\n  -> where {dotted} != null\n  \
         -> {node}\n\nor give it a stand-in:\n\n  -> map {{ ..., {keyed}: {dotted} ?? {stand_in} \
         }}\n  -> {node}"
    )
}

/// E0602: a record without the key of its table.
pub(super) fn missing_key(cx: &mut Cx, want: &Want, keys: &[&Name], at: Span, scope: &Scope) {
    let names: Vec<String> = keys.iter().map(|key| format!("`{}`", dotted(&key.node))).collect();
    let (names, them) = (names.join(", "), if keys.len() == 1 { "it" } else { "them" });
    let message = format!("the key {names} of {} is missing", want.owner);
    let mut problem = Problem::error("E0602", message, end(cx, at), format!("no {names} in here"));
    if let Some(clause) = want.key {
        problem = problem.label(clause.span, format!("items are found by {them}"));
    }
    let add: Vec<String> = keys.iter().map(|key| entry(&key.node, None, scope)).collect();
    cx.report(problem.help(format!("add  {}", add.join(", "))));
}

/// E0304: a record without some of the fields that the type declares.
pub(super) fn missing(cx: &mut Cx, want: &Want, fields: &[&Field], at: Span, scope: &Scope) {
    let names: Vec<String> = fields.iter().map(|field| format!("`{}`", field.name)).collect();
    let names = super::words::some_of(&names);
    let are = if fields.len() == 1 { "is" } else { "are" };
    let message = match &want.ty.name {
        Some(ty) if want.owner != format!("type `{ty}`") => {
            format!("{names} {are} missing, and {} holds a whole `{ty}`", want.owner)
        }
        Some(ty) => format!("{names} {are} missing from this `{ty}`"),
        None => format!("{names} {are} missing from this record"),
    };
    let mut problem = Problem::error("E0304", message, end(cx, at), format!("no {names} in here"));
    for field in fields.iter().take(3) {
        if let Some(span) = field.span {
            problem = problem.label(span, "declared here");
        }
    }
    if let Some(declared) = want.declared {
        problem = problem.label(declared, format!("holds {}", want.called()));
    }
    let add: Vec<String> =
        fields.iter().map(|field| entry(&field.name, Some(&field.ty), scope)).collect();
    cx.report(problem.help(format!("add  {}", add.join(", "))));
}

/// An entry to paste: `.name` where the incoming record has it, else `name: …`.
fn entry(name: &str, ty: Option<&Ty>, scope: &Scope) -> String {
    let incoming = scope.record.as_ref().and_then(|incoming| incoming.ty.record()?.field(name));
    match (incoming, ty) {
        (Some(field), Some(ty)) if fits(&field.ty, ty) => dotted(name),
        (Some(_), None) => dotted(name),
        (_, Some(ty)) if ty.is_nullable() => format!("{}: null", keyed(name)),
        _ => format!("{}: …", keyed(name)),
    }
}

/// A record's span when it is on one line, else its closing brace.
fn end(cx: &Cx, at: Span) -> Span {
    if cx.files.text(at).contains('\n') && at.len() > 1 {
        return Span { start: at.end - 1, ..at };
    }
    at
}
