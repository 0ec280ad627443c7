//! Columns to JSON: one object a row, written straight into one buffer.
//!
//! Rows are written a stretch at a time: first how many bytes the stretch takes at most, and which
//! columns of text need no escape in it; then the buffer is given that room, and every value is
//! put at its place without asking for room again.

use super::put;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, DurationNanosecondType, Float64Type, Int64Type,
    TimestampNanosecondType,
};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, RecordBatch};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, TimeUnit};
use std::ops::Range;

/// Rows of a stretch: what they are written into stays in the processor's nearest caches.
const STRETCH: usize = 128;

/// One JSON object for each row.
pub fn encode(columns: &RecordBatch) -> BinaryArray {
    let rows = columns.num_rows();
    let (mut out, mut offsets) = (Vec::new(), Vec::with_capacity(rows + 1));
    offsets.push(0);
    RowWriter::new(columns).write_all(rows, b"}", &mut out, |end| offsets.push(offset(end)));
    payload(out, offsets)
}

/// All rows as lines of JSON objects, each ended by a line break.
pub fn encode_lines(columns: &RecordBatch, out: &mut Vec<u8>) {
    RowWriter::new(columns).write_all(columns.num_rows(), b"}\n", out, |_| ());
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
    fields: Vec<FieldWriter<'a>>,
}

struct FieldWriter<'a> {
    /// `,"name":`, for texts with the quote behind it, then blank room.
    head: Vec<u8>,
    /// Without the room.
    head_len: usize,
    value: ValueWriter<'a>,
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
            let value = ValueWriter::new(column.as_ref());
            let mut head = vec![if at == 0 { b'{' } else { b',' }];
            write_text(&mut head, name);
            head.push(b':');
            if value.quoted() {
                head.push(b'"');
            }
            let head_len = head.len();
            head.resize(head_len + put::SLACK, 0);
            FieldWriter { head, head_len, value }
        });
        RowWriter { fields: fields.collect() }
    }

    /// Appends the object of a row.
    pub fn write(&self, row: usize, out: &mut Vec<u8>) {
        let size = self.size(row..row + 1);
        append(out, size, |out, at| {
            let at = self.put(row, out, at);
            put::bytes(b"}", out, at)
        });
    }

    /// Appends the rows before `rows`, each with `end`; says where it ends.
    fn write_all(
        &mut self,
        rows: usize,
        end: &[u8],
        out: &mut Vec<u8>,
        mut ends: impl FnMut(usize),
    ) {
        for first in (0..rows).step_by(STRETCH) {
            let stretch = first..rows.min(first + STRETCH);
            self.look(stretch.clone());
            let size = self.size(stretch.clone());
            if first == 0 {
                // Most likely enough for all.
                out.reserve(size.div_ceil(stretch.len()) * rows + put::SLACK);
            }
            append(out, size, |out, mut at| {
                for row in stretch {
                    at = self.put(row, out, at);
                    at = put::bytes(end, out, at);
                    ends(at);
                }
                at
            });
        }
    }

    fn look(&mut self, rows: Range<usize>) {
        self.fields.iter_mut().for_each(|field| field.value.look(rows.clone()));
    }

    /// Bytes that some rows take at most, with a line break each.
    fn size(&self, rows: Range<usize>) -> usize {
        let field =
            |field: &FieldWriter| field.head_len * rows.len() + field.value.size(rows.clone());
        rows.len() * 3 + self.fields.iter().map(field).sum::<usize>()
    }

    /// Puts the object of a row, without the bracket that closes it.
    #[inline(always)]
    fn put(&self, row: usize, out: &mut [u8], mut at: usize) -> usize {
        if self.fields.is_empty() {
            return put::bytes(b"{", out, at);
        }
        for field in &self.fields {
            at = put::part(&field.head, 0..field.head_len, out, at);
            at = field.value.put_open(row, out, at);
        }
        at
    }
}

