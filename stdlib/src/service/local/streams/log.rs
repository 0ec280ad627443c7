//! The log of one shard: segment files in a directory, and where their frames are.

use super::frame::Header;
use super::lost::{Lost, LostParts};
use super::recent::Recent;
use super::scan::{Scanned, read_at_most, scan};
use crate::service::local::disk;
use engine::fault::Fault;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};
use tokio::sync::watch;

/// A shard's log. Readers may use it from any thread while its one writer appends.
#[derive(Debug)]
pub struct Log {
    /// Where it is.
    pub dir: PathBuf,
    /// For messages: `stream `APIData` shard 0`.
    pub what: String,
    pub(super) segments: RwLock<Vec<Segment>>,
    pub(super) end: watch::Sender<u64>,
    pub(super) recent: Recent,
    pub(super) lost: Mutex<LostParts>,
    purpose: Purpose,
    /// Where the writer goes on.
    pub(super) tail: TailPlace,
}

/// Where the writer of a log goes on.
#[derive(Clone, Debug, Default)]
pub(super) struct TailPlace {
    /// The offset of the next record.
    pub next: u64,
    /// The segment that it goes to, and its bytes; `None` = a new one.
    pub file: Option<(PathBuf, u64)>,
}

/// Parts that are told at once.
const TOLD_MAX: usize = 10;
/// How far behind a part whose end is not known the log goes on: more than rows that a run has in
/// flight, whose offsets batches and readers may remember.
const SKIP: u64 = 1 << 20;

/// One segment file, or a part of one whose offsets have no gap.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub path: PathBuf,
    /// One past its last record.
    pub end: u64,
    /// Where its last frame ends, in bytes of the file.
    pub len: u64,
    /// Base offset and place of each frame.
    pub frames: Vec<(u64, u32)>,
}

/// The file of the segment that begins with this record.
pub(super) fn segment_path(dir: &Path, base: u64) -> PathBuf {
    dir.join(format!("{base:020}.seg"))
}

/// Why a log is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To write: a torn tail is cut off, and what is there is made durable.
    Write,
    /// To look: nothing is changed, and a torn tail is not seen.
    Look,
}

impl Log {
    /// Opens the log in `dir`, made if it is not there, and shows every header to `seen`. What is
    /// damaged or missing is noted, and all else is served. Some reader has come as far as
    /// `position`.
    ///
    /// # Errors
    /// The directory cannot be read or written.
    pub fn open(
        dir: &Path,
        what: String,
        purpose: Purpose,
        position: u64,
        seen: &mut dyn FnMut(&Header),
    ) -> Result<Log, Fault> {
        if purpose == Purpose::Write {
            disk::make_dir(dir)?;
        }
        let mut log = Log {
            dir: dir.to_owned(),
            what,
            segments: RwLock::default(),
            end: watch::Sender::new(0),
            recent: Recent::default(),
            lost: Mutex::new(LostParts::read(dir)),
            purpose,
            tail: TailPlace::default(),
        };
        // Read before the segments: a run that writes at this moment moves it on.
        let durable = log.durable_mark().max(position);
        let files = log.scan_all(seen)?;
        let durable = files.iter().map(|(_, file)| file.durable).fold(durable, u64::max);
        let segments = log.join(&files, durable)?;
        if purpose == Purpose::Write {
            log.repair(&files, &segments, durable)?;
        }
        let end = segments.last().map_or(0, |segment| segment.end);
        *log.segments.write().unwrap_or_else(PoisonError::into_inner) = segments;
        log.end.send_replace(end);
        Ok(log)
    }

    /// One past the last record that readers may see.
    pub fn end(&self) -> u64 {
        *self.end.borrow()
    }

    /// What is known to be lost, a sentence each; of many parts the last.
    pub fn told(&self) -> Vec<String> {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = lost.parts.iter().filter(|part| part.end > part.first);
        let told: Vec<String> = parts.map(|part| part.notice(&self.what)).collect();
        told[told.len().saturating_sub(TOLD_MAX)..].to_vec()
    }

