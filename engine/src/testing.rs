//! For tests of nodes: rows, contexts, clocks and checkpoints by hand, and one call of a transform
//! with everything it answered. No run is needed.
//!
//! ```
//! use engine::node::{Output, Transform};
//! use engine::{batch::Rows, fault::Fault, testing};
//!
//! struct Upper;
//! impl Transform for Upper {
//!     fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
//!         let upper: Vec<Vec<u8>> =
//!             testing::payloads(&rows).iter().map(|text| text.to_ascii_uppercase()).collect();
//!         out.send(&rows, testing::payload(&upper).columns);
//!         Ok(())
//!     }
//! }
//!
//! let seen = testing::apply(&mut Upper, testing::payload(&["a", "b"])).unwrap();
//! assert_eq!(seen.payloads(None), [b"A", b"B"]);
//! ```

mod clock;
mod stores;

pub use clock::ManualClock;
pub use stores::MemoryCheckpoints;

use crate::batch::{PAYLOAD, Partition, Resume, RowIds, Rows};
use crate::ctx::{Ctx, GraphChange, NodeCtx, SystemClock};
use crate::fault::{Fault, RowFault};
use crate::memory::Limits;
use crate::node::{Output, Sink, Source, Transform};
use crate::registry::Open;
use crate::run::Behind;
use crate::summary::Counters;
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, BinaryArray, RecordBatch};
use dsl::ast::Guarantee;
use dsl::plan::{Plan, PlanFlow, PlanNode, PlanResource};
use dsl::span::Span;
use dsl::spec::NodeKind;
use dsl::ty::Ty;
use petgraph::graph::NodeIndex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The partition of that name: its id is derived from the name.
pub fn partition(name: &str) -> Arc<Partition> {
    let mut id = [0; 16];
    id.copy_from_slice(&blake3::hash(name.as_bytes()).as_bytes()[..16]);
    Arc::new(Partition { id, name: name.into() })
}

/// The ids of `len` rows of the partition of that name, from `first`, arrived at 0.
pub fn ids(name: &str, first: u64, len: usize) -> RowIds {
    RowIds::range(partition(name), first, len, 0)
}

/// The same, arrived at `arrival_ns`.
pub fn ids_at(name: &str, first: u64, len: usize, arrival_ns: i64) -> RowIds {
    RowIds::range(partition(name), first, len, arrival_ns)
}

/// Rows of partition `test`, numbered from 0.
pub fn rows(columns: RecordBatch) -> Rows {
    let ids = ids("test", 0, columns.num_rows());
    Rows { columns, ids, group: None, resumed: None }
}

/// Rows of a wire type: these payloads, of partition `test`, numbered from 0.
pub fn payload(values: &[impl AsRef<[u8]>]) -> Rows {
    let values: ArrayRef = Arc::new(BinaryArray::from_iter_values(values));
    let columns = RecordBatch::try_from_iter([(PAYLOAD, values)]);
    rows(columns.unwrap_or_else(|error| panic!("one column: {error}")))
}

/// The payloads of rows of a wire type.
pub fn payloads(rows: &Rows) -> Vec<Vec<u8>> {
    let column = rows.columns.column_by_name(PAYLOAD);
    let column = column.unwrap_or_else(|| panic!("no column `{PAYLOAD}`"));
    column.as_binary::<i32>().iter().flatten().map(<[u8]>::to_vec).collect()
}

/// A run's context: tokio's clock (pause it where time matters), checkpoints in memory, small
/// channels.
pub fn ctx() -> Ctx {
    Ctx {
        clock: Arc::new(SystemClock::new()),
        checkpoints: Arc::new(MemoryCheckpoints::default()),
        failpoints: Default::default(),
        seed: 1,
        keep_running: false,
        from_start: false,
        graph_change: GraphChange::Unseen,
        channel_batches: 2,
        in_flight_rows_max: 100_000,
        memory: Limits::default(),
        drain: Duration::from_secs(25),
        log: Arc::new(|_| ()),
    }
}

/// A node of flow `test` with nothing set; fill in what the node under test reads.
pub fn plan_node(op: &str, kind: NodeKind, input: Option<Ty>, output: Option<Ty>) -> PlanNode {
    PlanNode {
        input,
        output,
        inserted: false,
        ..PlanNode::inserted(format!("test/{op}"), op, kind, 0, Span::default())
    }
}

/// A plan of flow `test` with these resources and no node yet.
pub fn plan(resources: Vec<PlanResource>) -> Plan {
    let flow = PlanFlow {
        name: "test".into(),
        doc: None,
        guarantee: Guarantee::AtLeastOnce,
        hidden: false,
        span: Span::default(),
    };
    Plan { flows: vec![flow], resources, ..Plan::default() }
}

/// What a node gets when it is opened, in a plan of its own with these resources.
pub fn node_ctx(node: PlanNode, resources: Vec<PlanResource>) -> NodeCtx {
    let mut plan = plan(resources);
    let index = plan.graph.add_node(node);
    node_ctx_in(&ctx(), &Arc::new(plan), index)
}

