//! The log after a crash, and on a disk that fails.

use super::{all, open_with, rows, segments};
use crate::service::spill::log::Log;
use std::os::unix::fs::symlink;

/// What is in the last segment may not be on the disk: it is synced before anything is said of it.
/// Here that fails, as what stands for the segment cannot be synced.
#[test]
fn a_reopened_log_syncs_what_a_crash_has_left() {
    let dir = tempfile::tempdir().unwrap();
    symlink("/dev/null", dir.path().join(format!("{:020}.seg", 0))).unwrap();
    let fault = Log::open(dir.path(), 1 << 20).unwrap_err();
    assert_eq!(fault.code, "io");
    assert!(fault.message.starts_with("cannot make a buffer durable at"), "{}", fault.message);
}

#[test]
fn a_full_disk_gives_back_what_is_stored_behind_the_buffer() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open_with(dir.path(), 4096);
    for first in (0..200).step_by(10) {
        log.append(&rows(first, 10)).unwrap();
    }
    let before = segments(dir.path());
    for path in &before {
        symlink("/dev/full", path.with_extension("new")).unwrap();
    }
    log.commit(200).unwrap();
    assert_eq!(segments(dir.path()), before[before.len() - 1..], "only the last one is kept");
    assert!(log.has_room(2000));
    drop(log);
    let (log, damaged) = open_with(dir.path(), 4096);
    assert_eq!((damaged, log.position()), (vec![], 200));
    assert_eq!(log.append(&rows(0, 10)).unwrap().stored, 10, "stored again, not lost");
    assert_eq!(all(&log, 200).1, vec![]);
}
