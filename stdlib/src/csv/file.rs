//! One file on its way: what is left of the last chunk, where it stands, its header.

use super::RECORD_MAX;
use super::header::{Header, names};
use super::records::{Cut, Cutter, Records, quotes};
use super::values::{Bad, Fields, Options};
use crate::json::shape::Shape;
use arrow_array::{BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};
use arrow_select::filter::filter_record_batch;
use engine::batch::{Resume, RowIds, Rows};
use engine::fault::{Fault, RowFault};
use engine::node::Output;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Records that leave together at most.
const ROWS_MAX: usize = 8192;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// What all files of a decoder share.
pub struct Shared {
    /// The fields of the record type.
    pub shapes: Vec<Shape>,
    /// The schema of the records.
    pub schema: SchemaRef,
    /// How fields are read.
    pub options: Options,
    cutter: Cutter,
    records: Records,
}

impl Shared {
    /// For records of these fields.
    pub fn new(shapes: Vec<Shape>, options: Options) -> Shared {
        let schema = Arc::new(Schema::new(Shape::arrow(&shapes)));
        let cutter = Cutter::new(options.delimiter);
        Shared { shapes, schema, options, cutter, records: Records::default() }
    }
}

/// A file, read so far.
pub struct File {
    /// Rows without columns: the partition and the group of what it sends.
    from: Rows,
    arrival_ns: i64,
    /// The start of a record that is not complete.
    carry: Vec<u8>,
    /// Where `carry` begins in the file.
    offset: u64,
    /// The line on which `carry` begins, from 1.
    line: u64,
    /// The number of the next record, from 0.
    record: u64,
    header: Option<Header>,
    /// The header's bytes, for a resume.
    header_bytes: Vec<u8>,
}

/// Records of one round: those that could be cut are in [`Shared::records`].
#[derive(Default)]
struct Round {
    /// All records of the round, good and bad.
    total: usize,
    /// For each record that was cut, its number in the round.
    index: Vec<usize>,
    /// Records with a wrong number of fields or an open quote.
    broken: Vec<(usize, Range<usize>, &'static str, String)>,
}

impl File {
    /// A file whose first rows these are; goes on where it was resumed.
    pub fn open(shared: &mut Shared, rows: &Rows) -> Result<File, Fault> {
        let mut file = File {
            from: rows.slice(0..0),
            arrival_ns: rows.ids.arrival_ns().unwrap_or(0),
            carry: Vec::new(),
            offset: 0,
            line: 1,
            record: 0,
            header: None,
            header_bytes: Vec::new(),
        };
        if let Some(resume) = &rows.resumed {
            (file.offset, file.line, file.record) = (resume.offset, resume.line, resume.record);
            if !resume.state.is_empty() {
                file.header_bytes = resume.state.clone();
                let bytes = file.header_bytes.clone();
                file.read_header(shared, &bytes, &mut 0, true)?;
            }
        }
        Ok(file)
    }

    /// The partition of its rows.
    pub fn partition(&self) -> &[u8; 16] {
        &self.from.ids.partition.id
    }

    /// True when a record is begun but not complete.
    pub fn is_open(&self) -> bool {
        !self.carry.is_empty()
    }

    fn name(&self) -> &str {
        &self.from.ids.partition.name
    }

    /// Reads a chunk, or what is left when `last`, and sends its records.
    pub fn read(
        &mut self,
        shared: &mut Shared,
        chunk: &[u8],
        last: bool,
        out: &mut Output,
    ) -> Result<(), Fault> {
        let carried = std::mem::take(&mut self.carry);
        let joined;
        let bytes = if carried.is_empty() {
            chunk
        } else {
            joined = [&carried[..], chunk].concat();
            &joined
        };
        let at = self.read_bytes(shared, bytes, last, out)?;
        self.line += memchr::memchr_iter(b'\n', &bytes[..at]).count() as u64;
        self.offset += at as u64;
        self.carry = bytes[at..].to_vec();
        if self.carry.len() > RECORD_MAX {
            return Err(self.too_long(shared.options.delimiter));
        }
        Ok(())
    }

