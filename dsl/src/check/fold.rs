//! Constants: conversion to the wanted type, and expressions of constants worked out now. What
//! would overflow or fail stays as it is; the run says so.

use super::cx::Cx;
use crate::percent::push_encoded;
use crate::plan::{BinaryOp, Entry, Expr, ExprKind, TemplatePart};
use crate::span::Span;
use crate::ty::Ty;
use crate::value::{Value, decimal_text, duration_text, timestamp_text};
use std::cmp::Ordering;

/// A constant as the wanted type. `Ok(None)` = no conversion of constants applies (a cast may);
/// `Err` = it can never be one, and why (completes "…, and").
pub(crate) fn converted(
    cx: &Cx,
    value: &Value,
    expr: &Expr,
    wanted: &Ty,
) -> Result<Option<Value>, String> {
    if expr.ty == *wanted {
        return Ok(Some(value.clone()));
    }
    let shown = || format!("`{value}`");
    match (value, wanted) {
        (Value::Null, wanted) => Ok(wanted.is_nullable().then_some(Value::Null)),
        (value, Ty::Nullable(inner)) => converted(cx, value, expr, inner),
        (Value::Int(_) | Value::Decimal { .. }, Ty::Decimal { scale, .. }) => {
            match rescaled(value, wanted) {
                Some(value) => Ok(Some(value)),
                None if digits_behind(value) > *scale => Ok(None),
                None => Err(format!("{} has too many digits for it", shown())),
            }
        }
        (Value::Text(_), Ty::Text) => Ok(Some(value.clone())),
        (Value::Text(text), Ty::Path) => Ok(Some(Value::Text(beside(cx, expr.span, text)))),
        (Value::Text(text), Ty::Url) => match is_url(text) {
            true => Ok(Some(value.clone())),
            false => Err(format!("{} is no absolute URL", shown())),
        },
        (Value::Text(text), Ty::Uuid) => match is_uuid(text) {
            true => Ok(Some(value.clone())),
            false => Err(format!("{} is no UUID", shown())),
        },
        (Value::Text(text), Ty::Literal(wanted)) if text == wanted => Ok(Some(value.clone())),
        (Value::List(items), Ty::List(inner)) => {
            let item = |item: &Value| {
                let kind = ExprKind::Const(item.clone());
                let ty = super::expr::literal_ty(item);
                converted(cx, item, &Expr { kind, ty, span: expr.span }, inner)
            };
            let items: Result<Vec<_>, _> = items.iter().map(item).collect();
            Ok(items?.into_iter().collect::<Option<Vec<_>>>().map(Value::List))
        }
        _ => Ok(None),
    }
}

/// A number at the scale of a decimal type, without rounding; `None` where it does not fit.
pub(crate) fn rescaled(value: &Value, wanted: &Ty) -> Option<Value> {
    let Ty::Decimal { precision, scale } = wanted.non_null() else {
        // T to T? and a literal to text change nothing of the value.
        let same = matches!(wanted, Ty::Nullable(_) | Ty::Text) && !matches!(value, Value::Int(_));
        return same.then(|| value.clone());
    };
    let unscaled = at_scale(value, *scale)?;
    let digits = unscaled.unsigned_abs().checked_ilog10().map_or(1, |log| log + 1);
    (digits <= u32::from(*precision)).then_some(Value::Decimal { unscaled, scale: *scale })
}

/// The digits of a number at a scale; `None` where digits would be lost.
fn at_scale(value: &Value, scale: u8) -> Option<i128> {
    let (unscaled, own) = match value {
        Value::Int(int) => (i128::from(*int), 0),
        Value::Decimal { unscaled, scale } => (*unscaled, *scale),
        _ => return None,
    };
    if own <= scale {
        return unscaled.checked_mul(10_i128.checked_pow(u32::from(scale - own))?);
    }
    let power = 10_i128.checked_pow(u32::from(own - scale))?;
    (unscaled % power == 0).then_some(unscaled / power)
}

