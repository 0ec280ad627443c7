//! How much memory a run may take at most, place by place: computed from the plan, the budgets and
//! what nodes say of themselves.
//!
//! What is read and not settled is no place of its own: it lies on the edges and in the nodes.
//! Buffers that branches share are counted in each; a slice that keeps a larger buffer is counted
//! twice its size, and smaller ones are copied.

use super::{Budgets, Limits};
use crate::node::SinkLimits;
use crate::run::batch_options;
use dsl::plan::{Plan, PlanNode, Port};
use dsl::spec::NodeKind;
use petgraph::Direction::{Incoming, Outgoing};
use petgraph::algo::toposort;
use petgraph::graph::{EdgeIndex, NodeIndex};
use petgraph::visit::EdgeRef;

/// What a node says of the memory it takes.
#[derive(Clone, Copy, Debug)]
pub enum NodeMemory {
    /// A source.
    Source {
        /// The largest batch that it reads.
        read: Largest,
        /// What it holds beside what it has handed over.
        own_bytes: u64,
    },
    /// A transform.
    Transform(Growth),
    /// A sink.
    Sink {
        /// Of its writes.
        limits: SinkLimits,
        /// What it makes of a write while that is under way.
        encodes: Growth,
        /// What it holds beside its writes.
        own_bytes: u64,
    },
}

/// The largest batch somewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Largest {
    /// Rows.
    pub rows: u64,
    /// Bytes in memory.
    pub bytes: u64,
}

/// What becomes of a batch, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// Bytes made of one byte.
    pub times: u64,
    /// Bytes made for each row, beside them.
    pub row_bytes: u64,
    /// A row is made of this many bytes at least; 0 = of each row one.
    pub bytes_a_row: u64,
}

impl Growth {
    /// As much leaves as arrives.
    pub const SAME: Growth = Growth { times: 1, row_bytes: 0, bytes_a_row: 0 };

    /// What a batch becomes.
    pub fn of(self, batch: Largest) -> Largest {
        let rows = match self.bytes_a_row {
            0 => batch.rows,
            bytes => batch.bytes / bytes + 1,
        };
        let bytes = batch.bytes.saturating_mul(self.times);
        Largest { rows, bytes: bytes.saturating_add(rows.saturating_mul(self.row_bytes)) }
    }
}

/// How a run is set up.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The budgets.
    pub limits: Limits,
    /// Source rows in flight.
    pub in_flight_rows_max: u64,
    /// Batches of a channel.
    pub channel_batches: u64,
    /// Threads that work transforms.
    pub threads: u64,
}

/// One place where rows are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of its flow in the plan.
    pub flow: usize,
    /// `file.read`, `csv.decode -> json.encode`, `orders.write`.
    pub name: String,
    /// What it is: an edge, or what a node holds.
    pub kind: PlaceKind,
    /// What it holds at most; rows may be more where they are small.
    pub holds: Largest,
}

/// What a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceKind {
    /// What a source reads next and has just read.
    Source,
    /// What waits between two nodes.
    Edge,
    /// What transforms work on.
    Work,
    /// Open batches.
    Batch,
    /// What a sink has queued and writes.
    Sink,
}

/// What a source may have in flight: read, and not settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// The source.
    pub node: NodeIndex,
    /// Rows at most that it has read and that are not settled, or settled behind one that is not:
    /// twice its limit, as a batch may have to reach the end that an earlier run has recorded, and
    /// a read.
    pub rows: u64,
}

/// All places of a run, and their sum.
#[derive(Clone, Debug, Default)]
pub struct Worst {
    /// In the order of the plan.
    pub places: Vec<Place>,
    /// Of all sources.
    pub in_flight: Vec<InFlight>,
}

impl Worst {
    /// The bytes of all places.
    pub fn bytes(&self) -> u64 {
        self.places.iter().fold(0, |sum, place| sum.saturating_add(place.holds.bytes))
    }

