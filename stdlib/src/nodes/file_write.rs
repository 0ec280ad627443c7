//! `file.write`: writes what arrives to a file, durably, each row once.

mod held;
mod place;
mod record;
mod sync;
mod writer;

use crate::rows::input_type;
use crate::service::once::each_row_once;
use async_trait::async_trait;
use dsl::plan::{Port, Replay};
use dsl::spec::*;
use dsl::ty::Ty;
use engine::batch::Rows;
use engine::ctx::NodeCtx;
use engine::fault::Fault;
use engine::node::{Sink, SinkLimits, Written};
use engine::registry::Open;
use engine::summary::Counters;
use held::Recognise;
use petgraph::Direction::Incoming;
use petgraph::visit::EdgeRef;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use sync::Syncer;
use tokio::sync::{mpsc, oneshot};
use writer::{Ask, Form, Reply, Writer};

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "file.write",
    summary: "Writes what arrives to a file, durably, each row once.",
    doc: "\
JSON objects and texts become a line each: a line break is added where none ends the text, and one
within a JSON object becomes a blank. Bytes are written as they are, with nothing between them. Rows
are in the file in the order in which they arrive. A path in a `.flow` file is relative to that
file; its directory must be there.

A write is confirmed when it is durable (`fdatasync`), together with all others that wait. With each
sync the length of the file and the numbers of its rows are remembered. After a crash the next run
cuts off what was not confirmed, goes on there, and recognises rows that come again: they are
counted as `already written`. Rows are not recognised behind `[a, b]`, where copies of one source
record meet, and the longest ago are forgotten where more than 262,144 ranges of numbers have gaps
between them.

A file that this node has not written is never overwritten, nor is one that others have changed: the
run stops and says so. `append: true` writes behind what is there (on a new line), and behind what
others have added between two runs. A file that is gone or was cut stops the run too.

`flowc run --from-start` begins the file anew, with the first write, where all that it holds is read
from files, which are read again; with `append: true` what was there before stays. A file that a
stream or a server feeds goes on, as those do not send again; it begins anew only where it is gone
or was cut.",
    kind: NodeKind::Sink,
    // What is text already, and JSON, first: bytes take all of them.
    signatures: &["json<T> ->", "text ->", "bytes ->"],
    options: &[
        OptionSpec {
            name: "path",
            ty: OptionTy::Path,
            positional: true,
            required: true,
            doc: "The file.",
            example: "\"out/orders.ndjson\"",
            ..OPTION
        },
        OptionSpec {
            name: "append",
            ty: OptionTy::Bool,
            default: Some("false"),
            doc: "Write behind what a file holds that this node has not written.",
            example: "append: true",
            ..OPTION
        },
    ],
    delivery: Delivery { replays: false, holds_ack: false, idempotent: true },
    examples: &[Example {
        title: "The rows of a CSV file as lines of JSON.",
        flow: r#"
type Order = { id: text, amount: decimal(10, 2) }

flow convert : at_least_once {
  file.read("orders.csv") -> csv.decode as Order -> json.encode -> file.write("orders.ndjson")
  errors -> json.encode -> file.write("failures.ndjson")
}
"#,
        files: &[("orders.csv", "id,amount\na1,2.50\na2,ten\n")],
        ..EXAMPLE
    }],
    ..BLANK
};

/// Writes that may wait for the same sync.
const CONCURRENCY: usize = 32;

/// How a run opens it.
pub fn open() -> Open {
    Open::Sink(Box::new(|ctx| {
        Box::pin(async move { Ok(Box::new(FileWrite::open(&ctx).await?) as Box<dyn Sink>) })
    }))
}

/// The sink: rows go to a thread that appends them, and from there to one that syncs.
struct FileWrite {
    asks: Option<mpsc::Sender<Ask>>,
    threads: Vec<JoinHandle<()>>,
    counters: Counters,
    replay: Option<Arc<Replay>>,
}

