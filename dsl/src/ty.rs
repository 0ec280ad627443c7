//! The types of the language, and how they are printed.

use crate::span::Span;
use std::fmt;

/// A type. Equality ignores names and places: records are structural.
#[derive(Clone, Debug, PartialEq)]
pub enum Ty {
    /// Poison: something above is already wrong; silences what depends on it.
    Unknown,
    /// The type of `null` itself.
    Null,
    /// UTF-8 text.
    Text,
    /// 64-bit signed integer.
    Int,
    /// 64-bit binary float; never mixes silently.
    Float,
    /// Exact decimal.
    Decimal {
        /// Digits in all, 1–38.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// Truth value.
    Bool,
    /// An instant, nanoseconds, UTC.
    Timestamp,
    /// A calendar day.
    Date,
    /// A span of time, nanoseconds.
    Duration,
    /// A number of bytes.
    Size,
    /// Raw bytes.
    Bytes,
    /// A path in the file system.
    Path,
    /// A URL.
    Url,
    /// A UUID.
    Uuid,
    /// `list<T>`
    List(Box<Ty>),
    /// `map<K, V>`
    Map(Box<Ty>, Box<Ty>),
    /// `{ a: T, … }`
    Record(RecordTy),
    /// A literal text as a type: `"bar"`.
    Literal(String),
    /// `T?`; never nested.
    Nullable(Box<Ty>),
    /// Wire type: one JSON object of T.
    Json(Box<Ty>),
    /// Wire type: lines of JSON objects of T.
    Ndjson(Box<Ty>),
    /// Wire type: CSV rows of T.
    Csv(Box<Ty>),
    /// Wire type: W in base64.
    Base64(Box<Ty>),
    /// Wire type: W compressed with gzip.
    Gzip(Box<Ty>),
    /// Wire type: W compressed with zstd.
    Zstd(Box<Ty>),
    /// Several T that travel as one.
    Batch(Box<Ty>),
    /// One stored object that holds a W.
    Object(Box<Ty>),
    /// A value that can only reach an option declared secret.
    Secret(Box<Ty>),
    /// The event of the `done` port.
    Done,
}

/// A record type.
#[derive(Clone, Debug, Default)]
pub struct RecordTy {
    /// The declared name (`Line`), where it has one.
    pub name: Option<String>,
    /// The fields, in order.
    pub fields: Vec<Field>,
    /// `[text]: T`: the type of all other, dynamic fields.
    pub dynamic: Option<Box<Ty>>,
    /// `...`: further fields may be there.
    pub open: bool,
}

/// A field of a record type.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Ty,
    /// Where the field's type was written, where it was.
    pub span: Option<Span>,
}

impl PartialEq for RecordTy {
    fn eq(&self, other: &RecordTy) -> bool {
        self.fields.len() == other.fields.len()
            && self.dynamic == other.dynamic
            && self
                .fields
                .iter()
                .all(|field| other.field(&field.name).is_some_and(|found| found.ty == field.ty))
    }
}

impl RecordTy {
    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Ty {
    /// `T?`; a nullable stays as it is.
    pub fn nullable(self) -> Ty {
        match self {
            Ty::Nullable(_) | Ty::Null | Ty::Unknown => self,
            other => Ty::Nullable(Box::new(other)),
        }
    }

    /// T of `T?`; any other type is itself.
    pub fn non_null(&self) -> &Ty {
        match self {
            Ty::Nullable(inner) => inner,
            other => other,
        }
    }

    /// True for `T?` and `null`.
    pub fn is_nullable(&self) -> bool {
        matches!(self, Ty::Nullable(_) | Ty::Null)
    }

    /// The record of a record type.
    pub fn record(&self) -> Option<&RecordTy> {
        match self {
            Ty::Record(record) => Some(record),
            _ => None,
        }
    }

    /// True for a type whose values are encoded: one column of bytes on an edge.
    pub fn is_wire(&self) -> bool {
        use Ty::*;
        let encoded = matches!(self, Json(_) | Ndjson(_) | Csv(_) | Base64(_) | Gzip(_) | Zstd(_));
        encoded || matches!(self, Bytes | Text)
    }

    /// The type of the quarantine: one failed record. `id` is the same in each run, `span` is the
    /// node's place in the file, `attempts` the tries of its write, `position` the partition and
    /// number of the record where it failed.
    pub fn failure() -> Ty {
        let text = || Ty::Text;
        let field = |name: &str, ty: Ty| Field { name: name.into(), ty, span: None };
        let fields = vec![
            field("at", Ty::Timestamp),
            field("id", text()),
            field("flow", text()),
            field("node", text()),
            field("span", text()),
            field("code", text()),
            field("message", text()),
            field("attempts", Ty::Int),
            field("position", text()),
            field("payload", Ty::Bytes),
            field("meta", Ty::Map(Box::new(Ty::Text), Box::new(Ty::Text))),
        ];
        Ty::Record(RecordTy { name: Some("Failure".into()), fields, dynamic: None, open: false })
    }
}

/// Prints the type as it would be written; a named record by its name.
impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Ty::Unknown => "_",
            Ty::Null => "null",
            Ty::Text => "text",
            Ty::Int => "int",
            Ty::Float => "float",
            Ty::Bool => "bool",
            Ty::Timestamp => "timestamp",
            Ty::Date => "date",
            Ty::Duration => "duration",
            Ty::Size => "size",
            Ty::Bytes => "bytes",
            Ty::Path => "path",
            Ty::Url => "url",
            Ty::Uuid => "uuid",
            Ty::Done => "Done",
            Ty::Decimal { precision: 38, scale } => return write!(f, "decimal(38, {scale})"),
            Ty::Decimal { precision, scale } => return write!(f, "decimal({precision}, {scale})"),
            Ty::List(item) => return write!(f, "list<{item}>"),
            Ty::Map(key, value) => return write!(f, "map<{key}, {value}>"),
            Ty::Record(record) => return record.fmt(f),
            Ty::Literal(text) => return write!(f, "{text:?}"),
            Ty::Nullable(inner) => return write!(f, "{inner}?"),
            Ty::Json(inner) => return write!(f, "json<{inner}>"),
            Ty::Ndjson(inner) => return write!(f, "ndjson<{inner}>"),
            Ty::Csv(inner) => return write!(f, "csv<{inner}>"),
            Ty::Base64(inner) => return write!(f, "base64<{inner}>"),
            Ty::Gzip(inner) => return write!(f, "gzip<{inner}>"),
            Ty::Zstd(inner) => return write!(f, "zstd<{inner}>"),
            Ty::Batch(inner) => return write!(f, "batch<{inner}>"),
            Ty::Object(inner) => return write!(f, "object<{inner}>"),
            Ty::Secret(inner) => return write!(f, "secret<{inner}>"),
        };
        f.write_str(word)
    }
}

impl fmt::Display for RecordTy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            return f.write_str(name);
        }
        let mut parts: Vec<String> =
            self.fields.iter().map(|field| format!("{}: {}", field.name, field.ty)).collect();
        parts.extend(self.dynamic.iter().map(|ty| format!("[text]: {ty}")));
        if self.open {
            parts.push("...".into());
        }
        write!(f, "{{ {} }}", parts.join(", "))
    }
}
