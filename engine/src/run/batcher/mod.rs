//! The driver of `batch(…)`: gathers rows of each partition until a limit is reached.
//!
//! Where the source can send the rows again, the end of each batch is recorded durably before the
//! batch is sent: a replay makes the same batches, so they are stored under the same names. Ends
//! that come close behind each other are recorded together.

mod cutter;
mod lane;
mod log;

pub(crate) use cutter::CutLimits;
pub(crate) use log::CutLog;

use super::edge::{Inlet, Outlet};
use super::node::Node;
use super::retry::Retry;
use super::shutdown::{Control, Stage};
use super::timer::Timer;
use crate::ack::Verdict;
use crate::batch::{Batch, Partition};
use crate::ctx::{Ctx, nanos};
use crate::fault::Fault;
use dsl::plan::PlanNode;
use dsl::value::Value;
use lane::Lane;
use log::Entry;
use std::collections::{BTreeMap, btree_map};
use std::sync::Arc;
use std::time::Duration;

/// A batch holds at most so many rows and bytes, whatever the flow says: one column of it must fit
/// Arrow's offsets.
const LIMITS_MAX: CutLimits = CutLimits { max: 1_000_000, size: 1 << 30 };

/// How long an end may wait to be recorded with others.
const RECORD_AFTER: Duration = Duration::from_millis(10);
/// So many ends that wait are recorded at once …
const CLOSED_MAX: usize = 32;
/// … and so many bytes of their batches.
const CLOSED_BYTES_MAX: u64 = 1 << 20;

pub(crate) struct Batcher {
    pub node: Arc<Node>,
    pub limits: CutLimits,
    /// How long the first row may wait.
    pub wait: Option<Duration>,
    /// Rows may come in any order.
    pub any_order: bool,
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

enum Event {
    Batch(Option<Batch>),
    /// Some batch may have waited long enough for more rows.
    Waited,
    /// Ends have waited long enough for others.
    Due,
    Stalled,
}

/// Batches that are closed and wait for their ends to be recorded.
#[derive(Default)]
struct Closed {
    ends: Vec<(Arc<Partition>, u64)>,
    batches: Vec<Batch>,
    bytes: u64,
    due: Timer,
}

impl Closed {
    fn push(&mut self, partition: &Arc<Partition>, end: u64, batch: Batch) {
        self.ends.push((partition.clone(), end));
        self.bytes += batch.rows.group.as_ref().map_or(0, |group| group.size);
        self.batches.push(batch);
    }

    fn is_full(&self) -> bool {
        self.batches.len() >= CLOSED_MAX || self.bytes >= CLOSED_BYTES_MAX
    }
}

/// The lanes of a node, by partition.
type Lanes = BTreeMap<[u8; 16], Lane>;

impl Batcher {
    /// Works until the input has ended or the checkpoints have failed.
    pub async fn drive(mut self) {
        match self.work().await {
            Ok(()) => self.node.end(),
            Err(fault) => self.control.fail(&self.node, fault),
        }
    }

    async fn work(&mut self) -> Result<(), Fault> {
        let mut lanes = Lanes::new();
        let mut closed = Closed::default();
        let mut stalls = self.control.stalls();
        let mut timer = Timer::default();
        loop {
            let event = tokio::select! {
                biased;
                () = timer.fired() => Event::Waited,
                () = closed.due.fired() => Event::Due,
                batch = self.inlet.recv() => Event::Batch(batch),
                Ok(()) = stalls.changed() => Event::Stalled,
            };
            match event {
                Event::Batch(Some(batch)) => self.push(&mut lanes, &mut closed, batch).await?,
                Event::Batch(None) => {
                    // Told to stop, rows up to an end that an earlier run has recorded may be still
                    // to come: their batch is left to the next run.
                    let ended = self.control.stage() == Stage::Running;
                    return self.close(&mut lanes, &mut closed, i64::MAX, ended).await;
                }
                Event::Stalled => self.close(&mut lanes, &mut closed, i64::MAX, false).await?,
                Event::Waited => {
                    let now_ns = self.ctx.clock.now_ns();
                    self.close(&mut lanes, &mut closed, now_ns, false).await?;
                }
                Event::Due => self.send_closed(&mut closed).await?,
            }
            if !timer.is_set() {
                self.set(&mut timer, &lanes);
            }
        }
    }

