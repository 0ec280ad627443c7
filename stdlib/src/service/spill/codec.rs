//! Rows as one payload of the log, and back, with their ids and exact columns.
//!
//! ```text
//! id of the partition | length of its name | name | runs | runs × (first, count, arrival)
//! the columns, as an Arrow IPC stream
//! ```
//! Numbers are little-endian.

use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::SchemaRef;
use engine::batch::{Partition, RowIds, Rows, Run};
use engine::fault::Fault;
use std::io::Cursor;
use std::sync::Arc;

/// Bytes of a run.
const RUN: usize = 20;

/// Why a payload cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Bad {
    /// It is no payload of this form.
    Damaged,
    /// Its columns are others than what the flow says now.
    OtherType,
}

/// Rows as a payload.
///
/// # Errors
/// The columns cannot be encoded.
pub fn encode(rows: &Rows) -> Result<Vec<u8>, Fault> {
    let name = rows.ids.partition.name.as_bytes();
    let mut bytes = Vec::with_capacity(rows.columns.get_array_memory_size() / 2 + 1024);
    bytes.extend(rows.ids.partition.id);
    bytes.extend((name.len() as u32).to_le_bytes());
    bytes.extend_from_slice(name);
    bytes.extend((rows.ids.runs.len() as u32).to_le_bytes());
    for run in &rows.ids.runs {
        bytes.extend(run.first.to_le_bytes());
        bytes.extend(run.len.to_le_bytes());
        bytes.extend(run.arrival_ns.to_le_bytes());
    }
    let fault = |error| Fault::service("spill_encode", format!("rows cannot be encoded: {error}"));
    let schema = rows.columns.schema();
    let mut writer = StreamWriter::try_new(&mut bytes, &schema).map_err(fault)?;
    writer.write(&rows.columns).map_err(fault)?;
    writer.finish().map_err(fault)?;
    drop(writer);
    Ok(bytes)
}

/// The rows of a payload.
///
/// # Errors
/// It is damaged, or of another type than `schema`.
pub fn decode(bytes: &[u8], schema: &SchemaRef) -> Result<Rows, Bad> {
    let mut rest = bytes;
    let id = take(&mut rest)?;
    let name_len = u32::from_le_bytes(take(&mut rest)?) as usize;
    let name = rest.get(..name_len).ok_or(Bad::Damaged)?;
    rest = &rest[name_len..];
    let count = u32::from_le_bytes(take(&mut rest)?) as usize;
    if rest.len() / RUN < count {
        return Err(Bad::Damaged);
    }
    let mut runs = Vec::with_capacity(count);
    for _ in 0..count {
        let first = u64::from_le_bytes(take(&mut rest)?);
        let len = u32::from_le_bytes(take(&mut rest)?);
        let arrival_ns = i64::from_le_bytes(take(&mut rest)?);
        runs.push(Run { first, len, arrival_ns });
    }
    let name = String::from_utf8(name.to_vec()).map_err(|_| Bad::Damaged)?;
    let mut reader = StreamReader::try_new(Cursor::new(rest), None).map_err(|_| Bad::Damaged)?;
    if reader.schema().fields() != schema.fields() {
        return Err(Bad::OtherType);
    }
    let read = reader.next().and_then(Result::ok).ok_or(Bad::Damaged)?;
    let columns = read.with_schema(schema.clone()).map_err(|_| Bad::OtherType)?;
    let ids = RowIds { partition: Arc::new(Partition { id, name }), runs };
    if ids.len() != columns.num_rows() {
        return Err(Bad::Damaged);
    }
    Ok(Rows { columns, ids, group: None, resumed: None })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Bad> {
    let (head, rest) = bytes.split_first_chunk::<N>().ok_or(Bad::Damaged)?;
    *bytes = rest;
    Ok(*head)
}
