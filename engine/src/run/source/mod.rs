//! The driver of a source: reads, hands out acknowledgements, takes them back, replies, commits the
//! settled prefix, and ends.

mod done;
mod settle;

pub(crate) use done::Done;
pub(crate) use settle::Settling;

use super::edge::Outlet;
use super::node::Node;
use super::shutdown::{Control, Stage};
use super::timer::Timer;
use super::watch::Receiver;
use crate::ack::{Ack, Origin, SourceFacts};
use crate::batch::{Batch, Rows, batch_bytes};
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::node::{Read, Source, SourceRows};
use crate::retry::{Backoff, RETRY_FOR};
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A source that has read all it may, and sees nothing settled for so long, stands still.
const STALL_AFTER: Duration = Duration::from_secs(1);
/// A source that stands still for longer may read this part more of its limit each time, up to
/// twice the limit: a batch whose end an earlier run has recorded may need some rows more.
const STALL_PARTS: u64 = 8;

pub(crate) struct SourceDriver {
    pub node: Arc<Node>,
    pub source: Box<dyn Source>,
    pub facts: SourceFacts,
    pub out: Option<Arc<Outlet>>,
    pub done: Done,
    pub settling: Settling,
    /// True when all that feed it have ended; `None` where nothing in this run does.
    pub fed: Option<watch::Receiver<bool>>,
    /// Bytes that are read and not settled, at most; one read may always be.
    pub bytes_max: u64,
    pub ctx: Ctx,
    pub control: Arc<Control>,
}

/// Where the loop stands.
struct State {
    stages: Receiver<Stage>,
    /// Its `stop` was called.
    stopped: bool,
    /// It will not be read again.
    ended: bool,
    /// Its code has failed: it is not called any more.
    broken: bool,
    /// A batch on its way into channels that are full.
    sending: Timer,
    pause: Timer,
    stall: Timer,
    /// How often it has stood still since something was settled.
    stalls: u64,
    commit: Timer,
    backoff: Backoff,
}

enum Event {
    Read(Result<Read, Fault>),
    Settled,
    Stalled,
    /// The stage has changed, a feeder has ended, or a wait is over: look again.
    Again,
}

impl SourceDriver {
    /// Works until it has ended, or was told to end, and everything it has read is settled.
    pub async fn drive(mut self) {
        let mut state = State {
            stages: self.control.stages(),
            stopped: false,
            ended: false,
            broken: false,
            sending: Timer::default(),
            pause: Timer::default(),
            stall: Timer::default(),
            stalls: 0,
            commit: Timer::default(),
            backoff: Backoff::new(self.node.seed(self.ctx.seed), RETRY_FOR),
        };
        loop {
            self.obey(&mut state).await;
            self.commit(&mut state, false).await;
            if state.ended && !state.sending.is_set() {
                self.out = None;
            }
            if self.is_through(&state) {
                break;
            }
            let event = self.next_event(&mut state).await;
            self.handle(&mut state, event);
        }
        self.commit(&mut state, true).await;
        if !state.broken {
            let closed = AssertUnwindSafe(self.source.close()).catch_unwind().await;
            self.check(&mut state, closed.unwrap_or_else(|panic| Err(Fault::panic(panic))));
        }
        self.node.end();
    }

    fn is_through(&self, state: &State) -> bool {
        state.ended && self.out.is_none() && self.settling.is_idle() && self.done.is_idle()
    }

    async fn next_event(&mut self, state: &mut State) -> Event {
        let reads = !state.ended
            && !state.sending.is_set()
            && !state.pause.is_set()
            && self.has_room(state);
        let waits = !reads || (!state.broken && self.source.waits_for_settling());
        let stands = !state.ended && !state.sending.is_set() && waits && !state.pause.is_set();
        match stands {
            true if !state.stall.is_set() => state.stall.set(self.ctx.clock.sleep(STALL_AFTER)),
            true => (),
            false => state.stall.clear(),
        }
        let Self { source, done, settling, fed, .. } = self;
        let State { stages, stopped, sending, pause, stall, commit, .. } = state;
        tokio::select! {
            biased;
            () = stages.changed() => Event::Again,
            () = feeders_end(fed), if !*stopped => Event::Again,
            () = settling.arrived() => Event::Settled,
            () = sending.fired() => Event::Again,
            () = done.sent() => Event::Again,
            () = commit.fired() => Event::Again,
            () = pause.fired() => Event::Again,
            () = stall.fired() => Event::Stalled,
            read = AssertUnwindSafe(source.read()).catch_unwind(), if reads => {
                Event::Read(read.unwrap_or_else(|panic| Err(Fault::panic(panic))))
            }
        }
    }

    /// One more read may be in flight.
    fn has_room(&self, state: &State) -> bool {
        let within = |in_flight: u64, max: u64| {
            let more = max.div_ceil(STALL_PARTS).saturating_mul(state.stalls.saturating_sub(1));
            in_flight < max.saturating_add(more.min(max))
        };
        within(self.settling.kept_rows(), self.ctx.in_flight_rows_max)
            && within(self.settling.in_flight_bytes(), self.bytes_max)
    }

