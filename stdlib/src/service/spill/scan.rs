//! Finding frames in a segment file, whatever state the file is in.

use crate::service::local::streams::frame::{Bad, Frame, HEADER, Header, MAGIC};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes that are read first at a place: most headers are shorter.
const FIRST: usize = 1024;
/// Bytes that are looked through at once for the next frame.
const BLOCK: usize = 1 << 20;

/// The header at `at` of a file of `len` bytes.
pub fn header(file: &File, at: u64, len: u64) -> io::Result<Result<Header, Bad>> {
    let left = len.saturating_sub(at);
    let mut bytes = read(file, at, FIRST.min(left as usize))?;
    if bytes.len() >= HEADER {
        let need = Header::announced_len(&bytes);
        if need > bytes.len() && need as u64 <= left {
            bytes = read(file, at, need)?;
        }
    }
    Ok(match Header::read(&bytes) {
        Ok(header) if header.frame_len() as u64 > left => Err(Bad::Short),
        Ok(header) if header.rows == 0 => Err(Bad::Checksum),
        other => other,
    })
}

/// The payload of the frame at `at`, verified.
pub fn payload(file: &File, at: u64, header: &Header) -> io::Result<Result<Vec<u8>, Bad>> {
    let bytes = read(file, at, header.frame_len())?;
    Ok(Frame::read(&bytes).map(|frame| frame.payloads(0..1).1.to_vec()))
}

/// The next frame at or behind `at` whose rows begin at `base` or later.
pub fn next(file: &File, mut at: u64, len: u64, base: u64) -> io::Result<Option<(u64, Header)>> {
    while at < len {
        let block = read(file, at, BLOCK.min((len - at) as usize))?;
        for place in memchr::memmem::find_iter(&block, &MAGIC) {
            let place = at + place as u64;
            match header(file, place, len)? {
                Ok(header) if header.base >= base => return Ok(Some((place, header))),
                _ => {}
            }
        }
        // The mark of a frame may lie across two blocks.
        at += (block.len().saturating_sub(MAGIC.len() - 1)).max(1) as u64;
    }
    Ok(None)
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
