//! The task that reads one shard and sends its rows to the reader.

use super::desk::Desk;
use super::fan_out;
use super::numbering::Numbering;
use super::place::Place;
use super::tries::tries;
use super::unpack::{Chunk, Unpacker};
use super::window::{IDS, Window};
use crate::service::aws::errors::fault;
use crate::service::aws::leases::held::Phase;
use crate::service::aws::leases::position::{Checkpoint, Position};
use crate::service::aws::leases::row::Lease;
use crate::service::aws::leases::table::LeaseTable;
use crate::service::aws::streams::facts::{Facts, Stream};
use crate::service::aws::streams::hash::HashRange;
use crate::service::aws::streams::options::StreamOptions;
use aws_sdk_kinesis::types::Record;
use engine::batch::Partition;
use engine::ctx::Clock;
use engine::fault::Fault;
use engine::retry::Backoff;
use engine::summary::Counters;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

/// Records of one answer at most.
pub(super) const RECORDS_MAX: i32 = 10_000;
/// The time between two reads of a shard by this process: AWS takes five in a second, of all.
pub const PACE: Duration = Duration::from_millis(200);
/// The time between two reads when nothing comes.
const IDLE: Duration = Duration::from_millis(1000);
/// Reads that found nothing before it waits longer.
const IDLE_AFTER: u32 = 5;
/// Bytes that wait for the reader at most, of all shards.
pub const ROOM_BYTES: usize = 32 << 20;
/// The unit in which they are counted.
const ROOM_UNIT: usize = 1 << 10;
/// How many records of a stream lie behind its latest, in time.
const BEHIND: &str = "ms behind latest";

/// What all tasks of a reader share.
pub struct Fetching {
    /// The stream.
    pub stream: Arc<Stream>,
    /// What is known of it.
    pub facts: Facts,
    /// Its binding.
    pub options: StreamOptions,
    /// The node that reads.
    pub node: String,
    /// The shards.
    pub desk: Arc<Desk>,
    /// The leases.
    pub table: LeaseTable,
    /// Where rows go.
    pub rows: mpsc::Sender<Item>,
    /// How much may be on its way, in KiB.
    pub room: Arc<Semaphore>,
    /// Nothing more will be written by this run.
    pub last: watch::Receiver<bool>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The node's counts.
    pub counters: Counters,
    /// By shard, how far behind it is.
    pub behind: Mutex<BTreeMap<String, u64>>,
    /// Takes a notice.
    pub log: Arc<dyn Fn(&str) + Send + std::marker::Sync>,
}

/// Rows on their way.
#[derive(Debug)]
pub struct Item {
    /// The shard.
    pub shard: String,
    /// The rows.
    pub chunk: Chunk,
    _room: OwnedSemaphorePermit,
}

/// What one read of a shard has brought.
#[derive(Debug, Default)]
pub struct Answer {
    /// Records, in order.
    pub records: Vec<Record>,
    /// How far behind the latest they are.
    pub behind_ms: u64,
    /// The shard is closed, and these were its last.
    pub is_end: bool,
    /// The read was asked for after it was said that nothing more will be written.
    pub asked_last: bool,
}

/// The task of one shard.
pub struct Fetch {
    /// What it shares with others.
    pub with: Arc<Fetching>,
    /// The shard.
    pub shard: String,
    /// Where it goes on.
    pub place: Place,
    pub(super) unpacker: Unpacker,
    /// How its rows are numbered, until that is settled by the first record that is read.
    pub(super) numbering: Option<Numbering>,
    /// The place is the moment at which the lease was made, by the clock of who made it.
    since: bool,
    /// The place's beginning, milliseconds since 1970 UTC.
    began_ms: i64,
    tries: Backoff,
}

