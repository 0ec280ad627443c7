//! `delivery.write`: hands records to a buffered delivery, which writes them to its bucket as
//! objects.

use crate::service::once::each_row_once;
use crate::service::outgoing::Outgoing;
use crate::service::{Services, physical_name};
use async_trait::async_trait;
use dsl::ast::ResourceKind;
use dsl::spec::*;
use engine::batch::Rows;
use engine::ctx::NodeCtx;
use engine::failpoint::Failpoints;
use engine::fault::Fault;
use engine::node::{Sink, SinkLimits, Written};
use engine::registry::Open;
use std::sync::Arc;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "delivery.write",
    summary: "Hands records to a buffered delivery, which writes them to its bucket as objects.",
    doc: "\
A write is confirmed when the delivery has the records durably; they reach the bucket when its
buffer is full (`size`), or the first of them has waited long enough (`wait`), or the run ends. A
record that this node has handed over before is counted as `already stored` and not taken again.

Firehose recognises nothing, and its buffer does not end with the run: there such a record may reach
the bucket twice, where the delivery is `ndjson<…>` with the same event id, and `table.copy` keeps
one of them.",
    kind: NodeKind::Sink,
    resource: Some(ResourceKind::Delivery),
    signatures: &["R ->"],
    options: &[],
    fails: &[FailureSpec { code: "record_too_large", when: "a record is over 1,000 KiB" }],
    delivery: Delivery { replays: false, holds_ack: false, idempotent: true },
    examples: &[Example {
        title: "Orders delivered to a bucket, and loaded from there.",
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
        Box::pin(async move { Ok(Box::new(DeliveryWrite::open(&ctx, services)?) as Box<dyn Sink>) })
    }))
}

/// A writer to one delivery.
pub struct DeliveryWrite {
    services: Arc<Services>,
    delivery: String,
    outgoing: Outgoing,
    failpoints: Failpoints,
}

impl DeliveryWrite {
    /// Opens it.
    ///
    /// # Errors
    /// The delivery is not bound.
    pub fn open(ctx: &NodeCtx, services: Arc<Services>) -> Result<DeliveryWrite, Fault> {
        let resource = ctx.node.resource.expect("a verb has a resource");
        let delivery = physical_name(&ctx.plan.resources[resource])?.to_owned();
        Ok(DeliveryWrite {
            services,
            delivery,
            outgoing: Outgoing::new(ctx, &[], each_row_once(ctx)),
            failpoints: ctx.run.failpoints.clone(),
        })
    }
}

#[async_trait]
impl Sink for DeliveryWrite {
    fn limits(&self) -> SinkLimits {
        self.services.delivery.write_limits()
    }

    async fn write(&self, rows: &Rows) -> Result<Written, Fault> {
        let records = self.outgoing.records(rows, "");
        self.failpoints.pass("delivery.write")?;
        let appended = self.services.delivery.write(&self.delivery, records.clone()).await?;
        self.failpoints.pass("delivery.written")?;
        Ok(self.outgoing.written(rows, &records, appended))
    }
}
