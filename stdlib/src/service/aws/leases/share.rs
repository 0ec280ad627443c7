//! How several processes share the shards of a stream, without a leader: each looks at the same
//! rows and comes to the same answer.
//!
//! Pure functions. A lease, and a worker, is alive as long as its counter rises, by the clock of
//! who looks.

use super::row::Lease;
use std::collections::BTreeMap;

/// A counter that stands still for so long has nobody behind it.
pub const EXPIRES_NS: i64 = 10_000_000_000;

/// Counters, and when they were last seen to rise.
#[derive(Debug, Default)]
pub struct Watched {
    seen: BTreeMap<String, Seen>,
}

#[derive(Debug)]
struct Seen {
    counter: u64,
    since_ns: i64,
    /// When it was last looked at.
    looked_ns: i64,
    /// It has risen after this moment, at which it was looked at before it was seen to have;
    /// `i64::MIN` = it was never seen to rise.
    risen_after_ns: i64,
}

/// What there is to share, as seen now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// This worker.
    pub me: String,
    /// The workers that are alive, this one too.
    pub workers: Vec<String>,
    /// The shards that are not at their end, each with its owner, if that one is alive.
    pub shards: BTreeMap<String, Option<String>>,
    /// A moment after which the counters of all shards of others have risen: `i64::MIN` where one
    /// was not seen to, `i64::MAX` where there are none.
    pub others_ns: i64,
}

/// What a worker does to come to its share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    /// Shards to take.
    pub take: Vec<String>,
    /// How many of its own to let go.
    pub release: usize,
}

impl Watched {
    /// Notes a counter; whether it is alive.
    pub fn is_alive(&mut self, name: &str, counter: u64, now_ns: i64) -> bool {
        match self.seen.get_mut(name) {
            Some(seen) if seen.counter == counter => {
                seen.looked_ns = now_ns;
                now_ns - seen.since_ns < EXPIRES_NS
            }
            Some(seen) => {
                let risen_after_ns = seen.looked_ns;
                *seen = Seen { counter, since_ns: now_ns, looked_ns: now_ns, risen_after_ns };
                true
            }
            None => {
                let (since_ns, looked_ns) = (now_ns, now_ns);
                let seen = Seen { counter, since_ns, looked_ns, risen_after_ns: i64::MIN };
                self.seen.insert(name.to_owned(), seen);
                true
            }
        }
    }

    /// A moment after which it has risen; `i64::MIN` where it was not seen to.
    fn risen_after_ns(&self, name: &str) -> i64 {
        self.seen.get(name).map_or(i64::MIN, |seen| seen.risen_after_ns)
    }

    /// Forgets what is not there any more.
    pub fn keep(&mut self, there: impl Fn(&str) -> bool) {
        self.seen.retain(|name, _| there(name));
    }
}

impl View {
    /// What the rows say now. `workers` are the rows of workers with their counters.
    pub fn new(
        me: &str,
        leases: &BTreeMap<String, Lease>,
        workers: &[(String, u64)],
        watched: &mut Watched,
        now_ns: i64,
    ) -> View {
        let lease_name = |shard: &str| format!("lease/{shard}");
        let worker_name = |worker: &str| format!("worker/{worker}");
        let mut view = View { me: me.to_owned(), others_ns: i64::MAX, ..View::default() };
        for (worker, counter) in workers {
            if worker == me || watched.is_alive(&worker_name(worker), *counter, now_ns) {
                view.workers.push(worker.clone());
            }
        }
        if !view.workers.iter().any(|worker| worker == me) {
            view.workers.push(me.to_owned());
        }
        view.workers.sort();
        for lease in leases.values().filter(|lease| !lease.is_ended()) {
            let name = lease_name(&lease.shard);
            let alive = watched.is_alive(&name, lease.counter, now_ns);
            let owner = lease.owner.clone().filter(|owner| alive || owner == me);
            if owner.as_ref().is_some_and(|owner| owner != me) {
                view.others_ns = view.others_ns.min(watched.risen_after_ns(&name));
            }
            view.shards.insert(lease.shard.clone(), owner);
        }
        watched.keep(|name| {
            let shard = name.strip_prefix("lease/");
            let worker = name.strip_prefix("worker/");
            shard.is_some_and(|shard| leases.contains_key(shard))
                || worker.is_some_and(|name| workers.iter().any(|(worker, _)| worker == name))
        });
        view
    }

    /// How many shards each worker should have: as even as it goes, and who has more keeps more.
    fn targets(&self) -> BTreeMap<&str, usize> {
        let held = |worker: &str| {
            self.shards.values().filter(|owner| owner.as_deref() == Some(worker)).count()
        };
        let mut ranked: Vec<(&str, usize)> =
            self.workers.iter().map(|worker| (worker.as_str(), held(worker))).collect();
        ranked.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let (each, more) = (self.shards.len() / ranked.len(), self.shards.len() % ranked.len());
        let target = |rank: usize| each + usize::from(rank < more);
        ranked.iter().enumerate().map(|(rank, (worker, _))| (*worker, target(rank))).collect()
    }

