//! Conversions that can fail: `int(…)`, `decimal(…)`, `timestamp(…)` and their like.

use super::column::Column;
use super::decimal as exact;
use super::fault::Faults;
use super::number::to_int;
use super::time::{self, TimeFormat};
use super::tree::Tree;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampNanosecondType,
};
use arrow_array::{Array, BooleanArray, PrimitiveArray, StringArray};
use arrow_schema::DataType;
use chrono::{NaiveDate, TimeDelta, TimeZone};
use std::sync::Arc;

const DAY_NS: i64 = 86_400_000_000_000;

/// `int(x)`
pub(super) fn int(tree: &Tree, x: &Column, faults: &mut Faults) -> Column {
    const WHAT: &str = "is not a whole number of 64 bits";
    let array: PrimitiveArray<Int64Type> = match x.data_type() {
        DataType::Utf8 => {
            let texts = x.raw().as_string::<i32>();
            each(tree, x, faults, |row| {
                let text = texts.value(row);
                exact::parse_int(text.as_bytes()).ok_or_else(|| unfit(text, WHAT))
            })
        }
        DataType::Decimal128(_, scale) => {
            let values = x.raw().as_primitive::<Decimal128Type>();
            let unit = exact::power(*scale as u8);
            each(tree, x, faults, |row| {
                let value = values.value(row);
                let whole = if value % unit == 0 { i64::try_from(value / unit).ok() } else { None };
                whole.ok_or_else(|| unfit_decimal(value, *scale, WHAT))
            })
        }
        DataType::Float64 => {
            let values = x.raw().as_primitive::<Float64Type>();
            each(tree, x, faults, |row| {
                let value = values.value(row);
                to_int(value).ok_or_else(|| format!("{value} {WHAT}"))
            })
        }
        _ => return x.clone(),
    };
    x.with(Arc::new(array))
}

/// `decimal(x)`, with the shape of the call's type. Never rounds.
pub(super) fn decimal(tree: &Tree, x: &Column, faults: &mut Faults) -> Column {
    let DataType::Decimal128(precision, scale) = tree.data_type else {
        unreachable!("`decimal` gives a decimal, not {}", tree.data_type)
    };
    let what = |error: exact::DecimalError| {
        format!("{}, and this is decimal({precision}, {scale})", error.what())
    };
    let parse = |text: &str| {
        let parsed = exact::parse(text.as_bytes(), precision, scale as u8);
        parsed.map_err(|error| unfit(text, &what(error)))
    };
    let array: PrimitiveArray<Decimal128Type> = match x.data_type() {
        DataType::Utf8 => {
            let texts = x.raw().as_string::<i32>();
            each(tree, x, faults, |row| parse(texts.value(row)))
        }
        DataType::Int64 => {
            let values = x.raw().as_primitive::<Int64Type>();
            each(tree, x, faults, |row| {
                let value = values.value(row);
                let wide = exact::widen(i128::from(value), 0, scale as u8);
                wide.filter(|wide| wide.unsigned_abs() <= exact::max(precision).unsigned_abs())
                    .ok_or_else(|| format!("{value} {}", what(exact::DecimalError::Precision)))
            })
        }
        DataType::Float64 => {
            // The shortest text that reads back to the float: 0.1 is a tenth, as it was written.
            let values = x.raw().as_primitive::<Float64Type>();
            each(tree, x, faults, |row| parse(&format!("{:e}", values.value(row))))
        }
        _ => return x.with(super::conform(x.raw(), &tree.data_type)),
    };
    let array = array.with_precision_and_scale(precision, scale);
    x.with(Arc::new(array.expect("a scale fits its precision")))
}

/// `float(x)`
pub(super) fn float(tree: &Tree, x: &Column, faults: &mut Faults) -> Column {
    let array: PrimitiveArray<Float64Type> = match x.data_type() {
        DataType::Utf8 => {
            let texts = x.raw().as_string::<i32>();
            each(tree, x, faults, |row| {
                let text = texts.value(row);
                parse_float(text.as_bytes()).ok_or_else(|| unfit(text, "is not a number"))
            })
        }
        DataType::Int64 => x.raw().as_primitive::<Int64Type>().unary(|value| value as f64),
        DataType::Decimal128(_, scale) => {
            let values = x.raw().as_primitive::<Decimal128Type>();
            each(tree, x, faults, |row| {
                let mut text = Vec::new();
                exact::write(&mut text, values.value(row), *scale as u8);
                parse_float(&text).ok_or_else(|| "is not a number".into())
            })
        }
        _ => return x.clone(),
    };
    x.with(Arc::new(array))
}

