//! What a warehouse table holds: exact values, in the order in which they were loaded.

use super::{Shown, paged};
use crate::service::local::sqlite::{self, quoted};
use crate::service::local::warehouse::{file, schema};
use crate::service::physical_name;
use dsl::plan::PlanResource;
use dsl::ty::Ty;
use dsl::value::Value;
use engine::fault::Fault;
use std::path::Path;

const PAGE: i64 = 256;

/// The rows of a table.
pub fn show(dir: &Path, resource: &PlanResource) -> Result<Shown, Fault> {
    let name = physical_name(resource)?;
    let record = schema::check(name, &resource.ty)?;
    let columns: Vec<String> = record.fields.iter().map(|field| field.name.clone()).collect();
    let path = file(dir);
    let Some(connection) = sqlite::look(&path)? else { return Ok(Shown::empty(columns)) };
    let base = schema::base_table(name);
    let fault = move |error: rusqlite::Error| sqlite::fault(&error, "read", &path);
    if !sqlite::has_table(&connection, &base).map_err(&fault)? {
        return Ok(Shown::empty(columns));
    }
    let names: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
    let sql = format!(
        "select rowid, {} from {} where rowid > ?1 order by rowid limit ?2",
        names.join(", "),
        quoted(&base)
    );
    let types: Vec<Ty> = record.fields.iter().map(|field| field.ty.clone()).collect();
    let rows = paged(0i64, move |after| {
        let page = || {
            let mut select = connection.prepare_cached(&sql)?;
            let rows = select.query_map((after, PAGE), |row| {
                let values = types.iter().enumerate();
                let values: rusqlite::Result<Vec<Value>> =
                    values.map(|(n, ty)| Ok(schema::value(ty, row.get_ref(n + 1)?))).collect();
                Ok((row.get(0)?, values?))
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        page().map_err(&fault)
    });
    Ok(Shown { columns, rows })
}
