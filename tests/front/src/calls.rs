//! How often each operation was called, and what became of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::request::Tally;

/// The counters of one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Requests with a right signature, whatever was answered.
    pub calls: u64,
    /// Records or items in them.
    pub entries: u64,
    /// Of those, the failed ones.
    pub entries_failed: u64,
    /// Answers that a rule kept from the client after the call was done.
    pub replies_lost: u64,
    /// Entries, or whole calls, refused for their rate.
    pub throttled: u64,
    /// Answers with a status of 400 or more.
    pub errors: u64,
}

/// The counters of all operations, by `service.Operation`.
#[derive(Debug, Default)]
pub struct Calls(Mutex<BTreeMap<String, Count>>);

impl Calls {
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Count>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds one call.
    pub fn add(&self, service: &str, operation: &str, tally: Tally, error: bool, lost: bool) {
        self.with(|all| {
            let count = all.entry(format!("{service}.{operation}")).or_default();
            count.calls += 1;
            count.entries += tally.entries;
            count.entries_failed += tally.entries_failed;
            count.throttled += tally.throttled;
            count.errors += u64::from(error);
            count.replies_lost += u64::from(lost);
        });
    }

    /// The counters of an operation.
    pub fn of(&self, service: &str, operation: &str) -> Count {
        let name = format!("{service}.{operation}");
        self.with(|all| all.get(&name).copied().unwrap_or_default())
    }

    /// All at zero.
    pub fn reset(&self) {
        self.with(BTreeMap::clear);
    }

    /// All counters, as `/_front/calls` answers them.
    pub fn json(&self) -> Value {
        let one = |count: &Count| {
            json!({
                "calls": count.calls, "entries": count.entries,
                "entries_failed": count.entries_failed, "replies_lost": count.replies_lost,
                "throttled": count.throttled, "errors": count.errors,
            })
        };
        self.with(|all| all.iter().map(|(name, count)| (name.clone(), one(count))).collect())
    }
}
