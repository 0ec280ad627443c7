//! Finding the frames of segment files: whole ones, and those behind a part that is damaged.

use super::frame::{Bad, Frame, HEADER, Header, MAGIC};
use super::log::Segment;
use super::lost::LostParts;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What a segment file holds.
pub(super) struct Scanned {
    /// Frames that follow each other, in parts without a gap.
    pub pieces: Vec<Segment>,
    /// Bytes of the file.
    pub len: u64,
    /// Offsets below it were durable before the last frame was written.
    pub durable: u64,
    /// What is wrong first, and at which byte.
    pub bad: Option<(u64, &'static str)>,
}

/// Finds the frames of a file. `whole` verifies bodies too: the file may be torn.
pub(super) fn scan(
    path: &Path,
    whole: bool,
    lost: &LostParts,
    seen: &mut dyn FnMut(&Header),
) -> io::Result<Scanned> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut scanned = Scanned { pieces: Vec::new(), len, durable: 0, bad: None };
    let (mut at, mut end) = (0, 0);
    while at < len {
        let found = read_frame(&file, at, len, whole)?;
        let why = match &found {
            Ok(header) if follows(header, end) => None,
            Ok(_) => Some("the offsets do not follow each other"),
            Err(Bad::Short) => Some("the file ends inside a record"),
            Err(Bad::Checksum) => Some("the checksum is wrong"),
        };
        let header = match (found, why) {
            (Ok(header), None) => header,
            (_, why) => {
                scanned.bad = scanned.bad.or(why.map(|why| (at, why)));
                match next_frame(&file, at + 1, len, end)? {
                    Some(place) => at = place,
                    None => break,
                }
                continue;
            }
        };
        scanned.durable = scanned.durable.max(header.durable);
        end = header.end();
        if !lost.cover(&(header.base..header.end())) {
            seen(&header);
            push(&mut scanned.pieces, path, &header, at);
        }
        at += header.frame_len() as u64;
    }
    Ok(scanned)
}

fn follows(header: &Header, end: u64) -> bool {
    header.rows > 0 && header.base >= end && header.durable <= header.base
}

/// Adds a frame to the last piece, or begins one.
fn push(pieces: &mut Vec<Segment>, path: &Path, header: &Header, at: u64) {
    let goes_on = |piece: &&mut Segment| piece.end == header.base && piece.len == at;
    let frame = (header.base, at as u32);
    let (end, len) = (header.end(), at + header.frame_len() as u64);
    match pieces.last_mut().filter(goes_on) {
        Some(piece) => {
            piece.frames.push(frame);
            (piece.end, piece.len) = (end, len);
        }
        None => pieces.push(Segment { path: path.to_owned(), end, len, frames: vec![frame] }),
    }
}

/// The place of the next whole frame at or behind `at` that may follow `end`.
fn next_frame(file: &File, mut at: u64, len: u64, end: u64) -> io::Result<Option<u64>> {
    let mut block = vec![0; 1 << 20];
    while at < len {
        let read = read_at_most(file, &mut block, at)?;
        for place in memchr::memmem::find_iter(&block[..read], &MAGIC) {
            let place = at + place as u64;
            if read_frame(file, place, len, true)?.is_ok_and(|header| follows(&header, end)) {
                return Ok(Some(place));
            }
        }
        // The mark of a frame may lie across two blocks.
        at += (read.saturating_sub(MAGIC.len() - 1)).max(1) as u64;
    }
    Ok(None)
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
