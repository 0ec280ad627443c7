//! Buckets in memory: objects by key, in order of arrival, never replaced.

use super::tally::Tally;
use super::{Shared, lock};
use crate::level::Level;
use crate::service::{Listed, ObjectInfo, Objects, Put, object_key};
use async_trait::async_trait;
use bytes::Bytes;
use engine::batch::Partition;
use engine::fault::Fault;
use engine::sim::Service;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All buckets, by name.
#[derive(Default)]
pub struct Buckets {
    pub buckets: BTreeMap<String, Bucket>,
}

/// One bucket.
#[derive(Default)]
pub struct Bucket {
    pub objects: BTreeMap<String, Bytes>,
    order: Vec<ObjectInfo>,
    next: Arc<Level>,
}

impl Bucket {
    fn put(&mut self, bucket: &str, key: &str, content: Bytes, now_ns: i64) -> Result<Put, Fault> {
        match self.objects.get(key) {
            Some(there) if *there == content => return Ok(Put::AlreadyStored),
            Some(_) => return Err(object_key::conflict(bucket, key)),
            None => {}
        }
        self.order.push(ObjectInfo {
            seq: self.order.len() as u64,
            key: key.to_owned(),
            size: content.len() as u64,
            etag: blake3::hash(&content).to_hex()[..32].to_owned(),
            arrival_ns: now_ns,
        });
        self.objects.insert(key.to_owned(), content);
        self.next.rise(self.order.len() as u64);
        Ok(Put::Stored)
    }

    fn list(&self, prefix: &str, from: u64, max: usize) -> Listed {
        let behind = self.order.iter().skip(from as usize);
        let objects: Vec<ObjectInfo> =
            behind.filter(|object| object.key.starts_with(prefix)).take(max).cloned().collect();
        let next = match objects.last() {
            Some(last) if objects.len() == max => last.seq + 1,
            _ => self.order.len() as u64,
        };
        Listed { objects, next }
    }
}

/// What the tally knows an object by: its bucket and directory.
fn tallied_as(bucket: &str, key: &str) -> String {
    let dir = key.rfind('/').map_or("", |at| &key[..=at]);
    format!("{bucket}/{dir}")
}

/// The client of one life.
pub struct SimObjects {
    pub client: Service,
    pub buckets: Shared<Buckets>,
    pub tally: Tally,
}

#[async_trait]
impl Objects for SimObjects {
    fn partition(&self, bucket: &str) -> Arc<Partition> {
        let hash = blake3::hash(format!("simulated bucket\n{bucket}").as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&hash.as_bytes()[..16]);
        Arc::new(Partition { id, name: bucket.to_owned() })
    }

    async fn put(&self, bucket: &str, key: &str, content: Bytes) -> Result<Put, Fault> {
        object_key::check(bucket, key)?;
        let (buckets, tally) = (self.buckets.clone(), self.tally.clone());
        let (name, key) = (bucket.to_owned(), key.to_owned());
        let world = self.client.world().clone();
        let place = tallied_as(bucket, &key);
        let told = place.clone();
        let put = move |_: &mut _| {
            let now_ns = world.wall_ns();
            let mut buckets = lock(&buckets);
            let bucket = buckets.buckets.entry(name.clone()).or_default();
            let put = bucket.put(&name, &key, content, now_ns);
            let (stored, again) = match &put {
                Ok(Put::Stored) => (1, 0),
                Ok(Put::AlreadyStored) => (0, 1),
                Err(_) => (0, 0),
            };
            tally.arrived(&place, stored, again);
            world.event(&format!("put {name}/{key}"), &[stored, again]);
            put
        };
        let put = self.client.call("put", put).await??;
        self.tally.told(&told, 1);
        Ok(put)
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        from: u64,
        max: usize,
    ) -> Result<Listed, Fault> {
        let buckets = self.buckets.clone();
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        let list = move |_: &mut _| {
            lock(&buckets).buckets.entry(bucket).or_default().list(&prefix, from, max)
        };
        self.client.call("list", list).await
    }

    async fn arrived(&self, bucket: &str, from: u64) -> Result<(), Fault> {
        let next = {
            let mut buckets = lock(&self.buckets);
            buckets.buckets.entry(bucket.to_owned()).or_default().next.clone()
        };
        next.reached(from + 1).await;
        Ok(())
    }
}
