//! The driver of `batch(…)`: gathers rows of each partition until a limit is reached.
//!
//! Where the source can send the rows again, the end of each batch is recorded durably before the
//! batch is sent: a replay makes the same batches, so they are stored under the same names. Ends
//! that come close behind each other are recorded together.
//!
//! What decides is in state machines: [`machine`] with a [`lane`] and a [`cutter`] a partition, and
//! [`cuts`] for what is durable. The driver and the [`log`] do what they say.

mod branch;
mod cuts;
mod cutter;
mod lane;
mod log;
mod machine;

pub(crate) use branch::branches;
pub(crate) use cutter::CutLimits;
pub(crate) use log::CutLog;

use super::edge::{Inlet, Outlet};
use super::node::Node;
use super::shutdown::{Control, Stage};
use super::timer::Timer;
use crate::batch::Partition;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::retry::Retry;
use cuts::Entry;
use dsl::plan::PlanNode;
use dsl::value::Value;
use machine::{Event, Machine, Options, Output};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// A batch holds at most so many rows and bytes, whatever the flow says: one column of it must fit
/// Arrow's offsets.
const LIMITS_MAX: CutLimits = CutLimits { max: 1_000_000, size: 1 << 30 };

pub(crate) struct Batcher {
    pub node: Arc<Node>,
    pub limits: CutLimits,
    /// How long the first row may wait.
    pub wait: Option<Duration>,
    /// Rows may come in any order.
    pub any_order: bool,
    /// Bytes of all open batches.
    pub bytes_max: u64,
    pub inlet: Inlet,
    pub out: Outlet,
    pub log: Arc<CutLog>,
    pub ctx: Ctx,
    pub control: Arc<Control>,
}

/// An option of hidden `batch` nodes: rows may come in any order.
const ANY_ORDER: &str = "any_order";

/// Whether a `batch` node takes rows in any order.
pub(crate) fn any_order(node: &PlanNode) -> bool {
    node.options.get(ANY_ORDER).and_then(Value::as_bool).unwrap_or(false)
}

/// The limits and the wait that a `batch` node was given.
pub(crate) fn options(node: &PlanNode) -> (CutLimits, Option<Duration>) {
    let number = |name: &str| match node.options.get(name)? {
        Value::Int(n) | Value::Duration(n) => u64::try_from(*n).ok(),
        Value::Size(bytes) => Some(*bytes),
        _ => None,
    };
    let max = number("max").unwrap_or(LIMITS_MAX.max).clamp(1, LIMITS_MAX.max);
    let size = number("size").unwrap_or(LIMITS_MAX.size).clamp(1, LIMITS_MAX.size);
    (CutLimits { max, size }, number("wait").map(Duration::from_nanos))
}

/// Wakes the driver when the machine wants it.
#[derive(Default)]
struct Wake {
    timer: Timer,
    at_ns: Option<i64>,
}

impl Wake {
    fn set(&mut self, at_ns: Option<i64>, ctx: &Ctx) {
        if self.at_ns == at_ns && self.timer.is_set() == at_ns.is_some() {
            return;
        }
        self.at_ns = at_ns;
        self.timer.clear();
        if let Some(at_ns) = at_ns {
            let wait = at_ns.saturating_sub(ctx.clock.now_ns()).max(0);
            self.timer.set(ctx.clock.sleep(Duration::from_nanos(wait as u64)));
        }
    }
}

impl Batcher {
    /// Works until the input has ended or the checkpoints have failed.
    pub async fn drive(mut self) {
        match self.work().await {
            Ok(()) => self.node.end(),
            Err(fault) => self.control.fail(&self.node, fault),
        }
    }

    async fn work(&mut self) -> Result<(), Fault> {
        let Batcher { limits, wait, any_order, bytes_max, .. } = *self;
        let node = self.node.index.index();
        let mut machine = Machine::new(Options { node, limits, wait, any_order, bytes_max });
        let mut outputs = VecDeque::new();
        let mut stalls = self.control.stalls(self.node.index);
        let mut stages = self.control.stages();
        let mut drains = false;
        let mut wake = Wake::default();
        loop {
            wake.set(machine.wake_ns(), &self.ctx);
            let event = tokio::select! {
                biased;
                () = wake.timer.fired() => Event::Tick,
                batch = self.inlet.recv() => match batch {
                    Some(batch) => Event::Rows(batch),
                    // Told to stop, rows up to an end that an earlier run has recorded may be still
                    // to come: their batch is left to the next run.
                    None => Event::InputEnded { complete: self.control.stage() == Stage::Running },
                },
                () = stalls.changed() => Event::Stalled,
                () = stages.wait_for(|stage| *stage > Stage::Running), if !drains => {
                    drains = true;
                    Event::Draining
                }
            };
            let ended = matches!(event, Event::InputEnded { .. });
            machine.handle(event, self.ctx.clock.now_ns(), &mut outputs)?;
            while let Some(output) = outputs.pop_front() {
                if let Some(event) = self.perform(output).await? {
                    machine.handle(event, self.ctx.clock.now_ns(), &mut outputs)?;
                }
            }
            if ended {
                return Ok(());
            }
        }
    }

    /// Does what the machine has said; what to tell it then.
    async fn perform(&self, output: Output) -> Result<Option<Event>, Fault> {
        match output {
            Output::Load { partition, from_start } => {
                return Ok(Some(Event::Loaded(self.load(&partition, from_start).await?)));
            }
            Output::Record(ends) => {
                self.record(&ends).await?;
                return Ok(Some(Event::Recorded));
            }
            Output::Took { rows, skipped } => {
                self.node.meter.rows_in.add(rows);
                self.node.meter.filtered.add(skipped);
                if skipped > 0 {
                    self.node.counters.add("delivered before", skipped);
                }
            }
            Output::Send(batch) => {
                self.node.counters.add("batches", 1);
                self.node.meter.rows_out.add(batch.rows.len() as u64);
                self.out.send(batch).await;
                self.ctx.failpoints.pass("batch.sent")?;
            }
        }
        Ok(None)
    }

    async fn load(&self, partition: &Partition, from_start: bool) -> Result<Entry, Fault> {
        let mut retry = Retry::new(&self.ctx, self.node.seed(self.ctx.seed));
        loop {
            match self.log.open(partition, from_start).await {
                Ok(entry) => return Ok(entry),
                Err(fault) => retry.wait(fault).await?,
            }
        }
    }

    async fn record(&self, ends: &[(Arc<Partition>, u64)]) -> Result<(), Fault> {
        self.ctx.failpoints.pass("batch.record")?;
        let mut retry = Retry::new(&self.ctx, self.node.seed(self.ctx.seed));
        while let Err(fault) = self.log.record(ends).await {
            retry.wait(fault).await?;
        }
        self.ctx.failpoints.pass("batch.recorded")
    }
}