/// Digits behind the point that count (trailing zeros do not).
fn digits_behind(value: &Value) -> u8 {
    match value {
        Value::Decimal { scale, .. } => {
            (0..=*scale).find(|fewer| at_scale(value, *fewer).is_some()).unwrap_or(*scale)
        }
        _ => 0,
    }
}

/// A path that was written in a file, relative to the current directory.
pub(crate) fn beside(cx: &Cx, span: Span, path: &str) -> String {
    let file = &cx.files.file(span.file).path;
    let Some((directory, _)) = file.rsplit_once('/') else { return path.to_string() };
    if path.starts_with('/') || path.is_empty() {
        return path.to_string();
    }
    let root = if file.starts_with('/') { "/" } else { "" };
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let joined = format!("{root}{}", parts.join("/"));
    if joined.is_empty() { ".".into() } else { joined }
}

/// True for `scheme://host…`.
pub(crate) fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, rest)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|each| each.is_ascii_alphanumeric() || "+-.".contains(each))
            && !rest.is_empty()
            && (!rest.starts_with('/') || scheme == "file")
            && !text.bytes().any(|byte| byte <= b' ' || byte == 0x7F)
    })
}

/// True for 8-4-4-4-12 hexadecimal digits.
pub(crate) fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| part.chars().all(|each| each.is_ascii_hexdigit()))
}

/// An expression, worked out when all it is made of is constant and nothing goes wrong.
pub(crate) fn step(expr: Expr) -> Expr {
    if let ExprKind::Get(of, name) = &expr.kind
        && let ExprKind::Record(entries) = &of.kind
    {
        let found = entries.iter().find_map(|entry| match entry {
            Entry::Named(field, value) if field == name => Some(value.clone()),
            _ => None,
        });
        return found.map_or(expr.clone(), |value| Expr { span: expr.span, ..value });
    }
    let value = match &expr.kind {
        ExprKind::Neg(inner) => constant(inner).and_then(negated),
        ExprKind::Not(inner) => {
            constant(inner).and_then(Value::as_bool).map(|bool| Value::Bool(!bool))
        }
        ExprKind::IsNull(inner) => constant(inner).map(|value| Value::Bool(*value == Value::Null)),
        ExprKind::Binary(op, left, right) => match (constant(left), constant(right)) {
            (Some(left), Some(right)) => binary(*op, left, right, &expr.ty),
            _ => None,
        },
        ExprKind::Coalesce(left, right) => match (constant(left), constant(right)) {
            (Some(Value::Null), Some(right)) => Some(right.clone()),
            (Some(left), Some(_)) => Some(left.clone()),
            _ => None,
        },
        ExprKind::If(cond, then, other) => match constant(cond).and_then(Value::as_bool) {
            Some(true) => constant(then).cloned(),
            Some(false) => constant(other).cloned(),
            None => None,
        },
        ExprKind::Template(parts) => template(parts),
        _ => None,
    };
    match value {
        Some(value) => Expr { kind: ExprKind::Const(value), ..expr },
        None => expr,
    }
}

fn constant(expr: &Expr) -> Option<&Value> {
    match &expr.kind {
        ExprKind::Const(value) => Some(value),
        _ => None,
    }
}

fn negated(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Int(int) => Value::Int(int.checked_neg()?),
        Value::Decimal { unscaled, scale } => {
            Value::Decimal { unscaled: unscaled.checked_neg()?, scale: *scale }
        }
        Value::Float(float) => Value::Float(-float),
        Value::Duration(ns) => Value::Duration(ns.checked_neg()?),
        _ => return None,
    })
}

