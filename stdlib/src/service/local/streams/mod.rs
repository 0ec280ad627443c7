//! Streams in segment files: an append is one checksummed frame, all appends that wait become
//! durable together, and sending again is harmless.
//!
//! A stream is a directory with `stream.json` and one directory per shard. Nothing is ever removed:
//! there is no retention yet.

pub mod frame;
pub mod log;
pub mod lost;
pub mod read;
pub mod reader;
pub mod recent;
pub mod refuse;
mod scan;
pub mod seen;
pub mod tail;
#[cfg(test)]
mod tests;
pub mod writer;

use super::disk;
use crate::service::position::Positions;
use crate::service::{Appended, BucketPlace, Records, StreamReader, StreamRows, Streams};
use arrow_array::Array;
use async_trait::async_trait;
use engine::batch::Partition;
use engine::ctx::{Clock, NodeCtx};
use engine::fault::Fault;
use log::{Log, Purpose};
use reader::LocalReader;
use refuse::Service;
use seen::Seen;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tail::{Tail, TailOptions};
use writer::{Group, Writer};

/// The streams of one directory that a run uses.
pub struct LocalStreams {
    streams: BTreeMap<String, Stream>,
}

/// One open stream.
struct Stream {
    shards: Vec<(Arc<Partition>, Arc<Log>)>,
    writer: Writer,
}

/// How streams are opened.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Of the writers.
    pub tails: TailOptions,
    /// By partition, how far some reader has come: no record behind it may get a number below.
    pub positions: BTreeMap<[u8; 16], u64>,
}

/// What `stream.json` says.
#[derive(serde::Serialize, serde::Deserialize)]
struct Meta {
    shards: u32,
    created_ns: i64,
}

/// A stream to open.
pub struct StreamPlan {
    /// Its name: that of the binding, or of a hidden stream.
    pub name: String,
    /// How many shards it has when it is made.
    pub shards: u32,
    /// Who refuses records.
    pub service: Service,
}

/// The name of the hidden stream behind a delivery. No stream has a slash in its name.
pub fn delivery_stream(delivery: &str) -> String {
    format!("deliveries/{delivery}")
}

/// The name of the hidden stream behind the appends to a bucket.
pub fn append_stream(place: &BucketPlace) -> String {
    let prefix = place.prefix.trim_end_matches('/').replace('/', "~");
    let tilde = if prefix.is_empty() { "" } else { "~" };
    format!("appends/{}{tilde}{prefix}", place.bucket)
}

/// The directory of a stream.
pub fn stream_dir(dir: &Path, name: &str) -> PathBuf {
    match name.contains('/') {
        true => dir.join(name),
        false => dir.join("streams").join(name),
    }
}

impl LocalStreams {
    /// Opens streams to write and read; makes those that are not there. Blocks.
    ///
    /// # Errors
    /// A stream is damaged, or was made with another number of shards.
    pub fn open(
        dir: &Path,
        plans: Vec<StreamPlan>,
        clock: &Arc<dyn Clock>,
        options: &OpenOptions,
    ) -> Result<LocalStreams, Fault> {
        let mut streams = BTreeMap::new();
        for plan in plans {
            if plan.name.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
                let message = format!("`{}` is no name for a local stream", plan.name);
                return Err(Fault::service("stream_name", message)
                    .help("begin it with a letter, a digit, `_` or `-`"));
            }
            let stream = Stream::open(&stream_dir(dir, &plan.name), &plan, clock, options)?;
            streams.insert(plan.name, stream);
        }
        Ok(LocalStreams { streams })
    }

    /// The records of a shard at and after offset `from`; none where there are none yet. Does not
    /// wait.
    ///
    /// # Errors
    /// No such stream is open; a file cannot be read.
    pub async fn read(
        &self,
        name: &str,
        shard: usize,
        from: u64,
        limits: ReadLimits,
    ) -> Result<StreamRows, Fault> {
        let notices: reader::Notices = Arc::new(|_| ());
        reader::read(&self.stream(name)?.shards[shard].1, from, limits, &notices).await
    }

    /// Waits until a shard has a record at or after `from`. Cancel-safe.
    ///
    /// # Errors
    /// No such stream is open.
    pub async fn arrived(&self, name: &str, shard: usize, from: u64) -> Result<(), Fault> {
        reader::arrived(&self.stream(name)?.shards[shard].1, from).await;
        Ok(())
    }

    fn stream(&self, name: &str) -> Result<&Stream, Fault> {
        self.streams
            .get(name)
            .ok_or_else(|| Fault::service("no_stream", format!("no stream `{name}` is open")))
    }
}

/// How much one read may bring.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// Records at most.
    pub rows_max: usize,
    /// Payload bytes at most, except that one record always fits.
    pub bytes_max: usize,
}

