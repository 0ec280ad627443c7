//! What a run holds at its worst stays below what is computed for its plan: counted by the
//! allocator, with a blocked branch, large rows, and far more to read than there is room for.
#![allow(unsafe_code)] // a counting allocator

use arrow_array::{BinaryArray, RecordBatch};
use async_trait::async_trait;
use dsl::plan::{Plan, PlanEdge, PlanNode, Port};
use dsl::spec::{BLANK, Delivery, NodeKind, NodeSpec};
use dsl::ty::Ty;
use dsl::value::Value;
use engine::batch::{PAYLOAD, Resume, RowIds, Rows};
use engine::fault::Fault;
use engine::memory::{Growth, Largest, Limits, NodeMemory, Setting, Worst};
use engine::node::{Output, Read, Sink, SinkLimits, Source, SourceRows, Transform, Written};
use engine::registry::{Open, Registry};
use engine::run::{Live, run};
use engine::testing;
use petgraph::graph::NodeIndex;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Bytes that are allocated now, and the most that were since it was set.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Tasks, channels, ids and counts of a run of so few nodes.
const BESIDE_BYTES: u64 = 2 << 20;
/// Bytes of a batch of the source.
const BATCH_BYTES: usize = 256 << 10;
/// Batches that the source has.
const BATCHES: u64 = 800;

/// Makes its rows when it is asked: large ones, of one partition or of many.
struct Large {
    at: u64,
    rows: usize,
    partitions: u64,
}

#[async_trait]
impl Source for Large {
    async fn read(&mut self) -> Result<Read, Fault> {
        if self.at == BATCHES {
            return Ok(Read::End);
        }
        let value = vec![b'x'; BATCH_BYTES / self.rows];
        let values = BinaryArray::from_iter_values(std::iter::repeat_n(&value, self.rows));
        let columns = RecordBatch::try_from_iter([(PAYLOAD, Arc::new(values) as _)]);
        // Every tenth batch is one of another partition.
        let of = if self.at.is_multiple_of(10) { self.at % self.partitions } else { 0 };
        let partition = testing::partition(&of.to_string());
        let ids = RowIds::range(partition, self.at * self.rows as u64, self.rows, 0);
        self.at += 1;
        Ok(Read::Rows(SourceRows {
            columns: columns.expect("one column"),
            ids,
            partition: 0,
            end: self.at,
            resumed: None,
            reply: None,
        }))
    }

    async fn commit(&mut self, _: u32, _: u64, _: Option<Arc<Resume>>) -> Result<(), Fault> {
        Ok(())
    }
}

/// Makes each row twice as long.
#[derive(Clone)]
struct Twice;

impl Transform for Twice {
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        let twice: Vec<Vec<u8>> =
            testing::payloads(&rows).iter().map(|row| [&row[..], &row[..]].concat()).collect();
        out.send(&rows, testing::payload(&twice).columns);
        Ok(())
    }

    fn another(&self) -> Option<Box<dyn Transform>> {
        Some(Box::new(self.clone()))
    }
}

/// Writes when there are permits.
struct Gated(Arc<Semaphore>, SinkLimits);

#[async_trait]
impl Sink for Gated {
    fn limits(&self) -> SinkLimits {
        self.1
    }

    async fn write(&self, _: &Rows) -> Result<Written, Fault> {
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
        Ok(Written::default())
    }
}

fn sink_limits() -> SinkLimits {
    SinkLimits {
        bytes_max: 1 << 20,
        in_flight_bytes_max: 2 << 20,
        concurrency: 2,
        ..SinkLimits::default()
    }
}

fn memory(_: &Plan, node: &PlanNode) -> NodeMemory {
    match node.kind {
        NodeKind::Source => {
            let read = Largest { rows: 1 << 12, bytes: BATCH_BYTES as u64 + (5 << 12) };
            NodeMemory::Source { read, own_bytes: read.bytes }
        }
        // The list of texts beside the column that is made of it.
        NodeKind::Transform => {
            NodeMemory::Transform(Growth { times: 5, row_bytes: 64, bytes_a_row: 0 })
        }
        NodeKind::Sink => {
            NodeMemory::Sink { limits: sink_limits(), encodes: Growth::SAME, own_bytes: 0 }
        }
    }
}

