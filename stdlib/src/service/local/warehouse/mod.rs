//! Tables that SQL reads, in `warehouse.sqlite`.
//!
//! A load brings all rows of an object or none, and `_loads` names the object in the same
//! transaction: an object is loaded once, however often it is seen.

mod load;
mod rows;
pub mod schema;
#[cfg(test)]
mod tests;

use super::sqlite::{Db, Layout};
use super::{objects, sqlite, sqlite_sql};
use crate::service::{Copied, ObjectRef, QueryRows, Warehouse};
use async_trait::async_trait;
use dsl::ast::ResourceKind;
use dsl::plan::Plan;
use dsl::ty::RecordTy;
use engine::ctx::Clock;
use engine::failpoint::Failpoints;
use engine::fault::Fault;
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SCHEMA: &str = "
    create table if not exists _tables
        (name text primary key collate nocase, declaration text not null) without rowid;
    create table if not exists _loads (
        table_name text not null, bucket text not null, key text not null, etag text not null,
        rows integer not null, loaded_ns integer not null,
        primary key (table_name, bucket, key)
    ) without rowid;";

/// The warehouse of one directory.
pub struct LocalWarehouse {
    dir: PathBuf,
    db: Arc<Db>,
    tables: BTreeMap<String, Arc<Table>>,
    /// What queries may name.
    seen: Vec<Seen>,
    clock: Arc<dyn Clock>,
    failpoints: Failpoints,
}

/// A table that objects can be loaded into.
struct Table {
    name: String,
    record: RecordTy,
    insert: String,
}

/// The file of the warehouse.
pub fn file(dir: &Path) -> PathBuf {
    dir.join("warehouse.sqlite")
}

/// The warehouse tables of a plan, by physical name.
///
/// # Errors
/// A table's type cannot be kept.
pub fn tables_of(plan: &Plan) -> Result<Vec<(String, RecordTy)>, Fault> {
    Ok(bound(plan)?.into_iter().map(|(_, physical, record)| (physical, record)).collect())
}

/// The warehouse tables of a plan: the resource's name, the physical name, the columns.
fn bound(plan: &Plan) -> Result<Vec<(&str, String, RecordTy)>, Fault> {
    let mut tables = Vec::new();
    for resource in &plan.resources {
        let Some(binding) = &resource.binding else { continue };
        if resource.kind == ResourceKind::Table && binding.service == "redshift" {
            let record = schema::check(&binding.name, &resource.ty)?;
            tables.push((resource.name.as_str(), binding.name.clone(), record));
        }
    }
    Ok(tables)
}

impl LocalWarehouse {
    /// Opens it; makes the tables of the plan that are not there. Blocks.
    ///
    /// # Errors
    /// The file is damaged; a table's type cannot be kept, or differs from what is there.
    pub fn open(
        dir: &Path,
        plan: &Plan,
        clock: Arc<dyn Clock>,
        failpoints: &Failpoints,
    ) -> Result<LocalWarehouse, Fault> {
        let path = file(dir);
        let plans = tables_of(plan)?;
        let db = Db::open_if(!plans.is_empty(), &path, SCHEMA, Layout::APPENDED)?;
        let mut tables = BTreeMap::new();
        for (name, record) in plans {
            make(&mut db.lock(), &name, &record)
                .map_err(|error| db.fault(&error, "make a table in"))?
                .map_err(|there| differs(&name, &record, &there, &path))?;
            let insert = schema::insert(&name, &record);
            tables.insert(name.clone(), Arc::new(Table { name, record, insert }));
        }
        let (seen, failpoints) = (seen(plan)?, failpoints.clone());
        Ok(LocalWarehouse { dir: dir.to_owned(), db, tables, seen, clock, failpoints })
    }
}

#[async_trait]
impl Warehouse for LocalWarehouse {
    async fn copy(&self, table: &str, objects: &[ObjectRef]) -> Result<Vec<Copied>, Fault> {
        let no_table =
            || Fault::service("no_table", format!("no warehouse table `{table}` is open"));
        let table = self.tables.get(table).ok_or_else(no_table)?.clone();
        let (db, now_ns) = (self.db.clone(), self.clock.now_ns());
        let failpoints = self.failpoints.clone();
        let root = objects::root(&self.dir);
        let mut all = Vec::with_capacity(objects.len());
        for object in objects {
            all.push((object.clone(), objects::key::path(&root, &object.bucket, &object.key)?));
        }
        super::blocking(move || {
            let load = |(object, path): &(ObjectRef, PathBuf)| {
                let at = load::At { now_ns, failpoints: &failpoints };
                load::load(&db, &table, object, path, at)
            };
            all.iter().map(load).collect()
        })
        .await
    }

    async fn query(&self, sql: &str, rows_max: usize) -> Result<QueryRows, Fault> {
        let (path, sql, tables) = (file(&self.dir), sql.to_owned(), self.seen.clone());
        super::blocking(move || query(&path, &tables, &sql, rows_max)).await
    }
}