    fn handle(&mut self, state: &mut State, event: Event) {
        match event {
            Event::Again => (),
            Event::Stalled => {
                state.stalls += 1;
                self.control.stall(self.node.index);
            }
            Event::Settled => self.settle(state),
            Event::Read(Ok(Read::Rows(rows))) => {
                state.backoff.progress();
                self.take(state, rows);
            }
            Event::Read(Ok(Read::End)) => state.ended = true,
            Event::Read(Err(fault)) => self.try_again(state, fault),
        }
    }

    /// A read has failed: a wait, or the end.
    fn try_again(&mut self, state: &mut State, fault: Fault) {
        match state.backoff.next(fault, self.ctx.clock.now_ns()) {
            Ok(wait) => state.pause.set(self.ctx.clock.sleep(wait)),
            Err(fault) => self.check(state, Err(fault)),
        }
    }

    /// Sends what was read, with an acknowledgement.
    fn take(&mut self, state: &mut State, read: SourceRows) {
        let rows = read.columns.num_rows() as u64;
        let SourceRows { columns, ids, partition, end, resumed, reply } = read;
        assert_eq!(ids.len() as u64, rows, "one id a row");
        self.node.meter.rows_in.add(rows);
        let named = reply.is_some();
        let id = self.settling.open(partition, (rows, batch_bytes(&columns)), end, reply);
        let origin = Origin::new(id, &ids, named, self.facts, &self.settling.completions);
        let ack = Ack::of(Arc::new(origin));
        let Some(out) = self.out.clone().filter(|_| rows > 0) else {
            return ack.settle(crate::ack::Verdict::Settled);
        };
        self.node.meter.rows_out.add(rows);
        let batch = Batch { rows: Rows { columns, ids, group: None, resumed }, ack };
        state.sending.set(async move { out.send(batch).await }.boxed());
    }

    /// Takes back what was settled: replies, counts, and what is done.
    fn settle(&mut self, state: &mut State) {
        if let Err(fault) = self.ctx.failpoints.pass("source.settled") {
            return self.check(state, Err(fault));
        }
        state.stall.clear();
        state.stalls = 0;
        let settled = self.settling.settle(&self.node, self.ctx.clock.now_ns());
        // It cannot move past a read that has failed: to go on would only gather what cannot be
        // committed. In a drain nothing more is read, and the others deliver what they have: a
        // `batch` may have left rows to the next run.
        let drains = state.ended && self.control.stage() == Stage::Draining;
        if settled.failed && !drains {
            self.control.raise(Stage::Failing);
        }
        self.done.add(settled.records);
    }

    /// Does what the stage of the run asks for.
    async fn obey(&mut self, state: &mut State) {
        let stage = self.control.stage();
        let fed = self.fed.as_ref().is_some_and(|fed| !*fed.borrow());
        let stops = stage >= Stage::Failing || (stage == Stage::Draining && !fed);
        if stops && !state.stopped {
            state.stopped = true;
            if !state.ended && !state.broken {
                let stopped = AssertUnwindSafe(self.source.stop()).catch_unwind().await;
                self.check(state, stopped.unwrap_or_else(|panic| Err(Fault::panic(panic))));
            }
        }
        if stage >= Stage::Failing {
            state.ended = true;
        }
        if stage == Stage::Aborting {
            state.sending.clear();
            self.done.abort();
        }
    }

    /// Commits what is due, or with `all` everything that is settled.
    async fn commit(&mut self, state: &mut State, all: bool) {
        let commits = match state.broken {
            true => Vec::new(),
            false => self.settling.take_due(self.ctx.clock.now_ns(), all),
        };
        for commit in commits {
            if state.broken {
                return;
            }
            let committed = self.settling.commit(&mut *self.source, commit, &self.ctx).await;
            self.check(state, committed);
        }
        // A source that is broken commits nothing: what is due would be so at once and for ever.
        match self.settling.next_due_ns().filter(|_| !state.broken) {
            Some(at) if !state.commit.is_set() => {
                let wait = at.saturating_sub(self.ctx.clock.now_ns()).max(0);
                state.commit.set(self.ctx.clock.sleep(Duration::from_nanos(wait as u64)));
            }
            Some(_) => (),
            None => state.commit.clear(),
        }
    }

    /// After a fault the source is not called any more, and the run ends.
    fn check(&self, state: &mut State, result: Result<(), Fault>) {
        if let Err(fault) = result {
            state.broken = true;
            state.ended = true;
            self.control.fail(&self.node, fault);
        }
    }
}

/// Waits until all that feed the source have ended; for ever where nothing does or they have.
async fn feeders_end(fed: &mut Option<watch::Receiver<bool>>) {
    match fed {
        Some(fed) if !*fed.borrow() => {
            if fed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
        _ => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
