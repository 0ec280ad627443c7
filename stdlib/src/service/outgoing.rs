//! Rows of a batch as records of a stream or delivery: encoded, with keys, with ids.

use crate::json;
use crate::service::{Appended, Records, Refused};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BinaryArray, StringArray};
use arrow_schema::DataType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use engine::batch::{PAYLOAD, Rows, Run};
use engine::ctx::NodeCtx;
use engine::fault::RowFault;
use engine::node::Written;
use engine::summary::Counters;
use std::sync::atomic::{AtomicU64, Ordering};

/// How a sink makes records of its rows.
pub struct Outgoing {
    encodes: bool,
    keys: Vec<String>,
    sender: String,
    /// Set where ids do not tell the rows apart: then each write is a producer of its own.
    writes: Option<(u64, AtomicU64)>,
    counters: Counters,
}

impl Outgoing {
    /// For the sink of this node; `keys` are the fields that make the partition key. Where not
    /// each row comes `once`, nothing is recognised when it is sent again.
    pub fn new(ctx: &NodeCtx, keys: &[String], once: bool) -> Outgoing {
        Outgoing {
            encodes: ctx.node.encodes.is_some(),
            keys: keys.to_vec(),
            sender: ctx.node.id.clone(),
            writes: (!once).then(|| (ctx.run.clock.now_ns().unsigned_abs(), AtomicU64::new(0))),
            counters: ctx.counters.clone(),
        }
    }

    /// The records of some rows. The producer is the rows' partition together with this node (and
    /// `part`, where a node sends several records of one source row), so that two nodes may write
    /// the same source rows to one stream.
    pub fn records(&self, rows: &Rows, part: &str) -> Records {
        let payloads = match self.encodes {
            true => json::encode::encode(&rows.columns),
            false => payload(rows).clone(),
        };
        let keys = (!self.keys.is_empty()).then(|| self.partition_keys(rows));
        let mut hasher = blake3::Hasher::new();
        hasher.update(&rows.ids.partition.id).update(self.sender.as_bytes());
        hasher.update(&[0]).update(part.as_bytes());
        if let Some((opened, count)) = &self.writes {
            hasher.update(&opened.to_le_bytes());
            hasher.update(&count.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        }
        let hash = hasher.finalize();
        let producer = hash.as_bytes()[..16].try_into().expect("sixteen of thirty-two bytes");
        let runs = match self.writes {
            Some(_) => vec![Run { first: 0, len: rows.len() as u32, arrival_ns: 0 }],
            None => runs(rows),
        };
        Records { payloads, keys, producer, runs }
    }

    fn partition_keys(&self, rows: &Rows) -> StringArray {
        let columns: Vec<&ArrayRef> = self
            .keys
            .iter()
            .map(|name| rows.columns.column_by_name(name).expect("the checker found the key"))
            .collect();
        if let [column] = columns[..]
            && let Some(texts) = column.as_string_opt::<i32>()
        {
            return texts.clone();
        }
        let key = |row| columns.iter().map(|column| text(column, row)).collect::<Vec<_>>();
        (0..rows.len()).map(|row| Some(key(row).join("|"))).collect()
    }

    /// Counts what became of an append and names the rows that were refused.
    pub fn written(&self, rows: &Rows, records: &Records, appended: Appended) -> Written {
        if appended.already_stored > 0 {
            self.counters.add("already stored", appended.already_stored);
        }
        let counts = appended.counts.iter().filter(|(_, count)| *count > 0);
        counts.for_each(|(name, count)| self.counters.add(name, *count));
        assert!(records.payloads.len() == rows.len(), "one record for each row");
        let fault = |Refused { row, code, message }: Refused| RowFault {
            row,
            code,
            message,
            payload: records.payloads.value(row).to_vec(),
            meta: match &records.keys {
                Some(keys) if !keys.is_null(row) => vec![("key", keys.value(row).to_owned())],
                _ => Vec::new(),
            },
        };
        let Appended { refused, again, fault: why, .. } = appended;
        Written { refused: refused.into_iter().map(fault).collect(), again, fault: why }
    }
}

/// The payloads of rows of a wire type.
pub fn payload(rows: &Rows) -> &BinaryArray {
    let column = rows.columns.column_by_name(PAYLOAD);
    column.expect("the rows of a wire type are payloads").as_binary()
}

/// One number for each row. A row that was joined of many has the number of its first.
fn runs(rows: &Rows) -> Vec<Run> {
    if rows.is_joined() {
        return rows.ids.runs.first().map(|run| Run { len: 1, ..*run }).into_iter().collect();
    }
    rows.ids.runs.clone()
}

/// A key's value as text.
fn text(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        return String::new();
    }
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Binary => STANDARD.encode(column.as_binary::<i32>().value(row)),
        other => unreachable!("the checker takes no key of type {other}"),
    }
}

/// The rows as JSON objects, for the payload of a failure.
pub fn row_json(rows: &Rows, row: usize) -> Vec<u8> {
    let mut text = Vec::new();
    json::encode::RowWriter::new(&rows.columns).write(row, &mut text);
    text
}
