//! Typing of calls: functions of the table, their arguments, the usual mistakes.

use super::cx::Cx;
use super::expr::{self, poison};
use super::expr_fit::{self, digits};
use super::functions::{self, FunctionSpec, Kind, ParamSpec, ResultTy};
use super::scope::Scope;
use super::words::{a, brief, shown};
use super::{fold, suggest, template};
use crate::ast::{self, Arg};
use crate::plan::{Expr, ExprKind};
use crate::problem::Problem;
use crate::span::{Name, Span};
use crate::ty::Ty;
use crate::value::Value;

/// What other languages call them, and what to write here.
const ALIASES: &[(&str, &str)] = &[
    ("len", "length(x)"),
    ("size", "length(x)"),
    ("char_length", "length(x)"),
    ("uppercase", "upper(x)"),
    ("to_upper", "upper(x)"),
    ("lowercase", "lower(x)"),
    ("to_lower", "lower(x)"),
    ("strip", "trim(x)"),
    ("str", "text(x)"),
    ("string", "text(x)"),
    ("to_string", "text(x)"),
    ("integer", "int(x)"),
    ("to_int", "int(x)"),
    ("parse_int", "int(x)"),
    ("number", "decimal(x, 10, 2)"),
    ("numeric", "decimal(x, 10, 2)"),
    ("to_timestamp", "timestamp(x, format: \"%Y-%m-%d\")"),
    ("strptime", "timestamp(x, format: \"%Y-%m-%d\")"),
    ("to_date", "date(x)"),
    ("strftime", "\"{x:%Y-%m-%d}\""),
    ("to_char", "\"{x:%Y-%m-%d}\""),
    ("concat", "\"{a}{b}\""),
    ("coalesce", "a ?? b"),
    ("nvl", "a ?? b"),
    ("ifnull", "a ?? b"),
    ("isnull", "x == null"),
    ("is_null", "x == null"),
    ("current_timestamp", "now()"),
    ("iif", "if cond then a else b"),
];

/// `of(args)`
pub(crate) fn call(
    cx: &mut Cx,
    of: &ast::Expr,
    args: &[Arg],
    span: Span,
    scope: &Scope,
    hint: Option<&Ty>,
) -> Expr {
    match &of.kind {
        ast::ExprKind::Ident(name) => match functions::find(name) {
            Some(spec) => function(cx, spec, args, (of.span, span), scope, hint),
            None => {
                unknown(cx, name, of.span);
                poison(span)
            }
        },
        ast::ExprKind::Get { of: inner, name, .. } => {
            let lambda = |arg: &&Arg| matches!(arg.value.kind, ast::ExprKind::Lambda { .. });
            match args.iter().find(lambda) {
                Some(arg) => expr::check(cx, &arg.value, scope, None),
                None => {
                    method(cx, inner, name, args);
                    poison(span)
                }
            }
        }
        _ => {
            let message = format!("`{}` cannot be called", brief(cx.files.text(of.span)));
            cx.report(Problem::error("E0201", message, of.span, "not a function"));
            poison(span)
        }
    }
}

/// Why a call can fail; `None` where it cannot.
pub(crate) fn fails(name: &str, args: &[Expr]) -> Option<&'static str> {
    let spec = functions::find(name)?;
    let kind = args.first().and_then(|arg| kind_of(&arg.ty));
    let never = kind.is_some_and(|kind| spec.never_fails_for.contains(&kind));
    spec.fails.filter(|_| !never)
}

/// E0201 or E0001: no such function.
fn unknown(cx: &mut Cx, name: &str, span: Span) {
    match name {
        "sum" | "min" | "max" | "avg" | "count" => {
            let help = "aggregate in a query:  query q on table \"\"\"select sum(…) …\"\"\"";
            return cx.unsupported(span, name, help);
        }
        "regex" => {
            let help = "use `contains`, `starts_with`, `ends_with`, `split` or `replace`";
            return cx.unsupported(span, name, help);
        }
        "env" | "file" | "aws_secret" => {
            let message = format!("`{name}(…)` is only for a secret");
            let help = format!("declare it:  secret password = {name}(\"…\")");
            cx.report(Problem::error("E0201", message, span, "not a function").help(help));
            return;
        }
        _ => {}
    }
    let known = cx.decls.consts.contains_key(name) || cx.decls.params.contains_key(name);
    if known {
        let message = format!("`{name}` is a value and takes no arguments");
        let help = format!("write `{name}` alone");
        cx.report(Problem::error("E0201", message, span, "not a function").help(help));
        return;
    }
    let names = functions::FUNCTIONS.iter().map(|function| function.name);
    let lower = name.to_lowercase();
    let alias = ALIASES.iter().find(|(alias, _)| *alias == lower);
    let help = match (alias, suggest::nearest(name, names.clone())) {
        (Some((_, ours)), _) => format!("write `{ours}`"),
        (None, Some(near)) => format!("did you mean `{near}`?"),
        (None, None) => {
            let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
            format!("the functions: {}", names.join(", "))
        }
    };
    let message = format!("there is no function `{name}`");
    cx.report(Problem::error("E0201", message, span, "not a function").help(help));
}

