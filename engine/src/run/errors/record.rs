//! A record as bytes for a `Failure`: its payload as it is, else JSON.

use crate::batch::{PAYLOAD, Rows};
use crate::expr::write_text;
use arrow_array::cast::AsArray;
use arrow_array::types::{DurationNanosecondType, Float64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

/// The bytes of a row.
pub(super) fn bytes(rows: &Rows, row: usize) -> Vec<u8> {
    let (schema, columns) = (rows.columns.schema_ref(), rows.columns.columns());
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    if let ([PAYLOAD], [column]) = (names.as_slice(), columns)
        && column.data_type() == &DataType::Binary
    {
        return column.as_binary::<i32>().value(row).to_vec();
    }
    let mut out = String::new();
    object(&mut out, names.into_iter().zip(columns), row);
    out.into_bytes()
}

fn object<'a>(out: &mut String, fields: impl Iterator<Item = (&'a str, &'a ArrayRef)>, row: usize) {
    out.push('{');
    for (at, (name, column)) in fields.enumerate() {
        if at > 0 {
            out.push(',');
        }
        text(out, name);
        out.push(':');
        value(out, column, row);
    }
    out.push('}');
}

fn value(out: &mut String, column: &ArrayRef, row: usize) {
    if column.is_null(row) || column.data_type() == &DataType::Null {
        return out.push_str("null");
    }
    match column.data_type() {
        DataType::Float64 if !column.as_primitive::<Float64Type>().value(row).is_finite() => {
            out.push_str("null");
        }
        DataType::Int64 | DataType::Decimal128(..) | DataType::Float64 | DataType::Boolean => {
            write_text(out, column, row);
        }
        DataType::Duration(_) => {
            out.push_str(&column.as_primitive::<DurationNanosecondType>().value(row).to_string());
        }
        DataType::Binary => base64(out, column.as_binary::<i32>().value(row)),
        DataType::Struct(fields) => {
            let names = fields.iter().map(|field| field.name().as_str());
            object(out, names.zip(column.as_struct().columns()), row);
        }
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            list(out, ['[', ']'], items.len(), |out, at| value(out, &items, at));
        }
        DataType::Map(..) => {
            let entries = column.as_map().value(row);
            let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1));
            list(out, ['{', '}'], entries.len(), |out, at| {
                text(out, keys.value(at));
                out.push(':');
                value(out, values, at);
            });
        }
        _ => {
            let mut plain = String::new();
            write_text(&mut plain, column, row);
            text(out, &plain);
        }
    }
}

fn list(out: &mut String, brackets: [char; 2], len: usize, item: impl Fn(&mut String, usize)) {
    out.push(brackets[0]);
    for at in 0..len {
        if at > 0 {
            out.push(',');
        }
        item(out, at);
    }
    out.push(brackets[1]);
}

fn text(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", control as u32)),
            other => out.push(other),
        }
    }
    out.push('"');
}

fn base64(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.push('"');
    for three in bytes.chunks(3) {
        let at = |n: usize| u32::from(three.get(n).copied().unwrap_or_default());
        let all = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let value = (all >> (18 - 6 * digit)) & 63;
            let there = digit <= three.len();
            out.push(if there { char::from(DIGITS[value as usize]) } else { '=' });
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use arrow_array::{
        BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
        ListArray, RecordBatch, StringArray, StructArray,
    };
    use arrow_schema::Field;
    use std::sync::Arc;

    #[test]
    fn a_payload_stays_as_it_is() {
        assert_eq!(bytes(&testing::payload(&["a", "b\n"]), 1), b"b\n");
    }

    #[test]
    fn a_record_is_json() {
        let decimal = Decimal128Array::from(vec![-1250]).with_precision_and_scale(9, 2).unwrap();
        let lists = vec![Some(vec![Some(1), None])];
        let list = ListArray::from_iter_primitive::<arrow_array::types::Int64Type, _, _>(lists);
        let inner: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
        let inner =
            StructArray::from(vec![(Arc::new(Field::new("ok", DataType::Boolean, false)), inner)]);
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("n", Arc::new(Int64Array::from(vec![7]))),
            ("text", Arc::new(StringArray::from(vec!["a \"b\"\u{1}\n"]))),
            ("price", Arc::new(decimal)),
            ("none", Arc::new(StringArray::from(vec![None::<&str>]))),
            ("nan", Arc::new(Float64Array::from(vec![f64::NAN]))),
            ("day", Arc::new(Date32Array::from(vec![1]))),
            ("raw", Arc::new(BinaryArray::from_vec(vec![b"light w"]))),
            ("list", Arc::new(list)),
            ("of", Arc::new(inner)),
        ];
        let rows = testing::rows(
            RecordBatch::try_from_iter_with_nullable(
                columns.into_iter().map(|(name, column)| (name, column, true)),
            )
            .unwrap(),
        );
        let wanted = concat!(
            r#"{"n":7,"text":"a \"b\"\u0001\n","price":-12.50,"none":null,"nan":null,"#,
            r#""day":"1970-01-02","raw":"bGlnaHQgdw==","list":[1,null],"of":{"ok":true}}"#
        );
        assert_eq!(String::from_utf8(bytes(&rows, 0)).unwrap(), wanted);
    }
}
