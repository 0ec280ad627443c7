//! The transforms of the simulation, and how a shape becomes a plan and a registry.

use crate::clients::Clients;
use crate::shape::{Shape, SourceKind, Work, arm, roll};
use crate::sinks::{Store, row_of};
use crate::sources::Feed;
use arrow_array::BooleanArray;
use dsl::plan::{Plan, PlanEdge};
use dsl::spec::{BLANK, Delivery, NodeKind, NodeSpec};
use dsl::ty::Ty;
use dsl::value::Value;
use engine::batch::{Resume, RowIds, Rows};
use engine::fault::{Fault, RowFault};
use engine::node::{Output, Sink, Source, Transform};
use engine::registry::{Open, Registry};
use engine::sim::{Kind, World};
use engine::testing;
use petgraph::graph::NodeIndex;
use std::sync::{Arc, OnceLock};

/// Everything outside the process that the nodes reach.
#[derive(Clone, Default)]
pub struct Outside {
    pub feeds: Vec<Option<Feed>>,
    pub clients: Vec<Option<Clients>>,
    pub stores: Vec<Store>,
}

/// Nodes at most.
const NODES_MAX: usize = 256;

/// The specs of all nodes that any world can have: by number, and by kind.
fn spec(node: usize, kind: NodeKind, replays: bool) -> &'static NodeSpec {
    static SPECS: OnceLock<Vec<[NodeSpec; 4]>> = OnceLock::new();
    let specs = SPECS.get_or_init(|| {
        let each = |node: usize| {
            let path: &'static str = Box::leak(format!("n{node}").into_boxed_str());
            let of = |kind, replays| NodeSpec {
                path,
                kind,
                delivery: Delivery { replays, ..Delivery::default() },
                ..BLANK
            };
            let source = |replays| of(NodeKind::Source, replays);
            [source(true), source(false), of(NodeKind::Transform, false), of(NodeKind::Sink, false)]
        };
        (0..NODES_MAX).map(each).collect()
    });
    let form = match kind {
        NodeKind::Source => usize::from(!replays),
        NodeKind::Transform => 2,
        NodeKind::Sink => 3,
    };
    &specs[node][form]
}

/// The plan of a shape.
pub fn plan(shape: &Shape) -> Plan {
    let mut plan = testing::plan(Vec::new());
    for (number, work) in shape.nodes.iter().enumerate() {
        let kind = kind(work);
        let op = match work {
            Work::Merge => "merge".to_owned(),
            Work::Batch { .. } => "batch".to_owned(),
            Work::Drop => "drop".to_owned(),
            _ => format!("n{number}"),
        };
        let mut node = testing::plan_node(&op, kind, Some(Ty::Text), Some(Ty::Text));
        node.id = format!("sim/n{number}");
        if let Work::Batch { max, size, wait_ms } = work {
            let wait = Value::Duration(*wait_ms as i64 * 1_000_000);
            node.options.insert("max".into(), Value::Int(*max as i64));
            node.options.insert("size".into(), Value::Size(*size));
            node.options.insert("wait".into(), wait);
        }
        plan.graph.add_node(node);
    }
    for (from, port, to) in &shape.edges {
        let edge = PlanEdge { port: port.clone(), ty: Ty::Text };
        plan.graph.add_edge(NodeIndex::new(*from), NodeIndex::new(*to), edge);
    }
    plan
}

fn kind(work: &Work) -> NodeKind {
    match work {
        Work::Source(_) => NodeKind::Source,
        Work::Sink(_) | Work::Drop => NodeKind::Sink,
        _ => NodeKind::Transform,
    }
}

/// How the nodes of a shape are opened.
pub fn registry(world: &World, shape: &Arc<Shape>, outside: &Outside) -> Registry {
    static DROP: NodeSpec = NodeSpec { path: "drop", kind: NodeKind::Sink, ..BLANK };
    let mut registry = Registry::default();
    registry.add(&DROP, Open::Engine);
    for (node, work) in shape.nodes.iter().enumerate() {
        let (replays, open) = match work {
            Work::Source(source) => {
                let replays = shape.sources[*source].kind != SourceKind::Push;
                (replays, open_source(outside, *source))
            }
            Work::Sink(sink) => {
                let store = outside.stores[*sink].clone();
                let open = move |_| -> futures::future::BoxFuture<'static, _> {
                    let store = store.clone();
                    Box::pin(async move { Ok(Box::new(store) as Box<dyn Sink>) })
                };
                (false, Open::Sink(Box::new(open)))
            }
            Work::Merge | Work::Batch { .. } | Work::Drop => continue,
            Work::Decode(fails) => {
                let (world, fails) = (world.clone(), *fails);
                let open = move |_| {
                    let world = world.clone();
                    Ok(Box::new(Decode { node, fails, world, ..Decode::blank() }) as _)
                };
                (false, Open::Transform(Box::new(open)))
            }
            work => {
                let (world, work) = (world.clone(), work.clone());
                let open = move |_| {
                    let (world, work) = (world.clone(), work.clone());
                    Ok(Box::new(Each { node, work, world }) as Box<dyn Transform>)
                };
                (false, Open::Transform(Box::new(open)))
            }
        };
        registry.add(spec(node, kind(work), replays), open);
    }
    registry
}

