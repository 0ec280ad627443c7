//! One call: the state it works on, and what its answer counts.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::error::{Error, not_found};
use super::json::Members;
use super::table::Table;
use crate::Tally;
use crate::rules::Faults;
use crate::settings::Settings;

/// All tables, and the tokens of transactions.
#[derive(Debug, Default)]
pub(super) struct State {
    /// By region and name.
    pub(super) tables: BTreeMap<(String, String), Table>,
    /// By region and `ClientRequestToken`.
    pub(super) tokens: BTreeMap<(String, String), Token>,
}

/// A transaction that was done.
#[derive(Debug)]
pub(super) struct Token {
    /// After this time it is forgotten.
    pub(super) until_ms: i64,
    /// What was asked, without the token.
    pub(super) asked: Json,
    /// What was answered.
    pub(super) answered: Json,
}

/// A call while it runs.
pub(super) struct Call<'a> {
    pub(super) state: &'a mut State,
    pub(super) region: &'a str,
    pub(super) now_ms: i64,
    pub(super) settings: &'a Settings,
    pub(super) faults: &'a Faults,
    pub(super) tally: Tally,
}

impl Call<'_> {
    /// A table that items can be read from and written to.
    pub(super) fn table(&mut self, name: &str) -> Result<&mut Table, Error> {
        let at = (self.region.to_owned(), name.to_owned());
        let now_ms = self.now_ms;
        let table = self.state.tables.get_mut(&at);
        table.filter(|table| table.status(now_ms) == "ACTIVE").ok_or_else(not_found)
    }
}

/// Units of capacity by table, and whether the answer names them.
#[derive(Debug)]
pub(super) struct Capacity {
    wanted: &'static str,
    read: BTreeMap<String, f64>,
    write: BTreeMap<String, f64>,
}

impl Capacity {
    /// As `ReturnConsumedCapacity` says.
    pub(super) fn of(members: &mut Members<'_>) -> Result<Capacity, Error> {
        let wanted =
            members.one_of("ReturnConsumedCapacity", &["INDEXES", "TOTAL", "NONE"], "NONE")?;
        Ok(Capacity { wanted, read: BTreeMap::new(), write: BTreeMap::new() })
    }

    /// Counts a read of so many bytes.
    pub(super) fn read(&mut self, table: &str, bytes: usize, factor: f64) {
        let units = bytes.div_ceil(4_096).max(1) as f64 * factor;
        *self.read.entry(table.to_owned()).or_default() += units;
    }

    /// Counts a write of so many bytes.
    pub(super) fn write(&mut self, table: &str, bytes: usize, factor: f64) {
        let units = bytes.div_ceil(1_024).max(1) as f64 * factor;
        *self.write.entry(table.to_owned()).or_default() += units;
    }

    /// The units of each table, if they are wanted.
    pub(super) fn all(&self) -> Option<Vec<Json>> {
        if self.wanted == "NONE" {
            return None;
        }
        let mut units = self.read.clone();
        for (table, written) in &self.write {
            *units.entry(table.clone()).or_default() += written;
        }
        let one = |(table, units): (&String, &f64)| {
            let mut one = json!({ "TableName": table, "CapacityUnits": units });
            if self.wanted == "INDEXES" {
                one["Table"] = json!({ "CapacityUnits": units });
            }
            one
        };
        Some(units.iter().map(one).collect())
    }

    /// Adds the units of the only table to an answer.
    pub(super) fn add_one(&self, answer: &mut Map<String, Json>) {
        if let Some(one) = self.all().and_then(|mut all| all.pop()) {
            answer.insert("ConsumedCapacity".into(), one);
        }
    }

    /// Adds the units of all tables to an answer.
    pub(super) fn add_all(&self, answer: &mut Map<String, Json>) {
        if let Some(all) = self.all() {
            answer.insert("ConsumedCapacity".into(), Json::Array(all));
        }
    }
}
