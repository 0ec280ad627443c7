//! Tables that objects are loaded into, in memory, each object once.

use super::objects::Buckets;
use super::tally::Tally;
use super::{Shared, lock};
use crate::json::decode::{Decoder, Options};
use crate::json::encode::encode;
use crate::service::local::warehouse::tables_of;
use crate::service::{Copied, ObjectRef, QueryRows, Warehouse};
use arrow_array::BinaryArray;
use async_trait::async_trait;
use dsl::plan::Plan;
use dsl::ty::RecordTy;
use engine::fault::Fault;
use engine::sim::Service;
use std::collections::BTreeMap;

/// All tables, by name.
pub struct Loads {
    pub tables: BTreeMap<String, Loaded>,
}

/// One table.
pub struct Loaded {
    record: RecordTy,
    /// Its rows, as JSON.
    pub rows: Vec<Vec<u8>>,
    /// The content that was loaded, by bucket and key.
    history: BTreeMap<(String, String), String>,
}

impl Loads {
    /// The empty tables of a plan.
    ///
    /// # Errors
    /// A table's type cannot be kept.
    pub fn of(plan: &Plan) -> Result<Loads, Fault> {
        let tables = tables_of(plan)?.into_iter();
        let empty = |record| Loaded { record, rows: Vec::new(), history: BTreeMap::new() };
        Ok(Loads { tables: tables.map(|(name, record)| (name, empty(record))).collect() })
    }
}

impl Loaded {
    fn load(&mut self, object: &ObjectRef, buckets: &Buckets) -> Copied {
        let place = (object.bucket.clone(), object.key.clone());
        if let Some(etag) = self.history.get(&place) {
            if *etag == object.etag {
                return Copied::AlreadyLoaded;
            }
            let message = "an object of this key was loaded before, with other content".into();
            return Copied::Refused { line: None, message };
        }
        let bucket = buckets.buckets.get(&object.bucket);
        let Some(content) = bucket.and_then(|bucket| bucket.objects.get(&object.key)) else {
            let message = "the object is not there any more".into();
            return Copied::Refused { line: None, message };
        };
        let lines = content.split(|byte| *byte == b'\n').enumerate();
        let lines: Vec<(usize, &[u8])> =
            lines.filter(|(_, line)| !line.trim_ascii().is_empty()).collect();
        let payloads = BinaryArray::from_iter_values(lines.iter().map(|(_, line)| line));
        let decoded = Decoder::new(&self.record, Options::default()).decode(&payloads);
        if let Some(fault) = decoded.faults.into_iter().next() {
            let line = Some(lines[fault.row].0 as u64 + 1);
            return Copied::Refused { line, message: fault.message };
        }
        let rows = encode(&decoded.columns);
        self.rows.extend(rows.iter().flatten().map(<[u8]>::to_vec));
        self.history.insert(place, object.etag.clone());
        Copied::Loaded { rows: lines.len() as u64 }
    }
}

/// The client of one life.
pub struct SimWarehouse {
    pub client: Service,
    pub loads: Shared<Loads>,
    pub buckets: Shared<Buckets>,
    pub tally: Tally,
}

#[async_trait]
impl Warehouse for SimWarehouse {
    async fn copy(&self, table: &str, objects: &[ObjectRef]) -> Result<Vec<Copied>, Fault> {
        let mut copied = Vec::with_capacity(objects.len());
        for object in objects {
            let (loads, buckets) = (self.loads.clone(), self.buckets.clone());
            let (tally, on, object) = (self.tally.clone(), table.to_owned(), object.clone());
            let world = self.client.world().clone();
            let load = move |_: &mut _| {
                let (mut loads, buckets) = (lock(&loads), lock(&buckets));
                let missing = || Fault::service("no_table", format!("there is no table `{on}`"));
                let copied = loads.tables.get_mut(&on).ok_or_else(missing)?;
                let copied = copied.load(&object, &buckets);
                let (stored, again) = match copied {
                    Copied::Loaded { .. } => (1, 0),
                    Copied::AlreadyLoaded => (0, 1),
                    Copied::Refused { .. } => (0, 0),
                };
                tally.arrived(&on, stored, again);
                world.event(&format!("copy {} {on}", object.key), &[stored, again]);
                Ok::<Copied, Fault>(copied)
            };
            copied.push(self.client.call("copy", load).await??);
            self.tally.told(table, 1);
        }
        Ok(copied)
    }

    async fn query(&self, _: &str, _: usize) -> Result<QueryRows, Fault> {
        Err(Fault::service("simulated", "the simulated warehouse answers no queries"))
    }
}
