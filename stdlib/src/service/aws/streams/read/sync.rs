//! The task that shares the shards: looks at the leases, makes those of children, takes and lets
//! go.

use super::desk::Task;
use super::fetch::{Fetch, Fetching, lease_lost};
use super::tries::tries;
use crate::service::aws::leases::held::Phase;
use crate::service::aws::leases::position::Checkpoint;
use crate::service::aws::leases::row::Lease;
use crate::service::aws::leases::share::{View, Watched};
use crate::service::aws::leases::table::{Kept, Rows};
use crate::service::aws::streams::lineage::Lineage;
use engine::fault::Fault;
use engine::retry::Backoff;
use futures::StreamExt;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How often the rows are looked at.
const LOOK: Duration = Duration::from_secs(3);
/// How often the shards are listed, where no shard has ended.
const LIST_NS: i64 = 60_000_000_000;
/// How often it is looked for leases that are due.
const DUE: Duration = Duration::from_millis(500);
/// Renewals under way at once.
const RENEWALS: usize = 16;

/// Shares the shards of one reader with other workers.
pub struct Sync {
    with: Arc<Fetching>,
    watched: Watched,
    beats: u64,
    lineage: Lineage,
    listed_ns: Option<i64>,
}

impl Sync {
    /// For a reader that holds nothing yet.
    pub fn new(with: Arc<Fetching>) -> Sync {
        let (watched, lineage) = (Watched::default(), Lineage::default());
        Sync { with, watched, beats: 0, lineage, listed_ns: None }
    }

    /// Works until it is ended, or cannot go on.
    pub async fn run(mut self) {
        let mut tries = tries();
        loop {
            let wait = match self.look().await {
                Ok(()) => {
                    tries.progress();
                    LOOK
                }
                Err(fault) => match tries.next(fault, self.with.clock.now_ns()) {
                    Ok(wait) => wait,
                    Err(fault) => return self.with.desk.fail(fault),
                },
            };
            tokio::select! {
                biased;
                () = self.with.clock.sleep(wait) => (),
                () = self.with.desk.nudge.notified() => (),
            }
        }
    }

    /// Looks once, and does what is to be done.
    ///
    /// # Errors
    /// A call that has failed; what was done before is done.
    pub async fn look(&mut self) -> Result<(), Fault> {
        let with = self.with.clone();
        let (table, desk) = (&with.table, &with.desk);
        self.beats += 1;
        table.beat(self.beats).await?;
        for (shard, _) in desk.through(Phase::Leaving) {
            if let Some(counter) = desk.let_go(&shard) {
                table.release(&shard, counter).await?;
            }
            desk.drop_shard(&shard);
        }
        for (shard, row) in desk.through(Phase::Ended) {
            if table.commit(&shard, &Checkpoint::ShardEnd, row).await? == Kept::Lost {
                return Err(lease_lost(&shard, &self.with.stream.name));
            }
            desk.drop_shard(&shard);
            self.listed_ns = None;
        }
        self.list().await?;
        let mut rows = table.rows().await?;
        let now_ms = self.with.clock.now_ns() / 1_000_000;
        for mut lease in self.lineage.missing(&rows.leases, self.with.options.from) {
            if lease.checkpoint == Checkpoint::Latest {
                lease.since_ms = u64::try_from(now_ms).ok();
            }
            table.create(&lease).await?;
            rows.leases.insert(lease.shard.clone(), lease);
        }
        self.share(rows).await
    }

    async fn list(&mut self) -> Result<(), Fault> {
        let now_ns = self.with.clock.now_ns();
        if self.listed_ns.is_none_or(|listed_ns| now_ns - listed_ns >= LIST_NS) {
            self.lineage = Lineage::new(&self.with.stream.list().await?);
            self.listed_ns = Some(now_ns);
        }
        Ok(())
    }

    async fn share(&mut self, rows: Rows) -> Result<(), Fault> {
        let with = self.with.clone();
        let (table, desk) = (&with.table, &with.desk);
        let Rows { leases, workers } = rows;
        let now_ns = self.with.clock.now_ns();
        let mut view = View::new(table.me(), &leases, &workers, &mut self.watched, now_ns);
        // A lease of this worker that it does not hold: taken by a call whose answer was lost.
        for (shard, owner) in &mut view.shards {
            if owner.as_deref() == Some(table.me()) && !desk.holds(shard) {
                *owner = None;
            }
        }
        let moves = view.moves();
        desk.leave(moves.release);
        for shard in &moves.take {
            if let Some(lease) = leases.get(shard) {
                self.take(lease).await?;
            }
        }
        let gone: Vec<_> =
            workers.iter().filter(|(worker, _)| !view.workers.contains(worker)).collect();
        for (worker, _) in gone {
            table.leave(worker).await?;
        }
        for shard in self.lineage.forgotten(&leases) {
            table.forget(&shard).await?;
        }
        let taken = moves.take.iter().filter(|shard| desk.holds(shard)).count();
        desk.synced(view.unread() - taken, view.others_ns);
        Ok(())
    }

    async fn take(&self, lease: &Lease) -> Result<(), Fault> {
        let (table, desk) = (&self.with.table, &self.with.desk);
        let asked_ns = self.with.clock.now_ns();
        if table.take(lease).await? == Kept::Lost {
            return Ok(());
        }
        // Its last owner may have moved it after it was looked at.
        let Some(lease) = table.get(&lease.shard).await? else { return Ok(()) };
        if lease.owner.as_deref() != Some(table.me()) || lease.is_ended() {
            return Ok(());
        }
        let fetch = Fetch::new(self.with.clone(), &lease);
        desk.hold(&lease, asked_ns);
        desk.attach(&lease.shard, || Task(tokio::spawn(fetch.run())));
        Ok(())
    }
}

/// Renews the leases that are held, until it is ended or one is lost.
pub async fn renew(with: Arc<Fetching>) {
    let mut waits: BTreeMap<String, Backoff> = BTreeMap::new();
    loop {
        let due = with.desk.due(with.clock.now_ns());
        let renewals = due.into_iter().map(|(shard, counter)| {
            let with = &with;
            async move {
                let asked_ns = with.clock.now_ns();
                let renewed = with.table.renew(&shard, counter).await;
                (shard, asked_ns, renewed)
            }
        });
        let done: Vec<_> =
            futures::stream::iter(renewals).buffer_unordered(RENEWALS).collect().await;
        for (shard, asked_ns, renewed) in done {
            match renewed {
                Ok(renewal) => {
                    waits.remove(&shard);
                    if !with.desk.renewed(&shard, renewal, asked_ns) {
                        return with.desk.fail(lease_lost(&shard, &with.stream.name));
                    }
                }
                Err(fault) => {
                    let tries = waits.entry(shard).or_insert_with(tries);
                    if let Err(fault) = tries.next(fault, with.clock.now_ns()) {
                        return with.desk.fail(fault);
                    }
                }
            }
        }
        with.clock.sleep(DUE).await;
    }
}
