//! What nodes reach the outside through: handed to them by the registry, so that a simulation can
//! put its own in each place.

use crate::http::net::{Net, TcpNet};
use crate::nodes::file_write;
use crate::service::Services;
use engine::registry::Open;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Services, network, files.
pub struct Outside {
    /// What resources are bound to.
    pub services: Arc<Services>,
    /// Where `http.serve` listens and `http.post` connects.
    pub net: Arc<dyn Net>,
    /// Where `file.read` waits for the disk.
    pub threads: Threads,
    /// How `file.write` is opened.
    pub file_write: Open,
}

impl Outside {
    /// These services, and the network and the files of this machine.
    pub fn machine(services: Arc<Services>) -> Outside {
        Outside {
            services,
            net: Arc::new(TcpNet),
            threads: Threads::Disk,
            file_write: file_write::open(),
        }
    }
}

/// Where work is done that waits for a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// On threads of its own.
    Disk,
    /// As a task of the run, so that the order of things does not depend on the machine: a
    /// simulated disk.
    Run {
        /// How long each piece of work takes.
        pause: Duration,
        /// Bytes that are read at once, at most.
        chunk_bytes: usize,
    },
}

impl Threads {
    /// Begins the work.
    pub fn spawn<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        match self {
            Threads::Disk => tokio::task::spawn_blocking(work),
            Threads::Run { pause, .. } => tokio::spawn(async move {
                tokio::time::sleep(pause).await;
                work()
            }),
        }
    }

    /// The same without a wait, for what is not the work itself.
    pub fn at_once(self) -> Threads {
        match self {
            Threads::Disk => self,
            Threads::Run { chunk_bytes, .. } => Threads::Run { pause: Duration::ZERO, chunk_bytes },
        }
    }

    /// How much of a file is read at once, where `usual` is what suits this machine.
    pub fn chunk_bytes(self, usual: usize) -> usize {
        match self {
            Threads::Disk => usual,
            Threads::Run { chunk_bytes, .. } => chunk_bytes.clamp(1, usual),
        }
    }
}
