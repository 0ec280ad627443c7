//! Streams in memory: numbered records in shards, each record of a producer once.

use super::tally::Tally;
use super::{Shared, lock};
use crate::level::Level;
use crate::service::local::streams::refuse;
use crate::service::local::streams::seen::Seen;
use crate::service::position::Positions;
use crate::service::{Appended, Records, ShardRows, StreamReader, StreamRows, Streams};
use arrow_array::{Array, BinaryArray, StringArray};
use async_trait::async_trait;
use engine::batch::{Partition, RowIds, Run};
use engine::ctx::NodeCtx;
use engine::fault::Fault;
use engine::sim::{Service, Touch, World};
use futures::future::{BoxFuture, select_all};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Records that one read brings at most.
const READ_ROWS_MAX: usize = 4096;

/// A bug that streams can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Now and then a record is acknowledged and not stored.
    Loses,
    /// Records that come again are stored again.
    Doubles,
    /// Where records are not taken this time, those behind them are.
    Reorders,
}

/// One stream.
pub struct Stream {
    pub shards: Vec<Shard>,
    service: refuse::Service,
    seen: Seen,
}

/// One shard: its records, in order.
pub struct Shard {
    partition: Arc<Partition>,
    pub records: Vec<Record>,
    end: Arc<Level>,
}

/// A stored record.
#[derive(Clone)]
pub struct Record {
    pub payload: Box<[u8]>,
    pub key: Option<Box<str>>,
    pub producer: [u8; 16],
    pub seq: u64,
    arrival_ns: i64,
}

impl Stream {
    /// An empty stream.
    pub fn new(name: &str, shards: u32, service: refuse::Service) -> Stream {
        let shard = |number: u32| {
            let hash = blake3::hash(format!("simulated stream\n{name}\n{number}").as_bytes());
            let mut id = [0; 16];
            id.copy_from_slice(&hash.as_bytes()[..16]);
            let partition = Arc::new(Partition { id, name: format!("{name}/{number}") });
            Shard { partition, records: Vec::new(), end: Arc::default() }
        };
        let shards = (0..shards.max(1)).map(shard).collect();
        Stream { shards, service, seen: Seen::default() }
    }

    /// Stores what is new. Where a record is not taken this time, nothing behind it that has its
    /// key is.
    pub fn append(
        &mut self,
        records: &Records,
        touch: &mut Touch,
        arrival_ns: i64,
        bug: Option<Bug>,
    ) -> Appended {
        let refused = self.service.refused(records);
        let mut refusals = refused.iter().map(|refused| refused.row).peekable();
        let mut appended = Appended::default();
        let mut held = BTreeSet::new();
        let seqs = records.runs.iter().flat_map(|run| run.first..run.first + u64::from(run.len));
        for (row, seq) in seqs.enumerate() {
            if refusals.next_if_eq(&row).is_some() {
                continue;
            }
            let key = records.keys.as_ref().filter(|keys| !keys.is_null(row));
            let key = key.map(|keys| keys.value(row));
            let waits = bug != Some(Bug::Reorders) && held.contains(&key);
            if touch.is_partial() && (touch.again() || waits) {
                held.insert(key);
                appended.again.push(row);
                continue;
            }
            let known = self.seen.missing(&records.producer, seq, 1).is_empty();
            if known && bug != Some(Bug::Doubles) {
                appended.already_stored += 1;
                continue;
            }
            self.seen.add(&records.producer, seq, 1);
            appended.stored += 1;
            if bug == Some(Bug::Loses) && seq % 97 == 96 {
                continue;
            }
            let shard = self.shard_of(key, seq);
            self.shards[shard].records.push(Record {
                payload: records.payloads.value(row).into(),
                key: key.map(Into::into),
                producer: records.producer,
                seq,
                arrival_ns,
            });
        }
        for shard in &self.shards {
            shard.end.rise(shard.records.len() as u64);
        }
        appended.refused = refused;
        if !appended.again.is_empty() {
            let message = "simulated: some records are not taken this time";
            appended.fault = Some(Fault::throttle("partial", message));
        }
        appended
    }

    fn shard_of(&self, key: Option<&str>, seq: u64) -> usize {
        let shards = self.shards.len() as u64;
        let number = match key {
            Some(key) => {
                let mut first = [0; 8];
                first.copy_from_slice(&blake3::hash(key.as_bytes()).as_bytes()[..8]);
                u64::from_le_bytes(first)
            }
            None => seq,
        };
        (number % shards) as usize
    }
}

impl Shard {
    fn read(&self, from: u64, rows_max: usize) -> StreamRows {
        let from = (from as usize).min(self.records.len());
        let records = &self.records[from..self.records.len().min(from + rows_max)];
        let mut ids = RowIds::empty(self.partition.clone());
        for (n, record) in records.iter().enumerate() {
            ids.push((from + n) as u64, 1, record.arrival_ns);
        }
        let runs: Vec<Run> = ids.runs;
        StreamRows {
            payloads: BinaryArray::from_iter_values(records.iter().map(|record| &record.payload)),
            keys: StringArray::from_iter_values(
                records.iter().map(|record| record.key.as_deref().unwrap_or_default()),
            ),
            runs,
        }
    }
}

