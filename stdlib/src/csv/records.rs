//! Bytes to records: where each field of each record stands.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use std::ops::Range;

/// Some records with equally many fields, unescaped.
#[derive(Debug, Default)]
pub struct Records {
    /// The text of all fields.
    text: Vec<u8>,
    used: usize,
    /// Where each field ends in the text, record by record.
    ends: Vec<usize>,
    /// Where each record begins in the text.
    starts: Vec<usize>,
    /// Where each record stands in the bytes, without its line break.
    raws: Vec<Range<usize>>,
}

impl Records {
    /// Forgets all records and makes room for those of `bytes` bytes.
    pub fn clear(&mut self, bytes: usize) {
        if self.text.len() < bytes {
            self.text.resize(bytes, 0);
        }
        self.used = 0;
        self.ends.clear();
        self.starts.clear();
        self.raws.clear();
    }

    /// Takes the last record out again and gives its place.
    ///
    /// # Panics
    /// Without a record.
    pub fn pop(&mut self, width: usize) -> Range<usize> {
        self.used = self.starts.pop().expect("a record to take out");
        self.ends.truncate(self.ends.len() - width);
        self.raws.pop().expect("each record has a place")
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.raws.len()
    }

    /// No record.
    pub fn is_empty(&self) -> bool {
        self.raws.is_empty()
    }

    /// The text of a field; `width` is how many fields each record has.
    #[inline]
    pub fn field(&self, record: usize, field: usize, width: usize) -> &[u8] {
        let at = record * width + field;
        let start = if field == 0 { self.starts[record] } else { self.ends[at - 1] };
        &self.text[start..self.ends[at]]
    }

    /// Where a record stands in the bytes.
    pub fn raw(&self, record: usize) -> Range<usize> {
        self.raws[record].clone()
    }

    /// True when all fields are ASCII.
    pub fn is_ascii(&self) -> bool {
        self.text[..self.used].is_ascii()
    }
}

/// What stands at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// A record with this many fields; it was added.
    Record(usize),
    /// A record with another number of fields; it was not added.
    Ragged(usize, Range<usize>),
    /// A record that goes on behind the end of the bytes.
    Incomplete,
    /// Nothing but line breaks.
    End,
}

/// Cuts bytes into records.
#[derive(Debug)]
pub struct Cutter {
    reader: Reader,
    ends: Vec<usize>,
}

impl Cutter {
    /// A cutter for fields between `delimiter`.
    pub fn new(delimiter: u8) -> Cutter {
        let mut cutter =
            Cutter { reader: ReaderBuilder::new().delimiter(delimiter).build(), ends: vec![0; 64] };
        cutter.begin();
        cutter
    }

    /// Begins anew at the start of a record.
    pub fn begin(&mut self) {
        self.reader.reset();
        // A byte order mark counts only at the start of a file, which is the caller's business; a
        // blank line is no record, and afterwards the reader looks for no mark.
        let (result, ..) = self.reader.read_record(b"\n", &mut [0; 1], &mut [0; 1]);
        debug_assert_eq!(result, ReadRecordResult::InputEmpty, "a blank line is no record");
    }

    /// Reads the record at `bytes[*at..]` and passes it. `last` = nothing comes behind the bytes;
    /// `width` = how many fields a record must have to be added, `None` = any.
    pub fn next(
        &mut self,
        bytes: &[u8],
        at: &mut usize,
        last: bool,
        width: Option<usize>,
        records: &mut Records,
    ) -> Cut {
        while matches!(bytes.get(*at), Some(b'\r' | b'\n')) {
            *at += 1;
        }
        if *at == bytes.len() {
            return Cut::End;
        }
        let start = *at;
        let (mut read, mut written, mut fields) = (start, records.used, 0);
        let room = written + bytes.len() - start + 1;
        if records.text.len() < room {
            records.text.resize(room, 0);
        }
        loop {
            let input = &bytes[read..];
            let (output, ends) = (&mut records.text[written..], &mut self.ends[fields..]);
            let (result, nin, nout, nend) = self.reader.read_record(input, output, ends);
            read += nin;
            written += nout;
            fields += nend;
            match result {
                ReadRecordResult::Record => break,
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::InputEmpty if last && !input.is_empty() => {}
                ReadRecordResult::InputEmpty => {
                    self.begin();
                    return Cut::Incomplete;
                }
                ReadRecordResult::OutputFull => unreachable!("fields are no longer than records"),
                ReadRecordResult::End => return Cut::End,
            }
        }
        *at = read;
        // At the end of a file a record may have no line break; one inside of quotes is its own.
        let broken = matches!(bytes[read - 1], b'\r' | b'\n');
        let end = if broken { read - 1 } else { read };
        if width.is_some_and(|width| width != fields) {
            return Cut::Ragged(fields, start..end);
        }
        let base = records.used;
        records.starts.push(base);
        records.ends.extend(self.ends[..fields].iter().map(|end| base + end));
        records.raws.push(start..end);
        records.used = written;
        Cut::Record(fields)
    }
}

