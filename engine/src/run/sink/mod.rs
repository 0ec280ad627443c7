//! The driver of a sink: puts writes together, keeps several under way, and closes.
//!
//! Nothing lingers unless the sink asks for it: while all writes are under way batches gather, and
//! the next write takes what has gathered.

mod queue;
mod window;
mod write;

pub(crate) use window::Window;
pub(crate) use write::Writer;

use super::edge::Inlet;
use super::feeders::Feeders;
use super::timer::Timer;
use crate::ack::Verdict;
use crate::batch::Batch;
use crate::fault::Fault;
use crate::run::retry::Backoff;
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
    writes: FuturesUnordered<BoxFuture<'static, Result<(), Fault>>>,
    linger: Timer,
    /// The rows that wait have lingered long enough.
    flush: bool,
    open: bool,
    started: u64,
}

enum Event {
    Batch(Option<Batch>),
    Written(Result<(), Fault>),
    Lingered,
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
            let event = tokio::select! {
                biased;
                Some(written) = writes.next() => Event::Written(written),
                batch = self.inlet.recv(), if *open && queue.has_room() => Event::Batch(batch),
                () = linger.fired() => Event::Lingered,
            };
            match event {
                Event::Batch(Some(batch)) => self.take(&mut state, batch),
                Event::Batch(None) => state.open = false,
                Event::Written(written) => written?,
                Event::Lingered => state.flush = true,
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
        while state.writes.len() < self.writer.window.size() && !state.queue.is_empty() {
            let ready = linger.is_zero() || state.flush || !state.open || state.queue.is_full();
            if !ready {
                if !state.linger.is_set() {
                    state.linger.set(self.writer.ctx.clock.sleep(linger));
                }
                return;
            }
            let Some(batch) = state.queue.next() else { return };
            state.started += 1;
            let (writer, started) = (self.writer.clone(), state.started);
            let seed = writer.node.seed(writer.ctx.seed).wrapping_add(started);
            state.writes.push(async move { writer.write(batch, seed).await }.boxed());
        }
        if state.queue.is_empty() {
            state.linger.clear();
            state.flush = false;
        }
    }

    async fn close(&self) -> Result<(), Fault> {
        let writer = &self.writer;
        let seed = writer.node.seed(writer.ctx.seed);
        let mut backoff = Backoff::new(seed, writer.limits.retry_for);
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