/// A finite float from its decimal text.
pub fn parse_float(text: &[u8]) -> Option<f64> {
    let digits = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    let text = std::str::from_utf8(text).ok().filter(|text| text.as_bytes().iter().all(digits))?;
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// `bool(x)`
pub(super) fn bool(tree: &Tree, x: &Column, faults: &mut Faults) -> Column {
    const WHAT: &str = "is neither true nor false";
    let values: PrimitiveArray<Int64Type> = match x.data_type() {
        DataType::Utf8 => {
            let texts = x.raw().as_string::<i32>();
            each(tree, x, faults, |row| {
                let text = texts.value(row);
                let bool = parse_bool(text.as_bytes()).map(i64::from);
                bool.ok_or_else(|| unfit(text, WHAT))
            })
        }
        DataType::Int64 => {
            let values = x.raw().as_primitive::<Int64Type>();
            each(tree, x, faults, |row| match values.value(row) {
                bit @ (0 | 1) => Ok(bit),
                other => Err(format!("{other} {WHAT}")),
            })
        }
        _ => return x.clone(),
    };
    let bits = values.values().iter().map(|&bit| bit != 0).collect();
    x.with(Arc::new(BooleanArray::new(bits, values.nulls().cloned())))
}

/// `true`, `false` in any case, `1`, `0`.
pub fn parse_bool(text: &[u8]) -> Option<bool> {
    match text {
        b"1" => Some(true),
        b"0" => Some(false),
        text if text.eq_ignore_ascii_case(b"true") => Some(true),
        text if text.eq_ignore_ascii_case(b"false") => Some(false),
        _ => None,
    }
}

/// `timestamp(x, format, zone)`; a date is its first instant in the zone.
pub(super) fn timestamp(
    tree: &Tree,
    x: &Column,
    mut format: Option<TimeFormat>,
    zone: &str,
    faults: &mut Faults,
) -> Column {
    let array: PrimitiveArray<TimestampNanosecondType> = match x.data_type() {
        DataType::Utf8 => {
            let texts = x.raw().as_string::<i32>();
            each(tree, x, faults, |row| {
                let text = texts.value(row);
                let parsed = match &mut format {
                    Some(format) => format.parse(text.as_bytes()),
                    None => time::parse_rfc3339(text.as_bytes()),
                };
                parsed.map_err(|error| unfit(text, &error.to_string()))
            })
        }
        DataType::Date32 => {
            let days = x.raw().as_primitive::<Date32Type>();
            let zone = time::parse_zone(zone).expect("the checker knows zones");
            each(tree, x, faults, |row| {
                let day = i64::from(days.value(row));
                let start = day.checked_mul(DAY_NS).and_then(|utc| first_instant(zone, utc));
                start.ok_or_else(|| "is outside the years 1678 to 2261".into())
            })
        }
        _ => return x.clone(),
    };
    x.with(Arc::new(array.with_timezone("UTC")))
}

/// The first instant of a local day; `utc` is the day's start as if the zone were UTC.
fn first_instant(zone: chrono_tz::Tz, utc: i64) -> Option<i64> {
    let midnight = chrono::DateTime::from_timestamp_nanos(utc).naive_utc();
    // Where the clocks are put forward at midnight, the day begins within the next hours.
    (0..=12).find_map(|quarter| {
        let local = midnight.checked_add_signed(TimeDelta::minutes(quarter * 15))?;
        zone.from_local_datetime(&local).earliest()?.timestamp_nanos_opt()
    })
}

/// `date(x, format)`; of a timestamp, the day in UTC.
pub(super) fn date(tree: &Tree, x: &Column, format: &str, faults: &mut Faults) -> Column {
    let array: PrimitiveArray<Date32Type> = match x.data_type() {
        DataType::Utf8 => {
            let texts = x.raw().as_string::<i32>();
            each(tree, x, faults, |row| {
                let text = texts.value(row);
                parse_date(text, format).ok_or_else(|| unfit(text, "does not fit the format"))
            })
        }
        DataType::Timestamp(..) => {
            let times = x.raw().as_primitive::<TimestampNanosecondType>();
            times.unary(|ns| ns.div_euclid(DAY_NS) as i32)
        }
        _ => return x.clone(),
    };
    x.with(Arc::new(array))
}

fn parse_date(text: &str, format: &str) -> Option<i32> {
    if format == "%Y-%m-%d"
        && let Some(days) = time::parse_date(text.as_bytes())
    {
        return Some(days);
    }
    let date = NaiveDate::parse_from_str(text, format).ok()?;
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// `url(x)`
pub(super) fn url(tree: &Tree, x: &Column, faults: &mut Faults) -> Column {
    let texts: &StringArray = x.raw().as_string();
    for row in 0..texts.len() {
        if texts.is_valid(row) && !is_url(texts.value(row)) {
            let message = unfit(texts.value(row), "is not an absolute URL");
            faults.add(row, "conversion", format!("`{}`: {message}", tree.text));
        }
    }
    x.clone()
}

/// True for an absolute URL: `https://example.org/a`.
pub fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let word = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    scheme.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && scheme.bytes().all(word)
        && !rest.is_empty()
        && !rest.starts_with('/') | (scheme == "file")
        && !text.bytes().any(|byte| byte <= b' ' || byte == 0x7F)
}

/// True for a UUID in its usual form of 36 characters.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// A value for each row that is not null; a fault where there is none.
fn each<T: ArrowPrimitiveType>(
    tree: &Tree,
    x: &Column,
    faults: &mut Faults,
    mut convert: impl FnMut(usize) -> Result<T::Native, String>,
) -> PrimitiveArray<T> {
    let nulls = x.raw().nulls();
    let values = (0..x.raw().len()).map(|row| {
        if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return T::Native::default();
        }
        convert(row).unwrap_or_else(|message| {
            faults.add(row, "conversion", format!("`{}`: {message}", tree.text));
            T::Native::default()
        })
    });
    let values: Vec<T::Native> = values.collect();
    PrimitiveArray::new(values.into(), nulls.cloned())
}

/// `"abc" is no number`, with a long text cut.
fn unfit(text: &str, what: &str) -> String {
    match text.char_indices().nth(40) {
        Some((cut, _)) => format!("{:?}… {what}", &text[..cut]),
        None => format!("{text:?} {what}"),
    }
}

fn unfit_decimal(value: i128, scale: i8, what: &str) -> String {
    let mut text = Vec::new();
    exact::write(&mut text, value, scale as u8);
    format!("{} {what}", String::from_utf8_lossy(&text))
}
