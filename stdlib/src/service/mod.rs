//! The services that resources are bound to: five narrow traits, and who stands behind them.
//!
//! [`local`] is embedded and durable, `aws` is the real thing (feature `aws`). Everything is named
//! by its physical name (the first argument of a binding); a [`Fault`] is about a whole call, a
//! [`Refused`] about one record of it.

pub mod aside;
#[cfg(feature = "aws")]
pub mod aws;
pub mod inspect;
mod items;
pub mod local;
pub mod object_key;
pub mod once;
pub mod outgoing;
pub mod position;
pub mod provision;
pub mod sim;
pub mod spill;

use arrow_array::{ArrayRef, BinaryArray, StringArray};
use async_trait::async_trait;
use bytes::Bytes;
use dsl::plan::Plan;
use dsl::plan::PlanResource;
use dsl::ty::Ty;
use dsl::value::Value;
use engine::batch::{Partition, Run};
use engine::ctx::{Checkpoints, Clock, NodeCtx};
use engine::failpoint::Failpoints;
use engine::fault::Fault;
use engine::node::SinkLimits;
use spill::Spills;
use std::any::Any;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The services of a run, opened; shared by all nodes.
#[derive(Clone)]
pub struct Services {
    /// Ordered logs (Kinesis).
    pub streams: Arc<dyn Streams>,
    /// Objects by key (S3).
    pub objects: Arc<dyn Objects>,
    /// Items by key (DynamoDB).
    pub tables: Arc<dyn Tables>,
    /// Buffered deliveries into buckets (Firehose).
    pub delivery: Arc<dyn Delivery>,
    /// Tables that SQL reads (Redshift).
    pub warehouse: Arc<dyn Warehouse>,
    /// The buffers of `spill`, on a local disk whatever the provider.
    pub spills: Arc<Spills>,
}

/// What a run works on, until it is dropped.
pub struct Opened {
    /// What the nodes work on.
    pub services: Arc<Services>,
    /// Where sources and batches keep their positions.
    pub checkpoints: Arc<dyn Checkpoints>,
    /// What is held as long as the run lasts, such as the lock of a directory.
    pub held: Box<dyn Any + Send + Sync>,
}

/// Adds to a plan what its provider does with nodes of the engine: buffers, deliveries of the local
/// one, appends to buckets.
pub fn prepare(plan: &mut Plan) {
    spill::add_buffers(plan);
    match plan.local_dir {
        Some(_) => local::add_deliveries(plan),
        #[cfg(feature = "aws")]
        None => aws::prepare(plan),
        #[cfg(not(feature = "aws"))]
        None => {}
    }
}

/// Opens the services of the plan's profile.
///
/// # Errors
/// A resource is missing, held by another run, or cannot be reached.
pub async fn open(
    plan: &Plan,
    clock: Arc<dyn Clock>,
    failpoints: Failpoints,
) -> Result<Opened, Fault> {
    let mut opened = open_provider(plan, clock.clone(), failpoints).await?;
    let (spills, lock) = Spills::open(plan, &clock)?;
    Arc::make_mut(&mut opened.services).spills = Arc::new(spills);
    Ok(Opened { held: Box::new((opened.held, lock)), ..opened })
}

async fn open_provider(
    plan: &Plan,
    clock: Arc<dyn Clock>,
    failpoints: Failpoints,
) -> Result<Opened, Fault> {
    if let Some(dir) = &plan.local_dir {
        return local::open_with(Path::new(dir), plan, clock, &failpoints);
    }
    #[cfg(feature = "aws")]
    return aws::open(plan, clock, failpoints).await;
    #[cfg(not(feature = "aws"))]
    Err(no_connectors(plan))
}

/// The fault of a build without the connectors of AWS.
#[cfg(not(feature = "aws"))]
pub fn no_connectors(plan: &Plan) -> Fault {
    let profile = &plan.profile;
    let message = format!("profile `{profile}` needs AWS, and this build has no AWS connectors");
    Fault::service("no_connectors", message)
        .help("build flowc without `--no-default-features`, or use an emulated profile")
}