impl Fetch {
    /// The task for a lease.
    pub fn new(with: Arc<Fetching>, lease: &Lease) -> Fetch {
        let partition = Arc::new(partition(&with, &lease.shard, ""));
        let mut unpacker = Unpacker::new(partition, 0, lease.row, Window::new(IDS));
        unpacker.settled = lease.position().cloned();
        unpacker.ids = with.options.event_ids;
        // A write that was tried again across a split or merge.
        for ids in with.desk.windows(&lease.parents) {
            ids.iter().for_each(|id| _ = unpacker.window.is_new(*id));
        }
        if let Some((first, last)) = &lease.hashes {
            unpacker.range = HashRange::parse(first, last);
        }
        let began_ms = with.clock.now_ns() / 1_000_000;
        Fetch {
            place: Place::of(lease, with.options.from),
            shard: lease.shard.clone(),
            numbering: Some(Numbering::of(lease)),
            since: lease.checkpoint == Checkpoint::Latest && lease.since_ms.is_some(),
            unpacker,
            began_ms,
            tries: tries(),
            with,
        }
    }

    /// Reads until the shard's end, or until it cannot go on.
    pub async fn run(mut self) {
        self.look_back().await;
        let done = match self.with.options.fan_out {
            true => fan_out::run(&mut self).await,
            false => self.poll().await,
        };
        match done {
            Ok(()) => {
                self.with.desk.keep_window(&self.shard, self.unpacker.window.ids());
                self.with.desk.enter(&self.shard, Phase::Ended);
            }
            Err(fault) => self.with.desk.fail(fault),
        }
    }

    /// Polls to the shard's end.
    async fn poll(&mut self) -> Result<(), Fault> {
        let mut iterator: Option<String> = None;
        let mut empty = 0;
        loop {
            let Some(token) = iterator.take() else {
                match self.iterator_at(&self.place).await {
                    Ok(token) => iterator = token,
                    Err(fault) if self.is_gone(&fault).await? => return Ok(()),
                    Err(fault) => self.wait(fault).await?,
                }
                continue;
            };
            let asked_last = *self.with.last.borrow();
            let what = format!("read shard {} of stream `{}`", self.shard, self.with.stream.name);
            let ask = self.with.stream.client().get_records().shard_iterator(&token);
            let answer = match ask.limit(RECORDS_MAX).send().await {
                Ok(answer) => answer,
                Err(error) => {
                    let fault = fault(&what, error);
                    if fault.code == "ExpiredIteratorException" {
                        self.place = self.place.clone().again(self.began_ms);
                        continue;
                    }
                    if self.is_gone(&fault).await? {
                        return Ok(());
                    }
                    self.wait(fault).await?;
                    iterator = Some(token);
                    continue;
                }
            };
            self.tries.progress();
            let is_full = answer.records.len() >= RECORDS_MAX as usize;
            empty = if answer.records.is_empty() { empty + 1 } else { 0 };
            iterator = answer.next_shard_iterator.filter(|token| !token.is_empty());
            let behind_ms = answer.millis_behind_latest.and_then(|ms| u64::try_from(ms).ok());
            let is_end = iterator.is_none();
            let behind_ms = behind_ms.unwrap_or(0);
            let answer = Answer { records: answer.records, behind_ms, is_end, asked_last };
            self.take(answer).await?;
            if is_end {
                return Ok(());
            }
            if !is_full {
                self.pause(empty).await;
            }
        }
    }

    /// An iterator at a place.
    pub(super) async fn iterator_at(&self, place: &Place) -> Result<Option<String>, Fault> {
        let stream = &self.with.stream;
        let what = format!("read shard {} of stream `{}`", self.shard, stream.name);
        let (kind, seq, time) = place.iterator();
        let ask = stream.client().get_shard_iterator().stream_name(&stream.name);
        let ask = ask.shard_id(&self.shard).shard_iterator_type(kind);
        let ask = ask.set_starting_sequence_number(seq).set_timestamp(time);
        let answer = ask.send().await.map_err(|error| fault(&what, error))?;
        Ok(answer.shard_iterator)
    }

    /// The position up to which everything was settled when this began.
    pub(super) fn settled(&self) -> Option<Position> {
        self.unpacker.settled.clone()
    }

    /// Notes the ids of settled records; false when one is not settled.
    pub(super) fn remember(&mut self, records: &[Record]) -> bool {
        self.unpacker.remember(records)
    }

