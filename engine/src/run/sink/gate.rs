//! The gate that every try of a sink's writes passes: the breaker, the number of tries at once and
//! the retry budget together.

use super::aimd::{Aimd, Ended};
use super::breaker::{Breaker, Pass};
use super::budget::{Budget, Cost};
use crate::ctx::Ctx;
use crate::run::shutdown::{Control, Stage};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;

/// A try that may begin; given back with [`Machine::leave`].
#[derive(Debug, PartialEq)]
pub(crate) struct Ticket {
    began_ns: i64,
    probe: bool,
    /// The breaker has held it back and has closed since: the service is there again.
    pub recovered: bool,
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct End {
    /// It got something through, or the service has answered for the records.
    pub well: bool,
    /// The service asked for less.
    pub throttled: bool,
}

/// What the end of a try has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    Opened,
    Closed,
}

/// Whether a try may begin.
#[derive(Debug, PartialEq)]
enum Entry {
    Go(Ticket),
    Wait {
        /// Not before so long, or before a try ends.
        at_least: Option<Duration>,
        by_breaker: bool,
    },
}

/// The three as one state machine. Time is what it is told.
#[derive(Debug)]
struct Machine {
    aimd: Aimd,
    breaker: Breaker,
    budget: Budget,
    trying: usize,
}

impl Machine {
    fn new(most: usize) -> Machine {
        let (aimd, breaker, budget) = (Aimd::new(most), Breaker::default(), Budget::new());
        Machine { aimd, breaker, budget, trying: 0 }
    }

    /// The time decides nothing about such a try: it need not be asked for.
    fn is_timeless(&self, cost: Cost) -> bool {
        cost == Cost::Free && !self.aimd.learns() && self.breaker.is_closed()
    }

    fn enter(&mut self, cost: Cost, now_ns: i64) -> Entry {
        if self.breaker.is_closed() {
            if self.trying >= self.aimd.size() {
                return Entry::Wait { at_least: None, by_breaker: false };
            }
            if let Err(wait) = self.budget.take(cost, now_ns) {
                return Entry::Wait { at_least: Some(wait), by_breaker: false };
            }
        }
        let probe = match self.breaker.pass(now_ns) {
            Pass::Wait(at_least) => return Entry::Wait { at_least, by_breaker: true },
            Pass::Probe => true,
            Pass::Free => false,
        };
        self.trying += 1;
        Entry::Go(Ticket { began_ns: now_ns, probe, recovered: false })
    }

    fn leave(&mut self, ticket: &Ticket, end: End, now_ns: i64) -> Change {
        let under_way = self.trying;
        self.trying = self.trying.saturating_sub(1);
        let was_closed = self.breaker.is_closed();
        if end.well {
            self.budget.succeeded();
            self.breaker.succeeded();
        } else {
            self.breaker.failed(ticket.probe, now_ns);
        }
        let tells = end.well || end.throttled;
        if self.aimd.learns() && was_closed && tells {
            let (began_ns, throttled) = (ticket.began_ns, end.throttled);
            self.aimd.ended(Ended { began_ns, now_ns, throttled, under_way });
        }
        match (was_closed, self.breaker.is_closed()) {
            (true, false) => {
                self.aimd.begin_anew(now_ns);
                Change::Opened
            }
            (false, true) => Change::Closed,
            _ => Change::None,
        }
    }
}

/// The machine, shared by the writes of one sink.
#[derive(Debug)]
pub(crate) struct Gate {
    machine: Mutex<Machine>,
    /// What the driver's loop asks before each write, without the lock.
    size: AtomicUsize,
    closed: AtomicBool,
    changed: Notify,
}

impl Gate {
    /// For a sink that takes so many writes at once.
    pub fn new(most: usize) -> Gate {
        let machine = Machine::new(most);
        let size = AtomicUsize::new(machine.aimd.size());
        let (closed, changed) = (AtomicBool::new(true), Notify::new());
        Gate { machine: Mutex::new(machine), size, closed, changed }
    }

    /// Writes that may be under way.
    pub fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    /// The breaker is closed: new writes may begin.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Waits until a try ends that had begun. Who has looked at something before creates this
    /// future before that look, or on the same task without a wait between them.
    pub fn changed(&self) -> impl Future<Output = ()> {
        self.changed.notified()
    }

    /// Waits until a try may begin; `None` when none may any more because the run is failing.
    pub async fn enter(&self, cost: Cost, ctx: &Ctx, control: &Control) -> Option<Ticket> {
        let mut held_back = false;
        loop {
            let changed = self.changed();
            let at_least = match self.try_enter(cost, ctx) {
                Entry::Go(ticket) => {
                    let recovered = held_back && !ticket.probe;
                    return Some(Ticket { recovered, ..ticket });
                }
                Entry::Wait { at_least, by_breaker } => {
                    held_back |= by_breaker;
                    at_least
                }
            };
            let slept = async {
                match at_least {
                    Some(wait) => ctx.clock.sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            let mut stages = control.stages();
            tokio::select! {
                biased;
                _ = stages.wait_for(|stage| *stage >= Stage::Failing) => return None,
                () = changed => (),
                () = slept => (),
            }
        }
    }

    fn try_enter(&self, cost: Cost, ctx: &Ctx) -> Entry {
        let mut machine = self.machine();
        let now_ns = if machine.is_timeless(cost) { 0 } else { ctx.clock.now_ns() };
        machine.enter(cost, now_ns)
    }

    /// A try has ended.
    pub fn leave(&self, ticket: Ticket, end: End, ctx: &Ctx) -> Change {
        let mut machine = self.machine();
        let timeless = end.well && !machine.aimd.learns();
        let now_ns = if timeless { 0 } else { ctx.clock.now_ns() };
        let change = machine.leave(&ticket, end, now_ns);
        self.size.store(machine.aimd.size(), Ordering::Relaxed);
        self.closed.store(machine.breaker.is_closed(), Ordering::Relaxed);
        drop(machine);
        self.changed.notify_waiters();
        change
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests;
