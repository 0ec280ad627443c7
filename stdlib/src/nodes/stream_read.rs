//! `stream.read`: reads the stream from where this flow left off, and follows it.

use crate::service::position::Positions;
use crate::service::{ReadLimits, Services, physical_name};
use arrow_array::builder::BinaryBuilder;
use arrow_array::{Array, BinaryArray, RecordBatch};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dsl::ast::ResourceKind;
use dsl::plan::Port;
use dsl::spec::*;
use dsl::ty::Ty;
use engine::batch::{Partition, Resume, RowIds};
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

/// What one read brings at most.
const LIMITS: ReadLimits = ReadLimits { rows_max: 8192, bytes_max: 8 << 20 };

/// How a run opens it.
pub fn open(services: Arc<Services>) -> Open {
    Open::Source(Box::new(move |ctx| {
        let services = services.clone();
        Box::pin(async move {
            let resource = ctx.node.resource.expect("a verb has a resource");
            let stream = physical_name(&ctx.plan.resources[resource])?.to_owned();
            let raw = hands_over_raw(&ctx);
            Ok(Box::new(StreamRead::open(&ctx, services, stream, raw).await?) as Box<dyn Source>)
        })
    }))
}

/// A reader of one stream.
pub struct StreamRead {
    services: Arc<Services>,
    stream: String,
    shards: Vec<Shard>,
    /// The shard whose turn it is.
    turn: usize,
    /// The records are handed over as they are, without base64.
    raw: bool,
    positions: Positions,
    feeders_ended: watch::Receiver<bool>,
    stopped: bool,
}

struct Shard {
    partition: Arc<Partition>,
    next: u64,
}

impl StreamRead {
    /// Opens a reader at the positions of this node.
    ///
    /// # Errors
    /// The stream cannot be opened, or the positions cannot be read.
    pub async fn open(
        ctx: &NodeCtx,
        services: Arc<Services>,
        stream: String,
        raw: bool,
    ) -> Result<StreamRead, Fault> {
        let positions = Positions::of(ctx);
        let mut shards = Vec::new();
        for partition in services.streams.shards(&stream).await? {
            let next = positions.load(&partition).await?;
            shards.push(Shard { partition, next });
        }
        Ok(StreamRead {
            services,
            stream,
            shards,
            turn: 0,
            raw,
            positions,
            feeders_ended: ctx.feeders_ended.clone(),
            stopped: false,
        })
    }

    /// What is there, of the next shard that has something.
    async fn next(&mut self) -> Result<Option<SourceRows>, Fault> {
        for n in 0..self.shards.len() {
            let at = (self.turn + n) % self.shards.len();
            let from = self.shards[at].next;
            let rows = self.services.streams.read(&self.stream, at as u32, from, LIMITS).await?;
            if rows.payloads.is_empty() {
                continue;
            }
            self.turn = at + 1;
            let shard = &mut self.shards[at];
            shard.next = from + rows.payloads.len() as u64;
            let payloads = if self.raw { rows.payloads } else { base64(&rows.payloads) };
            let columns = RecordBatch::try_new(arrow_schema(&Ty::Bytes), vec![Arc::new(payloads)]);
            return Ok(Some(SourceRows {
                columns: columns.expect("one column of payloads"),
                ids: RowIds { partition: shard.partition.clone(), runs: rows.runs },
                partition: at as u32,
                end: shard.next,
                resumed: None,
                reply: None,
            }));
        }
        Ok(None)
    }

    /// Waits until there is something to read or the feeders have ended.
    async fn wait(&mut self) -> Result<(), Fault> {
        let streams = &self.services.streams;
        let arrivals = self.shards.iter().enumerate().map(|(at, shard)| {
            let arrived = streams.arrived(&self.stream, at as u32, shard.next);
            Box::pin(arrived)
        });
        tokio::select! {
            (arrived, _, _) = futures::future::select_all(arrivals) => arrived,
            () = ended(&mut self.feeders_ended) => Ok(()),
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
            let ended = *self.feeders_ended.borrow();
            match self.next().await? {
                Some(rows) => return Ok(Read::Rows(rows)),
                None if ended => return Ok(Read::End),
                None => self.wait().await?,
            }
        }
    }

    async fn commit(
        &mut self,
        partition: u32,
        upto: u64,
        _resume: Option<Arc<Resume>>,
    ) -> Result<(), Fault> {
        self.positions.store(&self.shards[partition as usize].partition, upto).await
    }

    async fn stop(&mut self) -> Result<(), Fault> {
        self.stopped = true;
        Ok(())
    }

    fn one_partition(&self) -> bool {
        self.shards.len() == 1
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
