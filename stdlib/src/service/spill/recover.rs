//! Opening a log in whatever state a crash, a full disk or a person has left it. It always opens:
//! what cannot be read is said and left out.

use super::scan;
use crate::service::local::disk;
use crate::service::local::streams::frame::Header;
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
    /// What stands behind the last whole frame: a write that a crash has broken off, or damage.
    pub tail: Option<Tail>,
}

/// Bytes at the end of the last segment that are no frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The segment.
    pub path: PathBuf,
    /// Where they begin.
    pub at: u64,
    /// How many, and so how many rows they may have held.
    pub bytes: u64,
}

/// Reads the headers of all segments. Changes nothing: what cannot be read stays where it is.
///
/// # Errors
/// The directory cannot be read, or a file not by this user; never for what is in the files.
pub fn recover(dir: &Path) -> Result<Found, Fault> {
    let mut found = Found::default();
    for (_, path) in files(dir, "ids")? {
        // Rows of which nothing is known are stored again at worst.
        let bytes = fs::read(&path).unwrap_or_default();
        let mut rest = bytes.as_slice();
        while let Ok(header) = Header::read(rest) {
            found.note(&header);
            rest = &rest[header.bytes()..];
        }
    }
    let paths = files(dir, "seg")?;
    let mut end = 0;
    for (n, (base, path)) in paths.iter().enumerate() {
        let segment = found.segment(*base, path, end, n + 1 == paths.len())?;
        end = segment.end;
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

    fn segment(
        &mut self,
        base: u64,
        path: &Path,
        expected: u64,
        last: bool,
    ) -> Result<Segment, Fault> {
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let mut end = expected.max(base);
        let (len, file) = match opened {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(disk::fault(&error, "read a buffer", path));
            }
            Err(_) => return Ok(Segment { path: path.to_owned(), base, end, len: 0 }),
        };
        let mut at = 0;
        while at < len {
            let read = scan::header(&file, at, len).and_then(|header| match last {
                true if header.base >= end => scan::payload(&file, at, &header).map(|_| header),
                _ => Ok(header),
            });
            let (place, header) = match read {
                Ok(header) => (at, header),
                Err(_) => match scan::next(&file, at + 1, len, end) {
                    Some(found) => found,
                    None => break,
                },
            };
            self.note(&header);
            end = end.max(header.end());
            at = place + header.frame_len() as u64;
        }
        if last && at < len {
            self.tail = Some(Tail { path: path.to_owned(), at, bytes: len - at });
        }
        Ok(Segment { path: path.to_owned(), base, end, len })
    }
}

/// Cuts a file off, durably.
pub fn cut(path: &Path, len: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(len)?;
    file.sync_all()
}
