//! The frame: what one append writes to a segment, checksummed.
//!
//! ```text
//! magic "FLO1" | crc of the rest of the header | crc of the body | length of the body
//! base offset | arrival | first offset not durable when this was written
//! rows | ranges | producer | ranges × (first sequence number, count)
//! body: rows × payload length | rows × key length | payloads | keys
//! ```
//! Numbers are little-endian. The header alone says which records are there and who sent them, so
//! that opening a stream reads headers only.

use super::refuse;
use arrow_array::{BinaryArray, StringArray};
use engine::batch::Run;
use std::ops::Range;

/// Bytes of the header before its ranges.
pub const HEADER: usize = 64;
/// What a frame begins with.
pub const MAGIC: [u8; 4] = *b"FLO1";
/// Rows of a frame at most.
pub const ROWS_MAX: usize = 16_384;
/// Payload and key bytes of a frame at most, except that one record always fits.
pub const BYTES_MAX: usize = 4 << 20;
/// No body is longer: what [`BYTES_MAX`], one record and all lengths take.
const BODY_MAX: usize = BYTES_MAX + refuse::BYTES_MAX + ROWS_MAX * 6;

/// What a frame says before its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// CRC32C of the body.
    pub body_crc: u32,
    /// Bytes of the body.
    pub body_len: u32,
    /// Offset of the first record.
    pub base: u64,
    /// When they arrived, nanoseconds since 1970 UTC.
    pub arrival_ns: i64,
    /// Offsets below this were durable before this frame was written.
    pub durable: u64,
    /// Records.
    pub rows: u32,
    /// Who sent them.
    pub producer: [u8; 16],
    /// The producer's sequence numbers: first and count.
    pub ranges: Vec<(u64, u32)>,
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// They end before the frame does.
    Short,
    /// They are something else, or changed.
    Checksum,
}

/// Records to be written as one frame: some rows of the columns of one append.
pub struct Source<'a> {
    /// Payloads of all rows of the append.
    pub payloads: &'a BinaryArray,
    /// Keys, the same way; `None` = without.
    pub keys: Option<&'a StringArray>,
    /// The rows of this frame.
    pub rows: &'a [Range<usize>],
}

impl Header {
    /// Bytes of the header with its ranges.
    pub fn bytes(&self) -> usize {
        HEADER + self.ranges.len() * 12
    }

    /// Bytes of the whole frame.
    pub fn frame_len(&self) -> usize {
        self.bytes() + self.body_len as usize
    }

    /// The offset after the last record.
    pub fn end(&self) -> u64 {
        self.base + u64::from(self.rows)
    }

    /// What [`Header::bytes`] will be by the unverified number of ranges; `bytes` holds at least
    /// [`HEADER`] bytes.
    pub fn announced_len(bytes: &[u8]) -> usize {
        HEADER + u32_at(bytes, 44) as usize * 12
    }

    /// Reads the header at the start of `bytes`.
    pub fn read(bytes: &[u8]) -> Result<Header, Bad> {
        if bytes.len() < HEADER {
            return Err(Bad::Short);
        }
        if bytes[..4] != MAGIC {
            return Err(Bad::Checksum);
        }
        let (body_len, rows, ranges) = (u32_at(bytes, 12), u32_at(bytes, 40), u32_at(bytes, 44));
        if body_len as usize > BODY_MAX || rows as usize > ROWS_MAX || ranges > rows {
            return Err(Bad::Checksum);
        }
        let len = HEADER + ranges as usize * 12;
        if bytes.len() < len {
            return Err(Bad::Short);
        }
        if crc32c::crc32c(&bytes[8..len]) != u32_at(bytes, 4) {
            return Err(Bad::Checksum);
        }
        let range = |at: usize| (u64_at(bytes, at), u32_at(bytes, at + 8));
        Ok(Header {
            body_crc: u32_at(bytes, 8),
            body_len,
            base: u64_at(bytes, 16),
            arrival_ns: u64_at(bytes, 24) as i64,
            durable: u64_at(bytes, 32),
            rows,
            producer: bytes[48..64].try_into().expect("sixteen bytes"),
            ranges: (0..ranges as usize).map(|n| range(HEADER + n * 12)).collect(),
        })
    }

