//! Finding frames in a segment file, whatever state the file is in.

use crate::service::local::streams::frame::{self, Frame, HEADER, Header, MAGIC};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes that are read first at a place: most headers are shorter.
const FIRST: usize = 1024;
/// Bytes that are looked through at once for the next frame …
const BLOCK: usize = 1 << 20;
/// … and where the disk cannot read them all.
const PAGE: usize = 4096;

/// What is wrong with a frame.
#[derive(Debug)]
pub enum Bad {
    /// The file ends inside it.
    Short,
    /// It is not what was written.
    Checksum,
    /// The disk does not give it.
    Unreadable(io::Error),
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bad::Short => f.write_str("the file ends inside a frame"),
            Bad::Checksum => f.write_str("the checksum is wrong"),
            Bad::Unreadable(error) => write!(f, "the disk cannot read it ({error})"),
        }
    }
}

impl From<frame::Bad> for Bad {
    fn from(bad: frame::Bad) -> Bad {
        match bad {
            frame::Bad::Short => Bad::Short,
            frame::Bad::Checksum => Bad::Checksum,
        }
    }
}

/// The header at `at` of a file of `len` bytes.
pub fn header(file: &File, at: u64, len: u64) -> Result<Header, Bad> {
    let left = len.saturating_sub(at);
    let mut bytes = read(file, at, FIRST.min(left as usize)).map_err(Bad::Unreadable)?;
    if bytes.len() >= HEADER {
        let need = Header::announced_len(&bytes);
        if need > bytes.len() && need as u64 <= left {
            bytes = read(file, at, need).map_err(Bad::Unreadable)?;
        }
    }
    match Header::read(&bytes)? {
        header if header.frame_len() as u64 > left => Err(Bad::Short),
        header if header.rows == 0 => Err(Bad::Checksum),
        header => Ok(header),
    }
}

/// The payload of the frame at `at`, verified.
pub fn payload(file: &File, at: u64, header: &Header) -> Result<Vec<u8>, Bad> {
    let bytes = read(file, at, header.frame_len()).map_err(Bad::Unreadable)?;
    Ok(Frame::read(&bytes)?.payloads(0..1).1.to_vec())
}

/// The next frame at or behind `at` whose rows begin at `base` or later. What the disk cannot read
/// is passed by.
pub fn next(file: &File, mut at: u64, len: u64, base: u64) -> Option<(u64, Header)> {
    let mut wanted = BLOCK;
    while at < len {
        let block = match read(file, at, wanted.min((len - at) as usize)) {
            Ok(block) => block,
            Err(_) if wanted > PAGE => {
                wanted = PAGE;
                continue;
            }
            Err(_) => {
                at = (at / PAGE as u64 + 1) * PAGE as u64;
                continue;
            }
        };
        for place in memchr::memmem::find_iter(&block, &MAGIC) {
            let place = at + place as u64;
            match header(file, place, len) {
                Ok(header) if header.base >= base => return Some((place, header)),
                _ => {}
            }
        }
        // The mark of a frame may lie across two blocks.
        at += (block.len().saturating_sub(MAGIC.len() - 1)).max(1) as u64;
        wanted = BLOCK;
    }
    None
}

/// `wanted` bytes from `at` on, fewer where the file ends.
pub fn read(file: &File, at: u64, wanted: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; wanted];
    let mut done = 0;
    while done < wanted {
        match file.read_at(&mut bytes[done..], at + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}