/// Records on their way into a stream or a delivery.
#[derive(Clone, Debug)]
pub struct Records {
    /// The records, encoded; never null.
    pub payloads: BinaryArray,
    /// A partition key for each; `None` = spread by the service.
    pub keys: Option<StringArray>,
    /// Who sends them: the same in every run.
    pub producer: [u8; 16],
    /// The producer's sequence numbers, one for each record, in order. A record whose number is
    /// stored already is dropped and counted, so that sending again is harmless.
    pub runs: Vec<Run>,
}

/// A record that the service refuses for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Index in the call.
    pub row: usize,
    /// A code that the node's spec lists.
    pub code: &'static str,
    /// The service's own words.
    pub message: String,
}

/// What became of an append; records that are not refused are durable.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Appended {
    /// Records that were stored by this call.
    pub stored: u64,
    /// Records that an earlier call has stored.
    pub already_stored: u64,
    /// Records that never will be.
    pub refused: Vec<Refused>,
    /// Records that the service did not take this time, by index: only these are sent again.
    pub again: Vec<usize>,
    /// Why, where `again` is not empty.
    pub fault: Option<Fault>,
    /// Counts for the summary, by name (`requests`, `sent again`).
    pub counts: Vec<(&'static str, u64)>,
}

/// Consecutive records of one shard.
#[derive(Clone, Debug)]
pub struct StreamRows {
    /// The records, raw (no base64).
    pub payloads: BinaryArray,
    /// Their partition keys; `""` where they came without.
    pub keys: StringArray,
    /// Their offsets and arrivals, one number for each record.
    pub runs: Vec<Run>,
}

/// Records of one shard, with the reader's place behind them.
#[derive(Clone, Debug)]
pub struct ShardRows {
    /// The shard; the numbers in `rows` are its own.
    pub partition: Arc<Partition>,
    /// The shard's number within this reader, small and dense.
    pub shard: u32,
    /// The records.
    pub rows: StreamRows,
    /// The number after the last of them.
    pub end: u64,
}

/// Reads one stream from where one node left off, and follows it.
#[async_trait]
pub trait StreamReader: Send {
    /// Waits for the next records; within a shard they are in order. With `last`, nothing more will
    /// be written by this run: gives what is there, and `None` when everything that was there when
    /// it was first asked so has been given. Cancel-safe.
    async fn next(&mut self, last: bool) -> Result<Option<ShardRows>, Fault>;

    /// Everything of a shard before number `upto` is settled: remembers it, durably.
    async fn commit(&mut self, shard: u32, upto: u64) -> Result<(), Fault>;

    /// The stream has one shard, now and in any run.
    fn one_shard(&self) -> bool {
        false
    }

    /// Nothing more can be given until rows that were given are committed: children of a shard
    /// that has ended wait for them.
    fn waits_for_settling(&self) -> bool {
        false
    }

    /// The run is over for this reader: lets go what it holds. Everything is committed.
    async fn close(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

/// Ordered, durable, partitioned logs.
#[async_trait]
pub trait Streams: Send + Sync {
    /// Appends records in order; they are durable when it returns, except those to send again.
    async fn append(&self, stream: &str, records: Records) -> Result<Appended, Fault>;

    /// Opens a reader of a stream at the positions of a node.
    async fn reader(&self, stream: &str, ctx: &NodeCtx) -> Result<Box<dyn StreamReader>, Fault>;

    /// What one append takes best.
    fn append_limits(&self, stream: &str) -> SinkLimits {
        let _ = stream;
        SinkLimits::default()
    }
}

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its number in the bucket's order of arrival, from 0.
    pub seq: u64,
    /// Its whole key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Changes with its content.
    pub etag: String,
    /// When it arrived, nanoseconds since 1970 UTC.
    pub arrival_ns: i64,
}

/// A stretch of a bucket's objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The objects, in order of arrival.
    pub objects: Vec<ObjectInfo>,
    /// The number to go on from.
    pub next: u64,
}

