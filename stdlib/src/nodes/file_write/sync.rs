//! The thread that makes a file durable: one sync, and one record of it, for all writes that wait.

use super::held::Span;
use super::place::unwritable;
use super::record::{Memory, Record};
use super::writer::{Known, Reply};
use engine::failpoint::Failpoints;
use engine::fault::Fault;
use std::fs::File;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// A sync begins at the latest when this many bytes wait for one.
const SYNC_BYTES: u64 = 8 << 20;
/// Writes of this many bytes are parts of a long one: the sync waits for the next part.
const BULK_BYTES: u64 = 1 << 20;
/// … but not longer than this, for each part.
const NEXT_PART: Duration = Duration::from_millis(5);

/// What the writer hands over.
pub enum Work {
    /// The first bytes will follow: this is what is stored of the file.
    Begin(Box<Record>),
    /// Bytes to make durable.
    Sync(Group),
    /// The last bytes are durable.
    Close(Reply<()>),
}

/// Writes that lie in the file.
#[derive(Default)]
pub struct Group {
    /// Bytes of these writes.
    pub bytes: u64,
    /// Bytes of the file with them.
    pub length: u64,
    /// The sum of its last 4 KiB.
    pub tail: u32,
    /// The rows that they hold.
    pub spans: Vec<Span>,
    /// Who waits, each with the rows that were known already.
    pub replies: Vec<(Reply<Known>, Known)>,
}

impl Group {
    /// Tells everyone who waits.
    pub fn answer(&mut self, done: &Result<(), Fault>) {
        for (reply, known) in self.replies.drain(..) {
            // A caller that has gone away is told nothing; its rows are stored.
            let _ = reply.send(done.clone().map(|()| known));
        }
    }

    fn join(&mut self, next: Group) {
        let Group { bytes, length, tail, spans, replies } = next;
        self.bytes += bytes;
        (self.length, self.tail) = (length, tail);
        self.spans.extend(spans);
        self.replies.extend(replies);
    }
}

/// What the thread works on.
pub struct Syncer {
    /// The file that is written.
    pub file: Arc<File>,
    /// Where its record is kept.
    pub memory: Memory,
    /// What is stored.
    pub record: Record,
    /// Where a write may end early.
    pub failpoints: Failpoints,
}

impl Syncer {
    /// Works until nothing can be handed over any more.
    pub fn run(mut self, work: Receiver<Work>) {
        let mut broken: Option<Fault> = None;
        let mut next = work.recv().ok();
        while let Some(now) = next {
            next = None;
            let done = match (now, &broken) {
                (Work::Begin(record), _) => {
                    self.record = *record;
                    Ok(())
                }
                (Work::Sync(mut group), None) => {
                    next = gather(&mut group, &work);
                    let done = self.sync(&group);
                    group.answer(&done);
                    done
                }
                (Work::Sync(mut group), Some(fault)) => {
                    group.answer(&Err(fault.clone()));
                    Ok(())
                }
                (Work::Close(reply), None) => {
                    let done = self.close();
                    let _ = reply.send(done.clone());
                    done
                }
                (Work::Close(reply), Some(fault)) => {
                    let _ = reply.send(Err(fault.clone()));
                    Ok(())
                }
            };
            // What is durable now is not known, so nothing more is acknowledged.
            broken = broken.or(done.err());
            next = next.or_else(|| work.recv().ok());
        }
    }

    fn sync(&mut self, group: &Group) -> Result<(), Fault> {
        if group.bytes > 0 {
            self.failpoints.pass("file.write.written")?;
            self.durable()?;
        }
        let Record { file, held } = &mut self.record;
        (file.length, file.tail) = (group.length, group.tail);
        group.spans.iter().for_each(|span| held.add(*span));
        match group.bytes > 0 || !group.spans.is_empty() {
            true => {
                self.failpoints.pass("file.write.synced")?;
                self.memory.store(&self.record)?;
                self.failpoints.pass("file.write.stored")
            }
            false => Ok(()),
        }
    }

    /// The file may have been cut and nothing written.
    fn close(&mut self) -> Result<(), Fault> {
        self.durable()?;
        self.failpoints.pass("file.write.close")?;
        self.record.file.closed = true;
        self.memory.store(&self.record)?;
        self.failpoints.pass("file.write.closed")
    }

    fn durable(&self) -> Result<(), Fault> {
        self.file.sync_data().map_err(|error| unwritable(&self.memory.path, &error))
    }
}

/// Joins what waits, and what comes soon behind a part of a long write; gives what comes behind.
fn gather(group: &mut Group, work: &Receiver<Work>) -> Option<Work> {
    while group.bytes < SYNC_BYTES {
        let next = match group.bytes < BULK_BYTES {
            true => work.try_recv().ok(),
            false => work.recv_timeout(NEXT_PART).ok(),
        };
        match next? {
            Work::Sync(next) => group.join(next),
            other => return Some(other),
        }
    }
    None
}