    async fn push(
        &mut self,
        lanes: &mut Lanes,
        closed: &mut Closed,
        batch: Batch,
    ) -> Result<(), Fault> {
        if batch.rows.is_empty() {
            batch.ack.settle(Verdict::Settled);
            return Ok(());
        }
        let id = batch.rows.ids.partition.id;
        let lane = match lanes.entry(id) {
            btree_map::Entry::Occupied(lane) => lane.into_mut(),
            btree_map::Entry::Vacant(place) => place.insert(self.open(&batch).await?),
        };
        let rows = batch.rows.len() as u64;
        let pushed = lane.push(batch, self.ctx.clock.now_ns())?;
        let meter = &self.node.meter;
        meter.rows_in.add(rows);
        meter.filtered.add(pushed.skipped);
        if pushed.skipped > 0 {
            self.node.counters.add("delivered before", pushed.skipped);
        }
        let partition = lane.partition().clone();
        let tracked = lane.tracked;
        if lane.is_empty() && !tracked {
            lanes.remove(&id);
        }
        for (end, batch) in pushed.ends.into_iter().zip(pushed.closed) {
            match tracked {
                true => closed.push(&partition, end, batch),
                false => self.send(batch).await,
            }
        }
        if closed.is_full() {
            return self.send_closed(closed).await;
        }
        if !closed.batches.is_empty() && !closed.due.is_set() {
            closed.due.set(self.ctx.clock.sleep(RECORD_AFTER));
        }
        Ok(())
    }

    /// Records the ends of the batches that wait for it, and sends them.
    async fn send_closed(&self, closed: &mut Closed) -> Result<(), Fault> {
        let Closed { ends, batches, .. } = std::mem::take(closed);
        if !ends.is_empty() {
            self.record(&ends).await?;
        }
        for batch in batches {
            self.send(batch).await;
            self.ctx.failpoints.pass("batch.sent")?;
        }
        Ok(())
    }

    async fn record(&self, ends: &[(Arc<Partition>, u64)]) -> Result<(), Fault> {
        self.ctx.failpoints.pass("batch.record")?;
        let mut retry = Retry::new(&self.ctx, self.node.seed(self.ctx.seed));
        while let Err(fault) = self.log.record(ends).await {
            retry.wait(fault).await?;
        }
        self.ctx.failpoints.pass("batch.recorded")
    }

    async fn open(&self, first: &Batch) -> Result<Lane, Fault> {
        let facts = first.ack.origins().next().map(|origin| origin.facts).unwrap_or_default();
        let lane = |entry| {
            let lane = Lane::new(self.node.index.index(), self.limits, first, entry);
            lane.in_any_order(self.any_order)
        };
        if !facts.replays {
            return Ok(lane(Entry::default()));
        }
        let mut retry = Retry::new(&self.ctx, self.node.seed(self.ctx.seed));
        loop {
            match self.log.open(&first.rows.ids.partition, facts.from_start).await {
                Ok(entry) => return Ok(lane(entry)),
                Err(fault) => retry.wait(fault).await?,
            }
        }
    }

    /// Closes the open batches of the lanes that have waited until `now_ns`, and sends all that are
    /// closed.
    async fn close(
        &mut self,
        lanes: &mut Lanes,
        closed: &mut Closed,
        now_ns: i64,
        input_ended: bool,
    ) -> Result<(), Fault> {
        let mut others = Vec::new();
        for lane in lanes.values_mut() {
            if now_ns < i64::MAX && self.deadline(lane).is_none_or(|at| at > now_ns) {
                continue;
            }
            if let Some((end, batch)) = lane.close(input_ended) {
                match lane.tracked {
                    true => closed.push(lane.partition(), end, batch),
                    false => others.push(batch),
                }
            }
        }
        lanes.retain(|_, lane| lane.tracked || !lane.is_empty());
        self.send_closed(closed).await?;
        for batch in others {
            self.send(batch).await;
        }
        Ok(())
    }

    async fn send(&self, batch: Batch) {
        self.node.counters.add("batches", 1);
        self.node.meter.rows_out.add(batch.rows.len() as u64);
        self.out.send(batch).await;
    }

    fn deadline(&self, lane: &Lane) -> Option<i64> {
        lane.waits_since_ns()?.checked_add(nanos(self.wait?))
    }

    /// Sets the timer to the first deadline of all lanes.
    fn set(&self, timer: &mut Timer, lanes: &Lanes) {
        if let Some(at) = lanes.values().filter_map(|lane| self.deadline(lane)).min() {
            let wait = at.saturating_sub(self.ctx.clock.now_ns()).max(0);
            timer.set(self.ctx.clock.sleep(Duration::from_nanos(wait as u64)));
        }
    }
}