/// How the nodes of the test are opened; the sinks named `slow` wait for permits.
fn registry(rows: usize, partitions: u64, slow: &Arc<Semaphore>) -> Registry {
    let spec = |path, kind| -> &'static NodeSpec {
        let delivery = Delivery { replays: true, ..Delivery::default() };
        Box::leak(Box::new(NodeSpec { path, kind, delivery, ..BLANK }))
    };
    let mut registry = Registry::default();
    let source = Open::Source(Box::new(move |_| {
        Box::pin(async move { Ok(Box::new(Large { at: 0, rows, partitions }) as Box<dyn Source>) })
    }));
    registry.add(spec("large", NodeKind::Source), source);
    let twice = Open::Transform(Box::new(|_| Ok(Box::new(Twice) as _)));
    registry.add(spec("twice", NodeKind::Transform), twice);
    for (path, gate) in [("slow", slow.clone()), ("fast", Arc::new(Semaphore::new(1 << 20)))] {
        let open = Open::Sink(Box::new(move |_| {
            let gate = gate.clone();
            Box::pin(async move { Ok(Box::new(Gated(gate, sink_limits())) as Box<dyn Sink>) })
        }));
        registry.add(spec(path, NodeKind::Sink), open);
    }
    registry.add(spec("batch", NodeKind::Transform), Open::Engine);
    registry
}

/// One source, whose rows go through a transform into a slow and a fast sink, and through a batch
/// into another slow one.
fn plan() -> Plan {
    let mut plan = testing::plan(Vec::new());
    let mut add = |op: &str, kind| -> NodeIndex {
        let wire = || Some(Ty::Text);
        let node = testing::plan_node(op, kind, wire(), wire());
        plan.graph.add_node(node)
    };
    let source = add("large", NodeKind::Source);
    let twice = add("twice", NodeKind::Transform);
    let (slow, fast) = (add("slow", NodeKind::Sink), add("fast", NodeKind::Sink));
    let batch = add("batch", NodeKind::Transform);
    let batched = add("slow", NodeKind::Sink);
    plan.graph[batch].options.insert("max".into(), Value::Int(1_000_000));
    for (at, node) in [(slow, "a"), (fast, "b"), (batched, "c")] {
        plan.graph[at].id = format!("test/{node}");
    }
    let edges = [(source, twice), (twice, slow), (twice, fast), (source, batch), (batch, batched)];
    for (from, to) in edges {
        plan.graph.add_edge(from, to, PlanEdge { port: Port::Out, ty: Ty::Text });
    }
    plan
}

/// The most that was live beside what was before, and what is computed.
fn peak(rows: usize, partitions: u64, limits: Limits) -> (u64, u64) {
    let plan = plan();
    let (threads, channel_batches, in_flight_rows_max) = (1, 4, 1 << 30);
    let setting = Setting { limits, in_flight_rows_max, channel_batches, threads };
    let computed = Worst::of(&plan, &setting, &memory).bytes();
    // Time passes when nothing can go on: then all is as full as it gets.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let slow = Arc::new(Semaphore::new(0));
    let registry = registry(rows, partitions, &slow);
    let mut ctx = testing::ctx();
    ctx.memory = limits;
    ctx.channel_batches = channel_batches as usize;
    ctx.in_flight_rows_max = in_flight_rows_max;
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    runtime.block_on(async {
        let opened = async {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            slow.add_permits(1 << 20);
        };
        let live = Live::default();
        let running = run(plan, &registry, &ctx, &live, std::future::pending());
        let (report, ()) = tokio::join!(running, opened);
        assert!(report.errors.is_empty(), "{:?}", report.errors);
    });
    ((PEAK.load(Ordering::Relaxed) - before) as u64, computed + BESIDE_BYTES)
}

#[test]
fn what_is_live_stays_within_what_is_computed() {
    let limits = Limits { edge_bytes: 1 << 20, source_bytes: 8 << 20, batch_bytes: 4 << 20 };
    for (rows, partitions) in [(1, 1), (1 << 12, 1), (64, 100)] {
        let (peak, computed) = peak(rows, partitions, limits);
        let read = BATCHES * BATCH_BYTES as u64;
        println!("{rows} rows a batch, {partitions} partitions: {peak} of {computed}, read {read}");
        assert!(peak <= computed, "{rows} rows a batch: {peak} > {computed}");
        assert!(computed < read / 2, "the bound means something: {computed} of {read}");
    }
}
