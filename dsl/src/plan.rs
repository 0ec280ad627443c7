//! The checked plan: what the engine runs and what the drawings show. Acyclic, ports wired, edges
//! typed.

use crate::ast::{Guarantee, ResourceKind};
use crate::span::Span;
use crate::spec::NodeKind;
use crate::ty::Ty;
use crate::value::Value;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A checked file, lowered for one profile, one set of parameters and the chosen flows.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The path of the root file, as given.
    pub file: String,
    /// The name of the profile it was lowered for.
    pub profile: String,
    /// Where an emulated profile keeps its state (`emulate(_, dir: …)`), already relative to the
    /// current directory; `None` = a real provider. A file that declares no profile has a `local`
    /// one, with its state in `out/local` beside the file.
    pub local_dir: Option<String>,
    /// What a profile of a real provider says of it as a whole; empty for an emulated one.
    pub provider: Provider,
    /// The nodes and the edges between them.
    pub graph: DiGraph<PlanNode, PlanEdge>,
    /// The flows that run, in the order of the file.
    pub flows: Vec<PlanFlow>,
    /// Every declared resource, in the order of the file, used or not.
    pub resources: Vec<PlanResource>,
    /// Every query, checked.
    pub queries: Vec<PlanQuery>,
    /// Where each node was written, by its id: `file:line:column`, as failures say it.
    pub places: BTreeMap<String, String>,
    /// Set for a plan that sends failed records again.
    pub replay: Option<Arc<Replay>>,
}

/// What is known of a plan that sends failed records again: a part of the plan they failed in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// The node they failed at, and which replay of it this is: tells batches and failures of one
    /// replay from those of other runs.
    pub label: String,
    /// What the rows of an edge are told apart by, by its number, as in the whole plan: so rows
    /// have the ids that they had. An edge that is not named has its rows as they come.
    pub lanes: BTreeMap<usize, String>,
    /// By sequence number, the failures that are sent.
    pub failures: BTreeMap<u64, Vec<Replayed>>,
}

/// A failure that is sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The partition of its row.
    pub partition: [u8; 16],
    /// That partition's name.
    pub name: String,
    /// The failure's id.
    pub id: String,
    /// How often it has been tried so far.
    pub attempts: u64,
}

impl Replay {
    /// The failure whose row has this number in a partition, or in one that a fan-in has made of
    /// that.
    pub fn of(&self, partition: &[u8; 16], name: &str, seq: u64) -> Option<&Replayed> {
        let candidates = self.failures.get(&seq)?;
        let own = candidates.iter().find(|each| each.partition == *partition);
        let mut above = candidates
            .iter()
            .filter(|each| name.strip_prefix(&each.name).is_some_and(|rest| rest.starts_with('/')));
        own.or_else(|| above.next().filter(|_| above.next().is_none()))
    }
}

/// How to reach a provider, where the profile says it; what it does not say comes from the
/// provider's own configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provider {
    /// `region = "eu-central-1"`
    pub region: Option<String>,
    /// `endpoint = "http://127.0.0.1:9000"`: all services stand there.
    pub endpoint: Option<String>,
    /// `state = "flowc-shop"`: the table that keeps leases and positions.
    pub state: Option<String>,
    /// `spill = "/var/lib/shop"`: the local directory of the buffers of `spill`.
    pub spill: Option<String>,
}

/// A flow of the plan.
#[derive(Clone, Debug)]
pub struct PlanFlow {
    /// Its name; unique.
    pub name: String,
    /// Its `##` comment.
    pub doc: Option<String>,
    /// What it promises.
    pub guarantee: Guarantee,
    /// Added by a provider for its own work (a local delivery); not written in the file, not drawn.
    pub hidden: bool,
    /// Its name's place.
    pub span: Span,
}

/// A declared resource and what the profile binds it to.
#[derive(Clone, Debug)]
pub struct PlanResource {
    /// Its name in the file.
    pub name: String,
    /// Its kind.
    pub kind: ResourceKind,
    /// What it holds.
    pub ty: Ty,
    /// The key fields, in order; may be empty.
    pub key: Vec<String>,
    /// The bucket that a delivery fills: index into [`Plan::resources`].
    pub into: Option<usize>,
    /// What it is bound to; `None` where the profile does not bind it and no chosen flow uses it.
    pub binding: Option<Binding>,
    /// Its name's place.
    pub span: Span,
}

/// `kinesis("APIData", shards: 1)`, with defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// `kinesis`, `s3`, `firehose`, `dynamodb`, `redshift`, …
    pub service: String,
    /// The first argument: the physical name.
    pub name: String,
    /// The named arguments, evaluated.
    pub options: BTreeMap<String, Value>,
}

