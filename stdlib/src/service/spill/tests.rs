//! The log of a buffer, through every state that a disk may be left in.

mod crash;

use super::cursor::{Cursor, Step};
use super::log::Log;
use super::recover::Damage;
use arrow_array::types::Decimal128Type;
use arrow_array::{
    ArrayRef, BinaryArray, Date32Array, Float64Array, PrimitiveArray, RecordBatch, StringArray,
    TimestampNanosecondArray,
};
use arrow_schema::SchemaRef;
use dsl::ty::Ty;
use engine::batch::{RowIds, Rows, Run};
use engine::schema::arrow_schema;
use engine::testing;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const QUOTA: u64 = 1 << 20;

fn open(dir: &Path) -> (Arc<Log>, Vec<Damage>) {
    open_with(dir, QUOTA)
}

fn open_with(dir: &Path, quota: u64) -> (Arc<Log>, Vec<Damage>) {
    let (log, damaged) = Log::open(dir, quota).unwrap();
    (Arc::new(log), damaged)
}

fn schema() -> SchemaRef {
    arrow_schema(&Ty::Text)
}

/// Rows `first .. first + len` of partition `p`, as texts of their numbers.
fn rows(first: u64, len: usize) -> Rows {
    let texts: Vec<String> = (first..first + len as u64).map(|n| format!("row {n}")).collect();
    Rows { ids: testing::ids_at("p", first, len, 7), ..testing::payload(&texts) }
}

/// What a log has from `next` on: the numbers of rows, and what cannot be read.
fn all(log: &Arc<Log>, next: u64) -> (Vec<u64>, Vec<Damage>) {
    let mut cursor = Cursor::new(log.clone(), schema(), next);
    let (mut numbers, mut damaged) = (Vec::new(), Vec::new());
    loop {
        match cursor.step().unwrap() {
            Step::Batch(spilled) => {
                let texts = testing::payloads(&spilled.rows);
                let read: Vec<u64> = texts
                    .iter()
                    .map(|text| std::str::from_utf8(text).unwrap()[4..].parse().unwrap())
                    .collect();
                assert_eq!(spilled.rows.ids.seqs().collect::<Vec<_>>(), read);
                numbers.extend(read);
            }
            Step::Damaged(damage) => damaged.push(damage),
            Step::Skipped(rows) => assert!(!rows.is_empty()),
            Step::Nothing => return (numbers, damaged),
        }
    }
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let files = super::recover::files(dir, "seg").unwrap();
    files.into_iter().map(|(_, path)| path).collect()
}

#[test]
fn every_type_comes_back_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let text = StringArray::from(vec![Some("ß"), None, Some("")]);
    let decimal = PrimitiveArray::<Decimal128Type>::from(vec![
        Some(99_999_999_999_999_999_999_999_999_999_999_999_999),
        None,
        Some(-1),
    ]);
    let decimal = decimal.with_precision_and_scale(38, 10).unwrap();
    let float = Float64Array::from(vec![f64::MIN_POSITIVE, -0.0, f64::MAX]);
    let at = TimestampNanosecondArray::from(vec![i64::MIN, 1, i64::MAX]).with_timezone("UTC");
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("text", Arc::new(text), true),
        ("decimal", Arc::new(decimal), true),
        ("float", Arc::new(float), false),
        ("at", Arc::new(at), false),
        ("date", Arc::new(Date32Array::from(vec![Some(-1), None, Some(3)])), true),
        ("bytes", Arc::new(BinaryArray::from_iter_values([&b"\xff"[..], b"", b"\0"])), false),
    ];
    let given = testing::rows(RecordBatch::try_from_iter_with_nullable(columns).unwrap());
    // A slice, as those behind a cut are.
    let given = given.slice(1..3);
    let (log, _) = open(dir.path());
    log.append(&given).unwrap();
    let mut cursor = Cursor::new(log, given.columns.schema(), 0);
    let Step::Batch(read) = cursor.step().unwrap() else { panic!("a batch") };
    assert_eq!((read.rows.columns, read.rows.ids), (given.columns, given.ids));
    let mut other = Cursor::new(cursor_log(dir.path()), schema(), 0);
    assert_eq!(other.step().unwrap_err().code, "spill_type");
}

fn cursor_log(dir: &Path) -> Arc<Log> {
    open(dir).0
}

