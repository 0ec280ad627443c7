//! Toy nodes, and a bench to join and run them. Where they wait, the tests are `start_paused`.

use arrow_array::BooleanArray;
use async_trait::async_trait;
use dsl::plan::{Plan, PlanEdge, Port};
use dsl::spec::{BLANK, Delivery, NodeKind, NodeSpec};
use dsl::ty::Ty;
use dsl::value::Value;
use engine::ack::Outcome;
use engine::batch::{Partition, Resume, RowIds, Rows};
use engine::ctx::Ctx;
use engine::fault::{Fault, RowFault};
use engine::node::{Output, Read, Sink, SinkLimits, Source, SourceRows, Transform, Written};
use engine::registry::{Open, Registry};
use engine::run::{Live, Report, RunError, run};
use engine::summary::{NodeSummary, Summary};
use engine::testing;
use petgraph::graph::NodeIndex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// A plan in the making, and how its nodes are opened.
pub struct Bench {
    pub plan: Plan,
    pub registry: Registry,
    pub ctx: Ctx,
    pub live: Live,
}

impl Bench {
    pub fn new() -> Bench {
        let (registry, live) = (Registry::default(), Live::default());
        Bench { plan: testing::plan(Vec::new()), registry, ctx: testing::ctx(), live }
    }

    fn node(&mut self, op: &str, kind: NodeKind, open: Open) -> NodeIndex {
        if self.registry.get(op).is_none() {
            let path: &'static str = Box::leak(op.to_owned().into_boxed_str());
            let delivery = Delivery { replays: true, ..Delivery::default() };
            let spec = NodeSpec { path, kind, delivery, ..BLANK };
            self.registry.add(Box::leak(Box::new(spec)), open);
        }
        let wire = || Some(Ty::Text);
        let input = if kind == NodeKind::Source { None } else { wire() };
        let output = if kind == NodeKind::Sink { None } else { wire() };
        self.plan.graph.add_node(testing::plan_node(op, kind, input, output))
    }

    pub fn source(&mut self, op: &str, source: Numbers) -> NodeIndex {
        let open = Open::Source(Box::new(move |ctx| {
            let mut source = source.clone();
            source.fed = Some(ctx.feeders_ended.clone());
            Box::pin(async move { Ok(Box::new(source) as Box<dyn Source>) })
        }));
        self.node(op, NodeKind::Source, open)
    }

    pub fn transform<F>(&mut self, op: &str, apply: F) -> NodeIndex
    where
        F: Fn(Rows, &mut Output) -> Result<(), Fault> + Send + Sync + Clone + 'static,
    {
        let open = Open::Transform(Box::new(move |_| Ok(Box::new(Each(apply.clone())) as _)));
        self.node(op, NodeKind::Transform, open)
    }

    pub fn opened_transform<T: Transform + Clone + Sync + 'static>(
        &mut self,
        op: &str,
        transform: T,
    ) -> NodeIndex {
        let open = Open::Transform(Box::new(move |_| Ok(Box::new(transform.clone()) as _)));
        self.node(op, NodeKind::Transform, open)
    }

    pub fn sink(&mut self, op: &str, sink: Store) -> NodeIndex {
        let open = Open::Sink(Box::new(move |_| {
            let sink = sink.clone();
            Box::pin(async move { Ok(Box::new(sink) as Box<dyn Sink>) })
        }));
        self.node(op, NodeKind::Sink, open)
    }

    pub fn any_sink(
        &mut self,
        op: &str,
        open: impl Fn() -> Box<dyn Sink> + Send + Sync + 'static,
    ) -> NodeIndex {
        let open = Open::Sink(Box::new(move |_| {
            let sink = open();
            Box::pin(async move { Ok(sink) })
        }));
        self.node(op, NodeKind::Sink, open)
    }

    pub fn engine(&mut self, op: &str, kind: NodeKind, options: &[(&str, Value)]) -> NodeIndex {
        let node = self.node(op, kind, Open::Engine);
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        self.plan.graph[node].options = options.collect();
        node
    }

    pub fn edge(&mut self, from: NodeIndex, port: Port, to: NodeIndex) {
        self.plan.graph.add_edge(from, to, PlanEdge { port, ty: Ty::Text });
    }

    pub fn chain(&mut self, nodes: &[NodeIndex]) {
        nodes.windows(2).for_each(|pair| self.edge(pair[0], Port::Out, pair[1]));
    }

    /// Runs until it ends by itself.
    pub async fn run(self) -> Report {
        self.run_until(std::future::pending()).await
    }

    pub async fn run_until(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Report {
        run(self.plan, &self.registry, &self.ctx, &self.live, shutdown).await
    }
}

