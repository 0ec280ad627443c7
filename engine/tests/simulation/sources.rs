//! Sources that can send their rows again: a log with partitions, and a file of lines in chunks.
//! What they hold and where they were committed to outlives the process.

use crate::shape::{Shape, SourceKind};
use crate::sinks::text_of;
use crate::truth::Truth;
use arrow_array::RecordBatch;
use async_trait::async_trait;
use engine::batch::{Resume, RowIds};
use engine::ctx::NodeCtx;
use engine::fault::Fault;
use engine::node::{Read, Source, SourceRows};
use engine::sim::Service;
use engine::testing;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// What is outside the process: the log, and the committed positions. A clone is the same.
#[derive(Clone)]
pub struct Feed {
    pub number: usize,
    pub shape: Arc<Shape>,
    pub truth: Truth,
    pub service: Service,
    /// When each row is there, by row.
    pub arrivals: Arc<Vec<Duration>>,
    /// Of a file: where its lines begin, and its end; and its text.
    pub lines: Arc<(Vec<usize>, Vec<u8>)>,
    pub state: Arc<Mutex<Positions>>,
}

#[derive(Default)]
pub struct Positions {
    /// By partition: rows (of a file: lines) before it are settled.
    pub committed: Vec<u64>,
    resume: Option<Arc<Resume>>,
    /// By partition: rows that were handed out in this life, from the start.
    pub read: Vec<u64>,
    /// By partition: where this life began.
    began: Vec<u64>,
    pub ended: bool,
}

impl Feed {
    /// The text of a file with these rows, and where each begins.
    pub fn file(rows: std::ops::Range<u64>) -> (Vec<usize>, Vec<u8>) {
        let (mut starts, mut text) = (Vec::new(), Vec::new());
        for row in rows {
            starts.push(text.len());
            text.extend_from_slice(text_of(row).as_bytes());
            text.push(b'\n');
        }
        starts.push(text.len());
        (starts, text)
    }

    pub fn lock(&self) -> MutexGuard<'_, Positions> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The rows that were handed out and are not committed.
    pub fn uncommitted(&self) -> Vec<u64> {
        let state = self.lock();
        let rows = &self.shape.sources[self.number].rows;
        let parts = rows.iter().enumerate().flat_map(|(partition, rows)| {
            let from = rows.start + state.committed[partition];
            from..rows.start + state.read[partition].max(state.committed[partition])
        });
        parts.collect()
    }

    /// How many rows were handed out in this life.
    pub fn handed_out(&self) -> u64 {
        let state = self.lock();
        state.read.iter().zip(&state.began).map(|(read, began)| read.saturating_sub(*began)).sum()
    }

    /// The process begins anew, at the committed positions.
    pub fn begin(&self) {
        let mut state = self.lock();
        state.read = state.committed.clone();
        state.began = state.committed.clone();
        state.ended = false;
    }

    pub fn open(&self, ctx: &NodeCtx) -> Box<dyn Source> {
        let state = self.lock();
        let resume = state.resume.clone();
        let at = state.committed.clone();
        drop(state);
        let offset = resume.as_ref().map_or(0, |resume| resume.offset as usize);
        Box::new(Reader {
            feed: self.clone(),
            at,
            offset,
            resume,
            max: ctx.run.in_flight_rows_max,
            stopped: false,
            reading: None,
        })
    }

    /// Moves a position on, where it is kept; never back.
    fn commit(&self, partition: usize, upto: u64, resume: Option<Arc<Resume>>) {
        let shape = &self.shape.sources[self.number];
        let upto = match (&shape.kind, &resume) {
            (SourceKind::Lines, Some(resume)) => {
                self.lines.0.partition_point(|start| (*start as u64) < resume.offset) as u64
            }
            (SourceKind::Lines, None) => return,
            _ => upto,
        };
        let mut state = self.lock();
        let from = state.committed[partition];
        if upto <= from {
            return;
        }
        state.committed[partition] = upto;
        state.resume = resume;
        drop(state);
        let first = shape.rows[partition].start;
        self.truth.acknowledged("the position", first + from..first + upto);
    }
}

/// The source's client.
struct Reader {
    feed: Feed,
    /// By partition: rows handed out.
    at: Vec<u64>,
    /// Of a file: bytes handed out.
    offset: usize,
    /// Goes with the next chunk.
    resume: Option<Arc<Resume>>,
    max: u64,
    stopped: bool,
    /// A request that is under way, and what will be read.
    reading: Option<BoxFuture<'static, Result<Next, Fault>>>,
}

#[derive(Clone, Copy)]
enum Next {
    Rows { partition: usize, count: usize },
    Chunk(usize),
    End,
}

