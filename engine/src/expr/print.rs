//! Values as text: the holes of templates, `text(…)`, messages; and constants as columns.

use super::column::Column;
use super::{decimal, time};
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, DurationNanosecondType, Float64Type, Int64Type,
    TimestampNanosecondType,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    DurationNanosecondArray, Float64Array, Int64Array, ListArray, StringArray, StructArray,
    TimestampNanosecondArray, new_null_array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;
use arrow_select::concat::concat;
use dsl::percent::push_encoded;
use dsl::value::{Value, duration_text};
use std::sync::Arc;

/// A piece of a template, worked out.
pub(super) enum Piece<'a> {
    /// As it is.
    Text(&'a str),
    /// A value, with a strftime format for a time.
    Hole(Column, Option<&'a str>),
    /// A value in the name of an object, percent-encoded.
    Encoded(Column),
}

/// The text of every row; null where a hole is null.
pub(super) fn fill(pieces: &[Piece], rows: usize) -> Column {
    let constant = pieces.iter().all(|piece| match piece {
        Piece::Text(_) => true,
        Piece::Hole(column, _) | Piece::Encoded(column) => column.is_one(),
    });
    let count = if constant { 1 } else { rows };
    let mut texts = StringBuilder::with_capacity(count, count * 16);
    let (mut text, mut value) = (String::new(), String::new());
    for row in 0..count {
        text.clear();
        let mut null = false;
        for piece in pieces {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Hole(column, _) | Piece::Encoded(column) if column.is_null(row) => {
                    null = true;
                }
                Piece::Hole(column, format) => {
                    write(&mut text, column.raw(), column.index(row), *format);
                }
                Piece::Encoded(column) => {
                    value.clear();
                    write(&mut value, column.raw(), column.index(row), None);
                    push_encoded(&mut text, &value);
                }
            }
        }
        texts.append_option((!null).then_some(text.as_str()));
    }
    let texts: ArrayRef = Arc::new(texts.finish());
    if constant { Column::One(texts) } else { Column::Rows(texts) }
}

/// Appends the text of a value that is not null, times as RFC 3339.
pub(crate) fn write_plain(out: &mut String, array: &ArrayRef, row: usize) {
    write(out, array, row, None);
}

/// Appends the text of a value that is not null.
///
/// Decimals have all digits of their scale, timestamps are RFC 3339, durations as in the language.
pub(super) fn write(out: &mut String, array: &ArrayRef, row: usize, format: Option<&str>) {
    match array.data_type() {
        DataType::Utf8 => out.push_str(array.as_string::<i32>().value(row)),
        DataType::Int64 => {
            let value = array.as_primitive::<Int64Type>().value(row);
            ascii(out, |out| decimal::write_int(out, value));
        }
        DataType::Decimal128(_, scale) => {
            let value = array.as_primitive::<Decimal128Type>().value(row);
            ascii(out, |out| decimal::write_full(out, value, *scale as u8));
        }
        DataType::Float64 => {
            out.push_str(&float_text(array.as_primitive::<Float64Type>().value(row)));
        }
        DataType::Boolean => {
            out.push_str(if array.as_boolean().value(row) { "true" } else { "false" });
        }
        DataType::Timestamp(..) => {
            let ns = array.as_primitive::<TimestampNanosecondType>().value(row);
            match format {
                Some(format) => time::write_format(out, ns, format),
                None => ascii(out, |out| time::write_rfc3339(out, ns)),
            }
        }
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().value(row);
            match format {
                Some(format) => time::write_date_format(out, days, format),
                None => ascii(out, |out| time::write_date(out, days)),
            }
        }
        DataType::Duration(_) => {
            let ns = array.as_primitive::<DurationNanosecondType>().value(row);
            out.push_str(&duration_text(ns));
        }
        other => unreachable!("the checker puts no {other} into a text"),
    }
}

/// Appends what a writer of ASCII writes.
fn ascii(out: &mut String, write: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = Vec::with_capacity(40);
    write(&mut bytes);
    out.extend(bytes.iter().map(|&byte| char::from(byte)));
}

/// The shortest text that reads back to the same float; with an exponent where it would be long.
fn float_text(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-5..1e17).contains(&size) {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

/// A constant as a column of the Arrow type `wanted`.
///
/// # Panics
/// For a value of another type.
pub(super) fn constant(value: &Value, wanted: &DataType) -> Column {
    Column::One(one(value, wanted))
}

/// An array of one row.
fn one(value: &Value, wanted: &DataType) -> ArrayRef {
    match (value, wanted) {
        (Value::Null, wanted) => new_null_array(wanted, 1),
        (Value::Bool(bool), DataType::Boolean) => Arc::new(BooleanArray::from(vec![*bool])),
        (Value::Int(int), DataType::Int64) => Arc::new(Int64Array::from(vec![*int])),
        (Value::Size(bytes), DataType::Int64) => Arc::new(Int64Array::from(vec![*bytes as i64])),
        (Value::Int(int), DataType::Decimal128(precision, scale)) => {
            scaled(i128::from(*int), 0, *precision, *scale)
        }
        (Value::Decimal { unscaled, scale: from }, DataType::Decimal128(precision, scale)) => {
            scaled(*unscaled, *from, *precision, *scale)
        }
        (Value::Float(float), DataType::Float64) => Arc::new(Float64Array::from(vec![*float])),
        (Value::Text(text), DataType::Utf8) => Arc::new(StringArray::from(vec![text.as_str()])),
        (Value::Text(text), DataType::Binary) => Arc::new(BinaryArray::from(vec![text.as_bytes()])),
        (Value::Timestamp(ns), DataType::Timestamp(..)) => {
            Arc::new(TimestampNanosecondArray::from(vec![*ns]).with_timezone("UTC"))
        }
        (Value::Date(days), DataType::Date32) => Arc::new(Date32Array::from(vec![*days])),
        (Value::Duration(ns), DataType::Duration(_)) => {
            Arc::new(DurationNanosecondArray::from(vec![*ns]))
        }
        (Value::List(items), DataType::List(field)) => {
            let items: Vec<ArrayRef> =
                items.iter().map(|item| one(item, field.data_type())).collect();
            let items: Vec<&dyn Array> = items.iter().map(AsRef::as_ref).collect();
            let values = match items.as_slice() {
                [] => arrow_array::new_empty_array(field.data_type()),
                items => concat(items).expect("all items have one type"),
            };
            let offsets = OffsetBuffer::from_lengths([values.len()]);
            let list = ListArray::try_new(field.clone(), offsets, values, None);
            Arc::new(list.expect("the items have the type of the list's field"))
        }
        (Value::Record(entries), DataType::Struct(fields)) => {
            let columns = fields.iter().map(|field| {
                let entry = entries.iter().find(|(name, _)| name == field.name());
                one(entry.map_or(&Value::Null, |(_, value)| value), field.data_type())
            });
            let record =
                StructArray::try_new_with_length(fields.clone(), columns.collect(), None, 1);
            Arc::new(record.expect("the entries have the types of the fields"))
        }
        (value, wanted) => unreachable!("the checker gives no {value} as {wanted}"),
    }
}

fn scaled(unscaled: i128, from: u8, precision: u8, scale: i8) -> ArrayRef {
    let value = decimal::rescale(unscaled, from, scale as u8);
    let value = value.expect("the checker lets only decimals through that fit");
    let array = Decimal128Array::from(vec![value]).with_precision_and_scale(precision, scale);
    Arc::new(array.expect("a scale fits its precision"))
}
