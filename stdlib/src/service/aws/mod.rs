//! The services of AWS, by its SDK: nothing outside of this directory names it.
//!
//! Region, endpoints and credentials come from the SDK's own configuration (environment, profiles,
//! roles); the profile of the `.flow` file may say `region` and `endpoint`. Each call is tried
//! once: retries are the business of the engine's drivers, which count them.

mod appends;
pub mod clients;
mod credentials;
pub mod delivery;
pub mod errors;
pub mod event_id;
mod failpoints;
pub mod inspect;
pub mod leases;
pub mod objects;
pub mod state;
pub mod streams;
pub mod tables;
#[cfg(test)]
pub mod testing;
pub mod tried;
pub mod up;
pub mod warehouse;

use crate::service::{Opened, Services};
use clients::Clients;
use delivery::AwsDelivery;
use dsl::plan::Plan;
use engine::ctx::Clock;
use engine::failpoint::Failpoints;
use engine::fault::Fault;
use objects::{AwsObjects, Sizes};
use state::StateTable;
use std::sync::Arc;
use streams::AwsStreams;
use tables::AwsTables;
use warehouse::AwsWarehouse;

/// Adds to a plan what AWS has no service for.
pub fn prepare(plan: &mut Plan) {
    appends::add_batches(plan);
}

/// Opens the services for one run.
///
/// # Errors
/// No region is known; the state cannot be read; a table's type has no columns in the warehouse.
pub async fn open(
    plan: &Plan,
    clock: Arc<dyn Clock>,
    failpoints: Failpoints,
) -> Result<Opened, Fault> {
    let clients = Clients::with_failpoints(&plan.provider, &failpoints).await?;
    open_with(plan, clients, clock).await
}

/// The same with clients that are there.
///
/// # Errors
/// The state cannot be read; a table's type has no columns in the warehouse.
pub async fn open_with(
    plan: &Plan,
    clients: Clients,
    clock: Arc<dyn Clock>,
) -> Result<Opened, Fault> {
    let checkpoints = Arc::new(StateTable::new(clients.dynamodb.clone(), plan, clock.clone()));
    let (state, sizes) = (checkpoints.clone(), Sizes::default());
    let objects = AwsObjects::open(&clients, plan, state, clock, sizes).await?;
    let services = Services {
        streams: Arc::new(AwsStreams::new(plan, &clients)?),
        objects: Arc::new(objects),
        tables: Arc::new(AwsTables::new(&clients)),
        delivery: Arc::new(AwsDelivery::new(&clients, plan)),
        warehouse: Arc::new(AwsWarehouse::open(plan, &clients)?),
        spills: Arc::default(),
    };
    Ok(Opened { services: Arc::new(services), checkpoints, held: Box::new(clients) })
}

/// The table of leases and positions of a plan.
pub fn state_table(plan: &Plan) -> String {
    let stem = std::path::Path::new(&plan.file).file_stem();
    let stem = stem.map_or("flow".into(), |stem| stem.to_string_lossy());
    let legal = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '-' };
    let named = || format!("flowc-{}", stem.chars().map(legal).collect::<String>());
    plan.provider.state.clone().unwrap_or_else(named)
}