/// Gives `out` room for `size` more bytes, which `put` fills from where it is told to where it
/// says.
fn append(out: &mut Vec<u8>, size: usize, put: impl FnOnce(&mut [u8], usize) -> usize) {
    let start = out.len();
    out.resize(start + size + put::SLACK, 0);
    let end = put(out, start);
    assert!(end <= start + size, "{size} bytes are enough, and not {}", end - start);
    out.truncate(end);
}

/// Writes values of one column as JSON.
pub struct ValueWriter<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

/// A column by its type.
enum Values<'a> {
    Null,
    Text(Texts<'a>),
    Int(&'a [i64]),
    Decimal(&'a [i128], u8),
    Float(&'a [f64]),
    Bool(&'a BooleanArray),
    Timestamp(&'a [i64]),
    Date(&'a [i32]),
    Bytes(&'a BinaryArray),
    Record(RowWriter<'a>),
    List(&'a [i32], Box<ValueWriter<'a>>),
    Map(&'a [i32], Texts<'a>, Box<ValueWriter<'a>>),
}

impl<'a> ValueWriter<'a> {
    /// Looks at the column once.
    ///
    /// # Panics
    /// For an Arrow type that no type of the language has.
    pub fn new(column: &'a dyn Array) -> ValueWriter<'a> {
        let values = match column.data_type() {
            DataType::Null => Values::Null,
            DataType::Utf8 => Values::Text(Texts::new(column)),
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
                let keys = Texts::new(map.keys().as_ref());
                Values::Map(map.value_offsets(), keys, Box::new(values))
            }
            other => unreachable!("no type of the language is {other} in Arrow"),
        };
        ValueWriter { nulls: column.nulls().filter(|nulls| nulls.null_count() > 0), values }
    }

    /// Appends the value of a row.
    pub fn write(&self, row: usize, out: &mut Vec<u8>) {
        append(out, self.size(row..row + 1) + 1, |out, at| self.put(row, out, at));
    }

    /// Every value but null begins with a quote.
    fn quoted(&self) -> bool {
        matches!(
            self.values,
            Values::Text(_) | Values::Timestamp(_) | Values::Date(_) | Values::Bytes(_)
        )
    }

    /// Looks how many escapes the texts of some rows need.
    fn look(&mut self, rows: Range<usize>) {
        match &mut self.values {
            Values::Text(texts) => texts.look(rows),
            Values::Record(record) => record.look(rows),
            Values::List(offsets, items) => items.look(span(offsets, rows)),
            Values::Map(offsets, keys, values) => {
                let items = span(offsets, rows);
                keys.look(items.clone());
                values.look(items);
            }
            _ => {}
        }
    }

    /// Bytes that some rows take at most, a quote before each left out.
    fn size(&self, rows: Range<usize>) -> usize {
        let count = rows.len();
        match &self.values {
            Values::Null => 4 * count,
            Values::Text(texts) => texts.size(rows) + 4 * count,
            Values::Int(_) => 20 * count,
            // 38 digits, a sign, a point and a zero in front of it.
            Values::Decimal(..) => 41 * count,
            Values::Float(_) => 25 * count,
            Values::Bool(_) => 5 * count,
            Values::Timestamp(_) => 32 * count,
            Values::Date(_) => 18 * count,
            Values::Bytes(values) => {
                span(values.value_offsets(), rows).len().div_ceil(3) * 4 + 8 * count
            }
            Values::Record(record) => record.size(rows) + 4 * count,
            Values::List(offsets, items) => {
                let inner = span(offsets, rows);
                4 * count + 2 * inner.len() + items.size(inner)
            }
            Values::Map(offsets, keys, values) => {
                let inner = span(offsets, rows);
                4 * count + 5 * inner.len() + keys.size(inner.clone()) + values.size(inner)
            }
        }
    }

    /// Puts a value.
    fn put(&self, row: usize, out: &mut [u8], mut at: usize) -> usize {
        if self.quoted() {
            at = put::bytes(b"\"", out, at);
        }
        self.put_open(row, out, at)
    }

    /// Puts a value where its first quote already stands in front of it.
    #[inline(always)]
    fn put_open(&self, row: usize, out: &mut [u8], at: usize) -> usize {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return put::bytes(b"null", out, at - usize::from(self.quoted()));
        }
        match &self.values {
            Values::Null => put::bytes(b"null", out, at),
            Values::Text(texts) => texts.put_open(row, out, at),
            Values::Int(values) => put::int(values[row], out, at),
            Values::Decimal(values, scale) => put::decimal(values[row], *scale, out, at),
            Values::Float(values) => put::float(values[row], out, at),
            Values::Bool(values) => match values.value(row) {
                true => put::bytes(b"true", out, at),
                false => put::bytes(b"false", out, at),
            },
            others => others.put_open(row, out, at),
        }
    }
}

impl Values<'_> {
    /// The types that take longer than a call.
    #[inline(never)]
    fn put_open(&self, row: usize, out: &mut [u8], mut at: usize) -> usize {
        match self {
            Values::Timestamp(values) => {
                at = put::timestamp(values[row], out, at);
                put::bytes(b"\"", out, at)
            }
            Values::Date(values) => {
                at = put::date(values[row], out, at);
                put::bytes(b"\"", out, at)
            }
            Values::Bytes(values) => {
                at = put::base64(values.value(row), out, at);
                put::bytes(b"\"", out, at)
            }
            Values::Record(record) => {
                at = record.put(row, out, at);
                put::bytes(b"}", out, at)
            }
            Values::List(offsets, items) => {
                at = put::bytes(b"[", out, at);
                let all = span(offsets, row..row + 1);
                for item in all.clone() {
                    at = put::bytes(if item == all.start { b"" } else { b"," }, out, at);
                    at = items.put(item, out, at);
                }
                put::bytes(b"]", out, at)
            }
            Values::Map(offsets, keys, values) => {
                at = put::bytes(b"{", out, at);
                let all = span(offsets, row..row + 1);
                for item in all.clone() {
                    at = put::bytes(if item == all.start { b"\"" } else { b",\"" }, out, at);
                    at = keys.put_open(item, out, at);
                    at = put::bytes(b":", out, at);
                    at = values.put(item, out, at);
                }
                put::bytes(b"}", out, at)
            }
            _ => unreachable!("all others are put in place"),
        }
    }
}

/// What the values of some rows stand in: bytes or items.
fn span(offsets: &[i32], rows: Range<usize>) -> Range<usize> {
    offsets[rows.start] as usize..offsets[rows.end] as usize
}

/// A column of texts.
struct Texts<'a> {
    bytes: &'a [u8],
    offsets: &'a [i32],
    /// How many bytes need an escape in the rows that were looked at; `None` = who knows.
    specials: Option<usize>,
}

impl<'a> Texts<'a> {
    fn new(column: &'a dyn Array) -> Texts<'a> {
        let texts = column.as_string::<i32>();
        Texts { bytes: texts.value_data(), offsets: texts.value_offsets(), specials: None }
    }

    fn look(&mut self, rows: Range<usize>) {
        self.specials = Some(put::specials(&self.bytes[span(self.offsets, rows)]));
    }

    fn size(&self, rows: Range<usize>) -> usize {
        let len = span(self.offsets, rows).len();
        len + self.specials.unwrap_or(len) * (put::ESCAPED_MAX - 1)
    }

    #[inline(always)]
    fn put_open(&self, row: usize, out: &mut [u8], at: usize) -> usize {
        let text = span(self.offsets, row..row + 1);
        let at = match self.specials {
            Some(0) => put::part(self.bytes, text, out, at),
            _ => put::escaped(&self.bytes[text], out, at),
        };
        put::bytes(b"\"", out, at)
    }
}

/// Appends a JSON string with its quotes.
pub fn write_text(out: &mut Vec<u8>, text: &str) {
    append(out, text.len() * put::ESCAPED_MAX + 2, |out, at| {
        let at = put::bytes(b"\"", out, at);
        let at = put::escaped(text.as_bytes(), out, at);
        put::bytes(b"\"", out, at)
    });
}

#[cfg(test)]
mod tests;
