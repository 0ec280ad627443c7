//! Fields to the columns of a record type.

use super::encoding::Encoding;
use super::header::Header;
use super::records::{Records, quotes};
use crate::json::encode::offset;
use crate::json::shape::Shape;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, DurationNanosecondType, Float64Type, Int64Type,
    TimestampNanosecondType,
};
use arrow_array::{ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, StringArray};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use engine::expr::time::{self, TimeError, TimeFormat};
use engine::expr::{decimal, parse_bool, parse_float};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How fields are read.
#[derive(Clone, Debug)]
pub struct Options {
    /// The encoding of the file.
    pub encoding: Encoding,
    /// How timestamps are written; `None` = RFC 3339.
    pub timestamp: Option<TimeFormat>,
    /// The text that means null, in the encoding of the file.
    pub null: Vec<u8>,
    /// The character between fields.
    pub delimiter: u8,
}

/// Why a record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// `csv_value` or `csv_encoding`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// The column.
    pub column: String,
}

/// Some records of a file on their way to columns.
pub struct Fields<'a> {
    /// The records.
    pub records: &'a Records,
    /// The bytes they stand in.
    pub bytes: &'a [u8],
    /// Which column is which field.
    pub header: &'a Header,
    /// How fields are read.
    pub options: &'a mut Options,
    /// The records that cannot be read: the first reason of each.
    pub bad: BTreeMap<usize, Bad>,
}

