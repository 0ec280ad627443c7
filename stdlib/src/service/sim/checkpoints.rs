//! Positions and cuts, in memory.

use super::{Shared, lock};
use async_trait::async_trait;
use engine::ctx::Checkpoints;
use engine::fault::Fault;
use engine::sim::Service;
use std::collections::BTreeMap;

/// Values by key.
pub type Values = BTreeMap<String, Vec<u8>>;

/// The client of one life.
pub struct SimCheckpoints {
    pub client: Service,
    pub values: Shared<Values>,
}

#[async_trait]
impl Checkpoints for SimCheckpoints {
    async fn load(&self, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        let (values, key) = (self.values.clone(), key.to_owned());
        self.client.call("load", move |_| lock(&values).get(&key).cloned()).await
    }

    async fn store(&self, pairs: Vec<(String, Option<Vec<u8>>)>) -> Result<(), Fault> {
        let values = self.values.clone();
        let work = super::in_this_life(&self.client, move |_| {
            let mut values = lock(&values);
            for (key, value) in pairs {
                match value {
                    Some(value) => values.insert(key, value),
                    None => values.remove(&key),
                };
            }
        });
        self.client.call("store", work).await?;
        Ok(())
    }
}
