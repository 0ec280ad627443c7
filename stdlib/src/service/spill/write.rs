//! `spill.write`: the sink that fills a buffer. Only plans of runs have it.

use super::Buffer;
use super::log::{Log, PARTS, WRITE_BYTES_MAX};
use crate::service::Services;
use crate::service::local::streams::frame::ROWS_MAX;
use async_trait::async_trait;
use dsl::spec::*;
use engine::batch::{Rows, rows_bytes};
use engine::ctx::{Clock, NodeCtx};
use engine::fault::Fault;
use engine::node::{Sink, SinkLimits, Written};
use engine::registry::Open;
use engine::summary::Counters;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the node says of itself. Not in the list of specs: the language says `spill`.
pub const SPEC: NodeSpec = NodeSpec {
    path: "spill.write",
    summary: "Fills a buffer on disk.",
    kind: NodeKind::Sink,
    delivery: Delivery { replays: false, holds_ack: false, idempotent: true },
    ..BLANK
};

/// A full disk is tried again so often.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// A notice comes at most so often.
const NOTICE_EVERY_NS: i64 = 30_000_000_000;

/// How a run opens it.
pub fn open(services: Arc<Services>) -> Open {
    Open::Sink(Box::new(move |ctx| {
        let services = services.clone();
        Box::pin(async move { Ok(Box::new(Write::open(&ctx, &services)?) as Box<dyn Sink>) })
    }))
}

struct Write {
    node: String,
    buffer: Arc<Buffer>,
    size: u64,
    clock: Arc<dyn Clock>,
    log: Arc<dyn Fn(&str) + Send + Sync>,
    counters: Counters,
    /// When the next notice may come.
    told_ns: Mutex<i64>,
}

impl Write {
    fn open(ctx: &NodeCtx, services: &Services) -> Result<Write, Fault> {
        let buffer = services.spills.of(&ctx.node)?;
        let flow = format!("{}~", ctx.plan.flows[ctx.node.flow].name);
        for (name, rows) in &services.spills.others {
            if name.starts_with(&flow) {
                (ctx.run.log)(&format!(
                    "buffer `{name}` holds {rows} rows of a branch that the flow does not have \
                     any more: put the branch back to have them delivered"
                ));
            }
        }
        Ok(Write {
            node: ctx.node.id.clone(),
            buffer,
            size: ctx.node.size("size"),
            clock: ctx.run.clock.clone(),
            log: ctx.run.log.clone(),
            counters: ctx.counters.clone(),
            told_ns: Mutex::new(i64::MIN),
        })
    }

    /// Waits until so many bytes fit.
    async fn room(&self, bytes: u64) {
        let mut commits = self.buffer.log.commits();
        while !self.buffer.log.has_room(bytes) {
            self.tell("is full: the branch waits, and nothing is dropped");
            if commits.changed().await.is_err() {
                return;
            }
        }
    }

    fn tell(&self, what: &str) {
        let now_ns = self.clock.now_ns();
        let mut told_ns = self.told_ns.lock().unwrap_or_else(PoisonError::into_inner);
        if now_ns >= *told_ns {
            *told_ns = now_ns.saturating_add(NOTICE_EVERY_NS);
            (self.log)(&format!("{}: its buffer {what}", self.node));
        }
    }
}

#[async_trait]
impl Sink for Write {
    fn limits(&self) -> SinkLimits {
        let bytes_max = (self.size / PARTS).min(WRITE_BYTES_MAX) as usize;
        SinkLimits { rows_max: ROWS_MAX, bytes_max, ..SinkLimits::default() }
    }

    async fn write(&self, rows: &Rows) -> Result<Written, Fault> {
        loop {
            self.room(rows_bytes(rows) as u64).await;
            let (log, part): (Arc<Log>, Rows) = (self.buffer.log.clone(), rows.clone());
            match super::blocking(move || log.append(&part)).await {
                Ok(appended) => {
                    if appended.already_stored > 0 {
                        self.counters.add("already stored", appended.already_stored);
                    }
                    return Ok(Written::default());
                }
                Err(fault) if fault.code == "disk_full" => {
                    self.tell("cannot grow, as the disk is full: the branch waits");
                    self.clock.sleep(AGAIN_AFTER).await;
                }
                Err(fault) => return Err(fault),
            }
        }
    }
}
