//! What the tasks of a reader know together: which shards it holds, how far each is, what failed.

use crate::service::aws::leases::held::{Holdings, Phase, Renewal};
use crate::service::aws::leases::position::Position;
use crate::service::aws::leases::row::Lease;
use engine::fault::Fault;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// Shards at their end whose ids are kept for their children.
const WINDOWS: usize = 8;

/// The shards of one reader.
#[derive(Debug)]
pub struct Desk {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    /// The coordinator should look at once.
    pub nudge: Notify,
}

#[derive(Debug, Default)]
struct State {
    holdings: Holdings,
    /// What reads the shards.
    tasks: BTreeMap<String, Task>,
    /// Of all shards ever held, by number, with the record from which their rows are numbered.
    names: Vec<(String, String)>,
    /// The last event ids of shards that have come to their end, for their children.
    windows: VecDeque<(String, Arc<Vec<u128>>)>,
    synced: bool,
    /// Shards that nobody reads, when it was last looked.
    unread: usize,
    /// A moment after which all shards of others were still read.
    others_ns: i64,
    fault: Option<Fault>,
    closed: bool,
}

/// A task that ends when this is dropped.
#[derive(Debug)]
pub struct Task(pub JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Default for Desk {
    fn default() -> Desk {
        Desk { state: Mutex::default(), changed: watch::Sender::new(0), nudge: Notify::new() }
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        let done = with(&mut self.state());
        self.changed.send_modify(|count| *count += 1);
        done
    }

    /// Tells of every change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The reader cannot go on.
    pub fn fail(&self, fault: Fault) {
        self.change(|state| {
            state.fault.get_or_insert(fault);
        });
    }

    /// Why the reader cannot go on.
    pub fn fault(&self) -> Option<Fault> {
        self.state().fault.clone()
    }

    /// The number of a shard whose rows are numbered from that record, the same whenever it is
    /// held.
    pub fn number(&self, shard: &str, first: &str) -> u32 {
        let mut state = self.state();
        let known = state.names.iter().position(|name| name.0 == shard && name.1 == first);
        let number = known.unwrap_or_else(|| {
            state.names.push((shard.to_owned(), first.to_owned()));
            state.names.len() - 1
        });
        number as u32
    }

    /// A lease was taken by a call that began at that moment.
    pub fn hold(&self, lease: &Lease, asked_ns: i64) {
        self.change(|state| {
            state.holdings.hold(lease, asked_ns);
            state.tasks.remove(&lease.shard);
        });
    }

    /// Keeps the last event ids of a shard that has come to its end, for its children.
    pub fn keep_window(&self, shard: &str, ids: Vec<u128>) {
        let mut state = self.state();
        state.windows.retain(|(known, _)| known != shard);
        state.windows.push_back((shard.to_owned(), Arc::new(ids)));
        if state.windows.len() > WINDOWS {
            state.windows.pop_front();
        }
    }

    /// The last event ids of these shards, as far as they have ended in this reader.
    pub fn windows(&self, shards: &[String]) -> Vec<Arc<Vec<u128>>> {
        let state = self.state();
        let of = state.windows.iter().filter(|(shard, _)| shards.contains(shard));
        of.map(|(_, ids)| ids.clone()).collect()
    }

    /// The rows of a shard of which nothing was fetched yet are numbered from 0.
    pub fn renumbered(&self, shard: &str) {
        self.change(|state| state.holdings.renumbered(shard));
    }

    /// Begins the task that reads a shard, as long as the reader is open.
    pub fn attach(&self, shard: &str, fetch: impl FnOnce() -> Task) {
        self.change(|state| {
            if state.holdings.holds(shard) && !state.closed {
                state.tasks.insert(shard.to_owned(), fetch());
            }
        });
    }

    /// Whether the shard is held.
    pub fn holds(&self, shard: &str) -> bool {
        self.state().holdings.holds(shard)
    }

    /// The shards that are held.
    pub fn held(&self) -> Vec<String> {
        self.state().holdings.shards()
    }

    /// A lease is about to be let go: from now on it is not renewed, nor missed. Its counter.
    pub fn let_go(&self, shard: &str) -> Option<u64> {
        self.change(|state| state.holdings.let_go(shard))
    }

    /// Leases that are to be renewed, with their counters.
    pub fn due(&self, now_ns: i64) -> Vec<(String, u64)> {
        self.state().holdings.due(now_ns)
    }

    /// What came of a renewal by a call that began at that moment; false = the lease is lost.
    pub fn renewed(&self, shard: &str, renewal: Renewal, asked_ns: i64) -> bool {
        self.change(|state| state.holdings.renewed(shard, renewal, asked_ns))
    }

    /// Whether rows of a shard may be handed out now.
    pub fn is_fresh(&self, shard: &str, now_ns: i64) -> bool {
        self.state().holdings.is_fresh(shard, now_ns)
    }

    /// Rows up to a number are on their way. Called together with the sending, so that a task that
    /// is ended has done both or neither.
    pub fn fetched(&self, shard: &str, end: u64) {
        self.change(|state| state.holdings.fetched(shard, end));
    }

    /// Rows up to a number are handed out; the last of them stands there.
    pub fn handed(&self, shard: &str, end: u64, at: Position) {
        self.change(|state| state.holdings.handed(shard, end, at));
    }

    /// Where the reader stands when everything before a number is settled, and the shard.
    pub fn position(&self, number: u32, upto: u64) -> Option<(String, Option<Position>)> {
        let state = self.state();
        let shard = state.names.get(number as usize)?.0.clone();
        let at = state.holdings.position(&shard, upto);
        state.holdings.holds(&shard).then_some((shard, at))
    }

    /// A position is stored.
    pub fn committed(&self, shard: &str, upto: u64) {
        if self.change(|state| state.holdings.committed(shard, upto)) {
            self.nudge.notify_one();
        }
    }

    /// A shard has come to its end, or is empty and nothing more is written.
    pub fn enter(&self, shard: &str, phase: Phase) {
        let is_held = self.change(|state| state.holdings.enter(shard, phase));
        if is_held && phase == Phase::Ended {
            self.nudge.notify_one();
        }
    }

    /// Stops reading so many shards, which will be let go. Those that are on their way already
    /// count.
    pub fn leave(&self, shards: usize) {
        self.change(|state| {
            for shard in state.holdings.leave(shards) {
                state.tasks.remove(&shard);
            }
        });
    }

    /// Shards in that phase of which everything fetched is settled, with the number behind it.
    pub fn through(&self, phase: Phase) -> Vec<(String, u64)> {
        self.state().holdings.through(phase)
    }

    /// A shard is not held any more. Until it was looked again, somebody may have to read it or its
    /// children.
    pub fn drop_shard(&self, shard: &str) {
        self.change(|state| {
            state.holdings.drop_shard(shard);
            state.tasks.remove(shard);
            state.unread = state.unread.max(1);
        });
    }

    /// The rows were looked at: so many shards are read by nobody, and others still read theirs
    /// after that moment.
    pub fn synced(&self, unread: usize, others_ns: i64) {
        self.change(|state| {
            state.synced = true;
            state.unread = unread;
            state.others_ns = others_ns;
        });
    }

    /// Every shard of the stream was read by somebody after that moment, and those of this reader
    /// are empty.
    pub fn is_drained(&self, asked_ns: i64) -> bool {
        let state = self.state();
        let are_read = state.synced && state.unread == 0 && state.others_ns >= asked_ns;
        are_read && state.holdings.are_drained()
    }

    /// All that is left to read are children of shards whose rows are not settled yet.
    pub fn waits_for_settling(&self) -> bool {
        self.state().holdings.waits_for_settling()
    }

    /// Ends the tasks that fetch.
    pub fn close(&self) {
        self.change(|state| {
            state.closed = true;
            state.tasks.clear();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::aws::leases::position::Checkpoint;

    fn at(seq: u64) -> Position {
        Position::new(&seq.to_string(), 0)
    }

    fn desk() -> Desk {
        let desk = Desk::default();
        for shard in ["a", "b"] {
            let lease = Lease::new(shard, Checkpoint::TrimHorizon, Vec::new());
            desk.number(shard, "1");
            desk.hold(&Lease { counter: 1, ..lease }, 0);
            desk.attach(shard, || Task(tokio::spawn(async {})));
        }
        desk
    }

    #[tokio::test]
    async fn a_shard_ends_when_its_rows_are_settled() {
        let desk = desk();
        desk.fetched("a", 5);
        desk.enter("a", Phase::Ended);
        assert!(desk.through(Phase::Ended).is_empty() && !desk.waits_for_settling());
        desk.handed("a", 3, at(30));
        desk.handed("a", 5, at(50));
        assert!(desk.waits_for_settling());
        assert_eq!(desk.position(0, 4), Some(("a".into(), Some(at(30)))));
        desk.committed("a", 4);
        assert_eq!(desk.position(0, 5), Some(("a".into(), Some(at(50)))));
        desk.committed("a", 5);
        assert_eq!(desk.through(Phase::Ended), [("a".into(), 5)]);
        assert!(!desk.waits_for_settling());
    }

    #[tokio::test]
    async fn rows_that_are_numbered_anew_have_a_number_of_their_own() {
        let desk = Desk::default();
        assert_eq!(["1", "1", "9"].map(|first| desk.number("a", first)), [0, 0, 1]);
        let lease = Lease::new("a", Checkpoint::TrimHorizon, Vec::new());
        desk.hold(&Lease { row: 7, ..lease }, 0);
        desk.renumbered("a");
        desk.fetched("a", 3);
        desk.handed("a", 3, at(30));
        desk.enter("a", Phase::Ended);
        assert!(desk.through(Phase::Ended).is_empty(), "three are not settled");
        assert_eq!(desk.position(1, 3), Some(("a".into(), Some(at(30)))));
    }

    #[tokio::test]
    async fn it_is_drained_when_all_shards_are_and_nobody_else_is_needed() {
        let desk = desk();
        ["a", "b"].into_iter().for_each(|shard| desk.enter(shard, Phase::Drained));
        assert!(!desk.is_drained(0), "nobody has looked yet");
        desk.synced(1, i64::MAX);
        assert!(!desk.is_drained(0));
        desk.synced(0, 7);
        assert!(desk.is_drained(7) && !desk.is_drained(8), "perhaps another has died meanwhile");
        desk.fetched("b", 1);
        assert!(!desk.is_drained(7));
        desk.enter("b", Phase::Ended);
        desk.drop_shard("b");
        assert!(!desk.is_drained(7), "its children are looked for");
        desk.synced(0, i64::MAX);
        assert!(desk.is_drained(7));
    }

    #[test]
    fn children_find_the_ids_of_their_parents() {
        let desk = Desk::default();
        (0..=WINDOWS).for_each(|at| desk.keep_window(&at.to_string(), vec![at as u128]));
        let windows = desk.windows(&["0".into(), "1".into(), "8".into()]);
        let ids: Vec<u128> = windows.iter().flat_map(|ids| ids.iter().copied()).collect();
        assert_eq!(ids, [1, 8], "the oldest is forgotten");
    }
}