    /// What this worker should do.
    pub fn moves(&self) -> Moves {
        let target = self.targets().get(self.me.as_str()).copied().unwrap_or(0);
        let mine = |owner: &Option<String>| owner.as_deref() == Some(self.me.as_str());
        let held = self.shards.values().filter(|owner| mine(owner)).count();
        let free = self.shards.iter().filter(|(_, owner)| owner.is_none());
        let take = free.map(|(shard, _)| shard.clone()).take(target.saturating_sub(held));
        Moves { take: take.collect(), release: held.saturating_sub(target) }
    }

    /// Shards that nobody reads.
    pub fn unread(&self) -> usize {
        self.shards.values().filter(|owner| owner.is_none()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::aws::leases::position::Checkpoint;

    fn view(me: &str, workers: &[&str], owners: &[Option<&str>]) -> View {
        let name = |at: usize| format!("s{at:02}");
        let owner = |owner: &Option<&str>| owner.map(str::to_owned);
        View {
            me: me.into(),
            workers: workers.iter().map(|worker| (*worker).to_owned()).collect(),
            shards: owners.iter().enumerate().map(|(at, of)| (name(at), owner(of))).collect(),
            others_ns: 0,
        }
    }

    #[test]
    fn one_worker_takes_all() {
        let moves = view("a", &["a"], &[None, None, Some("a")]).moves();
        assert_eq!(moves, Moves { take: vec!["s00".into(), "s01".into()], release: 0 });
    }

    #[test]
    fn who_has_too_many_lets_go_and_the_other_waits() {
        let four = [Some("a"), Some("a"), Some("a"), Some("a")];
        assert_eq!(view("a", &["a", "b"], &four).moves().release, 2);
        assert_eq!(view("b", &["a", "b"], &four).moves(), Moves::default());
        let three = [Some("a"), Some("a"), None];
        assert_eq!(view("b", &["a", "b"], &three).moves().take, ["s02"]);
        assert_eq!(view("a", &["a", "b"], &three).moves(), Moves::default());
    }

    /// Whatever the start, everyone doing as told comes to an even share that stays.
    #[test]
    fn shares_become_even() {
        for seed in 0..500 {
            let mut random = fastrand::Rng::with_seed(seed);
            let workers: Vec<String> =
                (0..random.usize(1..6)).map(|worker| format!("w{worker}")).collect();
            let names: Vec<&str> = workers.iter().map(String::as_str).collect();
            let any = |random: &mut fastrand::Rng| random.choice(&names).copied();
            let owners: Vec<Option<&str>> = (0..random.usize(0..20))
                .map(|_| if random.bool() { any(&mut random) } else { None })
                .collect();
            let mut view = view("", &names, &owners);
            for round in 0.. {
                let mut quiet = true;
                for worker in &workers {
                    view.me = worker.clone();
                    let moves = view.moves();
                    quiet &= moves == Moves::default();
                    for shard in moves.take {
                        view.shards.insert(shard, Some(worker.clone()));
                    }
                    let own = view.shards.values_mut().filter(|own| own.as_ref() == Some(worker));
                    own.take(moves.release).for_each(|own| *own = None);
                }
                if quiet {
                    break;
                }
                assert!(round < 10, "seed {seed} never comes to rest");
            }
            let held = |worker: &String| {
                view.shards.values().filter(|owner| owner.as_ref() == Some(worker)).count()
            };
            let counts: Vec<usize> = workers.iter().map(held).collect();
            let (most, least) = (counts.iter().max(), counts.iter().min());
            assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{counts:?}");
            assert_eq!(view.unread(), 0);
        }
    }

    #[test]
    fn a_counter_that_stands_still_expires_by_the_watch_of_who_looks() {
        let mut watched = Watched::default();
        let mut lease = Lease::new("s", Checkpoint::TrimHorizon, Vec::new());
        lease.owner = Some("b".into());
        let mut owner = |lease: &Lease, now_ns| {
            let leases = BTreeMap::from([("s".to_owned(), lease.clone())]);
            let view = View::new("a", &leases, &[("b".into(), 1)], &mut watched, now_ns);
            (view.shards["s"].clone(), view.workers.len(), view.others_ns)
        };
        let b = || Some("b".to_owned());
        assert_eq!(owner(&lease, 5), (b(), 2, i64::MIN), "there, but perhaps of a dead one");
        assert_eq!(owner(&lease, EXPIRES_NS), (b(), 2, i64::MIN));
        lease.counter += 1;
        assert_eq!(owner(&lease, EXPIRES_NS + 4), (b(), 2, EXPIRES_NS));
        assert_eq!(owner(&lease, EXPIRES_NS + 5), (b(), 1, EXPIRES_NS), "the worker is gone");
        assert_eq!(owner(&lease, 2 * EXPIRES_NS + 4), (None, 1, i64::MAX));
    }
}
