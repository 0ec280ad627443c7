//! Making the entries of directories durable: one sync for all that wait for it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The directories that somebody waits for.
#[derive(Debug, Default)]
pub struct Dirs {
    rounds: Mutex<BTreeMap<PathBuf, Rounds>>,
    ended: Condvar,
}

/// The syncs of one directory. Those that come while one is under way wait for the next: it is not
/// known what the one that has begun covers.
#[derive(Debug, Default)]
struct Rounds {
    /// How many have come.
    asked: u64,
    /// How many of them are served.
    served: u64,
    under_way: bool,
    users: usize,
}

impl Dirs {
    /// Makes the entries of `dir` durable that are there now. Blocks.
    pub fn sync(&self, dir: &Path) -> io::Result<()> {
        self.sync_by(dir, |dir| File::open(dir).and_then(|dir| dir.sync_all()))
    }

    fn sync_by(&self, dir: &Path, sync: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
        let mut all = self.lock();
        let rounds = all.entry(dir.to_owned()).or_default();
        rounds.users += 1;
        rounds.asked += 1;
        let number = rounds.asked;
        let result = loop {
            let rounds = all.get_mut(dir).expect("a directory that is waited for is known");
            if rounds.served >= number {
                break Ok(());
            }
            if rounds.under_way {
                all = self.ended.wait(all).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            rounds.under_way = true;
            let covers = rounds.asked;
            drop(all);
            let synced = sync(dir);
            all = self.lock();
            let rounds = all.get_mut(dir).expect("a directory that is waited for is known");
            rounds.under_way = false;
            self.ended.notify_all();
            if synced.is_err() {
                // Each of the others tries for itself.
                break synced;
            }
            rounds.served = rounds.served.max(covers);
        };
        let rounds = all.get_mut(dir).expect("a directory that is waited for is known");
        rounds.users -= 1;
        if rounds.users == 0 {
            all.remove(dir);
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Rounds>> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A sync that began before an entry was made does not cover it.
    #[test]
    fn each_is_covered_by_a_sync_that_began_after_it_came() {
        let dirs = Dirs::default();
        let (made, durable) = (AtomicU64::new(0), AtomicU64::new(0));
        let sync = |_: &Path| {
            let there = made.load(Ordering::SeqCst);
            std::thread::yield_now();
            durable.fetch_max(there, Ordering::SeqCst);
            Ok(())
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let number = made.fetch_add(1, Ordering::SeqCst) + 1;
                        dirs.sync_by(Path::new("a"), sync).unwrap();
                        assert!(durable.load(Ordering::SeqCst) >= number);
                    }
                });
            }
        });
        assert!(dirs.lock().is_empty());
    }

    #[test]
    fn an_error_is_told_and_the_next_tries_again() {
        let dirs = Dirs::default();
        let fails = |_: &Path| Err(io::Error::from(io::ErrorKind::StorageFull));
        assert!(dirs.sync_by(Path::new("a"), fails).is_err());
        assert!(dirs.sync_by(Path::new("a"), |_| Ok(())).is_ok());
        assert!(dirs.lock().is_empty());
    }
}
