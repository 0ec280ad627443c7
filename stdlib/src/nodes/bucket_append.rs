//! `bucket.append`: stores records as lines of objects, named by time and id.

use crate::nodes::bucket_put::content;
use crate::service::once::{each_failure_once, each_row_once};
use crate::service::outgoing::Outgoing;
use crate::service::{BucketPlace, Put, Services, object_key};
use arrow_array::cast::AsArray;
use async_trait::async_trait;
use dsl::ast::ResourceKind;
use dsl::plan::PlanResource;
use dsl::spec::*;
use dsl::ty::Ty;
use engine::batch::Rows;
use engine::ctx::NodeCtx;
use engine::expr::{self, Compiled, Env};
use engine::failpoint::Failpoints;
use engine::fault::Fault;
use engine::node::{Sink, SinkLimits, Written};
use engine::registry::Open;
use engine::summary::Counters;
use petgraph::Direction::Incoming;
use std::ops::Range;
use std::sync::Arc;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "bucket.append",
    summary: "Stores records as lines of objects, named by time and id.",
    doc: "\
A write is confirmed when the records are durable; they come to lie in the bucket a few seconds
later, or when the run ends, a handful in one object. The object's name has the time at which its
first record arrived and a number, and is the same after a crash. A record that this node has
appended before is counted as `already stored` and not appended again.",
    kind: NodeKind::Sink,
    resource: Some(ResourceKind::Bucket),
    signatures: &["R ->"],
    options: &[],
    // It has no `errors`: it is where they go. What it cannot take stops the run.
    fails: &[],
    delivery: Delivery { replays: false, holds_ack: false, idempotent: true },
    examples: &[Example {
        title: "Rows that cannot be read, kept with their reason.",
        flow: r#"
type Order = { id: text, amount: decimal(10, 2) }

bucket quarantine : ndjson<Failure>

profile aws {
  quarantine = s3("example-lake", prefix: "quarantine/")
}

profile local = emulate(aws, dir: "out")

flow read : at_least_once {
  file.read("orders.csv") -> csv.decode as Order -> count("orders")
  errors -> quarantine.append
}
"#,
        files: &[("orders.csv", "id,amount\na1,2.50\na2,ten\n")],
        ..EXAMPLE
    }],
    ..BLANK
};

/// How a run opens it.
pub fn open(services: Arc<Services>) -> Open {
    Open::Sink(Box::new(move |ctx| {
        let services = services.clone();
        Box::pin(async move { Ok(Box::new(BucketAppend::open(&ctx, services)?) as Box<dyn Sink>) })
    }))
}

/// A writer of lines to one bucket.
pub struct BucketAppend {
    services: Arc<Services>,
    place: BucketPlace,
    /// The records are failures: one source row may fail at several nodes.
    failures: bool,
    outgoing: Outgoing,
    /// Set where the provider cannot append, and has put a `batch` in front of this node.
    whole: Option<Whole>,
    failpoints: Failpoints,
}

/// How each batch becomes an object.
struct Whole {
    key: Compiled,
    ending: &'static str,
    env: Env,
    node: String,
    encodes: bool,
    counters: Counters,
}

impl BucketAppend {
    /// Opens it.
    ///
    /// # Errors
    /// The bucket is not bound.
    pub fn open(ctx: &NodeCtx, services: Arc<Services>) -> Result<BucketAppend, Fault> {
        let resource = ctx.node.resource.expect("a verb has a resource");
        let place = BucketPlace::of(&ctx.plan.resources[resource])?;
        let failures = ctx.node.input.as_ref() == Some(&Ty::failure());
        let once = if failures { each_failure_once(ctx) } else { each_row_once(ctx) };
        let outgoing = Outgoing::new(ctx, &[], once);
        let whole = behind_batch(ctx).then(|| Whole::open(ctx, &ctx.plan.resources[resource]));
        let failpoints = ctx.run.failpoints.clone();
        Ok(BucketAppend { services, place, failures, outgoing, whole, failpoints })
    }