    /// The largest budgets, halved as often as it takes, with which everything stays within so many
    /// bytes.
    ///
    /// # Errors
    /// How many bytes it takes at least.
    pub fn within(
        plan: &Plan,
        setting: &Setting,
        memory: &dyn Fn(&Plan, &PlanNode) -> NodeMemory,
        bytes: u64,
    ) -> Result<Limits, u64> {
        const HALVINGS: u32 = 8;
        let mut least = u64::MAX;
        for times in 0..=HALVINGS {
            let limits = setting.limits.halved(times);
            least = Worst::of(plan, &Setting { limits, ..*setting }, memory).bytes();
            if least <= bytes {
                return Ok(limits);
            }
        }
        Err(least)
    }

    /// Computes it; `memory` is what a node says of itself.
    ///
    /// # Panics
    /// The plan has a cycle, which the checker refuses.
    pub fn of(
        plan: &Plan,
        setting: &Setting,
        memory: &dyn Fn(&Plan, &PlanNode) -> NodeMemory,
    ) -> Worst {
        let order = toposort(&plan.graph, None).expect("a plan is acyclic");
        let mut worst = Walk {
            plan,
            setting,
            memory,
            budgets: Budgets::new(plan, setting.limits),
            out: vec![Largest::default(); plan.graph.node_count()],
            worst: Worst::default(),
        };
        for node in order {
            worst.node(node);
        }
        let mut found = worst.worst;
        found.places.sort_by_key(|place| place.flow);
        found
    }
}

struct Walk<'a> {
    plan: &'a Plan,
    setting: &'a Setting,
    memory: &'a dyn Fn(&Plan, &PlanNode) -> NodeMemory,
    budgets: Budgets,
    /// The largest batch that each node sends.
    out: Vec<Largest>,
    worst: Worst,
}

