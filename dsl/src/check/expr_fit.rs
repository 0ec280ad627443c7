//! Whether a value fits the place it goes to: implicit conversions, and the problem where none
//! applies.

use super::cx::Cx;
use super::expr::poison;
use super::fold;
use super::scope::Scope;
use super::words::{a, keyed, origin, shown};
use crate::plan::{Entry, Expr, ExprKind};
use crate::problem::Problem;
use crate::span::Span;
use crate::ty::{Field, RecordTy, Ty};
use crate::value::Value;

/// Where a value goes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place<'p> {
    /// What it must be; `None` = anything.
    pub ty: Option<&'p Ty>,
    /// Its name as written (`wait`, `Quantity`), without backticks; empty where it has none.
    pub name: &'p str,
    /// Where its type is declared.
    pub declared: Option<Span>,
    /// What to do when the value does not fit, in place of the general advice.
    pub help: Option<String>,
    /// The value was written as a shorthand entry of a record: another value needs the name too.
    pub shorthand: bool,
}

impl Place<'_> {
    /// What stands before a new value: `UnitPrice: ` where only `.UnitPrice` was written.
    fn entry(&self) -> String {
        if self.shorthand { format!("{}: ", keyed(self.name)) } else { String::new() }
    }
}

/// The value as the place wants it, or poison and a problem.
pub(crate) fn fit(cx: &mut Cx, expr: Expr, scope: &Scope, place: &Place) -> Expr {
    let Some(wanted) = place.ty else { return expr };
    if expr.ty == Ty::Unknown || *wanted == Ty::Unknown {
        return expr;
    }
    if let ExprKind::Const(value) = &expr.kind {
        match fold::converted(cx, value, &expr, wanted) {
            Ok(Some(value)) => {
                return Expr { kind: ExprKind::Const(value), ty: wanted.clone(), span: expr.span };
            }
            Ok(None) => {}
            Err(why) => return misfit(cx, &expr, scope, place, wanted, Some(why)),
        }
    }
    if fits(&expr.ty, wanted) {
        return cast(expr, wanted);
    }
    misfit(cx, &expr, scope, place, wanted, None)
}

/// Whether a value of type `found` can go where `wanted` is declared, with the implicit
/// conversions; of a record, further fields are allowed.
pub(crate) fn fits(found: &Ty, wanted: &Ty) -> bool {
    match (found, wanted) {
        (Ty::Unknown, _) | (_, Ty::Unknown) => true,
        (Ty::Null, wanted) => wanted.is_nullable(),
        (Ty::Nullable(found), Ty::Nullable(wanted)) => fits(found, wanted),
        (Ty::Nullable(_), _) => false,
        (found, Ty::Nullable(wanted)) => fits(found, wanted),
        (Ty::Int, Ty::Decimal { .. }) => true,
        (Ty::Decimal { scale: found, .. }, Ty::Decimal { scale: wanted, .. }) => found <= wanted,
        (Ty::Literal(_), Ty::Text) => true,
        (Ty::List(found), Ty::List(wanted)) => fits(found, wanted),
        (Ty::Map(_, found), Ty::Map(_, wanted)) => fits(found, wanted),
        (Ty::Record(found), Ty::Record(wanted)) => {
            wanted
                .fields
                .iter()
                .all(|field| found.field(&field.name).is_some_and(|each| fits(&each.ty, &field.ty)))
                && match (&found.dynamic, &wanted.dynamic) {
                    (Some(found), Some(wanted)) => fits(found, wanted),
                    (Some(_), None) => false,
                    (None, _) => true,
                }
        }
        (found, wanted) => found == wanted,
    }
}

