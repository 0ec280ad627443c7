//! Opens the nodes of a plan and makes the driver of each task.

use super::batcher::{self, Batcher, CutLog};
use super::edge::Outlet;
use super::feeders::Feeders;
use super::node::Node;
use super::shutdown::Control;
use super::sink::{Gate, SinkDriver, Writer};
use super::source::{Done, Settling, SourceDriver};
use super::step::{Site, Step};
use super::transform::Chain;
use super::wiring::{Task, Wiring, is_batch};
use super::{Behind, RunError};
use crate::ack::SourceFacts;
use crate::batch::Rows;
use crate::ctx::{Ctx, NodeCtx};
use crate::fault::Fault;
use crate::memory::Budgets;
use crate::node::{Sink, SinkLimits, Source, Transform, Written};
use crate::registry::{Open, Registry};
use async_trait::async_trait;
use dsl::plan::{Plan, PlanNode, Port};
use dsl::spec::NodeKind;
use futures::FutureExt;
use futures::future::BoxFuture;
use petgraph::graph::NodeIndex;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// What all drivers of a run have in common.
pub(crate) struct Opener<'a> {
    pub plan: Arc<Plan>,
    pub registry: &'a Registry,
    pub ctx: &'a Ctx,
    pub control: Arc<Control>,
    pub feeders: Arc<Feeders>,
    pub logs: Arc<BTreeMap<usize, Arc<CutLog>>>,
    pub nodes: Vec<Arc<Node>>,
    pub budgets: Budgets,
}

/// The drivers of a run, ready to be spawned.
#[derive(Default)]
pub(crate) struct Drivers {
    /// Everything but sources: what is aborted when a drain takes too long.
    pub inner: Vec<(Arc<Node>, BoxFuture<'static, ()>)>,
    /// Sources end by themselves when everything that they have read has come back.
    pub sources: Vec<(Arc<Node>, BoxFuture<'static, ()>)>,
    /// Of each source, the rows that would be sent again.
    pub undelivered: Vec<Arc<AtomicU64>>,
}

/// The logs of all `batch` nodes, by node number.
pub(crate) fn logs(plan: &Plan, ctx: &Ctx) -> BTreeMap<usize, Arc<CutLog>> {
    let batches: Vec<NodeIndex> =
        plan.graph.node_indices().filter(|node| is_batch(plan, *node)).collect();
    let branches = batcher::branches(plan, &batches);
    let log = |node: NodeIndex| {
        let branch = &branches[&node.index()];
        // Rows that are sent again make batches of their own.
        let name = match &plan.replay {
            Some(replay) if !plan.flow_of(node).hidden => {
                format!("{branch} replay {}", replay.label)
            }
            _ => branch.clone(),
        };
        let log = CutLog::new(&name, ctx.checkpoints.clone());
        (node.index(), Arc::new(log))
    };
    batches.into_iter().map(log).collect()
}

impl Opener<'_> {
    /// Opens everything: sources last, so that nothing listens before all that follows is there.
    ///
    /// # Errors
    /// Every node that could not be opened.
    pub async fn open(&self, wiring: Wiring) -> Result<Drivers, Vec<RunError>> {
        let (mut drivers, mut errors) = (Drivers::default(), Vec::new());
        let is_source = |task: &Task| task.inlet.is_none();
        let (sources, inner): (Vec<Task>, Vec<Task>) =
            wiring.tasks.into_iter().partition(is_source);
        for task in inner.into_iter().chain(sources) {
            let opened = self.task(task, &mut drivers).await;
            errors.extend(opened.err().map(|(node, fault)| RunError::Node { node, fault }));
        }
        if errors.is_empty() { Ok(drivers) } else { Err(errors) }
    }

    async fn task(&self, task: Task, drivers: &mut Drivers) -> Result<(), (String, Fault)> {
        let head = task.nodes[0];
        let node = self.nodes[head.index()].clone();
        let failed = |fault| (node.id.clone(), fault);
        if is_batch(&self.plan, head) {
            drivers.inner.push((node, self.batcher(task)));
            return Ok(());
        }
        match node.kind {
            NodeKind::Source => self.source(task, drivers).await.map_err(failed),
            NodeKind::Sink => {
                let driver = self.sink(task).await.map_err(failed)?;
                drivers.inner.push((node, driver.drive().boxed()));
                Ok(())
            }
            NodeKind::Transform => {
                let chain = self.chain(task)?;
                drivers.inner.push((node, chain.drive().boxed()));
                Ok(())
            }
        }
    }

    fn batcher(&self, task: Task) -> BoxFuture<'static, ()> {
        let Task { nodes, inlet, outlets } = task;
        let (limits, wait) = batcher::options(&self.plan.graph[nodes[0]]);
        let out = outlets.into_iter().flatten().find(|outlet| outlet.port == Port::Out);
        let batcher = Batcher {
            node: self.nodes[nodes[0].index()].clone(),
            limits,
            wait,
            any_order: batcher::any_order(&self.plan.graph[nodes[0]]),
            bytes_max: self.budgets.batch(nodes[0]),
            inlet: inlet.expect("only sources have none"),
            out: out.expect("the checker leaves no output unconnected"),
            log: self.logs[&nodes[0].index()].clone(),
            ctx: self.ctx.clone(),
            control: self.control.clone(),
        };
        batcher.drive().boxed()
    }

