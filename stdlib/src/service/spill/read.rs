//! `spill.read`: the source that empties a buffer. Only plans of runs have it.

use super::Buffer;
use super::cursor::{Cursor, Spilled, Step};
use super::plan::KEEPS_IDS;
use super::recover::Damage;
use crate::nodes::stream_read::ended;
use crate::service::Services;
use async_trait::async_trait;
use dsl::spec::*;
use engine::batch::{Partition, Resume, RowIds};
use engine::ctx::NodeCtx;
use engine::fault::Fault;
use engine::node::{Read, Source, SourceRows};
use engine::registry::Open;
use engine::schema::arrow_schema;
use engine::summary::Counters;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::watch;

/// What the node says of itself. Not in the list of specs: the language says `spill`.
pub const SPEC: NodeSpec = NodeSpec {
    path: "spill.read",
    summary: "Empties a buffer on disk.",
    kind: NodeKind::Source,
    delivery: Delivery { replays: true, holds_ack: false, idempotent: false },
    ..BLANK
};

/// How a run opens it.
pub fn open(services: Arc<Services>) -> Open {
    Open::Source(Box::new(move |ctx| {
        let services = services.clone();
        Box::pin(async move { Ok(Box::new(Reader::open(&ctx, &services)?) as Box<dyn Source>) })
    }))
}

struct Reader {
    node: String,
    buffer: Arc<Buffer>,
    /// Taken while a read is on a thread for the disk.
    cursor: Option<Cursor>,
    /// The read that is there.
    reading: Option<tokio::task::JoinHandle<(Cursor, Result<Step, Fault>)>>,
    keeps_ids: bool,
    partition: Arc<Partition>,
    /// Numbers behind which the position may go when it has come to them: of rows that cannot be
    /// read, or that never were.
    passed: Vec<Range<u64>>,
    ends: watch::Receiver<u64>,
    feeders_ended: watch::Receiver<bool>,
    stopped: bool,
    log: Arc<dyn Fn(&str) + Send + Sync>,
    counters: Counters,
}

impl Reader {
    fn open(ctx: &NodeCtx, services: &Services) -> Result<Reader, Fault> {
        let buffer = services.spills.of(&ctx.node)?;
        let output = ctx.node.output.as_ref().expect("a source sends something");
        let (log, next) = (buffer.log.clone(), buffer.log.position());
        let name = format!("{}/buffer", ctx.node.id);
        let reader = Reader {
            node: ctx.node.id.clone(),
            cursor: Some(Cursor::new(log, arrow_schema(output), next)),
            reading: None,
            keeps_ids: ctx.node.flag(KEEPS_IDS),
            partition: Arc::new(Partition { id: buffer.id, name }),
            passed: Vec::new(),
            ends: buffer.log.ends(),
            feeders_ended: ctx.feeders_ended.clone(),
            stopped: false,
            log: ctx.run.log.clone(),
            counters: ctx.counters.clone(),
            buffer,
        };
        for damage in reader.buffer.take_damaged() {
            (reader.log)(&format!("{}: {}", reader.node, damage.why));
        }
        Ok(reader)
    }

    /// Says which rows cannot be read any more.
    fn tell(&self, damage: &Damage) {
        let rows = damage.rows.end - damage.rows.start;
        if rows == 0 {
            return;
        }
        self.counters.add("damaged", rows);
        let (first, last) = (damage.rows.start, damage.rows.end - 1);
        let (node, why) = (&self.node, &damage.why);
        let which =
            if rows == 1 { format!("row {first}") } else { format!("rows {first} to {last}") };
        (self.log)(&format!("{node}: {which} of the buffer cannot be read: {why}"));
    }

    /// The next step of the cursor, on a thread for the disk. Cancel-safe.
    async fn step(&mut self) -> Result<Step, Fault> {
        if let Some(mut cursor) = self.cursor.take() {
            self.reading = Some(tokio::task::spawn_blocking(move || {
                let step = cursor.step();
                (cursor, step)
            }));
        }
        let reading = self.reading.as_mut().expect("a read is under way");
        let (cursor, step) = match reading.await {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return Err(Fault::service("closed", "the run has ended")),
        };
        self.reading = None;
        self.cursor = Some(cursor);
        step
    }

    /// Goes on behind rows that nobody can store: at once where nothing before them is in flight.
    async fn pass(&mut self, rows: Range<u64>) -> Result<(), Fault> {
        match self.passed.last_mut() {
            Some(last) if last.end == rows.start => last.end = rows.end,
            _ => self.passed.push(rows),
        }
        let position = self.buffer.log.position();
        let upto = over(&mut self.passed, position);
        if upto > position {
            let log = self.buffer.log.clone();
            super::blocking(move || log.commit(upto)).await?;
        }
        Ok(())
    }

    fn rows(&self, spilled: Spilled) -> SourceRows {
        let Spilled { rows, first } = spilled;
        let len = rows.len();
        let ids = match self.keeps_ids {
            true => rows.ids,
            false => {
                let arrival_ns = rows.ids.arrival_ns().unwrap_or_default();
                RowIds::range(self.partition.clone(), first, len, arrival_ns)
            }
        };
        let end = first + len as u64;
        SourceRows { columns: rows.columns, ids, partition: 0, end, resumed: None, reply: None }
    }
}

#[async_trait]
impl Source for Reader {
    async fn read(&mut self) -> Result<Read, Fault> {
        loop {
            if self.stopped {
                return Ok(Read::End);
            }
            // Both are asked before the step: what comes later is seen by the wait.
            let last = *self.feeders_ended.borrow();
            self.ends.borrow_and_update();
            match self.step().await? {
                Step::Batch(spilled) => return Ok(Read::Rows(self.rows(spilled))),
                Step::Damaged(damage) => {
                    self.tell(&damage);
                    self.pass(damage.rows).await?;
                }
                Step::Skipped(rows) => self.pass(rows).await?,
                Step::Nothing if last => return Ok(Read::End),
                Step::Nothing => tokio::select! {
                    biased;
                    changed = self.ends.changed() => assert!(changed.is_ok(), "the log is held"),
                    () = ended(&mut self.feeders_ended) => {}
                },
            }
        }
    }

    async fn commit(&mut self, _: u32, upto: u64, _: Option<Arc<Resume>>) -> Result<(), Fault> {
        let (log, upto) = (self.buffer.log.clone(), over(&mut self.passed, upto));
        super::blocking(move || log.commit(upto)).await
    }

    async fn stop(&mut self) -> Result<(), Fault> {
        self.stopped = true;
        Ok(())
    }

    fn waits_for_settling(&self) -> bool {
        self.buffer.log.is_full()
    }

    fn one_partition(&self) -> bool {
        !self.keeps_ids
    }
}

/// A position moved over what is passed; that is taken off.
fn over(passed: &mut Vec<Range<u64>>, mut upto: u64) -> u64 {
    passed.retain(|rows| {
        let reached = rows.start <= upto;
        if reached {
            upto = upto.max(rows.end);
        }
        !reached
    });
    upto
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_goes_over_damage_when_it_has_come_to_it() {
        let mut passed = vec![10..20, 30..40, 40..45];
        assert_eq!((over(&mut passed, 5), passed.len()), (5, 3));
        assert_eq!((over(&mut passed, 10), passed.len()), (20, 2));
        assert_eq!((over(&mut passed, 30), passed.len()), (45, 0));
    }
}