#[async_trait]
impl Streams for LocalStreams {
    async fn append(&self, stream: &str, records: Records) -> Result<Appended, Fault> {
        let rows: usize = records.runs.iter().map(|run| run.len as usize).sum();
        assert_eq!(rows, records.payloads.len(), "one id for each record");
        self.stream(stream)?.writer.append(records).await
    }

    async fn reader(&self, stream: &str, ctx: &NodeCtx) -> Result<Box<dyn StreamReader>, Fault> {
        let shards = self.stream(stream)?.shards.clone();
        for notice in shards.iter().flat_map(|(_, log)| log.told()) {
            (ctx.run.log)(&notice);
        }
        let failpoints = ctx.run.failpoints.clone();
        let (positions, notices) = (Positions::of(ctx), ctx.run.log.clone());
        Ok(Box::new(LocalReader::open(shards, positions, failpoints, notices).await?))
    }
}

impl Stream {
    fn open(
        dir: &Path,
        plan: &StreamPlan,
        clock: &Arc<dyn Clock>,
        options: &OpenOptions,
    ) -> Result<Stream, Fault> {
        let meta = open_meta(dir, plan, clock)?;
        let mut seen = Seen::default();
        let (mut shards, mut tails) = (Vec::new(), Vec::new());
        for shard in 0..meta.shards {
            let mut note = |header: &frame::Header| {
                for (first, len) in &header.ranges {
                    seen.add(&header.producer, *first, *len);
                }
            };
            let what = format!("{} shard {shard}", display(&plan.name));
            let path = dir.join(shard.to_string());
            let partition = Arc::new(partition(&plan.name, shard, meta.created_ns));
            let position = options.positions.get(&partition.id).copied().unwrap_or(0);
            let log = Log::open(&path, what, Purpose::Write, position, &mut note)?;
            let log = Arc::new(log);
            tails.push(Tail::open(log.clone(), &options.tails)?);
            shards.push((partition, log));
        }
        let what = display(&plan.name);
        let (clock, service) = (clock.clone(), plan.service);
        let writer = Writer::start(Group { tails, seen, service, clock, what })?;
        Ok(Stream { shards, writer })
    }
}

/// Opens the logs of a stream to look at them; none where there is no stream yet.
pub fn look(dir: &Path, name: &str) -> Result<Vec<Log>, Fault> {
    let dir = stream_dir(dir, name);
    let Some(meta) = read_meta(&dir)? else { return Ok(Vec::new()) };
    let open = |shard: u32| {
        let what = format!("{} shard {shard}", display(name));
        Log::open(&dir.join(shard.to_string()), what, Purpose::Look, 0, &mut |_| {})
    };
    (0..meta.shards).map(open).collect()
}

/// The partitions of a stream, one for each shard; none where there is no stream yet.
pub fn partitions(dir: &Path, name: &str) -> Result<Vec<Partition>, Fault> {
    let meta = read_meta(&stream_dir(dir, name))?;
    let of = |meta: &Meta| (0..meta.shards).map(|n| partition(name, n, meta.created_ns)).collect();
    Ok(meta.as_ref().map(of).unwrap_or_default())
}

fn display(name: &str) -> String {
    match name.split_once('/') {
        Some(("deliveries", delivery)) => format!("delivery `{delivery}`"),
        Some((_, bucket)) => format!("appends to `{bucket}`"),
        None => format!("stream `{name}`"),
    }
}

fn partition(name: &str, shard: u32, created_ns: i64) -> Partition {
    let hash = blake3::hash(format!("stream\n{name}\n{shard}\n{created_ns}").as_bytes());
    Partition {
        id: hash.as_bytes()[..16].try_into().expect("sixteen of thirty-two bytes"),
        name: format!("{name}/{shard}"),
    }
}

fn open_meta(dir: &Path, plan: &StreamPlan, clock: &Arc<dyn Clock>) -> Result<Meta, Fault> {
    if let Some(meta) = read_meta(dir)? {
        if meta.shards != plan.shards.max(1) {
            let what = display(&plan.name);
            let (has, wants) = (meta.shards, plan.shards);
            return Err(Fault::service(
                "stream_shards",
                format!("{what} has {has} shards, and the profile says `shards: {wants}`"),
            )
            .help(format!("write `shards: {has}`; a local stream cannot be split or merged yet")));
        }
        return Ok(meta);
    }
    disk::make_dir(dir)?;
    let meta = Meta { shards: plan.shards.max(1), created_ns: clock.now_ns() };
    let text = serde_json::to_vec(&meta).expect("numbers are JSON");
    disk::replace(&dir.join("stream.json"), &text)?;
    Ok(meta)
}

fn read_meta(dir: &Path) -> Result<Option<Meta>, Fault> {
    let path = dir.join("stream.json");
    let text = match std::fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|error| disk::fault(&error, "open a stream", &path))?,
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| {
        Fault::service("stream_damaged", format!("{} is damaged: {error}", path.display()))
            .help(disk::BEGIN_ANEW)
    })
}
