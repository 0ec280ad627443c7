//! Byte budgets: how much of a run's rows may be where.
//!
//! A batch waits in front of an edge until its bytes fit; one that is larger than the whole budget
//! passes alone. Buffers that several edges share (branches of one output) are counted on each.

mod budget;
mod plan;
mod worst;

pub use crate::ledger::{COMMIT_AFTER, COMMIT_ROWS};
pub(crate) use budget::{Budget, Held};
pub(crate) use plan::Budgets;
pub use worst::{Growth, InFlight, Largest, NodeMemory, Place, PlaceKind, Setting, Worst};

/// The budgets of a run, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of rows that wait on one edge.
    pub edge_bytes: u64,
    /// Of what one source has read and is not settled.
    pub source_bytes: u64,
    /// Of the open batches of one `batch` node.
    pub batch_bytes: u64,
}

impl Limits {
    /// The same, halved so many times, but never too small for one usual batch.
    fn halved(self, times: u32) -> Limits {
        let half = |bytes: u64, least: u64| (bytes >> times).max(least.min(bytes));
        Limits {
            edge_bytes: half(self.edge_bytes, 64 << 10),
            source_bytes: half(self.source_bytes, 4 << 20),
            batch_bytes: half(self.batch_bytes, 1 << 20),
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { edge_bytes: 8 << 20, source_bytes: 32 << 20, batch_bytes: 64 << 20 }
    }
}
