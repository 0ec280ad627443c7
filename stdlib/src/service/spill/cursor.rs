//! A place in a log, and the batches from there on.

use super::codec::{self, Bad};
use super::log::{Log, Place};
use super::recover::Damage;
use super::scan;
use crate::service::local::disk;
use crate::service::local::streams::frame::Header;
use arrow_schema::SchemaRef;
use engine::batch::Rows;
use engine::fault::Fault;
use std::fs::File;
use std::io;
use std::ops::Range;
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
    /// Numbers that no acknowledged row has; the cursor is behind them.
    Skipped(Range<u64>),
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
            let segment = match self.log.place(self.next) {
                Place::Segment(segment) => segment,
                Place::Skip(to) => return Ok(self.skipped(to)),
                Place::Gone(to) => {
                    let dir = self.log.dir.clone();
                    return Ok(self.damaged(to, "rows are missing at the end", &dir));
                }
                Place::End => return Ok(Step::Nothing),
            };
            if self.open.as_ref().is_none_or(|open| open.base != segment.base) {
                let file = match File::open(&segment.path) {
                    Ok(file) => file,
                    Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                        return Err(disk::fault(&error, "read a buffer", &segment.path));
                    }
                    Err(error) => {
                        let why = format!("the file cannot be opened ({error})");
                        return Ok(self.damaged(segment.end, &why, &segment.path));
                    }
                };
                self.open = Some(Open { base: segment.base, file, at: 0 });
            }
            let open = self.open.as_mut().expect("opened above");
            let at = open.at;
            match scan::header(&open.file, at, segment.len) {
                // The segment ends before its rows do: what is missing was damaged.
                Err(_) if at >= segment.len => {
                    return Ok(self.damaged(segment.end, "the file is too short", &segment.path));
                }
                Ok(header) if header.end() <= self.next => {
                    open.at += header.frame_len() as u64;
                }
                Ok(header) if header.base > self.next => {
                    return Ok(match self.log.skip(self.next) {
                        Some(to) => self.skipped(to.min(header.base)),
                        None => self.damaged(header.base, "rows are missing", &segment.path),
                    });
                }
                Ok(header) => match scan::payload(&open.file, at, &header) {
                    Ok(payload) => return self.batch(&header, &payload),
                    Err(bad) => {
                        open.at += header.frame_len() as u64;
                        let why = format!("{bad} at byte {at}");
                        return Ok(self.damaged(header.end(), &why, &segment.path));
                    }
                },
                Err(bad) => {
                    let found = scan::next(&open.file, at + 1, segment.len, self.next);
                    let to = found.as_ref().map_or(segment.end, |(_, header)| header.base);
                    open.at = found.map_or(segment.len, |(place, _)| place);
                    let why = format!("{bad} at byte {at}");
                    return Ok(self.damaged(to, &why, &segment.path));
                }
            }
        }
    }

    fn skipped(&mut self, to: u64) -> Step {
        let from = std::mem::replace(&mut self.next, to);
        Step::Skipped(from..to)
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
        self.log.keep_damaged(path);
        Step::Damaged(Damage { rows, why: format!("{why} of {}", path.display()) })
    }
}
