//! The end of a log, as its one writer sees it: frames are gathered, then written and made durable
//! together, then shown to readers.

use super::frame::{self, Header, Source};
use super::log::{self, Log, Segment};
use crate::service::Records;
use crate::service::local::disk;
use engine::failpoint::Failpoints;
use engine::fault::Fault;
use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, PoisonError};

/// A segment that has this many bytes is followed by a new one.
const SEGMENT_BYTES: u64 = 64 << 20;
/// A group of at most so many bytes is followed by [`RESERVE_BYTES`] of zeros …
const SMALL_BYTES: u64 = 64 << 10;
/// … for the next ones to be written over: what lies in blocks that the file has is durable without
/// the journal of the file system, in about half the time.
const RESERVE_BYTES: u64 = 512 << 10;

/// How a tail is written.
#[derive(Clone, Debug)]
pub struct TailOptions {
    /// A segment that has this many bytes is followed by a new one.
    pub segment_bytes: u64,
    /// Where an append may end early.
    pub failpoints: Failpoints,
}

impl Default for TailOptions {
    fn default() -> TailOptions {
        TailOptions { segment_bytes: SEGMENT_BYTES, failpoints: Failpoints::default() }
    }
}

/// The writer's side of a log.
pub struct Tail {
    log: Arc<Log>,
    mark: File,
    /// The file of the last segment; `None` = the next write begins a new one.
    file: Option<File>,
    /// Bytes of the last segment that are durable.
    len: u64,
    /// Bytes of its file: what lies behind `len` are zeros.
    size: u64,
    /// One past the last durable record.
    durable: u64,
    /// As far as the mark says so.
    marked: u64,
    /// One past the last gathered record.
    end: u64,
    buffer: Vec<u8>,
    /// Base offset and place in `buffer` of each gathered frame.
    frames: Vec<(u64, usize)>,
    options: TailOptions,
}

impl Tail {
    /// Goes on at the end of a log that was opened to write.
    pub fn open(log: Arc<Log>, options: &TailOptions) -> Result<Tail, Fault> {
        let mark = log.open_mark()?;
        let end = log.tail.next;
        let (mut file, mut len) = (None, 0);
        if let Some((path, bytes)) = &log.tail.file {
            let open = OpenOptions::new().write(true).open(path);
            file = Some(open.map_err(|error| disk::fault(&error, "open a stream", path))?);
            len = *bytes;
        }
        log.write_mark(&mark, end)?;
        Ok(Tail {
            log,
            mark,
            file,
            len,
            size: len,
            durable: end,
            marked: end,
            end,
            buffer: Vec::new(),
            frames: Vec::new(),
            options: options.clone(),
        })
    }

    /// Gathers the given rows of `records`, as frames. `rows` are positions with their sequence
    /// numbers, in order.
    pub fn gather(&mut self, records: &Records, rows: &[(Range<usize>, u64)], arrival_ns: i64) {
        let mut batch = Batch::default();
        for (range, first) in rows {
            let mut range = range.clone();
            let mut seq = *first;
            while !range.is_empty() {
                let fits = batch.fits(records, &range);
                batch.add(range.start..range.start + fits, seq);
                range.start += fits;
                seq += fits as u64;
                if !range.is_empty() {
                    self.write(records, std::mem::take(&mut batch), arrival_ns);
                }
            }
        }
        if batch.count > 0 {
            self.write(records, batch, arrival_ns);
        }
    }

    fn write(&mut self, records: &Records, batch: Batch, arrival_ns: i64) {
        let header = Header {
            body_crc: 0,
            body_len: 0,
            base: self.end,
            arrival_ns,
            durable: self.durable,
            rows: 0,
            producer: records.producer,
            ranges: batch.ranges,
        };
        let source =
            Source { payloads: &records.payloads, keys: records.keys.as_ref(), rows: &batch.rows };
        self.frames.push((self.end, self.buffer.len()));
        header.write(&source, &mut self.buffer);
        self.end += batch.count as u64;
    }

    /// Bytes that are gathered.
    pub fn gathered(&self) -> usize {
        self.buffer.len()
    }

