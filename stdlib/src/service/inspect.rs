//! Looking into the services without running: what `flowc show` and `flowc query` read. Needs no
//! lock and changes nothing; everything is read as it is asked for.

mod bucket;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod warehouse;

use crate::service::aside::is_warehouse;
use crate::service::local::{delivery, warehouse as local};
use crate::service::{QueryRows, physical_name};
use dsl::ast::ResourceKind;
use dsl::plan::{Plan, PlanResource};
use dsl::value::Value;
use engine::fault::Fault;
use std::path::{Path, PathBuf};

/// A look into the services of a profile.
pub struct Inspector {
    place: Place,
}

enum Place {
    /// The directory of a local profile.
    Local { dir: PathBuf, plan: Box<Plan> },
    /// The services of AWS, and how many rows of a table will be asked for at most.
    #[cfg(feature = "aws")]
    Aws(Box<crate::service::aws::inspect::AwsInspector>, usize),
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
    /// Looks into the services of the plan's profile. Makes no call.
    ///
    /// # Errors
    /// The provider is not configured, or this build does not have it.
    pub fn of(plan: &Plan) -> Result<Inspector, Fault> {
        if let Some(dir) = &plan.local_dir {
            return Ok(Inspector::open(Path::new(dir), plan));
        }
        #[cfg(feature = "aws")]
        {
            let aws = crate::service::aws::inspect::AwsInspector::open(plan)?;
            Ok(Inspector { place: Place::Aws(Box::new(aws), usize::MAX) })
        }
        #[cfg(not(feature = "aws"))]
        Err(crate::service::no_connectors(plan))
    }

    /// Looks into `dir`; what is not there yet is empty.
    pub fn open(dir: &Path, plan: &Plan) -> Inspector {
        let place = Place::Local { dir: dir.to_owned(), plan: Box::new(plan.clone()) };
        Inspector { place }
    }

    /// Nobody will ask for more rows of a resource than these.
    pub fn at_most(self, rows_max: usize) -> Inspector {
        let place = match self.place {
            #[cfg(feature = "aws")]
            Place::Aws(aws, _) => Place::Aws(aws, rows_max),
            local => {
                // Local rows are read as they are asked for.
                let _ = rows_max;
                local
            }
        };
        Inspector { place }
    }

    /// What a resource holds. Streams: `offset`, `arrival`, `key`, `payload`, shard by shard (with
    /// `shard` where there are several); on AWS `sequence` in place of `offset`. Buckets: `key`,
    /// `size`, `modified`, in order of key. Tables: the key fields and `item`, JSON. Warehouse
    /// tables: their columns, exact. Deliveries: what waits for the bucket, as streams. Blocks.
    ///
    /// # Errors
    /// A file cannot be read or is damaged; a service refuses.
    pub fn show(&self, resource: &PlanResource) -> Result<Shown, Fault> {
        let dir = match &self.place {
            Place::Local { dir, .. } => dir,
            #[cfg(feature = "aws")]
            Place::Aws(aws, rows_max) => return aws.show(resource, *rows_max),
        };
        match resource.kind {
            ResourceKind::Stream => stream::show(dir, physical_name(resource)?, None),
            ResourceKind::Delivery => {
                let hidden = delivery::hidden_stream(resource)?;
                let reader = delivery::reader_id(&hidden);
                stream::show(dir, &hidden, Some(&reader))
            }
            ResourceKind::Bucket => bucket::show(dir, resource),
            ResourceKind::Table if is_warehouse(resource) => warehouse::show(dir, resource),
            ResourceKind::Table => table::show(dir, resource),
            ResourceKind::Queue => {
                Err(Fault::service("not_supported", "a local queue cannot be shown yet"))
            }
        }
    }

    /// The text of one object of a bucket, by its whole key; `None` where it is not there. Blocks.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn object(&self, resource: &PlanResource, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        match &self.place {
            Place::Local { dir, .. } => bucket::object(dir, resource, key),
            #[cfg(feature = "aws")]
            Place::Aws(aws, _) => aws.object(resource, key),
        }
    }

    /// Answers a query in Redshift's SQL on the warehouse with at most `rows_max` rows. Blocks.
    ///
    /// # Errors
    /// The query is refused, or the warehouse cannot be read.
    pub fn query(&self, sql: &str, rows_max: usize) -> Result<QueryRows, Fault> {
        match &self.place {
            Place::Local { dir, plan } => {
                local::query(&local::file(dir), &local::seen(plan)?, sql, rows_max)
            }
            #[cfg(feature = "aws")]
            Place::Aws(aws, _) => aws.query(sql, rows_max),
        }
    }
}

/// Rows that are read a page at a time: `next` gives the rows behind a place, each with its own
/// place; no rows are the end.
pub(crate) fn paged<P: 'static>(
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
pub(crate) fn readable(bytes: &[u8]) -> Value {
    use base64::Engine;
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::Text(text.to_owned()),
        Err(_) => {
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            Value::Text(format!("base64:{text}"))
        }
    }
}
