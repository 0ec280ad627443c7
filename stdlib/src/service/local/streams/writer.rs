//! Group commit: one thread per stream takes all appends that wait, writes them together, makes
//! them durable with one sync per shard, and answers them.

use super::refuse::Service;
use super::seen::Seen;
use super::tail::Tail;
use crate::service::{Appended, Records};
use engine::ctx::Clock;
use engine::fault::Fault;
use std::ops::Range;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

/// Appends that may wait; more must wait to wait.
const WAITING_MAX: usize = 64;
/// A group is written when it has this many bytes, though more appends wait.
const GROUP_BYTES: usize = 8 << 20;

/// Sends appends to the thread; ends it when dropped.
pub struct Writer {
    appends: Option<mpsc::Sender<Append>>,
    thread: Option<JoinHandle<()>>,
}

/// One append that waits.
struct Append {
    records: Records,
    reply: oneshot::Sender<Result<Appended, Fault>>,
}

/// What the thread works on.
pub struct Group {
    /// One per shard.
    pub tails: Vec<Tail>,
    /// What the stream has.
    pub seen: Seen,
    /// Who refuses records.
    pub service: Service,
    /// The time of arrival.
    pub clock: Arc<dyn Clock>,
    /// `stream `APIData``, for messages.
    pub what: String,
}

impl Writer {
    /// Starts the thread.
    pub fn start(group: Group) -> Result<Writer, Fault> {
        let (appends, waiting) = mpsc::channel(WAITING_MAX);
        let what = group.what.clone();
        let thread = std::thread::Builder::new()
            .name("stream".into())
            .spawn(move || run(group, waiting))
            .map_err(|error| Fault::service("io", format!("no thread for {what}: {error}")))?;
        Ok(Writer { appends: Some(appends), thread: Some(thread) })
    }

    /// Appends; durable when it returns.
    pub async fn append(&self, records: Records) -> Result<Appended, Fault> {
        let (reply, answer) = oneshot::channel();
        let gone = || Fault::service("closed", "the stream's writer has ended");
        let appends = self.appends.as_ref().ok_or_else(gone)?;
        appends.send(Append { records, reply }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    /// Ends the thread when what waits is written.
    fn drop(&mut self) {
        self.appends = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(mut group: Group, mut waiting: mpsc::Receiver<Append>) {
    let mut broken: Option<Fault> = None;
    while let Some(first) = waiting.blocking_recv() {
        if let Some(fault) = &broken {
            let _ = first.reply.send(Err(fault.clone()));
            continue;
        }
        let mut answers = Vec::new();
        let mut next = Some(first);
        while let Some(append) = next {
            let appended = group.gather(append.records);
            answers.push((append.reply, appended));
            let gathered: usize = group.tails.iter().map(Tail::gathered).sum();
            next = if gathered < GROUP_BYTES { waiting.try_recv().ok() } else { None };
        }
        let committed = group.tails.iter_mut().try_for_each(Tail::commit);
        for (reply, appended) in answers {
            // A caller that has gone away is told nothing; its records are stored.
            let _ = reply.send(committed.clone().map(|()| appended));
        }
        // Nobody waits for the mark.
        let marked = committed.and_then(|()| group.tails.iter_mut().try_for_each(Tail::mark));
        // What the files hold now is not known, so nothing more is written to them.
        broken = marked.err();
    }
}

impl Group {
    /// Gathers the records of one append that are neither refused nor stored already.
    fn gather(&mut self, records: Records) -> Appended {
        let arrival_ns = self.clock.now_ns();
        let refused = self.service.refused(&records);
        let mut rows: Vec<Vec<(Range<usize>, u64)>> = vec![Vec::new(); self.tails.len()];
        let (mut stored, mut already_stored) = (0, 0);
        for part in accepted(&records, refused.iter().map(|refused| refused.row)) {
            let missing = self.seen.missing(&records.producer, part.seq, part.rows.len() as u32);
            already_stored += part.rows.len() as u64;
            for (first, len) in missing {
                self.seen.add(&records.producer, first, len);
                let start = part.rows.start + (first - part.seq) as usize;
                spread(&records, start..start + len as usize, first, &mut rows);
                stored += u64::from(len);
                already_stored -= u64::from(len);
            }
        }
        for (tail, rows) in self.tails.iter_mut().zip(&rows) {
            tail.gather(&records, rows, arrival_ns);
        }
        Appended { stored, already_stored, refused, ..Appended::default() }
    }
}

/// Consecutive rows with consecutive sequence numbers.
struct Part {
    rows: Range<usize>,
    seq: u64,
}

/// The rows that are not refused, by the runs of their ids.
fn accepted(records: &Records, refused: impl Iterator<Item = usize>) -> Vec<Part> {
    let mut refused = refused.peekable();
    let mut parts = Vec::with_capacity(records.runs.len());
    let mut row = 0;
    for run in &records.runs {
        let end = row + run.len as usize;
        let mut from = row;
        while let Some(bad) = refused.next_if(|bad| *bad < end) {
            parts.push(Part { rows: from..bad, seq: run.first + (from - row) as u64 });
            from = bad + 1;
        }
        parts.push(Part { rows: from..end, seq: run.first + (from - row) as u64 });
        row = end;
    }
    parts.retain(|part| !part.rows.is_empty());
    parts
}

/// Gives rows to their shards.
fn spread(
    records: &Records,
    range: Range<usize>,
    first: u64,
    rows: &mut [Vec<(Range<usize>, u64)>],
) {
    if rows.len() == 1 {
        rows[0].push((range, first));
        return;
    }
    let shards = rows.len();
    for (n, row) in range.enumerate() {
        let seq = first + n as u64;
        let shard = match &records.keys {
            Some(keys) => shard_of(keys.value(row), shards),
            None => seq as usize % shards,
        };
        rows[shard].push((row..row + 1, seq));
    }
}

/// The shard of a partition key: the same in every run.
fn shard_of(key: &str, shards: usize) -> usize {
    let hash = blake3::hash(key.as_bytes());
    let number = u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("eight bytes"));
    ((u128::from(number) * shards as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_shard_and_all_shards_have_keys() {
        let mut counts = [0; 3];
        for n in 0..3000 {
            counts[shard_of(&format!("invoice {n}"), 3)] += 1;
        }
        assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
        assert_eq!(shard_of("536365", 3), shard_of("536365", 3));
    }
}
