//! Buckets, objects and uploads in memory; the part of S3 that other services use.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::checksum::{Algorithm, md5};
use super::error::Error;
use crate::Shared;
use crate::objects::{ObjectStore, StoreError};
use crate::wire::hex;

/// A checksum that is kept: of the whole object, or of its parts' checksums.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Checksum {
    pub(super) algorithm: Algorithm,
    pub(super) text: String,
    /// `COMPOSITE` rather than `FULL_OBJECT`.
    pub(super) composite: bool,
}

/// An object.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) bytes: Bytes,
    /// Without quotes.
    pub(super) etag: String,
    /// Whole seconds, in milliseconds.
    pub(super) modified_ms: i64,
    /// `content-type` and its like, and the user's metadata.
    pub(super) headers: Vec<(String, String)>,
    pub(super) checksum: Checksum,
}

/// A part of an upload.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) bytes: Bytes,
    pub(super) etag: String,
    pub(super) modified_ms: i64,
    pub(super) checksum: Checksum,
}

/// An upload that is neither complete nor aborted.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) initiated_ms: i64,
    pub(super) headers: Vec<(String, String)>,
    /// As it was declared.
    pub(super) algorithm: Option<Algorithm>,
    pub(super) composite: bool,
    pub(super) parts: BTreeMap<u32, Part>,
}

/// A bucket.
#[derive(Clone, Debug, Default)]
pub(super) struct Bucket {
    pub(super) region: String,
    pub(super) created_ms: i64,
    pub(super) objects: BTreeMap<String, Object>,
    /// By their ids.
    pub(super) uploads: BTreeMap<String, Upload>,
    /// Uploads that became objects, by their ids.
    pub(super) completed: BTreeMap<String, Completed>,
}

/// An upload that became an object: for a while the same request is answered the same.
#[derive(Clone, Debug)]
pub(super) struct Completed {
    pub(super) key: String,
    /// After this time it is forgotten.
    pub(super) until_ms: i64,
    /// Its object's ETag.
    pub(super) etag: String,
    /// The body of the request, and what the answer had inside.
    pub(super) asked: Bytes,
    pub(super) answered: String,
}

/// All buckets by name.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) buckets: BTreeMap<String, Bucket>,
}

impl State {
    /// The bucket, which requests signed for another region do not reach.
    pub(super) fn bucket(&mut self, name: &str, region: &str) -> Result<&mut Bucket, Error> {
        let Some(bucket) = self.buckets.get_mut(name) else {
            return Err(Error::of("NoSuchBucket").with("BucketName", name));
        };
        if bucket.region != region {
            let said = format!(
                "The authorization header is malformed; the region '{region}' is wrong; expecting \
                 '{}'",
                bucket.region
            );
            return Err(
                Error::saying("AuthorizationHeaderMalformed", said).with("Region", &bucket.region)
            );
        }
        Ok(bucket)
    }
}

/// The state that the service and the other services share.
pub struct Buckets {
    pub(super) shared: Arc<Shared>,
    state: Mutex<State>,
}

impl Buckets {
    /// Without buckets.
    pub fn new(shared: Arc<Shared>) -> Buckets {
        Buckets { shared, state: Mutex::default() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The front's time in whole seconds, as S3 keeps it.
    pub(super) fn now_ms(&self) -> i64 {
        self.shared.clock.now_ms().div_euclid(1_000) * 1_000
    }
}

/// An object that came in one piece.
pub(super) fn whole(
    bytes: Bytes,
    modified_ms: i64,
    headers: Vec<(String, String)>,
    given: Option<(Algorithm, String)>,
) -> Object {
    let (algorithm, text) = given.unwrap_or_else(|| {
        let algorithm = Algorithm::Crc64Nvme;
        (algorithm, algorithm.text(&bytes))
    });
    let checksum = Checksum { algorithm, text, composite: false };
    Object { etag: hex(&md5(&bytes)), bytes, modified_ms, headers, checksum }
}

impl ObjectStore for Buckets {
    fn put(&self, bucket: &str, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        let headers = vec![("content-type".into(), "application/octet-stream".into())];
        let object = whole(bytes, self.now_ms(), headers, None);
        let mut state = self.lock();
        let bucket = state.buckets.get_mut(bucket).ok_or(StoreError("NoSuchBucket"))?;
        bucket.objects.insert(key.to_owned(), object);
        Ok(())
    }

    fn get(&self, bucket: &str, key: &str) -> Result<Bytes, StoreError> {
        let state = self.lock();
        let bucket = state.buckets.get(bucket).ok_or(StoreError("NoSuchBucket"))?;
        let object = bucket.objects.get(key).ok_or(StoreError("NoSuchKey"))?;
        Ok(object.bytes.clone())
    }

    fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, StoreError> {
        let state = self.lock();
        let bucket = state.buckets.get(bucket).ok_or(StoreError("NoSuchBucket"))?;
        let keys = bucket.objects.range(prefix.to_owned()..).map(|(key, _)| key);
        Ok(keys.take_while(|key| key.starts_with(prefix)).cloned().collect())
    }
}