    /// Stores a batch as one object. Failures that come again have another time, so their ids are
    /// part of the name, and an object of that name holds them.
    async fn put(&self, whole: &Whole, rows: &Rows) -> Result<(), Fault> {
        let content = content(rows, whole.encodes, true);
        let tag = match self.failures {
            true => hash(&[whole.node.as_bytes(), &ids(rows)]),
            false => hash(&[whole.node.as_bytes()]),
        };
        let name = expr::eval_text(&whole.key, rows, &whole.env)
            .map_err(|fault| Fault::service("object_key", fault.message))?;
        let stem = name.strip_suffix(whole.ending).unwrap_or(&name);
        let key = format!("{}{stem}-{tag}{}", self.place.prefix, whole.ending);
        self.failpoints.pass("aws.append.put")?;
        let put = self.services.objects.put(&self.place.bucket, &key, content).await;
        let put = match put {
            Err(fault) if self.failures && fault.code == "object_conflict" => Put::AlreadyStored,
            put => put?,
        };
        match put {
            Put::Stored => whole.counters.add("objects", 1),
            Put::AlreadyStored => whole.counters.add("already stored", rows.len() as u64),
        }
        Ok(())
    }

    /// Stretches of rows that failed at the same node, with that node.
    fn parts<'a>(&self, rows: &'a Rows) -> Vec<(Range<usize>, &'a str)> {
        let nodes = rows.columns.column_by_name("node").filter(|_| self.failures);
        let Some(nodes) = nodes.and_then(|nodes| nodes.as_string_opt::<i32>()) else {
            return vec![(0..rows.len(), "")];
        };
        let mut parts: Vec<(Range<usize>, &str)> = Vec::new();
        for row in 0..rows.len() {
            match parts.last_mut() {
                Some((part, node)) if *node == nodes.value(row) => part.end = row + 1,
                _ => parts.push((row..row + 1, nodes.value(row))),
            }
        }
        parts
    }
}

impl Whole {
    fn open(ctx: &NodeCtx, stored: &PlanResource) -> Whole {
        Whole {
            key: expr::compile(&object_key::template(stored)),
            ending: object_key::ending(&stored.ty),
            env: Env::new(ctx),
            node: ctx.node.id.clone(),
            encodes: ctx.node.encodes.is_some(),
            counters: ctx.counters.clone(),
        }
    }
}

/// Whether what comes here are batches.
fn behind_batch(ctx: &NodeCtx) -> bool {
    let graph = &ctx.plan.graph;
    let own = graph.node_indices().find(|node| graph[*node].id == ctx.node.id);
    let before = own.into_iter().flat_map(|own| graph.neighbors_directed(own, Incoming));
    before.into_iter().any(|node| graph[node].op == "batch")
}

/// The ids of failures, which are the same when they come again.
fn ids(rows: &Rows) -> Vec<u8> {
    let ids = rows.columns.column_by_name("id").expect("a failure has an id").as_string::<i32>();
    ids.iter().flatten().flat_map(|id| id.bytes().chain([b'\n'])).collect()
}

fn hash(parts: &[&[u8]]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    hasher.finalize().to_hex()[..8].to_owned()
}

#[async_trait]
impl Sink for BucketAppend {
    fn limits(&self) -> SinkLimits {
        match self.whole {
            Some(_) => SinkLimits { whole: true, ..SinkLimits::default() },
            None => SinkLimits::default(),
        }
    }

    async fn write(&self, rows: &Rows) -> Result<Written, Fault> {
        if let Some(whole) = &self.whole {
            self.put(whole, rows).await?;
            return Ok(Written::default());
        }
        for (part, node) in self.parts(rows) {
            let rows = rows.slice(part);
            let records = self.outgoing.records(&rows, node);
            self.failpoints.pass("bucket.append")?;
            let appended = self.services.delivery.append(&self.place, records.clone()).await?;
            self.failpoints.pass("bucket.appended")?;
            let refused = self.outgoing.written(&rows, &records, appended).refused;
            if let Some(fault) = refused.into_iter().next() {
                let bucket = &self.place.bucket;
                let message = format!("bucket `{bucket}` cannot take a record: {}", fault.message);
                return Err(Fault::service(fault.code, message));
            }
        }
        Ok(Written::default())
    }
}