/// The client of one life.
pub struct SimStreams {
    pub client: Service,
    pub streams: Arc<BTreeMap<String, Shared<Stream>>>,
    pub tally: Tally,
    pub bug: Option<Bug>,
}

impl SimStreams {
    fn stream(&self, name: &str) -> Result<Shared<Stream>, Fault> {
        let missing = || Fault::service("no_stream", format!("there is no stream `{name}`"));
        self.streams.get(name).cloned().ok_or_else(missing)
    }
}

#[async_trait]
impl Streams for SimStreams {
    async fn append(&self, stream: &str, records: Records) -> Result<Appended, Fault> {
        let (shared, tally, on) = (self.stream(stream)?, self.tally.clone(), stream.to_owned());
        let world = self.client.world().clone();
        let (hidden, bug) = (stream.contains('/'), self.bug);
        let append = move |touch: &mut Touch| {
            // What waits for a bucket takes all or nothing, as its callers expect.
            let mut none = Touch::none();
            let touch = if hidden { &mut none } else { touch };
            let appended = lock(&shared).append(&records, touch, world.wall_ns(), bug);
            let Appended { stored, already_stored, again, .. } = &appended;
            tally.arrived(&on, *stored, *already_stored);
            world.event(&format!("append {on}"), &[*stored, *already_stored, again.len() as u64]);
            appended
        };
        let appended = self.client.call("append", append).await?;
        self.tally.told(stream, appended.stored + appended.already_stored);
        Ok(appended)
    }

    async fn reader(&self, stream: &str, ctx: &NodeCtx) -> Result<Box<dyn StreamReader>, Fault> {
        let shared = self.stream(stream)?;
        let positions = Positions::of(ctx);
        let shards: Vec<_> = {
            let stream = lock(&shared);
            let place = |shard: &Shard| (shard.partition.clone(), shard.end.clone());
            stream.shards.iter().map(place).collect()
        };
        let mut places = Vec::with_capacity(shards.len());
        for (partition, end) in shards {
            let next = positions.load(&partition).await?;
            places.push(Place { partition, end, next });
        }
        let client = self.client.clone();
        Ok(Box::new(SimReader { client, shared, places, turn: 0, positions, fetch: None }))
    }
}

/// Follows the shards of a stream in turns.
struct SimReader {
    client: Service,
    shared: Shared<Stream>,
    places: Vec<Place>,
    turn: usize,
    positions: Positions,
    /// The read that is under way, and its shard: it goes on where nobody waits for it.
    fetch: Option<(usize, BoxFuture<'static, Result<StreamRows, Fault>>)>,
}

struct Place {
    partition: Arc<Partition>,
    end: Arc<Level>,
    next: u64,
}

impl SimReader {
    /// Begins to read the next shard that has something; false where none has.
    fn begin(&mut self) -> bool {
        let count = self.places.len();
        let shards = (0..count).map(|n| (self.turn + n) % count);
        let ready = |at: &usize| self.places[*at].end.get() > self.places[*at].next;
        let Some(at) = shards.into_iter().find(ready) else { return false };
        self.turn = at + 1;
        let (client, shared, from) =
            (self.client.clone(), self.shared.clone(), self.places[at].next);
        let rows_max = rows_max(client.world());
        let read = async move {
            client.call("read", move |_| lock(&shared).shards[at].read(from, rows_max)).await
        };
        self.fetch = Some((at, Box::pin(read)));
        true
    }

    async fn arrived(&mut self) {
        let wait = |place: &mut Place| {
            let (end, next) = (place.end.clone(), place.next);
            Box::pin(async move { end.reached(next + 1).await })
        };
        select_all(self.places.iter_mut().map(wait)).await;
    }
}

/// Reads are large or small, as it happens.
fn rows_max(world: &World) -> usize {
    world.draw("reads", |random, _| READ_ROWS_MAX >> random.u32(0..7))
}

#[async_trait]
impl StreamReader for SimReader {
    async fn next(&mut self, last: bool) -> Result<Option<ShardRows>, Fault> {
        loop {
            let Some((at, fetch)) = &mut self.fetch else {
                match self.begin() {
                    true => continue,
                    false if last => return Ok(None),
                    false => self.arrived().await,
                }
                continue;
            };
            let (at, rows) = (*at, fetch.await);
            self.fetch = None;
            let rows = rows?;
            let place = &mut self.places[at];
            place.next += rows.payloads.len() as u64;
            let (partition, end) = (place.partition.clone(), place.next);
            return Ok(Some(ShardRows { partition, shard: at as u32, rows, end }));
        }
    }

    async fn commit(&mut self, shard: u32, upto: u64) -> Result<(), Fault> {
        self.positions.store(&self.places[shard as usize].partition, upto).await
    }

    fn one_shard(&self) -> bool {
        self.places.len() == 1
    }
}
