//! Queries: the tables under their own names, and answers as exact values.

use super::Table;
use crate::service::QueryRows;
use aws_sdk_redshiftdata::types::{ColumnMetadata, Field};
use dsl::sql;
use dsl::ty::Ty;
use dsl::value::Value;
use engine::fault::Fault;

/// Answers a query in which tables stand under their names in the file, or their own.
pub async fn query(tables: &[&Table], sql: &str, rows_max: usize) -> Result<QueryRows, Fault> {
    let Some(first) = tables.first() else {
        return Err(Fault::service("no_table", "the profile binds no table to Redshift"));
    };
    let names: Vec<(&str, &str)> =
        tables.iter().map(|table| (table.resource.as_str(), table.name.as_str())).collect();
    let renamed = sql::rename(sql, &names).map_err(|problem| {
        let fault = Fault::service("query_refused", problem.message);
        match problem.help {
            Some(help) => fault.help(help),
            None => fault,
        }
    })?;
    let named = |table: &&&Table| renamed.tables.contains(&table.resource);
    let api = &tables.iter().find(named).unwrap_or(first).api;
    let other = tables.iter().filter(named).find(|table| table.api.place != api.place);
    if let Some(other) = other {
        let message = format!("a query is answered by {} or {}", api.place, other.api.place);
        return Err(Fault::service("query_refused", message).help("ask each of them"));
    }
    let answer = api.rows(&renamed.sql, rows_max).await?;
    let types: Vec<Ty> = answer.columns.iter().map(column_type).collect();
    let mut rows = Vec::with_capacity(answer.rows.len());
    for row in &answer.rows {
        let values = row.iter().zip(&types).map(|(field, ty)| value(field, ty));
        rows.push(values.collect::<Result<Vec<Value>, Fault>>()?);
    }
    let names = names_of(tables, sql, &answer.columns);
    Ok(QueryRows { columns: names.into_iter().zip(types).collect(), rows, more: answer.more })
}

/// The columns' names as the query writes them; Redshift itself folds them to lower case.
fn names_of(tables: &[&Table], sql: &str, columns: &[ColumnMetadata]) -> Vec<String> {
    let known: Vec<sql::Table> = tables
        .iter()
        .flat_map(|table| {
            [&table.resource, &table.name]
                .map(|name| sql::Table { name: name.as_str(), record: &table.record })
        })
        .collect();
    if let Ok(checked) = sql::check(sql, &known)
        && checked.columns.len() == columns.len()
    {
        return checked.columns.into_iter().map(|(name, _)| name).collect();
    }
    let name = |column: &ColumnMetadata| column.label.clone().or_else(|| column.name.clone());
    columns.iter().map(|column| name(column).unwrap_or_default()).collect()
}

/// The type of a column of an answer.
fn column_type(column: &ColumnMetadata) -> Ty {
    let ty = match column.type_name.as_deref().unwrap_or_default() {
        "int2" | "int4" | "int8" | "smallint" | "integer" | "bigint" | "oid" => Ty::Int,
        "numeric" | "decimal" => Ty::Decimal {
            precision: u8::try_from(column.precision).unwrap_or(38).clamp(1, 38),
            scale: u8::try_from(column.scale).unwrap_or(0).min(38),
        },
        "float4" | "float8" | "real" | "double precision" => Ty::Float,
        "bool" | "boolean" => Ty::Bool,
        "date" => Ty::Date,
        "timestamp" | "timestamptz" => Ty::Timestamp,
        _ => Ty::Text,
    };
    if column.nullable == 0 { ty } else { ty.nullable() }
}

/// A field as text; `""` for a null.
pub fn text(field: &Field) -> String {
    match field {
        Field::StringValue(text) => text.clone(),
        Field::LongValue(int) => int.to_string(),
        Field::DoubleValue(float) => float.to_string(),
        Field::BooleanValue(bool) => bool.to_string(),
        _ => String::new(),
    }
}

