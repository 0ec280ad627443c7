//! Written types to types: names, arguments, nullability, cycles.

use super::cx::{Cx, Lazy};
use super::suggest;
use crate::ast::{self, TypeField, TypeKind};
use crate::problem::Problem;
use crate::span::{Name, Span, Spanned};
use crate::ty::{Field, RecordTy, Ty};

/// The built-in types that take no argument.
const PLAIN: &[(&str, Ty)] = &[
    ("text", Ty::Text),
    ("int", Ty::Int),
    ("float", Ty::Float),
    ("bool", Ty::Bool),
    ("timestamp", Ty::Timestamp),
    ("date", Ty::Date),
    ("duration", Ty::Duration),
    ("size", Ty::Size),
    ("bytes", Ty::Bytes),
    ("path", Ty::Path),
    ("url", Ty::Url),
    ("uuid", Ty::Uuid),
    ("Done", Ty::Done),
];

/// The built-in types that take types: how many, and an example.
const GENERIC: &[(&str, usize, &str)] = &[
    ("list", 1, "list<text>"),
    ("map", 2, "map<text, int>"),
    ("json", 1, "json<Line>"),
    ("ndjson", 1, "ndjson<Line>"),
    ("csv", 1, "csv<Line>"),
    ("base64", 1, "base64<json<Line>>"),
    ("gzip", 1, "gzip<ndjson<Line>>"),
    ("zstd", 1, "zstd<ndjson<Line>>"),
    ("batch", 1, "batch<Line>"),
    ("object", 1, "object<ndjson<Line>>"),
    ("secret", 1, "secret<text>"),
];

/// What other languages call them.
const ALIASES: &[(&str, &str)] = &[
    ("string", "text"),
    ("str", "text"),
    ("varchar", "text"),
    ("char", "text"),
    ("integer", "int"),
    ("bigint", "int"),
    ("long", "int"),
    ("int64", "int"),
    ("i64", "int"),
    ("number", "decimal(18, 2)` or `int"),
    ("numeric", "decimal(18, 2)"),
    ("money", "decimal(18, 2)"),
    ("double", "float"),
    ("real", "float"),
    ("boolean", "bool"),
    ("datetime", "timestamp"),
    ("binary", "bytes"),
    ("blob", "bytes"),
    ("array", "list<…>"),
    ("dict", "map<text, …>"),
    ("object", "object<…>"),
    ("failure", "Failure"),
    ("done", "Done"),
];

/// The meaning of a written type. What is wrong is reported and becomes [`Ty::Unknown`].
pub(crate) fn resolve(cx: &mut Cx, ty: &ast::Type) -> Ty {
    match &ty.kind {
        TypeKind::Applied { name, args, numbers } => applied(cx, ty.span, name, args, numbers),
        TypeKind::Record(fields) => record(cx, fields, false),
        TypeKind::Literal(text) => Ty::Literal(text.clone()),
        TypeKind::Nullable(inner) => resolve(cx, inner).nullable(),
    }
}

/// The same for the input or output of a `node` declaration, where `...` in a record passes the
/// other fields through.
pub(crate) fn resolve_signature(cx: &mut Cx, ty: &ast::Type) -> Ty {
    match &ty.kind {
        TypeKind::Record(fields) => record(cx, fields, true),
        _ => resolve(cx, ty),
    }
}

/// What a resource holds, worked out once; `Unknown` for a name that is no resource.
pub(crate) fn of_resource(cx: &mut Cx, name: &str) -> Ty {
    let Some(decl) = cx.decls.resources.get_mut(name) else { return Ty::Unknown };
    if let Lazy::Done(ty) = &decl.resolved {
        return ty.clone();
    }
    let written = decl.ty;
    let ty = resolve(cx, written);
    if let Some(decl) = cx.decls.resources.get_mut(name) {
        decl.resolved = Lazy::Done(ty.clone());
    }
    ty
}

/// `text`, `decimal(10, 3)`, `json<Line>`, `Line`
fn applied(
    cx: &mut Cx,
    span: Span,
    name: &Name,
    args: &[ast::Type],
    numbers: &[Spanned<i64>],
) -> Ty {
    let word = name.node.as_str();
    if word == "decimal" {
        return decimal(cx, span, args, numbers);
    }
    if let Some(number) = numbers.first() {
        let span = number.span.to(numbers[numbers.len() - 1].span);
        let message = format!("`{word}` takes no numbers");
        let problem = Problem::error("E0312", message, span, "only `decimal(p, s)` takes numbers");
        cx.report(problem.help(format!("write `{word}`")));
        return Ty::Unknown;
    }
    if let Some((_, count, example)) = GENERIC.iter().find(|(generic, ..)| *generic == word) {
        if args.len() != *count {
            let types = if *count == 1 { "one type" } else { "two types" };
            let message = format!("`{word}` takes {types} in `<…>`");
            let label = format!("{} given", args.len());
            cx.report(
                Problem::error("E0312", message, span, label)
                    .help(format!("write it like `{example}`")),
            );
            return Ty::Unknown;
        }
        let args: Vec<Ty> = args.iter().map(|arg| resolve(cx, arg)).collect();
        return generic(cx, word, span, args);
    }
    if !args.is_empty() {
        let message = format!("`{word}` takes no types");
        let problem = Problem::error("E0312", message, span, "has `<…>`");
        cx.report(problem.help(format!("write `{word}`")));
        return Ty::Unknown;
    }
    if let Some((_, ty)) = PLAIN.iter().find(|(plain, _)| *plain == word) {
        return ty.clone();
    }
    named(cx, name)
}

