//! The checkpoints of a simulated run: each store is done whole or not at all.

use async_trait::async_trait;
use engine::ctx::Checkpoints;
use engine::fault::Fault;
use engine::sim::{Latency, Service, World};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What outlives the process; a clone is the same.
#[derive(Clone)]
pub struct Stored {
    service: Service,
    values: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl Stored {
    pub fn new(world: &World) -> Stored {
        let (least, most) = (Duration::ZERO, Duration::from_millis(15));
        let latency = Latency { least, most, ..Latency::default() };
        let service = Service::new(world, "checkpoints", latency).local();
        Stored { service, values: Arc::default() }
    }
}

#[async_trait]
impl Checkpoints for Stored {
    async fn load(&self, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        let (values, key) = (self.values.clone(), key.to_owned());
        self.service.call("load", move |_| values.lock().unwrap().get(&key).cloned()).await
    }

    async fn store(&self, pairs: Vec<(String, Option<Vec<u8>>)>) -> Result<(), Fault> {
        let values = self.values.clone();
        let store = move |_: &mut engine::sim::Touch| {
            let mut values = values.lock().unwrap();
            for (key, value) in pairs {
                match value {
                    Some(value) => values.insert(key, value),
                    None => values.remove(&key),
                };
            }
        };
        self.service.call("store", store).await
    }
}
