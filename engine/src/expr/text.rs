//! Functions on text.

use super::column::{Column, Texts};
use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, ListArray, PrimitiveArray, StringArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field};
use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

/// A text for each row out of a text.
pub(super) fn map(x: &Column, convert: impl for<'a> Fn(&'a str) -> Cow<'a, str>) -> Column {
    let texts = x.raw().as_string::<i32>();
    let mut out = StringBuilder::with_capacity(texts.len(), texts.values().len());
    for text in texts {
        match text {
            Some(text) => out.append_value(convert(text)),
            None => out.append_null(),
        }
    }
    x.with(Arc::new(out.finish()))
}

/// A truth value for each row out of two texts.
pub(super) fn test(args: &[Column], rows: usize, holds: fn(&str, &str) -> bool) -> Column {
    let (a, b) = (args[0].texts(), args[1].texts());
    let values = (0..rows).map(|row| holds(a.at(row), b.at(row))).collect();
    Column::Rows(Arc::new(BooleanArray::new(values, nulls(args, rows))))
}

/// The number of characters of a text, or of items of a list.
pub(super) fn length(x: &Column) -> Column {
    let (lengths, nulls): (Vec<i64>, _) = match x.data_type() {
        DataType::List(_) => {
            let list: &ListArray = x.raw().as_list();
            (list.offsets().lengths().map(|length| length as i64).collect(), list.nulls().cloned())
        }
        _ => {
            let texts: &StringArray = x.raw().as_string();
            let count = |row| texts.value(row).chars().count() as i64;
            ((0..texts.len()).map(count).collect(), texts.nulls().cloned())
        }
    };
    x.with(Arc::new(PrimitiveArray::<Int64Type>::new(lengths.into(), nulls)))
}

/// Every `find` replaced; an empty `find` replaces nothing.
pub(super) fn replace(args: &[Column], rows: usize) -> Column {
    let (x, find, with): (Texts, Texts, Texts) =
        (args[0].texts(), args[1].texts(), args[2].texts());
    let mut out = StringBuilder::with_capacity(rows, rows * 16);
    let nulls = nulls(args, rows);
    for row in 0..rows {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            out.append_null();
        } else if find.at(row).is_empty() {
            out.append_value(x.at(row));
        } else {
            out.append_value(x.at(row).replace(find.at(row), with.at(row)));
        }
    }
    Column::Rows(Arc::new(out.finish()))
}

/// The parts between separators; an empty separator gives the text as it is.
pub(super) fn split(args: &[Column], rows: usize) -> Column {
    let (x, separator) = (args[0].texts(), args[1].texts());
    let field = Field::new("item", DataType::Utf8, false);
    let mut out = ListBuilder::new(StringBuilder::new()).with_field(field);
    let nulls = nulls(args, rows);
    for row in 0..rows {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            out.append_null();
            continue;
        }
        if separator.at(row).is_empty() {
            out.values().append_value(x.at(row));
        } else {
            for part in x.at(row).split(separator.at(row)) {
                out.values().append_value(part);
            }
        }
        out.append(true);
    }
    Column::Rows(Arc::new(out.finish()))
}

/// The SHA-256 of texts or bytes, in hexadecimal.
pub(super) fn sha256(x: &Column) -> Column {
    use sha2::{Digest, Sha256};
    let hash = |bytes: &[u8]| {
        let mut text = String::with_capacity(64);
        for byte in Sha256::digest(bytes) {
            let written = write!(text, "{byte:02x}");
            debug_assert!(written.is_ok(), "writing into memory");
        }
        text
    };
    let hashes: StringArray = match x.data_type() {
        DataType::Binary => {
            x.raw().as_binary::<i32>().iter().map(|bytes| bytes.map(hash)).collect()
        }
        _ => {
            let texts = x.raw().as_string::<i32>().iter();
            texts.map(|text| text.map(|text| hash(text.as_bytes()))).collect()
        }
    };
    x.with(Arc::new(hashes) as ArrayRef)
}

/// Which rows have all arguments; `None` = all rows.
pub(super) fn nulls(args: &[Column], rows: usize) -> Option<NullBuffer> {
    args.iter().fold(None, |nulls, arg| NullBuffer::union(nulls.as_ref(), arg.nulls(rows).as_ref()))
}