/// `Line`: a declared type, or one that this release knows of.
fn named(cx: &mut Cx, name: &Name) -> Ty {
    let word = name.node.as_str();
    if let Some(decl) = cx.decls.types.get_mut(word) {
        decl.used = true;
        return declared(cx, word, name.span);
    }
    match word {
        "Failure" => return Ty::failure(),
        "Window" | "avro" | "parquet" => {
            cx.unsupported(name.span, word, "leave it out for now");
            return Ty::Unknown;
        }
        _ => {}
    }
    let help = match ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(word)) {
        Some((_, ours)) => format!("write `{ours}`"),
        None => {
            let plain = PLAIN.iter().map(|(plain, _)| *plain);
            let generic = GENERIC.iter().map(|(generic, ..)| *generic);
            let declared = cx.decls.types.keys().copied();
            let known = declared.chain(plain).chain(generic).chain(["Failure", "decimal"]);
            match suggest::nearest(word, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("declare it:  type {word} = {{ … }}"),
            }
        }
    };
    let message = format!("there is no type `{word}`");
    cx.report(Problem::error("E0201", message, name.span, "not a type").help(help));
    Ty::Unknown
}

/// A declared type, worked out when it is first needed; `at` is where it is used.
fn declared(cx: &mut Cx, word: &str, at: Span) -> Ty {
    let Some(decl) = cx.decls.types.get_mut(word) else { return Ty::Unknown };
    let (name, written) = (decl.name, decl.ty);
    match std::mem::replace(&mut decl.resolved, Lazy::Busy) {
        Lazy::Done(ty) => {
            decl.resolved = Lazy::Done(ty.clone());
            return ty;
        }
        Lazy::Busy => {
            let message = format!("type `{word}` contains itself");
            let problem = Problem::error("E0208", message, at, format!("`{word}` again"))
                .label(name.span, "its declaration")
                .help("a record ends somewhere: hold the key of the other record instead");
            cx.report(problem);
            return Ty::Unknown;
        }
        Lazy::Todo => {}
    }
    let mut ty = resolve(cx, written);
    if let Ty::Record(record) = &mut ty {
        record.name.get_or_insert_with(|| word.to_string());
    }
    if let Some(decl) = cx.decls.types.get_mut(word) {
        decl.resolved = Lazy::Done(ty.clone());
    }
    ty
}

/// Works out every declared type, so that each is checked once, used or not.
pub(crate) fn resolve_all(cx: &mut Cx) {
    let names: Vec<&str> = cx.decls.types.keys().copied().collect();
    for name in names {
        let at = cx.decls.types[name].name.span;
        declared(cx, name, at);
    }
    let names: Vec<&str> = cx.decls.resources.keys().copied().collect();
    for name in names {
        of_resource(cx, name);
    }
}

/// `decimal(p, s)`: 1 to 38 digits, at most all of them behind the point; alone it is
/// decimal(38, 9).
fn decimal(cx: &mut Cx, span: Span, args: &[ast::Type], numbers: &[Spanned<i64>]) -> Ty {
    let problem = match numbers {
        _ if !args.is_empty() => "`decimal` takes numbers in `(…)`, not types".into(),
        [] => return Ty::Decimal { precision: 38, scale: 9 },
        [precision] | [precision, _] if !(1..=38).contains(&precision.node) => {
            format!("a decimal has 1 to 38 digits, not {}", precision.node)
        }
        [precision] => return Ty::Decimal { precision: precision.node as u8, scale: 0 },
        [precision, scale] if (0..=precision.node).contains(&scale.node) => {
            return Ty::Decimal { precision: precision.node as u8, scale: scale.node as u8 };
        }
        [precision, scale] => format!(
            "of {} digits in all, {} cannot stand behind the point",
            precision.node, scale.node
        ),
        _ => "`decimal` takes two numbers: digits in all, digits behind the point".into(),
    };
    let problem = Problem::error("E0312", problem, span, "not a decimal type");
    cx.report(
        problem.help("write it like `decimal(10, 2)`: 10 digits, 2 of them behind the point"),
    );
    Ty::Unknown
}

