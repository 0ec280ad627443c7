//! Options in parentheses, of nodes and of bindings: names, units, ranges, defaults.

use super::consts;
use super::cx::Cx;
use super::expr_fit::Place;
use super::scope::Scope;
use super::{decls, suggest, template};
use crate::ast::{Arg, Expr, ExprKind};
use crate::plan;
use crate::problem::Problem;
use crate::quotas;
use crate::span::Span;
use crate::spec::{OptionSpec, OptionTy};
use crate::ty::Ty;
use crate::value::{Value, duration_text, size_text};
use std::collections::BTreeMap;

/// Who takes the options.
#[derive(Clone, Copy)]
pub(crate) struct Owner<'o> {
    /// Its words: `csv.decode`.
    pub name: &'o str,
    /// Where they stand.
    pub span: Span,
    /// The options it takes.
    pub options: &'o [OptionSpec],
    /// Options whose range is a limit of the provider: the option and the limit's id.
    pub limits: &'o [(&'o str, &'o str)],
}

/// Options that were given or have a default.
#[derive(Default)]
pub(crate) struct Given {
    /// Those that are known before the run.
    pub values: BTreeMap<String, Value>,
    /// Those with holes that are filled at run time.
    pub templates: BTreeMap<String, plan::Expr>,
    /// Where each given one was written.
    pub spans: BTreeMap<String, Span>,
}

/// Checks the arguments of `owner`; what is wrong is reported and left out.
pub(crate) fn check(cx: &mut Cx, owner: Owner, args: Option<&[Arg]>, scope: &Scope) -> Given {
    let mut given = Given::default();
    let mut unnamed = owner.options.iter().filter(|option| option.positional);
    for arg in args.unwrap_or_default() {
        let option = match &arg.name {
            Some(name) => owner.options.iter().find(|option| option.name == name.node),
            None => unnamed.next(),
        };
        let Some(option) = option else {
            if let Some(meant) = unknown(cx, owner, arg) {
                // It was meant to be given: that it is missing is not said too.
                given.spans.entry(meant.into()).or_insert(arg.value.span);
            }
            continue;
        };
        let span = arg.name.as_ref().map_or(arg.value.span, |name| name.span);
        if let Some(first) = given.spans.insert(option.name.into(), arg.value.span) {
            let name = crate::span::Spanned { node: option.name.to_string(), span };
            decls::duplicate(cx, &name, first);
        } else if option.ty == OptionTy::Template {
            let typed = templated(cx, option, &arg.value, scope);
            given.templates.insert(option.name.into(), typed);
        } else if let Some(value) = constant(cx, owner, option, &arg.value, scope) {
            given.values.insert(option.name.into(), value);
        }
    }
    fill(cx, owner, &mut given);
    given
}

/// Adds defaults; reports what must be given and is not (E0204).
fn fill(cx: &mut Cx, owner: Owner, given: &mut Given) {
    for option in owner.options {
        if given.spans.contains_key(option.name) {
            continue;
        }
        if let Some(text) = option.default {
            given.values.insert(option.name.into(), literal(option, text));
        } else if option.required {
            let message = format!("`{}` needs `{}`", owner.name, option.name);
            let label = format!(
                "`{}` is missing: {}",
                option.name,
                lower(option.doc).trim_end_matches('.')
            );
            let help = format!("write `{}({})`", owner.name, option.example);
            cx.report(Problem::error("E0204", message, owner.span, label).help(help));
        }
    }
}

/// E0203; gives the option that was perhaps meant.
fn unknown(cx: &mut Cx, owner: Owner, arg: &Arg) -> Option<&'static str> {
    let all: Vec<String> = owner
        .options
        .iter()
        .map(|option| format!("`{}: {}`", option.name, ty_word(option.ty)))
        .collect();
    let all = match all.is_empty() {
        true => format!("`{}` takes no options", owner.name),
        false => format!("its options: {}", all.join(", ")),
    };
    let Some(name) = &arg.name else {
        let message = format!("`{}` takes no such argument without a name", owner.name);
        let label = "which option is this?";
        cx.report(Problem::error("E0203", message, arg.value.span, label).help(all));
        return None;
    };
    let near = suggest::nearest(&name.node, owner.options.iter().map(|option| option.name));
    let help = match near {
        Some(near) => format!("did you mean `{near}`?\n{all}"),
        None => all,
    };
    let message = format!("`{}` has no option `{}`", owner.name, name.node);
    let label = format!("not an option of `{}`", owner.name);
    let problem = Problem::error("E0203", message, name.span, label);
    cx.report(problem.label(owner.span, "of this").help(help));
    owner.options.iter().map(|option| option.name).find(|option| suggest::near(option, &name.node))
}