/// What a put did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It stored the object.
    Stored,
    /// The object was there, with this content.
    AlreadyStored,
}

/// Objects by key.
#[async_trait]
pub trait Objects: Send + Sync {
    /// The bucket's objects as a partition: its id names the bucket, its numbers are
    /// [`ObjectInfo::seq`].
    fn partition(&self, bucket: &str) -> Arc<Partition>;

    /// Stores an object; it is durable when it returns.
    ///
    /// # Errors
    /// `object_conflict`: there is an object of that key with other content; `object_key`: it is no
    /// key.
    async fn put(&self, bucket: &str, key: &str, content: Bytes) -> Result<Put, Fault>;

    /// At most `max` objects whose key begins with `prefix`, in order of arrival, numbered `from`
    /// or higher. Does not wait. The first call of a run for a bucket also finds what was put there
    /// by other programs.
    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        from: u64,
        max: usize,
    ) -> Result<Listed, Fault>;

    /// Waits until an object may have arrived that is numbered `from` or higher.
    /// Only for a bucket that was listed before. Cancel-safe.
    async fn arrived(&self, bucket: &str, from: u64) -> Result<(), Fault>;

    /// At most `max` keys that begin with `prefix` and come behind `after`, in order of key.
    ///
    /// # Errors
    /// The bucket cannot be listed.
    async fn keys(
        &self,
        bucket: &str,
        prefix: &str,
        after: &str,
        max: usize,
    ) -> Result<Vec<String>, Fault> {
        let _ = (prefix, after, max);
        Err(Fault::service("not_supported", format!("bucket `{bucket}` cannot be listed by key")))
    }

    /// What an object holds; `None` where it is not there.
    ///
    /// # Errors
    /// It cannot be read.
    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, Fault> {
        Err(Fault::service("not_supported", format!("`{key}` of bucket `{bucket}` cannot be read")))
    }

    /// Puts under way at once that the provider takes best, for each node.
    fn puts_at_once(&self) -> usize {
        4
    }
}

/// A column of an upsert: one attribute for each item.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// Its name.
    pub name: AttributeName,
    /// Its values, typed; a null is stored as null.
    pub values: ArrayRef,
}

/// The name of an attribute.
#[derive(Clone, Debug)]
pub enum AttributeName {
    /// The same for all items.
    Same(String),
    /// Its own for each item (`[.StockCode]: …`).
    Each(StringArray),
}

/// Attributes to be merged into items, one item for each row, in order.
#[derive(Clone, Debug)]
pub struct Upserts {
    /// The key fields, in the order of the declaration: name and values.
    pub keys: Vec<(String, ArrayRef)>,
    /// The other attributes.
    pub attributes: Vec<Attribute>,
}

/// What became of an upsert; rows that are not refused are durable.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Upserted {
    /// Items that did not exist before; `None` where the service does not tell.
    pub items: Option<u64>,
    /// Attributes that did not exist before.
    pub attributes: u64,
    /// Attributes of rows that took the place of an earlier row's, in this call or before.
    pub replaced: u64,
    /// Rows that never will be stored.
    pub refused: Vec<Refused>,
    /// Rows that the service did not take this time, by index: only these are sent again. With a
    /// row, all later rows of its key are named too.
    pub again: Vec<usize>,
    /// Why, where `again` is not empty.
    pub fault: Option<Fault>,
}

/// Items by key, each with attributes.
#[async_trait]
pub trait Tables: Send + Sync {
    /// Merges attributes into items, in order; durable when it returns, except the rows to send
    /// again.
    async fn upsert(&self, table: &str, upserts: Upserts) -> Result<Upserted, Fault>;

