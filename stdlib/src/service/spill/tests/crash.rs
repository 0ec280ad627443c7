//! The log after a crash, and on a disk that fails.

use super::{Step, all, open, open_with, rows, schema, segments};
use crate::service::spill::cursor::Cursor;
use crate::service::spill::log::Log;
use std::fs;
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

#[test]
fn rows_are_not_stored_before_they_are_synced() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open_with(dir.path(), 1024);
    log.append(&rows(0, 20)).unwrap();
    // It takes the next rows, and cannot be synced.
    symlink("/dev/null", dir.path().join(format!("{:020}.seg", 20))).unwrap();
    assert_eq!(log.append(&rows(20, 20)).unwrap_err().code, "io");
    assert_eq!(all(&log, 0).0, (0..20).collect::<Vec<_>>());
}

#[test]
fn nothing_is_deleted_before_the_position_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    // It is read as an empty one, and takes no write.
    symlink("/dev/full", dir.path().join("position")).unwrap();
    let (log, _) = open_with(dir.path(), 4096);
    for first in (0..200).step_by(10) {
        log.append(&rows(first, 10)).unwrap();
    }
    let before = segments(dir.path());
    assert_eq!(log.commit(200).unwrap_err().code, "disk_full");
    assert_eq!(segments(dir.path()), before);
    assert_eq!(all(&log, 0).0.len(), 200);
}

/// The numbers of rows that may be stored behind the buffer are not given to others: sinks would
/// drop those as known.
#[test]
fn numbers_are_not_given_again_behind_a_damaged_end() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    log.append(&rows(0, 3)).unwrap();
    log.append(&rows(3, 3)).unwrap();
    let path = segments(dir.path()).remove(0);
    drop(log);
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len() - 1;
    bytes[end] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (log, told) = open(dir.path());
    assert!(told[0].why.contains("are no whole batch"), "{told:?}");
    let kept = fs::read(dir.path().join("damaged").join(path.file_name().unwrap()));
    assert_eq!(kept.unwrap(), bytes, "nothing is cut off");
    log.append(&rows(6, 3)).unwrap();
    let mut cursor = Cursor::new(log.clone(), schema(), 3);
    let Step::Skipped(skipped) = cursor.step().unwrap() else { panic!("a gap") };
    let Step::Batch(next) = cursor.step().unwrap() else { panic!("a batch") };
    assert!(next.first >= 6 && next.first == skipped.end, "{}", next.first);
    // Rows that were there at the last commit and are gone, with the end of the file.
    log.commit(3).unwrap();
    drop(log);
    let last = segments(dir.path()).pop().unwrap();
    fs::write(&last, b"").unwrap();
    let (log, _) = open(dir.path());
    let lost = next.first..next.first + 3;
    assert_eq!(all(&log, lost.start).1.first().map(|damage| damage.rows.clone()), Some(lost));
}

/// A file that the disk does not give: here a directory stands in its place.
#[test]
fn what_the_disk_cannot_read_is_told_and_the_rest_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open_with(dir.path(), 4096);
    for first in (0..100).step_by(10) {
        log.append(&rows(first, 10)).unwrap();
    }
    drop(log);
    let first = segments(dir.path()).remove(0);
    fs::remove_file(&first).unwrap();
    fs::create_dir(&first).unwrap();
    fs::create_dir(dir.path().join(format!("{:020}.ids", 0))).unwrap();
    let (log, _) = open_with(dir.path(), 4096);
    let (numbers, damaged) = all(&log, 0);
    assert!(!numbers.is_empty() && numbers.last() == Some(&99));
    let gone: Vec<u64> = damaged.into_iter().flat_map(|damage| damage.rows).collect();
    assert_eq!(gone, (0..numbers[0]).collect::<Vec<_>>(), "told once");
}

#[test]
fn ids_of_rows_that_are_gone_count_and_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open_with(dir.path(), 8192);
    for n in 0..2000 {
        log.append(&rows(n * 2, 1)).unwrap();
        log.commit(n + 1).unwrap();
    }
    let ids = super::super::recover::files(dir.path(), "ids").unwrap();
    let bytes: u64 = ids.iter().map(|(_, path)| fs::metadata(path).unwrap().len()).sum();
    assert!(bytes <= 8192 / 4 + 1024, "{bytes}");
}

/// Rows that wait for a `batch` behind a full buffer would wait for ever: it says so.
#[test]
fn a_full_buffer_waits_for_what_is_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open_with(dir.path(), 8192);
    assert!(!log.is_full());
    while log.has_room(8192 / 16) {
        let end = log.waiting();
        log.append(&rows(end, 10)).unwrap();
    }
    assert!(log.is_full());
    log.commit(log.waiting()).unwrap();
    assert!(!log.is_full());
}