impl Walk<'_> {
    fn node(&mut self, index: NodeIndex) {
        let node = &self.plan.graph[index];
        let given = self.edges(index);
        let memory = (self.memory)(self.plan, node);
        let (kind, holds, out) = match (node.kind, memory) {
            (_, NodeMemory::Source { read, own_bytes }) => {
                let limit = self.setting.in_flight_rows_max;
                let rows = limit.saturating_mul(2).saturating_add(read.rows);
                self.worst.in_flight.push(InFlight { node: index, rows });
                let bytes = read.bytes.saturating_mul(2).saturating_add(own_bytes);
                (PlaceKind::Source, Largest { rows: read.rows * 2, bytes }, read)
            }
            (_, NodeMemory::Sink { limits, encodes, own_bytes }) => {
                let mut holds = sink(given, limits, encodes);
                holds.bytes = holds.bytes.saturating_add(own_bytes);
                (PlaceKind::Sink, holds, Largest::default())
            }
            (NodeKind::Transform, _) if node.op == "batch" && !node.elided => {
                let (holds, out) = self.batch(index, given);
                (PlaceKind::Batch, holds, out)
            }
            (_, NodeMemory::Transform(growth)) => {
                let out = growth.of(given);
                let at_work = self.at_work(given);
                let made = growth.of(at_work);
                let bytes = at_work.bytes.saturating_add(made.bytes);
                (PlaceKind::Work, Largest { rows: made.rows.max(at_work.rows), bytes }, out)
            }
        };
        self.out[index.index()] = out;
        if node.elided || node.op == "merge" {
            return;
        }
        self.worst.places.push(Place { flow: node.flow, name: node.label.clone(), kind, holds });
    }

    /// Adds the edges into a node; gives the largest batch of all.
    fn edges(&mut self, to: NodeIndex) -> Largest {
        let mut edges: Vec<EdgeIndex> =
            self.plan.graph.edges_directed(to, Incoming).map(|edge| edge.id()).collect();
        edges.sort();
        let mut largest = Largest::default();
        for edge in edges {
            let Some((from, _)) = self.plan.graph.edge_endpoints(edge) else { continue };
            let batch = self.sent(from, edge);
            largest.rows = largest.rows.max(batch.rows);
            largest.bytes = largest.bytes.max(batch.bytes);
            if self.is_call(from, to) {
                continue;
            }
            let all = batch.bytes.saturating_mul(self.setting.channel_batches);
            let holds = Largest {
                rows: batch.rows.saturating_mul(self.setting.channel_batches),
                bytes: all.min(self.budgets.edge(edge).max(batch.bytes)),
            };
            let (flow, graph) = (self.plan.graph[from].flow, &self.plan.graph);
            let name = format!("{} -> {}", graph[from].label, graph[to].label);
            self.worst.places.push(Place { flow, name, kind: PlaceKind::Edge, holds });
        }
        largest
    }

    /// The largest batch on an edge: failures carry their original bytes and some texts.
    fn sent(&self, from: NodeIndex, edge: EdgeIndex) -> Largest {
        const FAILURE_BYTES: u64 = 400;
        let batch = self.out[from.index()];
        match self.plan.graph[edge].port {
            Port::Done => Largest { rows: batch.rows, bytes: 0 },
            Port::Errors => Largest {
                rows: batch.rows,
                bytes: batch.bytes.saturating_add(batch.rows.saturating_mul(FAILURE_BYTES)),
            },
            _ => batch,
        }
    }

    /// The two are steps of one task, without a channel between them.
    fn is_call(&self, from: NodeIndex, to: NodeIndex) -> bool {
        let is_step = |node: NodeIndex| {
            let node = &self.plan.graph[node];
            node.kind == NodeKind::Transform && (node.op != "batch" || node.elided)
        };
        let graph = &self.plan.graph;
        let data = graph.edges_directed(from, Outgoing);
        let data = data.filter(|edge| edge.weight().port != Port::Errors).count();
        is_step(from)
            && is_step(to)
            && data == 1
            && graph.edges_directed(to, Incoming).count() == 1
            && graph.edges_directed(to, Incoming).all(|edge| edge.weight().port != Port::Errors)
    }

    /// What the jobs of a chain have been given, and what is taken next.
    fn at_work(&self, batch: Largest) -> Largest {
        let jobs = if self.setting.threads > 1 { self.setting.threads + 1 } else { 1 };
        let by_bytes = self.setting.limits.edge_bytes.saturating_add(batch.bytes);
        Largest {
            rows: batch.rows.saturating_mul(jobs),
            bytes: batch.bytes.saturating_mul(jobs).min(by_bytes),
        }
    }

    /// Open batches, those that are closed and wait to be recorded, and one that is being joined.
    fn batch(&self, index: NodeIndex, given: Largest) -> (Largest, Largest) {
        const CLOSED_BYTES: u64 = 1 << 20;
        let node = &self.plan.graph[index];
        let (limits, _) = batch_options(node);
        let budget = self.budgets.batch(index);
        let out = Largest {
            rows: limits.max,
            bytes: limits.size.saturating_mul(2).min(budget).saturating_add(given.bytes),
        };
        let open = budget.saturating_add(given.bytes).saturating_mul(2);
        let bytes = open.saturating_add(CLOSED_BYTES).saturating_add(out.bytes.saturating_mul(2));
        (Largest { rows: self.setting.in_flight_rows_max, bytes }, out)
    }
}

/// What a sink has queued, and its writes with what it makes of them.
fn sink(given: Largest, limits: SinkLimits, encodes: Growth) -> Largest {
    let SinkLimits { rows_max, bytes_max, concurrency, in_flight_bytes_max, whole, .. } = limits;
    let (rows_max, bytes_max) = (rows_max as u64, bytes_max as u64);
    let queued = match whole {
        true => given,
        false => Largest {
            rows: rows_max.saturating_add(given.rows),
            bytes: bytes_max.saturating_mul(2).saturating_add(given.bytes),
        },
    };
    let one = match whole {
        true => given,
        false => Largest {
            rows: rows_max.min(queued.rows),
            bytes: bytes_max.saturating_mul(2).max(given.bytes).min(queued.bytes),
        },
    };
    let all = one.bytes.saturating_mul(concurrency as u64);
    let writes = Largest {
        rows: one.rows.saturating_mul(concurrency as u64),
        bytes: all.min((in_flight_bytes_max as u64).saturating_mul(2).max(one.bytes)),
    };
    let made = encodes.of(writes);
    let bytes = queued.bytes.saturating_add(writes.bytes).saturating_add(made.bytes);
    Largest { rows: queued.rows.saturating_add(writes.rows), bytes }
}
