//! Columns to JSON: one object a row, written straight into one buffer.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, DurationNanosecondType, Float64Type, Int64Type,
    TimestampNanosecondType,
};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, RecordBatch, StringArray};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, TimeUnit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use engine::expr::{decimal, time};

/// One JSON object for each row.
pub fn encode(columns: &RecordBatch) -> BinaryArray {
    let writer = RowWriter::new(columns);
    let mut out = Vec::with_capacity(columns.num_rows() * 32 * columns.num_columns().max(1));
    let mut offsets = Vec::with_capacity(columns.num_rows() + 1);
    offsets.push(0i32);
    for row in 0..columns.num_rows() {
        writer.write(row, &mut out);
        offsets.push(offset(out.len()));
    }
    payload(out, offsets)
}

/// All rows as lines of JSON objects, each ended by a line break.
pub fn encode_lines(columns: &RecordBatch, out: &mut Vec<u8>) {
    let writer = RowWriter::new(columns);
    for row in 0..columns.num_rows() {
        writer.write(row, out);
        out.push(b'\n');
    }
}

/// The bytes of a payload column and where each row ends.
pub(crate) fn payload(bytes: Vec<u8>, offsets: Vec<i32>) -> BinaryArray {
    BinaryArray::new(OffsetBuffer::new(ScalarBuffer::from(offsets)), bytes.into(), None)
}

/// An offset into a payload column.
///
/// # Panics
/// Beyond 2 GiB: batches are cut long before.
pub(crate) fn offset(bytes: usize) -> i32 {
    i32::try_from(bytes).expect("a batch holds less than 2 GiB of payload")
}

/// Writes rows of a batch as JSON objects.
pub struct RowWriter<'a> {
    fields: Vec<(Vec<u8>, ValueWriter<'a>)>,
}

impl<'a> RowWriter<'a> {
    /// Looks at the columns once.
    pub fn new(columns: &'a RecordBatch) -> RowWriter<'a> {
        let schema = columns.schema_ref();
        let names = schema.fields().iter().map(|field| field.name().as_str());
        RowWriter::of(names, columns.columns())
    }

    fn of(names: impl Iterator<Item = &'a str>, columns: &'a [ArrayRef]) -> RowWriter<'a> {
        let fields = names.zip(columns).enumerate().map(|(at, (name, column))| {
            let mut head = vec![if at == 0 { b'{' } else { b',' }];
            write_text(&mut head, name);
            head.push(b':');
            (head, ValueWriter::new(column.as_ref()))
        });
        RowWriter { fields: fields.collect() }
    }

    /// Appends the object of a row.
    pub fn write(&self, row: usize, out: &mut Vec<u8>) {
        if self.fields.is_empty() {
            out.push(b'{');
        }
        for (head, value) in &self.fields {
            out.extend_from_slice(head);
            value.write(row, out);
        }
        out.push(b'}');
    }
}

/// Writes values of one column as JSON.
pub struct ValueWriter<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

