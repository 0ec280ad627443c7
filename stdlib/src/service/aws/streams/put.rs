//! Sends the records of an append, in requests within the limits of PutRecords.

use super::facts::Stream;
use super::hash::{self, ShardMap};
use super::kpl::Packer;
use super::lanes::{Lanes, RequestLimits};
use super::options::{Order, StreamOptions};
use super::units::{Batch, Units};
use crate::service::aws::errors::{answered, fault};
use crate::service::aws::event_id::embed;
use crate::service::{Appended, Records};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry};
use engine::fault::{Fault, FaultClass};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::sync::Arc;

/// Requests of one append under way at once.
const REQUESTS: usize = 4;
/// The key of a packed record, whose place is given explicitly.
const PACKED_KEY: &str = "a";

/// What became of the units of one request.
struct Answered {
    units: Vec<u32>,
    result: Result<Vec<PutRecordsResultEntry>, Fault>,
}

/// Where an append stands.
struct Progress<'a> {
    batch: &'a Batch<'a>,
    units: Units,
    lanes: Lanes,
    map: Option<Arc<ShardMap>>,
    /// Where a unit went to another shard than it was packed for: the shards then, if they could
    /// be listed. Asked once.
    now: Option<Option<Arc<ShardMap>>>,
    appended: Appended,
    requests: u64,
    resent: u64,
}

/// Appends records to a stream.
///
/// # Errors
/// The stream is missing, or the run may not write to it.
pub async fn append(
    stream: &Stream,
    options: &StreamOptions,
    records: &Records,
) -> Result<Appended, Fault> {
    let batch = Batch::new(records, options.event_ids);
    let record_bytes_max = stream.record_bytes_max().await?;
    let by_shard = options.pack && !(options.order == Order::Strict && batch.is_keyed());
    let map = if by_shard { Some(stream.shard_map().await?) } else { None };
    let refused = batch.refused(record_bytes_max);
    let units = batch.units(options, &refused, record_bytes_max, map.as_deref());
    let lanes = units.lanes();
    let appended = Appended { refused, ..Appended::default() };
    let mut progress =
        Progress { batch: &batch, units, lanes, map, now: None, appended, requests: 0, resent: 0 };
    progress.run(stream).await?;
    Ok(progress.finish())
}

