//! The log of one buffer: batches of rows appended durably, read in order, deleted when they are
//! stored behind it.
//!
//! Segments hold frames of the same form as those of a local stream. A frame is one batch: its
//! header says whose rows these are and which, its first payload holds them all.

use super::beside;
use super::codec;
use super::position::Position;
use super::recover::{self, Damage, Segment, recover};
use crate::service::local::disk;
use crate::service::local::streams::frame::{Header, ROWS_MAX, Source};
use crate::service::local::streams::seen::Seen;
use arrow_array::{BinaryArray, BooleanArray};
use engine::batch::Rows;
use engine::fault::Fault;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// A segment has at most so many bytes before the next one begins …
const SEGMENT_BYTES_MAX: u64 = 64 << 20;
/// … and at most this part of the whole buffer, so that space is given back in steps.
const SEGMENTS: u64 = 8;
/// Stretches of ids in memory, at most; beyond it the lower half of each partition is forgotten.
const SPANS_MAX: usize = 1 << 20;
/// One write has so many bytes at most …
pub const WRITE_BYTES_MAX: u64 = 8 << 20;
/// … and no more than this part of the buffer.
pub const PARTS: u64 = 16;

/// The log of one buffer. All methods block.
#[derive(Debug)]
pub struct Log {
    /// Where it is.
    pub dir: PathBuf,
    /// Bytes of all segments, at most.
    quota: u64,
    segment_bytes: u64,
    state: Mutex<State>,
    /// One past the last durable row.
    end: watch::Sender<u64>,
    /// How far it is stored behind.
    committed: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    segments: Vec<Segment>,
    /// The file of the last segment; `None` = the next append begins a new one.
    file: Option<File>,
    end: u64,
    seen: Seen,
    position: Position,
    /// Bytes of what is kept beside the segments.
    beside: u64,
    /// Why nothing more can be written: what the file holds is not known.
    broken: Option<Fault>,
}

/// What an append did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Rows that are durable now.
    pub stored: u64,
    /// Rows that were there already.
    pub already_stored: u64,
}

impl Log {
    /// Opens the log in `dir`, made if it is not there. Gives what cannot be read any more.
    ///
    /// # Errors
    /// The disk cannot be read or written; never for the state of the files.
    pub fn open(dir: &Path, quota: u64) -> Result<(Log, Vec<Damage>), Fault> {
        disk::make_dir(dir)?;
        let mut position = Position::open(dir)?;
        let found = recover(dir)?;
        let stored = found.segments.last().map_or(0, |segment| segment.end);
        let skipped = position.skips.last().map_or(0, |skip| skip.end);
        // Segments that are gone were not needed below the position; numbers are not used twice.
        let mut end = stored.max(position.upto).max(position.high).max(skipped);
        let mut damaged = Vec::new();
        // A tail that was there before has its numbers skipped already.
        if let Some(tail) = found.tail.as_ref().filter(|_| skipped <= stored) {
            let from = end;
            end += tail.bytes;
            position.skips.push(from..end);
            position.store(position.upto, end)?;
            let (bytes, at, path) = (tail.bytes, tail.at, tail.path.display());
            let why = format!(
                "{bytes} bytes at byte {at} of {path} are no whole batch: a write that a crash has \
                 broken off, or damage"
            );
            beside::keep_damaged(dir, &tail.path, quota);
            damaged.push(Damage { rows: end..end, why });
        }
        let fits = stored == end;
        let last = found.segments.last().map(|last| {
            let open = OpenOptions::new().write(true).open(&last.path);
            // What a crash has left unsynced is acknowledged from now on: by the rows that come
            // again, and by those behind it.
            let synced = open.and_then(|file| file.sync_all().map(|()| file));
            synced.map_err(|error| disk::fault(&error, "make a buffer durable", &last.path))
        });
        let file = last.transpose()?.filter(|_| fits);
        disk::sync_dir(dir)?;
        let upto = position.upto;
        let state = State {
            file,
            segments: found.segments,
            end,
            seen: found.seen,
            position,
            beside: beside::bytes(dir),
            broken: None,
        };
        let log = Log {
            dir: dir.to_owned(),
            quota,
            segment_bytes: (quota / SEGMENTS).min(SEGMENT_BYTES_MAX),
            state: Mutex::new(state),
            end: watch::Sender::new(end),
            committed: watch::Sender::new(upto),
        };
        Ok((log, damaged))
    }

    /// Told of each append.
    pub fn ends(&self) -> watch::Receiver<u64> {
        self.end.subscribe()
    }

