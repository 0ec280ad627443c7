//! `file.read`: reads a file, once, and remembers how far it has been delivered.

mod hash;
mod place;

use crate::outside::Threads;
use arrow_array::{BinaryArray, RecordBatch};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use async_trait::async_trait;
use dsl::spec::*;
use dsl::ty::Ty;
use dsl::value::Value;
use engine::batch::{Partition, Resume, RowIds};
use engine::ctx::{Checkpoints, NodeCtx};
use engine::failpoint::Failpoints;
use engine::fault::Fault;
use engine::node::{Read, Source, SourceRows};
use engine::registry::Open;
use engine::schema::arrow_schema;
use place::{Found, Place};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek, SeekFrom};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "file.read",
    summary: "Reads a file, once, and remembers how far it has been delivered.",
    doc: "\
The bytes leave in chunks of 1 MiB; a decoder (`csv.decode`, `text.lines`) puts rows together again
that a chunk cuts. A path in a `.flow` file is relative to that file.

What has been stored is remembered with the content of the file: a second run over the same file
sends nothing again and says how much was delivered before (`rows delivered before`, `bytes
delivered before`). A file that has grown goes on where it ended, so it must grow by whole rows; one
with other content is read from its start, and the log says so. `flowc run --from-start` forgets.

The rows are numbered within the content of the file (its BLAKE3 hash), so that rows that are sent
again after a crash are recognised wherever they were stored before.",
    kind: NodeKind::Source,
    signatures: &["-> bytes"],
    options: &[OptionSpec {
        name: "path",
        ty: OptionTy::Path,
        positional: true,
        required: true,
        doc: "The file.",
        example: "\"data/orders.csv\"",
        ..OPTION
    }],
    delivery: Delivery { replays: true, holds_ack: false, idempotent: false },
    examples: &[Example {
        title: "The lines of a file.",
        flow: r#"
flow example : at_least_once {
  file.read("words.txt") -> text.lines -> log
}
"#,
        files: &[("words.txt", "tea\ncoffee\n")],
        ..EXAMPLE
    }],
    ..BLANK
};

/// Bytes of a chunk, usually.
const CHUNK: usize = 1 << 20;

/// Chunks that are remembered, to be used again when nothing holds them any more.
const SPARE_MAX: usize = 8;

/// How it is opened.
pub fn open(threads: Threads) -> Open {
    Open::Source(Box::new(move |ctx| {
        Box::pin(async move { Ok(Box::new(FileRead::open(&ctx, threads).await?) as _) })
    }))
}

/// A file on its way to the next chunk, and the chunk.
type Chunk = JoinHandle<(File, std::io::Result<Vec<u8>>)>;

struct FileRead {
    path: String,
    place: Place,
    checkpoints: Arc<dyn Checkpoints>,
    failpoints: Failpoints,
    partition: Arc<Partition>,
    arrival_ns: i64,
    /// Where the next chunk begins.
    at: u64,
    /// For the decoder, with the first rows.
    resumed: Option<Arc<Resume>>,
    /// The chunk that is being read.
    next: Option<Chunk>,
    /// The last chunks that were sent, the oldest first.
    sent: VecDeque<Buffer>,
    ended: bool,
    threads: Threads,
    /// Bytes of a chunk.
    chunk: u64,
}

impl FileRead {
    async fn open(ctx: &NodeCtx, threads: Threads) -> Result<FileRead, Fault> {
        let path = ctx.node.options.get("path").and_then(Value::as_text).unwrap_or_default();
        let checkpoints = ctx.run.checkpoints.clone();
        let Found { place, mut file, partition, resume, arrival_ns, changed } =
            place::find(path, &ctx.node.id, &checkpoints, ctx.run.from_start, threads.at_once())
                .await?;
        if changed {
            let what = "is not the file that was read before: reading it from its start";
            (ctx.run.log)(&format!("`{path}` {what}"));
        }
        if let Some(resume) = &resume {
            ctx.counters.add("rows delivered before", resume.record);
            ctx.counters.add("bytes delivered before", resume.offset);
        }
        // Before the first row leaves: should this run be killed and the file grow, the next run
        // must give its rows the same numbers.
        let begin = resume.clone().unwrap_or_else(|| plain(0));
        let value = place.checkpoint(&partition, &begin);
        checkpoints.store(vec![(place.key.clone(), Some(value))]).await?;
        ctx.run.failpoints.pass("file.read.begun")?;
        let at = begin.offset;
        file.seek(SeekFrom::Start(at)).map_err(|error| unreadable(path, &error))?;
        let mut source = FileRead {
            path: path.into(),
            checkpoints,
            failpoints: ctx.run.failpoints.clone(),
            partition: Arc::new(Partition { id: partition, name: path.into() }),
            arrival_ns,
            at,
            resumed: resume.map(Arc::new),
            next: None,
            sent: VecDeque::with_capacity(SPARE_MAX),
            // An empty file is one empty chunk, so that a decoder can say what is missing.
            ended: at > 0 && at == place.length,
            place,
            threads,
            chunk: threads.chunk_bytes(CHUNK) as u64,
        };
        source.read_on(file);
        Ok(source)
    }

