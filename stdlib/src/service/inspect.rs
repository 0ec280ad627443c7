//! Looking into the local services without running: what `flowc show` and `flowc query` read.
//! Needs no lock and changes nothing; everything is read as it is asked for.

mod bucket;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod warehouse;

use crate::service::local::{delivery, warehouse as local};
use crate::service::{QueryRows, physical_name};
use dsl::ast::ResourceKind;
use dsl::plan::{Plan, PlanResource};
use dsl::value::Value;
use engine::fault::Fault;
use std::path::{Path, PathBuf};

/// A look into the directory of a local profile.
pub struct Inspector {
    dir: PathBuf,
    plan: Plan,
}

/// What a resource holds, as a table that is read row by row.
pub struct Shown {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows, a value for each column; read while they are asked for.
    pub rows: Box<dyn Iterator<Item = ShownRow>>,
}

impl Shown {
    fn empty(columns: Vec<String>) -> Shown {
        Shown { columns, rows: Box::new(std::iter::empty()) }
    }
}

/// A row, or why it cannot be read.
pub type ShownRow = Result<Vec<Value>, Fault>;

impl Inspector {
    /// Looks into `dir`; what is not there yet is empty.
    pub fn open(dir: &Path, plan: &Plan) -> Inspector {
        Inspector { dir: dir.to_owned(), plan: plan.clone() }
    }

    /// What a resource holds. Streams: `offset`, `arrival`, `key`, `payload`, shard by shard (with
    /// `shard` where there are several). Buckets: `key`, `size`, `modified`, in order of key.
    /// Tables: the key fields and `item`, JSON. Warehouse tables: their columns, exact. Deliveries:
    /// what waits for the bucket, as streams. Blocks.
    ///
    /// # Errors
    /// A file cannot be read or is damaged.
    pub fn show(&self, resource: &PlanResource) -> Result<Shown, Fault> {
        match resource.kind {
            ResourceKind::Stream => stream::show(&self.dir, physical_name(resource)?, None),
            ResourceKind::Delivery => {
                let hidden = delivery::hidden_stream(resource)?;
                let reader = delivery::reader_id(&hidden);
                stream::show(&self.dir, &hidden, Some(&reader))
            }
            ResourceKind::Bucket => bucket::show(&self.dir, resource),
            ResourceKind::Table if is_warehouse(resource) => warehouse::show(&self.dir, resource),
            ResourceKind::Table => table::show(&self.dir, resource),
            ResourceKind::Queue => {
                Err(Fault::service("not_supported", "a local queue cannot be shown yet"))
            }
        }
    }

    /// The text of one object of a bucket, by its whole key; `None` where it is not there. Blocks.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn object(&self, resource: &PlanResource, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        bucket::object(&self.dir, resource, key)
    }

    /// Answers a query in Redshift's SQL on the warehouse with at most `rows_max` rows. Blocks.
    ///
    /// # Errors
    /// The query is refused, or the warehouse cannot be read.
    pub fn query(&self, sql: &str, rows_max: usize) -> Result<QueryRows, Fault> {
        let tables = local::seen(&self.plan)?;
        local::query(&local::file(&self.dir), &tables, sql, rows_max)
    }
}

fn is_warehouse(resource: &PlanResource) -> bool {
    resource.binding.as_ref().is_some_and(|binding| binding.service == "redshift")
}

/// Rows that are read a page at a time: `next` gives the rows behind a place, each with its own
/// place; no rows are the end.
fn paged<P: 'static>(
    start: P,
    mut next: impl FnMut(&P) -> Result<Vec<(P, Vec<Value>)>, Fault> + 'static,
) -> Box<dyn Iterator<Item = ShownRow>> {
    let mut place = Some(start);
    let mut page = Vec::new().into_iter();
    Box::new(std::iter::from_fn(move || {
        loop {
            if let Some((at, row)) = page.next() {
                place = Some(at);
                return Some(Ok(row));
            }
            // After an error there is nothing more.
            match next(&place.take()?) {
                Ok(rows) if rows.is_empty() => return None,
                Ok(rows) => page = rows.into_iter(),
                Err(fault) => return Some(Err(fault)),
            }
        }
    }))
}

/// Bytes as a person reads them: text as it is, anything else in base64.
fn readable(bytes: &[u8]) -> Value {
    use base64::Engine;
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::Text(text.to_owned()),
        Err(_) => {
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            Value::Text(format!("base64:{text}"))
        }
    }
}
