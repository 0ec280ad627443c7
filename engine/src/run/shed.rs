//! `shed`: an edge that never holds up its siblings. What finds it full is dropped, counted and
//! told; what goes through is best effort and does not hold its source either.

use super::edge::Edge;
use super::node::Node;
use crate::ack::{Ack, Verdict};
use crate::batch::Batch;
use crate::ctx::{Clock, Ctx, nanos};
use dsl::plan::Plan;
use petgraph::graph::NodeIndex;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The name of the count in the summary.
const COUNT: &str = "shed";
/// A notice comes at most so often.
const NOTICE_EVERY: Duration = Duration::from_secs(10);

/// Whether a node is the policy `shed` of the edge into it.
pub(crate) fn is_shed(plan: &Plan, node: NodeIndex) -> bool {
    plan.graph[node].op == "shed"
}

/// The policy of one edge.
pub(crate) struct Shed {
    node: Arc<Node>,
    clock: Arc<dyn Clock>,
    log: Arc<dyn Fn(&str) + Send + Sync>,
    told: Mutex<Told>,
}

/// What was told of dropped rows.
#[derive(Debug, Default)]
struct Told {
    /// When the next notice may come.
    next_ns: i64,
    /// Rows that no notice has named yet.
    rows: u64,
}

impl Shed {
    /// The policy of an edge into `node`.
    pub fn new(node: Arc<Node>, ctx: &Ctx) -> Shed {
        Shed { node, clock: ctx.clock.clone(), log: ctx.log.clone(), told: Mutex::default() }
    }

    /// Settles what the rows stand for: nobody waits for them any more.
    pub fn let_go(&self, batch: Batch) -> Batch {
        batch.ack.settle(Verdict::Settled);
        Batch { rows: batch.rows, ack: Ack::none() }
    }

    /// Counts rows that were dropped on `edge`: they have reached the node, and went no further.
    pub fn drop_rows(&self, edge: &Edge, rows: u64) {
        edge.sent.add(rows);
        edge.received.add(rows);
        self.node.meter.rows_in.add(rows);
        self.node.meter.shed.add(rows);
        self.node.counters.add(COUNT, rows);
        if let Some(line) = self.notice(rows) {
            (self.log)(&line);
        }
    }

    /// The notice that is due, if one is.
    fn notice(&self, rows: u64) -> Option<String> {
        let now_ns = self.clock.now_ns();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.rows += rows;
        if now_ns < told.next_ns {
            return None;
        }
        told.next_ns = now_ns.saturating_add(nanos(NOTICE_EVERY));
        let rows = std::mem::take(&mut told.rows);
        let s = if rows == 1 { "" } else { "s" };
        let id = &self.node.id;
        Some(format!("{id}: {rows} row{s} shed, as what is behind it is slower than its source"))
    }
}

impl fmt::Debug for Shed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shed").field("node", &self.node.id).finish_non_exhaustive()
    }
}