    /// What one upsert takes best: a large one merges more rows into one item.
    fn upsert_limits(&self) -> SinkLimits {
        SinkLimits { rows_max: 16_384, bytes_max: 16 << 20, ..SinkLimits::default() }
    }
}

/// Buffered writes into buckets: many records become one object.
#[async_trait]
pub trait Delivery: Send + Sync {
    /// Hands records to a delivery; they are durable when it returns and reach its bucket later.
    async fn write(&self, delivery: &str, records: Records) -> Result<Appended, Fault>;

    /// Appends records to a bucket, an object a handful; they are durable when it returns and come
    /// to lie in the bucket soon.
    async fn append(&self, place: &BucketPlace, records: Records) -> Result<Appended, Fault>;

    /// What one write takes best. Records wait a moment for others, to become durable with them: a
    /// delivery holds them for seconds anyway.
    fn write_limits(&self) -> SinkLimits {
        SinkLimits { linger: Duration::from_millis(20), ..SinkLimits::default() }
    }
}

/// An object to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// Its bucket.
    pub bucket: String,
    /// Its whole key.
    pub key: String,
    /// As it was listed.
    pub etag: String,
}

/// What became of a load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Copied {
    /// All its rows are in the table, for the first time.
    Loaded {
        /// How many; those of objects that were loaded together are counted at the first of them.
        rows: u64,
    },
    /// An earlier load has brought it.
    AlreadyLoaded,
    /// Nothing of it is in the table.
    Refused {
        /// The first line that is no row of the table, from 1; `None` where the object as a whole
        /// is refused.
        line: Option<u64>,
        /// Why.
        message: String,
    },
}

/// The answer to a query.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryRows {
    /// Names and types, in order.
    pub columns: Vec<(String, Ty)>,
    /// A value for each column.
    pub rows: Vec<Vec<Value>>,
    /// There were more rows than asked for.
    pub more: bool,
}

/// Tables that SQL reads.
#[async_trait]
pub trait Warehouse: Send + Sync {
    /// Loads objects of lines of JSON, all rows of an object or none, and records in the same
    /// transaction that it is loaded. Gives an answer for each object, in order.
    ///
    /// # Errors
    /// What was loaded before the fault stays loaded, and is known when it is asked for again.
    async fn copy(&self, table: &str, objects: &[ObjectRef]) -> Result<Vec<Copied>, Fault>;

    /// How many objects one [`copy`](Warehouse::copy) takes best.
    fn copy_objects_max(&self) -> usize {
        16
    }

    /// Answers a query in Redshift's SQL with at most `rows_max` rows.
    async fn query(&self, sql: &str, rows_max: usize) -> Result<QueryRows, Fault>;
}

/// Where a bucket resource keeps its objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketPlace {
    /// The physical bucket.
    pub bucket: String,
    /// What every key of this resource begins with; may be empty.
    pub prefix: String,
}

impl BucketPlace {
    /// The place that the profile gives the resource.
    ///
    /// # Errors
    /// The resource is not bound.
    pub fn of(resource: &PlanResource) -> Result<BucketPlace, Fault> {
        let binding = resource.binding.as_ref().ok_or_else(|| unbound(resource))?;
        let prefix = binding.options.get("prefix").and_then(Value::as_text).unwrap_or_default();
        Ok(BucketPlace { bucket: binding.name.clone(), prefix: prefix.to_owned() })
    }
}

/// The physical name of a resource.
///
/// # Errors
/// The resource is not bound.
pub fn physical_name(resource: &PlanResource) -> Result<&str, Fault> {
    match &resource.binding {
        Some(binding) => Ok(&binding.name),
        None => Err(unbound(resource)),
    }
}

fn unbound(resource: &PlanResource) -> Fault {
    let (kind, name) = (resource.kind.word(), &resource.name);
    Fault::service("unbound", format!("{kind} `{name}` is not bound by this profile"))
        .help(format!("bind `{name}` in the profile"))
}
