//! Several workers share the shards of a stream by one table: calls are late, fail before or after
//! they have changed something, workers stand still for a while and go on, die, and have clocks of
//! their own. At no moment do two hand out rows of one shard; who has lost a lease moves nothing;
//! children begin when their parents are settled to the end; and in the end everything is read.
//!
//! The table is a map with the conditions of the calls ([`super::super::super::table`]); what the
//! workers decide is the code itself: [`View`], [`Watched`] and [`Holdings`].

use super::*;
use crate::service::aws::leases::share::{View, Watched};
use std::collections::{BTreeMap, BTreeSet};

const MS: i64 = 1_000_000;
/// Nobody waits longer for an answer.
const CALL_NS: i64 = 2_000 * MS;

/// Each shard, its rows and its parents: `a` is split, and what came of it merged.
const SHARDS: [(&str, u64, &[&str]); 5] =
    [("a", 40, &[]), ("b", 30, &["a"]), ("c", 50, &["a"]), ("d", 20, &["b", "c"]), ("e", 90, &[])];

/// The lease table.
#[derive(Default)]
struct Table {
    leases: BTreeMap<String, Lease>,
    workers: BTreeMap<String, u64>,
}

/// A call, as it stands on the wire.
#[derive(Clone, Debug)]
enum Call {
    Beat(u64),
    Release { shard: String, counter: u64 },
    End { shard: String, row: u64 },
    Look,
    Take(Lease),
    Get(String, i64),
    Renew { shard: String, counter: u64 },
    Owned(String),
    Move { shard: String, to: Position, row: u64 },
}

#[derive(Debug)]
enum Answer {
    Kept(bool),
    Rows(BTreeMap<String, Lease>, Vec<(String, u64)>),
    Lease(Option<Lease>),
}

impl Table {
    /// What the service does with a call of `me`.
    fn answer(&mut self, me: &str, call: &Call) -> Answer {
        let is_mine = |lease: &&mut Lease| lease.owner.as_deref() == Some(me);
        let kept = |lease: Option<&mut Lease>, change: &dyn Fn(&mut Lease)| {
            Answer::Kept(lease.map(change).is_some())
        };
        match call {
            Call::Beat(beats) => {
                self.workers.insert(me.to_owned(), *beats);
                Answer::Kept(true)
            }
            Call::Look => {
                let workers = self.workers.iter().map(|(name, beats)| (name.clone(), *beats));
                Answer::Rows(self.leases.clone(), workers.collect())
            }
            Call::Get(shard, _) | Call::Owned(shard) => {
                Answer::Lease(self.leases.get(shard).cloned())
            }
            Call::Take(seen) => {
                let lease = self.leases.get_mut(&seen.shard);
                let same = lease
                    .filter(|lease| lease.owner == seen.owner && lease.counter == seen.counter);
                kept(same, &|lease| {
                    lease.owner = Some(me.to_owned());
                    lease.counter += 1;
                })
            }
            Call::Renew { shard, counter } => {
                let lease = self.leases.get_mut(shard).filter(is_mine);
                kept(lease.filter(|lease| lease.counter == *counter), &|lease| lease.counter += 1)
            }
            Call::Release { shard, counter } => {
                let lease = self.leases.get_mut(shard).filter(is_mine);
                kept(lease.filter(|lease| lease.counter == *counter), &|lease| {
                    lease.counter += 1;
                    lease.owner = None;
                })
            }
            Call::End { shard, row } => {
                kept(self.leases.get_mut(shard).filter(is_mine), &|lease| {
                    assert!(lease.row <= *row);
                    (lease.checkpoint, lease.row) = (Checkpoint::ShardEnd, *row);
                })
            }
            Call::Move { shard, to, row } => {
                let to = Checkpoint::After(to.clone());
                let lease = self.leases.get_mut(shard).filter(is_mine);
                let lease = lease.filter(|lease| !lease.is_ended());
                kept(lease.filter(|lease| to.is_at_least(&lease.checkpoint)), &|lease| {
                    (lease.checkpoint, lease.row) = (to.clone(), *row);
                })
            }
        }
    }
}

/// A call on its way. It reaches the table at some moment, perhaps when nobody waits any more.
struct Way {
    worker: usize,
    name: String,
    line: Line,
    call: Call,
    asked_ns: i64,
    /// The answer, once it was made; `None` = it has not reached the table.
    answer: Option<Answer>,
    /// Nobody waits for it any more.
    given_up: bool,
}

/// Which of a worker's tasks makes a call; each makes one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Line {
    Share,
    Renew,
    Commit,
}