fn open_source(outside: &Outside, source: usize) -> Open {
    let (feed, clients) = (outside.feeds[source].clone(), outside.clients[source].clone());
    Open::Source(Box::new(move |ctx| {
        let source: Box<dyn Source> = match (&feed, &clients) {
            (Some(feed), _) => feed.open(&ctx),
            (None, Some(clients)) => clients.open(&ctx),
            (None, None) => unreachable!("a source is one or the other"),
        };
        Box::pin(async move { Ok(source) })
    }))
}

/// Panics where the faults of the moment say so.
fn may_panic(world: &World) {
    let now = world.now();
    let panics = world.draw("code", |random, faults| {
        let mut windows = faults.at("code", "apply", now).filter(|w| w.kind == Kind::Panic);
        windows.any(|window| random.u32(0..1_000) < window.share)
    });
    if panics {
        world.count(Kind::Panic.name());
        panic!("on purpose, in a transform");
    }
}

/// Works each row by itself.
struct Each {
    node: usize,
    work: Work,
    world: World,
}

impl Transform for Each {
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        may_panic(&self.world);
        let payloads = testing::payloads(&rows);
        let numbers: Vec<u64> = payloads.iter().map(|text| row_of(text)).collect();
        let flags = |of: u64| -> Vec<bool> {
            numbers.iter().map(|row| roll(*row, self.node, of)).collect()
        };
        match &self.work {
            Work::Filter(of) => {
                let kept: Vec<bool> = flags(*of).iter().map(|out| !out).collect();
                out.filter(kept.iter().filter(|kept| !**kept).count());
                let kept = BooleanArray::from(kept);
                out.send_kept(&rows, &kept, rows.filter(&kept).columns);
            }
            Work::Fail(of) => {
                let fails = flags(*of);
                out.fail(
                    (0..rows.len()).filter(|row| fails[*row]).map(|row| fault(row, &payloads)),
                );
                let kept = BooleanArray::from(fails.iter().map(|fails| !fails).collect::<Vec<_>>());
                out.send_kept(&rows, &kept, rows.filter(&kept).columns);
            }
            Work::Route => {
                for port in ["0", "1"] {
                    let kept: Vec<bool> =
                        numbers.iter().map(|row| arm(*row, self.node) == port).collect();
                    let kept = BooleanArray::from(kept);
                    let columns = rows.filter(&kept).columns;
                    out.send_kept_to(Some(port), &rows, &kept, columns);
                }
            }
            _ => out.send(&rows, rows.columns.clone()),
        }
        Ok(())
    }
}

fn fault(row: usize, payloads: &[Vec<u8>]) -> RowFault {
    let payload = payloads[row].clone();
    RowFault { row, code: "odd", message: "it is odd".into(), payload, meta: Vec::new() }
}

/// Makes a record of each line, and keeps the end of a chunk.
struct Decode {
    node: usize,
    fails: u64,
    world: World,
    /// What is kept, where it begins, and its number.
    kept: Vec<u8>,
    offset: u64,
    record: u64,
}

impl Decode {
    fn blank() -> Decode {
        let world = World::new(0);
        Decode { node: 0, fails: 0, world, kept: Vec::new(), offset: 0, record: 0 }
    }
}

impl Transform for Decode {
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        may_panic(&self.world);
        if let Some(resume) = &rows.resumed {
            (self.offset, self.record) = (resume.offset, resume.record);
            self.kept.clear();
        }
        for text in testing::payloads(&rows) {
            self.kept.extend_from_slice(&text);
        }
        let end = self.kept.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let rest = self.kept.split_off(end);
        let text = std::mem::replace(&mut self.kept, rest);
        let lines: Vec<Vec<u8>> = text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(<[u8]>::to_vec)
            .collect();
        let partition = Arc::new(rows.ids.partition.derive("lines"));
        let ids = RowIds::range(partition, self.record, lines.len(), 0);
        self.offset += end as u64;
        self.record += lines.len() as u64;
        let fails: Vec<bool> =
            lines.iter().map(|line| roll(row_of(line), self.node, self.fails)).collect();
        let faults = (0..lines.len()).filter(|row| fails[*row]).map(|row| fault(row, &lines));
        out.fail_made(&ids, faults.collect::<Vec<_>>());
        let kept: Vec<bool> = fails.iter().map(|fails| !fails).collect();
        let good: Vec<&Vec<u8>> =
            lines.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(line, _)| line).collect();
        let columns = testing::payload(&good).columns;
        out.send_made(&rows, columns, ids.filter(&kept.into()), lines.len() as u64);
        let (offset, record) = (self.offset, self.record);
        out.resume_at(Resume { offset, record, ..Resume::default() });
        if !self.kept.is_empty() {
            out.keep();
        }
        Ok(())
    }
}
