//! Looking into the local services without running: what `flowc show` and `flowc query` read.
//! Needs no lock and changes nothing; everything is read as it is asked for.

use crate::service::QueryRows;
use dsl::plan::{Plan, PlanResource};
use dsl::value::Value;
use engine::fault::Fault;
use std::path::{Path, PathBuf};

/// A look into the directory of a local profile.
pub struct Inspector {
    dir: PathBuf,
}

/// What a resource holds, as a table that is read row by row.
pub struct Shown {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows, a value for each column; read while they are asked for.
    pub rows: Box<dyn Iterator<Item = Result<Vec<Value>, Fault>>>,
}

impl Inspector {
    /// Looks into `dir`; what is not there yet is empty.
    pub fn open(dir: &Path, plan: &Plan) -> Inspector {
        let _ = plan;
        Inspector { dir: dir.to_owned() }
    }

    /// What a resource holds. Streams: `offset`, `arrival`, `key`, `payload`, shard by shard.
    /// Buckets: `key`, `size`, `modified`, in order of key. Tables: the key fields and `item`, JSON.
    /// Warehouse tables: their columns. Deliveries: what waits for the bucket, as streams. Blocks.
    ///
    /// # Errors
    /// A file cannot be read or is damaged.
    pub fn show(&self, resource: &PlanResource) -> Result<Shown, Fault> {
        let _ = (&self.dir, resource);
        Err(Fault::service("not_ready", "this build cannot show a resource yet"))
    }

    /// The text of one object of a bucket; `None` where it is not there. Blocks.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn object(&self, resource: &PlanResource, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        let _ = (resource, key);
        Err(Fault::service("not_ready", "this build cannot show a resource yet"))
    }

    /// Answers a query in Redshift's SQL on the warehouse with at most `rows_max` rows. Blocks.
    ///
    /// # Errors
    /// The query is refused, or the warehouse cannot be read.
    pub fn query(&self, sql: &str, rows_max: usize) -> Result<QueryRows, Fault> {
        let _ = (sql, rows_max);
        Err(Fault::service("not_ready", "this build cannot answer a query yet"))
    }
}