/// `.x.upper()`: functions take the value inside.
fn method(cx: &mut Cx, of: &ast::Expr, name: &Name, args: &[Arg]) {
    let of = brief(cx.files.text(of.span));
    let mut inside = vec![of.clone()];
    inside.extend(args.iter().map(|arg| cx.files.text(arg.value.span).to_string()));
    let message = format!("`{of}` has no function `{}` of its own", name.node);
    let mut problem = Problem::error("E0201", message, name.span, "values have no methods");
    let names = functions::FUNCTIONS.iter().map(|function| function.name);
    let exact = functions::find(&name.node).map(|function| function.name);
    if let Some(function) = exact.or_else(|| suggest::nearest(&name.node, names)) {
        let call = format!("{function}({})", inside.join(", "));
        problem = problem.help(format!("a function takes the value inside:  {call}"));
    }
    cx.report(problem);
}

/// A call of a function of the table. `spans` are its name's and the whole call's.
fn function(
    cx: &mut Cx,
    spec: &'static FunctionSpec,
    args: &[Arg],
    spans: (Span, Span),
    scope: &Scope,
    hint: Option<&Ty>,
) -> Expr {
    let (name_span, span) = spans;
    let Some(placed) = place(cx, spec, args, name_span) else { return poison(span) };
    let mut typed = Vec::new();
    for (param, arg) in spec.params.iter().zip(&placed) {
        typed.push(match arg {
            Some(arg) => argument(cx, spec, param, arg, scope),
            None => default(param, span),
        });
    }
    if typed.iter().any(|arg| arg.ty == Ty::Unknown) || !settings(cx, spec, &typed) {
        return poison(span);
    }
    let given = |at: usize| placed.get(at).is_some_and(Option::is_some);
    let ty = match spec.result {
        ResultTy::Decimal => {
            let ty = match (given(1), given(2), hint.map(Ty::non_null)) {
                (false, false, Some(hint @ Ty::Decimal { .. })) => Some(hint.clone()),
                (true, false, _) => shape(&typed[1], None),
                _ => shape(&typed[1], Some(&typed[2])),
            };
            typed.truncate(1);
            ty
        }
        ResultTy::Rounded => rounded(&typed[0].ty, &typed[1]),
        other => Some(result(other, &typed)),
    };
    let Some(ty) = ty else {
        let message = format!("`{}` is no decimal type", brief(cx.files.text(span)));
        let help = "1 to 38 digits, and at most all of them behind the point: `decimal(x, 10, 2)`";
        cx.report(Problem::error("E0312", message, span, "no such decimal").help(help));
        return poison(span);
    };
    constant(cx, Expr { kind: ExprKind::Call(spec.name, typed), ty, span })
}

/// A call of constants is worked out now, and fails now.
fn constant(cx: &mut Cx, call: Expr) -> Expr {
    let ExprKind::Call(name, args) = &call.kind else { return call };
    let values: Option<Vec<&Value>> = args
        .iter()
        .map(|arg| match &arg.kind {
            ExprKind::Const(value) => Some(value),
            _ => None,
        })
        .collect();
    match values.and_then(|values| fold::call(name, &values, &call.ty)) {
        None => call,
        Some(Ok(value)) => Expr { kind: ExprKind::Const(value), ..call },
        Some(Err(why)) => {
            let message = format!("`{}` always fails: {why}", brief(cx.files.text(call.span)));
            cx.report(Problem::error("E0311", message, call.span, why));
            poison(call.span)
        }
    }
}

