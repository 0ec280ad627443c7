//! Records of Kinesis as rows: packed ones opened, ids taken off, duplicates dropped, numbered.

use super::window::Window;
use crate::service::aws::event_id;
use crate::service::aws::leases::position::Position;
use crate::service::aws::streams::hash::{self, HashRange};
use crate::service::aws::streams::kpl;
use crate::service::{ShardRows, StreamRows};
use arrow_array::builder::{BinaryBuilder, StringBuilder};
use aws_sdk_kinesis::types::Record;
use engine::batch::{Partition, RowIds};
use std::sync::Arc;

/// Rows of one chunk at most.
const ROWS_MAX: usize = 8192;
/// Bytes of one chunk at most, about.
const BYTES_MAX: usize = 8 << 20;

/// Some rows of a shard, on their way.
#[derive(Debug)]
pub struct Chunk {
    /// The rows.
    pub rows: ShardRows,
    /// Where the last of them stands.
    pub at: Position,
    /// Payload bytes.
    pub bytes: usize,
}

/// Makes the rows of one shard.
#[derive(Debug)]
pub struct Unpacker {
    /// The shard.
    pub partition: Arc<Partition>,
    /// The shard's number within the reader.
    pub shard: u32,
    /// Its part of the ring.
    pub range: HashRange,
    /// Everything up to here is settled.
    pub settled: Option<Position>,
    /// The number of the next record.
    pub next: u64,
    /// Records carry ids.
    pub ids: bool,
    /// The ids of the last records.
    pub window: Window,
    /// Duplicates that were dropped since this was last taken.
    pub duplicates: u64,
    /// Records of packed ones that belong to other shards, since this was last taken.
    pub foreign: u64,
    arrival_ns: i64,
}

struct Columns {
    payloads: BinaryBuilder,
    keys: StringBuilder,
    ids: RowIds,
    rows: usize,
    bytes: usize,
}

impl Unpacker {
    /// For a shard whose next record has the number `next`.
    pub fn new(partition: Arc<Partition>, shard: u32, next: u64, window: Window) -> Unpacker {
        Unpacker {
            partition,
            shard,
            range: HashRange::ALL,
            settled: None,
            next,
            ids: false,
            window,
            duplicates: 0,
            foreign: 0,
            arrival_ns: i64::MIN,
        }
    }