    /// Appends the frame of `source` to `out`. The fields `body_crc`, `body_len` and `rows` of
    /// `self` are not looked at.
    pub fn write(&self, source: &Source<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + self.bytes(), 0);
        let rows = || source.rows.iter().cloned().flatten();
        let payloads = source.payloads.value_offsets();
        for row in rows() {
            out.extend(((payloads[row + 1] - payloads[row]) as u32).to_le_bytes());
        }
        for row in rows() {
            let length = source.keys.map_or(0, |keys| keys.value_length(row));
            out.extend((length as u16).to_le_bytes());
        }
        for rows in source.rows {
            let (from, to) = (payloads[rows.start] as usize, payloads[rows.end] as usize);
            out.extend_from_slice(&source.payloads.value_data()[from..to]);
        }
        for (keys, rows) in source.keys.iter().flat_map(|k| source.rows.iter().map(move |r| (k, r)))
        {
            let offsets = keys.value_offsets();
            let (from, to) = (offsets[rows.start] as usize, offsets[rows.end] as usize);
            out.extend_from_slice(&keys.value_data()[from..to]);
        }
        let (head, body) = out[start..].split_at_mut(self.bytes());
        assert!(body.len() <= BODY_MAX, "a frame is cut to its limit before it is written");
        head[..4].copy_from_slice(&MAGIC);
        head[8..12].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
        head[12..16].copy_from_slice(&(body.len() as u32).to_le_bytes());
        head[16..24].copy_from_slice(&self.base.to_le_bytes());
        head[24..32].copy_from_slice(&self.arrival_ns.to_le_bytes());
        head[32..40].copy_from_slice(&self.durable.to_le_bytes());
        head[40..44].copy_from_slice(&(rows().count() as u32).to_le_bytes());
        head[44..48].copy_from_slice(&(self.ranges.len() as u32).to_le_bytes());
        head[48..64].copy_from_slice(&self.producer);
        for (n, (first, count)) in self.ranges.iter().enumerate() {
            let at = HEADER + n * 12;
            head[at..at + 8].copy_from_slice(&first.to_le_bytes());
            head[at + 8..at + 12].copy_from_slice(&count.to_le_bytes());
        }
        let crc = crc32c::crc32c(&head[8..]);
        head[4..8].copy_from_slice(&crc.to_le_bytes());
    }
}

/// A whole frame, verified.
pub struct Frame<'a> {
    /// Its header.
    pub header: Header,
    body: &'a [u8],
    payload_bytes: usize,
}

impl<'a> Frame<'a> {
    /// Reads and verifies the frame at the start of `bytes`.
    pub fn read(bytes: &'a [u8]) -> Result<Frame<'a>, Bad> {
        let header = Header::read(bytes)?;
        let body = bytes.get(header.bytes()..header.frame_len()).ok_or(Bad::Short)?;
        if crc32c::crc32c(body) != header.body_crc {
            return Err(Bad::Checksum);
        }
        let rows = header.rows as usize;
        let lengths = body.get(..rows * 6).ok_or(Bad::Checksum)?;
        let (payloads, keys) = lengths.split_at(rows * 4);
        let payload_bytes: usize = (0..rows).map(|row| u32_at(payloads, row * 4) as usize).sum();
        let key_bytes: usize = (0..rows).map(|row| u16_at(keys, row * 2) as usize).sum();
        if rows * 6 + payload_bytes + key_bytes != body.len() {
            return Err(Bad::Checksum);
        }
        Ok(Frame { header, body, payload_bytes })
    }

    /// The records `rows` (by position in the frame) as columns: lengths and bytes.
    pub fn payloads(&self, rows: Range<usize>) -> (impl Iterator<Item = usize>, &'a [u8]) {
        let all = self.header.rows as usize;
        let length = |row: usize| u32_at(self.body, row * 4) as usize;
        let start = all * 6 + (0..rows.start).map(length).sum::<usize>();
        let len: usize = rows.clone().map(length).sum();
        let body = self.body;
        (rows.map(move |row| u32_at(body, row * 4) as usize), &self.body[start..start + len])
    }

    /// Their keys, the same way.
    pub fn keys(&self, rows: Range<usize>) -> (impl Iterator<Item = usize>, &'a [u8]) {
        let all = self.header.rows as usize;
        let body = self.body;
        let length = move |row: usize| u16_at(body, all * 4 + row * 2) as usize;
        let start = all * 6 + self.payload_bytes + (0..rows.start).map(length).sum::<usize>();
        let len: usize = rows.clone().map(length).sum();
        (rows.map(length), &self.body[start..start + len])
    }

    /// The runs of the records `rows`, by position in the frame.
    pub fn run(&self, rows: &Range<usize>) -> Run {
        Run {
            first: self.header.base + rows.start as u64,
            len: rows.len() as u32,
            arrival_ns: self.header.arrival_ns,
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
