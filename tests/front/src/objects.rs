//! Objects as the other services see them: Firehose writes some, COPY reads some.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// Why an object could not be had: `NoSuchBucket` or `NoSuchKey`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError(pub &'static str);

/// The part of S3 that other services use.
pub trait ObjectStore: Send + Sync {
    /// Writes an object, over one that is there.
    fn put(&self, bucket: &str, key: &str, bytes: Bytes) -> Result<(), StoreError>;
    /// An object's bytes.
    fn get(&self, bucket: &str, key: &str) -> Result<Bytes, StoreError>;
    /// The keys that begin with `prefix`, in order.
    fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, StoreError>;
}

/// Objects in memory; a bucket is made by its first object.
#[derive(Debug, Default)]
pub struct MemoryObjects(Mutex<BTreeMap<(String, String), Bytes>>);

impl MemoryObjects {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, String), Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ObjectStore for MemoryObjects {
    fn put(&self, bucket: &str, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.lock().insert((bucket.to_owned(), key.to_owned()), bytes);
        Ok(())
    }

    fn get(&self, bucket: &str, key: &str) -> Result<Bytes, StoreError> {
        let at = (bucket.to_owned(), key.to_owned());
        self.lock().get(&at).cloned().ok_or(StoreError("NoSuchKey"))
    }

    fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, StoreError> {
        let all = self.lock();
        let of_bucket = all.keys().filter(|(of, key)| of == bucket && key.starts_with(prefix));
        Ok(of_bucket.map(|(_, key)| key.clone()).collect())
    }
}