/// A source of rows `0`, `1`, … as texts.
#[derive(Clone)]
pub struct Numbers {
    /// Rows of each read.
    pub reads: Arc<Vec<u64>>,
    /// Begin behind this position.
    pub from: u64,
    pub name: &'static str,
    /// Waits for `stop`, or for its feeders, after the last read.
    pub endless: bool,
    /// Somebody waits for the outcome of each read.
    pub asks: bool,
    pub seen: Arc<SourceSeen>,
    pub next: usize,
    pub at: u64,
    pub stopped: Arc<AtomicBool>,
    pub fed: Option<tokio::sync::watch::Receiver<bool>>,
    /// Time between two reads.
    pub pause: std::time::Duration,
    pub next_at: Option<tokio::time::Instant>,
    /// Answers, before any rows, in order.
    pub faults: Arc<Mutex<VecDeque<Fault>>>,
    /// Each read waits until those before it are committed.
    pub one_by_one: bool,
}

/// What a run did with a source.
#[derive(Default)]
pub struct SourceSeen {
    pub commits: Mutex<Vec<u64>>,
    pub resumes: Mutex<Vec<Option<Arc<Resume>>>>,
    pub replies: Mutex<Vec<oneshot::Receiver<Outcome>>>,
    pub closed: AtomicBool,
    pub stops: AtomicU64,
}

impl SourceSeen {
    pub fn committed(&self) -> Option<u64> {
        self.commits.lock().unwrap().last().copied()
    }

    pub fn outcomes(&self) -> Vec<Option<Outcome>> {
        let mut replies = self.replies.lock().unwrap();
        replies.iter_mut().map(|reply| reply.try_recv().ok()).collect()
    }
}

impl Numbers {
    pub fn new(reads: &[u64]) -> Numbers {
        Numbers {
            reads: Arc::new(reads.to_vec()),
            from: 0,
            name: "numbers",
            endless: false,
            asks: false,
            seen: Arc::default(),
            next: 0,
            at: 0,
            stopped: Arc::default(),
            fed: None,
            pause: std::time::Duration::ZERO,
            next_at: None,
            faults: Arc::default(),
            one_by_one: false,
        }
    }

    fn is_committed(&self) -> bool {
        self.seen.committed().unwrap_or(0) >= self.at
    }

    pub fn partition(&self) -> Arc<Partition> {
        testing::partition(self.name)
    }
}

