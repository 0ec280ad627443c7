//! The thread that appends: what is new of each write goes into the file, in order, and on to the
//! thread that makes it durable.

use super::held::{Held, Recognise, Span};
use super::place::{Found, unwritable};
use super::record::{Lengths, Memory, Record, Tail};
use super::sync::{Group, Work};
use arrow_array::BinaryArray;
use arrow_array::cast::AsArray;
use engine::batch::Rows;
use engine::fault::Fault;
use memchr::memchr;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use tokio::sync::{mpsc, oneshot};

/// Bytes that are gathered before they are handed to the system.
const GATHER: usize = 1 << 20;
/// A value of this many bytes is not gathered.
const DIRECT: usize = 256 << 10;

/// How values become bytes of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One line each; a line break within is a blank (JSON).
    Objects,
    /// One line each; the line break that ends it may be there.
    Lines,
    /// As they are.
    Bytes,
}

/// Rows that were known already.
pub type Known = u64;
/// Where the answer to a write goes.
pub type Reply<T> = oneshot::Sender<Result<T, Fault>>;

/// What the sink asks.
pub enum Ask {
    /// Write these rows.
    Rows(Rows, Reply<Known>),
    /// No more will come.
    Close(Reply<()>),
}

/// What the thread works on.
pub struct Writer {
    file: Arc<File>,
    memory: Memory,
    /// What is remembered, until the first write.
    begins: Option<(Record, bool)>,
    form: Form,
    recognise: Recognise,
    /// The rows in the file and in the buffer.
    held: Held,
    /// Where the buffer goes.
    at: u64,
    buffer: Vec<u8>,
    tail: Tail,
    group: Group,
    sync: SyncSender<Work>,
}

impl Writer {
    /// Goes on where the file ends.
    pub fn new(found: Found, form: Form, recognise: Recognise, sync: SyncSender<Work>) -> Writer {
        let Found { file, memory, record, tail, anew } = found;
        Writer {
            file,
            memory,
            form,
            recognise,
            held: record.held.clone(),
            at: record.file.length,
            begins: Some((record, anew)),
            buffer: Vec::with_capacity(GATHER + DIRECT),
            tail,
            group: Group::default(),
            sync,
        }
    }

