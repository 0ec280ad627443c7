//! A JSON value as a column of a table takes it, by COPY's rules.

use serde_json::value::RawValue;

use super::copy::Copy;

/// A column's type, as far as COPY looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// `varchar(n)` or `char(n)`: so many bytes.
    Text(usize),
    /// Whole numbers between these.
    Int(i128, i128),
    /// `decimal(p, s)`.
    Decimal(u32, u32),
    /// `real` and `double precision`.
    Float,
    /// `boolean`.
    Bool,
    /// With or without time zone; the zone of the value is applied.
    Timestamp,
    /// `date`.
    Date,
    /// `super`.
    Super,
    /// What PostgreSQL reads itself.
    Other,
}

/// A column that is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// In lower case.
    pub name: String,
    /// Its type.
    pub of: Type,
    /// The type's name, for errors.
    pub label: String,
    /// True where a null is wrong.
    pub required: bool,
}

/// Why a value cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// Redshift's number.
    pub code: i32,
    /// Redshift's words.
    pub message: String,
}

fn bad<T>(code: i32, message: impl Into<String>) -> Result<T, Bad> {
    Err(Bad { code, message: message.into() })
}

/// A type by PostgreSQL's name for it and its modifier.
pub fn type_of(name: &str, modifier: i32) -> Type {
    let length = usize::try_from(modifier - 4).unwrap_or(65_535);
    match name {
        "character varying" | "character" | "text" => Type::Text(length),
        "smallint" => Type::Int(i16::MIN.into(), i16::MAX.into()),
        "integer" => Type::Int(i32::MIN.into(), i32::MAX.into()),
        "bigint" => Type::Int(i64::MIN.into(), i64::MAX.into()),
        "numeric" => {
            let packed = u32::try_from(modifier - 4).unwrap_or((38 << 16) | 10);
            Type::Decimal(packed >> 16, packed & 0x7ff)
        }
        "real" | "double precision" => Type::Float,
        "boolean" => Type::Bool,
        "date" => Type::Date,
        "jsonb" => Type::Super,
        _ if name.starts_with("timestamp") => Type::Timestamp,
        _ => Type::Other,
    }
}

/// The value as text that PostgreSQL reads; `None` is null.
pub fn convert(
    column: &Column,
    raw: Option<&RawValue>,
    copy: &Copy,
) -> Result<Option<String>, Bad> {
    let raw = raw.map(RawValue::get).filter(|raw| *raw != "null");
    let Some(raw) = raw else {
        return match column.required {
            true => bad(1213, "Missing data for not-null field"),
            false => Ok(None),
        };
    };
    if column.of == Type::Super {
        return Ok(Some(raw.to_owned()));
    }
    let text = match raw.starts_with('"') {
        true => match serde_json::from_str::<String>(raw) {
            Ok(text) => text,
            Err(_) => return bad(1220, "String contains invalid or unsupported UTF8 codepoints."),
        },
        false => raw.to_owned(),
    };
    if text.contains('\0') {
        return bad(1220, "String contains invalid or unsupported UTF8 codepoints.");
    }
    match &column.of {
        Type::Text(max) => sized(text, *max, copy.truncate).map(Some),
        Type::Int(min, max) => whole(&text, *min, *max).map(Some),
        Type::Decimal(precision, scale) => decimal(&text, *precision, *scale).map(Some),
        Type::Float => match text.trim().parse::<f64>() {
            Ok(_) => Ok(Some(text)),
            Err(_) => bad(1207, format!("Invalid digit, Value '{text}', Type: Double")),
        },
        Type::Bool => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" => Ok(Some("t".into())),
            "false" | "f" | "no" | "n" | "0" => Ok(Some("f".into())),
            _ => bad(1208, "Unknown boolean format"),
        },
        Type::Timestamp => timestamp(&text, copy.time_format.as_deref()).map(Some),
        Type::Date => match day(&text).filter(|rest| rest.is_empty()) {
            Some(_) => Ok(Some(text)),
            None => bad(1205, "Invalid date format - length must be 10 or more"),
        },
        Type::Super | Type::Other => Ok(Some(text)),
    }
}

/// Lengths count bytes on Redshift.
fn sized(text: String, max: usize, truncate: bool) -> Result<String, Bad> {
    if text.len() <= max {
        return Ok(text);
    }
    if !truncate {
        return bad(1204, "String length exceeds DDL length");
    }
    let end = (0..=max).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    Ok(text[..end].to_owned())
}

