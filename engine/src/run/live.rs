//! The live counts of a run.

use super::node::Node;
use crate::ctx::Clock;
use crate::summary::Summary;
use dsl::spec::NodeKind;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Live counts of a run; cheap to clone, asked a few times a second by a progress display.
#[derive(Clone, Default)]
pub struct Live(Arc<Mutex<Option<Board>>>);

#[derive(Clone)]
struct Board {
    nodes: Arc<[Arc<Node>]>,
    clock: Arc<dyn Clock>,
    began_ns: i64,
}

impl Live {
    /// The counts now; empty before the run has begun.
    pub fn snapshot(&self) -> Summary {
        let Some(Board { nodes, clock, began_ns }) = self.board().clone() else {
            return Summary::default();
        };
        let elapsed = clock.now_ns().saturating_sub(began_ns).max(0);
        Summary {
            elapsed: Duration::from_nanos(elapsed as u64),
            nodes: nodes.iter().map(|node| node.summary()).collect(),
        }
    }

    /// Rows that sources have read and that are not settled now: the next run reads them again if
    /// this one ends here.
    pub fn in_flight_rows(&self) -> u64 {
        let nodes = self.board().as_ref().map(|board| board.nodes.clone());
        let nodes = nodes.iter().flat_map(|nodes| nodes.iter());
        let rows = nodes.filter(|node| node.kind == NodeKind::Source).map(|node| {
            let read = node.meter.rows_in.get();
            read.saturating_sub(node.meter.settled.get())
        });
        rows.sum()
    }

    pub(crate) fn begin(&self, nodes: &[Arc<Node>], clock: &Arc<dyn Clock>) {
        let (nodes, clock) = (nodes.into(), clock.clone());
        let began_ns = clock.now_ns();
        *self.board() = Some(Board { nodes, clock, began_ns });
    }

    fn board(&self) -> MutexGuard<'_, Option<Board>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
