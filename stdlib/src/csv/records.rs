//! Bytes to records: where each field of each record stands.

use super::exact::{self, Exact, unquoted};
use super::scan::{Marks, PLACE_MAX};
use std::ops::Range;

/// Some records with equally many fields, and those with another number.
///
/// A place is one in the bytes that were cut, or, from their length on, one in a text beside them:
/// there stand the records that cannot be read in place.
#[derive(Debug, Default)]
pub struct Records {
    /// How many fields a record has.
    width: usize,
    /// The length of the bytes.
    split: usize,
    /// The ends of fields, record by record; then what is not cut yet.
    marks: Marks,
    /// Where each record begins.
    starts: Vec<u32>,
    /// The text beside the bytes.
    beside: Vec<u8>,
    /// The records whose text stands beside the bytes, and where they stood.
    moved: Vec<(u32, Range<u32>)>,
    /// Records of another width, or with an open quote.
    pub broken: Vec<Broken>,
    ends: Vec<usize>,
}

/// A record that has no columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its number among all records.
    pub number: u32,
    /// Its place.
    pub raw: Range<u32>,
    /// How many fields it has; `None` = its last quote is not closed.
    pub fields: Option<u32>,
}

impl Records {
    /// Forgets all records; the next ones have `width` fields.
    pub fn clear(&mut self, width: usize) {
        self.width = width;
        self.marks.used = 0;
        self.marks.returns = false;
        self.starts.clear();
        self.beside.clear();
        self.moved.clear();
        self.broken.clear();
    }

    /// How many records, without the broken ones.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// No record, but for broken ones.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// How many records, with the broken ones.
    pub fn total(&self) -> usize {
        self.starts.len() + self.broken.len()
    }

    /// The text beside the bytes.
    pub fn beside(&self) -> &[u8] {
        &self.beside
    }

    /// For each of some records, where it begins and where its fields end.
    pub fn of(&self, records: Range<usize>) -> (&[u32], &[u32]) {
        let ends = records.start * self.width..records.end * self.width;
        (&self.starts[records], &self.marks.ends[ends])
    }

    /// The bytes of a place.
    pub fn at<'a>(&'a self, bytes: &'a [u8], place: Range<u32>) -> &'a [u8] {
        let (start, end) = (place.start as usize, place.end as usize);
        match start < self.split {
            true => &bytes[start..end],
            false => &self.beside[start - self.split..end - self.split],
        }
    }

    /// Where a record stood, without its line break.
    pub fn raw(&self, record: usize) -> Range<u32> {
        if let Ok(found) = self.moved.binary_search_by_key(&(record as u32), |moved| moved.0) {
            return self.moved[found].1.clone();
        }
        self.starts[record]..self.marks.ends[(record + 1) * self.width - 1]
    }

    /// Cuts a record whose start was carried over from other bytes: it stands at the start of
    /// `joined`, which are those and the first of the bytes of length `split`. Gives where it ends
    /// in `joined`; `None` = it is not complete.
    pub fn cut_carried(
        &mut self,
        joined: &[u8],
        split: usize,
        last: bool,
        delimiter: u8,
    ) -> Option<usize> {
        self.split = split;
        self.cut_exact(joined, 0, last, delimiter, true)
    }

    /// Cuts all complete records of the bytes from `at` on, and gives where the first begins that
    /// is not complete. `last` = nothing comes behind the bytes.
    pub fn cut(&mut self, bytes: &[u8], mut at: usize, last: bool, delimiter: u8) -> usize {
        self.split = bytes.len();
        loop {
            let known = self.marks.scan(bytes, at, delimiter);
            at = self.take(bytes, at, delimiter);
            if at == bytes.len() || known == bytes.len() && !last {
                return at;
            }
            while matches!(bytes.get(at), Some(b'\r' | b'\n')) {
                at += 1;
            }
            if at == bytes.len() {
                return at;
            }
            match self.cut_exact(bytes, at, last, delimiter, false) {
                Some(next) => at = next,
                None => return at,
            }
        }
    }