/// What a node of that plan gets when it is opened. Its feeders never end.
pub fn node_ctx_in(ctx: &Ctx, plan: &Arc<Plan>, node: NodeIndex) -> NodeCtx {
    let (feeders, feeders_ended) = watch::channel(false);
    // The sender stays: a node may wait for a change that never comes.
    std::mem::forget(feeders);
    NodeCtx {
        run: ctx.clone(),
        plan: plan.clone(),
        node: plan.graph[node].clone(),
        counters: Counters::default(),
        feeders_ended,
        behind: Behind::default(),
    }
}

/// The same context, and the sender that says its feeders have ended.
pub fn fed(ctx: NodeCtx) -> (NodeCtx, watch::Sender<bool>) {
    let (feeders, feeders_ended) = watch::channel(false);
    (NodeCtx { feeders_ended, ..ctx }, feeders)
}

/// Opens a node that the registry lists as a transform.
///
/// # Errors
/// What the node returns.
///
/// # Panics
/// It is no transform.
pub fn open_transform(open: &Open, ctx: NodeCtx) -> Result<Box<dyn Transform>, Fault> {
    match open {
        Open::Transform(open) => open(ctx),
        _ => panic!("`{}` is not opened as a transform", ctx.node.op),
    }
}

/// Opens a node that the registry lists as a sink; then [`Sink::write`] shows what it stores,
/// refuses and wants again.
///
/// # Errors
/// What the node returns.
///
/// # Panics
/// It is no sink.
pub async fn open_sink(open: &Open, ctx: NodeCtx) -> Result<Box<dyn Sink>, Fault> {
    match open {
        Open::Sink(open) => open(ctx).await,
        _ => panic!("`{}` is not opened as a sink", ctx.node.op),
    }
}

/// Opens a node that the registry lists as a source.
///
/// # Errors
/// What the node returns.
///
/// # Panics
/// It is no source.
pub async fn open_source(open: &Open, ctx: NodeCtx) -> Result<Box<dyn Source>, Fault> {
    match open {
        Open::Source(open) => open(ctx).await,
        _ => panic!("`{}` is not opened as a source", ctx.node.op),
    }
}

/// What a transform answered to one call.
#[derive(Debug, Default)]
pub struct Seen {
    /// What it sent, in order, with the port (`None` = `out`).
    pub sent: Vec<(Option<&'static str>, Rows)>,
    /// The rows it failed, in order.
    pub failed: Vec<RowFault>,
    /// The rows it counted as filtered.
    pub filtered: u64,
    /// The records it made as a decoder, with those that failed.
    pub made: u64,
    /// It kept the end of its rows.
    pub kept: bool,
    /// Where it said the source may resume.
    pub resume: Option<Arc<Resume>>,
}

impl Seen {
    /// All rows sent to a port (`None` = `out`), joined; `None` where nothing was sent.
    pub fn rows(&self, port: Option<&str>) -> Option<Rows> {
        let parts = self.sent.iter().filter(|(sent_to, _)| *sent_to == port);
        let parts: Vec<Rows> = parts.map(|(_, rows)| rows.clone()).collect();
        (!parts.is_empty()).then(|| Rows::concat(&parts))
    }

    /// All payloads sent to a port of a wire type.
    pub fn payloads(&self, port: Option<&str>) -> Vec<Vec<u8>> {
        self.rows(port).map(|rows| payloads(&rows)).unwrap_or_default()
    }

    /// The codes of the rows that failed.
    pub fn codes(&self) -> Vec<&'static str> {
        self.failed.iter().map(|fault| fault.code).collect()
    }
}

/// One call of [`Transform::apply`], as a driver makes it.
///
/// # Errors
/// What the transform returns.
///
/// # Panics
/// The answer does not balance, as a run would report.
pub fn apply(transform: &mut dyn Transform, rows: Rows) -> Result<Seen, Fault> {
    let mut out = Output::default();
    let given = rows.clone();
    transform.apply(rows, &mut out)?;
    check(&out, Some(&given));
    Ok(seen(out))
}

/// The call of [`Transform::finish`].
///
/// # Errors
/// What the transform returns.
///
/// # Panics
/// The answer does not balance, as a run would report.
pub fn finish(transform: &mut dyn Transform) -> Result<Seen, Fault> {
    let mut out = Output::default();
    transform.finish(&mut out)?;
    check(&out, None);
    Ok(seen(out))
}

fn check(out: &Output, given: Option<&Rows>) {
    if let Err(equation) = crate::run::balance::check_call(out, given) {
        panic!("the answer does not balance: {equation}");
    }
}

fn seen(out: Output) -> Seen {
    Seen {
        sent: out.sent.into_iter().map(|sent| (sent.port, sent.rows)).collect(),
        failed: out.failed.into_iter().flat_map(|failed| failed.faults).collect(),
        filtered: out.filtered,
        made: out.made,
        kept: out.kept,
        resume: out.resume,
    }
}
