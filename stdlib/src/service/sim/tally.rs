//! What was written to the simulated services: how often, and whether the writer was told.

use super::lock;
use engine::sim::World;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Rows by what they were written to (`orders`, `deliveries/feed`, `bucket/dir/`).
#[derive(Clone, Debug)]
pub struct Tally {
    inner: Arc<Mutex<BTreeMap<String, Written>>>,
    world: World,
    /// Writes until the process is killed in the middle of one; 0 = it is not.
    fuse: Arc<AtomicU64>,
}

/// The rows of one target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Stored for the first time.
    pub stored: u64,
    /// Came again, and were recognised or written over with the same.
    pub again: u64,
    /// Of both, those whose writer was told.
    pub told: u64,
}

impl Tally {
    /// Nothing was written.
    pub fn new(world: &World) -> Tally {
        Tally { inner: Arc::default(), world: world.clone(), fuse: Arc::default() }
    }

    /// The process is killed when so many writes have done their work, before the writer is told;
    /// 0 = it is not.
    pub fn kill_after(&self, writes: u64) {
        self.fuse.store(writes, Ordering::Relaxed);
    }

    /// A write has done its work.
    pub fn arrived(&self, on: &str, stored: u64, again: u64) {
        let mut inner = lock(&self.inner);
        let written = inner.entry(on.to_owned()).or_default();
        written.stored += stored;
        written.again += again;
        drop(inner);
        let fuse = self.fuse.load(Ordering::Relaxed);
        self.fuse.store(fuse.saturating_sub(1), Ordering::Relaxed);
        if fuse == 1 {
            self.world.crash();
        }
    }

    /// Its writer has been told so.
    pub fn told(&self, on: &str, rows: u64) {
        lock(&self.inner).entry(on.to_owned()).or_default().told += rows;
    }

    /// All of them.
    pub fn all(&self) -> BTreeMap<String, Written> {
        lock(&self.inner).clone()
    }
}
