//! One file on its way: what is left of the last chunk, where it stands, its header.

use super::header::{Header, names};
use super::part::{Part, Shared};
use super::records::{Records, single};
use super::{RECORD_MAX, lines};
use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use engine::batch::{Resume, RowIds, Rows};
use engine::fault::Fault;
use engine::node::Output;
use std::sync::Arc;

const BOM: &[u8] = b"\xEF\xBB\xBF";

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
    header: Option<Arc<Header>>,
    /// The header's bytes, for a resume.
    header_bytes: Arc<[u8]>,
}

impl File {
    /// A file whose first rows these are; goes on where it was resumed.
    pub fn open(shared: &Shared, rows: &Rows) -> Result<File, Fault> {
        let mut from = rows.slice(0..0);
        from.columns = RecordBatch::new_empty(shared.schema.clone());
        let mut file = File {
            from,
            arrival_ns: rows.ids.arrival_ns().unwrap_or(0),
            carry: Vec::new(),
            offset: 0,
            line: 1,
            record: 0,
            header: None,
            header_bytes: Arc::from([]),
        };
        if let Some(resume) = &rows.resumed {
            (file.offset, file.line, file.record) = (resume.offset, resume.line, resume.record);
            if !resume.state.is_empty() {
                file.read_header(shared, &resume.state, 0, true)?;
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

    /// Cuts a chunk, or what is left when `last`, into records; `None` = it completes none.
    pub fn read(
        &mut self,
        shared: &Arc<Shared>,
        chunk: Buffer,
        last: bool,
    ) -> Result<Option<Part>, Fault> {
        let (header, chunk, at) = match self.header.clone() {
            Some(header) => (header, chunk, 0),
            None => {
                let chunk = self.join(chunk);
                let Some((header, at)) = self.find_header(shared, &chunk, last)? else {
                    self.keep(&chunk, shared.options.delimiter)?;
                    return Ok(None);
                };
                (header, chunk, at)
            }
        };
        let records = shared.records(header.width);
        let mut part = Part {
            shared: shared.clone(),
            header,
            header_bytes: self.header_bytes.clone(),
            from: self.from.clone(),
            arrival_ns: self.arrival_ns,
            bytes: chunk,
            records,
            first: self.record,
            line_carried: self.line,
            line: self.line,
        };
        self.cut(&mut part, at, last)?;
        if part.records.total() == 0 {
            shared.put_back(part.records);
            return Ok(None);
        }
        self.record += part.records.total() as u64;
        Ok(Some(part))
    }

    /// Cuts the bytes of a part from `at` on, and keeps what is not complete.
    fn cut(&mut self, part: &mut Part, mut at: usize, last: bool) -> Result<(), Fault> {
        let (bytes, delimiter) = (part.bytes.as_slice(), part.shared.options.delimiter);
        let carried = self.carry.len();
        if carried > 0 {
            let Some(next) = self.cut_carried(&mut part.records, bytes, last, delimiter) else {
                return self.keep(bytes, delimiter);
            };
            at = next;
            part.line += lines(&self.carry);
            self.carry.clear();
        }
        let done = part.records.cut(bytes, at, last, delimiter);
        self.line = part.line + lines(&bytes[..done]);
        self.offset += (carried + done) as u64;
        self.keep(&bytes[done..], delimiter)
    }

    /// Cuts the record that was carried over; gives where it ends in the bytes.
    fn cut_carried(
        &self,
        records: &mut Records,
        bytes: &[u8],
        last: bool,
        delimiter: u8,
    ) -> Option<usize> {
        let mut joined = self.carry.clone();
        let mut step = 512;
        loop {
            let taken = joined.len() - self.carry.len();
            let more = step.min(bytes.len() - taken);
            joined.extend_from_slice(&bytes[taken..taken + more]);
            let last = last && taken + more == bytes.len();
            match records.cut_carried(&joined, bytes.len(), last, delimiter) {
                Some(next) => return Some(next - self.carry.len()),
                None if taken + more == bytes.len() => return None,
                None => step *= 8,
            }
        }
    }

    /// Adds bytes to what is carried over.
    fn keep(&mut self, bytes: &[u8], delimiter: u8) -> Result<(), Fault> {
        self.carry.extend_from_slice(bytes);
        if self.carry.len() > RECORD_MAX {
            return Err(self.too_long(delimiter));
        }
        Ok(())
    }

    /// What was carried over and a chunk.
    fn join(&mut self, chunk: Buffer) -> Buffer {
        if self.carry.is_empty() {
            return chunk;
        }
        let mut joined = std::mem::take(&mut self.carry);
        joined.extend_from_slice(&chunk);
        joined.into()
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
            state: self.header_bytes.to_vec(),
        }
    }

    /// Sends nothing: a decoder says so in each call.
    pub fn send_nothing(&self, out: &mut Output) {
        let ids = RowIds::empty(self.from.ids.partition.clone());
        out.send_made(&self.from, self.from.columns.clone(), ids, 0);
    }

    /// Finds the header at the start of the file, and gives the place behind it.
    fn find_header(
        &mut self,
        shared: &Shared,
        bytes: &[u8],
        last: bool,
    ) -> Result<Option<(Arc<Header>, usize)>, Fault> {
        let mut at = 0;
        if self.offset == 0 && bytes.starts_with(BOM) {
            at = BOM.len();
        } else if self.offset == 0 && !last && BOM.starts_with(bytes) {
            return Ok(None);
        }
        self.read_header(shared, bytes, at, last)
    }

    /// Reads the header, which begins at `bytes[at..]`; `None` where it is not complete.
    fn read_header(
        &mut self,
        shared: &Shared,
        bytes: &[u8],
        at: usize,
        last: bool,
    ) -> Result<Option<(Arc<Header>, usize)>, Fault> {
        let blank = bytes[at..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let at = at + blank;
        let options = &shared.options;
        let found =
            if at == bytes.len() { None } else { single(bytes, at, last, options.delimiter) };
        let Some((fields, open, breaks)) = found else { return Ok(None) };
        if open {
            let message = format!("the header of `{}` has a quote that is not closed", self.name());
            return Err(Fault::service("csv_header", message));
        }
        let names = names(self.name(), fields.iter().map(Vec::as_slice), options.encoding)?;
        let wanted: Vec<&str> = shared.shapes.iter().map(|shape| shape.name.as_str()).collect();
        let header = Arc::new(Header::find(self.name(), &names, &wanted)?);
        self.header = Some(header.clone());
        self.header_bytes = bytes[at..breaks.start].into();
        Ok(Some((header, breaks.end)))
    }

    /// How many columns of the file no field takes.
    pub fn ignored_columns(&self) -> usize {
        self.header.as_ref().map_or(0, |header| header.ignored())
    }

    fn too_long(&self, delimiter: u8) -> Fault {
        let (name, line) = (self.name(), self.line);
        if single(&self.carry, 0, true, delimiter).is_some_and(|(_, open, _)| open) {
            let message = format!("`{name}`: the quote on line {line} is not closed within 8 MiB");
            return Fault::service("csv_quote", message).help("close it, or take it out");
        }
        let message = format!("`{name}`: the row on line {line} is longer than 8 MiB");
        Fault::service("csv_row_size", message).help("is it a text file with line breaks?")
    }
}