/// A text with holes for each batch, or a constant text.
fn templated(cx: &mut Cx, option: &OptionSpec, value: &Expr, scope: &Scope) -> plan::Expr {
    let typed = template::check_name(cx, value, scope);
    template::for_batch(cx, option.name, &typed);
    typed
}

/// The value of an option that is known before the run.
fn constant(
    cx: &mut Cx,
    owner: Owner,
    option: &OptionSpec,
    value: &Expr,
    scope: &Scope,
) -> Option<Value> {
    let fixed = Scope { record: None, batch: false, ..scope.clone() };
    if let ExprKind::Literal(literal) = &value.kind
        && !is_a(option.ty, literal)
    {
        wrong_unit(cx, option, value.span, literal, advice(owner, option));
        return None;
    }
    let ty = value_ty(option.ty);
    let help = Some(advice(owner, option));
    let place = Place { ty: Some(&ty), name: option.name, help, ..Place::default() };
    let (found, _) = consts::value_for(cx, value, &fixed, &place)?;
    match option.ty {
        OptionTy::Choice(choices) => choice(cx, option, value.span, choices, found),
        _ => ranged(cx, option, value.span, found),
    }
}

/// E0308
fn wrong_unit(cx: &mut Cx, option: &OptionSpec, span: Span, value: &Value, help: String) {
    let written = cx.files.text(span).to_string();
    let (is, found) = (ty_words(option.ty), value_words(value));
    let message = format!("`{}` is {is}, and `{written}` is {found}", option.name);
    let problem = Problem::error("E0308", message, span, found);
    cx.report(problem.help(help));
}

fn advice(owner: Owner, option: &OptionSpec) -> String {
    let limit = owner.limits.iter().find(|(name, _)| *name == option.name);
    let limit = limit.map(|(_, id)| {
        let (min, max) = quotas::aws().limit(id).range();
        format!("{} to {}", unit_text(option.ty, min), unit_text(option.ty, max))
    });
    let range = range_text(option).or(limit).map_or(String::new(), |range| format!(" ({range})"));
    format!("write `{}`: {}{range}", option.example, lower(option.doc).trim_end_matches('.'))
}

/// E0308: none of the choices.
fn choice(
    cx: &mut Cx,
    option: &OptionSpec,
    span: Span,
    choices: &[&'static str],
    found: Value,
) -> Option<Value> {
    let text = found.as_text().unwrap_or_default();
    if choices.contains(&text) {
        return Some(found);
    }
    let all: Vec<String> = choices.iter().map(|choice| format!("\"{choice}\"")).collect();
    let all = format!("one of {}", all.join(", "));
    let near = suggest::nearest(text, choices.iter().copied());
    let near = near.map_or(String::new(), |near| format!("did you mean \"{near}\"? "));
    let message = format!("`{}` is {all}", option.name);
    let problem = Problem::error("E0308", message, span, "none of them");
    cx.report(problem.help(format!("{near}write `{}`", option.example)));
    None
}

/// E0308: out of its range.
fn ranged(cx: &mut Cx, option: &OptionSpec, span: Span, found: Value) -> Option<Value> {
    let number = match &found {
        Value::Int(int) => *int,
        Value::Size(bytes) => i64::try_from(*bytes).unwrap_or(i64::MAX),
        Value::Duration(ns) => *ns,
        _ => return Some(found),
    };
    let Some((min, max)) = option.range else { return Some(found) };
    if (min..=max).contains(&number) {
        return Some(found);
    }
    let range = range_text(option).unwrap_or_default();
    let nearest = unit_text(option.ty, number.clamp(min, max));
    let message = format!("`{}` takes {range}, not {found}", option.name);
    let problem = Problem::error("E0308", message, span, "out of range");
    cx.report(problem.help(format!("use `{}: {nearest}`", option.name)));
    None
}

fn range_text(option: &OptionSpec) -> Option<String> {
    let (min, max) = option.range?;
    Some(format!("{} to {}", unit_text(option.ty, min), unit_text(option.ty, max)))
}

/// A number in the unit of an option: bytes as `5MiB`, nanoseconds as `5s`.
pub(crate) fn unit_text(ty: OptionTy, number: i64) -> String {
    match ty {
        OptionTy::Size => size_text(number.max(0) as u64),
        OptionTy::Duration => duration_text(number),
        _ => number.to_string(),
    }
}

fn is_a(ty: OptionTy, value: &Value) -> bool {
    match ty {
        OptionTy::Text | OptionTy::Choice(_) | OptionTy::Path | OptionTy::Template => {
            matches!(value, Value::Text(_))
        }
        OptionTy::Int => matches!(value, Value::Int(_)),
        OptionTy::Size => matches!(value, Value::Size(_)),
        OptionTy::Duration => matches!(value, Value::Duration(_)),
        OptionTy::Bool => matches!(value, Value::Bool(_)),
    }
}

fn value_ty(ty: OptionTy) -> Ty {
    match ty {
        OptionTy::Text | OptionTy::Choice(_) | OptionTy::Template => Ty::Text,
        OptionTy::Int => Ty::Int,
        OptionTy::Size => Ty::Size,
        OptionTy::Duration => Ty::Duration,
        OptionTy::Bool => Ty::Bool,
        OptionTy::Path => Ty::Path,
    }
}

fn ty_word(ty: OptionTy) -> &'static str {
    match ty {
        OptionTy::Text | OptionTy::Choice(_) | OptionTy::Template => "text",
        OptionTy::Int => "int",
        OptionTy::Size => "size",
        OptionTy::Duration => "duration",
        OptionTy::Bool => "bool",
        OptionTy::Path => "path",
    }
}

