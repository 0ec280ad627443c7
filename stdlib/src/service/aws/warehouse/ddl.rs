//! Declared types as tables of Redshift. Names are lower case, as COPY and the database fold them.
//!
//! | type | column |
//! |---|---|
//! | text, path, url, uuid, bytes (as base64) | varchar(65535) |
//! | int, size (bytes), duration (nanoseconds) | bigint |
//! | decimal(p, s) | decimal(p, s) |
//! | float | double precision |
//! | bool | boolean |
//! | timestamp | timestamp, UTC, microseconds |
//! | date | date |
//! | list, map, record | super |
//!
//! A field that cannot be null is `not null`. Each table has one column more, `event_id`: by it
//! rows are known that come twice.

use super::api::Place;
use dsl::ty::{Field, RecordTy, Ty};

/// The column by which a row is known.
pub const EVENT_ID: &str = "event_id";
/// The table that says which objects are loaded: one row for each.
pub const HISTORY: &str = "flowc_load_history";

/// A name of a table or column, quoted: reserved words are names too.
pub fn name(name: &str) -> String {
    format!("\"{}\"", name.to_lowercase().replace('"', "\"\""))
}

/// A text as a literal that means the same whether `\` escapes or not.
pub fn text(text: &str) -> String {
    let parts: Vec<String> =
        text.split('\\').map(|part| format!("'{}'", part.replace('\'', "''"))).collect();
    match parts.as_slice() {
        [whole] => whole.clone(),
        _ => format!("({})", parts.join(" || chr(92) || ")),
    }
}

/// The type of a column.
pub fn column_type(ty: &Ty) -> String {
    match ty.non_null() {
        Ty::Int | Ty::Size | Ty::Duration => "bigint".into(),
        Ty::Decimal { precision, scale } => format!("decimal({precision}, {scale})"),
        Ty::Float => "double precision".into(),
        Ty::Bool => "boolean".into(),
        Ty::Timestamp => "timestamp".into(),
        Ty::Date => "date".into(),
        Ty::List(_) | Ty::Map(..) | Ty::Record(_) | Ty::Json(_) => "super".into(),
        _ => "varchar(65535)".into(),
    }
}

/// The names of a table's columns, in order, quoted; `event_id` is last.
pub fn columns(record: &RecordTy) -> Vec<String> {
    let fields = record.fields.iter().map(|field| name(&field.name));
    fields.chain([name(EVENT_ID)]).collect()
}

/// The statement that makes a table.
pub fn create(table: &str, record: &RecordTy) -> String {
    let column = |field: &Field| {
        let null = if field.ty.is_nullable() { "" } else { " not null" };
        format!("{} {}{null}", name(&field.name), column_type(&field.ty))
    };
    let columns: Vec<String> = record.fields.iter().map(column).collect();
    let columns = columns.join(", ");
    format!("create table {} ({columns}, {} varchar(32))", name(table), name(EVENT_ID))
}

/// The statement that makes the table of what is loaded.
pub fn create_history() -> String {
    format!(
        "create table {} (table_name varchar(127) not null, bucket varchar(63) not null, \
         \"key\" varchar(1024) not null, etag varchar(256) not null, load_id varchar(64) not null, \
         \"rows\" bigint not null, loaded_at timestamp not null)",
        name(HISTORY)
    )
}

/// Where COPY finds the columns in a row: the content of a jsonpaths file.
pub fn jsonpaths(record: &RecordTy) -> String {
    let fields = record.fields.iter().map(|field| field.name.as_str()).chain([EVENT_ID]);
    let path = |field: &str| {
        let field = field.replace('\\', "\\\\").replace('\'', "\\'");
        serde_json::Value::from(format!("$['{field}']")).to_string()
    };
    let paths: Vec<String> = fields.map(path).collect();
    format!("{{\"jsonpaths\":[{}]}}\n", paths.join(","))
}

/// A select of the names, types and nullability of the columns of some tables.
pub fn select_columns(tables: &[&str]) -> String {
    let tables: Vec<String> = tables.iter().map(|table| text(&table.to_lowercase())).collect();
    format!(
        "select table_name, column_name, data_type, is_nullable, character_maximum_length, \
         numeric_precision, numeric_scale from information_schema.columns where table_schema = \
         'public' and table_name in ({}) order by table_name, ordinal_position",
        tables.join(", ")
    )
}

/// What a token of work in a place is made of.
pub fn token(place: &Place, statements: &[String], after: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in [place.to_string().as_str(), after] {
        hasher.update(part.as_bytes()).update(&[0]);
    }
    for statement in statements {
        hasher.update(statement.as_bytes()).update(&[0]);
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> RecordTy {
        let field = |name: &str, ty: Ty| Field { name: name.into(), ty, span: None };
        let fields = vec![
            field("InvoiceNo", Ty::Text),
            field("Order", Ty::Int.nullable()),
            field("UnitPrice", Ty::Decimal { precision: 10, scale: 3 }),
            field("At", Ty::Timestamp),
            field("it's", Ty::List(Box::new(Ty::Int)).nullable()),
        ];
        RecordTy { fields, ..RecordTy::default() }
    }

    #[test]
    fn a_table_is_made_of_the_declared_type() {
        assert_eq!(
            create("Sales", &record()),
            "create table \"sales\" (\"invoiceno\" varchar(65535) not null, \"order\" bigint, \
             \"unitprice\" decimal(10, 3) not null, \"at\" timestamp not null, \"it's\" super, \
             \"event_id\" varchar(32))"
        );
        assert_eq!(
            jsonpaths(&record()),
            "{\"jsonpaths\":[\"$['InvoiceNo']\",\"$['Order']\",\"$['UnitPrice']\",\"$['At']\",\
             \"$['it\\\\'s']\",\"$['event_id']\"]}\n"
        );
    }

    #[test]
    fn a_literal_means_the_same_in_every_dialect() {
        assert_eq!(text("it's"), "'it''s'");
        assert_eq!(text("a\\b"), "('a' || chr(92) || 'b')");
    }

    #[test]
    fn other_work_has_another_token() {
        let place = Place { database: "dev".into(), ..Place::default() };
        let one = token(&place, &["a".into(), "b".into()], "");
        assert_eq!(one.len(), 64);
        assert_eq!(one, token(&place, &["a".into(), "b".into()], ""));
        assert_ne!(one, token(&place, &["ab".into()], ""));
        assert_ne!(one, token(&place, &["a".into(), "b".into()], "id"));
        assert_ne!(one, token(&Place::default(), &["a".into(), "b".into()], ""));
    }
}
