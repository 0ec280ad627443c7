//! The contracts of nodes. Retry, batching, acknowledgements, metrics and shutdown belong to the
//! drivers, not to nodes.

use crate::ack::Outcome;
use crate::batch::{Resume, RowIds, Rows};
use crate::fault::{Fault, RowFault};
use arrow_array::{BooleanArray, RecordBatch};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Sends what comes from outside.
#[async_trait]
pub trait Source: Send {
    /// Waits for the next records. Cancel-safe: dropping the future loses nothing. After
    /// [`Read::End`] it is not called again.
    async fn read(&mut self) -> Result<Read, Fault>;

    /// Everything of `partition` before `upto` is settled and stored: remember it, durably. Called
    /// in order, not for every batch.
    async fn commit(
        &mut self,
        partition: u32,
        upto: u64,
        resume: Option<Arc<Resume>>,
    ) -> Result<(), Fault>;

    /// Stop taking in; what is in hand may still be read. After it, `read` must come to
    /// [`Read::End`] without waiting for more input.
    async fn stop(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    /// After [`Read::End`], when every row is settled, every reply told and the last commit made:
    /// lets answers that are still being written go out. Bounded by the node itself.
    async fn close(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    /// Nothing more can be read until rows that were read are settled: what gathers rows behind it
    /// must not wait for more.
    fn waits_for_settling(&self) -> bool {
        false
    }

    /// All rows this source will ever send, in any run, are of one partition (a stream with one
    /// shard). Then `batch.id` is first to last sequence number alone; else eight digits of the
    /// partition's id follow, so that no two batches share one.
    fn one_partition(&self) -> bool {
        false
    }
}

/// The answer of [`Source::read`].
#[derive(Debug)]
pub enum Read {
    /// Records.
    Rows(SourceRows),
    /// Nothing will come any more.
    End,
}

/// One read from one partition.
#[derive(Debug)]
pub struct SourceRows {
    /// The columns.
    pub columns: RecordBatch,
    /// One id a row.
    pub ids: RowIds,
    /// The partition's number within this source, small and dense.
    pub partition: u32,
    /// The position after the last of these rows.
    pub end: u64,
    /// Goes to the decoder; only on the first rows after a resume.
    pub resumed: Option<Arc<Resume>>,
    /// Told the outcome of exactly these rows, once (`http.serve`); `None` for sources that only
    /// commit.
    pub reply: Option<oneshot::Sender<Outcome>>,
}

/// The part of a [`Transform::begin`] that can be done out of order.
pub type Rest = Box<dyn FnOnce(&mut Output) -> Result<(), Fault> + Send>;

/// Turns rows into rows. Plain, synchronous code.
pub trait Transform: Send {
    /// Takes rows and answers through `out`: every row must be sent, filtered, failed or kept, or
    /// the run fails its balance.
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault>;

    /// Does the part of a call that depends on the calls before it, and gives the rest, which the
    /// driver may run on another thread while the next call begins. Both answer through the same
    /// `out`: [`Output::resume_at`] and [`Output::keep`] belong here, rows and faults may come from
    /// the rest. By default everything depends on what was before.
    fn begin(&mut self, rows: Rows, out: &mut Output) -> Result<Option<Rest>, Fault> {
        self.apply(rows, out)?;
        Ok(None)
    }

    /// One more that does the same, for a node whose calls do not depend on each other: the driver
    /// may work several batches at once, and sends the answers in order. `None` (the default): the
    /// calls must come in order, to this one.
    fn another(&self) -> Option<Box<dyn Transform>> {
        None
    }

    /// The input has ended: sends what was kept, see [`Output::keep`]. Not called for a decoder
    /// whose input was cut off because the run stops: the source reads again what it has kept, from
    /// the last [`Output::resume_at`].
    fn finish(&mut self, out: &mut Output) -> Result<(), Fault> {
        let _ = out;
        Ok(())
    }
}

/// What a transform did with the rows of one call; the driver turns it into batches,
/// acknowledgements and counts.
#[derive(Debug, Default)]
pub struct Output {
    /// Rows to send, by port.
    pub(crate) sent: Vec<Sent>,
    /// Rows that fail.
    pub(crate) failed: Vec<FailedRows>,
    /// Rows that a filter took out.
    pub(crate) filtered: u64,
    /// Records that a decoder made out of its input (decoders only).
    pub(crate) made: u64,
    /// The node is a decoder: it opens the rows of this call and makes records of its own.
    pub(crate) decodes: bool,
    /// A decoder keeps the end of this call's rows.
    pub(crate) kept: bool,
    /// Where the source can resume when everything sent so far is settled.
    pub(crate) resume: Option<Arc<Resume>>,
}

/// One batch that a transform sends.
#[derive(Debug)]
pub struct Sent {
    /// `None` = `out`.
    pub port: Option<&'static str>,
    /// The rows.
    pub rows: Rows,
}

/// Rows that fail together.
#[derive(Debug, Default)]
pub(crate) struct FailedRows {
    /// What the rows of the faults are indexes of; `None` = the rows of the call.
    pub ids: Option<RowIds>,
    /// What a service calls it, instead of the codes of the faults.
    pub code: Option<String>,
    pub faults: Vec<RowFault>,
}

/// Writes rows to the outside. `&self`: the driver may have several writes under way, up to
/// [`SinkLimits::concurrency`].
#[async_trait]
pub trait Sink: Send + Sync {
    /// What one write takes; the driver cuts to it.
    fn limits(&self) -> SinkLimits {
        SinkLimits::default()
    }

    /// Writes rows, durably: `Ok` means stored. One write holds rows of one partition.
    async fn write(&self, rows: &Rows) -> Result<Written, Fault>;

    /// No more writes will come.
    async fn close(&self) -> Result<(), Fault> {
        Ok(())
    }
}

/// What became of the rows of one write. Rows that are named nowhere are stored.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// Rows that the service refuses for good.
    pub refused: Vec<RowFault>,
    /// Rows that it did not take this time, by index: only these are written again.
    pub again: Vec<usize>,
    /// Why, where `again` is not empty.
    pub fault: Option<Fault>,
}

/// Limits of one write.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SinkLimits {
    /// Rows at most.
    pub rows_max: usize,
    /// Bytes of columns at most, about.
    pub bytes_max: usize,
    /// How long rows may wait for company; zero = write what is there (several batches that already
    /// wait are joined).
    pub linger: Duration,
    /// Writes under way at once at most; the driver begins with 4 and finds out how many the
    /// service bears. With 1, writes are in order.
    pub concurrency: usize,
    /// Bytes of columns of all writes under way at most, about; one write may always be.
    pub in_flight_bytes_max: usize,
    /// Cut where `sequence number / align` changes, so that the same rows make the same write in
    /// every run; 0 = not.
    pub align: u64,
    /// A batch is written exactly as it arrived, never cut or joined (`bucket.put`).
    pub whole: bool,
    /// How long rows are tried again that make no progress, before the node fails.
    pub retry_for: Duration,
}

