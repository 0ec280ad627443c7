//! What travels on an edge: columns, the ids of their rows, and an acknowledgement.

mod ids;
mod size;

pub(crate) use size::{batch_bytes, held_bytes};
pub use size::{row_bytes, rows_bytes};

use crate::ack::Ack;
use arrow_array::{BooleanArray, RecordBatch, UInt32Array};
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use arrow_select::take::take_record_batch;
use std::ops::Range;
use std::sync::Arc;

/// The name of the only column of an edge that carries a wire type (`bytes`, `json<T>`, …): Arrow
/// `Binary`, never null.
pub const PAYLOAD: &str = "payload";

/// The unit that moves through a channel.
#[derive(Debug)]
pub struct Batch {
    /// The rows as node authors see them.
    pub rows: Rows,
    /// Settles when every branch is through; dropped unsettled means failed.
    pub ack: Ack,
}

/// The rows of a batch, without its acknowledgement.
#[derive(Clone, Debug)]
pub struct Rows {
    /// The columns; the schema is [`crate::schema::arrow_schema`] of the edge's type.
    pub columns: RecordBatch,
    /// Which source records these rows come from. One id a row, except behind a join (`text.join`),
    /// where one row has the ids of all its members.
    pub ids: RowIds,
    /// Set behind `batch(…)`: all rows together are one batch.
    pub group: Option<Arc<Group>>,
    /// Set on the first rows that a source sends after it resumed: what the decoder asked to be
    /// told; see [`crate::node::Output::resume_at`].
    pub resumed: Option<Arc<Resume>>,
}

/// `batch.id`, `batch.time`, `batch.count`, `batch.size`; equal on replay.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// First to last sequence number, `000…12-000…511`, in the partition's own padding.
    pub id: String,
    /// Arrival of the first record, nanoseconds since 1970 UTC.
    pub time_ns: i64,
    /// Records.
    pub count: u64,
    /// Payload bytes.
    pub size: u64,
}

/// Where a decoder can begin again, so that a source's position is always the start of a record.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Resume {
    /// Byte offset of the first record that is not complete yet.
    pub offset: u64,
    /// Number of that record, from 0.
    pub record: u64,
    /// Number of the line it begins on, from 1.
    pub line: u64,
    /// What the decoder needs to go on, such as the header.
    pub state: Vec<u8>,
}

/// An ordered series of records: a shard, a file, the requests of a server.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Partition {
    /// 128 bits, the same in every run: BLAKE3 of what makes the partition (a file's content, a
    /// stream's name and shard).
    pub id: [u8; 16],
    /// For people and file names: `APIData/0`, `data/online-retail.csv`.
    pub name: String,
}

/// A stretch of consecutive records of one partition that arrived together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Sequence number of the first.
    pub first: u64,
    /// How many.
    pub len: u32,
    /// When they arrived, nanoseconds since 1970 UTC.
    pub arrival_ns: i64,
}

/// The ids of rows: all of one partition.
#[derive(Clone, Debug, PartialEq)]
pub struct RowIds {
    /// The partition.
    pub partition: Arc<Partition>,
    /// In row order.
    pub runs: Vec<Run>,
}

impl Partition {
    /// The partition of what `by` makes of this one's rows: an id and a name of its own, the same
    /// in every run.
    pub fn derive(&self, by: &str) -> Partition {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.id).update(by.as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Partition { id, name: format!("{}/{by}", self.name) }
    }
}

impl Batch {
    /// Cuts in front of row `at`; both parts share the acknowledgement.
    pub fn split_at(self, at: usize) -> (Batch, Batch) {
        let end = self.rows.len();
        let mut parts = self.split(&[at, end]).into_iter();
        match (parts.next(), parts.next()) {
            (Some(left), Some(right)) => (left, right),
            _ => unreachable!("two ends make two parts"),
        }
    }

    /// Cuts into parts that end (exclusively) at `ends`, which rise and come to the last row; the
    /// parts share the acknowledgement.
    pub fn split(self, ends: &[usize]) -> Vec<Batch> {
        assert_eq!(ends.last(), Some(&self.rows.len()), "the parts hold all rows");
        let mut start = 0;
        let acks = self.ack.fan_out(ends.len());
        let parts = ends.iter().zip(acks).map(|(&end, ack)| {
            let rows = self.rows.slice(start..end);
            start = end;
            Batch { rows, ack }
        });
        parts.collect()
    }

    /// Joins batches of one partition and one schema, in order.
    pub fn concat(batches: Vec<Batch>) -> Batch {
        let (rows, acks): (Vec<Rows>, Vec<Ack>) =
            batches.into_iter().map(|batch| (batch.rows, batch.ack)).unzip();
        Batch { rows: Rows::concat(&rows), ack: Ack::merge(acks) }
    }
}

impl Rows {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.columns.num_rows()
    }

    /// No rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Behind a join: one row that has the ids of all its members.
    pub fn is_joined(&self) -> bool {
        self.len() == 1 && self.ids.len() > 1
    }

    /// The ids of the rows of a range: one each, or all of them for a joined row.
    pub fn ids_of(&self, rows: Range<usize>) -> RowIds {
        if self.ids.len() == self.len() {
            return self.ids.slice(rows);
        }
        assert!(self.is_joined(), "one id a row, except behind a join");
        if rows.is_empty() { self.ids.slice(0..0) } else { self.ids.clone() }
    }

    /// The rows of a range; copies nothing.
    pub fn slice(&self, rows: Range<usize>) -> Rows {
        Rows {
            columns: self.columns.slice(rows.start, rows.len()),
            ids: self.ids_of(rows.clone()),
            group: self.group.clone(),
            resumed: self.resumed.clone().filter(|_| rows.start == 0),
        }
    }

    /// The same rows in buffers of their own: a slice keeps those of the whole.
    pub(crate) fn copy(self) -> Rows {
        let rows = u32::try_from(self.len()).expect("rows of one batch");
        let columns = take_record_batch(&self.columns, &UInt32Array::from_iter_values(0..rows));
        Rows { columns: columns.expect("rows that are there"), ..self }
    }

    /// The rows for which `kept` is true; null counts as false.
    pub fn filter(&self, kept: &BooleanArray) -> Rows {
        let columns = filter_record_batch(&self.columns, kept).expect("one flag a row");
        let ids = match self.is_joined() {
            true => self.ids_of(0..columns.num_rows()),
            false => self.ids.filter(kept),
        };
        Rows { columns, ids, group: self.group.clone(), resumed: self.resumed.clone() }
    }

    /// Joins rows of one partition and one schema, in order. At least one part; the whole must stay
    /// under 2 GiB a column, which the limits of drivers see to.
    pub fn concat(parts: &[Rows]) -> Rows {
        let first = parts.first().expect("something to join");
        if parts.len() == 1 {
            return first.clone();
        }
        let schema = first.columns.schema();
        let columns = concat_batches(&schema, parts.iter().map(|part| &part.columns));
        let same_group = parts.iter().all(|part| part.group == first.group);
        Rows {
            columns: columns.expect("one schema, under 2 GiB"),
            ids: RowIds::concat(parts.iter().map(|part| &part.ids)),
            group: first.group.clone().filter(|_| same_group),
            resumed: first.resumed.clone(),
        }
    }
}
