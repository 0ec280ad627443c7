//! The log of one shard: segment files in a directory, and where their frames are.

use super::frame::{Bad, Frame, HEADER, Header, MAGIC};
use super::recent::Recent;
use crate::service::local::disk;
use engine::fault::Fault;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
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
}

/// One segment file.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub path: PathBuf,
    /// One past its last record.
    pub end: u64,
    /// Bytes.
    pub len: u64,
    /// Base offset and place of each frame.
    pub frames: Vec<(u64, u32)>,
}

/// Why a log is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To write: a torn tail is cut off, and what is there is made durable.
    Write,
    /// To look: nothing is changed, and a torn tail is not seen.
    Look,
}

impl Log {
    /// Opens the log in `dir`, made if it is not there, and shows every header to `seen`.
    ///
    /// # Errors
    /// A segment is missing or damaged below what was acknowledged.
    pub fn open(
        dir: &Path,
        what: String,
        purpose: Purpose,
        seen: &mut dyn FnMut(&Header),
    ) -> Result<Log, Fault> {
        if purpose == Purpose::Write {
            disk::make_dir(dir)?;
        }
        let log = Log {
            dir: dir.to_owned(),
            what,
            segments: RwLock::default(),
            end: watch::Sender::new(0),
            recent: Recent::default(),
        };
        // Read before the segments: a run that writes at this moment moves it on.
        let scan = Scan { durable: log.durable_mark(), purpose };
        let paths = log.segment_paths()?;
        let mut segments: Vec<Segment> = Vec::with_capacity(paths.len());
        for (n, (base, path)) in paths.iter().enumerate() {
            let expected = segments.last().map_or(0, |segment| segment.end);
            if *base != expected {
                return Err(log.damaged(expected..*base, path, "a segment file is missing"));
            }
            let last = n + 1 == paths.len();
            segments.push(scan.segment(&log, *base, path, last, seen)?);
        }
        let end = segments.last().map_or(0, |segment| segment.end);
        if end < scan.durable {
            let path = segments.last().map_or(dir, |segment| &segment.path);
            return Err(log.damaged(end..scan.durable, path, "the file is too short"));
        }
        *log.segments.write().unwrap_or_else(PoisonError::into_inner) = segments;
        log.end.send_replace(end);
        Ok(log)
    }