    /// The rows of some records.
    pub fn take(&mut self, records: &[Record]) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        let mut columns = self.columns();
        let mut last = None;
        for record in records {
            let arrival = record.approximate_arrival_timestamp.as_ref();
            let arrival = arrival.and_then(|at| i64::try_from(at.as_nanos()).ok());
            self.arrival_ns = self.arrival_ns.max(arrival.unwrap_or(i64::MIN));
            let data = record.data.as_ref();
            match kpl::unpack(data) {
                None => {
                    let at = Position::new(&record.sequence_number, 0);
                    let key = record.partition_key.as_deref().unwrap_or_default();
                    self.add(&mut columns, &at, key, data, &mut chunks);
                    last = Some(at);
                }
                Some(parts) => {
                    for (sub, part) in parts.into_iter().enumerate() {
                        let at = Position::new(&record.sequence_number, sub as u64);
                        match self.is_own(&part) {
                            true => self.add(&mut columns, &at, part.key, part.data, &mut chunks),
                            false => self.foreign += 1,
                        }
                        last = Some(at);
                    }
                }
            }
        }
        if let Some(last) = last {
            self.flush(columns, last, &mut chunks);
        }
        chunks
    }

    /// Notes the ids of records that are settled, so that those that come again are recognised;
    /// false when one is not settled.
    pub fn remember(&mut self, records: &[Record]) -> bool {
        let Some(settled) = self.settled.clone() else { return false };
        for record in records {
            let data = record.data.as_ref();
            let plain = kpl::Part { key: "", explicit_hash: None, data };
            for (sub, part) in kpl::unpack(data).unwrap_or(vec![plain]).into_iter().enumerate() {
                if Position::new(&record.sequence_number, sub as u64) > settled {
                    return false;
                }
                if let Some((_, id)) = event_id::strip(part.data) {
                    self.window.is_new(id);
                }
            }
        }
        true
    }

    /// A packed record that was written before a split holds records of the other half too: that
    /// half has them as well.
    fn is_own(&self, part: &kpl::Part<'_>) -> bool {
        let given = part.explicit_hash.and_then(|hash| hash.parse().ok());
        self.range.has(given.unwrap_or_else(|| hash::of_key(part.key)))
    }

    fn add(
        &mut self,
        columns: &mut Columns,
        at: &Position,
        key: &str,
        data: &[u8],
        chunks: &mut Vec<Chunk>,
    ) {
        if self.settled.as_ref().is_some_and(|settled| at <= settled) {
            return;
        }
        let number = self.next;
        self.next += 1;
        let stripped = if self.ids { event_id::strip(data) } else { None };
        if let Some((_, id)) = stripped
            && !self.window.is_new(id)
        {
            self.duplicates += 1;
            return;
        }
        match stripped {
            Some((open, _)) => {
                use std::io::Write;
                let written = columns.payloads.write_all(open);
                written.and_then(|()| columns.payloads.write_all(b"}")).expect("to memory");
                columns.payloads.append_value("");
            }
            None => columns.payloads.append_value(data),
        }
        columns.keys.append_value(key);
        columns.ids.push(number, 1, self.arrival_ns.max(0));
        columns.rows += 1;
        columns.bytes += data.len();
        if columns.rows >= ROWS_MAX || columns.bytes >= BYTES_MAX {
            let full = std::mem::replace(columns, self.columns());
            self.flush(full, at.clone(), chunks);
        }
    }

    fn flush(&self, mut columns: Columns, at: Position, chunks: &mut Vec<Chunk>) {
        if columns.rows == 0 {
            return;
        }
        let rows = StreamRows {
            payloads: columns.payloads.finish(),
            keys: columns.keys.finish(),
            runs: columns.ids.runs,
        };
        let (partition, shard, end) = (self.partition.clone(), self.shard, self.next);
        let rows = ShardRows { partition, shard, rows, end };
        chunks.push(Chunk { rows, at, bytes: columns.bytes });
    }

    fn columns(&self) -> Columns {
        Columns {
            payloads: BinaryBuilder::new(),
            keys: StringBuilder::new(),
            ids: RowIds::empty(self.partition.clone()),
            rows: 0,
            bytes: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_kinesis::primitives::{Blob, DateTime};
    use kpl::Packer;

    fn record(seq: u64, data: &[u8], ms: i64) -> Record {
        let record = Record::builder().sequence_number(seq.to_string()).partition_key("k");
        let record = record.approximate_arrival_timestamp(DateTime::from_millis(ms));
        record.data(Blob::new(data)).build().unwrap()
    }

    fn with_id(n: u64) -> Vec<u8> {
        let mut data = Vec::new();
        let object = format!("{{\"n\":{n}}}");
        event_id::embed(object.as_bytes(), &event_id::event_id(&[1; 16], n), &mut data);
        data
    }

    fn packed(keys: &[&str]) -> Vec<u8> {
        let mut packer = Packer::default();
        keys.iter().for_each(|key| packer.add(key, key.as_bytes()));
        packer.finish()
    }

    fn unpacker() -> Unpacker {
        let partition = Partition { id: [0; 16], name: "s".into() };
        let mut unpacker = Unpacker::new(Arc::new(partition), 0, 100, Window::new(100));
        unpacker.ids = true;
        unpacker
    }

    /// Payloads, numbers and arrivals in ms, the end and the place behind it.
    type Taken = (Vec<String>, Vec<(u64, i64)>, u64, String);

    fn taken(chunks: &[Chunk]) -> Vec<Taken> {
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap()).into_owned();
        chunks
            .iter()
            .map(|Chunk { rows, at, .. }| {
                let payloads = rows.rows.payloads.iter().map(text).collect();
                let of = |run: &engine::batch::Run| (run.first, run.arrival_ns / 1_000_000);
                let numbers = rows.rows.runs.iter().map(of).collect();
                (payloads, numbers, rows.end, at.to_string())
            })
            .collect()
    }

    #[test]
    fn duplicates_are_dropped_and_numbered_all_the_same() {
        let mut unpacker = unpacker();
        let records = [(1, 7, 50), (2, 8, 40), (3, 7, 60), (4, 9, 60), (5, 9, 60)];
        let records = records.map(|(seq, n, ms)| record(seq, &with_id(n), ms));
        let payloads = ["{\"n\":7}", "{\"n\":8}", "{\"n\":9}"].map(String::from).to_vec();
        let numbers = vec![(100, 50), (103, 60)];
        let wanted = (payloads, numbers, 105, "5.0".to_owned());
        assert_eq!(taken(&unpacker.take(&records)), [wanted], "arrivals never go back");
        assert_eq!(unpacker.duplicates, 2);
        assert!(unpacker.take(&records).is_empty());
    }

    #[test]
    fn a_packed_record_goes_on_in_its_middle() {
        let mut unpacker = unpacker();
        unpacker.settled = Some(Position::new("7", 1));
        let records = [record(7, &packed(&["a", "b", "c", "d"]), 5), record(8, b"plain", 6)];
        let chunks = unpacker.take(&records);
        let payloads = ["c", "d", "plain"].map(String::from).to_vec();
        assert_eq!(taken(&chunks), [(payloads, vec![(100, 5), (102, 6)], 103, "8.0".to_owned())]);
        let last = unpacker.take(&[record(9, &packed(&["a", "b"]), 7)]);
        assert_eq!(taken(&last)[0].3, "9.1");
    }

    #[test]
    fn what_belongs_to_another_shard_is_left_to_it() {
        let keys: Vec<String> = (0..40).map(|n| format!("key{n}")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let records = [record(1, &packed(&keys), 5)];
        let half = u128::MAX / 2;
        let of = |range| {
            let mut unpacker = unpacker();
            unpacker.range = range;
            let own = taken(&unpacker.take(&records)).remove(0).0;
            assert_eq!(own.len() as u64 + unpacker.foreign, 40);
            own
        };
        let low = of(HashRange { first: 0, last: half });
        let high = of(HashRange { first: half + 1, last: u128::MAX });
        assert!(!low.is_empty() && !high.is_empty() && low.len() + high.len() == 40);
    }

    #[test]
    fn settled_records_are_remembered() {
        let mut unpacker = unpacker();
        unpacker.settled = Some(Position::new("2", 0));
        let old = [record(1, &with_id(7), 5), record(2, &with_id(8), 5)];
        assert!(unpacker.remember(&old));
        assert!(!unpacker.remember(&[record(3, &with_id(9), 5)]));
        let again = [record(3, &with_id(7), 6), record(4, &with_id(9), 6)];
        assert_eq!(taken(&unpacker.take(&again))[0].0, ["{\"n\":9}"]);
    }

    #[test]
    fn many_rows_are_cut() {
        let mut unpacker = unpacker();
        let records: Vec<Record> = (1..=9000).map(|seq| record(seq, b"x", 5)).collect();
        let chunks = taken(&unpacker.take(&records));
        let ends: Vec<_> = chunks.iter().map(|chunk| (chunk.2, chunk.3.as_str())).collect();
        assert_eq!(ends, [(8292, "8192.0"), (9100, "9000.0")]);
    }
}