    /// Works until nobody can ask any more.
    pub fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        let mut broken: Option<Fault> = None;
        while let Some(ask) = asks.blocking_recv() {
            if let Some(fault) = &broken {
                ask.refuse(fault.clone());
                continue;
            }
            let idle = asks.is_empty();
            let done = match ask {
                Ask::Rows(rows, reply) => self.take(&rows, reply, idle),
                Ask::Close(reply) => self.close(reply),
            };
            if let Err(fault) = done {
                // What the file holds now is not known, so nothing more is written to it.
                self.group.answer(&Err(fault.clone()));
                broken = Some(fault);
            }
        }
    }

    fn take(&mut self, rows: &Rows, reply: Reply<Known>, idle: bool) -> Result<(), Fault> {
        // Whatever goes wrong now, this write is told.
        self.group.replies.push((reply, 0));
        self.begin()?;
        if self.recognise == Recognise::InOrder && !self.held.come(rows) {
            let message = format!("rows for `{}` have not come in order", self.memory.path);
            return Err(Fault::service("rows_order", message).help(
                "this is a bug of flowc: please report it; nothing was acknowledged wrongly",
            ));
        }
        let new = self.held.missing(rows, self.recognise);
        let values = rows.columns.column(0).as_binary::<i32>();
        for part in &new.rows {
            self.gather(values, part.clone())?;
        }
        let written = new.written();
        for span in new.spans {
            self.remember(span);
        }
        if let Some((_, known)) = self.group.replies.last_mut() {
            *known = (rows.len() - written) as Known;
        }
        match idle || self.buffer.len() >= GATHER || self.group.bytes as usize >= GATHER {
            true => self.hand_over(),
            false => Ok(()),
        }
    }

    fn remember(&mut self, span: Span) {
        self.held.add(span);
        match self.group.spans.last_mut() {
            Some(last) if last.partition == span.partition && last.end == span.first => {
                last.end = span.end;
            }
            _ => self.group.spans.push(span),
        }
    }

    /// Before the first write: from now on bytes may lie behind those that are remembered.
    fn begin(&mut self) -> Result<(), Fault> {
        let Some((mut record, anew)) = self.begins.take() else { return Ok(()) };
        let failed = |error: std::io::Error| unwritable(&self.memory.path, &error);
        if anew {
            let begin = record.file.begin;
            self.tail = Tail::of(&self.file, begin).map_err(failed)?;
            let file = Lengths { begin, length: begin, tail: self.tail.sum(), closed: false };
            record = Record { file, held: Held::default() };
            (self.held, self.at) = (Held::default(), begin);
        }
        record.file.closed = false;
        self.memory.store(&record)?;
        if anew {
            self.file.set_len(record.file.begin).map_err(failed)?;
        }
        let first = record.file.begin == record.file.length;
        if self.form != Form::Bytes && first && !self.tail.ends_line() {
            self.buffer.push(b'\n');
        }
        self.send(Work::Begin(Box::new(record)))
    }

    fn gather(&mut self, values: &BinaryArray, rows: Range<usize>) -> Result<(), Fault> {
        let offsets = values.value_offsets();
        let bytes = values.value_data();
        let (from, to) = (offsets[rows.start] as usize, offsets[rows.end] as usize);
        let broken = self.form == Form::Objects && memchr(b'\n', &bytes[from..to]).is_some();
        let mut start = from;
        for end in &offsets[rows.start + 1..=rows.end] {
            let end = *end as usize;
            let value = &bytes[start..end];
            start = end;
            if broken {
                let blank = |byte: &u8| if *byte == b'\n' { b' ' } else { *byte };
                self.buffer.extend(value.iter().map(blank));
            } else if value.len() >= DIRECT {
                self.flush()?;
                self.put(value)?;
            } else {
                self.buffer.extend_from_slice(value);
            }
            match self.form {
                Form::Lines if value.last() == Some(&b'\n') => {}
                Form::Bytes => {}
                _ => self.buffer.push(b'\n'),
            }
            if self.buffer.len() >= GATHER {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Fault> {
        let mut buffer = std::mem::take(&mut self.buffer);
        self.put(&buffer)?;
        buffer.clear();
        // One large value does not keep its room.
        buffer.shrink_to(2 * GATHER);
        self.buffer = buffer;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let written = self.file.write_all_at(bytes, self.at);
        written.map_err(|error| unwritable(&self.memory.path, &error))?;
        self.at += bytes.len() as u64;
        self.group.bytes += bytes.len() as u64;
        self.tail.push(bytes);
        Ok(())
    }

    /// What is written so far goes on to be made durable.
    fn hand_over(&mut self) -> Result<(), Fault> {
        self.flush()?;
        let mut group = std::mem::take(&mut self.group);
        (group.length, group.tail) = (self.at, self.tail.sum());
        self.send(Work::Sync(group))
    }

    fn close(&mut self, reply: Reply<()>) -> Result<(), Fault> {
        let untouched = self.begins.as_ref().is_some_and(|(record, anew)| {
            let Lengths { length, closed, .. } = record.file;
            !anew && (closed || length == 0)
        });
        if untouched {
            let _ = reply.send(Ok(()));
            return Ok(());
        }
        let handed = if self.group.replies.is_empty() { Ok(()) } else { self.hand_over() };
        match handed.and_then(|()| self.begin()) {
            Ok(()) => self.send(Work::Close(reply)),
            Err(fault) => {
                let _ = reply.send(Err(fault.clone()));
                Err(fault)
            }
        }
    }

    fn send(&self, work: Work) -> Result<(), Fault> {
        let gone = |_| Fault::service("closed", format!("nothing syncs `{}`", self.memory.path));
        self.sync.send(work).map_err(gone)
    }
}

impl Ask {
    fn refuse(self, fault: Fault) {
        // A caller that has gone away is told nothing.
        match self {
            Ask::Rows(_, reply) => drop(reply.send(Err(fault))),
            Ask::Close(reply) => drop(reply.send(Err(fault))),
        }
    }
}