/// What the bytes of a record say of its quotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quotes {
    /// For each field, whether it is quoted.
    pub fields: Vec<bool>,
    /// The last quote is not closed.
    pub open: bool,
}

/// Looks at the quotes of a record.
pub fn quotes(raw: &[u8], delimiter: u8) -> Quotes {
    let mut found = Quotes::default();
    let mut at = 0;
    loop {
        let quoted = raw.get(at) == Some(&b'"');
        found.fields.push(quoted);
        if quoted {
            at += 1;
            loop {
                match memchr::memchr(b'"', &raw[at..]) {
                    None => {
                        found.open = true;
                        return found;
                    }
                    Some(quote) if raw.get(at + quote + 1) == Some(&b'"') => at += quote + 2,
                    Some(quote) => {
                        at += quote + 1;
                        break;
                    }
                }
            }
        }
        match memchr::memchr(delimiter, &raw[at..]) {
            None => return found,
            Some(next) => at += next + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(bytes: &[u8], last: bool) -> (Vec<Vec<String>>, Cut, usize) {
        let mut cutter = Cutter::new(b',');
        let mut records = Records::default();
        records.clear(bytes.len());
        let (mut rows, mut at) = (Vec::new(), 0);
        loop {
            records.clear(0);
            match cutter.next(bytes, &mut at, last, None, &mut records) {
                Cut::Record(width) => {
                    let field = |field| records.field(0, field, width).to_vec();
                    let text = |field| String::from_utf8(field).unwrap();
                    rows.push((0..width).map(field).map(text).collect());
                }
                other => return (rows, other, at),
            }
        }
    }

    #[test]
    fn quotes_breaks_and_blank_lines() {
        let bytes = b"a,b\r\n\r\n\"x \"\"y\"\"\",\"1,\n2\"\r\n , z \r\nlast,";
        let (rows, end, at) = cut(bytes, true);
        assert_eq!(rows, [["a", "b"], ["x \"y\"", "1,\n2"], [" ", " z "], ["last", ""]]);
        assert_eq!((end, at), (Cut::End, bytes.len()));
    }

    #[test]
    fn cut_anywhere_it_says_incomplete_and_goes_on() {
        let bytes = b"a,b\r\n\"x,\r\n\"\"\",2\r\n3,4\r\n";
        let (whole, ..) = cut(bytes, true);
        assert_eq!(whole.len(), 3);
        for at in 0..=bytes.len() {
            let (mut rows, _, passed) = cut(&bytes[..at], false);
            let (rest, ..) = cut(&bytes[passed..], true);
            rows.extend(rest);
            assert_eq!(rows, whole, "cut at {at}");
        }
    }

    #[test]
    fn a_mark_in_the_middle_is_text() {
        let (rows, ..) = cut(b"\xEF\xBB\xBFa,b\n", true);
        assert_eq!(rows, [["\u{FEFF}a", "b"]]);
    }

    #[test]
    fn records_of_another_width_are_not_added() {
        let mut cutter = Cutter::new(b';');
        let mut records = Records::default();
        let bytes = b"1;2\n3\n4;5;6\n7;8";
        records.clear(bytes.len());
        let mut at = 0;
        let mut cuts = Vec::new();
        for _ in 0..5 {
            cuts.push(cutter.next(bytes, &mut at, true, Some(2), &mut records));
        }
        let expected =
            [Cut::Record(2), Cut::Ragged(1, 4..5), Cut::Ragged(3, 6..11), Cut::Record(2), Cut::End];
        assert_eq!(cuts, expected);
        assert_eq!((records.field(1, 0, 2), records.field(1, 1, 2)), (&b"7"[..], &b"8"[..]));
        assert_eq!(records.raw(1), 12..15);
    }

    #[test]
    fn which_fields_are_quoted() {
        let found = quotes(br#"a,"b,""c""",,"",d"e"#, b',');
        assert_eq!(found.fields, [false, true, false, true, false]);
        assert!(!found.open);
        assert!(quotes(b"a,\"b\nc,d", b',').open);
        assert!(quotes(b"\"b\"\"", b',').open);
    }
}