    /// Sends what a read has brought.
    pub async fn take(&mut self, answer: Answer) -> Result<(), Fault> {
        let Answer { records, behind_ms, is_end, asked_last } = answer;
        self.show(if is_end { 0 } else { behind_ms });
        if let Some(last) = records.last() {
            self.number(&records[0].sequence_number).await?;
            self.place = Place::After(last.sequence_number.clone());
        }
        let is_empty = records.is_empty();
        for chunk in self.unpacker.take(&records) {
            self.send(chunk).await;
        }
        let duplicates = std::mem::take(&mut self.unpacker.duplicates);
        if duplicates > 0 {
            self.with.counters.add("duplicates dropped", duplicates);
        }
        let foreign = std::mem::take(&mut self.unpacker.foreign);
        if foreign > 0 {
            self.with.counters.add("of other shards dropped", foreign);
        }
        if is_empty && behind_ms == 0 && asked_last && !is_end {
            self.with.desk.enter(&self.shard, Phase::Drained);
        }
        Ok(())
    }

    async fn send(&self, chunk: Chunk) {
        let units = chunk.bytes.div_ceil(ROOM_UNIT).clamp(1, ROOM_BYTES / ROOM_UNIT);
        let room = self.with.room.clone().acquire_many_owned(units as u32).await;
        let Ok(room) = room else { return };
        let Ok(place) = self.with.rows.reserve().await else { return };
        // From here on nothing waits: a task that is ended has done both or neither.
        self.with.desk.fetched(&self.shard, chunk.rows.end);
        place.send(Item { shard: self.shard.clone(), chunk, _room: room });
    }

    /// Waits before the next try.
    ///
    /// # Errors
    /// The fault, when there must be none.
    pub async fn wait(&mut self, fault: Fault) -> Result<(), Fault> {
        let is_early = self.since && matches!(self.place, Place::Time(_));
        let fault = match is_early && fault.code == "InvalidArgumentException" {
            // The clock of who made the lease is ahead of AWS's: that moment is still to come.
            true => Fault::transient(fault.code, fault.message),
            false => fault,
        };
        let wait = self.tries.next(fault, self.with.clock.now_ns())?;
        self.with.clock.sleep(wait.max(PACE)).await;
        Ok(())
    }

    /// It goes well again.
    pub fn went_well(&mut self) {
        self.tries.progress();
    }

    /// Waits for this shard's turn, together with the other readers of it in this process.
    pub(super) async fn turn(&self) {
        let turn = self.with.stream.turn(&self.shard, self.with.clock.now_ns(), PACE);
        self.with.clock.sleep(turn).await;
    }

    /// Waits before the next read, together with the other readers of this shard in this process.
    async fn pause(&mut self, empty: u32) {
        let own = if empty > IDLE_AFTER { IDLE } else { PACE };
        let turn = self.with.stream.turn(&self.shard, self.with.clock.now_ns(), PACE);
        let wait = self.with.clock.sleep(own.max(turn));
        let mut last = self.with.last.clone();
        let is_last = *last.borrow_and_update();
        tokio::select! {
            biased;
            () = wait => (),
            // Whether it is empty is asked for at once, but no faster than the pace.
            Ok(()) = last.changed(), if !is_last => self.with.clock.sleep(turn.max(PACE)).await,
        }
    }

    /// Shows how far the shard that is furthest behind is.
    fn show(&self, behind_ms: u64) {
        let mut behind = self.with.behind.lock().unwrap_or_else(PoisonError::into_inner);
        behind.insert(self.shard.clone(), behind_ms);
        let most = behind.values().copied().max().unwrap_or(0);
        self.with.counters.set(BEHIND, most);
    }
}

/// The fault of a lease that somebody else has taken.
pub fn lease_lost(shard: &str, stream: &str) -> Fault {
    let message = format!("the lease of shard {shard} of stream `{stream}` was taken by another");
    Fault::service("lease_lost", message).help(
        "this process did not renew it in time; nothing that was not settled is committed: \
         running again is safe",
    )
}

/// A shard whose rows are numbered from the record `first` on, as a partition: the same in every
/// run.
pub(super) fn partition(with: &Fetching, shard: &str, first: &str) -> Partition {
    let Facts { arn, created_ms, .. } = &with.facts;
    let text = format!("kinesis\n{arn}\n{created_ms}\n{shard}\n{first}");
    let hash = blake3::hash(text.as_bytes());
    Partition {
        id: hash.as_bytes()[..16].try_into().expect("sixteen of thirty-two bytes"),
        name: format!("{}/{shard}", with.stream.name),
    }
}