impl Progress<'_> {
    async fn run(&mut self, stream: &Stream) -> Result<(), Fault> {
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < REQUESTS {
                let units = self.lanes.request(limits(), under_way.is_empty());
                if units.is_empty() {
                    break;
                }
                self.requests += 1;
                let entries = units.iter().map(|unit| self.entry(*unit)).collect();
                under_way.push(async move {
                    let result = put(stream, entries).await;
                    Answered { units, result }
                });
            }
            let Some(answered) = under_way.next().await else { return Ok(()) };
            self.take(stream, answered).await?;
        }
    }

    /// The entry of a unit.
    fn entry(&self, unit: u32) -> PutRecordsRequestEntry {
        let rows = self.units.rows_of(unit);
        let first = rows[0] as usize;
        let (data, key, hash) = match rows {
            [row] => (self.data(*row as usize), self.batch.key(first), None),
            rows => {
                let mut packer = Packer::default();
                for row in rows {
                    let row = *row as usize;
                    packer.add(&self.batch.key(row), &self.data(row));
                }
                match self.units.units[unit as usize].shard {
                    Some((_, hash)) => (packer.finish(), PACKED_KEY.to_owned(), Some(hash)),
                    None => (packer.finish(), self.batch.key(first), None),
                }
            }
        };
        let entry = PutRecordsRequestEntry::builder().data(Blob::new(data)).partition_key(key);
        let entry = entry.set_explicit_hash_key(hash.map(|hash| hash.to_string()));
        entry.build().expect("it has data and a key")
    }

    fn data(&self, row: usize) -> Vec<u8> {
        let payload = self.batch.payload(row);
        if !self.batch.has_ids() {
            return payload.to_vec();
        }
        let mut data = Vec::new();
        embed(payload, &self.batch.id(row), &mut data);
        data
    }

    async fn take(&mut self, stream: &Stream, answered: Answered) -> Result<(), Fault> {
        let Answered { units, result } = answered;
        let entries = match result {
            Ok(entries) if entries.len() == units.len() => entries,
            Ok(_) => {
                let message = "the answer of PutRecords does not name all entries";
                self.again(&units, Fault::transient("answer", message));
                return Ok(());
            }
            Err(fault) if fault.class == FaultClass::Service => return Err(fault),
            Err(fault) => {
                self.again(&units, fault);
                return Ok(());
            }
        };
        for (unit, entry) in units.into_iter().zip(entries) {
            match entry.error_code() {
                None => self.stored(stream, unit, entry.shard_id()).await,
                Some(code) => {
                    let what = format!("write to stream `{}`", stream.name);
                    let fault = answered_fault(&what, code, entry.error_message());
                    if fault.class == FaultClass::Service {
                        return Err(fault);
                    }
                    self.again(&[unit], fault);
                }
            }
        }
        Ok(())
    }

    /// A unit is stored. Where it went to another shard than it was packed for (the stream was
    /// split or merged), readers drop those of its records that do not belong there: they go again.
    /// Where it cannot be said which these are, all of them.
    async fn stored(&mut self, stream: &Stream, unit: u32, shard: Option<&str>) {
        self.lanes.stored(unit);
        let rows = self.units.rows_of(unit).to_vec();
        let meant = self.units.units[unit as usize].shard.filter(|_| rows.len() > 1);
        let known = meant.zip(self.map.as_ref()).zip(shard);
        let lost = match known {
            Some((((meant, _), map), shard)) if map.name(meant) != shard => {
                if self.now.is_none() {
                    self.now = Some(stream.refresh().await.ok());
                }
                let now = self.now.as_ref().and_then(Option::as_ref);
                let range = now.and_then(|map| map.range(shard));
                let kept = |row: &&u32| {
                    let hash = hash::of_key(&self.batch.key(**row as usize));
                    range.is_none_or(|range| !range.has(hash))
                };
                rows.iter().filter(kept).map(|row| *row as usize).collect()
            }
            _ => Vec::new(),
        };
        self.appended.stored += (rows.len() - lost.len()) as u64;
        if !lost.is_empty() {
            self.resent += lost.len() as u64;
            self.appended.again.extend(lost);
            let message = format!("stream `{}` was split or merged meanwhile", stream.name);
            self.blame(Fault::transient("resharded", message));
        }
    }

    /// Units that were not taken, with those behind them.
    fn again(&mut self, units: &[u32], fault: Fault) {
        for unit in units {
            self.resent += self.units.rows_of(*unit).len() as u64;
            for unit in self.lanes.failed(*unit) {
                let rows = self.units.rows_of(unit).iter().map(|row| *row as usize);
                self.appended.again.extend(rows);
            }
        }
        self.blame(fault);
    }

    /// A throttle says more than another fault.
    fn blame(&mut self, fault: Fault) {
        let known = self.appended.fault.as_ref();
        if known.is_none_or(|known| known.class != FaultClass::Throttle) {
            self.appended.fault = Some(fault);
        }
    }

    fn finish(self) -> Appended {
        let mut appended = self.appended;
        appended.again.sort_unstable();
        appended.counts = vec![("requests", self.requests), ("sent again", self.resent)];
        appended
    }
}

fn limits() -> RequestLimits {
    let limit = |id: &str| dsl::quotas::aws().limit(id).max;
    RequestLimits {
        entries_max: limit("kinesis.request_records") as usize,
        bytes_max: limit("kinesis.request"),
    }
}

async fn put(
    stream: &Stream,
    entries: Vec<PutRecordsRequestEntry>,
) -> Result<Vec<PutRecordsResultEntry>, Fault> {
    let ask = stream.client().put_records().stream_name(&stream.name);
    match ask.set_records(Some(entries)).send().await {
        Ok(answer) => Ok(answer.records),
        Err(error) => Err(fault(&format!("write to stream `{}`", stream.name), error)),
    }
}

/// The fault of one entry.
fn answered_fault(what: &str, code: &str, message: Option<&str>) -> Fault {
    answered(what, 0, code, message)
}
