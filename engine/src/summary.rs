//! Counts of a run, live and at its end.

use dsl::spec::NodeKind;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A node's own named counts (`objects`, `replaced`, `already stored`); touched once a batch.
#[derive(Clone, Debug, Default)]
pub struct Counters(Arc<Mutex<BTreeMap<&'static str, Arc<AtomicU64>>>>);

impl Counters {
    /// Adds to a count; the name is shown to the user.
    pub fn add(&self, name: &'static str, n: u64) {
        let mut counts = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        counts.entry(name).or_default().fetch_add(n, Ordering::Relaxed);
    }

    /// Sets a count to what it is now (`ms behind latest`).
    pub fn set(&self, name: &'static str, n: u64) {
        let mut counts = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        counts.entry(name).or_default().store(n, Ordering::Relaxed);
    }

    /// All counts.
    pub fn snapshot(&self) -> BTreeMap<&'static str, u64> {
        let counts = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        counts.iter().map(|(name, count)| (*name, count.load(Ordering::Relaxed))).collect()
    }
}

/// A run, live or ended.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Since the run began.
    pub elapsed: Duration,
    /// In plan order.
    pub nodes: Vec<NodeSummary>,
}

/// One node's counts, in rows unless said otherwise.
#[derive(Clone, Debug)]
pub struct NodeSummary {
    /// `flow/name`
    pub id: String,
    /// The flow.
    pub flow: String,
    /// `orders.read`
    pub label: String,
    /// Its place.
    pub kind: NodeKind,
    /// The resource's name, for a verb.
    pub resource: Option<String>,
    /// Inserted or elided by the planner: not shown in the short summary.
    pub hidden: bool,
    /// Received.
    pub rows_in: u64,
    /// Sent, all ports but `errors` and `done` together, each row once.
    pub rows_out: u64,
    /// Taken out by a filter.
    pub filtered: u64,
    /// Left by `errors`.
    pub failed: u64,
    /// Written by a sink and confirmed durable.
    pub stored: u64,
    /// Writes that were tried again.
    pub retries: u64,
    /// Writes that the service answered by asking for less.
    pub throttled: u64,
    /// Of a sink: no write has gone through for some time, and only one is tried now and then.
    pub breaker_open: bool,
    /// The node's own counts.
    pub counts: BTreeMap<&'static str, u64>,
    /// It has ended.
    pub ended: bool,
}
