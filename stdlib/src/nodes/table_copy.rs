//! `table.copy`: loads objects into the table, each once.

use crate::service::outgoing::row_json;
use crate::service::{BucketPlace, Copied, ObjectRef, Objects, Services, physical_name};
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use async_trait::async_trait;
use dsl::ast::ResourceKind;
use dsl::plan::Plan;
use dsl::spec::*;
use engine::batch::Rows;
use engine::ctx::NodeCtx;
use engine::fault::{Fault, RowFault};
use engine::node::{Sink, SinkLimits, Written};
use engine::registry::Open;
use engine::summary::Counters;
use std::collections::HashMap;
use std::sync::Arc;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "table.copy",
    summary: "Loads objects into the table, each once.",
    doc: "\
An object is loaded as a whole or not at all: a line that is no row of the table refuses it, and its
failure names the object and the line. That an object is loaded is recorded in the transaction that
loads it, so that one that is seen again is counted as `already loaded` and skipped.

Objects of `csv<…>` cannot be loaded yet.",
    kind: NodeKind::Sink,
    resource: Some(ResourceKind::Table),
    signatures: &["object<ndjson<R>> ->"],
    options: &[],
    fails: &[FailureSpec { code: "load", when: "a line is not a row of the table" }],
    delivery: Delivery { replays: false, holds_ack: false, idempotent: true },
    slow: true,
    examples: &[Example {
        title: "Each object of a bucket, loaded once into the warehouse.",
        flow: r#"
type Order = { id: text, amount: decimal(10, 2) }

bucket   staging : ndjson<Order>
delivery feed    : ndjson<Order> into staging
table    sales   : Order

profile aws {
  staging = s3("example-staging")
  feed    = firehose("example-feed", size: 1MiB, wait: 60s)
  sales   = redshift("orders", workgroup: "w", database: "dev", role: "arn:aws:iam::1:role/copy")
}

profile local = emulate(aws, dir: "out")

flow deliver : at_least_once {
  file.read("orders.csv") -> csv.decode as Order -> feed.write
  errors -> log
}

flow load : at_least_once {
  staging.read -> sales.copy
  errors -> log
}
"#,
        files: &[("orders.csv", "id,amount\na1,2.50\na2,10\n")],
        ..EXAMPLE
    }],
    ..BLANK
};

/// How a run opens it.
pub fn open(services: Arc<Services>) -> Open {
    Open::Sink(Box::new(move |ctx| {
        let services = services.clone();
        Box::pin(async move { Ok(Box::new(TableCopy::open(&ctx, services)?) as Box<dyn Sink>) })
    }))
}

/// A loader into one table.
pub struct TableCopy {
    services: Arc<Services>,
    table: String,
    /// By the id of its partition.
    buckets: HashMap<[u8; 16], String>,
    counters: Counters,
}

impl TableCopy {
    /// Opens it.
    ///
    /// # Errors
    /// The table is not bound.
    pub fn open(ctx: &NodeCtx, services: Arc<Services>) -> Result<TableCopy, Fault> {
        let resource = ctx.node.resource.expect("a verb has a resource");
        Ok(TableCopy {
            table: physical_name(&ctx.plan.resources[resource])?.to_owned(),
            buckets: buckets(&ctx.plan, &*services.objects),
            services,
            counters: ctx.counters.clone(),
        })
    }

    fn object(&self, rows: &Rows, row: usize) -> ObjectRef {
        let column = |name: &str| -> &StringArray {
            rows.columns.column_by_name(name).expect("an object has it").as_string()
        };
        let bucket = self.buckets.get(&rows.ids.partition.id);
        ObjectRef {
            bucket: bucket.expect("an object comes from a bucket of the plan").clone(),
            key: column("key").value(row).to_owned(),
            etag: column("etag").value(row).to_owned(),
        }
    }
}

fn buckets(plan: &Plan, objects: &dyn Objects) -> HashMap<[u8; 16], String> {
    let buckets = plan.resources.iter().filter(|each| each.kind == ResourceKind::Bucket);
    let bound = buckets.filter_map(|bucket| Some(BucketPlace::of(bucket).ok()?.bucket));
    bound.map(|bucket| (objects.partition(&bucket).id, bucket)).collect()
}

fn refusal(rows: &Rows, row: usize, object: ObjectRef, line: Option<u64>, why: &str) -> RowFault {
    let at = line.map_or(String::new(), |line| format!(" line {line}:"));
    let mut meta = vec![("bucket", object.bucket), ("object", object.key.clone())];
    meta.extend(line.map(|line| ("line", line.to_string())));
    RowFault {
        row,
        code: "load",
        message: format!("object `{}` is not loaded:{at} {why}", object.key),
        payload: row_json(rows, row),
        meta,
    }
}

#[async_trait]
impl Sink for TableCopy {
    fn limits(&self) -> SinkLimits {
        let rows_max = self.services.warehouse.copy_objects_max();
        SinkLimits { rows_max, ..SinkLimits::default() }
    }

    async fn write(&self, rows: &Rows) -> Result<Written, Fault> {
        let mut refused = Vec::new();
        let objects: Vec<ObjectRef> = (0..rows.len()).map(|row| self.object(rows, row)).collect();
        let copied = self.services.warehouse.copy(&self.table, &objects).await?;
        assert!(copied.len() == objects.len(), "one answer for each object");
        for (row, (object, copied)) in objects.into_iter().zip(copied).enumerate() {
            match copied {
                Copied::Loaded { rows } => {
                    self.counters.add("objects", 1);
                    self.counters.add("rows loaded", rows);
                }
                Copied::AlreadyLoaded => self.counters.add("already loaded", 1),
                Copied::Refused { line, message } => {
                    refused.push(refusal(rows, row, object, line, &message));
                }
            }
        }
        Ok(Written { refused, ..Written::default() })
    }
}