fn whole(text: &str, min: i128, max: i128) -> Result<String, Bad> {
    let trimmed = text.trim();
    let digits = trimmed.strip_prefix(['-', '+']).unwrap_or(trimmed);
    let wrong = digits.bytes().position(|byte| !byte.is_ascii_digit());
    if wrong.is_some() || digits.is_empty() {
        let at = wrong.unwrap_or(0) + trimmed.len() - digits.len();
        let found = trimmed.chars().nth(at).map(String::from).unwrap_or_default();
        return bad(1207, format!("Invalid digit, Value '{found}', Pos {at}, Type: Integer"));
    }
    match trimmed.parse::<i128>().ok().filter(|value| (min..=max).contains(value)) {
        Some(_) => Ok(trimmed.trim_start_matches('+').to_owned()),
        None => bad(1207, format!("Overflow (Integer valid range is {min} to {max})")),
    }
}

/// Rounded to the scale, half away from zero.
fn decimal(text: &str, precision: u32, scale: u32) -> Result<String, Bad> {
    let invalid = || bad(1207, format!("Invalid digit, Value '{text}', Type: Decimal"));
    let trimmed = text.trim();
    let (mantissa, exponent) = match trimmed.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => match exponent.parse::<i32>() {
            Ok(exponent) if exponent.abs() < 200 => (mantissa, exponent),
            _ => return invalid(),
        },
        None => (trimmed, 0),
    };
    let negative = mantissa.starts_with('-');
    let unsigned = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let all = format!("{whole}{fraction}");
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return invalid();
    }
    // Digits before the point, then exactly `scale` behind it, then what is rounded.
    let point = whole.len() as i64 + i64::from(exponent);
    let keep = point + i64::from(scale);
    let digit = |at: i64| match usize::try_from(at).ok().and_then(|at| all.as_bytes().get(at)) {
        Some(byte) => u32::from(byte - b'0'),
        None => 0,
    };
    let mut digits: Vec<u32> = (point.min(0)..keep.max(0)).map(digit).collect();
    let mut carry = u32::from(keep >= 0 && digit(keep) >= 5);
    for place in digits.iter_mut().rev() {
        let sum = *place + carry;
        (*place, carry) = (sum % 10, sum / 10);
    }
    digits.insert(0, carry);
    let significant: String =
        digits.iter().filter_map(|digit| char::from_digit(*digit, 10)).collect();
    let significant = significant.trim_start_matches('0');
    if significant.len() > precision as usize {
        return bad(1207, format!("Overflow for NUMERIC({precision},{scale})"));
    }
    let padded = format!("{significant:0>width$}", width = scale as usize + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale as usize);
    let sign = if negative { "-" } else { "" };
    let dot = if scale > 0 { "." } else { "" };
    Ok(format!("{sign}{whole}{dot}{fraction}"))
}

/// What is behind `YYYY-MM-DD`.
fn day(text: &str) -> Option<&str> {
    let form = |text: &str, form: &str| {
        text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(byte, wanted)| match wanted {
                b'0' => byte.is_ascii_digit(),
                other => byte == other,
            })
    };
    let (head, rest) = text.split_at_checked(10)?;
    form(head, "0000-00-00").then_some(rest)
}

fn timestamp(text: &str, format: Option<&str>) -> Result<String, Bad> {
    let wrong = |form: &str| bad(1206, format!("Invalid timestamp format or value [{form}]"));
    if let Some(unit @ ("epochsecs" | "epochmillisecs")) = format {
        let scale = if unit == "epochsecs" { 1_000 } else { 1 };
        let value = text.parse::<i64>().ok().and_then(|value| value.checked_mul(scale));
        let Some(value_ms) = value else { return wrong(unit) };
        return Ok(crate::clock::iso(value_ms));
    }
    // Redshift's own form knows neither `T` nor a zone.
    let auto = format == Some("auto");
    let form = if auto { "auto" } else { "YYYY-MM-DD HH24:MI:SS" };
    let Some(rest) = day(text) else { return wrong(form) };
    if rest.is_empty() && auto {
        return Ok(text.to_owned());
    }
    let Some(time) = rest.strip_prefix(' ').or(rest.strip_prefix('T').filter(|_| auto)) else {
        return wrong(form);
    };
    let end = time.find(|c: char| !c.is_ascii_digit() && !":.".contains(c)).unwrap_or(time.len());
    let (clock, zone) = time.split_at(end);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let parts: Vec<&str> = clock.split(':').collect();
    let two = |part: &&str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    let right = parts.len() == 3
        && parts.iter().all(two)
        && (1..=6).contains(&fraction.len())
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
        && (auto || zone.is_empty());
    if !right || !(zone.is_empty() || is_zone(zone)) {
        return wrong(form);
    }
    Ok(text.to_owned())
}