    /// What a file that has ended here lacks, if anything.
    pub fn end(&self) -> Result<(), Fault> {
        if self.header.is_some() {
            return Ok(());
        }
        let message = format!("`{}` is empty: it has no header", self.name());
        let help = "the first line must name the columns";
        Err(Fault::service("csv_empty", message).help(help))
    }

    /// Where the source may begin again.
    pub fn resume(&self) -> Resume {
        Resume {
            offset: self.offset,
            record: self.record,
            line: self.line,
            state: self.header_bytes.clone(),
        }
    }

    /// Sends nothing: a decoder says so in each call.
    pub fn send_nothing(&self, shared: &Shared, out: &mut Output) {
        let ids = RowIds::empty(self.from.ids.partition.clone());
        out.send_made(&self.from, RecordBatch::new_empty(shared.schema.clone()), ids, 0);
    }

    /// Gives how many of the bytes are done.
    fn read_bytes(
        &mut self,
        shared: &mut Shared,
        bytes: &[u8],
        last: bool,
        out: &mut Output,
    ) -> Result<usize, Fault> {
        let mut at = 0;
        if self.header.is_none() {
            if self.offset == 0 && bytes.starts_with(BOM) {
                at = BOM.len();
            } else if self.offset == 0 && !last && BOM.starts_with(bytes) {
                return Ok(0);
            }
            if !self.read_header(shared, bytes, &mut at, last)? {
                return Ok(if last { bytes.len() } else { 0 });
            }
        }
        loop {
            let (round, more) = self.cut(shared, bytes, &mut at, last);
            if round.total > 0 {
                self.send(shared, bytes, round, out);
            }
            if !more {
                return Ok(at);
            }
        }
    }

    /// Reads the header, which begins at `bytes[*at..]`; false where it is not complete.
    fn read_header(
        &mut self,
        shared: &mut Shared,
        bytes: &[u8],
        at: &mut usize,
        last: bool,
    ) -> Result<bool, Fault> {
        let Shared { cutter, records, shapes, options, .. } = shared;
        records.clear(bytes.len());
        let Cut::Record(width) = cutter.next(bytes, at, last, None, records) else {
            return Ok(false);
        };
        let raw = &bytes[records.raw(0)];
        if quotes(raw, options.delimiter).open {
            let message = format!("the header of `{}` has a quote that is not closed", self.name());
            return Err(Fault::service("csv_header", message));
        }
        let fields = (0..width).map(|field| records.field(0, field, width));
        let names = names(self.name(), fields, options.encoding)?;
        let wanted: Vec<&str> = shapes.iter().map(|shape| shape.name.as_str()).collect();
        self.header = Some(Header::find(self.name(), &names, &wanted)?);
        self.header_bytes = raw.to_vec();
        Ok(true)
    }

    /// How many columns of the file no field takes.
    pub fn ignored_columns(&self) -> usize {
        self.header.as_ref().map_or(0, Header::ignored)
    }

    /// Cuts records until a round is full; false when the bytes are at their end.
    fn cut(&self, shared: &mut Shared, bytes: &[u8], at: &mut usize, last: bool) -> (Round, bool) {
        let width = self.header.as_ref().map_or(0, |header| header.width);
        let Shared { cutter, records, options, .. } = shared;
        records.clear(0);
        let mut round = Round::default();
        while round.total < ROWS_MAX {
            let open = |raw: &Range<usize>, at: usize| {
                last && at == bytes.len() && quotes(&bytes[raw.clone()], options.delimiter).open
            };
            let broken = match cutter.next(bytes, at, last, Some(width), records) {
                Cut::Incomplete | Cut::End => return (round, false),
                Cut::Record(_) if open(&records.raw(records.len() - 1), *at) => {
                    Some((records.pop(width), None))
                }
                Cut::Record(_) => None,
                Cut::Ragged(_, raw) if open(&raw, *at) => Some((raw, None)),
                Cut::Ragged(fields, raw) => Some((raw, Some(fields))),
            };
            match broken {
                None => round.index.push(round.total),
                Some((raw, None)) => {
                    let raw = raw.start..bytes.len();
                    let message = "a quote is not closed before the file ends".to_string();
                    round.broken.push((round.total, raw, "csv_quote", message));
                }
                Some((raw, Some(fields))) => {
                    let word = if fields == 1 { "field" } else { "fields" };
                    let message = format!("the row has {fields} {word}, the header has {width}");
                    round.broken.push((round.total, raw, "csv_fields", message));
                }
            }
            round.total += 1;
        }
        (round, true)
    }

