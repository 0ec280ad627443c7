//! One upsert: rows are merged in order, in memory, and only what is left of them is written.

use super::size::{self, Limits};
use super::{Table, key};
use crate::json::encode::ValueWriter;
use crate::service::{AttributeName, Refused, Upserted, Upserts};
use arrow_array::Array;
use rusqlite::{Connection, OptionalExtension};
use std::collections::HashMap;

/// Merges `upserts` into the items of `table`, in one transaction.
pub fn upsert(
    connection: &mut Connection,
    table: &Table,
    upserts: &Upserts,
) -> rusqlite::Result<Upserted> {
    let transaction = connection.transaction()?;
    let rows = upserts.keys.first().map_or(0, |(_, column)| column.len());
    let limits = Limits::aws();
    let keys: Vec<_> = (0..rows).map(|row| key::text(&upserts.keys, row, limits.key)).collect();
    let mut merge = Merge {
        table,
        upserts,
        limits,
        connection: &transaction,
        items: Vec::new(),
        by_key: HashMap::new(),
        attributes: Vec::new(),
        by_name: HashMap::new(),
        done: Upserted::default(),
    };
    for (row, key) in keys.iter().enumerate() {
        let merged = match key {
            Ok(key) => merge.row(row, key)?,
            Err(no_key) => Err(no_key.clone()),
        };
        if let Err((code, message)) = merged {
            merge.done.refused.push(Refused { row, code, message });
        }
    }
    let done = merge.write()?;
    transaction.commit()?;
    Ok(done)
}

/// Rows merged so far.
struct Merge<'a> {
    table: &'a Table,
    upserts: &'a Upserts,
    limits: Limits,
    connection: &'a Connection,
    items: Vec<Item<'a>>,
    by_key: HashMap<&'a str, usize>,
    attributes: Vec<Merged<'a>>,
    by_name: HashMap<(usize, &'a str), usize>,
    done: Upserted,
}

/// An item that a row of this call belongs to.
struct Item<'a> {
    key: &'a str,
    bytes: usize,
    /// It was in the file before this call.
    stored: bool,
    /// A row of this call was merged into it.
    changed: bool,
}

/// An attribute that a row of this call has set.
struct Merged<'a> {
    item: usize,
    name: &'a str,
    /// Where its value is: a column of the call and a row.
    column: usize,
    row: usize,
    bytes: usize,
}

/// An attribute that a row wants to set.
struct Wanted<'a> {
    name: &'a str,
    column: usize,
    bytes: usize,
    /// What it takes the place of.
    before: Option<usize>,
}

impl<'a> Merge<'a> {
    /// Merges a row, or says why not.
    fn row(&mut self, row: usize, key: &'a str) -> rusqlite::Result<Result<(), key::NoKey>> {
        let item = self.item(row, key)?;
        let mut wanted = Vec::with_capacity(self.upserts.attributes.len());
        for column in 0..self.upserts.attributes.len() {
            let name = match self.name(column, row) {
                Ok(name) => name,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let bytes = name.len() + size::value(&self.upserts.attributes[column].values, row);
            wanted.push(Wanted { name, column, bytes, before: self.before(item, name)? });
        }
        let added: usize = wanted.iter().map(|each| each.bytes).sum();
        let removed: usize = wanted.iter().filter_map(|each| each.before).sum();
        let bytes = (self.items[item].bytes + added).saturating_sub(removed);
        let max = self.limits.item;
        if bytes > max {
            let message = format!(
                "Item size to update has exceeded the maximum allowed size (item `{key}` would \
                 have {bytes} bytes, {max} are allowed)"
            );
            return Ok(Err(("item_too_large", message)));
        }
        for each in wanted {
            self.set(item, row, each);
        }
        self.items[item].changed = true;
        Ok(Ok(()))
    }

    fn item(&mut self, row: usize, key: &'a str) -> rusqlite::Result<usize> {
        if let Some(item) = self.by_key.get(key) {
            return Ok(*item);
        }
        let stored: Option<i64> = self
            .connection
            .prepare_cached(&self.table.select_item)?
            .query_row([key], |row| row.get(0))
            .optional()?;
        let keys = &self.upserts.keys;
        let own = || keys.iter().map(|(name, column)| name.len() + size::value(column, row)).sum();
        let bytes = stored.map_or_else(own, |bytes| bytes as usize);
        self.items.push(Item { key, bytes, stored: stored.is_some(), changed: false });
        self.by_key.insert(key, self.items.len() - 1);
        Ok(self.items.len() - 1)
    }

    fn name(&self, column: usize, row: usize) -> Result<&'a str, key::NoKey> {
        let name = match &self.upserts.attributes[column].name {
            AttributeName::Same(name) => name,
            AttributeName::Each(names) if names.is_null(row) => "",
            AttributeName::Each(names) => names.value(row),
        };
        if name.is_empty() {
            return Err(("attribute_name", "the name of an attribute is empty or null".into()));
        }
        if self.upserts.keys.iter().any(|(key, _)| key == name) {
            let message = format!(
                "One or more parameter values were invalid: Cannot update attribute {name}. This \
                 attribute is part of the key"
            );
            return Err(("attribute_name", message));
        }
        Ok(name)
    }

    /// The bytes that an attribute has now.
    fn before(&self, item: usize, name: &str) -> rusqlite::Result<Option<usize>> {
        if let Some(at) = self.by_name.get(&(item, name)) {
            return Ok(Some(self.attributes[*at].bytes));
        }
        if !self.items[item].stored {
            return Ok(None);
        }
        let bytes: Option<i64> = self
            .connection
            .prepare_cached(&self.table.select_attribute)?
            .query_row([self.items[item].key, name], |row| row.get(0))
            .optional()?;
        Ok(bytes.map(|bytes| bytes as usize))
    }

    fn set(&mut self, item: usize, row: usize, wanted: Wanted<'a>) {
        let Wanted { name, column, bytes, before } = wanted;
        // The same name twice in one row: the later one counts.
        let at = self.by_name.get(&(item, name)).copied();
        let before = at.map(|at| self.attributes[at].bytes).or(before);
        match before {
            Some(_) => self.done.replaced += 1,
            None => self.done.attributes += 1,
        }
        let total = &mut self.items[item].bytes;
        *total = (*total + bytes).saturating_sub(before.unwrap_or(0));
        let merged = Merged { item, name, column, row, bytes };
        match at {
            Some(at) => self.attributes[at] = merged,
            None => {
                self.by_name.insert((item, name), self.attributes.len());
                self.attributes.push(merged);
            }
        }
    }

    /// Writes what is left, in order of the key, so that the file is touched in order.
    fn write(mut self) -> rusqlite::Result<Upserted> {
        let items = &self.items;
        self.attributes.sort_unstable_by_key(|each| (items[each.item].key, each.name));
        let values = self.upserts.attributes.iter().map(|each| ValueWriter::new(&each.values));
        let writers: Vec<ValueWriter<'_>> = values.collect();
        let mut insert = self.connection.prepare_cached(&self.table.insert_attribute)?;
        let mut json = Vec::new();
        for each in &self.attributes {
            json.clear();
            writers[each.column].write(each.row, &mut json);
            let text = std::str::from_utf8(&json).expect("JSON is UTF-8");
            insert.execute((items[each.item].key, each.name, text, each.bytes as i64))?;
        }
        let mut insert = self.connection.prepare_cached(&self.table.insert_item)?;
        for item in items.iter().filter(|item| item.changed) {
            insert.execute((item.key, item.bytes as i64))?;
            self.done.items += u64::from(!item.stored);
        }
        Ok(self.done)
    }
}