    /// Told of each commit.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.committed.subscribe()
    }

    /// Whether so many more bytes may be written: they fit into what the buffer may take, less 5 %
    /// for what is kept beside the segments, or nothing is in it.
    pub fn has_room(&self, bytes: u64) -> bool {
        let state = self.state();
        let used = state.segments.iter().map(|segment| segment.len).sum::<u64>() + state.beside;
        used + bytes <= self.quota / 20 * 19 || state.position.upto >= state.end
    }

    /// Whether the next write may have to wait for what is read to be stored.
    pub fn is_full(&self) -> bool {
        !self.has_room((self.quota / PARTS).min(WRITE_BYTES_MAX))
    }

    /// How far it is stored behind.
    pub fn position(&self) -> u64 {
        self.state().position.upto
    }

    /// Rows that are in it and not stored behind it yet.
    pub fn waiting(&self) -> u64 {
        let state = self.state();
        state.end.saturating_sub(state.position.upto)
    }

    /// Appends those of the rows that were never appended, [`ROWS_MAX`] at most. They are durable
    /// when it returns, the entry of a new file too.
    ///
    /// # Errors
    /// `disk_full`: nothing was written, and it may be tried again. Any other error is for good.
    pub fn append(&self, rows: &Rows) -> Result<Appended, Fault> {
        assert!(rows.len() <= ROWS_MAX, "cut to its limit");
        let mut state = self.state();
        if let Some(fault) = &state.broken {
            return Err(fault.clone());
        }
        let producer = rows.ids.partition.id;
        let rows_new = state.unknown(rows);
        let mut appended = Appended::default();
        let Some(new) = rows_new else {
            appended.already_stored = rows.len() as u64;
            return Ok(appended);
        };
        appended.stored = new.len() as u64;
        appended.already_stored = (rows.len() - new.len()) as u64;
        let ranges: Vec<(u64, u32)> = new.ids.runs.iter().map(|run| (run.first, run.len)).collect();
        let new = state.in_order(new);
        let frame = frame(&new, &ranges, producer, state.end)?;
        self.write(&mut state, &frame, new.len() as u64)?;
        for (first, len) in ranges {
            state.seen.add(&producer, first, len);
        }
        state.seen.keep(SPANS_MAX);
        self.end.send_replace(state.end);
        Ok(appended)
    }

    fn write(&self, state: &mut State, frame: &[u8], rows: u64) -> Result<(), Fault> {
        let full = state.segments.last().is_none_or(|last| last.len >= self.segment_bytes);
        if full || state.file.is_none() {
            state.file = None;
        }
        let new = state.file.is_none();
        let path = match state.segments.last() {
            Some(last) if !new => last.path.clone(),
            _ => self.dir.join(format!("{:020}.seg", state.end)),
        };
        let at = if new { 0 } else { state.segments.last().map_or(0, |last| last.len) };
        let written = self.write_at(state, &path, at, frame);
        if let Err(error) = written {
            let fault = disk::fault(&error, "write to a buffer", &path);
            let undone = match new {
                true => fs::remove_file(&path).or_else(|error| match error.kind() {
                    std::io::ErrorKind::NotFound => Ok(()),
                    _ => Err(error),
                }),
                false => recover::cut(&path, at),
            };
            if new {
                state.file = None;
            }
            state.broken = broken_by(&fault, undone);
            return Err(state.broken.clone().unwrap_or(fault));
        }
        let end = state.end + rows;
        if new {
            let base = state.end;
            state.segments.push(Segment { path, base, end: base, len: 0 });
        }
        let last = state.segments.last_mut().expect("a write has a segment");
        last.len += frame.len() as u64;
        last.end = end;
        state.end = end;
        Ok(())
    }

    fn write_at(
        &self,
        state: &mut State,
        path: &Path,
        at: u64,
        frame: &[u8],
    ) -> std::io::Result<()> {
        let new = state.file.is_none();
        if new {
            let mut options = OpenOptions::new();
            state.file = Some(options.create(true).truncate(true).write(true).open(path)?);
        }
        let file = state.file.as_ref().expect("opened above");
        file.write_all_at(frame, at)?;
        file.sync_data()?;
        if new { File::open(&self.dir)?.sync_all() } else { Ok(()) }
    }

    /// Everything before row `upto` is stored behind the buffer: remembers it durably, and deletes
    /// what is not needed any more.
    ///
    /// # Errors
    /// The position cannot be written. What cannot be deleted now is deleted later.
    pub fn commit(&self, upto: u64) -> Result<(), Fault> {
        let mut state = self.state();
        if upto > state.position.upto {
            let high = state.end.max(upto);
            state.position.store(upto, high)?;
        }
        while state.segments.len() > 1 && state.segments[0].end <= upto {
            // On a full disk the space comes first: what comes again is stored again at worst.
            let kept = beside::keep_ids(&self.dir, &state.segments[0], self.quota);
            if kept.is_err_and(|fault| fault.code != "disk_full")
                || fs::remove_file(&state.segments[0].path).is_err()
            {
                break;
            }
            state.segments.remove(0);
            state.beside = beside::bytes(&self.dir);
        }
        drop(state);
        self.committed.send_replace(upto);
        Ok(())
    }

    /// Keeps a file that has damage, as far as there is space for it.
    pub(super) fn keep_damaged(&self, path: &Path) {
        beside::keep_damaged(&self.dir, path, self.quota);
        self.state().beside = beside::bytes(&self.dir);
    }

    /// Where row `next` is, or the first behind it.
    pub(super) fn place(&self, next: u64) -> Place {
        let state = self.state();
        match state.segments.iter().find(|segment| segment.end > next) {
            Some(segment) => Place::Segment(segment.clone()),
            None if next >= state.end => Place::End,
            None => match state.skips(next) {
                Ok(to) => Place::Skip(to),
                Err(to) => Place::Gone(to),
            },
        }
    }

    /// One past the numbers from `next` on that no acknowledged row has.
    pub(super) fn skip(&self, next: u64) -> Option<u64> {
        self.state().skips(next).ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a row is.
pub(super) enum Place {
    /// In this segment, or before it.
    Segment(Segment),
    /// Nowhere: no row has a number below this one.
    Skip(u64),
    /// It was behind the last segment, as those below this one.
    Gone(u64),
    /// Nothing is there yet.
    End,
}

impl State {
    /// One past the numbers from `next` on that are skipped; where it is not skipped, the begin of
    /// the next that are, or the end.
    fn skips(&self, next: u64) -> Result<u64, u64> {
        let mut skips = self.position.skips.iter();
        match skips.find(|skip| skip.end > next) {
            Some(skip) if skip.start <= next => Ok(skip.end),
            Some(skip) => Err(skip.start),
            None => Err(self.end),
        }
    }

    /// The rows that were never appended; `None` where all were.
    fn unknown(&self, rows: &Rows) -> Option<Rows> {
        let producer = &rows.ids.partition.id;
        let mut new = Vec::with_capacity(rows.len());
        for run in &rows.ids.runs {
            let mut at = run.first;
            for (first, len) in self.seen.missing(producer, run.first, run.len) {
                new.extend(std::iter::repeat_n(false, (first - at) as usize));
                new.extend(std::iter::repeat_n(true, len as usize));
                at = first + u64::from(len);
            }
            let rest = run.first + u64::from(run.len) - at;
            new.extend(std::iter::repeat_n(false, rest as usize));
        }
        match new.iter().filter(|new| **new).count() {
            0 => None,
            all if all == rows.len() => Some(rows.clone()),
            _ => Some(rows.filter(&BooleanArray::from(new))),
        }
    }

    /// Rows that come behind later ones of their partition get a partition of their own: what
    /// follows relies on the order of a partition.
    fn in_order(&self, mut rows: Rows) -> Rows {
        let partition = &rows.ids.partition;
        let rises = rows
            .ids
            .runs
            .windows(2)
            .all(|two| two[0].first + u64::from(two[0].len) <= two[1].first);
        let first = rows.ids.first().unwrap_or(u64::MAX);
        if !rises || first < self.seen.end(&partition.id) {
            let by = format!("again {}", self.end);
            rows.ids.partition = Arc::new(partition.derive(&by));
        }
        rows
    }
}

/// Why nothing more can be written after a write that has failed; `None` = the file is as before,
/// and the write may be tried again.
fn broken_by(fault: &Fault, undone: std::io::Result<()>) -> Option<Fault> {
    match undone {
        Ok(()) if fault.code == "disk_full" => None,
        Ok(()) => Some(fault.clone()),
        Err(error) => {
            let message =
                format!("{}, and what was written cannot be undone: {error}", fault.message);
            Some(Fault::service("spill_broken", message).help(
                "repair the disk and run again: nothing that was acknowledged is lost, and the \
                 rest is sent again",
            ))
        }
    }
}

/// A frame of one batch. `ranges` and `producer` are what its rows were when they came.
fn frame(
    rows: &Rows,
    ranges: &[(u64, u32)],
    producer: [u8; 16],
    base: u64,
) -> Result<Vec<u8>, Fault> {
    let payload = codec::encode(rows)?;
    if payload.len() > disk_payload_max() {
        let message = format!("a record of {} bytes is too large for a buffer", payload.len());
        return Err(Fault::service("record_too_large", message)
            .help("filter such records out before `spill`: it takes 256 MiB at most"));
    }
    let empty: &[u8] = &[];
    let mut payloads = vec![payload.as_slice()];
    payloads.resize(rows.len(), empty);
    let payloads = BinaryArray::from_iter_values(payloads);
    let header = Header {
        body_crc: 0,
        body_len: 0,
        base,
        arrival_ns: rows.ids.arrival_ns().unwrap_or_default(),
        durable: base,
        rows: 0,
        producer,
        ranges: ranges.to_vec(),
    };
    let all = 0..rows.len();
    let mut bytes = Vec::with_capacity(payload.len() + rows.len() * 6 + 1024);
    header.write(
        &Source { payloads: &payloads, keys: None, rows: std::slice::from_ref(&all) },
        &mut bytes,
    );
    Ok(bytes)
}

fn disk_payload_max() -> usize {
    crate::service::local::streams::refuse::BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_write_that_was_undone_is_tried_again() {
        let full = disk::disk_full("cannot write");
        assert_eq!(broken_by(&full, Ok(())), None);
        let failed = || Err(std::io::Error::other("x"));
        let broken = broken_by(&full, failed()).map(|fault| fault.code);
        assert_eq!(broken.as_deref(), Some("spill_broken"));
        let other = Fault::service("io", "x");
        assert_eq!(broken_by(&other, Ok(())), Some(other));
    }
}