/// A shard that is held.
#[derive(Debug, Default)]
struct Read {
    fetched: u64,
    handed: u64,
    /// The end of each chunk that was handed out.
    ends: Vec<u64>,
    /// How many of them are settled, in order.
    settled: usize,
    /// It is not fetched any more.
    stopped: bool,
}

struct Worker {
    name: String,
    /// How far its clock is ahead.
    ahead_ns: i64,
    /// It stands still until then, by the world's clock.
    still_ns: i64,
    holdings: Holdings,
    watched: Watched,
    beats: u64,
    /// What is left of the round of its sharing task.
    todo: VecDeque<Call>,
    busy: BTreeSet<Line>,
    /// Whose lease did not rise as it should: who holds it?
    in_doubt: Option<String>,
    /// By shard, what its tasks have done with it.
    shards: BTreeMap<String, Read>,
    /// It has lost a lease: its run fails, and nothing is committed any more.
    failed: bool,
}

impl Worker {
    fn new(name: String, random: &mut fastrand::Rng) -> Worker {
        Worker {
            name,
            ahead_ns: random.i64(0..1_000_000 * MS),
            still_ns: 0,
            holdings: Holdings::default(),
            watched: Watched::default(),
            beats: 0,
            todo: VecDeque::new(),
            busy: BTreeSet::new(),
            in_doubt: None,
            shards: BTreeMap::new(),
            failed: false,
        }
    }

    /// The next call of its sharing task, as in `Sync::look`.
    fn share(&mut self) -> Call {
        if let Some(call) = self.todo.pop_front() {
            return call;
        }
        for (shard, _) in self.holdings.through(Phase::Leaving) {
            let counter = self.holdings.let_go(&shard).unwrap_or_default();
            self.todo.push_back(Call::Release { shard, counter });
        }
        for (shard, row) in self.holdings.through(Phase::Ended) {
            self.todo.push_back(Call::End { shard, row });
        }
        self.todo.push_back(Call::Look);
        self.beats += 1;
        Call::Beat(self.beats)
    }

    /// What its sharing task does with an answer.
    fn shared(&mut self, call: Call, answer: Answer, now_ns: i64) {
        match (call, answer) {
            (Call::Release { shard, .. }, Answer::Kept(true)) => self.holdings.drop_shard(&shard),
            (Call::Release { shard, .. }, Answer::Kept(false)) => {
                self.todo.push_front(Call::Owned(shard));
            }
            (Call::Owned(shard), Answer::Lease(lease)) => match self.mine(lease) {
                Some(lease) => {
                    let counter = lease.counter;
                    self.todo.push_front(Call::Release { shard, counter });
                }
                None => self.holdings.drop_shard(&shard),
            },
            (Call::End { shard, .. }, Answer::Kept(kept)) => {
                self.failed |= !kept;
                self.holdings.drop_shard(&shard);
            }
            (Call::Look, Answer::Rows(leases, workers)) => {
                let mut view = View::new(&self.name, &leases, &workers, &mut self.watched, now_ns);
                for (shard, owner) in &mut view.shards {
                    if owner.as_ref() == Some(&self.name) && !self.holdings.holds(shard) {
                        *owner = None;
                    }
                }
                let moves = view.moves();
                for shard in self.holdings.leave(moves.release) {
                    self.shards.entry(shard).or_default().stopped = true;
                }
                self.todo.extend(moves.take.iter().map(|shard| Call::Take(leases[shard].clone())));
            }
            (Call::Get(shard, asked_ns), Answer::Lease(lease)) => {
                if let Some(lease) = self.mine(lease).filter(|lease| !lease.is_ended()) {
                    let (fetched, handed) = (lease.row, lease.row);
                    self.shards.insert(shard, Read { fetched, handed, ..Read::default() });
                    self.holdings.hold(&lease, asked_ns);
                }
            }
            _ => (),
        }
    }

    fn mine(&self, lease: Option<Lease>) -> Option<Lease> {
        lease.filter(|lease| lease.owner.as_ref() == Some(&self.name))
    }
}