/// A query on a warehouse table.
#[derive(Clone, Debug)]
pub struct PlanQuery {
    /// Its name.
    pub name: String,
    /// Its `##` comment.
    pub doc: Option<String>,
    /// The table it is on: index into [`Plan::resources`].
    pub table: usize,
    /// Redshift SQL with `{table}` holes replaced by the resource's name in the file.
    pub sql: String,
    /// The chart's name (`bar`) and its named arguments as column names.
    pub chart: Option<(String, Vec<(String, String)>)>,
    /// The name's place.
    pub span: Span,
}

/// A node of the plan.
#[derive(Clone, Debug)]
pub struct PlanNode {
    /// Stable and unique: `flow/name`, where name is `orders.read` or `csv.decode`, with `#2` on
    /// the second of that name in the flow.
    pub id: String,
    /// As written: `orders.read`, `csv.decode`, `where`.
    pub label: String,
    /// The spec's path in the registry: `stream.read`, `csv.decode`, `where`.
    pub op: String,
    /// Its place in the graph.
    pub kind: NodeKind,
    /// The flow: index into [`Plan::flows`].
    pub flow: usize,
    /// The resource whose verb it is: index into [`Plan::resources`].
    pub resource: Option<usize>,
    /// What arrives (`None` for a source).
    pub input: Option<Ty>,
    /// What leaves by `out` (`None` for a sink).
    pub output: Option<Ty>,
    /// Options that were given or have a default, checked;
    /// [`OptionTy::Template`](crate::spec::OptionTy) options are in `templates`.
    pub options: BTreeMap<String, Value>,
    /// Options whose holes are filled at run time; each is an [`ExprKind::Template`] or a constant.
    pub templates: BTreeMap<String, Expr>,
    /// The record in braces (`map`, `upsert`): an expression of kind [`ExprKind::Record`].
    pub record: Option<Expr>,
    /// The condition of `where`.
    pub condition: Option<Expr>,
    /// The conditions of `route`, in order; [`Port::Named`] `"n"` carries the records for which the
    /// n-th is the first that holds, and the port after the last carries the rest (`else`).
    pub conditions: Vec<Expr>,
    /// A sink of a resource that stores an encoding of what arrives: the stored wire type
    /// (`json<Line>` at `orders.write`, `ndjson<Failure>` at `quarantine.append`). The rows that
    /// arrive are records (`input`, columns), so that the sink can read its key from them; it
    /// encodes them itself, a JSON object for each, and a line for each where the type is
    /// `ndjson<_>`. `None` = the payload is stored as it is. No node is inserted for it; drawings
    /// show the codec dotted.
    pub encodes: Option<Ty>,
    /// Inserted by the planner; drawn dotted.
    pub inserted: bool,
    /// Of a `base64.decode` directly behind a stream's reader: the layer is already off the bytes
    /// that arrive, and the node runs as a pass-through. Its reader hands over the raw bytes, see
    /// [`Plan::hands_raw`].
    pub elided: bool,
    /// For a source: the nodes of this plan that feed it (all writers of its resource, or the
    /// `http.post` nodes that target it). It ends when all of them have ended and it is drained;
    /// empty = by itself (`file.read`) or when told to stop.
    pub fed_by: Vec<NodeIndex>,
    /// Where it was written.
    pub span: Span,
}

/// An edge of the plan.
#[derive(Clone, Debug)]
pub struct PlanEdge {
    /// The sender's port.
    pub port: Port,
    /// What travels.
    pub ty: Ty,
}

/// An output of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Port {
    /// The records.
    Out,
    /// `Failure` records.
    Errors,
    /// One event per source record whose branches are all acknowledged. Sent by sources.
    Done,
    /// A further port of the node: `rejected`, or the n-th arm of a `route` (`"0"`, `"1"`, … ; else
    /// is the last).
    Named(String),
}

/// A typed expression: every field resolved, every implicit conversion written as
/// [`ExprKind::Cast`].
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its type.
    pub ty: Ty,
    /// Where it was written.
    pub span: Span,
}

