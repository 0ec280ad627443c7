//! What a buffer keeps beside its segments: the ids of rows that are gone, to know them when they
//! come again, and files that have damage.

use super::recover::{self, Segment};
use super::scan;
use crate::service::local::disk;
use engine::fault::Fault;
use std::fs::{self, File};
use std::path::Path;

/// Of the ids of deleted rows at least so many are kept, to know rows that come again: more than a
/// source may have in flight.
const IDS_ROWS_MIN: u64 = 1 << 20;
/// Of the whole buffer, the ids take at most this part …
const IDS_PARTS: u64 = 4;
/// … and what is kept of damaged segments this one.
const DAMAGED_PARTS: u64 = 4;

/// Keeps the headers of a segment, which say whose rows it had; removes those of old ones.
///
/// # Errors
/// They cannot be written; `disk_full` where the disk is.
pub fn keep_ids(dir: &Path, segment: &Segment, quota: u64) -> Result<(), Fault> {
    let mut ids = Vec::new();
    if let Ok(file) = File::open(&segment.path) {
        let mut at = 0;
        while at < segment.len {
            let Ok(header) = scan::header(&file, at, segment.len) else { break };
            let Ok(bytes) = scan::read(&file, at, header.bytes()) else { break };
            ids.extend(bytes);
            at += header.frame_len() as u64;
        }
    }
    disk::replace(&segment.path.with_extension("ids"), &ids)?;
    let kept = recover::files(dir, "ids")?;
    let mut bytes: u64 = kept.iter().map(|(_, path)| len(path)).sum();
    for two in kept.windows(2) {
        let old = two[1].0 + IDS_ROWS_MIN <= segment.end;
        if !old && bytes <= quota / IDS_PARTS {
            break;
        }
        bytes -= len(&two[0].1);
        // It is tried again with the next segment.
        let _ = fs::remove_file(&two[0].1);
    }
    Ok(())
}

/// Bytes of a file.
fn len(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |of| of.len())
}

/// Bytes of the files of a directory that are no segments.
pub fn bytes(dir: &Path) -> u64 {
    let ids = recover::files(dir, "ids").unwrap_or_default();
    ids.iter().map(|(_, path)| len(path)).sum::<u64>() + damaged_bytes(&dir.join("damaged"))
}

fn damaged_bytes(aside: &Path) -> u64 {
    let kept = fs::read_dir(aside).into_iter().flatten().flatten();
    kept.map(|entry| len(&entry.path())).sum()
}

/// Keeps a file that has damage, where it fits. The rows are told in any case; the file is for who
/// wants to look.
pub fn keep_damaged(dir: &Path, path: &Path, quota: u64) {
    let aside = dir.join("damaged");
    let fits = damaged_bytes(&aside) + len(path) <= quota / DAMAGED_PARTS;
    if let (Some(name), true) = (path.file_name(), path.is_file() && fits) {
        let _ = fs::create_dir_all(&aside);
        let _ = fs::hard_link(path, aside.join(name));
    }
}