/// The arguments at the places of their parameters; `None` = something is wrong, and was said.
fn place<'e>(
    cx: &mut Cx,
    spec: &FunctionSpec,
    args: &'e [Arg],
    name_span: Span,
) -> Option<Vec<Option<&'e ast::Expr>>> {
    let mut placed: Vec<Option<&ast::Expr>> = vec![None; spec.params.len()];
    let (mut next, mut fine) = (0, true);
    for arg in args {
        let at = match &arg.name {
            Some(name) => match spec.params.iter().position(|param| param.name == name.node) {
                Some(at) => at,
                None => {
                    fine = no_argument(cx, spec, name);
                    continue;
                }
            },
            None => {
                next += 1;
                next - 1
            }
        };
        match placed.get_mut(at) {
            Some(slot @ None) => *slot = Some(&arg.value),
            Some(Some(first)) => {
                let first = first.span;
                let message = format!("`{}` is given twice", spec.params[at].name);
                let problem = Problem::error("E0202", message, arg.value.span, "again here");
                cx.report(problem.label(first, "first here"));
                fine = false;
            }
            None => {
                let message = format!("`{}` takes {}", spec.name, count(spec.params.len()));
                let problem = Problem::error("E0203", message, arg.value.span, "one too many");
                cx.report(problem.help(format!("write it like `{}`", signature(spec))));
                return None;
            }
        }
    }
    for (param, slot) in spec.params.iter().zip(&placed) {
        if slot.is_none() && param.default.is_none() && fine {
            let message = format!("`{}` needs its argument `{}`", spec.name, param.name);
            let label = format!("`{}` is missing", param.name);
            let problem = Problem::error("E0204", message, name_span, label);
            cx.report(problem.help(format!("write it like `{}`", spec.example.0)));
            fine = false;
        }
    }
    fine.then_some(placed)
}

/// E0203; always false.
fn no_argument(cx: &mut Cx, spec: &FunctionSpec, name: &Name) -> bool {
    let message = format!("`{}` has no argument `{}`", spec.name, name.node);
    let names = spec.params.iter().map(|param| param.name);
    let help = match suggest::nearest(&name.node, names) {
        Some(near) => format!("did you mean `{near}:`?"),
        None => format!("it is `{}`", signature(spec)),
    };
    cx.report(Problem::error("E0203", message, name.span, "not one of its arguments").help(help));
    false
}

fn count(params: usize) -> String {
    match params {
        0 => "no argument".into(),
        1 => "one argument".into(),
        many => format!("at most {many} arguments"),
    }
}

/// `round(x, digits: 0)`
fn signature(spec: &FunctionSpec) -> String {
    let param = |param: &ParamSpec| match param.default {
        Some(default) => format!("{}: {default}", param.name),
        None => param.name.to_string(),
    };
    let params: Vec<String> = spec.params.iter().map(param).collect();
    format!("{}({})", spec.name, params.join(", "))
}

/// One argument, of a kind that the parameter takes and not null.
fn argument(
    cx: &mut Cx,
    spec: &FunctionSpec,
    param: &ParamSpec,
    arg: &ast::Expr,
    scope: &Scope,
) -> Expr {
    let typed = expr::check(cx, arg, scope, None);
    let typed = expr_fit::present(cx, typed, scope, spec.name);
    if typed.ty == Ty::Unknown {
        return typed;
    }
    let kind = kind_of(&typed.ty);
    let any = param.accepts.contains(&Kind::Any) && template::printable(&typed.ty);
    let exact = kind.is_some_and(|kind| param.accepts.contains(&kind));
    if !any && !exact {
        mistyped(cx, spec, param, &typed);
        return poison(typed.span);
    }
    if param.constant && !matches!(typed.kind, ExprKind::Const(_)) {
        let message = format!("`{}` of `{}` must be known before the run", param.name, spec.name);
        let problem = Problem::error("E0313", message, typed.span, "differs between records");
        cx.report(problem.help("write a literal, a const or a param"));
        return poison(typed.span);
    }
    if let Ty::Literal(_) = typed.ty {
        return expr_fit::cast(typed, &Ty::Text);
    }
    typed
}

/// E0311: an argument of a kind that the function does not take.
fn mistyped(cx: &mut Cx, spec: &FunctionSpec, param: &ParamSpec, found: &Expr) {
    let kinds: Vec<String> = param.accepts.iter().map(|kind| kind_word(*kind).into()).collect();
    let takes = match kinds.as_slice() {
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
        [] => String::new(),
    };
    let text = shown(cx, found);
    let message = format!("`{}` takes {takes}, and `{text}` is {}", spec.name, a(&found.ty));
    let problem = Problem::error("E0311", message, found.span, a(&found.ty));
    let help = if spec.name == kind_name(&found.ty) {
        Some(format!("it is one already:  {text}"))
    } else if param.accepts.contains(&Kind::Text) && template::printable(&found.ty) {
        Some(format!("convert it:  text({text})"))
    } else if param.accepts.contains(&Kind::Int) && found.ty == Ty::Text {
        Some(format!("convert it:  int({text})"))
    } else if param.accepts.contains(&Kind::Decimal) && found.ty == Ty::Text {
        Some(format!("convert it:  decimal({text}, 10, 2)"))
    } else if found.ty == Ty::Int {
        Some(format!("an `int` has no fraction:  {text}"))
    } else {
        None
    };
    cx.report(match help {
        Some(help) => problem.help(help),
        None => problem,
    });
}

