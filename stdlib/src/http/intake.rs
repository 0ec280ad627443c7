//! The queue between the requests of a server and the source that the engine reads: bounded in
//! requests and bytes. Small requests that wait are read together, and each is told its own rows.

use crate::http::answer::RefusedRow;
use crate::http::frame::Records;
use crate::http::row_headers::producer_text;
use arrow_array::{BinaryArray, RecordBatch};
use arrow_buffer::{Buffer, OffsetBuffer};
use arrow_schema::SchemaRef;
use engine::ack::{Failed, Outcome, Verdict};
use engine::batch::{Partition, RowIds, Run};
use engine::failpoint::Failpoints;
use engine::node::SourceRows;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Rows that are read together at most, unless one request has more.
const ROWS_MAX: usize = 8192;
/// Bytes that are read together at most, unless one request has more.
const BYTES_MAX: usize = 4 << 20;

/// A request whose body is complete.
pub struct Posted {
    /// Its records; at least one.
    pub records: Records,
    /// Who numbered them, and the numbers: one a record. `None` = the server numbers them.
    pub named: Option<Named>,
    /// When the body was complete, nanoseconds since 1970 UTC.
    pub arrival_ns: i64,
    /// Told once.
    pub answer: oneshot::Sender<Settled>,
    /// Its place, held until it is settled, whether its client still waits or not.
    pub place: Place,
}

/// The ids that a request gives its rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// `Flowc-Producer`.
    pub producer: [u8; 16],
    /// `Flowc-Rows`: ascending.
    pub runs: Vec<Run>,
    /// `Flowc-After`: the row that must be handed over before these.
    pub after: Option<u64>,
}

/// What became of a request's rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// All through, but for these rows (in row order), which are refused for good.
    Stored(Vec<RefusedRow>),
    /// Something was not written; the same request may be sent again.
    NotStored,
}

/// The side of the requests.
#[derive(Clone)]
pub struct Intake {
    queue: mpsc::Sender<Posted>,
    requests: Arc<Semaphore>,
    bytes_used: Arc<AtomicU64>,
    bytes_max: u64,
}

/// The place of one request among those in flight; free again when dropped.
pub struct Place {
    _permit: OwnedSemaphorePermit,
    bytes_used: Arc<AtomicU64>,
    bytes_max: u64,
    bytes: u64,
}

/// The side of the source.
pub struct Outlet {
    queue: mpsc::Receiver<Posted>,
    next: Option<Posted>,
    own: Arc<Partition>,
    own_seq: u64,
    position: u64,
    schema: SchemaRef,
    failpoints: Failpoints,
}

/// A request that is read and waits for its outcome.
struct Waiter {
    rows: usize,
    runs: Vec<Run>,
    answer: oneshot::Sender<Settled>,
    _place: Place,
}

/// A queue of at most so many requests and bytes in flight; `own` is the partition of the rows that
/// the server numbers itself.
pub fn intake(
    requests_max: usize,
    bytes_max: u64,
    own: Partition,
    schema: SchemaRef,
) -> (Intake, Outlet) {
    let (sender, receiver) = mpsc::channel(requests_max);
    let requests = Arc::new(Semaphore::new(requests_max));
    let intake = Intake { queue: sender, requests, bytes_used: Arc::default(), bytes_max };
    let own = Arc::new(own);
    let (next, failpoints) = (None, Failpoints::default());
    let queue = receiver;
    let outlet = Outlet { queue, next, own, own_seq: 0, position: 0, schema, failpoints };
    (intake, outlet)
}

impl Intake {
    /// A place for a request, or `None` when there are too many.
    pub fn place(&self) -> Option<Place> {
        let permit = self.requests.clone().try_acquire_owned().ok()?;
        let bytes_used = self.bytes_used.clone();
        Some(Place { _permit: permit, bytes_used, bytes_max: self.bytes_max, bytes: 0 })
    }

    /// No further request is taken, or hardly one: less than a tenth of the bytes is free.
    pub fn is_full(&self) -> bool {
        let used = self.bytes_used.load(Ordering::Acquire);
        self.requests.available_permits() == 0 || used > self.bytes_max - self.bytes_max / 10
    }

    /// Hands a request over; gives `false` when the source has stopped.
    pub fn send(&self, posted: Posted) -> bool {
        match self.queue.try_send(posted) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                unreachable!("the queue is as long as there are places")
            }
        }
    }
}

impl Place {
    /// Takes more bytes; `false` = there is no room for them.
    pub fn grow(&mut self, bytes: u64) -> bool {
        let max = self.bytes_max;
        let grown = self.bytes_used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            used.checked_add(bytes).filter(|sum| *sum <= max)
        });
        self.bytes += if grown.is_ok() { bytes } else { 0 };
        grown.is_ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.bytes_used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

