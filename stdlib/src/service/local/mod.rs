//! The embedded services: durable, in one directory, no account and no server.
//!
//! | file | holds |
//! |---|---|
//! | `lock` | the process that runs on the directory |
//! | `s3/<bucket>/<key>` | objects, as plain files |
//! | `streams/<name>/<shard>/<offset>.seg` | streams |
//! | `deliveries/<name>/…`, `appends/<bucket>/…` | what waits to become objects, as streams |
//! | `tables.sqlite` | tables with items |
//! | `warehouse.sqlite` | tables for SQL |
//! | `checkpoints.sqlite` | positions of sources, cuts of batches |
//! | `objects.sqlite` | the order in which objects arrived |

pub mod checkpoints;
pub mod delivery;
pub mod disk;
pub mod lock;
pub mod objects;
pub mod sqlite;
pub mod sqlite_sql;
pub mod streams;
pub mod tables;
#[cfg(test)]
pub(crate) mod tests;
pub mod warehouse;

pub use delivery::add_deliveries;

use crate::service::{Opened, Services, physical_name};
use checkpoints::LocalCheckpoints;
use delivery::{LocalDelivery, hidden_stream};
use dsl::ast::ResourceKind;
use dsl::plan::{Plan, PlanResource};
use dsl::value::Value;
use engine::ctx::Clock;
use engine::failpoint::Failpoints;
use engine::fault::Fault;
use objects::LocalObjects;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use streams::refuse::Service;
use streams::tail::TailOptions;
use streams::{LocalStreams, OpenOptions, StreamPlan};
use tables::{LocalTables, TablePlan};
use warehouse::LocalWarehouse;

/// Opens (and makes, where it is not there) the directory for one run, and repairs what a crash has
/// left. `plan` says which streams, tables and buckets there are; what it does not use is not
/// opened. Blocks while it reads the directory.
///
/// # Errors
/// Another process runs on it; a file is damaged, of another type or cannot be opened.
pub fn open(dir: &Path, plan: &Plan, clock: Arc<dyn Clock>) -> Result<Opened, Fault> {
    open_with(dir, plan, clock, &Failpoints::default())
}

/// The same with failpoints.
///
/// # Errors
/// Those of [`open`], and those of the failpoints.
pub fn open_with(
    dir: &Path,
    plan: &Plan,
    clock: Arc<dyn Clock>,
    failpoints: &Failpoints,
) -> Result<Opened, Fault> {
    disk::make_dir(dir)?;
    let lock = lock::take(dir, clock.now_ns())?;
    let checkpoints = LocalCheckpoints::open(dir, failpoints)?;
    let options = OpenOptions {
        tails: TailOptions { failpoints: failpoints.clone(), ..TailOptions::default() },
        positions: checkpoints.positions()?,
    };
    let streams = Arc::new(LocalStreams::open(dir, stream_plans(plan)?, &clock, &options)?);
    let services = Services {
        streams: streams.clone(),
        objects: Arc::new(LocalObjects::open(dir, has_objects(plan), clock.clone(), failpoints)?),
        tables: Arc::new(LocalTables::open(dir, table_plans(plan), failpoints)?),
        delivery: Arc::new(LocalDelivery::new(streams)),
        warehouse: Arc::new(LocalWarehouse::open(dir, plan, clock, failpoints)?),
        spills: Arc::default(),
    };
    Ok(Opened {
        services: Arc::new(services),
        checkpoints: Arc::new(checkpoints),
        held: Box::new(lock),
    })
}

/// Whether there may be objects: in a bucket, of a delivery, or what a warehouse loads.
fn has_objects(plan: &Plan) -> bool {
    let resources = plan.graph.node_weights().filter_map(|node| node.resource);
    let mut kinds = resources.map(|index| plan.resources[index].kind);
    kinds.any(|kind| kind != ResourceKind::Stream)
}

/// The streams that the nodes of a plan use, the hidden ones too.
pub(super) fn stream_plans(plan: &Plan) -> Result<Vec<StreamPlan>, Fault> {
    let mut plans: BTreeMap<String, StreamPlan> = BTreeMap::new();
    for node in plan.graph.node_weights() {
        let Some(resource) = node.resource.map(|index| &plan.resources[index]) else { continue };
        let (name, service) = match (resource.kind, node.op.as_str()) {
            (ResourceKind::Stream, _) => (physical_name(resource)?.to_owned(), Service::Kinesis),
            (ResourceKind::Delivery, _) => (hidden_stream(resource)?, Service::Firehose),
            (_, "bucket.append") => (hidden_stream(resource)?, Service::Bucket),
            _ => continue,
        };
        if plans.contains_key(&name) {
            continue;
        }
        let shards = match resource.kind {
            ResourceKind::Stream => shards(resource)?,
            _ => 1,
        };
        plans.insert(name.clone(), StreamPlan { name, shards, service });
    }
    Ok(plans.into_values().collect())
}

fn shards(resource: &PlanResource) -> Result<u32, Fault> {
    let option = resource.binding.as_ref().and_then(|binding| binding.options.get("shards"));
    let shards = option.and_then(Value::as_int).unwrap_or(1);
    u32::try_from(shards).ok().filter(|shards| (1..=256).contains(shards)).ok_or_else(|| {
        let message = format!("stream `{}` cannot have {shards} shards", resource.name);
        Fault::service("stream_shards", message).help("a local stream has 1 to 256 shards")
    })
}

/// The tables with items; those of a warehouse are its own.
pub(super) fn table_plans(plan: &Plan) -> Vec<TablePlan> {
    let bound = plan.resources.iter().filter_map(|resource| {
        let binding = resource.binding.as_ref()?;
        (resource.kind == ResourceKind::Table && binding.service != "redshift")
            .then_some((resource, binding))
    });
    bound
        .map(|(resource, binding)| {
            let record = resource.ty.record();
            let ty = |name: &String| {
                let field = record.and_then(|record| record.field(name));
                field.map_or(dsl::ty::Ty::Text, |field| field.ty.clone())
            };
            let key = resource.key.iter().map(|name| (name.clone(), ty(name))).collect();
            TablePlan { name: binding.name.clone(), key }
        })
        .collect()
}

/// Runs code that waits for the disk, off the threads of the run.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Fault::service("closed", "the run has ended")),
    }
}
