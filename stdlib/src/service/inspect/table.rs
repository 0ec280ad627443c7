//! What a table with items holds.

use super::{Shown, paged};
use crate::service::local::{sqlite, tables};
use crate::service::physical_name;
use dsl::plan::PlanResource;
use dsl::ty::Ty;
use dsl::value::Value;
use engine::fault::Fault;
use std::path::Path;

const PAGE: i64 = 64;

/// The items of a table: its key fields, then the attributes as one JSON object.
pub fn show(dir: &Path, resource: &PlanResource) -> Result<Shown, Fault> {
    let mut columns = resource.key.clone();
    columns.push("item".into());
    let path = tables::file(dir);
    let name = physical_name(resource)?;
    let Some(connection) = sqlite::look(&path)? else { return Ok(Shown::empty(columns)) };
    let fault = move |error: rusqlite::Error| sqlite::fault(&error, "read", &path);
    if !sqlite::has_table(&connection, &format!("_{name}_items")).map_err(&fault)? {
        return Ok(Shown::empty(columns));
    }
    let sql = tables::select_page(name);
    let keys: Vec<Ty> = resource.key.iter().map(|key| key_type(resource, key)).collect();
    let rows = paged(String::new(), move |after| {
        let page = || {
            let mut select = connection.prepare_cached(&sql)?;
            let rows = select.query_map((after, PAGE), |row| {
                let (key, item): (String, String) = (row.get(0)?, row.get(1)?);
                let mut values = key_values(&key, &keys);
                values.push(Value::Text(item));
                Ok((key, values))
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        page().map_err(&fault)
    });
    Ok(Shown { columns, rows })
}

fn key_type(resource: &PlanResource, key: &str) -> Ty {
    let field = resource.ty.record().and_then(|record| record.field(key));
    field.map_or(Ty::Text, |field| field.ty.non_null().clone())
}

/// The values of the key fields; see `local::tables` for how they are kept.
fn key_values(key: &str, types: &[Ty]) -> Vec<Value> {
    let texts: Vec<String> = match types {
        [_] => vec![key.to_owned()],
        _ => serde_json::from_str(key).unwrap_or_else(|_| vec![key.to_owned()]),
    };
    let value = |(text, ty): (String, &Ty)| match (ty, text.parse()) {
        (Ty::Int, Ok(int)) => Value::Int(int),
        _ => Value::Text(text),
    };
    texts.into_iter().zip(types).map(value).collect()
}