/// The type that both can become; `None` = there is none.
pub(crate) fn common(left: &Ty, right: &Ty) -> Option<Ty> {
    if left.is_nullable() || right.is_nullable() {
        return match (left, right) {
            (Ty::Null, other) | (other, Ty::Null) => Some(other.clone().nullable()),
            _ => common(left.non_null(), right.non_null()).map(Ty::nullable),
        };
    }
    match (left, right) {
        (Ty::Literal(left), Ty::Literal(right)) if left != right => Some(Ty::Text),
        (Ty::Int | Ty::Decimal { .. }, Ty::Decimal { .. }) | (Ty::Decimal { .. }, Ty::Int) => {
            let ((p1, s1), (p2, s2)) = (digits(left), digits(right));
            let scale = s1.max(s2);
            let precision = ((p1 - s1).max(p2 - s2) + scale).min(38);
            Some(Ty::Decimal { precision, scale })
        }
        _ if fits(left, right) => Some(right.clone()),
        _ if fits(right, left) => Some(left.clone()),
        _ => None,
    }
}

/// Precision and scale of a number; an int has 19 digits.
pub(crate) fn digits(ty: &Ty) -> (u8, u8) {
    match ty.non_null() {
        Ty::Decimal { precision, scale } => (*precision, *scale),
        _ => (19, 0),
    }
}

/// The value as `wanted`, which it fits: itself, another constant, or a cast.
pub(crate) fn cast(expr: Expr, wanted: &Ty) -> Expr {
    if expr.ty == *wanted || expr.ty == Ty::Unknown {
        return expr;
    }
    if let (Some(found), Ty::Record(record)) = (expr.ty.record(), wanted.non_null()) {
        let whole = reshaped(&expr, &found.clone(), record);
        return match wanted {
            Ty::Nullable(_) => {
                let span = expr.span;
                Expr { kind: ExprKind::Cast(Box::new(whole)), ty: wanted.clone(), span }
            }
            _ => whole,
        };
    }
    let span = expr.span;
    let kind = match expr.kind {
        ExprKind::Const(Value::Null) => ExprKind::Const(Value::Null),
        ExprKind::Const(value) => match fold::rescaled(&value, wanted) {
            Some(value) => ExprKind::Const(value),
            None => ExprKind::Cast(Box::new(Expr { kind: ExprKind::Const(value), ..expr })),
        },
        _ => ExprKind::Cast(Box::new(expr)),
    };
    Expr { kind, ty: wanted.clone(), span }
}

/// A record as another record type that it fits: made anew, field by field.
fn reshaped(expr: &Expr, found: &RecordTy, wanted: &RecordTy) -> Expr {
    if found == wanted {
        return Expr { ty: Ty::Record(wanted.clone()), ..expr.clone() };
    }
    let entry = |field: &Field| {
        let ty = found.field(&field.name).map_or(Ty::Unknown, |field| field.ty.clone());
        let kind = ExprKind::Get(Box::new(expr.clone()), field.name.clone());
        let value = fold::step(Expr { kind, ty, span: expr.span });
        Entry::Named(field.name.clone(), cast(value, &field.ty))
    };
    let kind = match &expr.kind {
        ExprKind::Record(entries) => ExprKind::Record(
            entries
                .iter()
                .filter_map(|entry| match entry {
                    Entry::Named(name, value) => {
                        let ty = &wanted.field(name)?.ty;
                        Some(Entry::Named(name.clone(), cast(value.clone(), ty)))
                    }
                    computed => Some(computed.clone()),
                })
                .collect(),
        ),
        _ => ExprKind::Record(wanted.fields.iter().map(entry).collect()),
    };
    Expr { kind, ty: Ty::Record(wanted.clone()), span: expr.span }
}

/// A name in backticks; words ("a condition") stay as they are.
fn ticked(name: &str) -> String {
    if name.starts_with("a ") { name.to_string() } else { format!("`{name}`") }
}

/// The value, which must not be null: what uses it is named by `user` (`upper`, `+`). E0303 and
/// poison where it may be.
pub(crate) fn present(cx: &mut Cx, expr: Expr, scope: &Scope, user: &str) -> Expr {
    if !expr.ty.is_nullable() {
        return expr;
    }
    null_problem(cx, &expr, scope, &format!("{} needs a value", ticked(user)), (None, ""));
    poison(expr.span)
}

