//! A place in a log, and the batches from there on.

use super::codec::{self, Bad};
use super::log::Log;
use super::recover::{Damage, word};
use super::scan;
use crate::service::local::disk;
use crate::service::local::streams::frame::Header;
use arrow_schema::SchemaRef;
use engine::batch::Rows;
use engine::fault::Fault;
use std::fs::{self, File};
use std::io;
use std::sync::Arc;

/// Reads one log in order.
#[derive(Debug)]
pub struct Cursor {
    log: Arc<Log>,
    schema: SchemaRef,
    /// The next row.
    pub next: u64,
    /// The segment that is read, and the place of the next frame in it.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    base: u64,
    file: File,
    at: u64,
}

/// One batch of the log.
#[derive(Debug)]
pub struct Spilled {
    /// Its rows, with the ids that they came with.
    pub rows: Rows,
    /// The number of its first row in the log.
    pub first: u64,
}

/// What a step came to.
#[derive(Debug)]
pub enum Step {
    /// A batch.
    Batch(Spilled),
    /// Rows that cannot be read; the cursor is behind them.
    Damaged(Damage),
    /// Nothing is there yet.
    Nothing,
}

impl Cursor {
    /// A cursor at a position.
    pub fn new(log: Arc<Log>, schema: SchemaRef, next: u64) -> Cursor {
        Cursor { log, schema, next, open: None }
    }

    /// The next batch. Blocks.
    ///
    /// # Errors
    /// The disk cannot be read, or what is there has other columns.
    pub fn step(&mut self) -> Result<Step, Fault> {
        loop {
            let Some(segment) = self.log.segment_of(self.next) else { return Ok(Step::Nothing) };
            let fault = |error: io::Error| disk::fault(&error, "read a buffer", &segment.path);
            if self.open.as_ref().is_none_or(|open| open.base != segment.base) {
                let file = File::open(&segment.path).map_err(fault)?;
                self.open = Some(Open { base: segment.base, file, at: 0 });
            }
            let open = self.open.as_mut().expect("opened above");
            let read = match scan::header(&open.file, open.at, segment.len).map_err(fault)? {
                // The segment ends before its rows do: what is missing was damaged.
                Err(_) if open.at >= segment.len => {
                    return Ok(self.damaged(segment.end, "the file is too short", &segment.path));
                }
                Ok(header) if header.end() <= self.next => {
                    open.at += header.frame_len() as u64;
                    continue;
                }
                read => read,
            };
            let (file, at) = (&open.file, open.at);
            match read {
                Ok(header) if header.base > self.next => {
                    let base = header.base;
                    return Ok(self.damaged(base, "rows are missing", &segment.path));
                }
                Ok(header) => match scan::payload(file, at, &header).map_err(fault)? {
                    Ok(payload) => return self.batch(&header, &payload),
                    Err(bad) => {
                        open.at += header.frame_len() as u64;
                        let why = format!("{} at byte {at}", word(bad));
                        return Ok(self.damaged(header.end(), &why, &segment.path));
                    }
                },
                Err(bad) => {
                    let found = scan::next(file, at + 1, segment.len, self.next).map_err(fault)?;
                    let to = found.as_ref().map_or(segment.end, |(_, header)| header.base);
                    open.at = found.map_or(segment.len, |(place, _)| place);
                    let why = format!("{} at byte {at}", word(bad));
                    return Ok(self.damaged(to, &why, &segment.path));
                }
            }
        }
    }

    fn batch(&mut self, header: &Header, payload: &[u8]) -> Result<Step, Fault> {
        let first = header.base;
        let at = self.open.as_ref().map_or(0, |open| open.at);
        if let Some(open) = &mut self.open {
            open.at += header.frame_len() as u64;
        }
        match codec::decode(payload, &self.schema) {
            Ok(rows) => {
                self.next = header.end();
                Ok(Step::Batch(Spilled { rows, first }))
            }
            Err(Bad::Damaged) => {
                let path = self.log.dir.clone();
                let why = format!("the batch at byte {at} has another form");
                Ok(self.damaged(header.end(), &why, &path))
            }
            Err(Bad::OtherType) => {
                let (dir, rows) = (self.log.dir.display(), self.log.waiting());
                let message = format!(
                    "the buffer in {dir} holds {rows} rows of another type than the flow's"
                );
                Err(Fault::service("spill_type", message).help(
                    "run the flow as it was until the buffer is empty, then change it; or remove \
                     the directory, and the rows in it with it",
                ))
            }
        }
    }

    /// Goes on behind rows that cannot be read; keeps the file that had them.
    fn damaged(&mut self, to: u64, why: &str, path: &std::path::Path) -> Step {
        let rows = self.next..to.max(self.next);
        self.next = rows.end;
        let aside = self.log.dir.join("damaged");
        if let (Some(name), true) = (path.file_name(), path.is_file()) {
            // The rows are told in any case; the file is for who wants to look.
            let _ = fs::create_dir_all(&aside);
            let _ = fs::hard_link(path, aside.join(name));
        }
        Step::Damaged(Damage { rows, why: format!("{why} of {}", path.display()) })
    }
}