    /// Writes what is gathered, makes it durable and shows it to readers. After an error the tail
    /// must not be used any more: what the file holds is not known.
    pub fn commit(&mut self) -> Result<(), Fault> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        if self.len >= self.options.segment_bytes {
            self.seal().map_err(|error| {
                disk::fault(&error, &format!("end a segment of {}", self.log.what), &self.log.dir)
            })?;
        }
        let new = self.file.is_none();
        let path = log::segment_path(&self.log.dir, self.durable);
        let doing = |error: std::io::Error| {
            let what = format!("write records {}–{}", self.durable, self.end - 1);
            disk::fault(&error, &format!("{what} of {}", self.log.what), &self.log.dir)
        };
        if new {
            let open = OpenOptions::new().create(true).truncate(true).write(true).open(&path);
            self.file = Some(open.map_err(doing)?);
            (self.len, self.size) = (0, 0);
        }
        let file = self.file.as_ref().expect("opened above");
        let failpoints = &self.options.failpoints;
        failpoints.hit("stream.append.write").map_err(doing)?;
        file.write_all_at(&self.buffer, self.len).map_err(doing)?;
        self.size = reserve(file, self.len, self.buffer.len() as u64, self.size);
        let written = failpoints.hit("stream.append.written");
        if let Err(error) = written.and_then(|()| file.sync_data()) {
            // What is in memory only must not look like a record to the next run.
            let _ = file.set_len(self.len);
            return Err(doing(error));
        }
        if new {
            failpoints.hit("stream.segment.written").map_err(doing)?;
            disk::sync_dir(&self.log.dir)?;
            failpoints.hit("stream.segment.made").map_err(doing)?;
        }
        failpoints.hit("stream.append.synced").map_err(doing)?;
        self.publish(new.then_some(path));
        self.options.failpoints.pass("stream.append.shown")
    }

    /// Notes how far the log is durable, for who opens it after a crash. May lag.
    pub fn mark(&mut self) -> Result<(), Fault> {
        if self.marked < self.durable {
            self.options.failpoints.pass("stream.mark")?;
            self.log.write_mark(&self.mark, self.durable)?;
            self.marked = self.durable;
        }
        Ok(())
    }

    /// Ends the segment: no zeros stay behind its records. Durable, as they would be damage once
    /// another segment follows.
    fn seal(&mut self) -> std::io::Result<()> {
        let Some(file) = self.file.take().filter(|_| self.len < self.size) else { return Ok(()) };
        file.set_len(self.len)?;
        file.sync_all()?;
        self.options.failpoints.hit("stream.segment.sealed")
    }

    fn publish(&mut self, new: Option<std::path::PathBuf>) {
        let mut segments = self.log.segments.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = new {
            segments.push(Segment { path, end: self.durable, len: 0, frames: Vec::new() });
        }
        let segment = segments.last_mut().expect("a commit has a segment");
        let start = self.len;
        let places = self.frames.drain(..).map(|(base, at)| (base, (start + at as u64) as u32));
        segment.frames.extend(places);
        self.len += self.buffer.len() as u64;
        segment.len = self.len;
        segment.end = self.end;
        drop(segments);
        self.log.recent.keep(self.durable..self.end, &self.buffer);
        self.buffer.clear();
        self.durable = self.end;
        self.log.end.send_replace(self.end);
    }
}

impl Drop for Tail {
    /// Leaves no zeros behind the records. Who opens the log next would cut them off too, and must
    /// where a commit has failed.
    fn drop(&mut self) {
        if let Some(file) = self.file.as_ref().filter(|_| self.buffer.is_empty()) {
            let _ = file.set_len(self.len);
        }
    }
}

/// Writes zeros behind `bytes` bytes that were written at `at`, where the next write of that size
/// would go past the end of the file, which was `size`; gives where it ends now.
fn reserve(file: &File, at: u64, bytes: u64, size: u64) -> u64 {
    let end = at + bytes;
    let size = size.max(end);
    if bytes > SMALL_BYTES || end + bytes <= size {
        return size;
    }
    let zeros = vec![0; (end + RESERVE_BYTES - size) as usize];
    match file.write_all_at(&zeros, size) {
        Ok(()) => end + RESERVE_BYTES,
        // A full disk may still have room for the records.
        Err(_) => size,
    }
}

/// The rows of the next frame.
#[derive(Default)]
struct Batch {
    rows: Vec<Range<usize>>,
    ranges: Vec<(u64, u32)>,
    count: usize,
    bytes: usize,
}

impl Batch {
    /// How many of `rows`, from its start, still fit; at least one into an empty batch.
    fn fits(&mut self, records: &Records, rows: &Range<usize>) -> usize {
        let mut fits = 0;
        for row in rows.clone() {
            let key = records.keys.as_ref().map_or(0, |keys| keys.value_length(row));
            let bytes = (records.payloads.value_length(row) + key) as usize;
            let full =
                self.count + fits == frame::ROWS_MAX || self.bytes + bytes > frame::BYTES_MAX;
            if full && self.count + fits > 0 {
                break;
            }
            self.bytes += bytes;
            fits += 1;
        }
        fits
    }

    fn add(&mut self, rows: Range<usize>, seq: u64) {
        if rows.is_empty() {
            return;
        }
        self.count += rows.len();
        match self.ranges.last_mut() {
            Some((first, len)) if *first + u64::from(*len) == seq => *len += rows.len() as u32,
            _ => self.ranges.push((seq, rows.len() as u32)),
        }
        match self.rows.last_mut() {
            Some(last) if last.end == rows.start => last.end = rows.end,
            _ => self.rows.push(rows),
        }
    }
}