struct World {
    random: fastrand::Rng,
    now_ns: i64,
    table: Table,
    workers: Vec<Worker>,
    ways: Vec<Way>,
    /// Rows that are stored, by shard.
    stored: BTreeMap<String, BTreeSet<u64>>,
    /// Faults of calls, in hundredths; none = they are over.
    faults: u32,
    names: usize,
    lost: usize,
    twice: usize,
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = fastrand::Rng::with_seed(seed);
        let workers: Vec<Worker> = (0..random.usize(1..5))
            .map(|name| Worker::new(format!("w{name}"), &mut random))
            .collect();
        let names = workers.len();
        World {
            faults: random.u32(0..30),
            random,
            now_ns: 0,
            table: Table::default(),
            workers,
            ways: Vec::new(),
            stored: BTreeMap::new(),
            names,
            lost: 0,
            twice: 0,
        }
    }

    /// Leases are made by whoever looks; here by nobody, when the parents are at their end.
    fn create(&mut self) {
        for (shard, _, parents) in SHARDS {
            let through = parents.iter().all(|parent| {
                self.table.leases.get(*parent).is_some_and(|lease| {
                    let rows = SHARDS.iter().find(|(shard, ..)| shard == parent);
                    let all = rows.is_some_and(|(_, rows, _)| lease.row == *rows);
                    assert!(!lease.is_ended() || all, "{parent} has ended before it was read");
                    lease.is_ended()
                })
            });
            if through && !self.table.leases.contains_key(shard) {
                let parents = parents.iter().map(|parent| (*parent).to_owned()).collect();
                let lease = Lease::new(shard, Checkpoint::TrimHorizon, parents);
                self.table.leases.insert(shard.to_owned(), lease);
            }
        }
    }

    fn step(&mut self) {
        self.now_ns += self.random.i64(0..120 * MS);
        self.create();
        let worker = self.random.usize(0..self.workers.len());
        match self.random.u32(0..1000) {
            0..2 if self.faults > 0 => self.replace(worker),
            2..6 if self.faults > 0 => {
                let still_ns = self.random.i64(0..30_000 * MS);
                self.workers[worker].still_ns = self.now_ns + still_ns;
            }
            6..400 => self.deliver(),
            _ if self.now_ns < self.workers[worker].still_ns => (),
            action => self.act(worker, action),
        }
        if let Some(failed) = self.workers.iter().position(|worker| worker.failed) {
            self.lost += 1;
            self.replace(failed);
        }
        self.at_most_one_hands_out();
    }

    /// A worker dies, and another one begins. What it has on its way stays on its way.
    fn replace(&mut self, worker: usize) {
        let name = format!("w{}", self.names);
        self.names += 1;
        self.workers[worker] = Worker::new(name, &mut self.random);
    }

    fn at_most_one_hands_out(&self) {
        for (shard, ..) in SHARDS {
            let fresh = self
                .workers
                .iter()
                .filter(|worker| worker.holdings.is_fresh(shard, self.now_ns + worker.ahead_ns));
            let names: Vec<&str> = fresh.map(|worker| worker.name.as_str()).collect();
            assert!(names.len() <= 1, "{names:?} hand out {shard}");
        }
    }

    /// A worker does something that is no answer.
    fn act(&mut self, index: usize, action: u32) {
        let now_ns = self.now_ns + self.workers[index].ahead_ns;
        let worker = &mut self.workers[index];
        match action % 5 {
            0 if !worker.busy.contains(&Line::Share) => {
                let call = worker.share();
                self.call(index, Line::Share, call);
            }
            1 if !worker.busy.contains(&Line::Renew) => {
                let due = || worker.holdings.due(now_ns).into_iter().next();
                let call = match worker.in_doubt.take() {
                    Some(shard) => Some(Call::Owned(shard)),
                    None => due().map(|(shard, counter)| Call::Renew { shard, counter }),
                };
                call.into_iter().for_each(|call| self.call(index, Line::Renew, call));
            }
            2 => self.read(index, now_ns),
            3 => {
                for read in worker.shards.values_mut() {
                    read.settled = self.random.usize(read.settled..=read.ends.len());
                }
            }
            4 if !worker.busy.contains(&Line::Commit) => {
                let due = worker.shards.iter().find_map(|(shard, read)| {
                    let row = *read.ends.get(read.settled.checked_sub(1)?)?;
                    let to = worker.holdings.position(shard, row)?;
                    Some(Call::Move { shard: shard.clone(), to, row })
                });
                due.into_iter().for_each(|call| self.call(index, Line::Commit, call));
            }
            _ => (),
        }
    }

    fn call(&mut self, index: usize, line: Line, call: Call) {
        let worker = &mut self.workers[index];
        worker.busy.insert(line);
        let (name, asked_ns) = (worker.name.clone(), self.now_ns + worker.ahead_ns);
        let (answer, given_up) = (None, false);
        self.ways.push(Way { worker: index, name, line, call, asked_ns, answer, given_up });
    }

    /// Some call on its way goes on: to the table, or back with its answer.
    fn deliver(&mut self) {
        if self.ways.is_empty() {
            return;
        }
        let at = self.random.usize(0..self.ways.len());
        let fails = self.random.u32(0..100) < self.faults;
        let way = &mut self.ways[at];
        let worker = &mut self.workers[way.worker];
        let is_there = worker.name == way.name;
        let now_ns = self.now_ns + worker.ahead_ns;
        if is_there && self.now_ns < worker.still_ns && way.answer.is_some() {
            return;
        }
        let late = now_ns - way.asked_ns > CALL_NS;
        // Who wakes up late may see the answer first, or the time.
        let late = late && (way.answer.is_none() || self.random.bool());
        if is_there && !way.given_up && (fails || late) && self.now_ns >= worker.still_ns {
            // The worker hears of no answer; the call may still reach the table.
            way.given_up = true;
            worker.busy.remove(&way.line);
            if way.line == Line::Share {
                worker.todo.clear();
            }
        }
        if way.answer.is_none() {
            way.answer = Some(self.table.answer(&way.name, &way.call));
            return;
        }
        let mut way = self.ways.swap_remove(at);
        if let (true, false, Some(answer)) = (is_there, way.given_up, way.answer.take()) {
            worker.busy.remove(&way.line);
            hear(worker, way, answer, now_ns);
        }
    }

    /// Fetches some rows, and hands out those of shards whose lease is fresh.
    fn read(&mut self, index: usize, now_ns: i64) {
        let Worker { holdings, shards, .. } = &mut self.workers[index];
        shards.retain(|shard, _| holdings.holds(shard));
        for (shard, rows, _) in SHARDS {
            let Some(read) = shards.get_mut(shard) else { continue };
            if !read.stopped && read.fetched < rows {
                read.fetched = (read.fetched + self.random.u64(1..9)).min(rows);
                holdings.fetched(shard, read.fetched);
            }
            if !read.stopped && read.fetched == rows {
                holdings.enter(shard, Phase::Ended);
                read.stopped = true;
            }
            if holdings.is_fresh(shard, now_ns) && read.handed < read.fetched {
                let stored = self.stored.entry(shard.to_owned()).or_default();
                let new = (read.handed..read.fetched).filter(|row| stored.insert(*row)).count();
                self.twice += (read.fetched - read.handed) as usize - new;
                read.handed = read.fetched;
                read.ends.push(read.handed);
                holdings.handed(shard, read.handed, at(read.handed));
            }
        }
    }

    fn is_over(&self) -> bool {
        let all = SHARDS.iter().all(|(shard, rows, _)| {
            let lease = self.table.leases.get(*shard);
            lease.is_some_and(|lease| lease.is_ended() && lease.row == *rows)
        });
        all && SHARDS.iter().all(|(shard, rows, _)| {
            self.stored.get(*shard).is_some_and(|stored| stored.iter().copied().eq(0..*rows))
        })
    }
}

