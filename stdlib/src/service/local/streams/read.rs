//! Reading a log by offset: whole frames in large blocks, verified, as columns.

use super::ReadLimits;
use super::frame::Frame;
use super::log::{Log, Segment};
use super::scan::read_at_most;
use crate::service::StreamRows;
use crate::service::local::disk;
use arrow_array::{BinaryArray, StringArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use engine::batch::Run;
use engine::fault::Fault;
use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::PoisonError;

/// Some frames of one segment that lie together.
struct Block {
    path: PathBuf,
    at: u64,
    len: usize,
    rows: Range<u64>,
}

/// A frame that cannot be read.
struct Torn {
    /// Its first record.
    base: u64,
    why: &'static str,
}

/// Columns under construction.
struct Columns {
    payload_ends: Vec<i32>,
    payloads: Vec<u8>,
    key_ends: Vec<i32>,
    keys: Vec<u8>,
    runs: Vec<Run>,
    rows: usize,
}

impl Log {
    /// The records at and after `from`; none where there are none yet, or where all that follow are
    /// lost. Tells `notice` of what cannot be read, and goes on behind it. Blocks.
    ///
    /// # Errors
    /// The segment cannot be read.
    pub fn read(
        &self,
        from: u64,
        limits: ReadLimits,
        notice: &dyn Fn(&str),
    ) -> Result<StreamRows, Fault> {
        loop {
            let mut columns = Columns::new();
            let Some(block) = self.block(from, limits) else { return columns.finish() };
            let mut bytes = vec![0; block.len];
            let read = File::open(&block.path)
                .and_then(|file| read_at_most(&file, &mut bytes, block.at))
                .map_err(|error| disk::fault(&error, "read a stream", &block.path))?;
            match columns.take_all(&bytes[..read], block.rows, from, limits) {
                Err(torn) if columns.rows == 0 => {
                    if let Some(text) = self.lose(torn.base, torn.why)? {
                        notice(&text);
                    }
                }
                _ => return columns.finish(),
            }
        }
    }

    /// The same, without the disk: `None` where memory does not have them. Does not block.
    pub fn read_recent(&self, from: u64, limits: ReadLimits) -> Option<Result<StreamRows, Fault>> {
        self.recent.wanted();
        if from >= self.end() {
            return Some(Columns::new().finish());
        }
        let groups = self.recent.behind(from)?;
        let mut columns = Columns::new();
        for group in groups {
            let from = from.max(group.rows.start);
            match columns.take_all(&group.bytes, group.rows.clone(), from, limits) {
                Ok(true) => {}
                // What memory has lost the disk may have.
                Err(_) if columns.rows == 0 => return None,
                Ok(false) | Err(_) => break,
            }
        }
        Some(columns.finish())
    }

    /// The frames to read for the records from `from` on: at least one frame, and as many more as
    /// the limits allow.
    fn block(&self, from: u64, limits: ReadLimits) -> Option<Block> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        let behind = &segments[segments.partition_point(|segment| segment.end <= from)..];
        let segment: &Segment = behind.iter().find(|segment| !segment.frames.is_empty())?;
        // Where `from` is lost, the first frame behind it.
        let first = segment.frames.partition_point(|(base, _)| *base <= from).saturating_sub(1);
        let (start, at) = segment.frames[first];
        let end_of = |n: usize| segment.frames.get(n + 1).map_or(segment.end, |frame| frame.0);
        let place_after =
            |n: usize| segment.frames.get(n + 1).map_or(segment.len, |frame| u64::from(frame.1));
        let mut last = first;
        while last + 1 < segment.frames.len()
            && end_of(last).saturating_sub(from.max(start)) < limits.rows_max as u64
            && place_after(last + 1) - u64::from(at) <= limits.bytes_max as u64
        {
            last += 1;
        }
        Some(Block {
            path: segment.path.clone(),
            at: u64::from(at),
            len: (place_after(last) - u64::from(at)) as usize,
            rows: start..end_of(last),
        })
    }
}

impl Columns {
    fn new() -> Columns {
        Columns {
            payload_ends: vec![0],
            payloads: Vec::new(),
            key_ends: vec![0],
            keys: Vec::new(),
            runs: Vec::new(),
            rows: 0,
        }
    }

    /// Takes the records from offset `from` on out of frames that lie together and have these
    /// `rows`; false when a limit is reached.
    fn take_all(
        &mut self,
        mut bytes: &[u8],
        rows: Range<u64>,
        from: u64,
        limits: ReadLimits,
    ) -> Result<bool, Torn> {
        // At once: a column that grows by doubling may take twice what it holds, as long as its
        // rows are on their way.
        self.payloads.reserve(bytes.len());
        let mut at = rows.start;
        while self.rows < limits.rows_max && at < rows.end {
            let torn = |why| Torn { base: at, why };
            let frame = Frame::read(bytes).map_err(|_| torn("the checksum is wrong"))?;
            if frame.header.base != at {
                return Err(torn("the offsets do not follow each other"));
            }
            at = frame.header.end();
            if at > from && !self.take(&frame, from.max(frame.header.base), limits) {
                return Ok(false);
            }
            bytes = &bytes[frame.header.frame_len()..];
        }
        Ok(at == rows.end)
    }

    /// Takes the records of a frame from offset `from` on; false when a limit is reached.
    fn take(&mut self, frame: &Frame<'_>, from: u64, limits: ReadLimits) -> bool {
        let skip = (from - frame.header.base) as usize;
        let all = frame.header.rows as usize;
        let mut rows = skip..all.min(skip + limits.rows_max - self.rows);
        let mut bytes = self.payloads.len();
        let (lengths, _) = frame.payloads(rows.clone());
        for (n, length) in lengths.enumerate() {
            bytes += length;
            if bytes > limits.bytes_max && self.rows + n > 0 {
                rows.end = rows.start + n;
                break;
            }
        }
        if rows.is_empty() {
            return false;
        }
        let (lengths, payloads) = frame.payloads(rows.clone());
        extend(&mut self.payload_ends, lengths);
        self.payloads.extend_from_slice(payloads);
        let (lengths, keys) = frame.keys(rows.clone());
        extend(&mut self.key_ends, lengths);
        self.keys.extend_from_slice(keys);
        self.rows += rows.len();
        self.runs.push(frame.run(&rows));
        rows.end == all
    }

    fn finish(self) -> Result<StreamRows, Fault> {
        let offsets = |ends: Vec<i32>| OffsetBuffer::new(ScalarBuffer::from(ends));
        let payloads =
            BinaryArray::new(offsets(self.payload_ends), Buffer::from_vec(self.payloads), None);
        let keys = StringArray::try_new(offsets(self.key_ends), Buffer::from_vec(self.keys), None)
            .map_err(|_| Fault::service("stream_damaged", "a partition key is not UTF-8"))?;
        Ok(StreamRows { payloads, keys, runs: self.runs })
    }
}

fn extend(ends: &mut Vec<i32>, lengths: impl Iterator<Item = usize>) {
    let mut end = *ends.last().expect("it begins with 0");
    for length in lengths {
        end += length as i32;
        ends.push(end);
    }
}