    fn chain(&self, task: Task) -> Result<Chain, (String, Fault)> {
        let Task { nodes, inlet, outlets } = task;
        let mut steps = Vec::with_capacity(nodes.len());
        for (index, outlets) in nodes.into_iter().zip(outlets) {
            let node = self.nodes[index.index()].clone();
            let transform = self.transform(index).map_err(|fault| (node.id.clone(), fault))?;
            let site = Site { node, outlets, clock: self.ctx.clock.clone() };
            steps.push(Step::new(Arc::new(site), transform));
        }
        let inlet = inlet.expect("only sources have none");
        let bytes_max = self.ctx.memory.edge_bytes;
        Ok(Chain { inlet, steps, bytes_max, control: self.control.clone() })
    }

    /// `None` = what arrives is sent as it is.
    fn transform(&self, node: NodeIndex) -> Result<Option<Box<dyn Transform>>, Fault> {
        // A layer that is already off, a `merge`, which its several inputs make, and the policies
        // of an edge, which the edge keeps.
        let op = self.plan.graph[node].op.as_str();
        if self.plan.graph[node].elided || matches!(op, "merge" | "wait" | "shed") {
            return Ok(None);
        }
        let Open::Transform(open) = self.how(node)? else { return Err(self.wrong_place(node)) };
        let ctx = self.node_ctx(node);
        let opened = catch_unwind(AssertUnwindSafe(|| open(ctx)));
        opened.unwrap_or_else(|panic| Err(Fault::panic(panic))).map(Some)
    }

    async fn sink(&self, task: Task) -> Result<SinkDriver, Fault> {
        let Task { nodes, inlet, mut outlets } = task;
        let index = nodes[0];
        let node = self.nodes[index.index()].clone();
        let sink: Box<dyn Sink> = match self.how(index)? {
            Open::Engine if self.plan.graph[index].op == "drop" => Box::new(Dropped),
            Open::Sink(open) => caught(|| open(self.node_ctx(index))).await?,
            _ => return Err(self.wrong_place(index)),
        };
        let limits = sink.limits();
        let mut outlets = outlets.remove(0).into_iter();
        let writer = Writer {
            node,
            sink,
            limits,
            errors: outlets.find(|outlet| outlet.port == Port::Errors),
            gate: Gate::new(limits.concurrency),
            ctx: self.ctx.clone(),
            control: self.control.clone(),
        };
        let inlet = inlet.expect("only sources have none");
        Ok(SinkDriver { writer: Arc::new(writer), inlet, feeders: self.feeders.clone() })
    }

    async fn source(&self, task: Task, drivers: &mut Drivers) -> Result<(), Fault> {
        let index = task.nodes[0];
        let node = self.nodes[index.index()].clone();
        let Open::Source(open) = self.how(index)? else { return Err(self.wrong_place(index)) };
        let source: Box<dyn Source> = caught(|| open(self.node_ctx(index))).await?;
        let delivery = self.registry.get(&self.plan.graph[index].op).map(|e| e.spec.delivery);
        let facts = SourceFacts {
            one_partition: source.one_partition(),
            replays: delivery.is_some_and(|delivery| delivery.replays),
            from_start: self.ctx.from_start && is_outside(&self.plan.graph[index]),
        };
        let mut ports: BTreeMap<Port, Outlet> = BTreeMap::new();
        ports.extend(task.outlets.into_iter().flatten().map(|out| (out.port.clone(), out)));
        let undelivered = Arc::new(AtomicU64::new(0));
        let seed = node.seed(self.ctx.seed);
        let driver = SourceDriver {
            node: node.clone(),
            source,
            facts,
            out: ports.remove(&Port::Out).map(Arc::new),
            done: Done::new(node.clone(), ports.remove(&Port::Done)),
            settling: Settling::new(self.logs.clone(), undelivered.clone(), seed),
            fed: self.feeders.watch(&self.plan, index),
            bytes_max: self.budgets.source(index),
            ctx: self.ctx.clone(),
            control: self.control.clone(),
        };
        drivers.undelivered.push(undelivered);
        drivers.sources.push((node, driver.drive().boxed()));
        Ok(())
    }

    fn node_ctx(&self, node: NodeIndex) -> NodeCtx {
        NodeCtx {
            run: self.ctx.clone(),
            plan: self.plan.clone(),
            node: self.plan.graph[node].clone(),
            counters: self.nodes[node.index()].counters.clone(),
            feeders_ended: self.feeders.told(node),
            behind: Behind::of(&self.plan, &self.nodes, node),
        }
    }

    fn how(&self, node: NodeIndex) -> Result<&Open, Fault> {
        let op = &self.plan.graph[node].op;
        let entry = self.registry.get(op);
        let unknown = || Fault::service("unknown_node", format!("this build has no node `{op}`"));
        entry.map(|entry| &entry.open).ok_or_else(unknown)
    }

    fn wrong_place(&self, node: NodeIndex) -> Fault {
        let node = &self.plan.graph[node];
        let message = format!("`{}` cannot be opened as a {:?}", node.op, node.kind);
        Fault::service("wrong_place", message)
    }
}

/// A source of what is outside: neither a resource nor something that the plan itself feeds.
fn is_outside(source: &PlanNode) -> bool {
    source.resource.is_none() && source.fed_by.is_empty()
}

/// Opens a node; its panic is its fault.
async fn caught<T>(
    open: impl FnOnce() -> BoxFuture<'static, Result<T, Fault>>,
) -> Result<T, Fault> {
    let opening = async move { open().await };
    let opened = AssertUnwindSafe(opening).catch_unwind().await;
    opened.unwrap_or_else(|panic| Err(Fault::panic(panic)))
}

/// `drop`: lets go what arrives.
struct Dropped;

#[async_trait]
impl Sink for Dropped {
    fn limits(&self) -> SinkLimits {
        SinkLimits { rows_max: 1 << 20, bytes_max: 1 << 30, ..SinkLimits::default() }
    }

    async fn write(&self, _: &Rows) -> Result<Written, Fault> {
        Ok(Written::default())
    }
}
