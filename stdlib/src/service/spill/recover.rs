//! Opening a log in whatever state a crash, a full disk or a person has left it. It always opens:
//! what cannot be read is said and left out.

use super::scan;
use crate::service::local::disk;
use crate::service::local::streams::frame::{Bad, Header};
use crate::service::local::streams::seen::Seen;
use engine::fault::Fault;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One segment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its file.
    pub path: PathBuf,
    /// The number of its first row.
    pub base: u64,
    /// One past its last row.
    pub end: u64,
    /// Bytes.
    pub len: u64,
}

/// Rows that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Their numbers in the log.
    pub rows: Range<u64>,
    /// What is wrong, and where.
    pub why: String,
}

/// What was found in a directory.
#[derive(Default)]
pub struct Found {
    /// In order; each ends behind the one before.
    pub segments: Vec<Segment>,
    /// Which rows of which partitions are there, or were.
    pub seen: Seen,
    /// What is missing behind the position.
    pub damaged: Vec<Damage>,
}

/// Reads the headers of all segments; cuts off what an interrupted write has left at the end.
/// `position`: what lies before it is not needed any more.
///
/// # Errors
/// The disk cannot be read or written; never for what is in the files.
pub fn recover(dir: &Path, position: u64) -> Result<Found, Fault> {
    let mut found = Found::default();
    for (_, path) in files(dir, "ids")? {
        let bytes = fs::read(&path).map_err(|error| disk::fault(&error, "read a buffer", &path))?;
        let mut rest = bytes.as_slice();
        while let Ok(header) = Header::read(rest) {
            found.note(&header);
            rest = &rest[header.bytes()..];
        }
    }
    let paths = files(dir, "seg")?;
    let mut end = None;
    for (n, (base, path)) in paths.iter().enumerate() {
        let last = n + 1 == paths.len();
        let expected = end.unwrap_or(*base);
        let segment = found.segment(*base, path, (expected, last), position)?;
        end = Some(segment.end);
        found.segments.push(segment);
    }
    Ok(found)
}

/// The files of a kind, by the number in their names.
pub fn files(dir: &Path, extension: &str) -> Result<Vec<(u64, PathBuf)>, Fault> {
    let fault = |error: io::Error| disk::fault(&error, "list a buffer", dir);
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        if let (Some(number), true) = (number, path.extension().is_some_and(|is| is == extension)) {
            files.push((number, path));
        }
    }
    files.sort();
    Ok(files)
}

impl Found {
    fn note(&mut self, header: &Header) {
        for (first, len) in &header.ranges {
            self.seen.add(&header.producer, *first, *len);
        }
    }

    /// Rows that are missing, where somebody still waits for them.
    fn missing(&mut self, rows: Range<u64>, position: u64, why: String) {
        let rows = rows.start.max(position)..rows.end;
        if !rows.is_empty() {
            self.damaged.push(Damage { rows, why });
        }
    }

    fn segment(
        &mut self,
        base: u64,
        path: &Path,
        (expected, last): (u64, bool),
        position: u64,
    ) -> Result<Segment, Fault> {
        let fault = |error: io::Error| disk::fault(&error, "read a buffer", path);
        let file = File::open(path).map_err(fault)?;
        let len = file.metadata().map_err(fault)?.len();
        let (mut at, mut end) = (0, expected.max(base));
        self.missing(expected..base, position, format!("no file before {}", path.display()));
        while at < len {
            let read = scan::header(&file, at, len).map_err(fault)?;
            let read = match read {
                Ok(header) if last && header.base >= end => {
                    scan::payload(&file, at, &header).map_err(fault)?.map(|_| header)
                }
                other => other,
            };
            let (place, header) = match read {
                Ok(header) => (at, header),
                Err(bad) => match scan::next(&file, at + 1, len, end).map_err(fault)? {
                    Some(found) => {
                        let why = format!("{} at byte {at} of {}", word(bad), path.display());
                        self.missing(end..found.1.base, position, why);
                        found
                    }
                    None => break,
                },
            };
            self.note(&header);
            end = end.max(header.end());
            at = place + header.frame_len() as u64;
        }
        if last && at < len {
            cut(path, at).map_err(fault)?;
        }
        Ok(Segment { path: path.to_owned(), base, end, len: if last { at } else { len } })
    }
}

/// What is wrong with a frame.
pub fn word(bad: Bad) -> &'static str {
    match bad {
        Bad::Short => "the file ends inside a frame",
        Bad::Checksum => "the checksum is wrong",
    }
}

/// Cuts a file off, durably.
pub fn cut(path: &Path, len: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(len)?;
    file.sync_all()
}