    /// Sends the good records of a round and fails the others.
    fn send(&mut self, shared: &mut Shared, bytes: &[u8], round: Round, out: &mut Output) {
        let Shared { records, options, shapes, schema, .. } = shared;
        let header = self.header.as_ref().expect("the header is read first");
        let mut fields = Fields { records, bytes, header, options, bad: BTreeMap::new() };
        let columns = fields.columns(shapes);
        let bad = fields.bad;
        let count = RecordBatchOptions::new().with_row_count(Some(records.len()));
        let columns = RecordBatch::try_new_with_options(schema.clone(), columns, &count);
        let mut columns = columns.expect("the columns have the types of the fields");

        let partition = self.from.ids.partition.clone();
        let all = RowIds::range(partition, self.record, round.total, self.arrival_ns);
        self.record += round.total as u64;
        if bad.is_empty() && round.broken.is_empty() {
            out.send_made(&self.from, columns, all, round.total as u64);
            return;
        }
        if !bad.is_empty() {
            let good: BooleanArray =
                (0..records.len()).map(|row| Some(!bad.contains_key(&row))).collect();
            columns = filter_record_batch(&columns, &good).expect("one flag a row");
        }
        let mut kept = vec![false; round.total];
        round.index.iter().for_each(|&record| kept[record] = true);
        bad.keys().for_each(|&row| kept[round.index[row]] = false);
        let kept = BooleanArray::from(kept);
        out.send_made(&self.from, columns, all.filter(&kept), round.total as u64);
        let raws = |row: usize| records.raw(row);
        out.fail_made(&all, self.faults(bytes, round, bad, raws));
    }

    /// The failures of a round, in the order of the file.
    fn faults(
        &self,
        bytes: &[u8],
        round: Round,
        bad: BTreeMap<usize, Bad>,
        raws: impl Fn(usize) -> Range<usize>,
    ) -> Vec<RowFault> {
        let bad = bad.into_iter().map(|(row, bad)| {
            let column = Some(bad.column);
            (round.index[row], raws(row), bad.code, bad.message, column)
        });
        let broken = round.broken.iter().cloned();
        let broken = broken.map(|(row, raw, code, message)| (row, raw, code, message, None));
        let mut found: Vec<_> = bad.chain(broken).collect();
        found.sort_by_key(|(row, ..)| *row);
        let (mut line, mut counted) = (self.line, 0);
        let faults = found.into_iter().map(|(row, raw, code, message, column)| {
            line += memchr::memchr_iter(b'\n', &bytes[counted..raw.start]).count() as u64;
            counted = raw.start;
            let mut meta = vec![("line", line.to_string()), ("file", self.name().to_string())];
            meta.extend(column.map(|column| ("column", column)));
            let message = format!("line {line}: {message}");
            RowFault { row, code, message, payload: bytes[raw].to_vec(), meta }
        });
        faults.collect()
    }

    fn too_long(&self, delimiter: u8) -> Fault {
        let (name, line) = (self.name(), self.line);
        if quotes(&self.carry, delimiter).open {
            let message = format!("`{name}`: the quote on line {line} is not closed within 8 MiB");
            return Fault::service("csv_quote", message).help("close it, or take it out");
        }
        let message = format!("`{name}`: the row on line {line} is longer than 8 MiB");
        Fault::service("csv_row_size", message).help("is it a text file with line breaks?")
    }
}
