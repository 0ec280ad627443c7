//! What a stream holds, and what waits in a delivery.

use super::{Shown, paged, readable};
use crate::service::local::sqlite;
use crate::service::local::streams::ReadLimits;
use crate::service::local::streams::{look, partitions};
use crate::service::position::position_key;
use dsl::value::Value;
use engine::fault::Fault;
use rusqlite::OptionalExtension;
use std::path::Path;

const PAGE: ReadLimits = ReadLimits { rows_max: 256, bytes_max: 1 << 20 };

/// The records of a stream; with `reader`, from the position of that node on.
pub fn show(dir: &Path, stream: &str, reader: Option<&str>) -> Result<Shown, Fault> {
    let logs = look(dir, stream)?;
    let mut starts = vec![0; logs.len()];
    if let Some(reader) = reader {
        for (start, partition) in starts.iter_mut().zip(partitions(dir, stream)?) {
            *start = position(dir, &position_key(reader, &partition))?;
        }
    }
    let several = logs.len() > 1;
    let mut columns: Vec<String> = if several { vec!["shard".into()] } else { Vec::new() };
    columns.extend(["offset", "arrival", "key", "payload"].map(String::from));
    let first = starts.first().copied().unwrap_or(0);
    let rows = paged((0, first), move |&(shard, from)| {
        let (mut shard, mut from): (usize, u64) = (shard, from);
        loop {
            let Some(log) = logs.get(shard) else { return Ok(Vec::new()) };
            let read = log.read(from, PAGE, &|_| ())?;
            if read.runs.is_empty() {
                shard += 1;
                from = starts.get(shard).copied().unwrap_or(0);
                continue;
            }
            let ids = read.runs.iter().flat_map(|run| {
                (run.first..run.first + u64::from(run.len)).map(|offset| (offset, run.arrival_ns))
            });
            let records = read.keys.iter().zip(read.payloads.iter());
            let row = |((offset, arrival_ns), (key, payload)): ((u64, i64), _)| {
                let mut row = Vec::with_capacity(5);
                if several {
                    row.push(Value::Int(shard as i64));
                }
                let (key, payload): (Option<&str>, Option<&[u8]>) = (key, payload);
                row.push(Value::Int(offset as i64));
                row.push(Value::Timestamp(arrival_ns));
                row.push(Value::Text(key.unwrap_or_default().to_owned()));
                row.push(readable(payload.unwrap_or_default()));
                ((shard, offset + 1), row)
            };
            return Ok(ids.zip(records).map(row).collect());
        }
    });
    Ok(Shown { columns, rows })
}

/// A position in the checkpoints; 0 where there is none.
fn position(dir: &Path, key: &str) -> Result<u64, Fault> {
    let path = dir.join("checkpoints.sqlite");
    let Some(connection) = sqlite::look(&path)? else { return Ok(0) };
    let value: rusqlite::Result<Option<Vec<u8>>> = connection
        .query_row("select value from checkpoints where key = ?1", [key], |row| row.get(0))
        .optional();
    let value = value.map_err(|error| sqlite::fault(&error, "read", &path))?;
    let bytes: Option<[u8; 8]> = value.and_then(|value| value.try_into().ok());
    Ok(bytes.map_or(0, u64::from_le_bytes))
}
