//! How far a buffer is read and stored behind: one small file that is written in place, so that a
//! full disk does not stop it. Two slots in turns: one of them is always whole.

use crate::service::local::disk;
use engine::fault::Fault;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes of a slot, a sector: its number, the position, a checksum.
const SLOT: u64 = 512;

/// The file, open.
#[derive(Debug)]
pub struct Position {
    path: PathBuf,
    file: File,
    /// The number of the last write.
    number: u64,
    /// Everything before it is stored behind the buffer.
    pub upto: u64,
    /// No row at or above it had a number at the last write: those below are not given again.
    pub high: u64,
    /// Numbers that no acknowledged row has, in order: those of what a crash has broken off.
    pub skips: Vec<Range<u64>>,
}

/// What a slot says.
#[derive(Debug, Default)]
struct Slot {
    number: u64,
    upto: u64,
    high: u64,
    skips: Vec<Range<u64>>,
}

/// So many skips are remembered; those before them are told as rows that are missing.
const SKIPS_MAX: usize = 16;

impl Position {
    /// Opens the file in `dir`, made if it is not there: then the position is 0, as it is where no
    /// slot is whole.
    ///
    /// # Errors
    /// The file cannot be read or made.
    pub fn open(dir: &Path) -> Result<Position, Fault> {
        let path = dir.join("position");
        let fault = |error| disk::fault(&error, "keep the position of a buffer", &path);
        let mut options = OpenOptions::new();
        let open = options.read(true).write(true).create(true).truncate(false).open(&path);
        let file = open.map_err(fault)?;
        let mut slots = [0; 2 * SLOT as usize];
        let read = match file.read_exact_at(&mut slots, 0) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => None,
            read => Some(read.map_err(fault)?),
        };
        if read.is_none() {
            file.write_all_at(&slots, 0).map_err(fault)?;
            file.sync_all().map_err(fault)?;
            disk::sync_dir(dir)?;
        }
        let Slot { number, upto, high, skips } = newest(&slots);
        Ok(Position { path, file, number, upto, high, skips })
    }

    /// How far the buffer in `dir` is stored behind, as far as can be read; changes nothing.
    pub fn look(dir: &Path) -> u64 {
        let slots = std::fs::read(dir.join("position")).unwrap_or_default();
        newest(&slots).upto
    }

    /// Remembers a position, and that rows have numbers below `high`, durably.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn store(&mut self, upto: u64, high: u64) -> Result<(), Fault> {
        let number = self.number + 1;
        let mut skips = self.skips.clone();
        skips.retain(|skip| skip.end > upto);
        let many = skips.len().saturating_sub(SKIPS_MAX);
        skips.drain(..many);
        let mut slot = Vec::with_capacity(SLOT as usize);
        let words = [number, upto, high, skips.len() as u64];
        let words = words.into_iter().chain(skips.iter().flat_map(|skip| [skip.start, skip.end]));
        words.for_each(|word| slot.extend(word.to_le_bytes()));
        slot.extend(crc32c::crc32c(&slot).to_le_bytes());
        let written = self.file.write_all_at(&slot, number % 2 * SLOT);
        let written = written.and_then(|()| self.file.sync_data());
        written
            .map_err(|error| disk::fault(&error, "keep the position of a buffer", &self.path))?;
        (self.number, self.upto, self.high, self.skips) = (number, upto, high, skips);
        Ok(())
    }
}

fn newest(slots: &[u8]) -> Slot {
    let slots = slots.chunks_exact(SLOT as usize).filter_map(slot);
    slots.max_by_key(|slot| slot.number).unwrap_or_default()
}

/// What a slot says that is whole.
fn slot(bytes: &[u8]) -> Option<Slot> {
    let word = |n: usize| Some(u64::from_le_bytes(bytes.get(n * 8..n * 8 + 8)?.try_into().ok()?));
    let (number, upto, high, count) = (word(0)?, word(1)?, word(2)?, word(3)?);
    let count = usize::try_from(count).ok().filter(|count| *count <= SKIPS_MAX)?;
    let len = (4 + 2 * count) * 8;
    let crc = u32::from_le_bytes(bytes.get(len..len + 4)?.try_into().ok()?);
    if number == 0 || crc32c::crc32c(&bytes[..len]) != crc {
        return None;
    }
    let skips = (0..count).map(|n| Some(word(4 + 2 * n)?..word(5 + 2 * n)?));
    Some(Slot { number, upto, high, skips: skips.collect::<Option<_>>()? })
}