/// The kinds of typed expressions. Null in an operand gives null, except where said otherwise.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A constant.
    Const(Value),
    /// A field of the incoming record.
    Field(String),
    /// A field of a record value.
    Get(Box<Expr>, String),
    /// A member of the batch in scope.
    Batch(BatchField),
    /// `-a`
    Neg(Box<Expr>),
    /// `not a`
    Not(Box<Expr>),
    /// `a == null`; never null itself.
    IsNull(Box<Expr>),
    /// `==` and `!=` compare null as a value. Both operands have one type after casts, except: `*`
    /// and `/` of decimals, where each keeps its own precision and scale, and an instant plus or
    /// minus a duration. Results of decimals follow the Hive rules, capped at 38 digits: `+ -` of
    /// (p, s) is (p + 1, s); `*` is (p1 + p2 + 1, s1 + s2); `/` is (p1 + s2 + 4, s1 + 4), rounded
    /// half away from zero; `%` of (p, s) is (p, s). `/` of two ints is cast to decimal, so nothing
    /// is cut off silently; `%` of two ints is an int.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `a ?? b`
    Coalesce(Box<Expr>, Box<Expr>),
    /// `a catch b`: b for the rows in which a fails.
    Catch(Box<Expr>, Box<Expr>),
    /// `if a then b else c`
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// A function of [`crate::check::functions`], by name.
    Call(&'static str, Vec<Expr>),
    /// A conversion that cannot fail except by overflow: int to decimal, decimal to a larger scale,
    /// T to T?.
    Cast(Box<Expr>),
    /// `{ a: …, [b]: … }`
    Record(Vec<Entry>),
    /// `[a, b]`
    List(Vec<Expr>),
    /// Text with holes.
    Template(Vec<TemplatePart>),
}

/// An entry of a typed record, in the order written; spreads are already expanded.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// `name: value`
    Named(String, Expr),
    /// `[name]: value`
    Computed(Expr, Expr),
}

/// A piece of a typed template.
#[derive(Clone, Debug, PartialEq)]
pub enum TemplatePart {
    /// As it is.
    Text(String),
    /// A value, with a strftime format for a timestamp.
    Hole(Expr, Option<String>),
    /// A value in the name of an object, [percent-encoded](crate::percent).
    Encoded(Expr),
}

/// `batch.id`, `batch.time`, `batch.count`, `batch.size`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchField {
    /// First to last sequence number; equal on replay. text
    Id,
    /// Arrival of the first record; equal on replay. timestamp
    Time,
    /// Records in it. int
    Count,
    /// Payload bytes in it. size
    Size,
}

/// The operators that need both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `or` (three-valued)
    Or,
    /// `and` (three-valued)
    And,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Rem,
}

/// Options by name, as the checker has filled them in; each panics where the spec has no such
/// option of that type, or it has no default and was not given.
impl PlanNode {
    /// A node that is in no text: inserted by the planner, with nothing set.
    pub fn inserted(id: String, op: &str, kind: NodeKind, flow: usize, span: Span) -> PlanNode {
        PlanNode {
            id,
            label: op.to_owned(),
            op: op.to_owned(),
            kind,
            flow,
            resource: None,
            input: None,
            output: None,
            options: BTreeMap::new(),
            templates: BTreeMap::new(),
            record: None,
            condition: None,
            conditions: Vec::new(),
            encodes: None,
            inserted: true,
            elided: false,
            fed_by: Vec::new(),
            span,
        }
    }

    /// A text, choice or path.
    pub fn text(&self, name: &str) -> &str {
        self.expect(name, Value::as_text)
    }

    /// A number that is not negative.
    pub fn count(&self, name: &str) -> usize {
        self.expect(name, |value| usize::try_from(value.as_int()?).ok())
    }

    /// A size in bytes.
    pub fn size(&self, name: &str) -> u64 {
        self.expect(name, Value::as_size)
    }

    /// A duration.
    pub fn duration(&self, name: &str) -> Duration {
        let ns = self.expect(name, |value| u64::try_from(value.as_duration_ns()?).ok());
        Duration::from_nanos(ns)
    }

    /// `true` or `false`.
    pub fn flag(&self, name: &str) -> bool {
        self.expect(name, Value::as_bool)
    }

    fn expect<'a, T>(&'a self, name: &str, read: impl Fn(&'a Value) -> Option<T>) -> T {
        let value = self.options.get(name).and_then(read);
        value.unwrap_or_else(|| panic!("`{}` has no option `{name}` of that type", self.id))
    }
}

impl Plan {
    /// The directory of the buffers of `spill`, where the profile has one.
    pub fn spill_dir(&self) -> Option<String> {
        let local = self.local_dir.as_ref().map(|dir| format!("{dir}/spills"));
        local.or_else(|| self.provider.spill.clone())
    }

    /// The flow of a node.
    pub fn flow_of(&self, node: NodeIndex) -> &PlanFlow {
        &self.flows[self.graph[node].flow]
    }

    /// Whether a stream's reader hands over the raw bytes of its records, although its output type
    /// has a base64 layer: all that receive from it are elided decoders. False = it encodes.
    pub fn hands_raw(&self, reader: NodeIndex) -> bool {
        let mut receivers = self.graph.edges(reader).filter(|edge| edge.weight().port == Port::Out);
        receivers.all(|edge| self.graph[edge.target()].elided)
    }

    /// The resource of that name.
    pub fn resource(&self, name: &str) -> Option<&PlanResource> {
        self.resources.iter().find(|resource| resource.name == name)
    }
}
