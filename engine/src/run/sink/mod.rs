//! The driver of a sink: puts writes together, keeps several under way, and closes.
//!
//! Nothing lingers unless the sink asks for it: while all writes are under way batches gather, and
//! the next write takes what has gathered. What decides is in state machines that know no task and
//! no clock: [`queue`], [`aimd`], [`breaker`] and [`budget`].

mod aimd;
mod breaker;
mod budget;
mod gate;
mod queue;
mod write;

pub(crate) use gate::Gate;
pub(crate) use write::Writer;

use super::edge::Inlet;
use super::feeders::Feeders;
use super::timer::Timer;
use crate::ack::Verdict;
use crate::batch::Batch;
use crate::fault::Fault;
use crate::retry::Backoff;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use queue::Queue;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

pub(crate) struct SinkDriver {
    pub writer: Arc<Writer>,
    pub inlet: Inlet,
    pub feeders: Arc<Feeders>,
}

/// Where the loop stands.
struct State {
    queue: Queue,
    writes: FuturesUnordered<BoxFuture<'static, Written>>,
    /// Bytes of the writes under way.
    bytes: u64,
    linger: Timer,
    /// The rows that wait have lingered long enough.
    flush: bool,
    open: bool,
    started: u64,
}

/// A write that has ended.
struct Written {
    bytes: u64,
    result: Result<(), Fault>,
}

enum Event {
    Batch(Option<Batch>),
    Written(Written),
    Lingered,
    /// Look again.
    Changed,
}

impl SinkDriver {
    /// Works until the input has ended and everything is settled, or the sink has failed.
    pub async fn drive(mut self) {
        let done = match self.work().await {
            Ok(()) => self.close().await,
            Err(fault) => Err(fault),
        };
        let node = &self.writer.node;
        match done {
            Ok(()) => node.end(),
            Err(fault) => self.writer.control.fail(node, fault),
        }
        self.feeders.ended(node.index);
    }

    async fn work(&mut self) -> Result<(), Fault> {
        let mut state = State {
            queue: Queue::new(self.writer.limits),
            writes: FuturesUnordered::new(),
            bytes: 0,
            linger: Timer::default(),
            flush: false,
            open: true,
            started: 0,
        };
        loop {
            self.start(&mut state);
            if !state.open && state.queue.is_empty() && state.writes.is_empty() {
                return Ok(());
            }
            let State { queue, writes, linger, open, .. } = &mut state;
            let held_back = !self.writer.gate.is_closed() && !queue.is_empty();
            let event = tokio::select! {
                biased;
                Some(written) = writes.next() => Event::Written(written),
                batch = self.inlet.recv(), if *open && queue.has_room() => Event::Batch(batch),
                () = linger.fired() => Event::Lingered,
                () = self.writer.gate.changed(), if held_back => Event::Changed,
            };
            match event {
                Event::Batch(Some(batch)) => self.take(&mut state, batch),
                Event::Batch(None) => state.open = false,
                Event::Written(Written { bytes, result }) => {
                    state.bytes -= bytes;
                    result?;
                }
                Event::Lingered => state.flush = true,
                Event::Changed => (),
            }
        }
    }

    /// Takes a batch and those that wait behind it, as long as they fit one write.
    fn take(&mut self, state: &mut State, batch: Batch) {
        let mut next = Some(batch);
        while let Some(batch) = next {
            self.writer.node.meter.rows_in.add(batch.rows.len() as u64);
            match batch.rows.is_empty() {
                true => batch.ack.settle(Verdict::Settled),
                false => state.queue.push(batch),
            }
            next = if state.queue.has_room() { self.inlet.try_recv() } else { None };
        }
    }

    /// Starts writes as long as there are rows for one that need not wait.
    fn start(&self, state: &mut State) {
        let linger = self.writer.limits.linger;
        while self.may_start(state) {
            let ready = linger.is_zero() || state.flush || !state.open || state.queue.is_full();
            if !ready {
                if !state.linger.is_set() {
                    state.linger.set(self.writer.ctx.clock.sleep(linger));
                }
                return;
            }
            let waited = state.queue.bytes();
            let Some(batch) = state.queue.next() else { return };
            let bytes = waited.saturating_sub(state.queue.bytes());
            state.bytes += bytes;
            state.started += 1;
            let (writer, started) = (self.writer.clone(), state.started);
            let seed = writer.node.seed(writer.ctx.seed).wrapping_add(started);
            let write = async move { Written { bytes, result: writer.write(batch, seed).await } };
            state.writes.push(write.boxed());
        }
        if state.queue.is_empty() {
            state.linger.clear();
            state.flush = false;
        }
    }

    /// One more write may be under way. The first always may, however large it is.
    fn may_start(&self, state: &State) -> bool {
        let Writer { gate, limits, .. } = &*self.writer;
        if state.queue.is_empty() || !gate.is_closed() || state.writes.len() >= gate.size() {
            return false;
        }
        let bytes = state.bytes.saturating_add(state.queue.next_bytes());
        state.writes.is_empty() || bytes <= limits.in_flight_bytes_max as u64
    }

    async fn close(&self) -> Result<(), Fault> {
        let writer = &self.writer;
        let seed = writer.node.seed(writer.ctx.seed);
        let mut backoff = Backoff::new(seed, writer.limits.retry_for);
        writer.ctx.failpoints.pass("sink.close")?;
        loop {
            let closed = AssertUnwindSafe(writer.sink.close()).catch_unwind().await;
            let Err(fault) = closed.unwrap_or_else(|panic| Err(Fault::panic(panic))) else {
                return Ok(());
            };
            let wait = backoff.next(fault, writer.ctx.clock.now_ns())?;
            writer.ctx.clock.sleep(wait).await;
        }
    }
}