/// A default as a constant.
fn default(param: &ParamSpec, span: Span) -> Expr {
    let text = param.default.unwrap_or_default();
    let value = match text.parse::<i64>() {
        Ok(int) => Value::Int(int),
        Err(_) => Value::Text(text.trim_matches('"').to_string()),
    };
    Expr { ty: expr::literal_ty(&value), kind: ExprKind::Const(value), span }
}

/// Checks formats and time zones; false where one is wrong, which is reported.
fn settings(cx: &mut Cx, spec: &FunctionSpec, args: &[Expr]) -> bool {
    let mut fine = true;
    for (param, arg) in spec.params.iter().zip(args) {
        let ExprKind::Const(Value::Text(text)) = &arg.kind else { continue };
        if param.name == "format" && text != "rfc3339" && !template::is_strftime(text) {
            let message = format!("`{text}` is not a strftime format");
            let help = "write it like \"%Y-%m-%d %H:%M:%S\" or \"%m/%d/%Y %H:%M\"";
            cx.report(Problem::error("E0311", message, arg.span, "not a format").help(help));
            fine = false;
        }
        if param.name == "zone" && text.parse::<chrono_tz::Tz>().is_err() {
            let message = format!("there is no time zone `{text}`");
            let zones = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
            let help = match suggest::nearest(text, zones) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "write it like \"UTC\" or \"Europe/London\"".into(),
            };
            cx.report(Problem::error("E0311", message, arg.span, "not a time zone").help(help));
            fine = false;
        }
    }
    fine
}

fn shape(precision: &Expr, scale: Option<&Expr>) -> Option<Ty> {
    let int = |expr: &Expr| match expr.kind {
        ExprKind::Const(Value::Int(int)) => Some(int),
        _ => None,
    };
    let precision = int(precision)?;
    let scale = scale.map_or(Some(0), int)?;
    let fine = (1..=38).contains(&precision) && (0..=precision).contains(&scale);
    fine.then_some(Ty::Decimal { precision: precision as u8, scale: scale as u8 })
}

fn rounded(ty: &Ty, places: &Expr) -> Option<Ty> {
    let ExprKind::Const(Value::Int(places)) = places.kind else { return None };
    if *ty == Ty::Float {
        return Some(Ty::Float);
    }
    let (precision, scale) = digits(ty);
    let behind = u8::try_from(places.max(0)).ok().filter(|behind| *behind <= 38)?;
    if behind >= scale {
        return Some(ty.clone());
    }
    let precision = (precision - scale + behind + 1).min(38);
    Some(Ty::Decimal { precision, scale: behind })
}

fn result(result: ResultTy, args: &[Expr]) -> Ty {
    match result {
        ResultTy::Text => Ty::Text,
        ResultTy::Int => Ty::Int,
        ResultTy::Float => Ty::Float,
        ResultTy::Bool => Ty::Bool,
        ResultTy::Timestamp => Ty::Timestamp,
        ResultTy::Date => Ty::Date,
        ResultTy::Uuid => Ty::Uuid,
        ResultTy::Url => Ty::Url,
        ResultTy::Texts => Ty::List(Box::new(Ty::Text)),
        ResultTy::Same | ResultTy::Rounded | ResultTy::Decimal => args[0].ty.clone(),
    }
}

/// The kind of a type; `None` for those that no function takes by kind.
pub(crate) fn kind_of(ty: &Ty) -> Option<Kind> {
    Some(match ty.non_null() {
        Ty::Text | Ty::Literal(_) => Kind::Text,
        Ty::Int => Kind::Int,
        Ty::Decimal { .. } => Kind::Decimal,
        Ty::Float => Kind::Float,
        Ty::Bool => Kind::Bool,
        Ty::Timestamp => Kind::Timestamp,
        Ty::Date => Kind::Date,
        Ty::Bytes => Kind::Bytes,
        Ty::List(_) => Kind::List,
        _ => return None,
    })
}

fn kind_name(ty: &Ty) -> &'static str {
    match kind_of(ty) {
        Some(Kind::Text) => "text",
        Some(Kind::Int) => "int",
        Some(Kind::Decimal) => "decimal",
        Some(Kind::Float) => "float",
        Some(Kind::Bool) => "bool",
        Some(Kind::Timestamp) => "timestamp",
        Some(Kind::Date) => "date",
        _ => "",
    }
}

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Any => "a value with a text form",
        Kind::Text => "a text",
        Kind::Int => "an int",
        Kind::Decimal => "a decimal",
        Kind::Float => "a float",
        Kind::Bool => "a bool",
        Kind::Timestamp => "a timestamp",
        Kind::Date => "a date",
        Kind::Bytes => "bytes",
        Kind::List => "a list",
    }
}