fn ty_words(ty: OptionTy) -> &'static str {
    match ty {
        OptionTy::Int => "a whole number",
        OptionTy::Size => "a size",
        OptionTy::Duration => "a duration",
        OptionTy::Bool => "true or false",
        OptionTy::Path => "a path",
        _ => "text",
    }
}

fn value_words(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Int(_) => "a number without a unit",
        Value::Decimal { .. } | Value::Float(_) => "a number with a point",
        Value::Text(_) => "text",
        Value::Size(_) => "a size",
        Value::Duration(_) => "a duration",
        _ => "another kind of value",
    }
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_lowercase().to_string()).unwrap_or_default();
    format!("{first}{}", chars.as_str())
}

/// The value of a default as the spec writes it.
///
/// # Panics
/// When it is not of the option's type: specs are code, and the tests read every default.
pub(crate) fn literal(option: &OptionSpec, text: &str) -> Value {
    let value = match option.ty {
        OptionTy::Bool => text.parse().ok().map(Value::Bool),
        OptionTy::Int => text.parse().ok().map(Value::Int),
        OptionTy::Size => {
            quantity(text, &SIZES).and_then(|n| u64::try_from(n).ok()).map(Value::Size)
        }
        OptionTy::Duration => quantity(text, &DURATIONS).map(Value::Duration),
        _ => quoted(text).map(Value::Text),
    };
    value.unwrap_or_else(|| panic!("`{text}` is no default of `{}`", option.name))
}

const SIZES: [(&str, i64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

const DURATIONS: [(&str, i64); 6] = [
    ("us", 1_000),
    ("ms", 1_000_000),
    ("min", 60_000_000_000),
    ("s", 1_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

fn quantity(text: &str, units: &[(&str, i64)]) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<i64>().ok()?.checked_mul(*factor)
}

fn quoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let escapes = [("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r"), ("\\\"", "\""), ("\\\\", "\\")];
    Some(escapes.iter().fold(inner.to_string(), |text, (from, to)| text.replace(from, to)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::OPTION;

    #[test]
    fn defaults_are_read_as_they_are_written() {
        let read = |ty, text| literal(&OptionSpec { ty, ..OPTION }, text);
        assert_eq!(read(OptionTy::Size, "5MiB"), Value::Size(5 << 20));
        assert_eq!(read(OptionTy::Duration, "5min"), Value::Duration(300_000_000_000));
        assert_eq!(read(OptionTy::Text, "\"\\n\""), Value::Text("\n".into()));
        assert_eq!(read(OptionTy::Bool, "false"), Value::Bool(false));
        assert_eq!(read(OptionTy::Int, "500"), Value::Int(500));
    }

    #[test]
    fn ranges_are_said_in_their_unit() {
        let range = Some((0, 900_000_000_000));
        let option = OptionSpec { ty: OptionTy::Duration, range, ..OPTION };
        assert_eq!(range_text(&option).as_deref(), Some("0s to 15min"));
    }
}
