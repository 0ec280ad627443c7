//! Buffers on disk: what `spill` is made of, whatever the provider.
//!
//! In the plan of a run, a `spill` becomes a sink that appends to a log and a hidden source that
//! reads it, so retries, acknowledgements and positions are those of any flow. What the sink says
//! is stored is durable, and the source goes on where it was.

mod beside;
pub mod codec;
pub mod cursor;
pub mod log;
mod plan;
pub mod position;
pub mod read;
pub mod recover;
pub mod scan;
#[cfg(test)]
mod tests;
pub mod write;

pub use plan::add_buffers;

use crate::service::local::{disk, lock};
use dsl::plan::{Plan, PlanNode};
use engine::ctx::Clock;
use engine::fault::Fault;
use log::Log;
use plan::BUFFER;
use recover::Damage;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The buffers of a run.
#[derive(Debug, Default)]
pub struct Spills {
    buffers: BTreeMap<String, Arc<Buffer>>,
    /// Buffers in the directory that the plan does not have, and the rows that wait in them.
    others: Vec<(String, u64)>,
}

/// One buffer, open.
#[derive(Debug)]
pub struct Buffer {
    /// Its log.
    pub log: Arc<Log>,
    /// The same in every run with this directory: the salt of the ids of its rows.
    pub id: [u8; 16],
    /// What was found damaged when it was opened, until it is told.
    damaged: Mutex<Vec<Damage>>,
}

impl Spills {
    /// Opens the buffers of a plan, with the lock of their directory where it is not that of an
    /// emulated profile. Blocks while it reads the headers of what is in them.
    ///
    /// # Errors
    /// The profile names no directory; another process runs on it; the disk cannot be read.
    pub fn open(
        plan: &Plan,
        clock: &Arc<dyn Clock>,
    ) -> Result<(Spills, Option<lock::DirLock>), Fault> {
        let wanted: Vec<&PlanNode> =
            plan.graph.node_weights().filter(|node| node.op == write::SPEC.path).collect();
        if wanted.is_empty() {
            return Ok((Spills::default(), None));
        }
        let dir = plan.spill_dir().ok_or_else(|| {
            let message = format!("profile `{}` does not say where buffers are", plan.profile);
            Fault::service("no_spill_dir", message).help("add `spill = \"DIR\"` to the profile")
        })?;
        let dir = Path::new(&dir);
        disk::make_dir(dir)?;
        let lock = match plan.local_dir {
            Some(_) => None,
            None => Some(lock::take(dir, clock.now_ns())?),
        };
        let mut buffers = BTreeMap::new();
        for node in wanted {
            let name = node.text(BUFFER).to_owned();
            let buffer = Buffer::open(&dir.join(&name), node.size("size"), clock)?;
            buffers.insert(name, Arc::new(buffer));
        }
        let others = others(dir, &buffers);
        Ok((Spills { buffers, others }, lock))
    }

    /// The buffer of a node.
    ///
    /// # Errors
    /// None is open: the services were opened without.
    fn of(&self, node: &PlanNode) -> Result<Arc<Buffer>, Fault> {
        let name = node.text(BUFFER);
        let missing = || Fault::service("no_spill", format!("no buffer `{name}` is open"));
        self.buffers.get(name).cloned().ok_or_else(missing)
    }
}

impl Buffer {
    fn open(dir: &Path, quota: u64, clock: &Arc<dyn Clock>) -> Result<Buffer, Fault> {
        disk::make_dir(dir)?;
        let path = dir.join("salt");
        let known = std::fs::read(&path).ok().and_then(|bytes| bytes.try_into().ok());
        let id: [u8; 16] = match known {
            Some(id) => id,
            None => {
                let salt = format!("spill\n{}\n{}", dir.display(), clock.now_ns());
                let hash = blake3::hash(salt.as_bytes());
                let mut id = [0; 16];
                id.copy_from_slice(&hash.as_bytes()[..16]);
                disk::replace(&path, &id)?;
                id
            }
        };
        let (log, damaged) = Log::open(dir, quota)?;
        Ok(Buffer { log: Arc::new(log), id, damaged: Mutex::new(damaged) })
    }

    fn take_damaged(&self) -> Vec<Damage> {
        std::mem::take(&mut *self.damaged.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The buffers of a directory beside `known` in which rows wait. Nothing of them is changed, and
/// what of them cannot be read stops nobody.
fn others(dir: &Path, known: &BTreeMap<String, Arc<Buffer>>) -> Vec<(String, u64)> {
    let mut others = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if known.contains_key(name) || !path.join("position").is_file() {
            continue;
        }
        let Ok(found) = recover::recover(&path) else { continue };
        let end = found.segments.last().map_or(0, |segment| segment.end);
        let waiting = end.saturating_sub(position::Position::look(&path));
        if waiting > 0 {
            others.push((name.to_owned(), waiting));
        }
    }
    others.sort();
    others
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