    /// Begins to read the next chunk, off the threads that carry the graph.
    fn read_on(&mut self, mut file: File) {
        let len = (self.place.length - self.at).min(self.chunk);
        let mut bytes = self.spare();
        self.next = Some(self.threads.spawn(move || {
            bytes.resize(len as usize, 0);
            let read = fill(&mut file, &mut bytes).map(|read| {
                bytes.truncate(read);
                bytes
            });
            (file, read)
        }));
    }

    /// Room for a chunk: that of one which nothing holds any more, so that no page of memory is
    /// given back to the system and asked for again with every chunk.
    fn spare(&mut self) -> Vec<u8> {
        for _ in 0..self.sent.len() {
            let Some(sent) = self.sent.pop_front() else { break };
            match sent.into_vec::<u8>() {
                Ok(bytes) => return bytes,
                Err(held) => self.sent.push_back(held),
            }
        }
        Vec::new()
    }

    fn rows(&mut self, chunk: Vec<u8>) -> SourceRows {
        let first = self.at;
        self.at += chunk.len() as u64;
        let chunk = Buffer::from_vec(chunk);
        if self.sent.len() == SPARE_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back(chunk.clone());
        let ends = ScalarBuffer::from(vec![0, chunk.len() as i32]);
        let payload = Arc::new(BinaryArray::new(OffsetBuffer::new(ends), chunk, None));
        let columns = RecordBatch::try_new(arrow_schema(&Ty::Bytes), vec![payload]);
        SourceRows {
            columns: columns.expect("one column of payload"),
            ids: RowIds::range(self.partition.clone(), first, 1, self.arrival_ns),
            partition: 0,
            end: self.at,
            resumed: self.resumed.take(),
            reply: None,
        }
    }
}

#[async_trait]
impl Source for FileRead {
    async fn read(&mut self) -> Result<Read, Fault> {
        if self.ended {
            return Ok(Read::End);
        }
        // The chunk stays here while it is waited for: nothing is lost when this is dropped.
        let broken_off = |path: &str| {
            Fault::service("file_unreadable", format!("reading `{path}` was broken off"))
        };
        let Some(next) = self.next.as_mut() else { return Err(broken_off(&self.path)) };
        let (file, chunk) = next.await.map_err(|_| broken_off(&self.path))?;
        self.next = None;
        let chunk = chunk.map_err(|error| unreadable(&self.path, &error))?;
        let wanted = (self.place.length - self.at).min(self.chunk);
        if (chunk.len() as u64) < wanted {
            let message = format!("`{}` has become shorter while it was read", self.path);
            return Err(Fault::service("file_changed", message).help("run again"));
        }
        let rows = self.rows(chunk);
        self.ended = self.at == self.place.length;
        if !self.ended {
            self.read_on(file);
        }
        Ok(Read::Rows(rows))
    }

    async fn commit(
        &mut self,
        _partition: u32,
        upto: u64,
        resume: Option<Arc<Resume>>,
    ) -> Result<(), Fault> {
        let resume = resume.map_or_else(|| plain(upto), |resume| resume.as_ref().clone());
        let value = self.place.checkpoint(&self.partition.id, &resume);
        self.failpoints.pass("file.read.commit")?;
        self.checkpoints.store(vec![(self.place.key.clone(), Some(value))]).await?;
        self.failpoints.pass("file.read.committed")
    }

    async fn stop(&mut self) -> Result<(), Fault> {
        self.ended = true;
        Ok(())
    }
}

/// Reads until the bytes are full or the file is at its end; gives how many were read.
fn fill(file: &mut File, bytes: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Where to begin again without a decoder that knows better.
fn plain(offset: u64) -> Resume {
    Resume { offset, record: 0, line: 1, state: Vec::new() }
}

fn unreadable(path: &str, error: &std::io::Error) -> Fault {
    Fault::service("file_unreadable", format!("`{path}` cannot be read: {error}"))
}

#[cfg(test)]
mod tests;
