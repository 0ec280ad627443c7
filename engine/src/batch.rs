//! What travels on an edge: columns, the ids of their rows, and an acknowledgement.

use crate::ack::Ack;
use arrow_array::{BooleanArray, RecordBatch};
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

impl RowIds {
    /// The ids of `rows`, by position.
    pub fn slice(&self, rows: Range<usize>) -> RowIds {
        let _ = rows;
        todo!()
    }

    /// The ids of the rows for which `kept` is true.
    pub fn filter(&self, kept: &BooleanArray) -> RowIds {
        let _ = kept;
        todo!()
    }
}
