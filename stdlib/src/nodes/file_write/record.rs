//! What is remembered of a file that is written: how long it is, and which rows it holds.

use super::held::Held;
use engine::ctx::Checkpoints;
use engine::fault::{Fault, FaultClass};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Bytes before the end of a file by which it is known again.
const TAIL: usize = 4096;

/// What is remembered: stored with each sync, before anything is acknowledged.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Lengths and sums.
    pub file: Lengths,
    /// The rows in those bytes.
    pub held: Held,
}

/// The first line of a stored record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lengths {
    /// Bytes that were there before this node wrote to it.
    pub begin: u64,
    /// Bytes that are durable and acknowledged.
    pub length: u64,
    /// CRC-32C of the last 4 KiB of them.
    pub tail: u32,
    /// The run has ended well, so no bytes of this node can be behind them.
    pub closed: bool,
}

impl Record {
    fn write(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(&self.file).expect("numbers are JSON");
        bytes.push(b'\n');
        self.held.write(&mut bytes);
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Record> {
        let (line, held) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n')?);
        Some(Record { file: serde_json::from_slice(line).ok()?, held: Held::read(&held[1..])? })
    }
}

/// Where the record of one file is kept.
#[derive(Clone)]
pub struct Memory {
    /// The name of the checkpoint.
    pub key: String,
    /// The file, for messages.
    pub path: String,
    /// The run's checkpoints.
    pub checkpoints: Arc<dyn Checkpoints>,
    /// The run's threads, which the checkpoints may need.
    pub runtime: Handle,
}

impl Memory {
    /// What was stored last.
    pub async fn load(&self) -> Result<Option<Record>, Fault> {
        let Some(bytes) = self.checkpoints.load(&self.key).await? else { return Ok(None) };
        let record = Record::read(&bytes).ok_or_else(|| {
            let message = format!("what is remembered of `{}` cannot be read", self.path);
            Fault::service("checkpoint_unreadable", message)
                .help("give the node another path, or the profile another `dir:`")
        })?;
        Ok(Some(record))
    }

    /// Stores it; durable when it returns. Blocks.
    pub fn store(&self, record: &Record) -> Result<(), Fault> {
        let pairs = vec![(self.key.clone(), Some(record.write()))];
        let stored = self.runtime.block_on(self.checkpoints.store(pairs));
        // The rows are in the file already: a write that is tried again would find them there.
        stored.map_err(|fault| Fault { class: FaultClass::Service, ..fault })
    }
}

/// The last bytes of a file that grows.
#[derive(Clone, Debug, Default)]
pub struct Tail(VecDeque<u8>);

impl Tail {
    /// Of the first `length` bytes of a file.
    pub fn of(file: &File, length: u64) -> std::io::Result<Tail> {
        let last = length.min(TAIL as u64);
        let mut bytes = vec![0; last as usize];
        file.read_exact_at(&mut bytes, length - last)?;
        Ok(Tail(bytes.into()))
    }

    /// These bytes follow.
    pub fn push(&mut self, bytes: &[u8]) {
        let last = &bytes[bytes.len().saturating_sub(TAIL)..];
        let excess = (self.0.len() + last.len()).saturating_sub(TAIL);
        self.0.drain(..excess);
        self.0.extend(last);
    }

    /// The sum of the last 4 KiB.
    pub fn sum(&self) -> u32 {
        let (front, back) = self.0.as_slices();
        crc32c::crc32c_append(crc32c::crc32c(front), back)
    }

    /// Whether lines can follow: nothing is there, or a line has ended.
    pub fn ends_line(&self) -> bool {
        self.0.back().is_none_or(|byte| *byte == b'\n')
    }
}

#[cfg(test)]
mod tests {
    use super::super::held::Span;
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let file = Lengths { begin: 1, length: 700, tail: 9, closed: true };
        let mut record = Record { file, ..Record::default() };
        record.held.add(Span { partition: [10; 16], first: 3, end: 900 });
        let bytes = record.write();
        assert!(bytes.starts_with(br#"{"begin":1,"length":700,"tail":9,"closed":true}"#));
        let read = Record::read(&bytes).unwrap();
        assert_eq!((read.file, read.write()), (record.file, bytes.clone()));
        assert!(Record::read(&bytes[..bytes.len() - 1]).is_none());
        assert!(Record::read(b"{}").is_none());
    }

    #[test]
    fn the_tail_is_that_of_the_whole() {
        let bytes: Vec<u8> = (0..3 * TAIL + 5).map(|n| (n / 7) as u8).collect();
        for step in [1, 1000, TAIL, 2 * TAIL] {
            let mut tail = Tail::default();
            bytes.chunks(step).for_each(|part| tail.push(part));
            assert_eq!(tail.sum(), crc32c::crc32c(&bytes[bytes.len() - TAIL..]), "{step}");
        }
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&bytes, 0).unwrap();
        let end = bytes.len() as u64;
        let mut tail = Tail::of(&file, end - 1).unwrap();
        tail.push(&bytes[bytes.len() - 1..]);
        assert_eq!(tail.sum(), Tail::of(&file, end).unwrap().sum());
        assert!(Tail::of(&file, end + 1).is_err());
        assert_eq!(Tail::of(&file, 0).unwrap().sum(), crc32c::crc32c(b""));
    }
}
