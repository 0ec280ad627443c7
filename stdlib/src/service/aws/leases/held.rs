//! What one worker knows of the leases that it holds: a pure state machine. Time is what it is
//! told, the worker's own monotonic clock.
//!
//! A worker fences itself: it hands out rows of a shard only for two thirds of the time in which
//! others see its lease expire, counted from before the call that renewed it. So of all workers one
//! at most hands out rows of a shard, whatever is late, lost or paused.
//!
//! A shard that is to be let go, or has come to its end, is so when all its rows are settled and
//! committed; who has lost a lease does neither.

use super::position::Position;
use super::row::Lease;
use super::share::EXPIRES_NS;
use std::collections::{BTreeMap, VecDeque};

/// For how long after a renewal rows of a shard are handed out.
pub const FRESH_NS: i64 = EXPIRES_NS / 3 * 2;
/// How old a lease becomes before it is renewed.
pub const RENEW_NS: i64 = EXPIRES_NS / 10 * 3;

/// Where a shard stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It is read.
    Reading,
    /// It is read, and was empty when nothing more was to be written.
    Drained,
    /// It is closed, and all its records are fetched.
    Ended,
    /// It is to be let go, and not read any more.
    Leaving,
}

/// How a renewal went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// The counter has risen to this.
    Done(u64),
    /// It had risen before, by a call whose answer was lost: it is this worker's, but nobody knows
    /// since when it stands still. It is renewed again.
    Again(u64),
    /// Somebody else holds it, or it is gone.
    Lost,
}

/// The shards that a worker holds.
#[derive(Debug, Default)]
pub struct Holdings {
    held: BTreeMap<String, Held>,
}

#[derive(Debug)]
struct Held {
    counter: u64,
    renewed_ns: i64,
    /// The number behind the last row that was fetched.
    fetched: u64,
    committed: u64,
    /// The number and the position behind each chunk that was handed out.
    handed: VecDeque<(u64, Position)>,
    phase: Phase,
    /// The call that lets it go is under way: it is not renewed any more.
    let_go: bool,
}

impl Held {
    fn is_through(&self) -> bool {
        self.committed >= self.fetched
    }
}

impl Holdings {
    /// A lease was taken by a call that began at that moment.
    pub fn hold(&mut self, lease: &Lease, asked_ns: i64) {
        let held = Held {
            counter: lease.counter,
            renewed_ns: asked_ns,
            fetched: lease.row,
            committed: lease.row,
            handed: VecDeque::new(),
            phase: Phase::Reading,
            let_go: false,
        };
        self.held.insert(lease.shard.clone(), held);
    }

    /// The rows of a shard of which nothing was fetched yet are numbered from 0.
    pub fn renumbered(&mut self, shard: &str) {
        if let Some(held) = self.held.get_mut(shard) {
            (held.fetched, held.committed) = (0, 0);
            held.handed.clear();
        }
    }

    /// Whether the shard is held.
    pub fn holds(&self, shard: &str) -> bool {
        self.held.contains_key(shard)
    }

    /// The shards that are held.
    pub fn shards(&self) -> Vec<String> {
        self.held.keys().cloned().collect()
    }

    /// A lease is about to be let go: from now on it is not renewed, nor missed. Its counter.
    pub fn let_go(&mut self, shard: &str) -> Option<u64> {
        let held = self.held.get_mut(shard)?;
        held.let_go = true;
        Some(held.counter)
    }

    /// Leases that were last renewed before then, with their counters.
    pub fn due(&self, now_ns: i64) -> Vec<(String, u64)> {
        let kept = self.held.iter().filter(|(_, held)| !held.let_go);
        let due = kept.filter(|(_, held)| now_ns.saturating_sub(held.renewed_ns) > RENEW_NS);
        due.map(|(shard, held)| (shard.clone(), held.counter)).collect()
    }

