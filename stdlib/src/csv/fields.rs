//! The fields of some records, one column at a time.

use super::encoding::Encoding;
use super::header::Header;
use crate::json::shape::Shape;
use arrow_buffer::{BooleanBuffer, NullBuffer};
use engine::expr::time::TimeFormat;
use std::collections::BTreeMap;

/// How fields are read.
#[derive(Clone, Debug)]
pub struct Options {
    /// The encoding of the file.
    pub encoding: Encoding,
    /// How timestamps are written; `None` = RFC 3339.
    pub timestamp: Option<TimeFormat>,
    /// The text that means null, in the encoding of the file.
    pub null: Vec<u8>,
    /// The character between fields.
    pub delimiter: u8,
}

/// Why a record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// `csv_value` or `csv_encoding`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// The column.
    pub column: String,
}

/// Some records of a file on their way to columns.
#[derive(Debug)]
pub struct Fields<'a> {
    /// The bytes they stand in.
    pub bytes: &'a [u8],
    /// The text beside the bytes, for places behind their end.
    pub beside: &'a [u8],
    /// Where each record begins.
    pub starts: &'a [u32],
    /// Where the fields end, record by record.
    pub ends: &'a [u32],
    /// Which column is which field.
    pub header: &'a Header,
    /// How fields are read.
    pub options: &'a Options,
    /// The records that cannot be read: the first reason of each.
    pub bad: BTreeMap<usize, Bad>,
}

/// A field: `source[start..end]`, without quotes around it.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Where it stands, with what is behind it.
    pub source: &'a [u8],
    /// Its first byte.
    pub start: usize,
    /// Behind its last byte.
    pub end: usize,
    /// It stood in quotes.
    pub quoted: bool,
}

impl<'a> Field<'a> {
    /// Its bytes.
    #[inline(always)]
    pub fn text(&self) -> &'a [u8] {
        &self.source[self.start..self.end]
    }

    /// Its length in bytes.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// It has no bytes.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

impl<'a> Fields<'a> {
    /// How many records.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// No record.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The fields of a column, from the first record on.
    #[inline(always)]
    pub fn column(&self, column: usize) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let (bytes, beside) = (self.bytes, self.beside);
        let ends = self.ends.chunks_exact(self.header.width);
        self.starts.iter().zip(ends).map(move |(&start, ends)| {
            let start = if column == 0 { start } else { ends[column - 1] + 1 };
            let (mut start, mut end) = (start as usize, ends[column] as usize);
            let mut source = bytes;
            if start >= bytes.len() {
                source = beside;
                start -= bytes.len();
                end -= bytes.len();
            }
            let quoted = start < end && source[start] == b'"';
            if quoted {
                start += 1;
                end -= 1;
            }
            Field { source, start, end, quoted }
        })
    }

    /// About how many bytes the fields of a column have; never less.
    pub fn size(&self, column: usize) -> usize {
        let ends = self.ends.chunks_exact(self.header.width);
        let sizes = self.starts.iter().zip(ends).map(|(&start, ends)| {
            let start = if column == 0 { start } else { ends[column - 1] + 1 };
            (ends[column] - start) as usize
        });
        sizes.sum()
    }

    /// A field does not fit its type.
    #[cold]
    pub fn unfit(&mut self, shape: &Shape, row: usize, text: &[u8], what: &str) {
        let name = &shape.name;
        let message = if text.is_empty() {
            format!("`{name}` is empty, and `{}` takes no null", shape.ty)
        } else {
            let mut shown = Vec::new();
            if self.options.encoding.push(text, &mut shown).is_err() {
                shown = text.escape_ascii().collect();
            }
            let shown = String::from_utf8_lossy(&shown);
            let cut = shown.char_indices().nth(40).map(|(cut, _)| format!("{}…", &shown[..cut]));
            let shown = cut.unwrap_or_else(|| shown.to_string());
            format!("`{name}` is `{}`, and \"{shown}\" {what}", shape.ty)
        };
        self.add(row, "csv_value", message, name);
    }

    /// A text holds a byte that is none of the encoding.
    #[cold]
    pub fn undecodable(&mut self, shape: &Shape, row: usize, byte: u8) {
        let encoding = self.options.encoding.name();
        let message = format!("`{}` is not {encoding}: it holds the byte {byte:02X}", shape.name);
        self.add(row, "csv_encoding", message, &shape.name);
    }

    fn add(&mut self, row: usize, code: &'static str, message: String, column: &str) {
        self.bad.entry(row).or_insert(Bad { code, message, column: column.into() });
    }
}

/// Which values are null.
#[derive(Debug)]
pub struct Nulls {
    rows: usize,
    /// A bit for each row that is not null; empty while there is no null.
    valid: Vec<u8>,
}

impl Nulls {
    /// Of so many rows, none.
    pub fn new(rows: usize) -> Nulls {
        Nulls { rows, valid: Vec::new() }
    }

    /// This row is null.
    #[inline]
    pub fn set(&mut self, row: usize) {
        if self.valid.is_empty() {
            self.valid.resize(self.rows.div_ceil(8), u8::MAX);
        }
        self.valid[row / 8] &= !(1 << (row % 8));
    }

    /// True where the row was set.
    pub fn is_null(&self, row: usize) -> bool {
        self.valid.get(row / 8).is_some_and(|bits| bits & 1 << (row % 8) == 0)
    }

    /// The mask; `None` = no null.
    pub fn finish(self) -> Option<NullBuffer> {
        let (valid, rows) = (self.valid, self.rows);
        (!valid.is_empty()).then(|| NullBuffer::new(BooleanBuffer::new(valid.into(), 0, rows)))
    }
}
