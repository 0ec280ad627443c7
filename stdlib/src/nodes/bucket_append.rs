//! `bucket.append`: stores records as lines of objects, named by time and id.

use crate::service::once::{each_failure_once, each_row_once};
use crate::service::outgoing::Outgoing;
use crate::service::{BucketPlace, Services};
use arrow_array::cast::AsArray;
use async_trait::async_trait;
use dsl::ast::ResourceKind;
use dsl::spec::*;
use dsl::ty::Ty;
use engine::batch::Rows;
use engine::ctx::NodeCtx;
use engine::fault::Fault;
use engine::node::{Sink, Written};
use engine::registry::Open;
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
        Ok(BucketAppend { services, place, failures, outgoing: Outgoing::new(ctx, &[], once) })
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

#[async_trait]
impl Sink for BucketAppend {
    async fn write(&self, rows: &Rows) -> Result<Written, Fault> {
        for (part, node) in self.parts(rows) {
            let rows = rows.slice(part);
            let records = self.outgoing.records(&rows, node);
            let appended = self.services.delivery.append(&self.place, records.clone()).await?;
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
