//! Which offsets of a log have no record any more, and why: the file `lost` beside the segments.
//!
//! A damaged or missing part is told once, noted here, and never looked for again. No offset is
//! given twice: behind a part that may have been longer than is known, the log goes on far behind.

use crate::service::local::disk;
use engine::fault::Fault;
use serde::{Deserialize, Serialize};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A part of a log that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// The first offset without a record.
    pub first: u64,
    /// One past the last record that is lost.
    pub end: u64,
    /// The offset of the next record there may be.
    pub next: u64,
    /// The file, for people.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// What is lost of one log, in order.
#[derive(Clone, Debug, Default)]
pub struct LostParts {
    /// In order of `first`, none within another.
    pub parts: Vec<Lost>,
}

impl Lost {
    /// One sentence: what is lost, where, why.
    pub fn notice(&self, what: &str) -> String {
        let records = match self.end.saturating_sub(self.first) {
            1 => format!("record {} is", self.first),
            _ => format!("records {} to {} are", self.first, self.end.saturating_sub(1)),
        };
        let (why, path) = (&self.why, self.path.display());
        format!("{what}: {records} lost ({why}, {path}); all others are served")
    }
}

impl LostParts {
    fn path(dir: &Path) -> PathBuf {
        dir.join("lost")
    }

    /// What is noted in `dir`; nothing where the note itself cannot be read: then it is found
    /// again.
    pub fn read(dir: &Path) -> LostParts {
        let text = fs::read_to_string(Self::path(dir)).unwrap_or_default();
        let (sum, json) = text.split_once('\n').unwrap_or_default();
        let whole = sum == sum_of(json);
        let parts = whole.then(|| serde_json::from_str(json).ok()).flatten();
        LostParts { parts: parts.unwrap_or_default() }
    }

    /// Notes it durably.
    pub fn write(&self, dir: &Path) -> Result<(), Fault> {
        let json = serde_json::to_string_pretty(&self.parts)
            .map_err(|error| Fault::service("io", format!("cannot note what is lost: {error}")))?;
        disk::replace(&Self::path(dir), format!("{}\n{json}", sum_of(&json)).as_bytes())
    }

    /// All these offsets are known to be without a record.
    pub fn cover(&self, rows: &Range<u64>) -> bool {
        let mut from = rows.start;
        for part in &self.parts {
            if part.first <= from && from < part.next {
                from = part.next;
            }
        }
        from >= rows.end
    }

    /// Adds a part.
    pub fn add(&mut self, lost: Lost) {
        self.parts.push(lost);
        self.parts.sort_by_key(|part| part.first);
    }

    /// Where the log goes on behind `end`, where that was decided before.
    pub fn next_behind(&self, end: u64) -> Option<u64> {
        let behind = self.parts.iter().filter(|part| part.next > end && part.first <= end);
        behind.map(|part| part.next).max()
    }
}

/// The first line of the note: a checksum of the rest.
fn sum_of(json: &str) -> String {
    format!("{:08x}", crc32c::crc32c(json.as_bytes()))
}
