//! The records of one chunk, from where they stand to columns and failures.

use super::fields::{Bad, Fields, Options};
use super::header::Header;
use super::records::Records;
use crate::json::shape::Shape;
use arrow_array::{BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_buffer::Buffer;
use arrow_schema::{Schema, SchemaRef};
use arrow_select::filter::filter_record_batch;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use engine::batch::{RowIds, Rows};
use engine::fault::RowFault;
use engine::node::Output;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Records that leave together at most.
const ROWS_MAX: usize = 8192;

/// Lists of records that are kept to be used again, at most.
const SPARE_MAX: usize = 8;

/// What all files of a decoder share.
#[derive(Debug)]
pub struct Shared {
    /// The fields of the record type.
    pub shapes: Vec<Shape>,
    /// The schema of the records.
    pub schema: SchemaRef,
    /// How fields are read.
    pub options: Options,
    spare: Mutex<Vec<Records>>,
}

impl Shared {
    /// For records of these fields.
    pub fn new(shapes: Vec<Shape>, options: Options) -> Shared {
        let schema = Arc::new(Schema::new(Shape::arrow(&shapes)));
        Shared { shapes, schema, options, spare: Mutex::default() }
    }

    /// An empty list for records of `width` fields.
    pub fn records(&self, width: usize) -> Records {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut records = spare.unwrap_or_default();
        records.clear(width);
        records
    }

    /// Takes a list back, once a chunk.
    pub fn put_back(&self, records: Records) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_MAX {
            spare.push(records);
        }
    }
}

/// The records of a chunk.
#[derive(Debug)]
pub struct Part {
    /// What all files share.
    pub shared: Arc<Shared>,
    /// The header of the file.
    pub header: Arc<Header>,
    /// Its bytes: a record that fails is read again with them.
    pub header_bytes: Arc<[u8]>,
    /// Rows without columns: the partition and the group of what is sent.
    pub from: Rows,
    /// When they arrived.
    pub arrival_ns: i64,
    /// The bytes that were cut.
    pub bytes: Buffer,
    /// The records.
    pub records: Records,
    /// The number of the first record.
    pub first: u64,
    /// The line on which a record begins that was carried over.
    pub line_carried: u64,
    /// The line on which the bytes begin.
    pub line: u64,
}

/// A failure: the place of the record among the others of the batch, and what is wrong.
struct Failure {
    row: usize,
    raw: Range<u32>,
    code: &'static str,
    message: String,
    column: Option<String>,
}

impl Part {
    /// Sends the good records and fails the others.
    pub fn send(self, out: &mut Output) {
        let total = self.records.total();
        // Of equal size, so that no batch is a small rest.
        let batches = total.div_ceil(ROWS_MAX);
        for batch in 0..batches {
            let records = total * batch / batches..total * (batch + 1) / batches;
            self.send_batch(records, out);
        }
        self.shared.put_back(self.records);
    }

    fn send_batch(&self, records: Range<usize>, out: &mut Output) {
        let Shared { shapes, schema, options, .. } = &*self.shared;
        let broken = |number: usize| {
            self.records.broken.partition_point(|broken| (broken.number as usize) < number)
        };
        let broken = broken(records.start)..broken(records.end);
        let good = records.start - broken.start..records.end - broken.end;
        let (starts, ends) = self.records.of(good.clone());
        let (bytes, beside) = (self.bytes.as_slice(), self.records.beside());
        let header = &self.header;
        let mut fields =
            Fields { bytes, beside, starts, ends, header, options, bad: BTreeMap::new() };
        let columns = fields.columns(shapes);
        let bad = fields.bad;
        let count = RecordBatchOptions::new().with_row_count(Some(good.len()));
        let columns = RecordBatch::try_new_with_options(schema.clone(), columns, &count);
        let columns = columns.expect("the columns have the types of the fields");
        let (partition, first) = (self.from.ids.partition.clone(), records.start as u64);
        let all = RowIds::range(partition, self.first + first, records.len(), self.arrival_ns);
        if bad.is_empty() && broken.is_empty() {
            out.send_made(&self.from, columns, all, records.len() as u64);
        } else {
            self.send_some(records, good, broken, columns, bad, &all, out);
        }
    }

    /// Sends the good ones among some records, and fails the others.
    #[cold]
    #[allow(clippy::too_many_arguments)]
    fn send_some(
        &self,
        records: Range<usize>,
        good: Range<usize>,
        broken: Range<usize>,
        mut columns: RecordBatch,
        bad: BTreeMap<usize, Bad>,
        all: &RowIds,
        out: &mut Output,
    ) {
        if !bad.is_empty() {
            let good: BooleanArray =
                (0..good.len()).map(|row| Some(!bad.contains_key(&row))).collect();
            columns = filter_record_batch(&columns, &good).expect("one flag a row");
        }
        let broken = &self.records.broken[broken];
        let mut kept = vec![true; records.len()];
        broken.iter().for_each(|broken| kept[broken.number as usize - records.start] = false);
        let rows = kept.iter().enumerate().filter(|(_, kept)| **kept).map(|(row, _)| row);
        let rows: Vec<usize> = rows.collect();
        let mut failed = Vec::with_capacity(bad.len() + broken.len());
        for (row, Bad { code, message, column }) in bad {
            kept[rows[row]] = false;
            let (row, raw) = (rows[row], self.records.raw(good.start + row));
            failed.push(Failure { row, raw, code, message, column: Some(column) });
        }
        for broken in broken {
            let (code, message) = self.broken(broken.fields);
            let (row, raw) = (broken.number as usize - records.start, broken.raw.clone());
            failed.push(Failure { row, raw, code, message, column: None });
        }
        failed.sort_by_key(|failure| failure.row);
        out.send_made(
            &self.from,
            columns,
            all.filter(&BooleanArray::from(kept)),
            records.len() as u64,
        );
        out.fail_made(all, self.faults(failed));
    }

    fn broken(&self, fields: Option<u32>) -> (&'static str, String) {
        match fields {
            None => ("csv_quote", "a quote is not closed before the file ends".into()),
            Some(fields) => {
                let (word, width) =
                    (if fields == 1 { "field" } else { "fields" }, self.header.width);
                ("csv_fields", format!("the row has {fields} {word}, the header has {width}"))
            }
        }
    }

    /// Failures, which are in the order of the file, with their lines.
    fn faults(&self, failed: Vec<Failure>) -> Vec<RowFault> {
        let bytes = self.bytes.as_slice();
        let name = &self.from.ids.partition.name;
        let header = header_meta(&self.header_bytes);
        let (mut line, mut counted) = (self.line, 0);
        let faults = failed.into_iter().map(|Failure { row, raw, code, message, column }| {
            let start = raw.start as usize;
            let line = if start >= bytes.len() {
                self.line_carried
            } else {
                line += super::lines(&bytes[counted..start]);
                counted = start;
                line
            };
            let mut meta = vec![("line", line.to_string()), ("file", name.clone())];
            meta.push(header.clone());
            meta.extend(column.map(|column| ("column", column)));
            let message = format!("line {line}: {message}");
            let payload = self.records.at(bytes, raw).to_vec();
            RowFault { row, code, message, payload, meta }
        });
        faults.collect()
    }
}

/// The header in the meta of a failure: as text, or in base64 where it is not UTF-8.
pub fn header_meta(bytes: &[u8]) -> (&'static str, String) {
    match std::str::from_utf8(bytes) {
        Ok(text) => ("header", text.to_owned()),
        Err(_) => ("header_base64", STANDARD.encode(bytes)),
    }
}