/// A worker hears the answer to a call that began at `asked_ns`.
fn hear(worker: &mut Worker, way: Way, answer: Answer, now_ns: i64) {
    let asked_ns = way.asked_ns;
    match (way.line, way.call, answer) {
        (Line::Share, Call::Take(lease), Answer::Kept(true)) => {
            // The lease counts from before the call that took it.
            worker.todo.push_front(Call::Get(lease.shard, asked_ns));
        }
        (Line::Share, call, answer) => worker.shared(call, answer, now_ns),
        (_, Call::Renew { shard, counter }, Answer::Kept(true)) => {
            worker.holdings.renewed(&shard, Renewal::Done(counter + 1), asked_ns);
        }
        (_, Call::Renew { shard, .. }, _) => worker.in_doubt = Some(shard),
        (_, Call::Owned(shard), Answer::Lease(lease)) => {
            let counter = worker.mine(lease).map(|lease| lease.counter);
            let renewal = counter.map_or(Renewal::Lost, Renewal::Again);
            worker.failed |= !worker.holdings.renewed(&shard, renewal, asked_ns);
        }
        (_, Call::Move { shard, row, .. }, Answer::Kept(kept)) => {
            worker.failed |= !kept;
            worker.holdings.committed(&shard, row);
        }
        _ => (),
    }
}

#[test]
fn one_worker_at_most_hands_out_a_shard_and_all_is_read_to_the_end() {
    let (mut lost, mut twice) = (0, 0);
    for seed in 0..150 {
        let mut world = World::new(seed);
        for _ in 0..3_000 {
            world.step();
        }
        world.faults = 0;
        world.workers.iter_mut().for_each(|worker| worker.still_ns = 0);
        let mut steps = 0;
        while !world.is_over() {
            world.step();
            steps += 1;
            assert!(steps < 60_000, "seed {seed}: {:?}", world.table.leases);
        }
        lost += world.lost;
        twice += world.twice;
    }
    assert!(lost > 30 && twice > 500, "{lost} {twice}");
}
