//! A failure as the quarantine holds it: a line of JSON.

use crate::json::decode::{Decoder, Options};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampNanosecondType};
use arrow_array::{Array, BinaryArray, RecordBatch};
use dsl::ty::Ty;
use std::collections::BTreeMap;

/// Reads the failures of objects.
pub struct Reader(Decoder);

/// The failures of one object.
pub struct Failures {
    /// The columns of a `Failure`, a row for each line that is one.
    pub columns: RecordBatch,
    /// Lines that are none, or of an older version of flowc.
    pub unreadable: u64,
}

/// One failure.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The same in each run.
    pub id: [u8; 16],
    /// When it failed, nanoseconds since 1970 UTC.
    pub at_ns: i64,
    /// The flow.
    pub flow: String,
    /// The node.
    pub node: String,
    /// Why.
    pub code: String,
    /// Why, in a sentence.
    pub message: String,
    /// How often it was tried.
    pub attempts: u64,
    /// The record as it arrived at the node.
    pub payload: Vec<u8>,
    /// What the node and the engine said beside.
    pub meta: BTreeMap<String, String>,
    /// The partition of its row.
    pub partition: [u8; 16],
    /// The number of its row.
    pub seq: u64,
}

impl Default for Reader {
    fn default() -> Reader {
        let failure = Ty::failure();
        let record = failure.record().expect("a failure is a record");
        Reader(Decoder::new(record, Options::default()))
    }
}

impl Reader {
    /// The failures in the content of an object.
    pub fn read(&mut self, content: &[u8]) -> Failures {
        let lines = content.split(|byte| *byte == b'\n');
        let lines = lines.filter(|line| !line.trim_ascii().is_empty());
        let decoded = self.0.decode(&BinaryArray::from_iter_values(lines));
        Failures { columns: decoded.columns, unreadable: decoded.faults.len() as u64 }
    }
}

/// A text of a row.
pub fn text<'a>(columns: &'a RecordBatch, name: &str, row: usize) -> &'a str {
    columns.column_by_name(name).expect("a field of a failure").as_string::<i32>().value(row)
}

/// The id of a row's failure; `None` where it is no id.
pub fn id(columns: &RecordBatch, row: usize) -> Option<[u8; 16]> {
    bytes(text(columns, "id", row))
}

/// The original bytes of a row.
pub fn payload(columns: &RecordBatch, row: usize) -> &[u8] {
    columns.column_by_name("payload").expect("a field of a failure").as_binary::<i32>().value(row)
}

/// The failure of a row; `None` where it lacks what tells its row from others.
pub fn failure(columns: &RecordBatch, row: usize) -> Option<Failure> {
    let owned = |name: &str| text(columns, name, row).to_owned();
    let column = |name: &str| columns.column_by_name(name).expect("a field of a failure");
    let meta = column("meta").as_map().value(row);
    let (keys, values) = (meta.column(0).as_string::<i32>(), meta.column(1).as_string::<i32>());
    let meta: BTreeMap<String, String> = (0..meta.len())
        .map(|at| (keys.value(at).to_owned(), values.value(at).to_owned()))
        .collect();
    let attempts = column("attempts").as_primitive::<Int64Type>().value(row);
    Some(Failure {
        id: id(columns, row)?,
        at_ns: column("at").as_primitive::<TimestampNanosecondType>().value(row),
        flow: owned("flow"),
        node: owned("node"),
        code: owned("code"),
        message: owned("message"),
        attempts: u64::try_from(attempts).unwrap_or_default(),
        payload: payload(columns, row).to_vec(),
        partition: bytes(meta.get("partition_id")?)?,
        seq: meta.get("seq")?.parse().ok()?,
        meta,
    })
}

/// 32 hex digits as bytes.
fn bytes(hex: &str) -> Option<[u8; 16]> {
    let whole = hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    whole.then(|| u128::from_str_radix(hex, 16).ok()).flatten().map(u128::to_be_bytes)
}

/// An id as it is written.
pub fn hex(id: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*id))
}
