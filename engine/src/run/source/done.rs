//! The `done` port of a source: one event for each record whose branches are all acknowledged.

use crate::ack::Ack;
use crate::batch::{Batch, Partition, RowIds, Rows};
use crate::run::edge::Outlet;
use crate::run::node::Node;
use crate::run::timer::Timer;
use crate::schema::arrow_schema;
use arrow_array::{RecordBatch, RecordBatchOptions};
use dsl::ty::Ty;
use futures::FutureExt;
use std::sync::Arc;

/// Events in one batch at most.
const ROWS_MAX: u64 = 1 << 20;

/// Gathers events while the port is busy, so that a slow receiver holds up nothing.
pub(crate) struct Done {
    node: Arc<Node>,
    outlet: Option<Arc<Outlet>>,
    waiting: u64,
    /// The number of the next event.
    next: u64,
    sending: Timer,
    partition: Arc<Partition>,
}

impl Done {
    pub fn new(node: Arc<Node>, outlet: Option<Outlet>) -> Done {
        let nothing = Partition { id: [0; 16], name: "done".into() };
        let partition = Arc::new(nothing.derive(&node.id));
        let sending = Timer::default();
        Done { node, outlet: outlet.map(Arc::new), waiting: 0, next: 0, sending, partition }
    }

    /// That many records more are done.
    pub fn add(&mut self, records: u64) {
        if self.outlet.is_some() {
            self.waiting += records;
            self.send();
        }
    }

    /// Everything is sent.
    pub fn is_idle(&self) -> bool {
        self.waiting == 0 && !self.sending.is_set()
    }

    /// Waits for the end of a send, and begins the next. Cancel-safe.
    pub async fn sent(&mut self) {
        self.sending.fired().await;
        self.send();
    }

    /// Nothing will be sent any more.
    pub fn abort(&mut self) {
        self.waiting = 0;
        self.outlet = None;
        self.sending.clear();
    }

    fn send(&mut self) {
        let Some(outlet) = self.outlet.clone().filter(|_| self.waiting > 0) else { return };
        if self.sending.is_set() {
            return;
        }
        let rows = self.waiting.min(ROWS_MAX);
        self.waiting -= rows;
        let batch = self.events(rows as usize);
        self.node.meter.done.add(rows);
        self.sending.set(async move { outlet.send(batch).await }.boxed());
    }

    fn events(&mut self, rows: usize) -> Batch {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = arrow_schema(&Ty::Done);
        let columns = RecordBatch::try_new_with_options(schema, Vec::new(), &options);
        let columns = columns.expect("no columns and a row count");
        let ids = RowIds::range(self.partition.clone(), self.next, rows, 0);
        self.next += rows as u64;
        Batch { rows: Rows { columns, ids, group: None, resumed: None }, ack: Ack::none() }
    }
}
