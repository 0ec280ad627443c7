//! One upsert: the rows of each item come together in memory, the last value of each attribute is
//! taken, and items and attributes are written in order of their keys, so that the file is touched
//! in order.

mod limit;

use super::Table;
use crate::json::encode::ValueWriter;
use crate::service::items::rows::{self, Rows, Run, Wanted};
use crate::service::items::size::{self, Limits};
use crate::service::{Refused, Upserted, Upserts};
use engine::failpoint::Failpoints;
use rusqlite::Error::ToSqlConversionFailure;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OptionalExtension};

/// Merges `upserts` into the items of `table`, in one transaction.
pub fn upsert(
    connection: &mut Connection,
    table: &Table,
    upserts: &Upserts,
    failpoints: &Failpoints,
) -> rusqlite::Result<Upserted> {
    let keys = rows::keys(upserts, Limits::aws());
    let (rows, mut refused) = rows::gather(upserts, &keys);
    let transaction = connection.transaction()?;
    let (mut done, too_large) = merge(&transaction, table, upserts, &rows)?;
    failpoints.hit("table.upsert").map_err(|error| ToSqlConversionFailure(error.into()))?;
    transaction.commit()?;
    refused.extend(too_large);
    refused.sort_by_key(|refused| refused.row);
    done.refused = refused;
    Ok(done)
}

/// Merges all rows; says which would make their item too large.
fn merge(
    connection: &Connection,
    table: &Table,
    upserts: &Upserts,
    rows: &Rows<'_>,
) -> rusqlite::Result<(Upserted, Vec<Refused>)> {
    let values = upserts.attributes.iter().map(|each| ValueWriter::new(&each.values));
    let mut merge = Merge {
        upserts,
        limits: Limits::aws(),
        rows,
        values: values.collect(),
        statements: Statements::new(connection, table)?,
        refused: Vec::new(),
        order: Vec::new(),
        json: Vec::new(),
        done: Upserted { items: Some(0), ..Upserted::default() },
    };
    for runs in rows.runs.chunk_by(|a, b| a.key == b.key) {
        merge.item(runs)?;
    }
    Ok((merge.done, merge.refused))
}

/// Writes items, one after the other.
struct Merge<'a> {
    upserts: &'a Upserts,
    limits: Limits,
    rows: &'a Rows<'a>,
    values: Vec<ValueWriter<'a>>,
    statements: Statements<'a>,
    /// Rows that would make their item too large.
    refused: Vec<Refused>,
    /// The attributes of one item, as indexes of the wanted ones, by name and then by row.
    order: Vec<u32>,
    json: Vec<u8>,
    done: Upserted,
}

/// The statements of a table, ready to be used many times.
struct Statements<'a> {
    select_item: CachedStatement<'a>,
    select_attribute: CachedStatement<'a>,
    insert_item: CachedStatement<'a>,
    insert_attribute: CachedStatement<'a>,
}

impl<'a> Statements<'a> {
    fn new(connection: &'a Connection, table: &Table) -> rusqlite::Result<Statements<'a>> {
        Ok(Statements {
            select_item: connection.prepare_cached(&table.select_item)?,
            select_attribute: connection.prepare_cached(&table.select_attribute)?,
            insert_item: connection.prepare_cached(&table.insert_item)?,
            insert_attribute: connection.prepare_cached(&table.insert_attribute)?,
        })
    }

    /// The bytes of an item; `None` where it is not there.
    fn item(&mut self, key: &str) -> rusqlite::Result<Option<usize>> {
        let bytes: Option<i64> = self.select_item.query_row([key], |row| row.get(0)).optional()?;
        Ok(bytes.map(|bytes| bytes as usize))
    }

    /// The bytes of an attribute; `None` where it is not there.
    fn attribute(&mut self, key: &str, name: &str) -> rusqlite::Result<Option<usize>> {
        let bytes: Option<i64> =
            self.select_attribute.query_row([key, name], |row| row.get(0)).optional()?;
        Ok(bytes.map(|bytes| bytes as usize))
    }
}

/// What the file has of an item.
#[derive(Clone, Copy)]
struct Stored {
    /// It is there.
    is_there: bool,
    /// Its bytes; those of its key where it is not there.
    bytes: usize,
}

impl<'a> Merge<'a> {
    /// Merges and writes the rows of one item, which `runs` are in order.
    fn item(&mut self, runs: &[Run<'a>]) -> rusqlite::Result<()> {
        let key = runs[0].key;
        let stored = self.statements.item(key)?;
        let is_there = stored.is_some();
        let row = self.rows.rows[runs[0].slots.start];
        let bytes = stored.unwrap_or_else(|| self.key_bytes(row));
        let stored = Stored { is_there, bytes };
        let columns = self.upserts.attributes.len();
        let all = runs.iter().flat_map(|run| run.slots.start * columns..run.slots.end * columns);
        self.order.clear();
        self.order.extend(all.map(|at| at as u32));
        let added: usize = self.order.iter().map(|at| self.rows.wanted[*at as usize].bytes).sum();
        // Only where all together may be too much it matters which of them come first.
        if bytes + added > self.limits.item && !self.within_limit(key, runs, stored)? {
            return Ok(());
        }
        let wanted = &self.rows.wanted;
        self.order.sort_unstable_by(|a, b| {
            wanted[*a as usize].by_name(&wanted[*b as usize]).then(a.cmp(b))
        });
        self.write(key, stored)
    }

    fn key_bytes(&self, row: usize) -> usize {
        let keys = self.upserts.keys.iter();
        keys.map(|(name, column)| name.len() + size::value(column, row)).sum()
    }

    /// Writes the attributes in `order`, of which the last of each name counts, and the item.
    fn write(&mut self, key: &str, stored: Stored) -> rusqlite::Result<()> {
        let mut bytes = stored.bytes;
        self.statements.insert_attribute.raw_bind_parameter(1, key)?;
        let order = std::mem::take(&mut self.order);
        let wanted = |at: &u32| &self.rows.wanted[*at as usize];
        for same in order.chunk_by(|a, b| wanted(a).name == wanted(b).name) {
            let last: &Wanted<'_> = wanted(&same[same.len() - 1]);
            let before = match stored.is_there {
                true => self.statements.attribute(key, last.name)?,
                false => None,
            };
            bytes = (bytes + last.bytes).saturating_sub(before.unwrap_or(0));
            let new = u64::from(before.is_none());
            self.done.attributes += new;
            self.done.replaced += same.len() as u64 - new;
            self.json.clear();
            self.values[last.column].write(last.row, &mut self.json);
            let json = ToSqlOutput::Borrowed(ValueRef::Text(&self.json));
            let insert = &mut self.statements.insert_attribute;
            insert.raw_bind_parameter(2, last.name)?;
            insert.raw_bind_parameter(3, json)?;
            insert.raw_bind_parameter(4, last.bytes as i64)?;
            insert.raw_execute()?;
        }
        self.order = order;
        let items = self.done.items.unwrap_or(0);
        self.done.items = Some(items + u64::from(!stored.is_there));
        self.statements.insert_item.execute((key, bytes as i64)).map(|_| ())
    }
}