/// A field as a value of its column's type.
fn value(field: &Field, ty: &Ty) -> Result<Value, Fault> {
    let value = match (field, ty.non_null()) {
        (Field::IsNull(_), _) => Some(Value::Null),
        (Field::LongValue(int), Ty::Decimal { .. }) => {
            Some(Value::Decimal { unscaled: (*int).into(), scale: 0 })
        }
        (Field::LongValue(int), _) => Some(Value::Int(*int)),
        (Field::BooleanValue(bool), _) => Some(Value::Bool(*bool)),
        (Field::DoubleValue(float), _) => Some(Value::Float(*float)),
        (Field::StringValue(text), ty) => parse(text, ty),
        _ => None,
    };
    value.ok_or_else(|| {
        let message = format!("Redshift answered `{}` in a column of type {ty}", text(field));
        Fault::service("query_answer", message).help("this is a bug of flowc: please report it")
    })
}

fn parse(text: &str, ty: &Ty) -> Option<Value> {
    match ty {
        Ty::Int => text.parse().ok().map(Value::Int),
        Ty::Float => text.parse().ok().map(Value::Float),
        Ty::Bool => match text {
            "t" | "true" => Some(Value::Bool(true)),
            "f" | "false" => Some(Value::Bool(false)),
            _ => None,
        },
        Ty::Decimal { scale, .. } => decimal(text, *scale),
        Ty::Date => days(text).map(Value::Date),
        Ty::Timestamp => timestamp(text).map(Value::Timestamp),
        _ => Some(Value::Text(text.to_owned())),
    }
}

/// `-11062.060` at the scale of the column, or at its own where that is larger.
fn decimal(text: &str, scale: u8) -> Option<Value> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let own = u8::try_from(fraction.len()).ok()?;
    let scale = scale.max(own);
    let zeros = "0".repeat(usize::from(scale - own));
    let digits = format!("{whole}{fraction}{zeros}");
    let digits = digits.strip_prefix('+').unwrap_or(&digits);
    Some(Value::Decimal { unscaled: digits.parse().ok()?, scale })
}

/// `2010-12-01` as days since 1970.
fn days(text: &str) -> Option<i32> {
    let date: chrono::NaiveDate = text.parse().ok()?;
    i32::try_from(date.signed_duration_since(chrono::NaiveDate::default()).num_days()).ok()
}

/// `2010-12-01 08:26:00.123`, with or without an offset, as nanoseconds since 1970 UTC.
fn timestamp(text: &str) -> Option<i64> {
    let plain = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f");
    if let Ok(plain) = plain.or_else(|_| text.trim_end_matches('Z').parse()) {
        return plain.and_utc().timestamp_nanos_opt();
    }
    let formats = ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"];
    let zoned = |format: &&str| chrono::DateTime::parse_from_str(text, format).ok();
    formats.iter().find_map(zoned)?.timestamp_nanos_opt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_all_their_digits() {
        let price = Ty::Decimal { precision: 38, scale: 3 };
        let parsed = |text: &str| parse(text, &price);
        assert_eq!(parsed("2.550"), Some(Value::Decimal { unscaled: 2550, scale: 3 }));
        assert_eq!(parsed("-11062.06"), Some(Value::Decimal { unscaled: -11_062_060, scale: 3 }));
        assert_eq!(parsed("-0.5"), Some(Value::Decimal { unscaled: -500, scale: 3 }));
        assert_eq!(parsed("1.00005"), Some(Value::Decimal { unscaled: 100_005, scale: 5 }));
        assert_eq!(parsed("a"), None);
    }

    #[test]
    fn times_are_utc() {
        let expected = Some(1_291_191_960_000_000_000);
        assert_eq!(timestamp("2010-12-01 08:26:00"), expected);
        assert_eq!(timestamp("2010-12-01T08:26:00Z"), expected);
        assert_eq!(timestamp("2010-12-01 09:26:00+01"), expected);
        assert_eq!(timestamp("2010-12-01 08:26:00.000001"), expected.map(|ns| ns + 1000));
        assert_eq!(timestamp("today"), None);
        assert_eq!(days("1970-01-02"), Some(1));
        assert_eq!(days("1969-12-31"), Some(-1));
    }
}
