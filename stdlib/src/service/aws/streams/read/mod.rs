//! Reading a stream: a task that shares the shards ([`sync`]), one that renews their leases, and
//! one for each shard ([`fetch`]), which send rows to the reader through a bounded channel.

pub mod desk;
pub mod fan_out;
pub mod fetch;
mod gone;
mod look_back;
mod numbering;
pub mod place;
pub mod sync;
pub mod tries;
pub mod unpack;
pub mod window;

use super::facts::Stream;
use super::options::StreamOptions;
use crate::service::aws::leases::held::Phase;
use crate::service::aws::leases::position::Checkpoint;
use crate::service::aws::leases::table::{Kept, LeaseTable};
use crate::service::{ShardRows, StreamReader};
use async_trait::async_trait;
use desk::{Desk, Task};
use engine::ctx::NodeCtx;
use engine::fault::Fault;
use engine::retry::{Backoff, Pace};
use fetch::{Fetching, Item, ROOM_BYTES, lease_lost};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use sync::Sync;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{Semaphore, mpsc, watch};
use tries::{PACE, tries};

/// Chunks on their way at most.
const CHUNKS: usize = 64;
/// How often it is looked whether a lease is renewed again.
const STALE: Duration = Duration::from_millis(200);
/// Tries of each call when a reader closes; what is not let go then expires.
const CLOSING_TRIES: u32 = 5;

/// Reads one stream for one node.
pub struct AwsReader {
    with: Arc<Fetching>,
    rows: mpsc::Receiver<Item>,
    /// Rows whose lease is not fresh.
    waiting: Option<Item>,
    last: watch::Sender<bool>,
    /// When it was first said that nothing more will be written.
    last_ns: Option<i64>,
    tasks: Vec<Task>,
}

impl AwsReader {
    /// Opens it: looks at the leases for the first time.
    ///
    /// # Errors
    /// The stream or the table of leases is missing, or another kind of consumer uses the table.
    pub async fn open(
        stream: Arc<Stream>,
        options: StreamOptions,
        table: LeaseTable,
        ctx: &NodeCtx,
    ) -> Result<AwsReader, Fault> {
        let clock = ctx.run.clock.clone();
        let mut tries = tries();
        let facts = loop {
            match stream.facts().await {
                Ok(facts) => break facts.clone(),
                Err(fault) => clock.sleep(tries.next(fault, clock.now_ns())?).await,
            }
        };
        while let Err(fault) = table.check().await {
            clock.sleep(tries.next(fault, clock.now_ns())?).await;
        }
        let (sender, rows) = mpsc::channel(CHUNKS);
        let (last, is_last) = watch::channel(false);
        let with = Arc::new(Fetching {
            stream,
            facts,
            options,
            node: ctx.node.id.clone(),
            desk: Arc::new(Desk::default()),
            table,
            rows: sender,
            room: Arc::new(Semaphore::new(ROOM_BYTES >> 10)),
            last: is_last,
            clock,
            counters: ctx.counters.clone(),
            behind: Mutex::default(),
            log: ctx.run.log.clone(),
        });
        let mut sync = Sync::new(with.clone());
        while let Err(fault) = sync.look().await {
            let wait = tries.next(fault, with.clock.now_ns())?;
            with.clock.sleep(wait).await;
        }
        let tasks =
            vec![Task(tokio::spawn(sync.run())), Task(tokio::spawn(sync::renew(with.clone())))];
        Ok(AwsReader { with, rows, waiting: None, last, last_ns: None, tasks })
    }

    /// Hands rows out, if their lease is fresh; else keeps them.
    fn hand(&mut self, item: Item) -> Option<ShardRows> {
        let desk = &self.with.desk;
        if !desk.is_fresh(&item.shard, self.with.clock.now_ns()) {
            self.waiting = Some(item);
            return None;
        }
        let Item { shard, chunk, .. } = item;
        desk.handed(&shard, chunk.rows.end, chunk.at);
        Some(chunk.rows)
    }

    fn stop(&mut self) {
        self.tasks.clear();
        self.with.desk.close();
    }
}

#[async_trait]
impl StreamReader for AwsReader {
    async fn next(&mut self, last: bool) -> Result<Option<ShardRows>, Fault> {
        if last {
            self.last.send_if_modified(|known| !std::mem::replace(known, true));
            self.last_ns.get_or_insert(self.with.clock.now_ns());
        }
        let desk = self.with.desk.clone();
        let mut changes = desk.changes();
        loop {
            if let Some(fault) = desk.fault() {
                return Err(fault);
            }
            if let Some(item) = self.waiting.take() {
                match self.hand(item) {
                    Some(rows) => return Ok(Some(rows)),
                    None => self.with.clock.sleep(STALE).await,
                }
                continue;
            }
            // Asked before the channel is looked at: what was sent before it is in there.
            let asked_ns = self.last_ns.filter(|_| last);
            let drained = asked_ns.is_some_and(|asked_ns| desk.is_drained(asked_ns));
            let item = match self.rows.try_recv() {
                Ok(item) => item,
                Err(TryRecvError::Empty) if drained => return Ok(None),
                Err(TryRecvError::Disconnected) => return Ok(None),
                Err(TryRecvError::Empty) => {
                    tokio::select! {
                        biased;
                        item = self.rows.recv() => match item {
                            Some(item) => item,
                            None => return Ok(None),
                        },
                        _ = changes.changed() => continue,
                    }
                }
            };
            if let Some(rows) = self.hand(item) {
                return Ok(Some(rows));
            }
        }
    }

    async fn commit(&mut self, shard: u32, upto: u64) -> Result<(), Fault> {
        let Fetching { desk, table, stream, .. } = &*self.with;
        let Some((shard, Some(at))) = desk.position(shard, upto) else { return Ok(()) };
        match table.commit(&shard, &Checkpoint::After(at), upto).await? {
            Kept::Yes => desk.committed(&shard, upto),
            Kept::Lost => return Err(lease_lost(&shard, &stream.name)),
        }
        Ok(())
    }

    fn waits_for_settling(&self) -> bool {
        self.with.desk.waits_for_settling()
    }

    async fn close(&mut self) -> Result<(), Fault> {
        self.stop();
        let Fetching { desk, table, .. } = &*self.with;
        let mut left = Vec::new();
        for (shard, row) in desk.through(Phase::Ended) {
            let end = || table.commit(&shard, &Checkpoint::ShardEnd, row);
            left.extend(self.try_to(end).await.err());
        }
        for shard in desk.held() {
            let counter = desk.let_go(&shard).unwrap_or_default();
            left.extend(self.try_to(|| table.release(&shard, counter)).await.err());
            desk.drop_shard(&shard);
        }
        left.extend(self.try_to(|| table.leave(table.me())).await.err());
        if let Some(fault) = left.first() {
            let text = "a lease was not let go, and expires in 10 s";
            (self.with.log)(&format!("{}: {text}: {fault}", self.with.node));
        }
        Ok(())
    }
}

impl AwsReader {
    /// Tries a call some times.
    async fn try_to<T, F>(&self, call: impl Fn() -> F) -> Result<(), Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let clock = &self.with.clock;
        let pace = Pace { tries_max: CLOSING_TRIES, ..PACE };
        let mut tries = Backoff::at(fastrand::u64(..), pace);
        loop {
            let Err(fault) = call().await else { return Ok(()) };
            clock.sleep(tries.next(fault, clock.now_ns())?).await;
        }
    }
}

impl Drop for AwsReader {
    fn drop(&mut self) {
        self.stop();
    }
}