    /// Takes the complete records among the marks, and gives the place behind them.
    fn take(&mut self, bytes: &[u8], mut at: usize, delimiter: u8) -> usize {
        let width = self.width;
        let mut to = self.len() * width;
        let mut from = to;
        let mut doubled = 0;
        let breaks = std::mem::take(&mut self.marks.breaks);
        for &after in &breaks {
            at = self.pass_feed(bytes, at);
            let (after, start) = (after as usize, at);
            let fields = after - from;
            let end = self.marks.ends[after - 1];
            at = end as usize + 1;
            if fields == width && end as usize > start {
                if self.marks.doubled.get(doubled).is_some_and(|&place| place < end) {
                    let passed = self.marks.doubled[doubled..].iter();
                    doubled += passed.take_while(|&&place| place < end).count();
                    self.move_record(bytes, start, end, to, delimiter);
                } else {
                    if to != from {
                        self.marks.ends.copy_within(from..after, to);
                    }
                    self.starts.push(start as u32);
                }
                to += width;
            } else if end as usize > start {
                let (number, fields) = (self.total() as u32, Some(fields as u32));
                self.broken.push(Broken { number, raw: start as u32..end, fields });
            }
            // Else it is a blank line, and no record.
            from = after;
        }
        self.marks.breaks = breaks;
        self.marks.used = to;
        self.pass_feed(bytes, at)
    }

    /// Passes an `LF` behind a `CR`: both are one line break.
    #[inline(always)]
    fn pass_feed(&self, bytes: &[u8], at: usize) -> usize {
        let both =
            self.marks.returns && at > 0 && bytes[at - 1] == b'\r' && bytes.get(at) == Some(&b'\n');
        at + usize::from(both)
    }

    /// Reads a whole record, with quotes in quotes, that stands at `at`, to the marks at `to`.
    fn move_record(&mut self, bytes: &[u8], at: usize, end: u32, to: usize, delimiter: u8) {
        let start = self.place();
        self.ends.clear();
        let (text, ends) = (&mut self.beside, &mut self.ends);
        let found = exact::record(&bytes[..end as usize], at, true, delimiter, text, ends);
        let expected = Exact::Record {
            fields: self.width,
            end: end as usize,
            next: end as usize,
            open: false,
        };
        assert_eq!(found, expected, "both ways find the same record");
        self.put_ends(to);
        self.moved.push((self.starts.len() as u32, at as u32..end));
        self.starts.push(start);
    }

    /// Cuts the record at `at` byte by byte, and gives the place behind it; `None` = it is not
    /// complete. `carried` = the bytes are not those that places are of.
    fn cut_exact(
        &mut self,
        bytes: &[u8],
        at: usize,
        last: bool,
        delimiter: u8,
        carried: bool,
    ) -> Option<usize> {
        let start = self.place();
        self.ends.clear();
        let (text, ends) = (&mut self.beside, &mut self.ends);
        let found = exact::record(bytes, at, last, delimiter, text, ends);
        let Exact::Record { fields, end, next, open } = found else { return None };
        let end = if open { bytes.len() } else { end };
        let broken = open || fields != self.width;
        if broken {
            self.beside.truncate(start as usize - self.split);
        }
        let mut raw = at as u32..end as u32;
        if carried {
            let start = self.place();
            self.beside.extend_from_slice(&bytes[at..end]);
            raw = start..self.place();
        }
        if broken {
            let (number, fields) = (self.total() as u32, (!open).then_some(fields as u32));
            self.broken.push(Broken { number, raw, fields });
            return Some(next);
        }
        let to = self.len() * self.width;
        self.put_ends(to);
        self.marks.used = to + self.width;
        self.moved.push((self.starts.len() as u32, raw));
        self.starts.push(start);
        Some(next)
    }

    /// Writes the ends of the record that was read last to the marks at `to`.
    fn put_ends(&mut self, to: usize) {
        if self.marks.ends.len() < to + self.width {
            self.marks.ends.resize(to + self.width, 0);
        }
        for (mark, end) in self.marks.ends[to..].iter_mut().zip(&self.ends) {
            *mark = (self.split + end) as u32;
        }
    }

    /// The place of the next text beside the bytes.
    fn place(&self) -> u32 {
        let place = self.split + self.beside.len();
        assert!(place < PLACE_MAX as usize, "the places of bytes have 31 bits");
        place as u32
    }
}

/// The fields of a single record, with whether its last quote is open, and where it ends: without
/// its line break, and with one byte of it.
pub fn single(
    bytes: &[u8],
    at: usize,
    last: bool,
    delimiter: u8,
) -> Option<(Vec<Vec<u8>>, bool, Range<usize>)> {
    let (mut text, mut ends) = (Vec::new(), Vec::new());
    let found = exact::record(bytes, at, last, delimiter, &mut text, &mut ends);
    let Exact::Record { end, next, open, .. } = found else { return None };
    let mut start = 0;
    let fields = ends.iter().map(|&end| {
        let (field, _) = unquoted(&text[start..end]);
        start = end + 1;
        field.to_vec()
    });
    Some((fields.collect(), open, end..next))
}

#[cfg(test)]
mod tests;
