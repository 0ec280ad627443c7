//! Tables with a key, in memory: items with attributes.

use super::tally::Tally;
use super::{Shared, in_this_life, lock};
use crate::json::encode::ValueWriter;
use crate::service::items::rows::{self, Wanted};
use crate::service::items::size::Limits;
use crate::service::{Refused, Tables, Upserted, Upserts};
use async_trait::async_trait;
use engine::fault::Fault;
use engine::sim::{Service, Touch};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One table.
#[derive(Default)]
pub struct Table {
    /// By key, then by name.
    pub items: BTreeMap<String, BTreeMap<String, Attribute>>,
}

/// One attribute of an item.
#[derive(Default)]
pub struct Attribute {
    /// The value that counts, as JSON.
    pub value: Vec<u8>,
    /// The hashes of all values that it ever had.
    pub had: BTreeSet<[u8; 16]>,
    bytes: usize,
}

impl Table {
    /// Merges rows in order. Where one is not taken this time, nothing behind it of its key is.
    fn upsert(&mut self, upserts: &Upserts, touch: &mut Touch) -> Upserted {
        let limits = Limits::aws();
        let keys = rows::keys(upserts, limits);
        let (rows, refused) = rows::gather(upserts, &keys);
        let mut done = Upserted { items: Some(0), refused, ..Upserted::default() };
        let values: Vec<ValueWriter<'_>> =
            upserts.attributes.iter().map(|each| ValueWriter::new(&each.values)).collect();
        let columns = upserts.attributes.len();
        let mut keyed: Vec<&str> = vec![""; rows.rows.len()];
        for run in &rows.runs {
            keyed[run.slots.clone()].fill(run.key);
        }
        let mut held = BTreeSet::new();
        for (slot, (row, key)) in rows.rows.iter().zip(&keyed).enumerate() {
            if touch.is_partial() && (touch.again() || held.contains(key)) {
                held.insert(*key);
                done.again.push(*row);
                continue;
            }
            let wanted = &rows.wanted[slot * columns..(slot + 1) * columns];
            match self.merge(key, wanted, &values, limits.item, &mut done) {
                Ok(()) => (),
                Err((code, message)) => done.refused.push(Refused { row: *row, code, message }),
            }
        }
        done.refused.sort_by_key(|refused| refused.row);
        if !done.again.is_empty() {
            let message = "simulated: some items are not taken this time";
            done.fault = Some(Fault::throttle("partial", message));
        }
        done
    }

    fn merge(
        &mut self,
        key: &str,
        wanted: &[Wanted<'_>],
        values: &[ValueWriter<'_>],
        bytes_max: usize,
        done: &mut Upserted,
    ) -> Result<(), (&'static str, String)> {
        let there = self.items.get(key);
        let before: usize =
            there.map_or(key.len(), |item| item.values().map(|each| each.bytes).sum());
        let added: usize = wanted.iter().map(|each| each.bytes).sum();
        if before + added > bytes_max {
            let message = format!("item `{key}` would have over {bytes_max} bytes");
            return Err(("item_too_large", message));
        }
        done.items = done.items.map(|items| items + u64::from(there.is_none()));
        let item = self.items.entry(key.to_owned()).or_default();
        for each in wanted {
            let mut json = Vec::new();
            values[each.column].write(each.row, &mut json);
            let attribute = item.entry(each.name.to_owned()).or_default();
            match attribute.had.is_empty() {
                true => done.attributes += 1,
                false => done.replaced += 1,
            }
            attribute.had.insert(hash(&json));
            (attribute.value, attribute.bytes) = (json, each.bytes);
        }
        Ok(())
    }
}

/// A value, shortly.
pub fn hash(value: &[u8]) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(value).as_bytes()[..16]);
    short
}

/// The client of one life.
pub struct SimTables {
    pub client: Service,
    pub tables: Arc<BTreeMap<String, Shared<Table>>>,
    pub tally: Tally,
}

#[async_trait]
impl Tables for SimTables {
    async fn upsert(&self, table: &str, upserts: Upserts) -> Result<Upserted, Fault> {
        let missing = || Fault::service("no_table", format!("there is no table `{table}`"));
        let shared = self.tables.get(table).cloned().ok_or_else(missing)?;
        let (tally, on) = (self.tally.clone(), table.to_owned());
        let world = self.client.world().clone();
        let rows = upserts.keys.first().map_or(0, |(_, column)| column.len()) as u64;
        let upsert = in_this_life(&self.client, move |touch: &mut Touch| {
            let done = lock(&shared).upsert(&upserts, touch);
            let taken = rows - (done.again.len() + done.refused.len()) as u64;
            tally.arrived(&on, taken, 0);
            world.event(&format!("upsert {on}"), &[taken, done.again.len() as u64]);
            done
        });
        let done = self.client.call("upsert", upsert).await?;
        let done = done.ok_or_else(|| Fault::transient("reset", "the connection is gone"))?;
        self.tally.told(table, rows - (done.again.len() + done.refused.len()) as u64);
        Ok(done)
    }
}
