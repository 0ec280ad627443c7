//! Items with attributes, in `tables.sqlite`: one row for each attribute of each item.
//!
//! A table `invoices` is kept in `_invoices_attributes` (value as JSON) and `_invoices_items`
//! (bytes, for the limit of 400 KB). For people and other tools there are two views: `invoices`,
//! an item a row as one JSON object, and `invoices_attributes`, an attribute a row.

#[cfg(test)]
mod tests;
mod upsert;

use super::sqlite::{Db, Layout, quoted};
use crate::service::{Tables, Upserted, Upserts};
use async_trait::async_trait;
use dsl::ty::Ty;
use engine::failpoint::Failpoints;
use engine::fault::Fault;
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The tables of one directory that a run uses.
pub struct LocalTables {
    db: Arc<Db>,
    tables: BTreeMap<String, Arc<Table>>,
    failpoints: Failpoints,
}

/// A table to open.
pub struct TablePlan {
    /// The name of its binding.
    pub name: String,
    /// Its key fields, in order.
    pub key: Vec<(String, Ty)>,
}

/// The statements of a table.
struct Table {
    select_item: String,
    select_attribute: String,
    insert_item: String,
    insert_attribute: String,
}

/// The file of all tables.
pub fn file(dir: &Path) -> PathBuf {
    dir.join("tables.sqlite")
}

/// The query that shows a page of items, in order of key: behind key `?1`, at most `?2` of them,
/// each as its key and its attributes as one JSON object.
pub fn select_page(table: &str) -> String {
    let items = quoted(&format!("_{table}_items"));
    let attributes = quoted(&format!("_{table}_attributes"));
    format!(
        "select i.key, (select json_group_object(a.attribute, json(a.value)) from {attributes} a \
         where a.key = i.key) from {items} i where i.key > ?1 order by i.key limit ?2"
    )
}

impl LocalTables {
    /// Opens tables; makes those that are not there. Blocks.
    ///
    /// # Errors
    /// The file is damaged, or a table was made with another key.
    pub fn open(
        dir: &Path,
        plans: Vec<TablePlan>,
        failpoints: &Failpoints,
    ) -> Result<LocalTables, Fault> {
        let schema = "create table if not exists _tables \
                      (name text primary key collate nocase, key text not null) without rowid";
        let path = file(dir);
        let db = Db::open_if(!plans.is_empty(), &path, schema, Layout::KEYED)?;
        let mut tables = BTreeMap::new();
        for plan in plans {
            make(&mut db.lock(), &plan)
                .map_err(|error| db.fault(&error, "make a table in"))?
                .map_err(|other| other.fault(&plan, &path))?;
            tables.insert(plan.name.clone(), Arc::new(Table::new(&plan.name)));
        }
        Ok(LocalTables { db, tables, failpoints: failpoints.clone() })
    }
}

#[async_trait]
impl Tables for LocalTables {
    async fn upsert(&self, table: &str, upserts: Upserts) -> Result<Upserted, Fault> {
        let no_table = || Fault::service("no_table", format!("no table `{table}` is open"));
        let table = self.tables.get(table).ok_or_else(no_table)?.clone();
        let failpoints = self.failpoints.clone();
        let work = move |connection: &mut Connection| {
            upsert::upsert(connection, &table, &upserts, &failpoints)
        };
        let upserted = self.db.call("write items to", work).await?;
        self.failpoints.pass("table.upserted")?;
        Ok(upserted)
    }
}

impl Table {
    fn new(name: &str) -> Table {
        let items = quoted(&format!("_{name}_items"));
        let attributes = quoted(&format!("_{name}_attributes"));
        Table {
            select_item: format!("select bytes from {items} where key = ?1"),
            select_attribute: format!(
                "select bytes from {attributes} where key = ?1 and attribute = ?2"
            ),
            // Without an index beside the key, SQLite looks for the place of the row only once.
            insert_item: format!("insert or replace into {items} values (?1, ?2)"),
            insert_attribute: format!(
                "insert or replace into {attributes} values (?1, ?2, ?3, ?4)"
            ),
        }
    }
}

/// A table of this name is there, but not this one.
struct Other {
    name: String,
    key: String,
}

impl Other {
    fn fault(self, plan: &TablePlan, path: &Path) -> Fault {
        let (name, path) = (&plan.name, path.display());
        let message = if self.name == plan.name {
            format!("table `{name}` in {path} was made with the key {}", self.key)
        } else {
            format!("{path} has a table `{}`; locally `{name}` is the same name", self.name)
        };
        Fault::service("table_key", message)
            .help("bind the table to another name, or begin anew with another `dir:`")
    }
}

fn make(connection: &mut Connection, plan: &TablePlan) -> rusqlite::Result<Result<(), Other>> {
    let names: Vec<&str> = plan.key.iter().map(|(name, _)| name.as_str()).collect();
    let key = serde_json::Value::from(names).to_string();
    let transaction = connection.transaction()?;
    let known: Option<(String, String)> = transaction
        .query_row("select name, key from _tables where name = ?1", [&plan.name], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    match known {
        Some((name, known)) if name == plan.name && known == key => return Ok(Ok(())),
        Some((name, key)) => return Ok(Err(Other { name, key })),
        None => {}
    }
    transaction.execute("insert into _tables values (?1, ?2)", [&plan.name, &key])?;
    transaction.execute_batch(&schema(plan))?;
    transaction.commit()?;
    Ok(Ok(()))
}

fn schema(plan: &TablePlan) -> String {
    let items = quoted(&format!("_{}_items", plan.name));
    let attributes = quoted(&format!("_{}_attributes", plan.name));
    let columns = |of: &str| {
        let column = |(n, (name, ty)): (usize, &(String, Ty))| {
            let text = match plan.key.len() {
                1 => format!("{of}.key"),
                _ => format!("json_extract({of}.key, '$[{n}]')"),
            };
            let value = match ty.non_null() {
                Ty::Int => format!("cast({text} as integer)"),
                _ => text,
            };
            format!("{value} as {}", quoted(name))
        };
        plan.key.iter().enumerate().map(column).collect::<Vec<_>>().join(", ")
    };
    format!(
        "create table {items} (key text primary key, bytes integer not null) without rowid;
         create table {attributes} (
             key text not null, attribute text not null, value text not null,
             bytes integer not null, primary key (key, attribute)
         ) without rowid;
         create view {} as select {}, (
             select json_group_object(a.attribute, json(a.value))
             from {attributes} a where a.key = i.key
         ) as item from {items} i;
         create view {} as select {}, a.attribute, a.value from {attributes} a;",
        quoted(&plan.name),
        columns("i"),
        quoted(&format!("{}_attributes", plan.name)),
        columns("a"),
    )
}