fn binary(op: BinaryOp, left: &Value, right: &Value, ty: &Ty) -> Option<Value> {
    use BinaryOp::*;
    match op {
        And => Some(Value::Bool(left.as_bool()? && right.as_bool()?)),
        Or => Some(Value::Bool(left.as_bool()? || right.as_bool()?)),
        Eq => Some(Value::Bool(compared(left, right)? == Ordering::Equal)),
        Ne => Some(Value::Bool(compared(left, right)? != Ordering::Equal)),
        Lt => Some(Value::Bool(compared(left, right)? == Ordering::Less)),
        Le => Some(Value::Bool(compared(left, right)? != Ordering::Greater)),
        Gt => Some(Value::Bool(compared(left, right)? == Ordering::Greater)),
        Ge => Some(Value::Bool(compared(left, right)? != Ordering::Less)),
        Add | Sub | Mul => arithmetic(op, left, right, ty),
        Div => divided(left, right, ty),
        Rem => match (left, right, ty) {
            (Value::Int(left), Value::Int(right), Ty::Int) => {
                Some(Value::Int(left.checked_rem(*right)?))
            }
            (left, right, Ty::Decimal { scale, .. }) => {
                let unscaled = at_scale(left, *scale)?.checked_rem(at_scale(right, *scale)?)?;
                Some(Value::Decimal { unscaled, scale: *scale })
            }
            _ => None,
        },
    }
}

/// A quotient of decimals, rounded half away from zero.
fn divided(left: &Value, right: &Value, ty: &Ty) -> Option<Value> {
    let Ty::Decimal { scale, .. } = ty else { return None };
    let (left_scale, right_scale) = (scale_of(left), scale_of(right));
    let grown = u32::from(*scale + right_scale - left_scale);
    let dividend = at_scale(left, left_scale)?.checked_mul(10_i128.checked_pow(grown)?)?;
    let divisor = at_scale(right, right_scale)?;
    let (quotient, rest) = (dividend.checked_div(divisor)?, dividend.checked_rem(divisor)?);
    let up = rest.unsigned_abs() >= divisor.unsigned_abs() - rest.unsigned_abs();
    let away = if (dividend < 0) == (divisor < 0) { 1 } else { -1 };
    let unscaled = quotient.checked_add(if up { away } else { 0 })?;
    rescaled(&Value::Decimal { unscaled, scale: *scale }, ty)
}

