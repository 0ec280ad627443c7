//! A reader of one stream: shards in turns, each from its position.

use super::ReadLimits;
use super::log::Log;
use crate::service::position::Positions;
use crate::service::{ShardRows, StreamReader, StreamRows};
use async_trait::async_trait;
use engine::batch::Partition;
use engine::failpoint::Failpoints;
use engine::fault::Fault;
use std::sync::Arc;

/// What one read brings at most.
const LIMITS: ReadLimits = ReadLimits { rows_max: 8192, bytes_max: 8 << 20 };

/// Follows the shards of a local stream.
pub struct LocalReader {
    shards: Vec<Shard>,
    /// The shard whose turn it is.
    turn: usize,
    positions: Positions,
    failpoints: Failpoints,
    notices: Notices,
}

/// Takes what is found to be lost.
pub type Notices = Arc<dyn Fn(&str) + Send + Sync>;

struct Shard {
    partition: Arc<Partition>,
    log: Arc<Log>,
    next: u64,
}

impl LocalReader {
    /// Opens it at these positions.
    ///
    /// # Errors
    /// The positions cannot be read.
    pub async fn open(
        logs: Vec<(Arc<Partition>, Arc<Log>)>,
        positions: Positions,
        failpoints: Failpoints,
        notices: Notices,
    ) -> Result<LocalReader, Fault> {
        let mut shards = Vec::new();
        for (partition, log) in logs {
            let next = positions.load(&partition).await?;
            shards.push(Shard { partition, log, next });
        }
        Ok(LocalReader { shards, turn: 0, positions, failpoints, notices })
    }

    /// What is there, of the next shard that has something.
    async fn read(&mut self) -> Result<Option<ShardRows>, Fault> {
        for n in 0..self.shards.len() {
            let at = (self.turn + n) % self.shards.len();
            let shard = &mut self.shards[at];
            let end = shard.log.end();
            let rows = read(&shard.log, shard.next, LIMITS, &self.notices).await?;
            let Some(last) = rows.runs.last() else {
                // All that was there is lost.
                shard.next = shard.next.max(end);
                continue;
            };
            self.turn = at + 1;
            shard.next = last.first + u64::from(last.len);
            let (partition, end) = (shard.partition.clone(), shard.next);
            return Ok(Some(ShardRows { partition, shard: at as u32, rows, end }));
        }
        Ok(None)
    }

    /// Waits until a shard has a record that was not read.
    async fn arrived(&self) {
        let arrivals = self.shards.iter().map(|shard| Box::pin(arrived(&shard.log, shard.next)));
        futures::future::select_all(arrivals).await;
    }
}

/// The records of a shard at and after `from`; none where there are none yet. Does not wait.
pub(super) async fn read(
    log: &Arc<Log>,
    from: u64,
    limits: ReadLimits,
    notices: &Notices,
) -> Result<StreamRows, Fault> {
    if let Some(rows) = log.read_recent(from, limits) {
        return rows;
    }
    let (log, notices) = (log.clone(), notices.clone());
    super::super::blocking(move || log.read(from, limits, &*notices)).await
}

/// Waits until the shard has a record at or after `from`.
pub(super) async fn arrived(log: &Log, from: u64) {
    let mut end = log.end.subscribe();
    let closed = end.wait_for(|end| *end > from).await.is_err();
    assert!(!closed, "the log that sends is held while it is waited for");
}

#[async_trait]
impl StreamReader for LocalReader {
    async fn next(&mut self, last: bool) -> Result<Option<ShardRows>, Fault> {
        loop {
            match self.read().await? {
                None if !last => self.arrived().await,
                rows => return Ok(rows),
            }
        }
    }

    async fn commit(&mut self, shard: u32, upto: u64) -> Result<(), Fault> {
        self.failpoints.pass("stream.commit")?;
        self.positions.store(&self.shards[shard as usize].partition, upto).await?;
        self.failpoints.pass("stream.committed")
    }

    fn one_shard(&self) -> bool {
        self.shards.len() == 1
    }
}
