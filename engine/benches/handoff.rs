//! What it costs to hand a batch on: a source, a transform of its own task and a sink, joined by
//! channels, with batches of one row and of 1,024.

use async_trait::async_trait;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dsl::plan::{PlanEdge, Port};
use dsl::spec::{BLANK, NodeKind, NodeSpec};
use dsl::ty::Ty;
use engine::batch::{RowIds, Rows};
use engine::fault::Fault;
use engine::node::{Output, Read, Source, SourceRows, Transform};
use engine::registry::{Open, Registry};
use engine::run::{Live, run};
use engine::testing;
use std::sync::Arc;

/// Batches of one run.
const BATCHES: u64 = 2_000;

/// Sends the same columns again and again.
struct Again {
    rows: Rows,
    left: u64,
    at: u64,
}

#[async_trait]
impl Source for Again {
    async fn read(&mut self) -> Result<Read, Fault> {
        if self.left == 0 {
            return Ok(Read::End);
        }
        self.left -= 1;
        let (first, len) = (self.at, self.rows.len());
        self.at += len as u64;
        Ok(Read::Rows(SourceRows {
            columns: self.rows.columns.clone(),
            ids: RowIds::range(self.rows.ids.partition.clone(), first, len, 0),
            partition: 0,
            end: self.at,
            resumed: None,
            reply: None,
        }))
    }

    async fn commit(
        &mut self,
        _: u32,
        _: u64,
        _: Option<Arc<engine::batch::Resume>>,
    ) -> Result<(), Fault> {
        Ok(())
    }
}

struct Pass;

impl Transform for Pass {
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        out.send(&rows, rows.columns.clone());
        Ok(())
    }
}

fn registry(rows: &Rows) -> Registry {
    let spec =
        |path, kind| -> &'static NodeSpec { Box::leak(Box::new(NodeSpec { path, kind, ..BLANK })) };
    let rows = rows.clone();
    let mut registry = Registry::default();
    let source = Open::Source(Box::new(move |_| {
        let again = Again { rows: rows.clone(), left: BATCHES, at: 0 };
        Box::pin(async move { Ok(Box::new(again) as Box<dyn Source>) })
    }));
    registry.add(spec("again", NodeKind::Source), source);
    let pass = Open::Transform(Box::new(|_| Ok(Box::new(Pass) as _)));
    registry.add(spec("pass", NodeKind::Transform), pass);
    registry.add(spec("drop", NodeKind::Sink), Open::Engine);
    registry
}

fn whole_run(registry: &Registry, runtime: &tokio::runtime::Runtime) {
    let wire = || Some(Ty::Text);
    let node = testing::plan_node;
    let mut plan = testing::plan(Vec::new());
    let nodes = [
        node("again", NodeKind::Source, None, wire()),
        node("pass", NodeKind::Transform, wire(), wire()),
        node("drop", NodeKind::Sink, wire(), None),
    ];
    let nodes = nodes.map(|node| plan.graph.add_node(node));
    for pair in nodes.windows(2) {
        let edge = PlanEdge { port: Port::Out, ty: Ty::Text };
        plan.graph.add_edge(pair[0], pair[1], edge);
    }
    let mut ctx = testing::ctx();
    ctx.channel_batches = 16;
    let report =
        runtime.block_on(run(plan, registry, &ctx, &Live::default(), std::future::pending::<()>()));
    assert!(report.errors.is_empty(), "{:?}", report.errors);
}

fn handoff(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("threads of the machine");
    let mut group = criterion.benchmark_group("handoff");
    for len in [1, 1024] {
        let rows = testing::payload(&vec!["a record of thirty-two characters"; len]);
        let registry = registry(&rows);
        group.throughput(Throughput::Elements(BATCHES * len as u64));
        group.bench_function(BenchmarkId::new("rows a batch", len), |bench| {
            bench.iter(|| whole_run(&registry, &runtime));
        });
    }
    group.finish();
}

criterion_group!(benches, handoff);
criterion_main!(benches);