fn is_zone(zone: &str) -> bool {
    let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
    zone == "Z"
        || (zone.starts_with(['+', '-']) && [2, 4].contains(&digits.len()) && zone.len() < 7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redshift::translate::{Command, translate};

    fn column(name: &str, modifier: i32, required: bool) -> Column {
        let label = name.to_owned();
        Column { name: "c".into(), of: type_of(name, modifier), label, required }
    }

    fn load(column: &Column, json: &str, options: &str) -> Result<Option<String>, i32> {
        let sql = format!(
            "copy t from 's3://b/k' iam_role 'arn:aws:iam::123456789012:role/r' json {options}"
        );
        let Ok(Command::Copy(copy)) = translate(&sql, &[]) else { panic!("{sql}") };
        let raw: Box<RawValue> = serde_json::from_str(json).expect("JSON");
        convert(column, Some(&raw), &copy).map_err(|bad| bad.code)
    }

    fn read(column: &Column, json: &str) -> Result<String, i32> {
        load(column, json, "timeformat 'auto'").map(|value| value.expect("a value"))
    }

    #[test]
    fn lengths_count_bytes() {
        let three = column("character varying", 4 + 3, false);
        assert_eq!(read(&three, "\"aé\"").as_deref(), Ok("aé"));
        assert_eq!(read(&three, "\"aéé\""), Err(1204));
        assert_eq!(load(&three, "\"aéé\"", "truncatecolumns"), Ok(Some("aé".into())));
        assert_eq!(read(&three, "1.5").as_deref(), Ok("1.5"));
        assert_eq!(read(&three, "\"\\u0000\""), Err(1220));
        assert_eq!(load(&three, "null", ""), Ok(None));
        assert_eq!(load(&column("integer", -1, true), "null", ""), Err(1213));
    }

    #[test]
    fn numbers_are_exact() {
        let price = column("numeric", ((10 << 16) | 3) + 4, false);
        let read = |json: &str| read(&price, json);
        assert_eq!(read("2.55").as_deref(), Ok("2.550"));
        assert_eq!(read("-0.0015").as_deref(), Ok("-0.002"));
        assert_eq!(read("\"1e2\"").as_deref(), Ok("100.000"));
        assert_eq!(read("9.9996").as_deref(), Ok("10.000"));
        assert_eq!(read("0.0001").as_deref(), Ok("0.000"));
        assert_eq!(read("9999999.9996"), Err(1207));
        assert_eq!(read("\"x\""), Err(1207));
        assert_eq!(read("1e-7").as_deref(), Ok("0.000"));
        let int = column("integer", -1, false);
        assert_eq!(load(&int, "2147483648", ""), Err(1207));
        assert_eq!(load(&int, "1.0", ""), Err(1207));
        assert_eq!(load(&int, "\"-7\"", ""), Ok(Some("-7".into())));
    }

    #[test]
    fn times_have_a_format() {
        let time = column("timestamp without time zone", -1, false);
        let iso = "\"2010-12-01T08:26:00.123456Z\"";
        assert!(read(&time, iso).is_ok());
        assert_eq!(load(&time, iso, ""), Err(1206), "only with TIMEFORMAT 'auto'");
        assert!(load(&time, "\"2010-12-01 08:26:00\"", "").is_ok());
        assert_eq!(read(&time, "\"2010-12-01T08:26:00.1234567Z\""), Err(1206));
        assert_eq!(read(&time, "\"12/1/2010 8:26\""), Err(1206));
        assert_eq!(read(&time, "1291191960"), Err(1206));
        assert!(load(&time, "1291191960", "timeformat 'epochsecs'").is_ok());
    }
}
