//! Redshift SQL on SQLite: a checked query, translated and run.
//!
//! The base tables hold exact values (see [`schema`](super::warehouse::schema)). In a query a
//! decimal of up to 18 digits is an integer, times 10^scale; a wider one is a blob of 16 bytes
//! that sorts as the number does. All arithmetic goes through functions of ours, so that an
//! overflow or a division by zero is an error and never another value.

mod casts;
mod exprs;
mod functions;
mod query;
#[cfg(test)]
mod tests;
mod wide;

pub use functions::register;

use super::sqlite;
use crate::service::QueryRows;
use dsl::sql::Checked;
use dsl::ty::Ty;
use dsl::value::Value;
use engine::fault::Fault;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::path::Path;

/// Runs a checked query on a connection that [`register`] has seen, for at most `rows_max` rows.
/// `base` gives the base table of a table's name in the query.
///
/// # Errors
/// `query_failed`: an overflow, a division by zero, a text that is no number; else what SQLite says
/// of the file.
pub fn run(
    connection: &Connection,
    checked: &Checked,
    base: &dyn Fn(&str) -> String,
    rows_max: usize,
) -> Result<QueryRows, Fault> {
    let sql = query::translate(&checked.query, base);
    let rows = || {
        let mut statement = connection.prepare(&sql)?;
        let mut found = statement.query([])?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            if rows.len() == rows_max {
                return Ok((rows, true));
            }
            let columns = checked.columns.iter().enumerate();
            let values = columns.map(|(index, (_, ty))| value(ty, row.get_ref(index)?));
            rows.push(values.collect::<rusqlite::Result<Vec<Value>>>()?);
        }
        Ok((rows, false))
    };
    let (rows, more) = rows().map_err(|error| fault(connection, &error))?;
    Ok(QueryRows { columns: checked.columns.clone(), rows, more })
}

/// An error of a query: ours and SQLite's sum say what is wrong with a value; any other is one of
/// the file.
fn fault(connection: &Connection, error: &rusqlite::Error) -> Fault {
    let own = match error {
        rusqlite::Error::UserFunctionError(error) => Some(error.to_string()),
        rusqlite::Error::SqliteFailure(code, Some(message)) if code.extended_code == 1 => {
            Some(message.clone())
        }
        _ => None,
    };
    match own {
        Some(message) => {
            let help = match message.as_str() {
                "division by zero" => "divide by `nullif(x, 0)` to get null there",
                text if text.contains("overflow") => "cast an operand to float, or sum less",
                _ => "look at the rows with that value",
            };
            Fault::service("query_failed", format!("the query stops: {message}")).help(help)
        }
        None => sqlite::fault(error, "query", Path::new(connection.path().unwrap_or("memory"))),
    }
}

/// A value of a result, by its type.
fn value(ty: &Ty, found: ValueRef<'_>) -> rusqlite::Result<Value> {
    Ok(match (found, ty.non_null()) {
        (ValueRef::Null, _) => Value::Null,
        (found, Ty::Decimal { scale, .. }) => {
            Value::Decimal { unscaled: wide::get(found)?, scale: *scale }
        }
        (ValueRef::Integer(int), Ty::Bool) => Value::Bool(int != 0),
        (ValueRef::Integer(micros), Ty::Timestamp) => {
            let ns = micros.checked_mul(1_000);
            Value::Timestamp(ns.ok_or_else(|| wide::error("timestamp out of range"))?)
        }
        (ValueRef::Integer(days), Ty::Date) => {
            let days = i32::try_from(days);
            Value::Date(days.map_err(|_| wide::error("date out of range"))?)
        }
        (ValueRef::Integer(int), Ty::Float) => Value::Float(int as f64),
        (ValueRef::Integer(int), _) => Value::Int(int),
        (ValueRef::Real(float), _) => Value::Float(float),
        (ValueRef::Text(text), _) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        (ValueRef::Blob(_), _) => return Err(wide::error("a column of bytes cannot be shown")),
    })
}
