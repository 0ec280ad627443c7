//! The columns of warehouse tables, compared with the declared type.

use super::look::{Difference, Found};
use crate::service::aws::warehouse::{Table, ddl, query};
use dsl::ty::{Field, RecordTy, Ty};
use engine::fault::Fault;
use std::collections::BTreeMap;

/// A column as the database describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// `character varying`, `bigint`, …
    pub data_type: String,
    /// A null may stand in it.
    pub nullable: bool,
    /// Digits of a decimal, in all and behind the point.
    pub digits: Option<(u8, u8)>,
    /// Bytes of a text at most.
    pub length: Option<u64>,
}

/// Looks at a table of the plan.
pub async fn look_at_rows(table: &Table) -> Result<Found, Fault> {
    let columns = columns(table, &table.name).await?;
    if columns.is_empty() {
        return Ok(Found::Missing);
    }
    Ok(Found::There { waits: None, differs: compare(&table.record, &columns, &table.name) })
}

/// Looks at the table of what is loaded.
pub async fn look_at_history(table: &Table) -> Result<Found, Fault> {
    let columns = columns(table, ddl::HISTORY).await?;
    if columns.is_empty() {
        return Ok(Found::Missing);
    }
    let names = ["table_name", "bucket", "key", "etag", "load_id", "rows", "loaded_at"];
    let missing = names.iter().filter(|name| !columns.contains_key(**name));
    let differ = |name: &&str| Difference {
        said: format!("it has no column `{name}`"),
        help: "it is not flowc's: use another database".into(),
        ..Difference::default()
    };
    Ok(Found::There { waits: None, differs: missing.map(differ).collect() })
}

async fn columns(table: &Table, name: &str) -> Result<BTreeMap<String, Column>, Fault> {
    let answer = table.api.rows(&ddl::select_columns(&[name]), 10_000).await?;
    let column = |row: &Vec<aws_sdk_redshiftdata::types::Field>| {
        let text = |at: usize| row.get(at).map(query::text).unwrap_or_default();
        let digits = text(5).parse().ok().zip(text(6).parse().ok());
        let column = Column {
            data_type: text(2).to_lowercase(),
            nullable: text(3).eq_ignore_ascii_case("yes"),
            digits,
            length: text(4).parse().ok(),
        };
        (text(1).to_lowercase(), column)
    };
    Ok(answer.rows.iter().map(column).collect())
}

/// What of a declared type the columns of a table do not hold.
pub fn compare(
    record: &RecordTy,
    columns: &BTreeMap<String, Column>,
    table: &str,
) -> Vec<Difference> {
    let mut differs: Vec<Difference> =
        record.fields.iter().filter_map(|field| differs_at(field, columns, table)).collect();
    if !columns.contains_key(ddl::EVENT_ID) {
        differs.push(Difference {
            said: format!("it has no column `{}`, by which rows are known", ddl::EVENT_ID),
            help: format!(
                "alter table {} add column {} varchar(32)",
                ddl::name(table),
                ddl::EVENT_ID
            ),
            ..Difference::default()
        });
    }
    let declared = |name: &str| {
        name == ddl::EVENT_ID
            || record.fields.iter().any(|field| field.name.eq_ignore_ascii_case(name))
    };
    let others = columns.iter().filter(|(name, column)| !column.nullable && !declared(name));
    differs.extend(others.map(|(name, _)| Difference {
        said: format!("column `{name}` is not null, and the file does not declare it"),
        help: "add it to the type, or let it be null".into(),
        ..Difference::default()
    }));
    differs
}

