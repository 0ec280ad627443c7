//! Objects in S3. A put never replaces an object; readers get them in an order of arrival that is
//! kept beside them, as S3 has none.

mod arrivals;
mod multipart;
mod order;
mod put;

use super::clients::Clients;
use super::errors;
use super::state::StateTable;
use crate::service::{Listed, Objects, Put, object_key};
use arrivals::Arrivals;
use async_trait::async_trait;
use bytes::Bytes;
use dsl::plan::Plan;
use engine::batch::Partition;
use engine::ctx::{Checkpoints, Clock};
use engine::fault::Fault;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Larger objects are put in parts; a request of this size can be sent again as a whole.
const ONE_REQUEST_BYTES: usize = 64 << 20;
/// Bytes of a part; S3 takes 5 MiB to 5 GiB, and 10,000 of them.
const PART_BYTES: usize = 16 << 20;
/// Puts under way at once, for each node: a put waits for tens of milliseconds.
const PUTS_AT_ONCE: usize = 16;
/// The key of what tells the numberings of one state table from those of another.
const EPOCH: &str = "objects/epoch";

/// Where a put goes over to parts.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Bytes that are put in one request at most.
    pub one_request: usize,
    /// Bytes of a part of a larger object.
    pub part: usize,
}

impl Default for Sizes {
    fn default() -> Sizes {
        Sizes { one_request: ONE_REQUEST_BYTES, part: PART_BYTES }
    }
}

/// The buckets of one account.
pub struct AwsObjects {
    s3: aws_sdk_s3::Client,
    sizes: Sizes,
    state: Arc<StateTable>,
    clock: Arc<dyn Clock>,
    epoch: Vec<u8>,
    buckets: Mutex<BTreeMap<String, Arc<Arrivals>>>,
}

impl AwsObjects {
    /// The buckets, with the order of arrival that `state` keeps of those that the plan reads.
    ///
    /// # Errors
    /// The state cannot be read or written.
    pub async fn open(
        clients: &Clients,
        plan: &Plan,
        state: Arc<StateTable>,
        clock: Arc<dyn Clock>,
        sizes: Sizes,
    ) -> Result<AwsObjects, Fault> {
        let reads = plan.graph.node_weights().any(|node| node.op == "bucket.read");
        let epoch = if reads { epoch(&state).await? } else { Vec::new() };
        let (s3, buckets) = (clients.s3.clone(), Mutex::default());
        Ok(AwsObjects { s3, sizes, state, clock, epoch, buckets })
    }

    fn arrivals(&self, bucket: &str) -> Arc<Arrivals> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let (s3, state) = (self.s3.clone(), self.state.clone());
            Arc::new(Arrivals::new(s3, state, bucket))
        };
        buckets.entry(bucket.to_owned()).or_insert_with(new).clone()
    }
}

/// Made with the first numbering of a state table. Of two runs that make it at once, one wins.
async fn epoch(state: &StateTable) -> Result<Vec<u8>, Fault> {
    loop {
        if let Some(epoch) = state.load(EPOCH).await? {
            return Ok(epoch);
        }
        state.swap(EPOCH, None, &fastrand::u128(..).to_le_bytes()).await?;
    }
}

#[async_trait]
impl Objects for AwsObjects {
    fn partition(&self, bucket: &str) -> Arc<Partition> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"s3\n").update(bucket.as_bytes()).update(b"\n").update(&self.epoch);
        let hash = hasher.finalize();
        let id = hash.as_bytes()[..16].try_into().expect("sixteen of thirty-two bytes");
        Arc::new(Partition { id, name: bucket.to_owned() })
    }

    async fn put(&self, bucket: &str, key: &str, content: Bytes) -> Result<Put, Fault> {
        object_key::check(bucket, key)?;
        let put = put::Putting::new(&self.s3, bucket, key, content);
        match put.content.len() > self.sizes.one_request {
            true => multipart::put(&put, self.sizes.part).await,
            false => put.in_one_request().await,
        }
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        from: u64,
        max: usize,
    ) -> Result<Listed, Fault> {
        self.arrivals(bucket).list(prefix, from, max).await
    }

    async fn keys(
        &self,
        bucket: &str,
        prefix: &str,
        after: &str,
        max: usize,
    ) -> Result<Vec<String>, Fault> {
        let what = format!("list `s3://{bucket}/{prefix}`");
        let page = i32::try_from(max.clamp(1, 1000)).unwrap_or(1000);
        let list = self.s3.list_objects_v2().bucket(bucket).prefix(prefix).max_keys(page);
        let list = if after.is_empty() { list } else { list.start_after(after) };
        let listed = list.send().await.map_err(|error| errors::fault(&what, error))?;
        let keys = listed.contents.unwrap_or_default().into_iter().filter_map(|it| it.key);
        Ok(keys.collect())
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, Fault> {
        let what = format!("read `s3://{bucket}/{key}`");
        let object = match self.s3.get_object().bucket(bucket).key(key).send().await {
            Ok(object) => object,
            Err(error) if error.as_service_error().is_some_and(|e| e.is_no_such_key()) => {
                return Ok(None);
            }
            Err(error) => return Err(errors::fault(&what, error)),
        };
        let content =
            object.body.collect().await.map_err(|error| {
                Fault::transient("connection", format!("cannot {what}: {error}"))
            })?;
        Ok(Some(content.into_bytes()))
    }

    async fn arrived(&self, bucket: &str, _from: u64) -> Result<(), Fault> {
        let wait: Duration = self.arrivals(bucket).next_poll();
        self.clock.sleep(wait).await;
        Ok(())
    }

    fn puts_at_once(&self) -> usize {
        PUTS_AT_ONCE
    }
}
