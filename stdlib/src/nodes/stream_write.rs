//! `stream.write`: appends records to the stream.

use crate::service::once::each_row_once;
use crate::service::outgoing::Outgoing;
use crate::service::{Services, physical_name};
use async_trait::async_trait;
use dsl::ast::ResourceKind;
use dsl::spec::*;
use engine::batch::Rows;
use engine::ctx::NodeCtx;
use engine::fault::Fault;
use engine::node::{Sink, SinkLimits, Written};
use engine::registry::Open;
use std::sync::Arc;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "stream.write",
    summary: "Appends records to the stream.",
    doc: "\
A record is encoded as the stream's type says; the fields of its `key` clause, joined by `|`, are
its partition key. Records are stored in the order in which they arrive, and a write is confirmed
when they are durable. A record that this node has stored before (in an earlier try, or before a
crash) is recognised by its source and number, counted as `already stored`, and not stored again;
but not behind `[a, b]`, where copies of one source record meet.

Kinesis recognises nothing: there such a record may be stored again, where the stream is `json<…>`
with the same event id, and `stream.read` drops the copy within its window.",
    kind: NodeKind::Sink,
    resource: Some(ResourceKind::Stream),
    signatures: &["R ->"],
    options: &[],
    fails: &[
        FailureSpec {
            code: "record_too_large",
            when: "a record is over 1 MiB, or the limit of the stream itself",
        },
        FailureSpec {
            code: "partition_key",
            when: "the partition key is empty or over 256 characters",
        },
    ],
    delivery: Delivery { replays: false, holds_ack: false, idempotent: true },
    examples: &[Example {
        title: "Orders from a file onto a stream, keyed by their id.",
        flow: r#"
type Order = { id: text, amount: decimal(10, 2) }

stream orders : json<Order> key .id

profile aws {
  orders = kinesis("example-orders")
}

profile local = emulate(aws, dir: "out")

flow take : at_least_once {
  file.read("orders.csv") -> csv.decode as Order -> orders.write
  errors -> log
}

flow show : at_least_once {
  orders.read -> base64.decode -> json.decode -> log
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
        Box::pin(async move { Ok(Box::new(StreamWrite::open(&ctx, services)?) as Box<dyn Sink>) })
    }))
}

/// A writer to one stream.
pub struct StreamWrite {
    services: Arc<Services>,
    stream: String,
    outgoing: Outgoing,
}

impl StreamWrite {
    /// Opens it.
    ///
    /// # Errors
    /// The stream is not bound.
    pub fn open(ctx: &NodeCtx, services: Arc<Services>) -> Result<StreamWrite, Fault> {
        let resource = ctx.node.resource.expect("a verb has a resource");
        let resource = &ctx.plan.resources[resource];
        let stream = physical_name(resource)?.to_owned();
        Ok(StreamWrite {
            services,
            stream,
            outgoing: Outgoing::new(ctx, &resource.key, each_row_once(ctx)),
        })
    }
}

#[async_trait]
impl Sink for StreamWrite {
    fn limits(&self) -> SinkLimits {
        self.services.streams.append_limits(&self.stream)
    }

    async fn write(&self, rows: &Rows) -> Result<Written, Fault> {
        let records = self.outgoing.records(rows, "");
        let appended = self.services.streams.append(&self.stream, records.clone()).await?;
        Ok(self.outgoing.written(rows, &records, appended))
    }
}
