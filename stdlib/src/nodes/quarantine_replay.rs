//! `quarantine.replay`: sends failed records again. Only `flowc replay` has it, it cannot be
//! written in a file.

use crate::replay::failure::{self, Reader, hex};
use crate::replay::{Entry, Session};
use crate::service::Services;
use arrow_array::{ArrayRef, BinaryArray, RecordBatch};
use async_trait::async_trait;
use dsl::spec::*;
use engine::batch::{PAYLOAD, Partition, Resume, RowIds};
use engine::failpoint::Failpoints;
use engine::fault::Fault;
use engine::node::{Read, Source, SourceRows};
use engine::registry::Open;
use std::sync::{Arc, Mutex, PoisonError};

/// What the node says of itself. Not in the list of specs: the language has no such verb.
pub const SPEC: NodeSpec = NodeSpec {
    path: "quarantine.replay",
    summary: "Sends failed records again.",
    kind: NodeKind::Source,
    delivery: Delivery { replays: true, holds_ack: false, idempotent: false },
    ..BLANK
};

/// The name of the column beside the payload: JSON of what the failure says beside.
pub const META: &str = "meta";
/// Records of one read at most.
const ROWS_MAX: usize = 1024;
/// Bytes of one read, about.
const BYTES_MAX: usize = 4 << 20;
/// Failures that are noted in the log at once.
const NOTED: usize = 1024;

/// How a run opens it: the session is sent by the first that is opened, others have nothing.
pub fn open(session: Option<Session>, services: Arc<Services>) -> Open {
    let session = Arc::new(Mutex::new(session));
    Open::Source(Box::new(move |ctx| {
        let session = session.lock().unwrap_or_else(PoisonError::into_inner).take();
        let services = services.clone();
        Box::pin(async move {
            let failpoints = ctx.run.failpoints.clone();
            let source = session.map(|session| Sending::new(session, services, failpoints));
            Ok(Box::new(QuarantineReplay(source)) as Box<dyn Source>)
        })
    }))
}

/// The source.
struct QuarantineReplay(Option<Sending>);

struct Sending {
    session: Session,
    services: Arc<Services>,
    failpoints: Failpoints,
    /// The next failure.
    at: usize,
    /// Failures that are in the log.
    noted: usize,
    reader: Reader,
    /// The object that was read last, by number.
    open: Option<(u32, RecordBatch)>,
    stopped: bool,
}

impl Sending {
    fn new(session: Session, services: Arc<Services>, failpoints: Failpoints) -> Sending {
        let begun = session.number == session.log.session();
        let noted = if begun { session.entries.len() } else { 0 };
        let (reader, open) = (Reader::default(), None);
        Sending { session, services, failpoints, at: 0, noted, reader, open, stopped: false }
    }

    /// Cancel-safe: what an unfinished call has done is done again.
    async fn next(&mut self) -> Result<Read, Fault> {
        let first = match self.session.entries.get(self.at) {
            Some(first) if !self.stopped => first.clone(),
            _ => return Ok(Read::End),
        };
        let columns = match &self.open {
            Some((object, columns)) if *object == first.object => columns.clone(),
            _ => self.object(first.object).await?,
        };
        let to = self.end_of_read(&first, &columns);
        if to > self.noted {
            let upto = (self.noted + NOTED).max(to).min(self.session.entries.len());
            let ids: Vec<[u8; 16]> =
                self.session.entries[self.noted..upto].iter().map(|entry| entry.id).collect();
            self.failpoints.pass("replay.note")?;
            self.session.log.append(self.session.number, &ids).await?;
            self.failpoints.pass("replay.noted")?;
            self.noted = upto;
        }
        let rows = self.rows(&self.session.entries[self.at..to], &columns)?;
        self.at = to;
        Ok(Read::Rows(rows))
    }

    async fn object(&mut self, number: u32) -> Result<RecordBatch, Fault> {
        let (bucket, key) = &self.session.objects[number as usize];
        let gone = || {
            let message = format!("object `{key}` of bucket `{bucket}` is gone, or is another one");
            Fault::service("quarantine_changed", message)
                .help("do not change the quarantine while its records are sent; run it again")
        };
        let content = self.services.objects.get(bucket, key).await?.ok_or_else(gone)?;
        let columns = self.reader.read(&content).columns;
        let of_it = self.session.entries.iter().filter(|entry| entry.object == number);
        let mut changed = of_it.map(|entry| {
            let row = entry.row as usize;
            row >= columns.num_rows() || failure::id(&columns, row) != Some(entry.id)
        });
        if changed.any(|changed| changed) {
            return Err(gone());
        }
        self.open = Some((number, columns.clone()));
        Ok(columns)
    }

    /// Up to where failures are of one partition and one object.
    fn end_of_read(&self, first: &Entry, columns: &RecordBatch) -> usize {
        let mut bytes = 0;
        let entries = &self.session.entries[self.at..];
        let together = entries.iter().take(ROWS_MAX).take_while(|entry| {
            if entry.object != first.object || entry.partition != first.partition {
                return false;
            }
            let fits = bytes < BYTES_MAX;
            bytes += failure::payload(columns, entry.row as usize).len();
            fits
        });
        self.at + together.count()
    }

    fn rows(&self, entries: &[Entry], columns: &RecordBatch) -> Result<SourceRows, Fault> {
        let (first, last) = (&entries[0], &entries[entries.len() - 1]);
        let partition = Partition { id: first.partition, name: first.name.to_string() };
        let mut ids = RowIds::empty(Arc::new(partition));
        let mut payloads = Vec::with_capacity(entries.len());
        let mut metas = Vec::with_capacity(entries.len());
        for entry in entries {
            let row = entry.row as usize;
            let failure = failure::failure(columns, row);
            let mut meta = failure.map(|failure| failure.meta).unwrap_or_default();
            meta.insert("id".into(), hex(&entry.id));
            meta.insert("at".into(), entry.at_ns.to_string());
            let meta = serde_json::to_vec(&meta);
            metas.push(meta.map_err(|error| Fault::service("json", error.to_string()))?);
            payloads.push(failure::payload(columns, row));
            ids.push(entry.seq, 1, entry.at_ns);
        }
        let payloads: ArrayRef = Arc::new(BinaryArray::from_iter_values(payloads));
        let metas: ArrayRef = Arc::new(BinaryArray::from_iter_values(metas));
        let columns = RecordBatch::try_from_iter([(PAYLOAD, payloads), (META, metas)]);
        let columns = columns.expect("two columns of one length");
        let end = last.place as u64 + 1;
        Ok(SourceRows { columns, ids, partition: 0, end, resumed: None, reply: None })
    }
}

#[async_trait]
impl Source for QuarantineReplay {
    async fn read(&mut self) -> Result<Read, Fault> {
        match &mut self.0 {
            Some(sending) => sending.next().await,
            None => Ok(Read::End),
        }
    }

    async fn commit(&mut self, _: u32, upto: u64, _: Option<Arc<Resume>>) -> Result<(), Fault> {
        match &mut self.0 {
            Some(sending) => sending.session.log.settle(upto as usize).await,
            None => Ok(()),
        }
    }

    async fn stop(&mut self) -> Result<(), Fault> {
        if let Some(sending) = &mut self.0 {
            sending.stopped = true;
        }
        Ok(())
    }
}
