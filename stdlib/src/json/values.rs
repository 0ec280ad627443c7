//! JSON values to the columns of plain types.

use super::decode::{Cells, Owner, Pass};
use super::encode::offset;
use super::scan::{Kind, Token, unescape};
use super::shape::Shape;
use super::short::Short;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, DurationNanosecondType, Float64Type, Int64Type,
    TimestampNanosecondType,
};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, StringArray, new_null_array,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dsl::ty::Ty;
use engine::expr::time::{self, TimeError};
use engine::expr::{decimal, parse_bool, parse_float};
use std::sync::Arc;

/// What a value becomes: a value, nothing (the token tells why), or a reason why it is unfit.
type Parsed<T> = Result<Option<T>, String>;

/// The column of a plain type.
pub(super) fn column(pass: &mut Pass, shape: &Shape, cells: Cells, owner: Owner) -> ArrayRef {
    match &shape.data_type {
        DataType::Utf8 => texts(pass, shape, cells, owner),
        DataType::Binary => bytes(pass, shape, cells, owner),
        DataType::Int64 => {
            Arc::new(numbers::<Int64Type>(pass, shape, cells, owner, Short::int, int))
        }
        DataType::Float64 => {
            Arc::new(numbers::<Float64Type>(pass, shape, cells, owner, Short::float, float))
        }
        DataType::Decimal128(precision, scale) => {
            let (precision, scale) = (*precision, *scale);
            let parse = |pass: &mut Pass, token: Token| exact(pass, token, precision, scale as u8);
            // Above it the longer way decides.
            let max = u64::try_from(decimal::max(precision)).unwrap_or(u64::MAX >> 1);
            let quick = |short: Short| short.decimal(usize::from(scale as u8), max);
            let array = numbers::<Decimal128Type>(pass, shape, cells, owner, quick, parse);
            let array = array.with_precision_and_scale(precision, scale);
            Arc::new(array.expect("a scale fits its precision"))
        }
        DataType::Boolean => {
            let bits = numbers::<Int64Type>(pass, shape, cells, owner, |_| None, bool);
            let values = bits.values().iter().map(|&bit| bit != 0).collect::<BooleanBuffer>();
            let (_, _, nulls) = bits.into_parts();
            Arc::new(BooleanArray::new(values, nulls))
        }
        DataType::Timestamp(..) => {
            let array =
                numbers::<TimestampNanosecondType>(pass, shape, cells, owner, |_| None, timestamp);
            Arc::new(array.with_timezone("UTC"))
        }
        DataType::Date32 => {
            Arc::new(numbers::<Date32Type>(pass, shape, cells, owner, |_| None, date))
        }
        DataType::Duration(_) => {
            Arc::new(numbers::<DurationNanosecondType>(pass, shape, cells, owner, Short::int, int))
        }
        DataType::Null => {
            for (row, token) in cells.iter().filter(|(_, token)| token.kind != Kind::Null) {
                pass.missing(shape, token, row, owner);
            }
            new_null_array(&DataType::Null, cells.len)
        }
        other => unreachable!("`{}` has no plain column: {other}", shape.ty),
    }
}

/// The keys of a map.
pub(super) fn keys(pass: &mut Pass, cells: Cells) -> ArrayRef {
    let mut out = Texts::with_capacity(cells.len, false);
    for (_, token) in cells.iter() {
        push_string(pass, token, &mut out.bytes);
        out.end(true);
    }
    Arc::new(out.finish())
}

/// A column of numbers: `quick` takes the short ones, `parse` every value.
#[inline(never)]
fn numbers<T: ArrowPrimitiveType>(
    pass: &mut Pass,
    shape: &Shape,
    cells: Cells,
    owner: Owner,
    quick: impl Fn(Short) -> Option<T::Native>,
    parse: impl Fn(&mut Pass, Token) -> Parsed<T::Native>,
) -> PrimitiveArray<T> {
    let text = pass.text;
    let mut values: Vec<T::Native> = Vec::with_capacity(cells.len);
    let mut valid = Valid::new(shape.nullable, cells.len);
    for (row, token) in cells.iter() {
        let short = match token.kind {
            Kind::Number => Short::read(text, token.start as usize, token.end as usize),
            _ => None,
        };
        let value = match short.and_then(&quick) {
            Some(value) => Some(value),
            None => number(pass, shape, token, row, owner, &parse),
        };
        valid.push(value.is_some());
        values.push(value.unwrap_or_default());
    }
    PrimitiveArray::new(values.into(), valid.finish())
}

