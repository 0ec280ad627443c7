//! `stream.read`: reads the stream from where this flow left off, and follows it.

use crate::service::{Services, ShardRows, StreamReader, physical_name};
use arrow_array::builder::BinaryBuilder;
use arrow_array::{BinaryArray, RecordBatch};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dsl::ast::ResourceKind;
use dsl::plan::Port;
use dsl::spec::*;
use dsl::ty::Ty;
use engine::batch::{Resume, RowIds};
use engine::ctx::NodeCtx;
use engine::fault::Fault;
use engine::node::{Read, Source, SourceRows};
use engine::registry::Open;
use engine::schema::arrow_schema;
use petgraph::visit::EdgeRef;
use std::sync::Arc;
use tokio::sync::watch;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "stream.read",
    summary: "Reads the stream from where this flow left off, and follows it.",
    doc: "\
Each reader in a flow has its own position, which moves on when everything before it is stored. A
flow that is new begins with the first record that the stream still has. Shards are read in turns;
within a shard the order is that of the appends.

It ends when all writers of the stream in this run have ended and it has read everything; without a
writer in this run, when it is told to stop.",
    kind: NodeKind::Source,
    resource: Some(ResourceKind::Stream),
    signatures: &["-> base64<R>"],
    options: &[],
    fails: &[],
    delivery: Delivery { replays: true, holds_ack: false, idempotent: false },
    examples: &[Example {
        title: "Orders taken from a file, and read from their stream.",
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
    Open::Source(Box::new(move |ctx| {
        let services = services.clone();
        Box::pin(async move {
            let resource = ctx.node.resource.expect("a verb has a resource");
            let stream = physical_name(&ctx.plan.resources[resource])?;
            let raw = hands_over_raw(&ctx);
            Ok(Box::new(StreamRead::open(&ctx, &services, stream, raw).await?) as Box<dyn Source>)
        })
    }))
}

/// A reader of one stream.
pub struct StreamRead {
    reader: Box<dyn StreamReader>,
    /// The records are handed over as they are, without base64.
    raw: bool,
    feeders_ended: watch::Receiver<bool>,
    stopped: bool,
}

impl StreamRead {
    /// Opens a reader at the positions of this node.
    ///
    /// # Errors
    /// The stream cannot be opened, or the positions cannot be read.
    pub async fn open(
        ctx: &NodeCtx,
        services: &Services,
        stream: &str,
        raw: bool,
    ) -> Result<StreamRead, Fault> {
        let reader = services.streams.reader(stream, ctx).await?;
        let feeders_ended = ctx.feeders_ended.clone();
        Ok(StreamRead { reader, raw, feeders_ended, stopped: false })
    }

    fn rows(&self, read: ShardRows) -> SourceRows {
        let ShardRows { partition, shard, rows, end } = read;
        let payloads = if self.raw { rows.payloads } else { base64(&rows.payloads) };
        let columns = RecordBatch::try_new(arrow_schema(&Ty::Bytes), vec![Arc::new(payloads)]);
        SourceRows {
            columns: columns.expect("one column of payloads"),
            ids: RowIds { partition, runs: rows.runs },
            partition: shard,
            end,
            resumed: None,
            reply: None,
        }
    }
}

#[async_trait]
impl Source for StreamRead {
    async fn read(&mut self) -> Result<Read, Fault> {
        loop {
            if self.stopped {
                return Ok(Read::End);
            }
            // Asked before the read: what was fed before the end is read after it.
            let last = *self.feeders_ended.borrow();
            let read = tokio::select! {
                biased;
                read = self.reader.next(last) => read?,
                () = ended(&mut self.feeders_ended), if !last => continue,
            };
            return Ok(match read {
                Some(rows) => Read::Rows(self.rows(rows)),
                None => Read::End,
            });
        }
    }

    async fn commit(
        &mut self,
        partition: u32,
        upto: u64,
        _resume: Option<Arc<Resume>>,
    ) -> Result<(), Fault> {
        self.reader.commit(partition, upto).await
    }

    async fn stop(&mut self) -> Result<(), Fault> {
        self.stopped = true;
        Ok(())
    }

    async fn close(&mut self) -> Result<(), Fault> {
        self.reader.close().await
    }

    fn waits_for_settling(&self) -> bool {
        self.reader.waits_for_settling()
    }

    fn one_partition(&self) -> bool {
        self.reader.one_shard()
    }
}

/// Waits until the feeders have ended; for ever where they never will.
pub(crate) async fn ended(feeders: &mut watch::Receiver<bool>) {
    // True at once is the caller's business: it has looked before it waits.
    loop {
        if feeders.changed().await.is_err() {
            return std::future::pending().await;
        }
        if *feeders.borrow() {
            return;
        }
    }
}

/// Whether the decoders behind this reader take the layer as off already.
fn hands_over_raw(ctx: &NodeCtx) -> bool {
    let graph = &ctx.plan.graph;
    let own = graph.node_indices().find(|node| graph[*node].id == ctx.node.id);
    let behind = own.into_iter().flat_map(|node| graph.edges(node));
    let mut elided = behind
        .filter(|edge| edge.weight().port == Port::Out)
        .map(|edge| graph[edge.target()].elided);
    ctx.node.elided || elided.any(|elided| elided)
}

fn base64(payloads: &BinaryArray) -> BinaryArray {
    let mut encoded = BinaryBuilder::new();
    let mut text = String::new();
    for payload in payloads.iter().flatten() {
        text.clear();
        STANDARD.encode_string(payload, &mut text);
        encoded.append_value(text.as_bytes());
    }
    encoded.finish()
}