impl Outlet {
    /// With failpoints.
    pub fn with_failpoints(self, failpoints: Failpoints) -> Outlet {
        Outlet { failpoints, ..self }
    }

    /// The rows of the next request, and of those behind it that fit; `None` when the queue is
    /// closed and empty. Cancel-safe.
    pub async fn next(&mut self) -> Option<SourceRows> {
        let first = match self.next.take() {
            Some(posted) => posted,
            None => self.queue.recv().await?,
        };
        Some(self.gather(first))
    }

    /// Takes no more requests; those that are in hand are still read.
    pub fn close(&mut self) {
        self.queue.close();
    }

    fn gather(&mut self, first: Posted) -> SourceRows {
        let partition = match &first.named {
            None => self.own.clone(),
            Some(named) => Arc::new(Partition {
                id: named.producer,
                name: format!("{}/{}", self.own.name, producer_text(&named.producer)),
            }),
        };
        let mut records = Records::default();
        let mut waiters = Vec::new();
        let mut last = first;
        loop {
            let runs = self.number(&last);
            let seq = runs.last().map_or(0, |run| run.first + u64::from(run.len) - 1);
            let rows = last.records.len();
            join(&mut records, last.records);
            waiters.push(Waiter { rows, runs, answer: last.answer, _place: last.place });
            self.next = self.queue.try_recv().ok();
            let room = |next: &Posted| {
                records.len() + next.records.len() <= ROWS_MAX
                    && records.values.len() + next.records.values.len() <= BYTES_MAX
                    && follows(next.named.as_ref(), &partition, &self.own, seq)
            };
            match self.next.take_if(|next| room(next)) {
                Some(next) => last = next,
                None => break,
            }
        }
        self.position += records.len() as u64;
        let runs = waiters.iter().flat_map(|waiter| waiter.runs.iter().copied()).collect();
        let (reply, outcome) = oneshot::channel();
        tokio::spawn(settle(waiters, outcome, self.failpoints.clone()));
        SourceRows {
            columns: columns(records, &self.schema),
            ids: RowIds { partition, runs },
            partition: 0,
            end: self.position,
            resumed: None,
            reply: Some(reply),
        }
    }

    fn number(&mut self, posted: &Posted) -> Vec<Run> {
        let arrival_ns = posted.arrival_ns;
        match &posted.named {
            Some(named) => named.runs.iter().map(|run| Run { arrival_ns, ..*run }).collect(),
            None => {
                let len = u32::try_from(posted.records.len()).expect("a body is at most 1 GiB");
                let first = self.own_seq;
                self.own_seq += u64::from(len);
                vec![Run { first, len, arrival_ns }]
            }
        }
    }
}

/// True when a request is of that partition and its rows come behind `seq`: so no number is twice
/// in one read.
fn follows(named: Option<&Named>, partition: &Partition, own: &Partition, seq: u64) -> bool {
    match named {
        None => partition.id == own.id,
        Some(named) => {
            partition.id == named.producer && named.runs.first().is_some_and(|run| run.first > seq)
        }
    }
}

fn join(all: &mut Records, more: Records) {
    if all.is_empty() {
        *all = more;
        return;
    }
    let base = all.values.len() as i32;
    all.values.extend_from_slice(&more.values);
    all.offsets.extend(more.offsets[1..].iter().map(|offset| base + offset));
}

fn columns(records: Records, schema: &SchemaRef) -> RecordBatch {
    let offsets = OffsetBuffer::new(records.offsets.into());
    let payload = BinaryArray::new(offsets, Buffer::from_vec(records.values), None);
    RecordBatch::try_new(schema.clone(), vec![Arc::new(payload)])
        .expect("the schema of a wire type is one Binary column")
}

async fn settle(waiters: Vec<Waiter>, outcome: oneshot::Receiver<Outcome>, failpoints: Failpoints) {
    let outcome = outcome.await.ok();
    let mut failures = match &outcome {
        Some(Outcome { verdict: Verdict::Settled, failures }) => failures.clone(),
        _ => Vec::new(),
    };
    failures.sort_by_key(|failed| failed.seq);
    // Not told that its rows are stored, a client sends them again.
    let told = failpoints.hit("http.serve.answer").is_ok();
    let stored = told && outcome.is_some_and(|outcome| outcome.verdict == Verdict::Settled);
    for waiter in waiters {
        let settled = match stored {
            true => Settled::Stored(refused(&waiter, &failures)),
            false => Settled::NotStored,
        };
        // A client that is gone does not hear it.
        let _ = waiter.answer.send(settled);
    }
}