#[async_trait]
impl Source for Numbers {
    async fn read(&mut self) -> Result<Read, Fault> {
        if let Some(fault) = self.faults.lock().unwrap().pop_front() {
            if fault.code == "panic_on_purpose" {
                panic!("on purpose");
            }
            return Err(fault);
        }
        let pause = self.pause;
        if !pause.is_zero() && self.next < self.reads.len() {
            let at = *self.next_at.get_or_insert_with(|| tokio::time::Instant::now() + pause);
            tokio::time::sleep_until(at).await;
            self.next_at = None;
        }
        if self.waits_for_settling() {
            std::future::pending::<()>().await;
        }
        while let Some(rows) = self.reads.get(self.next).copied() {
            if self.stopped.load(Ordering::Relaxed) {
                return Ok(Read::End);
            }
            self.next += 1;
            let (first, end) = (self.at.max(self.from), self.at + rows);
            self.at = end;
            if end <= self.from {
                continue;
            }
            let texts: Vec<String> = (first..end).map(|n| n.to_string()).collect();
            let (reply, asked) = oneshot::channel();
            if self.asks {
                self.seen.replies.lock().unwrap().push(asked);
            }
            return Ok(Read::Rows(SourceRows {
                columns: testing::payload(&texts).columns,
                ids: RowIds::range(self.partition(), first, texts.len(), first as i64),
                partition: 0,
                end,
                resumed: None,
                reply: self.asks.then_some(reply),
            }));
        }
        if let (true, Some(fed)) =
            (self.endless && !self.stopped.load(Ordering::Relaxed), &self.fed)
        {
            let mut fed = fed.clone();
            if fed.wait_for(|ended| *ended).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
        Ok(Read::End)
    }

    async fn commit(
        &mut self,
        _: u32,
        upto: u64,
        resume: Option<Arc<Resume>>,
    ) -> Result<(), Fault> {
        self.seen.commits.lock().unwrap().push(upto);
        self.seen.resumes.lock().unwrap().push(resume);
        Ok(())
    }

    async fn stop(&mut self) -> Result<(), Fault> {
        self.stopped.store(true, Ordering::Relaxed);
        self.seen.stops.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn close(&mut self) -> Result<(), Fault> {
        self.seen.closed.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn waits_for_settling(&self) -> bool {
        self.one_by_one && !self.is_committed()
    }

    fn one_partition(&self) -> bool {
        true
    }
}

struct Each<F>(F);

impl<F> Transform for Each<F>
where
    F: Fn(Rows, &mut Output) -> Result<(), Fault> + Send,
{
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        (self.0)(rows, out)
    }
}

/// Sends on what arrives.
pub fn pass(rows: Rows, out: &mut Output) -> Result<(), Fault> {
    out.send(&rows, rows.columns.clone());
    Ok(())
}

/// Sends even numbers to `out`, odd ones to `rejected`.
pub fn evens(rows: Rows, out: &mut Output) -> Result<(), Fault> {
    let even: Vec<bool> = texts(&rows).iter().map(|text| number(text).is_multiple_of(2)).collect();
    let odd = BooleanArray::from(even.iter().map(|even| !even).collect::<Vec<bool>>());
    let even = BooleanArray::from(even);
    out.send_kept(&rows, &even, rows.filter(&even).columns);
    out.send_kept_to(Some("rejected"), &rows, &odd, rows.filter(&odd).columns);
    Ok(())
}

pub fn texts(rows: &Rows) -> Vec<String> {
    let payloads = testing::payloads(rows).into_iter();
    payloads.map(|payload| String::from_utf8(payload).unwrap()).collect()
}

pub fn number(text: &str) -> u64 {
    text.parse().unwrap()
}

pub fn refused(row: usize, code: &'static str) -> RowFault {
    let (message, payload) = (format!("row {row} is {code}"), row.to_string().into_bytes());
    RowFault { row, code, message, payload, meta: vec![("field", "n".into())] }
}

pub type Answer = dyn Fn(&Rows, usize) -> Result<Written, Fault> + Send + Sync;

/// A sink that remembers its writes; its answer is a function of the rows and the call's number.
#[derive(Clone)]
pub struct Store {
    pub limits: SinkLimits,
    pub answer: Arc<Answer>,
    /// All calls, in order, as they came.
    pub calls: Arc<Mutex<Vec<Rows>>>,
    pub closed: Arc<AtomicBool>,
    /// How long each write takes, by the first sequence number.
    pub takes: fn(u64) -> std::time::Duration,
    /// Writes wait here; without permits they hang.
    pub gate: Option<Arc<tokio::sync::Semaphore>>,
}

impl Store {
    pub fn new() -> Store {
        Store::answering(|_, _| Ok(Written::default()))
    }

    pub fn answering(
        answer: impl Fn(&Rows, usize) -> Result<Written, Fault> + Send + Sync + 'static,
    ) -> Store {
        let (calls, closed) = (Arc::default(), Arc::default());
        Store {
            limits: SinkLimits::default(),
            answer: Arc::new(answer),
            calls,
            closed,
            takes: |_| std::time::Duration::ZERO,
            gate: None,
        }
    }

    pub fn with(mut self, limits: SinkLimits) -> Store {
        self.limits = limits;
        self
    }

    pub fn calls(&self) -> Vec<Rows> {
        self.calls.lock().unwrap().clone()
    }

    /// The texts of each call.
    pub fn writes(&self) -> Vec<Vec<String>> {
        self.calls().iter().map(texts).collect()
    }

    /// The numbers of all calls, sorted.
    pub fn numbers(&self) -> Vec<u64> {
        let mut all: Vec<u64> = self.writes().iter().flatten().map(|text| number(text)).collect();
        all.sort_unstable();
        all
    }
}

#[async_trait]
impl Sink for Store {
    fn limits(&self) -> SinkLimits {
        self.limits
    }

    async fn write(&self, rows: &Rows) -> Result<Written, Fault> {
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        tokio::time::sleep((self.takes)(rows.ids.first().unwrap_or(0))).await;
        let call = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(rows.clone());
            calls.len() - 1
        };
        (self.answer)(rows, call)
    }

    async fn close(&self) -> Result<(), Fault> {
        self.closed.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// The counts of a node.
pub fn of<'a>(summary: &'a Summary, op: &str) -> &'a NodeSummary {
    summary.nodes.iter().find(|node| node.label == op).unwrap()
}

/// A short form of the errors of a report.
pub fn errors(report: &Report) -> Vec<String> {
    let short = |error: &RunError| match error {
        RunError::Node { node, fault } => format!("node {node} {}", fault.code),
        RunError::ErrorsTarget { flow, fault } => format!("errors of {flow} {}", fault.code),
        RunError::Balance { node, equation } => format!("balance {node}: {equation}"),
        RunError::Undelivered { rows } => format!("undelivered {rows}"),
        RunError::State { fault } => format!("state {}", fault.code),
        RunError::StateChanged { changes } => {
            let whats: Vec<&str> = changes.iter().map(|change| change.what.as_str()).collect();
            format!("changed: {}", whats.join("; "))
        }
    };
    report.errors.iter().map(short).collect()
}
