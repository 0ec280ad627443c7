//! Values known before a run: literals, constants, parameters, options.

use std::fmt;

/// A compile-time value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// `500`
    Int(i64),
    /// `2.55`: 255 at scale 2
    Decimal {
        /// The digits as an integer.
        unscaled: i128,
        /// How many of them stand behind the point.
        scale: u8,
    },
    /// A binary float; only `float(…)` makes one.
    Float(f64),
    /// `"text"`; also path, url, uuid
    Text(String),
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// Days since 1970-01-01.
    Date(i32),
    /// `5s`, in nanoseconds.
    Duration(i64),
    /// `5MiB`, in bytes.
    Size(u64),
    /// `[a, b]`
    List(Vec<Value>),
    /// `{ a: 1 }`, in the order written
    Record(Vec<(String, Value)>),
}

impl Value {
    /// The text of a `Text`.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number of an `Int`.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(int) => Some(*int),
            _ => None,
        }
    }

    /// The truth of a `Bool`.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(bool) => Some(*bool),
            _ => None,
        }
    }

    /// Bytes of a `Size`.
    pub fn as_size(&self) -> Option<u64> {
        match self {
            Value::Size(bytes) => Some(*bytes),
            _ => None,
        }
    }

    /// Nanoseconds of a `Duration`.
    pub fn as_duration_ns(&self) -> Option<i64> {
        match self {
            Value::Duration(ns) => Some(*ns),
            _ => None,
        }
    }
}

/// Prints the value as it would be written in a `.flow` file.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(bool) => write!(f, "{bool}"),
            Value::Int(int) => write!(f, "{int}"),
            Value::Decimal { unscaled, scale } => f.write_str(&decimal_text(*unscaled, *scale)),
            Value::Float(float) => write!(f, "{float}"),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Timestamp(ns) => write!(f, "timestamp(\"{}\")", timestamp_text(*ns)),
            Value::Date(days) => write!(f, "date({days})"),
            Value::Duration(ns) => f.write_str(&duration_text(*ns)),
            Value::Size(bytes) => f.write_str(&size_text(*bytes)),
            Value::List(items) => {
                let items: Vec<String> = items.iter().map(Value::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Value::Record(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                write!(f, "{{ {} }}", fields.join(", "))
            }
        }
    }
}

/// `(255, 2)` as `2.55`.
pub fn decimal_text(unscaled: i128, scale: u8) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0width$}", unscaled.unsigned_abs(), width = scale as usize + 1);
    let (whole, part) = digits.split_at(digits.len() - scale as usize);
    if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

/// A duration in its largest whole unit: `60000000000` as `1min`.
pub fn duration_text(ns: i64) -> String {
    const UNITS: [(i64, &str); 6] = [
        (86_400_000_000_000, "d"),
        (3_600_000_000_000, "h"),
        (60_000_000_000, "min"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
    ];
    for (unit, name) in UNITS {
        if ns != 0 && ns % unit == 0 {
            return format!("{}{name}", ns / unit);
        }
    }
    if ns == 0 { "0s".into() } else { format!("{}us", ns / 1_000) }
}

/// A size in its largest whole binary unit: `5242880` as `5MiB`.
pub fn size_text(bytes: u64) -> String {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes != 0 && bytes.is_multiple_of(unit) {
            return format!("{}{name}", bytes / unit);
        }
    }
    format!("{bytes}B")
}

/// An instant as RFC 3339 in UTC.
pub fn timestamp_text(ns: i64) -> String {
    let (seconds, nanos) = (ns.div_euclid(1_000_000_000), ns.rem_euclid(1_000_000_000) as u32);
    match chrono::DateTime::from_timestamp(seconds, nanos) {
        Some(time) => time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
        None => ns.to_string(),
    }
}