    /// All segment files, by name.
    fn scan_all(&self, seen: &mut dyn FnMut(&Header)) -> Result<Vec<(PathBuf, Scanned)>, Fault> {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let paths = self.segment_paths()?;
        let count = paths.len();
        let mut files = Vec::with_capacity(count);
        for (n, (_, path)) in paths.into_iter().enumerate() {
            let scanned = scan(&path, n + 1 == count, &lost, seen)
                .map_err(|error| disk::fault(&error, "read a stream", &path))?;
            files.push((path, scanned));
        }
        Ok(files)
    }

    /// The parts of all files in order of their offsets; notes the gaps between them. What is not
    /// known to have been `durable` is torn, not lost.
    fn join(&mut self, files: &[(PathBuf, Scanned)], durable: u64) -> Result<Vec<Segment>, Fault> {
        let mut pieces: Vec<Segment> =
            files.iter().flat_map(|(_, scanned)| scanned.pieces.iter().cloned()).collect();
        pieces.sort_by_key(|piece| piece.frames.first().map(|(base, _)| *base));
        let mut segments: Vec<Segment> = Vec::with_capacity(pieces.len());
        let mut found = Vec::new();
        for piece in pieces {
            let (end, base) = (segments.last().map_or(0, |last| last.end), piece.frames[0].0);
            if base < end {
                // A copy of what is there.
                continue;
            }
            if base > end {
                if durable <= end {
                    break;
                }
                found.push((end, base.min(durable), base));
            }
            segments.push(piece);
        }
        let end = segments.last().map_or(0, |last| last.end);
        if end < durable {
            found.push((end, durable, durable + SKIP));
        }
        self.note(files, found)?;
        Ok(segments)
    }

    /// Notes what is found to be lost: first, one past the last, and where the log goes on.
    fn note(
        &mut self,
        files: &[(PathBuf, Scanned)],
        found: Vec<(u64, u64, u64)>,
    ) -> Result<(), Fault> {
        let lost = self.lost.get_mut().unwrap_or_else(PoisonError::into_inner);
        let known = lost.parts.len();
        for (first, end, next) in found {
            if lost.cover(&(first..end)) {
                continue;
            }
            let bad = files.iter().rfind(|(_, scanned)| {
                let starts = scanned.pieces.first().map_or(0, |piece| piece.frames[0].0);
                scanned.bad.is_some() && starts <= end
            });
            let (path, why) = match bad {
                Some((path, Scanned { bad: Some((at, why)), .. })) => {
                    (path.clone(), format!("{why} at byte {at}"))
                }
                _ => (self.dir.clone(), "a segment file is missing or too short".to_owned()),
            };
            lost.add(Lost { first, end, next, path, why });
        }
        if lost.parts.len() > known && self.purpose == Purpose::Write {
            lost.write(&self.dir)?;
        }
        Ok(())
    }

    /// Decides where the writer goes on; cuts a torn tail off, and makes durable what is left.
    fn repair(
        &mut self,
        files: &[(PathBuf, Scanned)],
        segments: &[Segment],
        durable: u64,
    ) -> Result<(), Fault> {
        let end = segments.last().map_or(0, |segment| segment.end);
        let lost = self.lost.get_mut().unwrap_or_else(PoisonError::into_inner);
        let next = lost.next_behind(end);
        let last = segments.last().zip(files.last());
        let same = last.filter(|(segment, (path, _))| segment.path == *path);
        let Some((segment, (path, scanned))) = same.filter(|_| next.is_none()) else {
            // The name of the next segment must not be that of a file which holds something.
            let name = segment_path(&self.dir, end);
            let taken = files.iter().any(|(path, file)| *path == name && !file.pieces.is_empty());
            let next = next.unwrap_or(if taken { end + SKIP } else { end });
            if taken && lost.next_behind(end).is_none() {
                let why = "a segment file has the name of another".to_owned();
                lost.add(Lost { first: end, end, next, path: name, why });
                lost.write(&self.dir)?;
            }
            self.tail = TailPlace { next, file: None };
            return Ok(());
        };
        let unsure = segment.frames.iter().find(|(base, _)| *base >= durable);
        let from = unsure.map_or(segment.len, |(_, at)| u64::from(*at));
        let repair = || {
            let file = OpenOptions::new().read(true).write(true).open(path)?;
            if segment.len < scanned.len {
                file.set_len(segment.len)?;
            }
            // What was not synced for certain is written again: a sync that has failed before may
            // have left it in memory as if it were on the disk.
            let mut bytes = vec![0; (segment.len - from) as usize];
            let read = read_at_most(&file, &mut bytes, from)?;
            file.write_all_at(&bytes[..read], from)?;
            // What a crash left unsynced is acknowledged from now on.
            file.sync_all()
        };
        repair().map_err(|error| disk::fault(&error, "repair a stream", path))?;
        disk::sync_dir(&self.dir)?;
        self.tail = TailPlace { next: end, file: Some((path.clone(), segment.len)) };
        Ok(())
    }

