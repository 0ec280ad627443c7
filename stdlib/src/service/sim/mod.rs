//! The services in a simulation: in memory, on the kit of [`engine::sim`].
//!
//! A [`Cloud`] is what outlives the simulated process: what was stored stays, what was under way
//! when the process died may or may not have happened. [`Cloud::outside`] is what one life of the
//! process works on. Deliveries and appends are hidden streams with flows behind them, as those
//! of the local provider are, so that batches, their recorded cuts and the names of objects are
//! exercised too.

mod checkpoints;
pub mod course;
pub mod end;
pub mod faults;
pub mod feed;
mod files;
mod made;
mod network;
mod objects;
mod streams;
mod tables;
pub mod tally;
#[cfg(test)]
mod tests;
pub mod verdict;
mod warehouse;

use crate::outside::{Outside, Threads};
use crate::service::local::delivery::hidden_stream;
use crate::service::local::streams::{append_stream, delivery_stream};
use crate::service::local::{self, streams::StreamPlan};
use crate::service::{Appended, BucketPlace, Delivery, Records, Services, Streams};
use async_trait::async_trait;
use checkpoints::{SimCheckpoints, Values};
use dsl::plan::Plan;
use engine::ctx::Checkpoints;
use engine::fault::Fault;
use engine::sim::{Latency, Service, Touch, World};
use files::Files;
use objects::{Buckets, SimObjects};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
pub use streams::Bug;
use streams::{SimStreams, Stream};
use tables::{SimTables, Table};
use tally::Tally;
use warehouse::{Loads, SimWarehouse};

/// The simulated services by the names that faults know them by.
pub mod name {
    /// Streams, and deliveries, which are streams here.
    pub const STREAMS: &str = "streams";
    /// Buckets.
    pub const OBJECTS: &str = "objects";
    /// Tables with a key.
    pub const TABLES: &str = "tables";
    /// Tables that SQL reads.
    pub const WAREHOUSE: &str = "warehouse";
    /// Positions of sources and cuts of batches.
    pub const CHECKPOINTS: &str = "checkpoints";
    /// Connections between `http.post` and `http.serve`.
    pub const NETWORK: &str = "network";
    /// What `file.write` writes.
    pub const FILES: &str = "files";
}

/// Something of the cloud, shared by its clients of all lives.
type Shared<T> = Arc<Mutex<T>>;

/// Looks into something of the cloud.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Work that a request does only while the process lives that sent it: come later, it would undo
/// what was written since, which no service here can tell.
fn in_this_life<R>(
    client: &Service,
    work: impl FnOnce(&mut Touch) -> R + Send + 'static,
) -> impl FnOnce(&mut Touch) -> Option<R> + Send + 'static {
    let (world, life) = (client.world().clone(), client.world().lives());
    move |touch| (world.lives() == life).then(|| work(touch))
}

/// What all services hold, durably.
#[derive(Clone)]
pub struct Cloud {
    world: World,
    tally: Tally,
    streams: Arc<BTreeMap<String, Shared<Stream>>>,
    buckets: Shared<Buckets>,
    tables: Arc<BTreeMap<String, Shared<Table>>>,
    loads: Shared<Loads>,
    values: Shared<Values>,
    files: Shared<Files>,
    bug: Option<Bug>,
}

/// What one life of a process works on.
pub struct Life {
    /// For the registry.
    pub outside: Outside,
    /// Where sources and batches keep their positions.
    pub checkpoints: Arc<dyn Checkpoints>,
}

impl Cloud {
    /// Empty services for a plan that is prepared (see [`prepare`]).
    ///
    /// # Errors
    /// A resource is not bound, or cannot be held.
    pub fn new(world: &World, plan: &Plan) -> Result<Cloud, Fault> {
        let mut streams = BTreeMap::new();
        for StreamPlan { name, shards, service } in local::stream_plans(plan)? {
            let stream = Stream::new(&name, shards, service);
            streams.insert(name, Arc::new(Mutex::new(stream)));
        }
        let tables = local::table_plans(plan).into_iter();
        let tables = tables.map(|table| (table.name, Shared::<Table>::default())).collect();
        Ok(Cloud {
            world: world.clone(),
            tally: Tally::new(world),
            streams: Arc::new(streams),
            buckets: Shared::default(),
            tables: Arc::new(tables),
            loads: Arc::new(Mutex::new(Loads::of(plan)?)),
            values: Shared::default(),
            files: Shared::default(),
            bug: None,
        })
    }

    /// The same with a bug in it, to see that it is found.
    pub fn with_bug(self, bug: Option<Bug>) -> Cloud {
        Cloud { bug, ..self }
    }

    /// The clients of a process that begins now, in its life; `threads` is how it reads files.
    pub fn life(&self, threads: Threads) -> Life {
        let client = |name: &str| Service::new(&self.world, name, Latency::default());
        let streams = Arc::new(SimStreams {
            client: client(name::STREAMS),
            streams: self.streams.clone(),
            tally: self.tally.clone(),
            bug: self.bug,
        });
        let services = Services {
            // Flows with buffers are not simulated: see `feed::undriven`.
            spills: Arc::default(),
            streams: streams.clone(),
            objects: Arc::new(SimObjects {
                client: client(name::OBJECTS),
                buckets: self.buckets.clone(),
                tally: self.tally.clone(),
            }),
            tables: Arc::new(SimTables {
                // A late write would be taken for the newest: nothing here can tell.
                client: client(name::TABLES).local(),
                tables: self.tables.clone(),
                tally: self.tally.clone(),
            }),
            delivery: Arc::new(SimDelivery { streams }),
            warehouse: Arc::new(SimWarehouse {
                client: client(name::WAREHOUSE),
                loads: self.loads.clone(),
                buckets: self.buckets.clone(),
                tally: self.tally.clone(),
            }),
        };
        let checkpoints = SimCheckpoints {
            client: client(name::CHECKPOINTS).local(),
            values: self.values.clone(),
        };
        Life {
            outside: Outside {
                services: Arc::new(services),
                net: Arc::new(network::SimNet::new(&self.world)),
                threads,
                file_write: files::open(
                    client(name::FILES).local(),
                    self.files.clone(),
                    self.tally.clone(),
                ),
            },
            checkpoints: Arc::new(checkpoints),
        }
    }

    /// What was written, how often.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }
}

/// Adds to a plan what deliveries and appends need, whatever its profile is.
pub fn prepare(plan: &mut Plan) {
    local::add_deliveries(plan);
}

/// Deliveries by way of hidden streams.
struct SimDelivery {
    streams: Arc<SimStreams>,
}

#[async_trait]
impl Delivery for SimDelivery {
    async fn write(&self, delivery: &str, records: Records) -> Result<Appended, Fault> {
        self.streams.append(&delivery_stream(delivery), records).await
    }

    async fn append(&self, place: &BucketPlace, records: Records) -> Result<Appended, Fault> {
        self.streams.append(&append_stream(place), records).await
    }
}

/// The hidden stream behind a resource of a plan, where it has one.
fn hidden(plan: &Plan, resource: usize) -> Option<String> {
    hidden_stream(&plan.resources[resource]).ok()
}
