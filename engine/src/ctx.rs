//! What a run and its nodes get from outside: time, randomness, checkpoints, counters.

use crate::failpoint::Failpoints;
use crate::fault::Fault;
use crate::memory::Limits;
use crate::run::Behind;
use crate::summary::Counters;
use async_trait::async_trait;
use dsl::plan::{Plan, PlanNode};
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Time, from outside.
pub trait Clock: Send + Sync {
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    fn now_ns(&self) -> i64;
    /// Waits.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// The machine's clock. Under tokio's paused clock it is that one, counted from the moment it was
/// made.
#[derive(Clone, Debug)]
pub struct SystemClock {
    began_ns: i64,
    began: tokio::time::Instant,
}

impl SystemClock {
    /// Reads the machine's clock once and counts on from there, so that it never goes back.
    pub fn new() -> SystemClock {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        SystemClock { began_ns: nanos(since), began: tokio::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn now_ns(&self) -> i64 {
        self.began_ns.saturating_add(nanos(self.began.elapsed()))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A duration in nanoseconds, 292 years at most.
pub(crate) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Small durable values by key: positions of sources, cuts of batches.
#[async_trait]
pub trait Checkpoints: Send + Sync {
    /// The value of a key.
    async fn load(&self, key: &str) -> Result<Option<Vec<u8>>, Fault>;
    /// Stores all pairs in one transaction; durable when it returns. `None` removes the key.
    async fn store(&self, pairs: Vec<(String, Option<Vec<u8>>)>) -> Result<(), Fault>;
}

/// What a graph does that the state of earlier runs does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphChange {
    /// It does not run.
    Refused,
    /// `--accept-state-change`: it runs, and is the graph from now on.
    Accepted,
    /// Nothing is remembered of the graph: for tests that look at what is stored.
    Unseen,
}

/// What a whole run gets.
#[derive(Clone)]
pub struct Ctx {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Positions.
    pub checkpoints: Arc<dyn Checkpoints>,
    /// Moments at which tests make the run crash or fail.
    pub failpoints: Failpoints,
    /// Seed of all randomness.
    pub seed: u64,
    /// `--keep-running`: sources that could end by themselves stay open.
    pub keep_running: bool,
    /// `--from-start`: file sources forget what they have delivered, and files that are written
    /// from them begin anew.
    pub from_start: bool,
    /// What a graph does that the state of earlier runs does not fit.
    pub graph_change: GraphChange,
    /// Batches that a channel holds at most.
    pub channel_batches: usize,
    /// Source rows in flight at most, for each source.
    pub in_flight_rows_max: u64,
    /// Budgets in bytes.
    pub memory: Limits,
    /// How long a drain may take before what is in flight counts as undelivered.
    pub drain: Duration,
    /// Takes one line of a `log` node or one notice of a node (`file.read` begins anew, …), without
    /// its line break. Called at most some times a batch; must not block.
    pub log: Arc<dyn Fn(&str) + Send + Sync>,
}

/// What a node gets when it is opened.
#[derive(Clone)]
pub struct NodeCtx {
    /// The run's.
    pub run: Ctx,
    /// The whole plan.
    pub plan: Arc<Plan>,
    /// This node.
    pub node: PlanNode,
    /// This node's own counts, shown in the summary by name.
    pub counters: Counters,
    /// For a source with `fed_by`: becomes true when all of them have ended. Stays false for a
    /// source that nothing in this run feeds.
    pub feeders_ended: tokio::sync::watch::Receiver<bool>,
    /// The sinks behind this node.
    pub behind: Behind,
}