    /// One past the last record that readers may see.
    pub fn end(&self) -> u64 {
        *self.end.borrow()
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

    /// The fault of records that were acknowledged and cannot be read.
    pub(super) fn damaged(&self, rows: std::ops::Range<u64>, path: &Path, why: &str) -> Fault {
        let records = match rows.end.saturating_sub(rows.start) {
            0 => format!("records from {} on", rows.start),
            1 => format!("record {}", rows.start),
            _ => format!("records {} to {}", rows.start, rows.end - 1),
        };
        let (what, path) = (&self.what, path.display());
        let message = format!("{what} is damaged: {records} cannot be read from {path}: {why}");
        Fault::service("stream_damaged", message).help(disk::BEGIN_ANEW)
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

/// How segments are read when a log is opened.
struct Scan {
    /// Offsets below it were durable before the first segment was read.
    durable: u64,
    purpose: Purpose,
}

impl Scan {
    /// Finds the frames of a segment. The tail of the last one may be torn.
    fn segment(
        &self,
        log: &Log,
        base: u64,
        path: &Path,
        last: bool,
        seen: &mut dyn FnMut(&Header),
    ) -> Result<Segment, Fault> {
        let fault = |error: io::Error| disk::fault(&error, "read a stream", path);
        let file = File::open(path).map_err(fault)?;
        let len = file.metadata().map_err(fault)?.len();
        let mut segment = Segment { path: path.to_owned(), end: base, len: 0, frames: Vec::new() };
        while segment.len < len {
            let read = read_frame(&file, segment.len, len, last).map_err(fault)?;
            match read {
                Ok(header) if header.base == segment.end && header.rows > 0 => {
                    seen(&header);
                    segment.frames.push((header.base, segment.len as u32));
                    segment.end = header.end();
                    segment.len += header.frame_len() as u64;
                }
                bad => {
                    self.judge_tail(log, &segment, &file, len, last, bad.err())?;
                    break;
                }
            }
        }
        if last && self.purpose == Purpose::Write {
            let repair = || {
                let file = OpenOptions::new().write(true).open(path)?;
                if segment.len < len {
                    file.set_len(segment.len)?;
                }
                // What a crash left unsynced is acknowledged from now on.
                file.sync_all()
            };
            repair().map_err(|error| disk::fault(&error, "repair a stream", path))?;
            disk::sync_dir(&log.dir)?;
        }
        Ok(segment)
    }

    /// A frame that cannot be read is a torn tail only where nothing behind it was acknowledged.
    fn judge_tail(
        &self,
        log: &Log,
        segment: &Segment,
        file: &File,
        len: u64,
        last: bool,
        bad: Option<Bad>,
    ) -> Result<(), Fault> {
        let why = match bad {
            Some(Bad::Short) => "the file ends inside a frame",
            Some(Bad::Checksum) => "the checksum is wrong",
            None => "the offsets do not follow each other",
        };
        let why = format!("{why} at byte {}", segment.len);
        let mut lost_to = self.durable;
        if self.purpose == Purpose::Write {
            lost_to = lost_to.max(durable_behind(segment, file, len)?);
        }
        if lost_to > segment.end {
            return Err(log.damaged(segment.end..lost_to, &segment.path, &why));
        }
        if !last {
            return Err(log.damaged(segment.end..segment.end, &segment.path, &why));
        }
        Ok(())
    }
}

/// What the frames behind a bad one say was durable before they were written.
fn durable_behind(segment: &Segment, file: &File, len: u64) -> Result<u64, Fault> {
    let fault = |error: io::Error| disk::fault(&error, "read a stream", &segment.path);
    let mut durable = 0;
    let mut at = segment.len + 1;
    let mut block = vec![0; 1 << 20];
    while at < len {
        let read = read_at_most(file, &mut block, at).map_err(fault)?;
        let found = memchr::memmem::find_iter(&block[..read], &MAGIC);
        for place in found {
            let header = read_frame(file, at + place as u64, len, false).map_err(fault)?;
            durable = durable.max(header.map_or(0, |header| header.durable));
        }
        // The mark of a frame may lie across two blocks.
        at += (read.saturating_sub(MAGIC.len() - 1)).max(1) as u64;
    }
    Ok(durable)
}

/// The header of the frame at `at`; with `whole`, its body is verified too.
fn read_frame(file: &File, at: u64, len: u64, whole: bool) -> io::Result<Result<Header, Bad>> {
    let left = len.saturating_sub(at);
    let mut bytes = vec![0; 1024.min(left as usize)];
    let read = read_at_most(file, &mut bytes, at)?;
    bytes.truncate(read);
    let mut header = Header::read(&bytes);
    if header == Err(Bad::Short) && bytes.len() >= HEADER {
        let need = Header::announced_len(&bytes) as u64;
        if need <= left {
            bytes.resize(need as usize, 0);
            let read = read_at_most(file, &mut bytes, at)?;
            bytes.truncate(read);
            header = Header::read(&bytes);
        }
    }
    let header = match header {
        Ok(header) if header.frame_len() as u64 > left => return Ok(Err(Bad::Short)),
        Ok(header) if whole => header,
        other => return Ok(other),
    };
    bytes.resize(header.frame_len(), 0);
    let read = read_at_most(file, &mut bytes, at)?;
    Ok(Frame::read(&bytes[..read]).map(|frame| frame.header))
}

/// Reads until the buffer is full or the file ends.
pub(super) fn read_at_most(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], at + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
