//! One load: a file of lines into rows, in one transaction.

use super::super::disk;
use super::super::sqlite::Db;
use super::{Table, rows};
use crate::json::decode::{Decoder, Options};
use crate::service::{Copied, ObjectRef};
use arrow_array::{BinaryArray, RecordBatch};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use engine::failpoint::Failpoints;
use engine::fault::Fault;
use rusqlite::{OptionalExtension, Transaction, params};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes that are decoded at once, about.
const BLOCK_BYTES: usize = 1 << 20;

/// Why an object is refused: the line, from 1, and the reason.
type Refusal = (Option<u64>, String);

/// When a load happens.
pub struct At<'a> {
    /// Nanoseconds since 1970.
    pub now_ns: i64,
    /// Where it may end early.
    pub failpoints: &'a Failpoints,
}

/// Loads an object, or says why not.
pub fn load(
    db: &Db,
    table: &Table,
    object: &ObjectRef,
    path: &Path,
    at: At<'_>,
) -> Result<Copied, Fault> {
    let mut connection = db.lock();
    let fault = |error: rusqlite::Error| db.fault(&error, "load an object into");
    let transaction = connection.transaction().map_err(fault)?;
    if let Some(etag) = loaded(&transaction, table, object).map_err(fault)? {
        if etag == object.etag {
            return Ok(Copied::AlreadyLoaded);
        }
        let message = "an object of this key was loaded before, with other content".to_owned();
        return Ok(Copied::Refused { line: None, message });
    }
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message = "the object is not there any more".to_owned();
            return Ok(Copied::Refused { line: None, message });
        }
        opened => opened.map_err(|error| disk::fault(&error, "read an object", path))?,
    };
    let rows = match lines(&transaction, table, file, db, path)? {
        Ok(rows) => rows,
        Err((line, message)) => return Ok(Copied::Refused { line, message }),
    };
    let row = params![table.name, object.bucket, object.key, object.etag, rows as i64, at.now_ns];
    transaction
        .execute("insert into _loads values (?1, ?2, ?3, ?4, ?5, ?6)", row)
        .map_err(fault)?;
    at.failpoints.pass("warehouse.load")?;
    transaction.commit().map_err(fault)?;
    at.failpoints.pass("warehouse.loaded")?;
    Ok(Copied::Loaded { rows })
}

fn loaded(
    transaction: &Transaction<'_>,
    table: &Table,
    object: &ObjectRef,
) -> rusqlite::Result<Option<String>> {
    transaction
        .prepare_cached(
            "select etag from _loads where table_name = ?1 and bucket = ?2 and key = ?3",
        )?
        .query_row([&table.name, &object.bucket, &object.key], |row| row.get(0))
        .optional()
}

/// Inserts the rows of all lines; gives how many, or the first line that is none.
fn lines(
    transaction: &Transaction<'_>,
    table: &Table,
    mut file: File,
    db: &Db,
    path: &Path,
) -> Result<Result<u64, Refusal>, Fault> {
    let fault = |error: rusqlite::Error| db.fault(&error, "load an object into");
    let mut insert = transaction.prepare_cached(&table.insert).map_err(fault)?;
    let mut decoder = Decoder::new(&table.record, Options::default());
    let mut block = Vec::new();
    let line_bytes_max = dsl::quotas::aws().limit("redshift.json_row").max;
    let (mut line, mut count) = (1, 0);
    loop {
        let before = block.len();
        let read = Read::by_ref(&mut file)
            .take(BLOCK_BYTES as u64)
            .read_to_end(&mut block)
            .map_err(|error| disk::fault(&error, "read an object", path))?;
        let end = match memchr::memrchr(b'\n', &block[before..]) {
            _ if read == 0 => block.len(),
            Some(at) => before + at + 1,
            None if block.len() as u64 > line_bytes_max => {
                let message = format!("the line has over {line_bytes_max} bytes");
                return Ok(Err((Some(line), message)));
            }
            None => continue,
        };
        let rest = block.split_off(end);
        let lines = memchr::memchr_iter(b'\n', &block).count() as u64;
        let decoded = match decode(&mut decoder, block, line) {
            Ok(decoded) => decoded,
            Err((at, message)) => return Ok(Err((Some(at), message))),
        };
        rows::insert(&mut insert, &decoded).map_err(fault)?;
        count += decoded.num_rows() as u64;
        line += lines;
        block = rest;
        if read == 0 {
            return Ok(Ok(count));
        }
    }
}

/// The rows of some whole lines; `first` is the number of the first line.
fn decode(decoder: &mut Decoder, lines: Vec<u8>, first: u64) -> Result<RecordBatch, (u64, String)> {
    let (mut ends, mut numbers) = (vec![0i32], Vec::new());
    let mut at = 0;
    for (n, line) in lines.split_inclusive(|byte| *byte == b'\n').enumerate() {
        at += line.len();
        // Blank lines go with the next row: blanks around an object say nothing.
        if !line.trim_ascii().is_empty() {
            ends.push(at as i32);
            numbers.push(first + n as u64);
        }
    }
    if let Some(last) = ends[1..].last_mut() {
        *last = at as i32;
    }
    let bytes = if numbers.is_empty() { Vec::new() } else { lines };
    let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
    let decoded = decoder.decode(&BinaryArray::new(offsets, bytes.into(), None));
    match decoded.faults.into_iter().next() {
        None => Ok(decoded.columns),
        Some(fault) => {
            let field = fault.meta.iter().find(|(name, _)| *name == "field");
            let field = field.map_or(String::new(), |(_, field)| format!("`{field}`: "));
            Err((numbers[fault.row], format!("{field}{}", fault.message)))
        }
    }
}