    /// The frame that begins with record `base` cannot be read: it is noted, and what is behind it
    /// is served. Gives the notice; `None` where it was known.
    ///
    /// # Errors
    /// It cannot be noted.
    pub(super) fn lose(&self, base: u64, why: &str) -> Result<Option<String>, Fault> {
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        let found = segments.iter().enumerate().find_map(|(n, segment)| {
            let frame = segment.frames.iter().position(|(first, _)| *first == base)?;
            Some((n, frame))
        });
        let Some((n, frame)) = found else { return Ok(None) };
        let mut left = segments[n].clone();
        let behind = left.frames.split_off(frame + 1);
        let end = behind.first().map_or(left.end, |(first, _)| *first);
        let at = left.frames.pop().map_or(0, |(_, at)| at);
        let path = left.path.clone();
        let right = Segment { frames: behind, ..left.clone() };
        (left.end, left.len) = (base, u64::from(at));
        let last = n + 1 == segments.len();
        let parts = [left, right].into_iter().enumerate();
        // The writer goes on at the end of the last part, even if nothing is left of it.
        let parts = parts.filter(|(side, part)| !part.frames.is_empty() || (last && *side == 1));
        segments.splice(n..=n, parts.map(|(_, part)| part).collect::<Vec<_>>());
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let part = Lost { first: base, end, next: end, path, why: format!("{why} at byte {at}") };
        let notice = part.notice(&self.what);
        lost.add(part);
        if self.purpose == Purpose::Write {
            lost.write(&self.dir)?;
        }
        Ok(Some(notice))
    }

    fn segment_paths(&self) -> Result<Vec<(u64, PathBuf)>, Fault> {
        let fault = |error: io::Error| disk::fault(&error, "list segments", &self.dir);
        let mut paths = Vec::new();
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(paths),
            entries => entries.map_err(fault)?,
        };
        for entry in entries {
            let path = entry.map_err(fault)?.path();
            let base = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".seg"));
            if let Some(base) = base.and_then(|digits| digits.parse::<u64>().ok()) {
                paths.push((base, path));
            }
        }
        paths.sort();
        Ok(paths)
    }

    fn mark_path(&self) -> PathBuf {
        self.dir.join("durable")
    }

    /// Offsets below it were durable for certain; it may lag.
    fn durable_mark(&self) -> u64 {
        let Ok(bytes) = fs::read(self.mark_path()) else { return 0 };
        match bytes.get(..12) {
            Some(mark) if crc32c::crc32c(&mark[..8]).to_le_bytes() == mark[8..] => {
                u64::from_le_bytes(mark[..8].try_into().expect("eight bytes"))
            }
            _ => 0,
        }
    }

    /// Opens the file that keeps the mark.
    pub(super) fn open_mark(&self) -> Result<File, Fault> {
        let path = self.mark_path();
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        open.map_err(|error| disk::fault(&error, "open a stream", &path))
    }

    /// Writes the mark, without waiting for the disk.
    pub(super) fn write_mark(&self, file: &File, durable: u64) -> Result<(), Fault> {
        let mut mark = [0; 12];
        mark[..8].copy_from_slice(&durable.to_le_bytes());
        let crc = crc32c::crc32c(&mark[..8]);
        mark[8..].copy_from_slice(&crc.to_le_bytes());
        file.write_all_at(&mark, 0)
            .map_err(|error| disk::fault(&error, "write to a stream", &self.mark_path()))
    }
}