/// Order of two constants of one type; `None` = not comparable here.
fn compared(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Int(_) | Value::Decimal { .. }, Value::Int(_) | Value::Decimal { .. }) => {
            let scale = digits_behind(left).max(digits_behind(right));
            Some(at_scale(left, scale)?.cmp(&at_scale(right, scale)?))
        }
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Timestamp(left), Value::Timestamp(right))
        | (Value::Duration(left), Value::Duration(right)) => Some(left.cmp(right)),
        (Value::Date(left), Value::Date(right)) => Some(left.cmp(right)),
        (Value::Size(left), Value::Size(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

fn arithmetic(op: BinaryOp, left: &Value, right: &Value, ty: &Ty) -> Option<Value> {
    let int = |left: i64, right: i64| match op {
        BinaryOp::Add => left.checked_add(right),
        BinaryOp::Sub => left.checked_sub(right),
        _ => left.checked_mul(right),
    };
    match (left, right, ty) {
        (Value::Int(left), Value::Int(right), Ty::Int) => Some(Value::Int(int(*left, *right)?)),
        (left, right, Ty::Decimal { scale, .. }) => {
            let unscaled = match op {
                BinaryOp::Mul => {
                    let (left_scale, right_scale) = (scale_of(left), scale_of(right));
                    at_scale(left, left_scale)?.checked_mul(at_scale(right, right_scale)?)?
                }
                BinaryOp::Add => at_scale(left, *scale)?.checked_add(at_scale(right, *scale)?)?,
                _ => at_scale(left, *scale)?.checked_sub(at_scale(right, *scale)?)?,
            };
            rescaled(&Value::Decimal { unscaled, scale: *scale }, ty)
        }
        (Value::Timestamp(left), Value::Timestamp(right), Ty::Duration) => {
            Some(Value::Duration(int(*left, *right)?))
        }
        (Value::Timestamp(left), Value::Duration(right), _) => {
            Some(Value::Timestamp(int(*left, *right)?))
        }
        (Value::Duration(left), Value::Duration(right), _) => {
            Some(Value::Duration(int(*left, *right)?))
        }
        (Value::Size(left), Value::Size(right), _) => match op {
            BinaryOp::Add => left.checked_add(*right).map(Value::Size),
            _ => left.checked_sub(*right).map(Value::Size),
        },
        _ => None,
    }
}

fn scale_of(value: &Value) -> u8 {
    match value {
        Value::Decimal { scale, .. } => *scale,
        _ => 0,
    }
}

/// A text of constants.
fn template(parts: &[TemplatePart]) -> Option<Value> {
    let mut text = String::new();
    for part in parts {
        match part {
            TemplatePart::Text(part) => text.push_str(part),
            TemplatePart::Hole(hole, None) => text.push_str(&printed(constant(hole)?)?),
            TemplatePart::Hole(hole, Some(format)) => {
                text.push_str(&formatted(constant(hole)?, format)?);
            }
            TemplatePart::Encoded(hole) => push_encoded(&mut text, &printed(constant(hole)?)?),
        }
    }
    Some(Value::Text(text))
}

/// A value as a hole prints it; `None` for what has no text form.
pub(crate) fn printed(value: &Value) -> Option<String> {
    Some(match value {
        Value::Bool(bool) => bool.to_string(),
        Value::Int(int) => int.to_string(),
        Value::Decimal { unscaled, scale } => decimal_text(*unscaled, *scale),
        Value::Text(text) => text.clone(),
        Value::Timestamp(ns) => timestamp_text(*ns),
        Value::Date(days) => day(*days)?.to_string(),
        Value::Duration(ns) => duration_text(*ns),
        Value::Size(bytes) => bytes.to_string(),
        // The text of a float is the kernels' to make.
        Value::Float(_) | Value::Null | Value::List(_) | Value::Record(_) => return None,
    })
}

fn formatted(value: &Value, format: &str) -> Option<String> {
    match value {
        Value::Timestamp(ns) => {
            let time = chrono::DateTime::from_timestamp_nanos(*ns);
            Some(time.format(format).to_string())
        }
        Value::Date(days) => Some(day(*days)?.format(format).to_string()),
        _ => None,
    }
}

fn day(days: i32) -> Option<chrono::NaiveDate> {
    chrono::NaiveDate::from_num_days_from_ce_opt(days.checked_add(EPOCH_DAYS)?)
}

/// Days from the first day of the Common Era to 1970-01-01.
const EPOCH_DAYS: i32 = 719_163;

/// A call of constants. `None` = left to the run; `Err` = it fails, and why.
pub(crate) fn call(name: &str, args: &[&Value], ty: &Ty) -> Option<Result<Value, String>> {
    let text = args.first().copied().and_then(Value::as_text);
    let part = args.get(1).copied().and_then(Value::as_text);
    let fails = |value: Option<Value>, why: &str| Some(value.ok_or_else(|| why.to_string()));
    match (name, text) {
        ("upper", Some(text)) => Some(Ok(Value::Text(text.to_uppercase()))),
        ("lower", Some(text)) => Some(Ok(Value::Text(text.to_lowercase()))),
        ("trim", Some(text)) => Some(Ok(Value::Text(text.trim().to_string()))),
        ("length", Some(text)) => Some(Ok(Value::Int(text.chars().count() as i64))),
        ("contains", Some(text)) => Some(Ok(Value::Bool(text.contains(part?)))),
        ("starts_with", Some(text)) => Some(Ok(Value::Bool(text.starts_with(part?)))),
        ("ends_with", Some(text)) => Some(Ok(Value::Bool(text.ends_with(part?)))),
        ("text", _) => Some(Ok(Value::Text(printed(args.first()?)?))),
        ("int", Some(text)) => {
            fails(text.parse().ok().map(Value::Int), "not a whole number of 64 bits")
        }
        ("int", None) => match at_scale(args.first()?, 0) {
            Some(int) => fails(i64::try_from(int).ok().map(Value::Int), "more than 64 bits"),
            None if scale_of(args[0]) > 0 => Some(Err("it has a fraction".into())),
            None => None,
        },
        ("decimal", Some(text)) => {
            let number = parse_decimal(text).and_then(|value| rescaled(&value, ty));
            fails(number, &format!("not a `{ty}`"))
        }
        ("decimal", None) if !matches!(args[0], Value::Float(_)) => {
            fails(rescaled(args[0], ty), &format!("not a `{ty}`"))
        }
        ("float", Some(text)) => fails(parse_float(text).map(Value::Float), "not a number"),
        ("float", None) => {
            let float = parse_float(&printed(args.first()?)?).map(Value::Float);
            fails(float, "not a number")
        }
        ("bool", Some(text)) => fails(parse_bool(text).map(Value::Bool), "neither true nor false"),
        ("timestamp", Some(text)) => {
            let zone = args.get(2).copied().and_then(Value::as_text)?;
            let why = format!("not a timestamp of the format `{}`", part?);
            fails(parse_timestamp(text, part?, zone).map(Value::Timestamp), &why)
        }
        ("date", Some(text)) => {
            let why = format!("not a date of the format `{}`", part?);
            fails(parse_date(text, part?).map(Value::Date), &why)
        }
        ("url", Some(text)) => {
            let url = is_url(text).then(|| Value::Text(text.into()));
            fails(url, "not an absolute URL")
        }
        _ => None,
    }
}

/// `-2.55` as a decimal of as many digits as it has; no exponent, no blanks.
pub(crate) fn parse_decimal(text: &str) -> Option<Value> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = whole.trim_start_matches(['-', '+']);
    let only_digits = |text: &str| text.chars().all(|each| each.is_ascii_digit());
    let empty = digits.is_empty() || (part.is_empty() && text.contains('.'));
    if empty || whole.len() - digits.len() > 1 || !only_digits(digits) || !only_digits(part) {
        return None;
    }
    let scale = u8::try_from(part.len()).ok()?;
    Some(Value::Decimal { unscaled: format!("{whole}{part}").parse().ok()?, scale })
}

/// A finite float.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|float| float.is_finite())
}