impl Default for SinkLimits {
    fn default() -> SinkLimits {
        SinkLimits {
            rows_max: 8192,
            bytes_max: 8 << 20,
            linger: Duration::ZERO,
            concurrency: 1,
            in_flight_bytes_max: 64 << 20,
            align: 0,
            whole: false,
            retry_for: Duration::from_secs(300),
        }
    }
}

impl Output {
    /// Sends `columns` with the ids and the group of `from`: one row for each row of `from`.
    pub fn send(&mut self, from: &Rows, columns: RecordBatch) {
        self.sent.push(Sent { port: None, rows: Rows { columns, ..from.clone() } });
    }

    /// Sends `columns`, which hold only the rows of `from` for which `kept` is true, in order. Says
    /// nothing of the others: see [`Output::filter`] and [`Output::fail`].
    pub fn send_kept(&mut self, from: &Rows, kept: &BooleanArray, columns: RecordBatch) {
        self.send_kept_to(None, from, kept, columns);
    }

    /// The same to a port of the spec (`rejected`, an arm of `route`).
    pub fn send_kept_to(
        &mut self,
        port: Option<&'static str>,
        from: &Rows,
        kept: &BooleanArray,
        columns: RecordBatch,
    ) {
        if columns.num_rows() > 0 {
            let ids = from.ids.filter(kept);
            self.sent.push(Sent { port, rows: Rows { columns, ids, ..from.clone() } });
        }
    }

    /// Counts rows that a filter took out; their acknowledgement says so.
    pub fn filter(&mut self, rows: usize) {
        self.filtered += rows as u64;
    }

    /// Sends failing rows by `errors`; `row` is the index in the rows of this call. A decoder uses
    /// [`Output::fail_made`] for the records it made.
    pub fn fail(&mut self, faults: impl IntoIterator<Item = RowFault>) {
        self.fail_rows(None, faults.into_iter().collect());
    }

    /// For decoders: sends failing records by `errors`. `ids` are those of all records that this
    /// call came to, and `row` is an index in them, so that each failure has an id of its own.
    pub fn fail_made(&mut self, ids: &RowIds, faults: impl IntoIterator<Item = RowFault>) {
        self.fail_rows(Some(ids.clone()), faults.into_iter().collect());
    }

    fn fail_rows(&mut self, ids: Option<RowIds>, faults: Vec<RowFault>) {
        if !faults.is_empty() {
            self.failed.push(FailedRows { ids, code: None, faults });
        }
    }

    /// For decoders: sends records made out of the input, with ids of their own. `records` counts
    /// them and those that failed. Called in every call, also when nothing was made: that is how
    /// the driver knows a decoder.
    pub fn send_made(&mut self, from: &Rows, columns: RecordBatch, ids: RowIds, records: u64) {
        self.decodes = true;
        self.made += records;
        if columns.num_rows() > 0 {
            self.sent.push(Sent {
                port: None,
                rows: Rows { columns, ids, group: from.group.clone(), resumed: None },
            });
        }
    }

    /// For decoders: when everything before is settled, the source may resume here. Called in every
    /// call, as the place may be the same as before; in `finish` it replaces what the last call
    /// that kept something has said.
    pub fn resume_at(&mut self, resume: Resume) {
        self.decodes = true;
        self.resume = Some(Arc::new(resume));
    }

    /// For decoders: the end of this call's rows is kept (a record that is not complete). Their
    /// acknowledgement is held and shared by what the next call, or `finish`, makes. Without it,
    /// `finish` may send nothing.
    pub fn keep(&mut self) {
        self.decodes = true;
        self.kept = true;
    }
}