    /// What came of a renewal by a call that began at that moment. False = the lease is lost, and
    /// was not let go: nothing of the shard may be committed any more.
    pub fn renewed(&mut self, shard: &str, renewal: Renewal, asked_ns: i64) -> bool {
        let Some(held) = self.held.get_mut(shard) else { return true };
        match renewal {
            Renewal::Done(counter) => {
                held.counter = counter;
                held.renewed_ns = held.renewed_ns.max(asked_ns);
            }
            Renewal::Again(counter) => held.counter = counter,
            Renewal::Lost => return held.let_go,
        }
        true
    }

    /// Whether rows of a shard may be handed out now.
    pub fn is_fresh(&self, shard: &str, now_ns: i64) -> bool {
        let fresh = |held: &Held| now_ns.saturating_sub(held.renewed_ns) < FRESH_NS && !held.let_go;
        self.held.get(shard).is_some_and(fresh)
    }

    /// Rows up to a number are on their way.
    pub fn fetched(&mut self, shard: &str, end: u64) {
        if let Some(held) = self.held.get_mut(shard) {
            held.fetched = end;
            if held.phase == Phase::Drained {
                held.phase = Phase::Reading;
            }
        }
    }

    /// Rows up to a number are handed out; the last of them stands there.
    pub fn handed(&mut self, shard: &str, end: u64, at: Position) {
        if let Some(held) = self.held.get_mut(shard) {
            held.handed.push_back((end, at));
        }
    }

    /// Where the shard stands when everything before a number is settled; `None` = it is not held,
    /// or nothing of it was handed out since.
    pub fn position(&self, shard: &str, upto: u64) -> Option<Position> {
        let handed = self.held.get(shard)?.handed.iter().take_while(|(end, _)| *end <= upto);
        handed.last().map(|(_, at)| at.clone())
    }

    /// A position is stored; whether the shard is through by that and to be ended or let go.
    pub fn committed(&mut self, shard: &str, upto: u64) -> bool {
        let Some(held) = self.held.get_mut(shard) else { return false };
        held.committed = held.committed.max(upto);
        while held.handed.front().is_some_and(|(end, _)| *end <= upto) {
            held.handed.pop_front();
        }
        held.is_through() && matches!(held.phase, Phase::Ended | Phase::Leaving)
    }

    /// A shard has come to its end, or is empty and nothing more is written. Whether it is held.
    pub fn enter(&mut self, shard: &str, phase: Phase) -> bool {
        let Some(held) = self.held.get_mut(shard) else { return false };
        if held.phase != Phase::Leaving && held.phase != Phase::Ended {
            held.phase = phase;
        }
        true
    }

    /// Stops reading so many shards, which will be let go; those that are on their way already
    /// count. The shards whose reading ends now.
    pub fn leave(&mut self, shards: usize) -> Vec<String> {
        let leaving = self.held.values().filter(|held| held.phase == Phase::Leaving).count();
        let reading = self.held.iter_mut().rev();
        let reading =
            reading.filter(|(_, held)| matches!(held.phase, Phase::Reading | Phase::Drained));
        let leave = reading.take(shards.saturating_sub(leaving)).map(|(shard, held)| {
            held.phase = Phase::Leaving;
            shard.clone()
        });
        leave.collect()
    }

    /// Shards in that phase of which everything fetched is settled, with the number behind it.
    pub fn through(&self, phase: Phase) -> Vec<(String, u64)> {
        let all = self.held.iter();
        let through = all.filter(|(_, held)| held.phase == phase && held.is_through());
        through.map(|(shard, held)| (shard.clone(), held.committed)).collect()
    }

    /// A shard is not held any more.
    pub fn drop_shard(&mut self, shard: &str) {
        self.held.remove(shard);
    }

    /// All shards are empty, and nothing more is written.
    pub fn are_drained(&self) -> bool {
        self.held.values().all(|held| held.phase == Phase::Drained)
    }

    /// All that is left to read are children of shards whose rows are not settled yet.
    pub fn waits_for_settling(&self) -> bool {
        let waits = |held: &Held| {
            let handed = held.handed.back().map_or(held.committed, |(end, _)| *end);
            matches!(held.phase, Phase::Ended | Phase::Leaving)
                && handed >= held.fetched
                && !held.is_through()
        };
        self.held.values().any(waits)
    }
}

#[cfg(test)]
mod tests;