/// `true`, `false`, `1`, `0`; the words in any case.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// An instant in nanoseconds; `rfc3339` or a strftime format in a zone. A local time that the
/// zone's clock skips or repeats is the earlier instant.
pub(crate) fn parse_timestamp(text: &str, format: &str, zone: &str) -> Option<i64> {
    use chrono::TimeZone;
    if format == "rfc3339" {
        return chrono::DateTime::parse_from_rfc3339(text).ok()?.timestamp_nanos_opt();
    }
    if let Ok(instant) = chrono::DateTime::parse_from_str(text, format) {
        return instant.timestamp_nanos_opt();
    }
    let local = chrono::NaiveDateTime::parse_from_str(text, format)
        .ok()
        .or_else(|| chrono::NaiveDate::parse_from_str(text, format).ok()?.and_hms_opt(0, 0, 0))?;
    let zone: chrono_tz::Tz = zone.parse().ok()?;
    zone.from_local_datetime(&local).earliest()?.timestamp_nanos_opt()
}

/// Days since 1970-01-01.
pub(crate) fn parse_date(text: &str, format: &str) -> Option<i32> {
    use chrono::Datelike;
    let day = chrono::NaiveDate::parse_from_str(text, format).ok()?;
    day.num_days_from_ce().checked_sub(EPOCH_DAYS)
}
