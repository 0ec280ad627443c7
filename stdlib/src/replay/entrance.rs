//! How a failed record comes to the node that it failed at: as the bytes or columns that it was.

use super::failure::Failure;
use crate::json::decode::{Decoder, Options};
use arrow_array::{ArrayRef, BinaryArray, RecordBatch};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dsl::plan::PlanNode;
use dsl::ty::{Field, RecordTy, Ty};
use engine::batch::{Group, PAYLOAD};
use engine::schema::arrow_schema;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a node takes.
pub struct Entrance {
    takes: Takes,
    input: Ty,
    batched: bool,
}

enum Takes {
    /// Records of a CSV file, each with its header.
    Csv,
    /// Encoded data.
    Bytes,
    /// Columns, of which the payload is JSON.
    Record(Box<Decoder>),
}

impl Entrance {
    /// That of a node; `None` for a source.
    pub fn of(node: &PlanNode) -> Option<Entrance> {
        let input = node.input.clone()?;
        let (batched, item) = match &input {
            Ty::Batch(item) => (true, (**item).clone()),
            other => (false, other.clone()),
        };
        let takes = match &item {
            _ if node.op == "csv.decode" => Takes::Csv,
            Ty::Record(record) => Takes::Record(Box::new(Decoder::new(record, Options::default()))),
            Ty::Object(_) => Takes::Record(Box::new(Decoder::new(&object(), Options::default()))),
            _ => Takes::Bytes,
        };
        Some(Entrance { takes, input: item, batched })
    }

    /// Whether the node takes a record that it once failed.
    ///
    /// # Errors
    /// Why not, in a sentence.
    pub fn check(&mut self, failure: &Failure) -> Result<(), String> {
        let was_record = failure.meta.get("form").is_some_and(|form| form == "record");
        match &mut self.takes {
            Takes::Csv if header(&failure.meta).is_none() => {
                Err("the header of its file is not known".into())
            }
            Takes::Bytes if was_record => {
                Err(format!("the node takes `{}` now, and it is a record", self.input))
            }
            Takes::Record(_) if !was_record => {
                Err(format!("the node takes `{}` now, and it is encoded data", self.input))
            }
            Takes::Record(decoder) => {
                let one = BinaryArray::from_iter_values([&failure.payload]);
                match decoder.decode(&one).faults.into_iter().next() {
                    Some(fault) => Err(format!("it is no `{}`: {}", self.input, fault.message)),
                    None => Ok(()),
                }
            }
            Takes::Csv | Takes::Bytes => Ok(()),
        }
    }

    /// The columns of some records; `None` = as they are, with their meta.
    ///
    /// # Errors
    /// One of them is not what the node takes, although it was when it was looked at.
    pub fn columns(&mut self, payloads: &BinaryArray) -> Result<Option<RecordBatch>, String> {
        match &mut self.takes {
            Takes::Csv => Ok(None),
            Takes::Bytes => {
                let column: ArrayRef = Arc::new(payloads.clone());
                let columns = RecordBatch::try_from_iter([(PAYLOAD, column)]);
                Ok(Some(columns.expect("one column of payload")))
            }
            Takes::Record(decoder) => {
                let decoded = decoder.decode(payloads);
                match decoded.faults.into_iter().next() {
                    Some(fault) => Err(fault.message),
                    None => Ok(Some(crate::rows::with_schema(
                        &decoded.columns,
                        &arrow_schema(&self.input),
                    ))),
                }
            }
        }
    }

    /// The batch that a record is of. One that was a whole batch has its old name; one that a batch
    /// has gone on without is a batch of its own, named after both.
    pub fn group(&self, meta: &BTreeMap<String, String>, bytes: usize) -> Option<Group> {
        let text = |name: &str| meta.get(name).map(String::as_str);
        let number = |name: &str| text(name).and_then(|text| text.parse::<u64>().ok());
        let time = |name: &str| text(name).and_then(|text| text.parse::<i64>().ok());
        let id = &text("id").unwrap_or_default();
        let own = &id[..id.len().min(8)];
        let at_ns = time("at").unwrap_or_default();
        let size = bytes as u64;
        match text("batch") {
            Some(batch) if text("last_seq").is_some() => Some(Group {
                id: batch.to_owned(),
                time_ns: time("batch_time").unwrap_or(at_ns),
                count: number("batch_count").unwrap_or(1),
                size: number("batch_size").unwrap_or(size),
            }),
            Some(batch) => Some(Group {
                id: format!("{batch}-{own}"),
                time_ns: time("batch_time").unwrap_or(at_ns),
                count: 1,
                size,
            }),
            None if self.batched => {
                let id = format!("{}-{own}", text("seq").unwrap_or_default());
                Some(Group { id, time_ns: at_ns, count: 1, size })
            }
            None => None,
        }
    }
}

/// The header of the file that a record of CSV is of, as it was.
pub fn header(meta: &BTreeMap<String, String>) -> Option<Vec<u8>> {
    match meta.get("header") {
        Some(text) => Some(text.clone().into_bytes()),
        None => STANDARD.decode(meta.get("header_base64")?).ok(),
    }
}

/// What a reader of a bucket sends.
fn object() -> RecordTy {
    let field = |name: &str, ty: Ty| Field { name: name.into(), ty, span: None };
    let fields = vec![field("key", Ty::Text), field("size", Ty::Int), field("etag", Ty::Text)];
    RecordTy { fields, ..RecordTy::default() }
}
