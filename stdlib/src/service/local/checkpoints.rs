//! Positions of sources and cuts of batches, in `checkpoints.sqlite`.
//!
//! All stores that wait while one is under way become durable together, by one sync.

use super::sqlite::{Db, Layout};
use async_trait::async_trait;
use engine::ctx::Checkpoints;
use engine::failpoint::Failpoints;
use engine::fault::Fault;
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

const SCHEMA: &str = "
    create table if not exists checkpoints (
        key text primary key, value blob not null
    ) without rowid";

/// The checkpoints of one directory.
pub struct LocalCheckpoints {
    db: Arc<Db>,
    waiting: Arc<Mutex<Waiting>>,
    failpoints: Failpoints,
}

/// Keys and their new values; `None` = without.
type Pairs = Vec<(String, Option<Vec<u8>>)>;

/// The stores that are to be written next. Each of the few nodes of a run waits for its own.
#[derive(Default)]
struct Waiting {
    stores: Vec<(Pairs, oneshot::Sender<Result<(), Fault>>)>,
    /// Somebody writes, and will take what has come meanwhile.
    is_taken: bool,
}

impl LocalCheckpoints {
    /// Opens them. Blocks.
    ///
    /// # Errors
    /// The file cannot be opened or is damaged.
    pub fn open(dir: &Path, failpoints: &Failpoints) -> Result<LocalCheckpoints, Fault> {
        let db = Db::open(&dir.join("checkpoints.sqlite"), SCHEMA, Layout::SMALL)?;
        Ok(LocalCheckpoints { db, waiting: Arc::default(), failpoints: failpoints.clone() })
    }
}

impl LocalCheckpoints {
    /// By partition, how far the reader is that has come furthest.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn positions(&self) -> Result<BTreeMap<[u8; 16], u64>, Fault> {
        let sql =
            "select key, value from checkpoints where key >= 'position/' and key < 'position0'";
        let rows: Vec<(String, Vec<u8>)> = self.db.now("read", |connection| {
            let mut select = connection.prepare(sql)?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })?;
        let mut positions: BTreeMap<[u8; 16], u64> = BTreeMap::new();
        for (key, value) in rows {
            let hex = key.rsplit('/').next().and_then(|hex| u128::from_str_radix(hex, 16).ok());
            let (Some(id), Ok(value)) = (hex, <[u8; 8]>::try_from(value)) else { continue };
            let furthest = positions.entry(id.to_be_bytes()).or_default();
            *furthest = (*furthest).max(u64::from_le_bytes(value));
        }
        Ok(positions)
    }
}

/// Writes what waits until nothing does.
struct Turn {
    db: Arc<Db>,
    waiting: Arc<Mutex<Waiting>>,
    failpoints: Failpoints,
    is_over: bool,
}

impl Turn {
    fn write(mut self) {
        loop {
            let stores = {
                let mut waiting = lock(&self.waiting);
                // Said together: a store that comes later has a turn of its own.
                waiting.is_taken = !waiting.stores.is_empty();
                std::mem::take(&mut waiting.stores)
            };
            if stores.is_empty() {
                self.is_over = true;
                return;
            }
            let (pairs, answers): (Vec<Pairs>, Vec<_>) = stores.into_iter().unzip();
            let store = |connection: &mut Connection| store(connection, &pairs);
            let stored = self.failpoints.pass("checkpoint.store");
            let stored = stored.and_then(|()| self.db.now("write a checkpoint to", store));
            let stored = stored.and_then(|()| self.failpoints.pass("checkpoint.stored"));
            for answer in answers {
                // A caller that has gone away is told nothing; its pairs are stored.
                let _ = answer.send(stored.clone());
            }
        }
    }
}

impl Drop for Turn {
    /// A turn that was broken off: those that wait are told so, and the next store finds nobody at
    /// work.
    fn drop(&mut self) {
        if !self.is_over {
            let mut waiting = lock(&self.waiting);
            waiting.stores.clear();
            waiting.is_taken = false;
        }
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stores all pairs, in order, in one transaction.
fn store(connection: &mut Connection, stores: &[Pairs]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for (key, value) in stores.iter().flatten() {
        match value {
            Some(value) => transaction
                .prepare_cached("insert or replace into checkpoints values (?1, ?2)")?
                .execute((key, value))?,
            None => transaction
                .prepare_cached("delete from checkpoints where key = ?1")?
                .execute([key])?,
        };
    }
    transaction.commit()
}

#[async_trait]
impl Checkpoints for LocalCheckpoints {
    async fn load(&self, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        let key = key.to_owned();
        let load = move |connection: &mut Connection| {
            connection
                .prepare_cached("select value from checkpoints where key = ?1")?
                .query_row([key], |row| row.get(0))
                .optional()
        };
        self.db.call("read a checkpoint from", load).await
    }

    async fn store(&self, pairs: Pairs) -> Result<(), Fault> {
        let (reply, answer) = oneshot::channel();
        let is_mine = {
            let mut waiting = lock(&self.waiting);
            waiting.stores.push((pairs, reply));
            !std::mem::replace(&mut waiting.is_taken, true)
        };
        if is_mine {
            let (db, waiting) = (self.db.clone(), self.waiting.clone());
            let turn = Turn { db, waiting, failpoints: self.failpoints.clone(), is_over: false };
            tokio::task::spawn_blocking(move || turn.write());
        }
        answer.await.map_err(|_| Fault::service("closed", "the run has ended"))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn values_survive_a_reopen() {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalCheckpoints::open(dir.path(), &Failpoints::default()).unwrap();
        let pair = |key: &str, value: Option<&[u8]>| (key.to_owned(), value.map(<[u8]>::to_vec));
        store.store(vec![pair("a", Some(b"1")), pair("b", Some(b"2"))]).await.unwrap();
        store.store(vec![pair("a", Some(b"3")), pair("b", None)]).await.unwrap();
        drop(store);
        let store = LocalCheckpoints::open(dir.path(), &Failpoints::default()).unwrap();
        assert_eq!(store.load("a").await.unwrap(), Some(b"3".to_vec()));
        assert_eq!(store.load("b").await.unwrap(), None);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_at_once_are_all_stored() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(LocalCheckpoints::open(dir.path(), &Failpoints::default()).unwrap());
        let tasks: Vec<_> = (0..32u8)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move {
                    for value in 0..8 {
                        let pair = (format!("k{n}"), Some(vec![n, value]));
                        store.store(vec![pair]).await.unwrap();
                        let loaded = store.load(&format!("k{n}")).await.unwrap();
                        assert_eq!(loaded, Some(vec![n, value]), "durable when it returns");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(lock(&store.waiting).stores.is_empty());
    }

    #[tokio::test]
    async fn a_fault_is_told_to_all_and_the_next_is_tried() {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalCheckpoints::open(dir.path(), &Failpoints::default()).unwrap();
        let pair = || vec![("a".to_owned(), Some(vec![1]))];
        store.db.lock().pragma_update(None, "query_only", true).unwrap();
        let (first, second) = tokio::join!(store.store(pair()), store.store(pair()));
        assert!(first.is_err() && second.is_err());
        store.db.lock().pragma_update(None, "query_only", false).unwrap();
        assert_eq!(store.store(pair()).await, Ok(()));
    }
}
