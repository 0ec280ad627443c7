//! What is asked of a stream once: its name in the world, its limits, its shards.

use super::hash::ShardMap;
use crate::service::aws::errors::fault;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::Shard;
use engine::fault::{Fault, FaultClass};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::OnceCell;

/// Shards of one page of a listing at most.
const PAGE: i32 = 1000;

/// A stream that a run uses.
#[derive(Debug)]
pub struct Stream {
    /// Its physical name.
    pub name: String,
    client: Client,
    facts: OnceCell<Facts>,
    /// The run may not look at it, and need not ask again.
    denied: AtomicBool,
    map: RwLock<Option<Arc<ShardMap>>>,
    /// By shard, when it may be read next, nanoseconds since 1970 UTC.
    turns: Mutex<BTreeMap<String, i64>>,
}

/// What does not change as long as the stream lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its ARN.
    pub arn: String,
    /// When it was made, milliseconds since 1970 UTC.
    pub created_ms: i64,
    /// Bytes of a record and its key at most.
    pub record_bytes_max: usize,
}

impl Stream {
    /// A stream, of which nothing is known yet.
    pub fn new(name: &str, client: Client) -> Stream {
        Stream {
            name: name.to_owned(),
            client,
            facts: OnceCell::new(),
            denied: AtomicBool::new(false),
            map: RwLock::default(),
            turns: Mutex::default(),
        }
    }

    /// The client that it is reached by.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What AWS says of it; asked once.
    ///
    /// # Errors
    /// There is no such stream, or it cannot be asked.
    pub async fn facts(&self) -> Result<&Facts, Fault> {
        self.facts.get_or_try_init(|| self.describe()).await
    }

    /// Bytes of a record and its key at most. Who may write but not look gets the smallest limit.
    ///
    /// # Errors
    /// There is no such stream, or it cannot be asked.
    pub async fn record_bytes_max(&self) -> Result<usize, Fault> {
        if self.denied.load(Ordering::Relaxed) {
            return Ok(smallest_limit());
        }
        match self.facts().await {
            Ok(facts) => Ok(facts.record_bytes_max),
            Err(fault) if fault.code.starts_with("AccessDenied") => {
                self.denied.store(true, Ordering::Relaxed);
                Ok(smallest_limit())
            }
            Err(fault) => Err(fault),
        }
    }

    async fn describe(&self) -> Result<Facts, Fault> {
        let what = format!("look at stream `{}`", self.name);
        let answer = self.client.describe_stream_summary().stream_name(&self.name).send().await;
        let answer = answer.map_err(|error| fault(&what, error))?;
        let Some(summary) = answer.stream_description_summary else {
            return Err(Fault::transient("answer", format!("cannot {what}: the answer is empty")));
        };
        let kib = summary.max_record_size_in_kib.and_then(|kib| usize::try_from(kib).ok());
        Ok(Facts {
            arn: summary.stream_arn,
            created_ms: summary.stream_creation_timestamp.to_millis().unwrap_or(0),
            record_bytes_max: kib.map_or(smallest_limit(), |kib| kib << 10),
        })
    }

    /// All shards that it still has, of all pages.
    ///
    /// # Errors
    /// They cannot be listed.
    pub async fn list(&self) -> Result<Vec<Shard>, Fault> {
        let what = format!("list the shards of stream `{}`", self.name);
        let mut shards = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let ask = self.client.list_shards().max_results(PAGE);
            let ask = match token.take() {
                Some(token) => ask.next_token(token),
                None => ask.stream_name(&self.name),
            };
            match ask.send().await {
                Ok(page) => {
                    shards.extend(page.shards.unwrap_or_default());
                    token = page.next_token.filter(|token| !token.is_empty());
                }
                Err(error) => {
                    let fault = fault(&what, error);
                    // A token lives for five minutes: the next try begins anew.
                    let expired = fault.code == "ExpiredNextTokenException";
                    let class = if expired { FaultClass::Transient } else { fault.class };
                    return Err(Fault { class, ..fault });
                }
            }
            if token.is_none() {
                return Ok(shards);
            }
        }
    }

    /// The shards that take records; listed when it is first asked.
    ///
    /// # Errors
    /// They cannot be listed.
    pub async fn shard_map(&self) -> Result<Arc<ShardMap>, Fault> {
        let known = self.map.read().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(map) => Ok(map),
            None => self.refresh().await,
        }
    }

    /// How long to wait for a turn to read a shard: all readers of this process share its pace.
    pub fn turn(&self, shard: &str, now_ns: i64, pace: Duration) -> Duration {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let next = turns.entry(shard.to_owned()).or_insert(now_ns);
        let turn = (*next).max(now_ns);
        *next = turn.saturating_add(i64::try_from(pace.as_nanos()).unwrap_or(i64::MAX));
        Duration::from_nanos(turn.abs_diff(now_ns))
    }

    /// Lists the shards that take records again.
    ///
    /// # Errors
    /// They cannot be listed.
    pub async fn refresh(&self) -> Result<Arc<ShardMap>, Fault> {
        let map = Arc::new(ShardMap::new(&self.list().await?));
        *self.map.write().unwrap_or_else(PoisonError::into_inner) = Some(map.clone());
        Ok(map)
    }
}

/// What a record may have where the stream does not say more.
fn smallest_limit() -> usize {
    dsl::quotas::aws().limit("kinesis.record").max as usize
}