/// A table under a name that queries know it by.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The resource's name, or the physical one.
    pub name: String,
    /// The physical name.
    pub physical: String,
    /// Its columns.
    pub record: RecordTy,
}

/// The warehouse tables of a plan, each under its resource's name, and under its physical name
/// where no resource is called so.
///
/// # Errors
/// A table's type cannot be kept.
pub fn seen(plan: &Plan) -> Result<Vec<Seen>, Fault> {
    let mut tables: Vec<Seen> = Vec::new();
    for (name, physical, record) in bound(plan)? {
        tables.push(Seen { name: name.into(), physical, record });
    }
    for index in 0..tables.len() {
        let Seen { physical, record, .. } = tables[index].clone();
        if !tables.iter().any(|table| table.name.eq_ignore_ascii_case(&physical)) {
            tables.push(Seen { name: physical.clone(), physical, record });
        }
    }
    Ok(tables)
}

/// Answers a query; see [`Warehouse::query`]. Before anything is loaded, tables are empty. Blocks.
pub fn query(path: &Path, tables: &[Seen], sql: &str, rows_max: usize) -> Result<QueryRows, Fault> {
    let known =
        tables.iter().map(|table| dsl::sql::Table { name: &table.name, record: &table.record });
    let known: Vec<dsl::sql::Table> = known.collect();
    let checked = dsl::sql::check(sql, &known).map_err(|problems| refused(sql, &problems))?;
    let fault = |error: rusqlite::Error| sqlite::fault(&error, "query", path);
    let connection = match sqlite::look(path)? {
        Some(connection) => connection,
        None => Connection::open_in_memory().map_err(fault)?,
    };
    let base = |name: &str| {
        let table = tables.iter().find(|table| table.name == name);
        schema::base_table(table.map_or(name, |table| &table.physical))
    };
    for table in tables {
        if let Some(there) = other_columns(&connection, table).map_err(fault)? {
            return Err(differs(&table.physical, &table.record, &there, path));
        }
        if !sqlite::has_table(&connection, &base(&table.name)).map_err(fault)? {
            let empty = schema::create_empty(&table.physical, &table.record);
            connection.pragma_update(None, "query_only", false).map_err(fault)?;
            connection.execute_batch(&empty).map_err(fault)?;
            connection.pragma_update(None, "query_only", true).map_err(fault)?;
        }
    }
    sqlite_sql::register(&connection).map_err(fault)?;
    sqlite_sql::run(&connection, &checked, &base, rows_max)
}

/// What the file has under a table's name, where that is not what is declared.
fn other_columns(connection: &Connection, table: &Seen) -> rusqlite::Result<Option<String>> {
    if !sqlite::has_table(connection, "_tables")? {
        return Ok(None);
    }
    let there = declared(connection, &table.physical)?;
    let own = (table.physical.clone(), schema::declaration(&table.record));
    Ok(there.filter(|there| *there != own).map(|(name, columns)| format!("`{name}` ({columns})")))
}

/// Name and columns of the table that the file has under a name.
fn declared(connection: &Connection, name: &str) -> rusqlite::Result<Option<(String, String)>> {
    connection
        .query_row("select name, declaration from _tables where name = ?1", [name], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
}

/// A query with problems.
fn refused(sql: &str, problems: &[dsl::sql::SqlProblem]) -> Fault {
    let told = problems.iter().map(|problem| {
        let before = &sql[..problem.at.start.min(sql.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        format!("{} (line {line}, column {column})", problem.message)
    });
    let fault = Fault::service("query_refused", told.collect::<Vec<_>>().join("; "));
    match problems.iter().find_map(|problem| problem.help.clone()) {
        Some(help) => fault.help(help),
        None => fault,
    }
}

/// Makes a table, or says what is there instead.
fn make(
    connection: &mut Connection,
    name: &str,
    record: &RecordTy,
) -> rusqlite::Result<Result<(), String>> {
    let declaration = schema::declaration(record);
    let transaction = connection.transaction()?;
    match declared(&transaction, name)? {
        Some(there) if there == (name.to_owned(), declaration.clone()) => return Ok(Ok(())),
        Some((there, columns)) => return Ok(Err(format!("`{there}` ({columns})"))),
        None => {}
    }
    transaction.execute("insert into _tables values (?1, ?2)", [name, &declaration])?;
    transaction.execute_batch(&schema::create(name, record))?;
    transaction.commit()?;
    Ok(Ok(()))
}

fn differs(name: &str, record: &RecordTy, there: &str, path: &Path) -> Fault {
    let wanted = schema::declaration(record);
    let message = format!(
        "{} has a table {there}, and the file declares `{name}` ({wanted})",
        path.display()
    );
    Fault::service("warehouse_columns", message)
        .help("bind the table to another name, or begin anew with another `dir:`")
}