#[test]
fn rows_are_kept_once_in_order_over_restarts_and_deleted_behind_the_position() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open_with(dir.path(), 8192);
    for first in (0..400).step_by(10) {
        assert_eq!(log.append(&rows(first, 10)).unwrap().stored, 10);
    }
    assert!(segments(dir.path()).len() > 5);
    drop(log);
    let (log, damaged) = open_with(dir.path(), 8192);
    assert!(damaged.is_empty());
    let again = log.append(&rows(385, 20)).unwrap();
    assert_eq!((again.stored, again.already_stored), (5, 15));
    assert_eq!(all(&log, 0), ((0..405).collect(), vec![]));
    assert!(!log.has_room(100));
    let before = segments(dir.path()).len();
    log.commit(300).unwrap();
    assert!(segments(dir.path()).len() < before / 2);
    drop(log);
    let (log, damaged) = open_with(dir.path(), 8192);
    assert!(damaged.is_empty());
    assert_eq!((log.position(), log.waiting()), (300, 105));
    assert_eq!(all(&log, 300), ((300..405).collect(), vec![]));
    // Rows of a segment that is gone are known all the same.
    assert_eq!(log.append(&rows(270, 10)).unwrap().already_stored, 10);
    log.commit(405).unwrap();
    assert_eq!(segments(dir.path()).len(), 1);
    assert!(log.has_room(1 << 30), "an empty buffer takes anything");
}

#[test]
fn rows_that_come_late_do_not_break_the_order_of_their_partition() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    log.append(&rows(10, 5)).unwrap();
    log.append(&rows(0, 5)).unwrap();
    let mut cursor = Cursor::new(log.clone(), schema(), 5);
    let Step::Batch(late) = cursor.step().unwrap() else { panic!("a batch") };
    assert_ne!(late.rows.ids.partition.id, testing::partition("p").id);
    assert_eq!(log.append(&rows(0, 5)).unwrap().already_stored, 5);
    let runs =
        vec![Run { first: 20, len: 2, arrival_ns: 1 }, Run { first: 30, len: 1, arrival_ns: 2 }];
    let gaps = Rows { ids: RowIds { partition: testing::partition("p"), runs }, ..rows(0, 3) };
    assert_eq!(log.append(&gaps).unwrap().stored, 3);
}

/// A crash at any byte of the last write: what was durable before is there, and the log goes on.
#[test]
fn a_torn_tail_is_cut_at_every_byte() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    log.append(&rows(0, 3)).unwrap();
    let path = segments(dir.path()).remove(0);
    let durable = fs::metadata(&path).unwrap().len() as usize;
    log.append(&rows(3, 2)).unwrap();
    drop(log);
    let bytes = fs::read(&path).unwrap();
    for len in durable..bytes.len() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(path.file_name().unwrap()), &bytes[..len]).unwrap();
        let (log, damaged) = open(dir.path());
        assert_eq!(damaged.len(), usize::from(len > durable), "byte {len}");
        assert!(damaged.iter().all(|damage| damage.rows.is_empty()), "no row was acknowledged");
        assert_eq!(all(&log, 0), ((0..3).collect(), vec![]));
        assert_eq!(log.append(&rows(3, 2)).unwrap().stored, 2);
        drop(log);
        let (log, damaged) = open(dir.path());
        assert_eq!(damaged, vec![], "byte {len}: told once");
        assert_eq!(all(&log, 0), ((0..5).collect(), vec![]), "byte {len}");
    }
}

/// One flipped bit anywhere: the log opens, says which rows are gone, and gives all others.
#[test]
fn damage_is_said_and_passed_by() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    for first in [0, 3, 6] {
        log.append(&rows(first, 3)).unwrap();
    }
    drop(log);
    let path = segments(dir.path()).remove(0);
    let bytes = fs::read(&path).unwrap();
    for at in (0..bytes.len()).step_by(7) {
        let dir = tempfile::tempdir().unwrap();
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x20;
        fs::write(dir.path().join(path.file_name().unwrap()), &damaged).unwrap();
        let (log, at_open) = open(dir.path());
        let (numbers, at_read) = all(&log, 0);
        let frame = at * 3 / bytes.len();
        let gone = (frame as u64 * 3)..(frame as u64 * 3 + 3);
        let left: Vec<u64> = (0..9).filter(|n| !gone.contains(n)).collect();
        assert_eq!(numbers, left, "byte {at}");
        let said: Vec<u64> = at_read.iter().flat_map(|damage| damage.rows.clone()).collect();
        match frame {
            // The last one may be a write that was broken off.
            2 => assert!(said.is_empty() && at_open.len() == 1, "byte {at}"),
            _ => assert_eq!((said, at_open), (gone.collect(), vec![]), "byte {at}: told once"),
        }
        log.append(&rows(9, 1)).unwrap();
        assert_eq!(all(&log, 0).0.last(), Some(&9));
    }
}

