//! How a record type is kept in SQLite: exact values in a base table, and a view for other tools.
//!
//! | type | base table `_sales` | view `sales` |
//! |---|---|---|
//! | text, path, url, uuid | text | the same |
//! | int, size, duration | integer | the same |
//! | decimal(p, s), p up to 18 | integer, times 10^s | real |
//! | float | real | the same |
//! | bool | integer, 0 or 1 | the same |
//! | timestamp | integer, microseconds since 1970 UTC | text `2010-12-01 08:26:00[.ffffff]` |
//! | date | integer, days since 1970-01-01 | text `2010-12-01` |
//! | bytes | blob | the same |

use super::super::sqlite::quoted;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dsl::ty::{Field, RecordTy, Ty};
use dsl::value::Value;
use engine::fault::Fault;
use rusqlite::types::ValueRef;

/// Digits of a decimal at most: more do not fit a 64-bit integer.
const DIGITS_MAX: u8 = 18;

/// The base table of a warehouse table.
pub fn base_table(name: &str) -> String {
    format!("_{name}")
}

/// The fields of a warehouse table, which can all be kept.
///
/// # Errors
/// A field's type has no column, or two names differ by case only.
pub fn check(table: &str, ty: &Ty) -> Result<RecordTy, Fault> {
    let refuse = |what: String, help: &str| {
        Fault::service("warehouse_type", format!("warehouse table `{table}`: {what}")).help(help)
    };
    let Some(record) = ty.record().filter(|record| record.dynamic.is_none()) else {
        return Err(refuse(format!("it cannot hold `{ty}`"), "give it a record type"));
    };
    for (n, field) in record.fields.iter().enumerate() {
        let same = |other: &&Field| other.name.eq_ignore_ascii_case(&field.name);
        if let Some(other) = record.fields[..n].iter().find(same) {
            let what = format!("`{}` and `{}` are one column to SQL", other.name, field.name);
            return Err(refuse(what, "rename one of them"));
        }
        match field.ty.non_null() {
            Ty::Decimal { precision, .. } if *precision > DIGITS_MAX => {
                let what = format!("`{}` has {precision} digits", field.name);
                return Err(refuse(what, "locally a decimal column has up to 18 digits"));
            }
            Ty::List(_) | Ty::Map(..) | Ty::Record(_) => {
                let what = format!("`{}` is a `{}`, not a single value", field.name, field.ty);
                return Err(refuse(what, "`map` the record to fields that are single values"));
            }
            _ => {}
        }
    }
    Ok(record.clone())
}

/// The declaration as text, to be compared with that of an existing table.
pub fn declaration(record: &RecordTy) -> String {
    let field = |field: &Field| format!("{}: {}", field.name, field.ty);
    record.fields.iter().map(field).collect::<Vec<_>>().join(", ")
}

/// The statements that make the table and its view.
pub fn create(name: &str, record: &RecordTy) -> String {
    let base = quoted(&base_table(name));
    let column = |field: &Field| {
        let null = if field.ty.is_nullable() { "" } else { " not null" };
        format!("{} {}{null}", quoted(&field.name), column_type(&field.ty))
    };
    let shown = |field: &Field| format!("{} as {}", shown(field), quoted(&field.name));
    let columns: Vec<String> = record.fields.iter().map(column).collect();
    let view: Vec<String> = record.fields.iter().map(shown).collect();
    format!(
        "create table {base} ({});\ncreate view {} as select {} from {base};",
        columns.join(", "),
        quoted(name),
        view.join(", ")
    )
}

/// The statement that makes the base table for one connection only, without rows.
pub fn create_empty(name: &str, record: &RecordTy) -> String {
    let column = |field: &Field| format!("{} {}", quoted(&field.name), column_type(&field.ty));
    let columns: Vec<String> = record.fields.iter().map(column).collect();
    format!(
        "create temp table if not exists {} ({});",
        quoted(&base_table(name)),
        columns.join(", ")
    )
}

/// The statement that inserts a row.
pub fn insert(name: &str, record: &RecordTy) -> String {
    let places: Vec<String> = (1..=record.fields.len()).map(|n| format!("?{n}")).collect();
    format!("insert into {} values ({})", quoted(&base_table(name)), places.join(", "))
}

/// A value of the base table as a value of its type.
pub fn value(ty: &Ty, stored: ValueRef<'_>) -> Value {
    match (stored, ty.non_null()) {
        (ValueRef::Null, _) => Value::Null,
        (ValueRef::Integer(int), Ty::Decimal { scale, .. }) => {
            Value::Decimal { unscaled: int.into(), scale: *scale }
        }
        (ValueRef::Integer(int), Ty::Bool) => Value::Bool(int != 0),
        (ValueRef::Integer(micros), Ty::Timestamp) => {
            Value::Timestamp(micros.saturating_mul(1_000))
        }
        (ValueRef::Integer(days), Ty::Date) => Value::Date(days as i32),
        (ValueRef::Integer(ns), Ty::Duration) => Value::Duration(ns),
        (ValueRef::Integer(bytes), Ty::Size) => Value::Size(bytes as u64),
        (ValueRef::Integer(int), _) => Value::Int(int),
        (ValueRef::Real(float), _) => Value::Float(float),
        (ValueRef::Text(text), _) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        (ValueRef::Blob(bytes), _) => Value::Text(STANDARD.encode(bytes)),
    }
}

fn column_type(ty: &Ty) -> &'static str {
    match ty.non_null() {
        Ty::Int | Ty::Size | Ty::Duration | Ty::Decimal { .. } | Ty::Bool => "integer",
        Ty::Timestamp | Ty::Date => "integer",
        Ty::Float => "real",
        Ty::Bytes => "blob",
        _ => "text",
    }
}

fn shown(field: &Field) -> String {
    let name = quoted(&field.name);
    match field.ty.non_null() {
        Ty::Decimal { scale: 0, .. } => name,
        Ty::Decimal { scale, .. } => format!("{name} / 1{}.0", "0".repeat(usize::from(*scale))),
        Ty::Date => format!("date({name} * 86400, 'unixepoch')"),
        Ty::Timestamp => {
            let micros = format!("(({name} % 1000000) + 1000000) % 1000000");
            format!(
                "strftime('%Y-%m-%d %H:%M:%S', ({name} - {micros}) / 1000000, 'unixepoch') || \
                 case {micros} when 0 then '' else printf('.%06d', {micros}) end"
            )
        }
        _ => name,
    }
}