fn differs_at(
    field: &Field,
    columns: &BTreeMap<String, Column>,
    table: &str,
) -> Option<Difference> {
    let (name, wanted) = (field.name.to_lowercase(), ddl::column_type(&field.ty));
    let differ = |said: String, help: String, harmless: bool| {
        Some(Difference { said, help, field: Some(field.name.clone()), harmless })
    };
    let Some(column) = columns.get(&name) else {
        let (table, column) = (ddl::name(table), ddl::name(&name));
        let help = format!("alter table {table} add column {column} {wanted}");
        return differ(format!("it has no column `{name}`"), help, false);
    };
    if !holds(&field.ty, column) {
        let has = match column.digits.filter(|_| column.data_type == "numeric") {
            Some((precision, scale)) => format!("decimal({precision}, {scale})"),
            None => column.data_type.clone(),
        };
        let said = format!("column `{name}` is {has}, and `{}` needs {wanted}", field.ty);
        return differ(said, "make a new table, and bind it".into(), false);
    }
    if field.ty.is_nullable() && !column.nullable {
        let said = format!("column `{name}` is not null, and `{}` may be", field.ty);
        return differ(said, "make a new table, or declare the field without `?`".into(), false);
    }
    let short = column.length.filter(|length| *length < 65_535);
    match short.filter(|_| wanted.starts_with("varchar")) {
        Some(length) => {
            let said = format!("column `{name}` holds {length} bytes");
            let help = "a longer text refuses its whole object: make it varchar(65535)".to_owned();
            differ(said, help, true)
        }
        None => None,
    }
}

/// Whether a column holds all values of a type.
fn holds(ty: &Ty, column: &Column) -> bool {
    let has = |names: &[&str]| names.contains(&column.data_type.as_str());
    match ty.non_null() {
        Ty::Int | Ty::Size | Ty::Duration => has(&["bigint", "int8"]),
        Ty::Decimal { precision, scale } => {
            let whole = precision.saturating_sub(*scale);
            let fits = |(p, s): (u8, u8)| s >= *scale && p.saturating_sub(s) >= whole;
            has(&["numeric", "decimal"]) && column.digits.is_none_or(fits)
        }
        Ty::Float => has(&["double precision", "float8"]),
        Ty::Bool => has(&["boolean", "bool"]),
        Ty::Timestamp => has(&["timestamp without time zone", "timestamp"]),
        Ty::Date => has(&["date"]),
        Ty::List(_) | Ty::Map(..) | Ty::Record(_) | Ty::Json(_) => has(&["super", "jsonb"]),
        _ => has(&["character varying", "varchar", "text"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(data_type: &str, nullable: bool) -> Column {
        let length = data_type.starts_with("char").then_some(65_535);
        Column { data_type: data_type.into(), nullable, digits: Some((10, 3)), length }
    }

    fn said(columns: &[(&str, Column)]) -> Vec<String> {
        let field = |name: &str, ty: Ty| Field { name: name.into(), ty, span: None };
        let price = Ty::Decimal { precision: 10, scale: 3 };
        let fields = vec![field("Id", Ty::Text), field("Price", price.nullable())];
        let record = RecordTy { fields, ..RecordTy::default() };
        let columns = columns.iter().map(|(name, column)| ((*name).to_owned(), column.clone()));
        compare(&record, &columns.collect(), "T").into_iter().map(|each| each.said).collect()
    }

    #[test]
    fn columns_are_compared_with_the_type() {
        let text = || column("character varying", true);
        let id = ("event_id", text());
        let price = ("price", column("numeric", true));
        assert_eq!(said(&[("id", text()), price.clone(), id.clone()]), [""; 0]);
        assert_eq!(
            said(&[("id", column("bigint", true)), ("x", column("date", false))]),
            [
                "column `id` is bigint, and `text` needs varchar(65535)",
                "it has no column `price`",
                "it has no column `event_id`, by which rows are known",
                "column `x` is not null, and the file does not declare it"
            ]
        );
        let narrow = Column { digits: Some((10, 2)), ..column("numeric", true) };
        let found = said(&[("id", text()), ("price", narrow), id.clone()]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("is decimal(10, 2), and `decimal(10, 3)?` needs"), "{found:?}");
        let never_null = ("price", column("numeric", false));
        let short = Column { length: Some(20), ..text() };
        let found = said(&[("id", short), never_null, id]);
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
