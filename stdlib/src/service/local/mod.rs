//! The embedded services: durable, in one directory, no account and no server.

pub mod checkpoints;
pub mod disk;
pub mod lock;
pub mod objects;
pub mod sqlite;
pub mod streams;
pub mod tables;
#[cfg(test)]
pub(crate) mod tests;

use crate::service::Services;
use dsl::plan::Plan;
use engine::ctx::{Checkpoints, Clock};
use engine::fault::Fault;
use std::path::Path;
use std::sync::Arc;

/// The services of one directory, held by this process until it is dropped.
pub struct LocalServices {
    /// What the nodes work on.
    pub services: Arc<Services>,
    /// Where sources and batches keep their positions.
    pub checkpoints: Arc<dyn Checkpoints>,
}

/// Opens (and makes, where it is not there) the directory for one run, and repairs what a crash has
/// left. `plan` says which streams and tables there are. Blocks while it reads the directory.
///
/// # Errors
/// Another process runs on it; a file is damaged, of another type or cannot be opened.
pub fn open(dir: &Path, plan: &Plan, clock: Arc<dyn Clock>) -> Result<LocalServices, Fault> {
    let _ = (plan, clock);
    Err(Fault::service("not_ready", format!("this build cannot open {} yet", dir.display())))
}

/// Adds what a local delivery needs to the plan of a run: for each delivery in use a hidden flow
/// that reads what was handed over and fills the bucket.
pub fn add_deliveries(plan: &mut Plan) {
    let _ = plan;
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