/// The failures of a request's rows; a row that failed in several branches is listed once.
fn refused(waiter: &Waiter, failures: &[Failed]) -> Vec<RefusedRow> {
    let mut found: Vec<RefusedRow> = Vec::new();
    let mut row = 0;
    for run in &waiter.runs {
        let from = failures.partition_point(|failed| failed.seq < run.first);
        let here = failures[from..].iter();
        for failed in here.take_while(|failed| failed.seq - run.first < u64::from(run.len)) {
            let row = row + (failed.seq - run.first);
            if found.last().is_none_or(|last| last.row != row) {
                let (code, message) = (failed.code.clone(), failed.message.clone());
                found.push(RefusedRow { row, code, message });
            }
        }
        row += u64::from(run.len);
    }
    assert_eq!(row as usize, waiter.rows, "one number a record");
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::frame::{Format, records};
    use arrow_array::cast::AsArray;
    use dsl::ty::Ty;
    use engine::schema::arrow_schema;

    fn queue() -> (Intake, Outlet) {
        let own = Partition { id: [9; 16], name: "gateway".into() };
        intake(4, 1000, own, arrow_schema(&Ty::Bytes))
    }

    fn post(intake: &Intake, body: &str, rows: Option<&str>) -> oneshot::Receiver<Settled> {
        let named = rows.map(|rows| Named {
            producer: [7; 16],
            runs: crate::http::row_headers::parse_rows(rows).unwrap(),
            after: None,
        });
        let records = records(body.into(), Format::Ndjson).unwrap();
        let (answer, answered) = oneshot::channel();
        let place = intake.place().unwrap();
        assert!(intake.send(Posted { records, named, arrival_ns: 5, answer, place }));
        answered
    }

    fn failed(seq: u64) -> Failed {
        Failed { seq, code: "json_syntax".into(), message: "no JSON".into() }
    }

    #[tokio::test]
    async fn requests_that_wait_are_read_together_and_answered_apart() {
        let (intake, mut outlet) = queue();
        let one = post(&intake, "1\n2", None);
        let two = post(&intake, "3", None);
        let three = post(&intake, "4\n5", None);
        let read = outlet.next().await.unwrap();
        let payload = read.columns.column(0).as_binary::<i32>();
        let rows: Vec<&[u8]> = payload.iter().flatten().collect();
        assert_eq!(rows, [b"1", b"2", b"3", b"4", b"5"]);
        assert_eq!(read.ids.runs.iter().map(|run| run.first).collect::<Vec<_>>(), [0, 2, 3]);
        assert_eq!((read.end, read.ids.partition.id), (5, [9; 16]));
        let failures = vec![failed(4), failed(1), failed(4)];
        let outcome = Outcome { verdict: Verdict::Settled, failures };
        read.reply.unwrap().send(outcome).unwrap();
        let row = |settled| match settled {
            Settled::Stored(refused) => refused.iter().map(|row| row.row).collect::<Vec<_>>(),
            Settled::NotStored => panic!("not stored"),
        };
        assert_eq!(row(one.await.unwrap()), [1]);
        assert_eq!(row(two.await.unwrap()), [0u64; 0]);
        assert_eq!(row(three.await.unwrap()), [1]);
    }

    #[tokio::test]
    async fn a_read_has_one_producer_and_no_number_twice() {
        let (intake, mut outlet) = queue();
        let _one = post(&intake, "1\n2\n3", Some("0-1,5"));
        let _two = post(&intake, "4", Some("6"));
        let _again = post(&intake, "3\n4", Some("5-6"));
        let _other = post(&intake, "8", None);
        let runs = |read: &SourceRows| {
            read.ids.runs.iter().map(|run| (run.first, run.len)).collect::<Vec<_>>()
        };
        let first = outlet.next().await.unwrap();
        assert_eq!(runs(&first), [(0, 2), (5, 1), (6, 1)]);
        assert_eq!(first.ids.partition.id, [7; 16]);
        assert_eq!(runs(&outlet.next().await.unwrap()), [(5, 2)]);
        let other = outlet.next().await.unwrap();
        assert_eq!((runs(&other), other.ids.partition.id), (vec![(0, 1)], [9; 16]));
        assert_eq!(other.end, 7);
    }

    #[tokio::test]
    async fn places_are_bounded_and_free_again_when_settled() {
        let (intake, mut outlet) = queue();
        let mut place = intake.place().unwrap();
        assert!(place.grow(1000) && !place.grow(1));
        assert!(!intake.place().unwrap().grow(1));
        drop(place);
        assert!(intake.place().unwrap().grow(1000));
        let waiting: Vec<_> = (0..4).map(|_| post(&intake, "1", None)).collect();
        assert!(intake.place().is_none());
        drop(outlet.next().await.unwrap().reply);
        for answered in waiting {
            assert_eq!(answered.await.unwrap(), Settled::NotStored);
        }
        outlet.close();
        assert!(outlet.next().await.is_none());
    }
}