/// Any value of such a column; `None` = null, or a fault is noted.
#[inline(never)]
fn number<T>(
    pass: &mut Pass,
    shape: &Shape,
    token: Token,
    row: usize,
    owner: Owner,
    parse: &impl Fn(&mut Pass, Token) -> Parsed<T>,
) -> Option<T> {
    match parse(pass, token) {
        Ok(Some(value)) => return Some(value),
        Ok(None) if blank_null(pass, shape, token) => {}
        Ok(None) => pass.missing(shape, token, row, owner),
        Err(what) => {
            if !blank_null(pass, shape, token) {
                pass.unfit(shape, token, &what, row, owner);
            }
        }
    }
    None
}

/// Lenient: an empty text is null where a value that is no text may be null.
fn blank_null(pass: &Pass, shape: &Shape, token: Token) -> bool {
    pass.options.lenient
        && shape.nullable
        && token.kind == Kind::Text
        && token.bytes(pass.text).trim_ascii().is_empty()
}

/// The text of a number, or of a string in lenient decoding; `None` for other values.
fn number_text<'a>(pass: &Pass<'a>, token: Token) -> Option<&'a [u8]> {
    let text = token.bytes(pass.text);
    match token.kind {
        Kind::Number => Some(text),
        Kind::Text if pass.options.lenient => Some(text.trim_ascii()),
        _ => None,
    }
}

fn int(pass: &mut Pass, token: Token) -> Parsed<i64> {
    let Some(text) = number_text(pass, token) else { return Ok(None) };
    if let Some(value) = decimal::parse_int(text) {
        return Ok(Some(value));
    }
    let whole = match decimal::parse(text, 38, 0) {
        Ok(whole) if pass.options.lenient => i64::try_from(whole).ok(),
        _ => None,
    };
    whole.map(Some).ok_or_else(|| "is not a whole number of 64 bits".into())
}

fn float(pass: &mut Pass, token: Token) -> Parsed<f64> {
    let Some(text) = number_text(pass, token) else { return Ok(None) };
    parse_float(text).map(Some).ok_or_else(|| "is not a finite number".into())
}

fn exact(pass: &mut Pass, token: Token, precision: u8, scale: u8) -> Parsed<i128> {
    let Some(text) = number_text(pass, token) else { return Ok(None) };
    decimal::parse(text, precision, scale)
        .map(Some)
        .map_err(|error| format!("{}, and the type is decimal({precision}, {scale})", error.what()))
}

fn bool(pass: &mut Pass, token: Token) -> Parsed<i64> {
    match token.kind {
        Kind::True => return Ok(Some(1)),
        Kind::False => return Ok(Some(0)),
        _ if !pass.options.lenient => return Ok(None),
        _ => {}
    }
    let Some(text) = number_text(pass, token) else { return Ok(None) };
    let bool = parse_bool(text).map(i64::from);
    bool.map(Some).ok_or_else(|| "is neither true nor false".into())
}

fn timestamp(pass: &mut Pass, token: Token) -> Parsed<i64> {
    let mut unescaped = Vec::new();
    let text = match token.kind {
        Kind::Text => token.bytes(pass.text),
        Kind::Escaped => {
            unescape(token.bytes(pass.text), &mut unescaped);
            &unescaped
        }
        _ => return Ok(None),
    };
    let lenient = pass.options.lenient;
    let parsed = match &mut pass.options.timestamp {
        Some(format) => {
            let parsed = format.parse(text);
            if lenient { parsed.or_else(|error| any_time(text).map_err(|_| error)) } else { parsed }
        }
        None if lenient => any_time(text),
        None => time::parse_rfc3339(text),
    };
    parsed.map(Some).map_err(|error| match error {
        TimeError::Format => "is not a timestamp of that form".into(),
        other => other.to_string(),
    })
}

/// The forms of timestamps that lenient decoding takes: RFC 3339; the same without a zone, as UTC;
/// and month first, `12/1/2010 8:26`, as UTC.
fn any_time(text: &[u8]) -> Result<i64, TimeError> {
    let text = text.trim_ascii();
    time::parse_rfc3339(text)
        .or_else(|_| time::parse_naive(text))
        .or_else(|_| time::parse_month_first(text))
}

fn date(pass: &mut Pass, token: Token) -> Parsed<i32> {
    if token.kind != Kind::Text {
        return Ok(None);
    }
    let date = time::parse_date(token.bytes(pass.text));
    date.map(Some).ok_or_else(|| "is not a date like 2010-12-01".into())
}

fn bytes(pass: &mut Pass, shape: &Shape, cells: Cells, owner: Owner) -> ArrayRef {
    let mut out = Texts::with_capacity(cells.len, shape.nullable);
    let mut unescaped = Vec::new();
    for (row, token) in cells.iter() {
        let there = matches!(token.kind, Kind::Text | Kind::Escaped);
        if there {
            unescaped.clear();
            push_string(pass, token, &mut unescaped);
            match STANDARD.decode(&unescaped) {
                Ok(decoded) => out.bytes.extend_from_slice(&decoded),
                Err(_) => pass.unfit(shape, token, "is not base64", row, owner),
            }
        } else {
            pass.missing(shape, token, row, owner);
        }
        out.end(there);
    }
    let nulls = out.valid.finish();
    Arc::new(BinaryArray::new(out.offsets(), out.bytes.into(), nulls))
}