/// E0303: a value that may be null where one must be there. `needs` completes the message;
/// `declared` is where that is said, `entry` what stands before a stand-in.
pub(crate) fn null_problem(
    cx: &mut Cx,
    expr: &Expr,
    scope: &Scope,
    needs: &str,
    (declared, entry): (Option<(Span, String)>, &str),
) {
    let text = shown(cx, expr);
    if expr.ty == Ty::Null {
        let message = format!("`null` cannot stand here: {needs}");
        let mut problem = Problem::error("E0303", message, expr.span, "no value");
        problem.labels.extend(declared.map(|(span, text)| crate::problem::Label { span, text }));
        cx.report(problem.help("give a value, or declare the type with `?`"));
        return;
    }
    let message = format!("`{text}` may be null, and {needs}");
    let mut problem = Problem::error("E0303", message, expr.span, format!("`{}` here", expr.ty));
    if let Some(span) = origin(expr, scope) {
        problem = problem.label(span, "made nullable here");
    }
    if let Some((span, text)) = declared {
        problem = problem.label(span, text);
    }
    let stand_in = format!("{entry}{text} ?? {}", stand_in(expr.ty.non_null()));
    let help = if matches!(expr.kind, ExprKind::Field(_)) {
        format!(
            "keep only the records that have it:\n\n  -> where {text} != null\n\n\
             or give it a stand-in:  {stand_in}"
        )
    } else {
        format!("give it a stand-in:  {stand_in}")
    };
    cx.report(problem.help(help));
}

/// A value to show after `??`.
pub(crate) fn stand_in(ty: &Ty) -> String {
    match ty {
        Ty::Text => "\"unknown\"".into(),
        Ty::Int => "0".into(),
        Ty::Decimal { .. } => "0.0".into(),
        Ty::Float => "float(0)".into(),
        Ty::Bool => "false".into(),
        Ty::Literal(text) => format!("{text:?}"),
        Ty::Timestamp => "timestamp(\"1970-01-01T00:00:00Z\")".into(),
        Ty::Date => "date(\"1970-01-01\")".into(),
        _ => "…".into(),
    }
}

/// Reports a value that does not fit its place.
fn misfit(
    cx: &mut Cx,
    expr: &Expr,
    scope: &Scope,
    place: &Place,
    wanted: &Ty,
    why: Option<String>,
) -> Expr {
    let declared = place.declared.map(|span| (span, format!("declared `{wanted}` here")));
    if expr.ty.is_nullable() && !wanted.is_nullable() && why.is_none() {
        let inner = expr.ty.non_null();
        if matches!(inner, Ty::Null) || fits(inner, wanted) {
            let needs = match place.name {
                "" => format!("{} is needed here", a(wanted)),
                "a condition" => "a condition is true or false".into(),
                name => format!("{} is never null", ticked(name)),
            };
            null_problem(cx, expr, scope, &needs, (declared, &place.entry()));
            return poison(expr.span);
        }
    }
    let (mut code, found) = described(expr, wanted);
    if why.is_some() {
        code = "E0311";
    }
    let subject = match place.name {
        "" => format!("{} is needed here", a(wanted)),
        "a condition" => "a condition is true or false".into(),
        name => format!("{} is {}", ticked(name), a(wanted)),
    };
    let message = match &why {
        Some(why) => format!("{subject}, and {why}"),
        None if code == "E0309" => rounded(cx, expr, place, wanted),
        None => format!("{subject}, and `{}` is {found}", shown(cx, expr)),
    };
    let mut problem = Problem::error(code, message, expr.span, found);
    if let Some((span, text)) = declared {
        problem = problem.label(span, text);
    }
    let help = place.help.clone().or_else(|| advice(cx, expr, wanted, &place.entry()));
    if let Some(help) = help {
        problem = problem.help(help);
    }
    cx.report(problem);
    poison(expr.span)
}

