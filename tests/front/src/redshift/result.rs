//! The result of a statement, as GetStatementResult answers it.

use serde_json::{Value, json};
use tokio_postgres::types::Type;
use tokio_postgres::{Column, SimpleQueryRow};

/// Rows of a page.
pub const PAGE_ROWS: usize = 1_000;
/// One row.
const ROW_MAX_BYTES: usize = 64 * 1024;
/// All rows.
const RESULT_MAX_BYTES: usize = 500 * 1024 * 1024;

/// Columns and rows in the API's own form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResultSet {
    /// ColumnMetadata.
    pub columns: Vec<Value>,
    /// A list of fields each.
    pub rows: Vec<Value>,
    /// Of all values.
    pub bytes: usize,
}

/// The API's name for a type of PostgreSQL.
pub fn type_name(name: &str) -> &str {
    match name {
        "text" | "name" | "unknown" => "varchar",
        "jsonb" | "json" => "super",
        "bytea" => "varbyte",
        "oid" => "int8",
        other => other,
    }
}

fn field(of: &Type, text: &str) -> Value {
    match *of {
        Type::BOOL => json!({"booleanValue": text == "t"}),
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => match text.parse::<i64>() {
            Ok(number) => json!({"longValue": number}),
            Err(_) => json!({"stringValue": text}),
        },
        // JSON has no NaN and no infinity; AWS writes them as texts.
        Type::FLOAT4 | Type::FLOAT8 => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => json!({"doubleValue": number}),
            _ => json!({"stringValue": text}),
        },
        _ => json!({"stringValue": text}),
    }
}

fn metadata(column: &Column) -> Value {
    let modifier = column.type_modifier();
    let name = type_name(column.type_().name());
    let (mut precision, mut scale, mut length) = (0, 0, 0);
    if *column.type_() == Type::NUMERIC && modifier >= 4 {
        (precision, scale) = ((modifier - 4) >> 16, (modifier - 4) & 0x7ff);
    } else if *column.type_() == Type::NUMERIC {
        precision = 38;
    } else if modifier >= 4 {
        (precision, length) = (modifier - 4, modifier - 4);
    }
    let signed = ["int2", "int4", "int8", "numeric", "float4", "float8"].contains(&name);
    json!({
        "isCaseSensitive": name == "varchar", "isCurrency": false,
        "isSigned": signed,
        "label": column.name(), "name": column.name(), "nullable": 1, "precision": precision,
        "scale": scale, "schemaName": "", "tableName": "", "typeName": name, "length": length,
    })
}

impl ResultSet {
    /// From what PostgreSQL answered, text by text.
    pub fn new(columns: &[Column], rows: &[SimpleQueryRow]) -> Result<ResultSet, String> {
        let columns_of = columns.iter().map(metadata).collect();
        let mut set = ResultSet { columns: columns_of, ..ResultSet::default() };
        for row in rows {
            let (mut fields, mut bytes) = (Vec::with_capacity(columns.len()), 0);
            for (at, column) in columns.iter().enumerate() {
                let text = row.get(at);
                bytes += text.map_or(0, str::len);
                fields.push(match text {
                    None => json!({"isNull": true}),
                    Some(text) => field(column.type_(), text),
                });
            }
            if bytes > ROW_MAX_BYTES {
                return Err("ERROR: The row size of the result exceeds 64 KB.".into());
            }
            set.bytes += bytes;
            if set.bytes > RESULT_MAX_BYTES {
                return Err("ERROR: The size of the result exceeds 500 MB.".into());
            }
            set.rows.push(Value::Array(fields));
        }
        Ok(set)
    }

    /// The page that begins at this row, and where the next one begins.
    pub fn page(&self, from: usize) -> (Value, Option<usize>) {
        let end = self.rows.len().min(from + PAGE_ROWS);
        let next = (end < self.rows.len()).then_some(end);
        let mut body = json!({
            "Records": self.rows[from.min(end)..end],
            "ColumnMetadata": self.columns,
            "TotalNumRows": self.rows.len(),
        });
        if let Some(next) = next {
            body["NextToken"] = json!(format!("row-{next}"));
        }
        (body, next)
    }
}

/// The row that a token names.
pub fn row_of(token: &str) -> Option<usize> {
    token.strip_prefix("row-")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other() {
        let rows = (0..2_500).map(|n| json!([{"longValue": n}])).collect();
        let set = ResultSet { rows, ..ResultSet::default() };
        let (mut from, mut found) = (0, 0);
        loop {
            let (page, next) = set.page(from);
            found += page["Records"].as_array().map_or(0, Vec::len);
            let Some(next) = next else { break };
            assert_eq!(page["NextToken"].as_str().and_then(row_of), Some(next));
            from = next;
        }
        assert_eq!(found, 2_500);
    }

    #[test]
    fn fields_have_their_types() {
        assert_eq!(
            field(&Type::INT8, "9007199254740993"),
            json!({"longValue": 9007199254740993i64})
        );
        assert_eq!(field(&Type::NUMERIC, "1.50"), json!({"stringValue": "1.50"}));
        assert_eq!(field(&Type::BOOL, "t"), json!({"booleanValue": true}));
        assert_eq!(field(&Type::FLOAT8, "NaN"), json!({"stringValue": "NaN"}));
    }
}
