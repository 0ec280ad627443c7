//! The buffer of a delivery stream, and the objects it becomes.

use std::io::Write;
use std::sync::{Arc, Weak};

use bytes::{Bytes, BytesMut};
use flate2::Compression as Level;
use flate2::write::GzEncoder;

use crate::clock::{Moment, moment};
use crate::firehose::Inner;
use crate::objects::{ObjectStore, StoreError};
use crate::wire;

/// What is buffered at most when nothing can be delivered.
const BUFFER_MAX_BYTES: usize = 128 * 1024 * 1024;
const RETRY_MS: i64 = 5_000;

/// What is done to the bytes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// They stay.
    None,
    /// GZIP, and the key ends with `.gz`.
    Gzip,
}

/// Where objects go, and when.
#[derive(Clone, Debug)]
pub struct Target {
    /// The bucket.
    pub bucket: String,
    /// What the keys begin with; it may have expressions.
    pub prefix: String,
    /// What is done to the bytes.
    pub compression: Compression,
    /// So many bytes are delivered at once.
    pub size_bytes: usize,
    /// After so long what there is is delivered.
    pub interval_ms: i64,
    /// The delivery stream's name, which the keys have.
    pub stream: String,
}

/// What waits for its delivery.
#[derive(Debug)]
pub struct Buffer {
    target: Target,
    bytes: BytesMut,
    since_ms: i64,
    /// Each filling has its number: a timer of one before does nothing.
    turn: u64,
}

impl Buffer {
    /// An empty buffer.
    pub fn new(target: Target) -> Buffer {
        Buffer { target, bytes: BytesMut::new(), since_ms: 0, turn: 0 }
    }

    /// True when there is no place for so many bytes.
    pub fn is_full(&self, bytes: usize) -> bool {
        self.bytes.len() + bytes > BUFFER_MAX_BYTES
    }

    /// Adds a record as it is; `Some` is when a timer has to be set: its turn and time.
    pub fn add(
        &mut self,
        record: &[u8],
        now_ms: i64,
        objects: &dyn ObjectStore,
    ) -> Option<(u64, i64)> {
        let first = self.bytes.is_empty();
        if first {
            self.since_ms = now_ms;
        }
        self.bytes.extend_from_slice(record);
        if self.bytes.len() >= self.target.size_bytes || self.target.interval_ms == 0 {
            // What cannot be delivered stays, for the timer.
            let _ = self.deliver(now_ms, objects);
        }
        let due = first && !self.bytes.is_empty();
        due.then_some((self.turn, now_ms + self.target.interval_ms.max(1)))
    }

    /// Writes what there is as one object.
    pub fn deliver(&mut self, now_ms: i64, objects: &dyn ObjectStore) -> Result<(), StoreError> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let Target { bucket, prefix, compression, stream, .. } = &self.target;
        let key = key(prefix, stream, *compression, self.since_ms, now_ms);
        let body = match compression {
            Compression::None => Bytes::copy_from_slice(&self.bytes),
            Compression::Gzip => gzip(&self.bytes),
        };
        objects.put(bucket, &key, body)?;
        self.bytes.clear();
        self.turn += 1;
        Ok(())
    }

    /// The turn of what is in it; nothing when it is empty.
    pub fn turn(&self) -> Option<u64> {
        (!self.bytes.is_empty()).then_some(self.turn)
    }
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
    // A vector takes everything.
    let _ = encoder.write_all(bytes);
    Bytes::from(encoder.finish().unwrap_or_default())
}

/// `prefix + YYYY/MM/dd/HH/ + <name>-1-YYYY-MM-dd-HH-mm-ss-<uuid>`; the day is that of the oldest
/// record.
fn key(prefix: &str, name: &str, compression: Compression, since_ms: i64, now_ms: i64) -> String {
    let (at, now) = (moment(since_ms), moment(now_ms));
    let folder = match prefix.contains("!{") {
        true => expressions(prefix, at),
        false => format!("{prefix}{:04}/{:02}/{:02}/{:02}/", at.year, at.month, at.day, at.hour),
    };
    let day = format!("{:04}-{:02}-{:02}", now.year, now.month, now.day);
    let time = format!("{:02}-{:02}-{:02}", now.hour, now.minute, now.second);
    let ending = if compression == Compression::Gzip { ".gz" } else { "" };
    format!("{folder}{name}-1-{day}-{time}-{}{ending}", wire::uuid())
}

/// A prefix with `!{timestamp:…}` and `!{firehose:random-string}` replaced.
fn expressions(prefix: &str, at: Moment) -> String {
    let mut out = String::new();
    let mut rest = prefix;
    while let Some((before, after)) = rest.split_once("!{") {
        out.push_str(before);
        let (inner, after) = after.split_once('}').unwrap_or((after, ""));
        rest = after;
        match inner.split_once(':') {
            Some(("timestamp", pattern)) => out.push_str(&dated(pattern, at)),
            Some(("firehose", "random-string")) => out.push_str(&wire::uuid()[..11]),
            _ => out.push_str(inner),
        }
    }
    out + rest
}

/// A pattern of Java's date formats, for its numbers.
fn dated(pattern: &str, at: Moment) -> String {
    let parts = [
        ("yyyy", at.year, 4),
        ("MM", at.month, 2),
        ("dd", at.day, 2),
        ("HH", at.hour, 2),
        ("mm", at.minute, 2),
        ("ss", at.second, 2),
    ];
    let mut out = pattern.replace('\'', "");
    for (name, value, digits) in parts {
        out = out.replace(name, &format!("{value:0digits$}"));
    }
    out
}

/// Waits for a buffer's time and delivers it, unless that has been done; tries again where the
/// bucket refuses.
pub async fn timer(inner: Weak<Inner>, at: (String, String), turn: u64, mut due_ms: i64) {
    loop {
        let Some(shared) = inner.upgrade().map(|inner| inner.shared.clone()) else { return };
        shared.clock.until(due_ms).await;
        let Some(inner) = inner.upgrade() else { return };
        let inner: Arc<Inner> = inner;
        let mut streams = inner.streams();
        let Some(stream) = streams.get_mut(&at) else { return };
        if stream.buffer.turn() != Some(turn) {
            return;
        }
        let now_ms = inner.now_ms();
        if stream.buffer.deliver(now_ms, inner.objects.as_ref()).is_ok() {
            return;
        }
        due_ms = now_ms + RETRY_MS;
    }
}