/// What is wrong with a decimal of too many digits behind the point.
fn rounded(cx: &Cx, expr: &Expr, place: &Place, wanted: &Ty) -> String {
    let scale = |ty: &Ty| match ty.non_null() {
        Ty::Decimal { scale, .. } => *scale,
        _ => 0,
    };
    let (has, holds) = (scale(&expr.ty), scale(wanted));
    let place = match place.name {
        "" => "its place".to_string(),
        name => ticked(name),
    };
    let text = shown(cx, expr);
    format!("`{text}` would be rounded: it has {has} digits behind the point, {place} has {holds}")
}

/// The code of a mismatch and what was found, in words: "a size", "an `int`".
fn described(expr: &Expr, wanted: &Ty) -> (&'static str, String) {
    let quantity = |ty: &Ty| matches!(ty, Ty::Duration | Ty::Size | Ty::Int | Ty::Decimal { .. });
    let (found, wanted) = (expr.ty.non_null(), wanted.non_null());
    if let (Ty::Decimal { .. }, Ty::Decimal { .. }) = (found, wanted) {
        return ("E0309", format!("`{found}`"));
    }
    if matches!(wanted, Ty::Duration | Ty::Size) && quantity(found)
        || matches!(found, Ty::Duration | Ty::Size) && quantity(wanted)
    {
        let plain = matches!(found, Ty::Int | Ty::Decimal { .. });
        let found = if plain { "a plain number".to_string() } else { a(found) };
        return ("E0308", found);
    }
    ("E0311", a(&expr.ty))
}

/// What to write instead, where there is a usual answer.
fn advice(cx: &Cx, expr: &Expr, wanted: &Ty, entry: &str) -> Option<String> {
    let text = shown(cx, expr);
    let (found, wanted) = (expr.ty.non_null(), wanted.non_null());
    let number = |ty: &Ty| matches!(ty, Ty::Int | Ty::Decimal { .. } | Ty::Float);
    Some(match (found, wanted) {
        (Ty::Decimal { .. }, Ty::Decimal { scale, .. }) => {
            format!("say how it is rounded:  {entry}round({text}, {scale})")
        }
        (Ty::Decimal { .. }, Ty::Int) => format!("say how it is rounded:  {entry}floor({text})"),
        (Ty::Int, Ty::Duration) => format!("say the unit:  {text}s"),
        (Ty::Int, Ty::Size) => format!("say the unit:  {text}MiB"),
        (Ty::Text, Ty::Int) if constant_int(expr) => {
            format!("without the quotes:  {}", text.trim_matches('"'))
        }
        (Ty::Text, wanted) if number(wanted) || matches!(wanted, Ty::Bool | Ty::Date) => {
            let function = word(wanted);
            format!(
                "convert it:  {entry}{function}({text})\n\
                 (which can fail, and then needs `errors` or `catch`)"
            )
        }
        (Ty::Text, Ty::Timestamp) => format!(
            "convert it:  {entry}timestamp({text}, format: \"%Y-%m-%d %H:%M\")\n\
             (which can fail, and then needs `errors` or `catch`)"
        ),
        (found, Ty::Text) if number(found) && matches!(expr.kind, ExprKind::Const(_)) => {
            format!("with quotes:  \"{text}\"")
        }
        (Ty::Record(_) | Ty::List(_) | Ty::Map(..) | Ty::Bytes, Ty::Text) => return None,
        (_, Ty::Text) => format!("convert it:  {entry}text({text})"),
        (found, Ty::Float) if number(found) => format!("convert it:  {entry}float({text})"),
        (Ty::Float, Ty::Decimal { precision, scale }) => {
            format!("convert it:  {entry}decimal({text}, {precision}, {scale})")
        }
        (Ty::Float, Ty::Int) => format!("say how it is rounded:  {entry}floor({text})"),
        _ => return None,
    })
}

fn constant_int(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Const(Value::Text(text)) if text.parse::<i64>().is_ok())
}

/// The function that converts to a type.
fn word(ty: &Ty) -> &'static str {
    match ty {
        Ty::Int => "int",
        Ty::Decimal { .. } => "decimal",
        Ty::Float => "float",
        Ty::Bool => "bool",
        _ => "date",
    }
}
