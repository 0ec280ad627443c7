//! Keys of items as text, and what is no key.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;

/// Why a row has no key: a code of the node's spec and the service's own words.
pub type NoKey = (&'static str, String);

/// The key of a row as the table's files have it: of one field its text, of several a JSON array.
pub fn text(
    fields: &[(String, ArrayRef)],
    row: usize,
    bytes_max: usize,
) -> Result<Cow<'_, str>, NoKey> {
    if let [(name, column)] = fields {
        return part(name, column, row, bytes_max);
    }
    let mut parts = Vec::with_capacity(fields.len());
    for (name, column) in fields {
        parts.push(part(name, column, row, bytes_max)?);
    }
    Ok(serde_json::Value::from(parts).to_string().into())
}

fn part<'a>(
    name: &str,
    column: &'a ArrayRef,
    row: usize,
    bytes_max: usize,
) -> Result<Cow<'a, str>, NoKey> {
    let invalid = |what: String| format!("One or more parameter values were invalid: {what}");
    if column.is_null(row) {
        let what = format!("Type mismatch for key {name} expected: S actual: NULL");
        return Err(("key_null", invalid(what)));
    }
    let (text, bytes) = match column.data_type() {
        DataType::Utf8 => {
            let text = column.as_string::<i32>().value(row);
            (Cow::Borrowed(text), text.len())
        }
        DataType::Binary => {
            let bytes = column.as_binary::<i32>().value(row);
            (STANDARD.encode(bytes).into(), bytes.len())
        }
        DataType::Int64 => {
            let text = column.as_primitive::<Int64Type>().value(row).to_string();
            let bytes = text.len();
            (text.into(), bytes)
        }
        other => unreachable!("the checker takes no key of type {other}"),
    };
    match bytes {
        0 => Err((
            "key_empty",
            format!(
                "One or more parameter values are not valid. The AttributeValue for a key \
                 attribute cannot contain an empty string value. Key: {name}"
            ),
        )),
        bytes if bytes > bytes_max => {
            let limit = format!("has exceeded the maximum size limit of {bytes_max} bytes");
            Err(("key_too_long", invalid(format!("Size of hashkey {limit}"))))
        }
        _ => Ok(text),
    }
}
