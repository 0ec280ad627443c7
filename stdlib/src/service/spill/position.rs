//! How far a buffer is read and stored behind: one small file that is written in place, so that a
//! full disk does not stop it. Two slots in turns: one of them is always whole.

use crate::service::local::disk;
use engine::fault::Fault;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
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
    /// What it says.
    pub upto: u64,
}

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
        let slots = slots.chunks_exact(SLOT as usize).filter_map(slot);
        let (number, upto) = slots.max().unwrap_or_default();
        Ok(Position { path, file, number, upto })
    }

    /// Remembers a position, durably.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn store(&mut self, upto: u64) -> Result<(), Fault> {
        let number = self.number + 1;
        let mut slot = [0; 20];
        slot[..8].copy_from_slice(&number.to_le_bytes());
        slot[8..16].copy_from_slice(&upto.to_le_bytes());
        let crc = crc32c::crc32c(&slot[..16]);
        slot[16..].copy_from_slice(&crc.to_le_bytes());
        let written = self.file.write_all_at(&slot, number % 2 * SLOT);
        let written = written.and_then(|()| self.file.sync_data());
        written
            .map_err(|error| disk::fault(&error, "keep the position of a buffer", &self.path))?;
        (self.number, self.upto) = (number, upto);
        Ok(())
    }
}

/// The number and the position of a slot that is whole.
fn slot(bytes: &[u8]) -> Option<(u64, u64)> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    let (upto, rest) = rest.split_first_chunk::<8>()?;
    let (crc, _) = rest.split_first_chunk::<4>()?;
    let number = u64::from_le_bytes(*number);
    (number > 0 && crc32c::crc32c(&bytes[..16]) == u32::from_le_bytes(*crc))
        .then_some((number, u64::from_le_bytes(*upto)))
}