impl FileWrite {
    async fn open(ctx: &NodeCtx) -> Result<FileWrite, Fault> {
        let form = match input_type(ctx) {
            Ty::Json(_) if !encoded_here(ctx) => Form::Objects,
            Ty::Bytes => Form::Bytes,
            _ => Form::Lines,
        };
        let found = place::find(ctx).await?;
        let (asks, asked) = mpsc::channel(CONCURRENCY + 1);
        let (work, worked) = sync_channel(CONCURRENCY + 1);
        let syncer = Syncer {
            file: found.file.clone(),
            memory: found.memory.clone(),
            record: found.record.clone(),
            failpoints: ctx.run.failpoints.clone(),
        };
        let writer = Writer::new(found, form, recognise(ctx), work);
        let (asks, threads, counters) = (Some(asks), Vec::new(), ctx.counters.clone());
        let mut sink = FileWrite { asks, threads, counters, replay: ctx.plan.replay.clone() };
        sink.start(move || syncer.run(worked))?;
        sink.start(move || writer.run(asked))?;
        Ok(sink)
    }

    fn start(&mut self, run: impl FnOnce() + Send + 'static) -> Result<(), Fault> {
        let thread = std::thread::Builder::new().name("file.write".into()).spawn(run);
        let thread = thread.map_err(|error| {
            Fault::service("threads", format!("no thread to write a file: {error}"))
        })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Asks the thread; in the order of the calls, as there is room for all that the driver makes.
    async fn ask<T>(&self, ask: impl FnOnce(Reply<T>) -> Ask) -> Result<T, Fault> {
        let gone = || Fault::service("closed", "the thread that writes the file has ended");
        let (reply, answer) = oneshot::channel();
        let asks = self.asks.as_ref().ok_or_else(gone)?;
        asks.send(ask(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

#[async_trait]
impl Sink for FileWrite {
    fn limits(&self) -> SinkLimits {
        // Whole batches are not joined, which would copy them, and keep the order of all.
        SinkLimits { whole: true, concurrency: CONCURRENCY, ..SinkLimits::default() }
    }

    async fn write(&self, rows: &Rows) -> Result<Written, Fault> {
        let mut rows = rows.clone();
        if let Some(replay) = &self.replay {
            // What is remembered of rows in order is one range, and these were gaps in it.
            let apart = rows.ids.partition.derive(&format!("replay {}", replay.label));
            rows.ids.partition = Arc::new(apart);
        }
        let known = self.ask(|reply| Ask::Rows(rows, reply)).await?;
        if known > 0 {
            self.counters.add("already written", known);
        }
        Ok(Written::default())
    }

    async fn close(&self) -> Result<(), Fault> {
        self.ask(Ask::Close).await
    }
}

impl Drop for FileWrite {
    /// Waits until what was asked is done: the file may be opened again at once.
    fn drop(&mut self) {
        self.asks = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// True where all that arrives comes from `json.encode`, which writes no line breaks.
fn encoded_here(ctx: &NodeCtx) -> bool {
    let graph = &ctx.plan.graph;
    let this = graph.node_indices().find(|&index| graph[index].id == ctx.node.id);
    this.is_some_and(|this| {
        let mut before = graph.neighbors_directed(this, Incoming);
        before.all(|index| graph[index].op == "json.encode")
    })
}

/// How rows that come again can be recognised here.
fn recognise(ctx: &NodeCtx) -> Recognise {
    match (in_order(ctx), each_row_once(ctx)) {
        (true, _) => Recognise::InOrder,
        (false, true) => Recognise::ByNumber,
        (false, false) => Recognise::Never,
    }
}

/// True where there is one way from one source to this node, and the source sends its rows in
/// order: a server takes what its senders try again, and failures come as they happen.
fn in_order(ctx: &NodeCtx) -> bool {
    let graph = &ctx.plan.graph;
    let mut at = graph.node_indices().find(|&index| graph[index].id == ctx.node.id);
    while let Some(index) = at {
        let mut edges = graph.edges_directed(index, Incoming);
        let Some(edge) = edges.next() else { return reads_in_order(&graph[index].op) };
        if edges.next().is_some() || matches!(edge.weight().port, Port::Errors | Port::Done) {
            return false;
        }
        at = Some(edge.source());
    }
    false
}

fn reads_in_order(op: &str) -> bool {
    matches!(op, "file.read" | "stream.read" | "bucket.read" | "spill.read")
}

#[cfg(test)]
mod tests;
