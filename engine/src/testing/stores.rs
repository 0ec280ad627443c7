//! Checkpoints in memory.

use crate::ctx::Checkpoints;
use crate::fault::Fault;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// Checkpoints that live as long as the value; a clone is the same store.
#[derive(Clone, Debug, Default)]
pub struct MemoryCheckpoints {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    values: BTreeMap<String, Vec<u8>>,
    stores: u64,
    fault: Option<Fault>,
}

impl MemoryCheckpoints {
    /// All keys and values.
    pub fn all(&self) -> BTreeMap<String, Vec<u8>> {
        self.inner().values.clone()
    }

    /// How many stores have succeeded.
    pub fn stores(&self) -> u64 {
        self.inner().stores
    }

    /// From now on every call fails with this; `None` = works again.
    pub fn fail_with(&self, fault: Option<Fault>) {
        self.inner().fault = fault;
    }

    /// A new store with the same values: what another process would find.
    pub fn copy(&self) -> MemoryCheckpoints {
        let inner = Inner { values: self.all(), ..Inner::default() };
        MemoryCheckpoints { inner: Arc::new(Mutex::new(inner)) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[async_trait]
impl Checkpoints for MemoryCheckpoints {
    async fn load(&self, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        let inner = self.inner();
        match &inner.fault {
            Some(fault) => Err(fault.clone()),
            None => Ok(inner.values.get(key).cloned()),
        }
    }

    async fn store(&self, pairs: Vec<(String, Option<Vec<u8>>)>) -> Result<(), Fault> {
        let mut inner = self.inner();
        if let Some(fault) = &inner.fault {
            return Err(fault.clone());
        }
        inner.stores += 1;
        for (key, value) in pairs {
            match value {
                Some(value) => inner.values.insert(key, value),
                None => inner.values.remove(&key),
            };
        }
        Ok(())
    }
}