impl Fields<'_> {
    /// The columns of the fields; without meaning in the rows that are `bad`.
    pub fn columns(&mut self, shapes: &[Shape]) -> Vec<ArrayRef> {
        let ascii = self.records.is_ascii();
        let columns = shapes.iter().zip(&self.header.columns);
        columns.map(|(shape, &column)| self.column(shape, column, ascii)).collect()
    }

    fn column(&mut self, shape: &Shape, column: usize, ascii: bool) -> ArrayRef {
        match &shape.data_type {
            DataType::Utf8 => self.texts(shape, column, ascii),
            DataType::Binary => self.bytes(shape, column),
            DataType::Int64 => Arc::new(self.numbers::<Int64Type>(shape, column, |_, text| {
                decimal::parse_int(text).ok_or(NO_INT.into())
            })),
            DataType::Float64 => Arc::new(self.numbers::<Float64Type>(shape, column, |_, text| {
                parse_float(text).ok_or("is not a finite number".into())
            })),
            DataType::Decimal128(precision, scale) => {
                let (precision, scale) = (*precision, *scale);
                let array = self.numbers::<Decimal128Type>(shape, column, |_, text| {
                    let parsed = decimal::parse(text, precision, scale as u8);
                    parsed.map_err(|error| error.what().into())
                });
                let array = array.with_precision_and_scale(precision, scale);
                Arc::new(array.expect("a scale fits its precision"))
            }
            DataType::Boolean => {
                let bits = self.numbers::<Int64Type>(shape, column, |_, text| {
                    parse_bool(text).map(i64::from).ok_or("is neither true nor false".into())
                });
                let values = bits.values().iter().map(|&bit| bit != 0).collect();
                let (_, _, nulls) = bits.into_parts();
                Arc::new(BooleanArray::new(values, nulls))
            }
            DataType::Timestamp(..) => {
                let array = self.numbers::<TimestampNanosecondType>(shape, column, timestamp);
                Arc::new(array.with_timezone("UTC"))
            }
            DataType::Date32 => Arc::new(self.numbers::<Date32Type>(shape, column, |_, text| {
                time::parse_date(text).ok_or("is not a date like 2010-12-01".into())
            })),
            DataType::Duration(_) => {
                Arc::new(self.numbers::<DurationNanosecondType>(shape, column, |_, text| {
                    decimal::parse_int(text).ok_or("is not a number of nanoseconds".into())
                }))
            }
            other => unreachable!("`{}` ({other}) is refused when the node is opened", shape.ty),
        }
    }

    /// Numbers and times: blanks around them do not count, and the null text is null, quoted or
    /// not.
    fn numbers<T: ArrowPrimitiveType>(
        &mut self,
        shape: &Shape,
        column: usize,
        parse: impl Fn(&mut Options, &[u8]) -> Result<T::Native, String>,
    ) -> PrimitiveArray<T> {
        let (records, width) = (self.records, self.header.width);
        let mut values: Vec<T::Native> = Vec::with_capacity(records.len());
        let mut nulls = Vec::new();
        for row in 0..records.len() {
            let text = records.field(row, column, width).trim_ascii();
            match parse(self.options, text) {
                Ok(value) => values.push(value),
                Err(what) => {
                    if shape.nullable && text == self.options.null {
                        nulls.push(row);
                    } else {
                        self.unfit(shape, row, text, &what);
                    }
                    values.push(T::Native::default());
                }
            }
        }
        let nulls = null_buffer(&nulls, records.len());
        PrimitiveArray::new(values.into(), nulls)
    }

    /// Texts keep their blanks; the null text is null where it stands without quotes.
    fn texts(&mut self, shape: &Shape, column: usize, ascii: bool) -> ArrayRef {
        let (records, width) = (self.records, self.header.width);
        let mut bytes: Vec<u8> = Vec::with_capacity(records.len() * 16);
        let mut ends = Vec::with_capacity(records.len() + 1);
        ends.push(0);
        let mut nulls = Vec::new();
        let null_is_empty = self.options.null.is_empty();
        for row in 0..records.len() {
            let text = records.field(row, column, width);
            let start = bytes.len();
            if text == self.options.null
                && (shape.nullable || !null_is_empty)
                && !self.is_quoted(row, column)
            {
                if shape.nullable {
                    nulls.push(row);
                } else {
                    self.unfit(shape, row, text, "means null");
                }
            } else if ascii {
                bytes.extend_from_slice(text);
            } else if let Err(byte) = self.options.encoding.push(text, &mut bytes) {
                self.undecodable(shape, row, byte);
            }
            self.check_form(shape, row, &mut bytes, start, nulls.last() == Some(&row));
            ends.push(offset(bytes.len()));
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
        let nulls = null_buffer(&nulls, records.len());
        Arc::new(StringArray::new(offsets, bytes.into(), nulls))
    }

    /// A url, uuid or literal must look like one.
    fn check_form(
        &mut self,
        shape: &Shape,
        row: usize,
        bytes: &mut Vec<u8>,
        start: usize,
        null: bool,
    ) {
        use dsl::ty::Ty;
        if null || !matches!(shape.ty, Ty::Literal(_) | Ty::Url | Ty::Uuid) {
            return;
        }
        let text = std::str::from_utf8(&bytes[start..]).unwrap_or_default();
        if !shape.takes(text) {
            let text = text.to_string();
            bytes.truncate(start);
            self.unfit(shape, row, text.as_bytes(), &format!("is not `{}`", shape.ty));
        }
    }

    /// Bytes are written as base64.
    fn bytes(&mut self, shape: &Shape, column: usize) -> ArrayRef {
        let (records, width) = (self.records, self.header.width);
        let mut bytes = Vec::new();
        let mut ends = vec![0];
        let mut nulls = Vec::new();
        for row in 0..records.len() {
            let text = records.field(row, column, width).trim_ascii();
            let start = bytes.len();
            if shape.nullable && text == self.options.null {
                nulls.push(row);
            } else if STANDARD.decode_vec(text, &mut bytes).is_err() {
                bytes.truncate(start);
                self.unfit(shape, row, text, "is not base64");
            }
            ends.push(offset(bytes.len()));
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
        let nulls = null_buffer(&nulls, records.len());
        Arc::new(BinaryArray::new(offsets, bytes.into(), nulls))
    }

    fn is_quoted(&self, row: usize, column: usize) -> bool {
        let raw = &self.bytes[self.records.raw(row)];
        memchr::memchr(b'"', raw).is_some()
            && quotes(raw, self.options.delimiter).fields.get(column) == Some(&true)
    }

    #[cold]
    fn unfit(&mut self, shape: &Shape, row: usize, text: &[u8], what: &str) {
        let name = &shape.name;
        let message = if text.is_empty() {
            format!("`{name}` is empty, and `{}` takes no null", shape.ty)
        } else {
            let mut shown = Vec::new();
            if self.options.encoding.push(text, &mut shown).is_err() {
                shown = text.escape_ascii().collect();
            }
            let shown = String::from_utf8_lossy(&shown);
            let cut = shown.char_indices().nth(40).map(|(cut, _)| format!("{}…", &shown[..cut]));
            let shown = cut.unwrap_or_else(|| shown.to_string());
            format!("`{name}` is `{}`, and \"{shown}\" {what}", shape.ty)
        };
        self.add(row, "csv_value", message, name);
    }

    #[cold]
    fn undecodable(&mut self, shape: &Shape, row: usize, byte: u8) {
        let encoding = self.options.encoding.name();
        let message = format!("`{}` is not {encoding}: it holds the byte {byte:02X}", shape.name);
        self.add(row, "csv_encoding", message, &shape.name);
    }

    fn add(&mut self, row: usize, code: &'static str, message: String, column: &str) {
        self.bad.entry(row).or_insert(Bad { code, message, column: column.into() });
    }
}

const NO_INT: &str = "is not a whole number of 64 bits";

fn timestamp(options: &mut Options, text: &[u8]) -> Result<i64, String> {
    let parsed = match &mut options.timestamp {
        Some(format) => format.parse(text),
        None => time::parse_rfc3339(text),
    };
    parsed.map_err(|error| match (&error, &options.timestamp) {
        (TimeError::Format, Some(format)) => format!("does not fit `{}`", format.format()),
        (TimeError::Format, None) => "is not like 2010-12-01T08:26:00Z".into(),
        _ => error.to_string(),
    })
}

/// A mask with these rows null; `None` = no row.
fn null_buffer(nulls: &[usize], rows: usize) -> Option<NullBuffer> {
    if nulls.is_empty() {
        return None;
    }
    let mut mask = arrow_buffer::BooleanBufferBuilder::new(rows);
    mask.append_n(rows, true);
    nulls.iter().for_each(|&row| mask.set_bit(row, false));
    Some(NullBuffer::new(mask.finish()))
}