/// A column by its type.
enum Values<'a> {
    Null,
    Text(&'a StringArray),
    Int(&'a [i64]),
    Decimal(&'a [i128], u8),
    Float(&'a [f64]),
    Bool(&'a BooleanArray),
    Timestamp(&'a [i64]),
    Date(&'a [i32]),
    Bytes(&'a BinaryArray),
    Record(RowWriter<'a>),
    List(&'a [i32], Box<ValueWriter<'a>>),
    Map(&'a [i32], &'a StringArray, Box<ValueWriter<'a>>),
}

impl<'a> ValueWriter<'a> {
    /// Looks at the column once.
    ///
    /// # Panics
    /// For an Arrow type that no type of the language has.
    pub fn new(column: &'a dyn Array) -> ValueWriter<'a> {
        let values = match column.data_type() {
            DataType::Null => Values::Null,
            DataType::Utf8 => Values::Text(column.as_string()),
            DataType::Int64 => Values::Int(column.as_primitive::<Int64Type>().values()),
            DataType::Decimal128(_, scale) => {
                let values = column.as_primitive::<Decimal128Type>().values();
                Values::Decimal(values, u8::try_from(*scale).expect("scales are not negative"))
            }
            DataType::Float64 => Values::Float(column.as_primitive::<Float64Type>().values()),
            DataType::Boolean => Values::Bool(column.as_boolean()),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                Values::Timestamp(column.as_primitive::<TimestampNanosecondType>().values())
            }
            DataType::Date32 => Values::Date(column.as_primitive::<Date32Type>().values()),
            DataType::Duration(TimeUnit::Nanosecond) => {
                Values::Int(column.as_primitive::<DurationNanosecondType>().values())
            }
            DataType::Binary => Values::Bytes(column.as_binary()),
            DataType::Struct(fields) => {
                let names = fields.iter().map(|field| field.name().as_str());
                Values::Record(RowWriter::of(names, column.as_struct().columns()))
            }
            DataType::List(_) => {
                let list = column.as_list::<i32>();
                let items = ValueWriter::new(list.values().as_ref());
                Values::List(list.value_offsets(), Box::new(items))
            }
            DataType::Map(_, _) => {
                let map = column.as_map();
                let values = ValueWriter::new(map.values().as_ref());
                Values::Map(map.value_offsets(), map.keys().as_string(), Box::new(values))
            }
            other => unreachable!("no type of the language is {other} in Arrow"),
        };
        ValueWriter { nulls: column.nulls(), values }
    }

    /// Appends the value of a row.
    pub fn write(&self, row: usize, out: &mut Vec<u8>) {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            out.extend_from_slice(b"null");
            return;
        }
        match &self.values {
            Values::Null => out.extend_from_slice(b"null"),
            Values::Text(values) => write_text(out, values.value(row)),
            Values::Int(values) => decimal::write_int(out, values[row]),
            Values::Decimal(values, scale) => decimal::write(out, values[row], *scale),
            Values::Float(values) => write_float(out, values[row]),
            Values::Bool(values) => {
                out.extend_from_slice(if values.value(row) { b"true" } else { b"false" })
            }
            Values::Timestamp(values) => {
                out.push(b'"');
                time::write_rfc3339(out, values[row]);
                out.push(b'"');
            }
            Values::Date(values) => {
                out.push(b'"');
                time::write_date(out, values[row]);
                out.push(b'"');
            }
            Values::Bytes(values) => write_base64(out, values.value(row)),
            Values::Record(record) => record.write(row, out),
            Values::List(offsets, items) => {
                out.push(b'[');
                write_items(out, offsets, row, |out, item| items.write(item, out));
                out.push(b']');
            }
            Values::Map(offsets, keys, values) => {
                out.push(b'{');
                write_items(out, offsets, row, |out, item| {
                    write_text(out, keys.value(item));
                    out.push(b':');
                    values.write(item, out);
                });
                out.push(b'}');
            }
        }
    }
}

fn write_items(
    out: &mut Vec<u8>,
    offsets: &[i32],
    row: usize,
    mut write: impl FnMut(&mut Vec<u8>, usize),
) {
    let items = offsets[row] as usize..offsets[row + 1] as usize;
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(out, item);
    }
}

/// Appends base64 text in quotes.
fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, b'=');
    let written = STANDARD.encode_slice(bytes, &mut out[start..]);
    assert_eq!(written, Ok(out.len() - start), "base64 takes four characters for three bytes");
    out.push(b'"');
}

/// Appends the shortest text that reads back to the same float. Floats in flowc are finite: what
/// is not has become a failure where it arose.
fn write_float(out: &mut Vec<u8>, value: f64) {
    let written = serde_json::to_writer(out, &value);
    assert!(written.is_ok(), "a float writes into memory");
}

/// For each byte: 0 = as it is, `u` = `\u00XX`, else the letter behind the backslash.
const ESCAPES: [u8; 256] = {
    let mut escapes = [0u8; 256];
    let mut byte = 0;
    while byte < 0x20 {
        escapes[byte] = b'u';
        byte += 1;
    }
    escapes[b'\n' as usize] = b'n';
    escapes[b'\r' as usize] = b'r';
    escapes[b'\t' as usize] = b't';
    escapes[0x08] = b'b';
    escapes[0x0C] = b'f';
    escapes[b'"' as usize] = b'"';
    escapes[b'\\' as usize] = b'\\';
    escapes
};

/// Appends a JSON string with its quotes.
pub fn write_text(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut done = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let escape = ESCAPES[byte as usize];
        if escape == 0 {
            continue;
        }
        out.extend_from_slice(&bytes[done..at]);
        done = at + 1;
        if escape == b'u' {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&digits);
        } else {
            out.extend_from_slice(&[b'\\', escape]);
        }
    }
    out.extend_from_slice(&bytes[done..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::builder::{Int64Builder, ListBuilder, MapBuilder, StringBuilder};
    use arrow_array::{
        Date32Array, Decimal128Array, Float64Array, Int64Array, StructArray,
        TimestampNanosecondArray,
    };
    use arrow_schema::Field;
    use std::sync::Arc;

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn texts(columns: Vec<(&str, ArrayRef)>) -> Vec<String> {
        let encoded = encode(&batch(columns));
        encoded.iter().map(|row| String::from_utf8(row.unwrap().to_vec()).unwrap()).collect()
    }

    #[test]
    fn an_order_line() {
        let rows = texts(vec![
            ("InvoiceNo", Arc::new(StringArray::from(vec!["536365", "C1"]))),
            ("Description", Arc::new(StringArray::from(vec![Some(" \"A\", £5\t"), None]))),
            ("Quantity", Arc::new(Int64Array::from(vec![6, -80995]))),
            ("InvoiceDate", {
                let times = TimestampNanosecondArray::from(vec![1_291_191_960_000_000_000, -1]);
                Arc::new(times.with_timezone("UTC"))
            }),
            ("UnitPrice", {
                let prices = Decimal128Array::from(vec![2550, -11_062_060]);
                Arc::new(prices.with_precision_and_scale(10, 3).unwrap())
            }),
        ]);
        assert_eq!(
            rows,
            [
                concat!(
                    r#"{"InvoiceNo":"536365","Description":" \"A\", £5\t","Quantity":6,"#,
                    r#""InvoiceDate":"2010-12-01T08:26:00Z","UnitPrice":2.55}"#
                ),
                concat!(
                    r#"{"InvoiceNo":"C1","Description":null,"Quantity":-80995,"#,
                    r#""InvoiceDate":"1969-12-31T23:59:59.999999999Z","UnitPrice":-11062.06}"#
                ),
            ]
        );
    }

    #[test]
    fn every_string_reads_back() {
        let all: String =
            (0..0x2FF).filter_map(char::from_u32).chain("\u{1F600}".chars()).collect();
        let mut out = Vec::new();
        write_text(&mut out, &all);
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), all);
    }

    #[test]
    fn nested_values() {
        let mut list = ListBuilder::new(Int64Builder::new());
        list.append_value([Some(1), None]);
        list.append_null();
        let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
        map.keys().append_value("a\"");
        map.values().append_value(1);
        map.append(true).unwrap();
        map.append(true).unwrap();
        let record = StructArray::from(vec![(
            Arc::new(Field::new("day", DataType::Date32, false)),
            Arc::new(Date32Array::from(vec![14944, 0])) as ArrayRef,
        )]);
        let rows = texts(vec![
            ("list", Arc::new(list.finish())),
            ("map", Arc::new(map.finish())),
            ("record", Arc::new(record)),
            ("float", Arc::new(Float64Array::from(vec![0.1, 1e300]))),
            ("bytes", Arc::new(BinaryArray::from(vec![&b"\xff\x00\x01\x02"[..], b""]))),
            ("bool", Arc::new(BooleanArray::from(vec![true, false]))),
        ]);
        assert_eq!(
            rows,
            [
                concat!(
                    r#"{"list":[1,null],"map":{"a\"":1},"record":{"day":"2010-12-01"},"#,
                    r#""float":0.1,"bytes":"/wABAg==","bool":true}"#
                ),
                concat!(
                    r#"{"list":null,"map":{},"record":{"day":"1970-01-01"},"#,
                    r#""float":1e+300,"bytes":"","bool":false}"#
                ),
            ]
        );
    }

    #[test]
    fn slices_and_lines() {
        let rows = batch(vec![("n", Arc::new(Int64Array::from(vec![1, 2, 3])))]);
        let mut out = Vec::new();
        encode_lines(&rows.slice(1, 2), &mut out);
        assert_eq!(out, b"{\"n\":2}\n{\"n\":3}\n");
    }
}
