//! Positions of sources and cuts of batches, in `checkpoints.sqlite`.

use super::sqlite::Db;
use async_trait::async_trait;
use engine::ctx::Checkpoints;
use engine::fault::Fault;
use rusqlite::OptionalExtension;
use std::path::Path;
use std::sync::Arc;

const SCHEMA: &str = "
    create table if not exists checkpoints (
        key text primary key, value blob not null
    ) without rowid";

/// The checkpoints of one directory.
pub struct LocalCheckpoints {
    db: Arc<Db>,
}

impl LocalCheckpoints {
    /// Opens them. Blocks.
    ///
    /// # Errors
    /// The file cannot be opened or is damaged.
    pub fn open(dir: &Path) -> Result<LocalCheckpoints, Fault> {
        Ok(LocalCheckpoints { db: Db::open(&dir.join("checkpoints.sqlite"), SCHEMA)? })
    }
}

#[async_trait]
impl Checkpoints for LocalCheckpoints {
    async fn load(&self, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        let key = key.to_owned();
        let load = move |connection: &mut rusqlite::Connection| {
            connection
                .prepare_cached("select value from checkpoints where key = ?1")?
                .query_row([key], |row| row.get(0))
                .optional()
        };
        self.db.call("read a checkpoint from", load).await
    }

    async fn store(&self, pairs: Vec<(String, Option<Vec<u8>>)>) -> Result<(), Fault> {
        let store = move |connection: &mut rusqlite::Connection| {
            let transaction = connection.transaction()?;
            for (key, value) in pairs {
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
        };
        self.db.call("write a checkpoint to", store).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn values_survive_a_reopen() {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalCheckpoints::open(dir.path()).unwrap();
        let pair = |key: &str, value: Option<&[u8]>| (key.to_owned(), value.map(<[u8]>::to_vec));
        store.store(vec![pair("a", Some(b"1")), pair("b", Some(b"2"))]).await.unwrap();
        store.store(vec![pair("a", Some(b"3")), pair("b", None)]).await.unwrap();
        drop(store);
        let store = LocalCheckpoints::open(dir.path()).unwrap();
        assert_eq!(store.load("a").await.unwrap(), Some(b"3".to_vec()));
        assert_eq!(store.load("b").await.unwrap(), None);
    }
}