/// `json<T>` and the like, with the right number of arguments.
fn generic(cx: &mut Cx, word: &str, span: Span, mut args: Vec<Ty>) -> Ty {
    if args.contains(&Ty::Unknown) {
        return Ty::Unknown;
    }
    let Some(last) = args.pop() else { return Ty::Unknown };
    let record = matches!(last, Ty::Record(_));
    let wire = last.is_wire();
    let (fine, wants) = match word {
        "json" | "ndjson" | "csv" => (record, "a record"),
        "base64" | "gzip" | "zstd" => (wire, "text, bytes or an encoded type such as `json<Line>`"),
        "object" => (wire, "text, bytes or an encoded type such as `ndjson<Line>`"),
        "batch" => (wire || record, "a record or an encoded type"),
        _ => (is_value(&last), "a value"),
    };
    if !fine {
        let message = format!("`{word}<…>` holds {wants}, not `{last}`");
        cx.report(Problem::error("E0312", message, span, "cannot be"));
        return Ty::Unknown;
    }
    let last = Box::new(last);
    match word {
        "list" => Ty::List(last),
        "json" => Ty::Json(last),
        "ndjson" => Ty::Ndjson(last),
        "csv" => Ty::Csv(last),
        "base64" => Ty::Base64(last),
        "gzip" => Ty::Gzip(last),
        "zstd" => Ty::Zstd(last),
        "batch" => Ty::Batch(last),
        "object" => Ty::Object(last),
        "secret" => Ty::Secret(last),
        _ => match args.pop() {
            Some(key @ Ty::Text) => Ty::Map(Box::new(key), last),
            Some(key) => {
                let message = format!("the keys of a map are `text`, not `{key}`");
                let problem = Problem::error("E0312", message, span, "cannot be");
                cx.report(problem.help(format!("write `map<text, {last}>`")));
                Ty::Unknown
            }
            None => Ty::Unknown,
        },
    }
}

/// True for what a field can hold.
fn is_value(ty: &Ty) -> bool {
    match ty {
        Ty::Text | Ty::Bytes | Ty::Unknown => true,
        Ty::Done | Ty::Batch(_) | Ty::Object(_) | Ty::Secret(_) => false,
        Ty::Nullable(inner) => is_value(inner),
        other => !other.is_wire(),
    }
}

/// `{ a: T, [text]: U, ... }`
fn record(cx: &mut Cx, written: &[TypeField], open_allowed: bool) -> Ty {
    let mut record = RecordTy::default();
    let mut seen: Vec<&Name> = Vec::new();
    for field in written {
        match field {
            TypeField::Named { name, ty } => {
                if let Some(first) = seen.iter().find(|first| first.node == name.node) {
                    let message = format!("the field `{}` is declared twice", name.node);
                    let problem = Problem::error("E0202", message, name.span, "again here");
                    cx.report(problem.label(first.span, "first here").help("rename one"));
                    continue;
                }
                seen.push(name);
                let resolved = field_type(cx, ty);
                let span = Some(ty.span);
                record.fields.push(Field { name: name.node.clone(), ty: resolved, span });
            }
            TypeField::Dynamic { key, ty } => dynamic(cx, &mut record, key, ty),
            TypeField::Rest(span) if !open_allowed => {
                let help = "leave it out: keys that the type does not name are dropped and counted";
                cx.unsupported(*span, "...", help);
            }
            TypeField::Rest(_) => record.open = true,
        }
    }
    Ty::Record(record)
}

/// `[text]: T`
fn dynamic(cx: &mut Cx, record: &mut RecordTy, key: &ast::Type, ty: &ast::Type) {
    let resolved_key = resolve(cx, key);
    if !matches!(resolved_key, Ty::Text | Ty::Unknown) {
        let message = format!("the names of fields are `text`, not `{resolved_key}`");
        let problem = Problem::error("E0312", message, key.span, "cannot name a field");
        cx.report(problem.help("write `[text]: …`"));
    }
    let value = field_type(cx, ty);
    if record.dynamic.replace(Box::new(value)).is_some() {
        let message = "a record has one `[text]: …` at most";
        cx.report(Problem::error("E0202", message, key.span.to(ty.span), "a second one"));
    }
}

/// The type of a field: a value, not something that only travels on an edge.
fn field_type(cx: &mut Cx, ty: &ast::Type) -> Ty {
    let resolved = resolve(cx, ty);
    if is_value(&resolved) {
        return resolved;
    }
    let message = format!("a field cannot hold `{resolved}`");
    let problem = Problem::error("E0312", message, ty.span, "travels only between nodes");
    cx.report(problem.help("hold the record itself, or its encoded form as `text` or `bytes`"));
    Ty::Unknown
}