/// Files that are missing, additional, empty or cut: the log opens, and gives what is there.
#[test]
fn any_set_of_files_opens() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open_with(dir.path(), 4096);
    for first in 0..30 {
        log.append(&rows(first, 1)).unwrap();
    }
    drop(log);
    let files: Vec<(PathBuf, Vec<u8>)> = segments(dir.path())
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    assert!(files.len() > 3);
    let restore = || files.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    for (n, (path, bytes)) in files.iter().enumerate() {
        for state in 0..4 {
            restore();
            match state {
                0 => fs::remove_file(path).unwrap(),
                1 => fs::write(path, b"").unwrap(),
                2 => fs::write(path, &bytes[..bytes.len() - 5]).unwrap(),
                _ => fs::write(path, vec![0; bytes.len()]).unwrap(),
            }
            let (log, _) = open_with(dir.path(), 4096);
            let numbers = all(&log, 0).0;
            assert!(numbers.len() < 30 && numbers.is_sorted(), "file {n} state {state}");
            let appended = log.append(&rows(100, 1)).unwrap();
            assert_eq!(appended.stored, 1);
            assert_eq!(all(&log, 0).0.last(), Some(&100), "file {n} state {state}");
            drop(log);
            for (_, path) in super::recover::files(dir.path(), "seg").unwrap() {
                fs::remove_file(path).unwrap();
            }
            fs::remove_file(dir.path().join("position")).unwrap();
        }
    }
    restore();
    fs::write(dir.path().join("notes.txt"), b"x").unwrap();
    fs::write(dir.path().join("12.seg.bak"), b"x").unwrap();
    assert_eq!(all(&open(dir.path()).0, 0).0.len(), 30);
}

#[test]
fn a_position_ahead_of_the_rows_or_damaged_harms_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    log.append(&rows(0, 10)).unwrap();
    log.commit(10).unwrap();
    drop(log);
    fs::remove_file(segments(dir.path()).remove(0)).unwrap();
    let (log, damaged) = open(dir.path());
    assert!(damaged.is_empty());
    log.append(&rows(10, 5)).unwrap();
    assert_eq!(all(&log, log.position()), ((10..15).collect(), vec![]), "numbers are used once");
    log.commit(12).unwrap();
    drop(log);
    for (damage, expected) in [(512, 10), (0, 12), (600, 12)] {
        let path = dir.path().join("position");
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[damage] ^= 1;
        fs::write(&path, &bad).unwrap();
        let (log, _) = open(dir.path());
        assert!([10, 12].contains(&log.position()), "{} {expected}", log.position());
        drop(log);
        fs::write(&path, &good).unwrap();
    }
    fs::write(dir.path().join("position"), b"").unwrap();
    let (log, _) = open(dir.path());
    assert_eq!(log.position(), 0);
    assert_eq!(all(&log, 0).0, (10..15).collect::<Vec<_>>(), "given again, not lost");
}

/// A full disk writes nothing, loses nothing, and the same log goes on when there is space.
#[test]
fn a_full_disk_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open_with(dir.path(), 1024);
    log.append(&rows(0, 20)).unwrap();
    let next = dir.path().join(format!("{:020}.seg", 20));
    std::os::unix::fs::symlink("/dev/full", &next).unwrap();
    let fault = log.append(&rows(20, 20)).unwrap_err();
    assert_eq!(fault.code, "disk_full");
    assert!(!next.exists(), "nothing is left of it");
    assert_eq!(log.append(&rows(20, 20)).unwrap().stored, 20);
    assert_eq!(all(&log, 0), ((0..40).collect(), vec![]));
}

/// The process ends between two steps of a commit: position, ids, deletion.
#[test]
fn a_crash_between_the_steps_of_a_commit_loses_and_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open_with(dir.path(), 4096);
    for first in (0..200).step_by(10) {
        log.append(&rows(first, 10)).unwrap();
    }
    let before = segments(dir.path());
    let bytes: Vec<Vec<u8>> = before.iter().map(|path| fs::read(path).unwrap()).collect();
    log.commit(100).unwrap();
    drop(log);
    let gone: Vec<usize> = (0..before.len()).filter(|n| !before[*n].exists()).collect();
    assert!(gone.len() > 2, "{gone:?}");
    let ids = |n: usize| before[n].with_extension("ids");
    for state in 0..3 {
        for &n in &gone {
            fs::write(&before[n], &bytes[n]).unwrap();
            match state {
                // Only the position is stored.
                0 => fs::remove_file(ids(n)).unwrap_or_default(),
                // The ids are there too; or they were torn, which a rename does not allow.
                1 => {}
                _ => fs::write(ids(n), &fs::read(ids(n)).unwrap_or_default()[..0]).unwrap(),
            }
        }
        let (log, damaged) = open_with(dir.path(), 4096);
        assert_eq!((damaged, log.position()), (vec![], 100), "state {state}");
        assert_eq!(all(&log, 100), ((100..200).collect(), vec![]), "state {state}");
        assert_eq!(log.append(&rows(40, 20)).unwrap().already_stored, 20, "state {state}");
        log.commit(100).unwrap();
        assert!(gone.iter().all(|n| !before[*n].exists()), "deleted by the next commit");
        assert_eq!(log.append(&rows(0, 100)).unwrap().already_stored, 100, "state {state}");
    }
}