#[inline(never)]
fn texts(pass: &mut Pass, shape: &Shape, cells: Cells, owner: Owner) -> ArrayRef {
    let mut out = Texts::with_capacity(cells.len, shape.nullable);
    let formed = matches!(shape.ty, Ty::Literal(_) | Ty::Url | Ty::Uuid);
    let text = pass.text;
    for (row, token) in cells.iter() {
        if token.kind == Kind::Text && !formed {
            out.push(text, token);
            out.end(true);
            continue;
        }
        let start = out.bytes.len();
        let there = push_text(pass, token, &mut out.bytes);
        if !there {
            pass.missing(shape, token, row, owner);
        } else if formed
            && !std::str::from_utf8(&out.bytes[start..]).is_ok_and(|it| shape.takes(it))
        {
            out.bytes.truncate(start);
            pass.unfit(shape, token, &format!("is not `{}`", shape.ty), row, owner);
        }
        out.end(there);
    }
    Arc::new(out.finish())
}

/// Appends a value's text; false where it has none.
fn push_text(pass: &Pass, token: Token, out: &mut Vec<u8>) -> bool {
    let text = token.bytes(pass.text);
    match token.kind {
        Kind::Text | Kind::Escaped => push_string(pass, token, out),
        Kind::Number if pass.options.lenient => push_number(text, out),
        Kind::True | Kind::False if pass.options.lenient => out.extend_from_slice(text),
        _ => return false,
    }
    true
}

fn push_string(pass: &Pass, token: Token, out: &mut Vec<u8>) {
    match token.kind {
        Kind::Escaped => unescape(token.bytes(pass.text), out),
        _ => out.extend_from_slice(token.bytes(pass.text)),
    }
}

/// Appends a number as text: a whole number without a point (`17850.0` is `17850`), any other as it
/// was written.
fn push_number(text: &[u8], out: &mut Vec<u8>) {
    let plain = text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
    match decimal::parse(text, 38, 0) {
        Ok(whole) if !plain => decimal::write(out, whole, 0),
        _ => out.extend_from_slice(text),
    }
}

/// A column of texts or bytes on its way.
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<i32>,
    valid: Valid,
}

impl Texts {
    fn with_capacity(rows: usize, nullable: bool) -> Texts {
        let mut ends = Vec::with_capacity(rows + 1);
        ends.push(0);
        Texts { bytes: Vec::with_capacity(rows * 16), ends, valid: Valid::new(nullable, rows) }
    }

    /// Appends plain text: as a whole block where something stands behind it.
    #[inline]
    fn push(&mut self, text: &[u8], token: Token) {
        let (start, len) = (token.start as usize, (token.end - token.start) as usize);
        match text[start..].first_chunk::<32>() {
            Some(block) if len <= block.len() => {
                let end = self.bytes.len() + len;
                self.bytes.extend_from_slice(block);
                self.bytes.truncate(end);
            }
            _ => self.bytes.extend_from_slice(&text[start..start + len]),
        }
    }

    /// Ends a row.
    #[inline]
    fn end(&mut self, valid: bool) {
        self.ends.push(offset(self.bytes.len()));
        self.valid.push(valid);
    }

    fn offsets(&mut self) -> OffsetBuffer<i32> {
        OffsetBuffer::new(ScalarBuffer::from(std::mem::take(&mut self.ends)))
    }

    fn finish(mut self) -> StringArray {
        let (offsets, nulls) = (self.offsets(), self.valid.finish());
        StringArray::new(offsets, self.bytes.into(), nulls)
    }
}

/// A null mask on its way; none for what may not be null: there a missing value is a fault.
struct Valid {
    /// A bit a row.
    words: Option<Vec<u64>>,
    rows: usize,
}

impl Valid {
    fn new(nullable: bool, rows: usize) -> Valid {
        Valid { words: nullable.then(|| vec![0; rows.div_ceil(64)]), rows: 0 }
    }

    #[inline]
    fn push(&mut self, valid: bool) {
        if let Some(words) = &mut self.words {
            words[self.rows / 64] |= u64::from(valid) << (self.rows % 64);
            self.rows += 1;
        }
    }

    fn finish(&mut self) -> Option<NullBuffer> {
        let words = Buffer::from_vec(self.words.take()?);
        let mask = NullBuffer::new(BooleanBuffer::new(words, 0, self.rows));
        (mask.null_count() > 0).then_some(mask)
    }
}