impl Reader {
    /// What is there, or when something will be.
    fn next(&self) -> Result<Next, Duration> {
        let feed = &self.feed;
        let shape = &feed.shape.sources[feed.number];
        let now = feed.service.world().now();
        if shape.kind == SourceKind::Lines {
            return self.chunk(now);
        }
        let mut first: Option<Duration> = None;
        let mut oldest: Option<(Duration, Next)> = None;
        for (partition, rows) in shape.rows.iter().enumerate() {
            let from = rows.start + self.at[partition];
            let Some(at) = (from < rows.end).then(|| feed.arrivals[from as usize]) else {
                continue;
            };
            if at > now {
                first = Some(first.map_or(at, |first| first.min(at)));
                continue;
            }
            let most = (rows.end - from).min(shape.read_max as u64);
            let there = |row: &u64| feed.arrivals[*row as usize] <= now;
            let count = (from..from + most).take_while(there).count();
            if oldest.is_none_or(|(oldest, _)| at < oldest) {
                oldest = Some((at, Next::Rows { partition, count }));
            }
        }
        match (oldest, first) {
            (Some((_, next)), _) => Ok(next),
            (None, Some(first)) => Err(first),
            (None, None) => Ok(Next::End),
        }
    }

    fn chunk(&self, now: Duration) -> Result<Next, Duration> {
        let feed = &self.feed;
        let (starts, text) = &*feed.lines;
        if self.offset >= text.len() {
            return Ok(Next::End);
        }
        let line = starts.partition_point(|start| *start <= self.offset) - 1;
        let row = feed.shape.sources[feed.number].rows[0].start + line as u64;
        let at = feed.arrivals[row as usize];
        if at > now {
            return Err(at);
        }
        let most = feed.shape.sources[feed.number].read_max * 7;
        let cut = feed.service.world().draw("chunks", |random, _| random.usize(1..=most));
        Ok(Next::Chunk(cut.min(text.len() - self.offset)))
    }

    fn rows(&mut self, partition: usize, count: usize) -> SourceRows {
        let feed = &self.feed;
        let shape = &feed.shape.sources[feed.number];
        let seq = self.at[partition];
        self.at[partition] += count as u64;
        let end = self.at[partition];
        let first = shape.rows[partition].start;
        let rows = first + seq..first + end;
        let mut state = feed.lock();
        state.read[partition] = state.read[partition].max(end);
        drop(state);
        feed.truth.read(feed.number, rows.clone(), 2 * self.max + shape.read_max as u64);
        let texts: Vec<String> = rows.map(text_of).collect();
        let name = format!("log{}/{partition}", feed.number);
        let arrival_ns = feed.arrivals[(first + seq) as usize].as_nanos() as i64;
        SourceRows {
            columns: testing::payload(&texts).columns,
            ids: testing::ids_at(&name, seq, count, arrival_ns),
            partition: partition as u32,
            end,
            resumed: None,
            reply: None,
        }
    }

    fn bytes(&mut self, count: usize) -> SourceRows {
        let feed = &self.feed;
        let (starts, text) = &*feed.lines;
        let end = self.offset + count;
        let lines = starts.partition_point(|start| *start < end) as u64;
        let mut state = feed.lock();
        state.read[0] = state.read[0].max(lines);
        drop(state);
        let columns: RecordBatch = testing::payload(&[&text[self.offset..end]]).columns;
        let partition = testing::partition(&format!("file{}", feed.number));
        let ids = RowIds::range(partition, self.offset as u64, 1, 0);
        let (partition, resumed, reply) = (0, self.resume.take(), None);
        self.offset = end;
        SourceRows { columns, ids, partition, end: end as u64, resumed, reply }
    }
}

#[async_trait]
impl Source for Reader {
    async fn read(&mut self) -> Result<Read, Fault> {
        if self.stopped && self.reading.is_none() {
            return Ok(Read::End);
        }
        let next = loop {
            if let Some(reading) = &mut self.reading {
                let read = reading.await;
                self.reading = None;
                break read?;
            }
            match self.next() {
                Ok(next) => {
                    let call = self.feed.service.clone();
                    let read = async move { call.call("read", move |_| next).await };
                    self.reading = Some(read.boxed());
                }
                Err(_) if self.stopped => return Ok(Read::End),
                Err(at) => self.feed.service.world().until(at).await,
            }
        };
        Ok(match next {
            Next::Rows { partition, count } => Read::Rows(self.rows(partition, count)),
            Next::Chunk(count) => Read::Rows(self.bytes(count)),
            Next::End => {
                self.feed.lock().ended = true;
                Read::End
            }
        })
    }

    async fn commit(
        &mut self,
        partition: u32,
        upto: u64,
        resume: Option<Arc<Resume>>,
    ) -> Result<(), Fault> {
        let feed = self.feed.clone();
        let commit = move |_: &mut engine::sim::Touch| {
            feed.commit(partition as usize, upto, resume);
        };
        self.feed.service.call("commit", commit).await
    }

    async fn stop(&mut self) -> Result<(), Fault> {
        self.stopped = true;
        Ok(())
    }

    async fn close(&mut self) -> Result<(), Fault> {
        self.feed.service.world().event("closed", &[self.feed.number as u64]);
        Ok(())
    }

    fn one_partition(&self) -> bool {
        self.at.len() == 1
    }
}
