//! One write, until all its rows are stored or refused: only rows that were not accepted are
//! written again, and rows that the service refuses without a name are searched by halves.

use super::budget::Cost;
use super::gate::{Change, End, Gate, Ticket};
use crate::ack::{Ack, Verdict};
use crate::batch::{Batch, Rows};
use crate::ctx::Ctx;
use crate::fault::{Fault, FaultClass};
use crate::node::{FailedRows, Sink, SinkLimits, Written};
use crate::retry::Backoff;
use crate::run::edge::Outlet;
use crate::run::errors::{self, Place};
use crate::run::node::Node;
use crate::run::shutdown::{Control, Stage};
use arrow_array::BooleanArray;
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How often a write is halved at most: enough for any that [`SinkLimits::rows_max`] allows.
const HALVES_MAX: u32 = 24;

/// What all writes of a sink share.
pub(crate) struct Writer {
    pub node: Arc<Node>,
    pub sink: Box<dyn Sink>,
    pub limits: SinkLimits,
    pub errors: Option<Outlet>,
    pub gate: Gate,
    pub ctx: Ctx,
    pub control: Arc<Control>,
}

/// Rows that are written together.
struct Part {
    rows: Rows,
    /// How often the write was halved to come to them.
    halved: u32,
}

/// What became of a part.
enum PartEnd {
    /// All is stored or refused.
    Done,
    /// The service refuses something of these rows.
    Refused(Rows, Fault, u64),
    /// The run is failing.
    Abandoned,
}

/// What one try left to do.
struct Left {
    /// Rows to write again (`None` = all), and why.
    again: Option<(Option<Vec<usize>>, Fault)>,
    refused: FailedRows,
    stored: u64,
}

impl Writer {
    /// Writes a batch and settles it. `seed` makes its waits differ from those of other writes.
    ///
    /// # Errors
    /// Why the sink has failed for good. The batch is dropped unsettled, so it fails; so it does,
    /// without an error, when the run is failing already.
    pub async fn write(&self, batch: Batch, seed: u64) -> Result<(), Fault> {
        let Batch { rows, ack } = batch;
        let mut backoff = Backoff::new(seed, self.limits.retry_for);
        let mut next = Some(Part { rows, halved: 0 });
        // What comes after it, the last on top: the order of the rows stays.
        let mut later: Vec<Part> = Vec::new();
        while let Some(Part { rows, halved }) = next {
            match self.write_part(rows, &ack, &mut backoff).await? {
                PartEnd::Done => (),
                PartEnd::Abandoned => return Ok(()),
                PartEnd::Refused(rows, fault, tries) if rows.len() == 1 => {
                    // Each halving was a try of all that was halved.
                    let tries = tries + halved as u64;
                    self.refuse(errors::refused(&rows, fault), &rows, &ack, tries).await?;
                }
                PartEnd::Refused(_, fault, _) if self.limits.whole || halved >= HALVES_MAX => {
                    return Err(undivided(fault));
                }
                PartEnd::Refused(rows, ..) => {
                    let (half, halved) = (rows.len() / 2, halved + 1);
                    later.push(Part { rows: rows.slice(half..rows.len()), halved });
                    later.push(Part { rows: rows.slice(0..half), halved });
                    backoff.progress();
                }
            }
            next = later.pop();
        }
        ack.settle(Verdict::Settled);
        Ok(())
    }

    /// Writes rows until they are stored, or refused by name or as a whole.
    async fn write_part(
        &self,
        mut rows: Rows,
        ack: &Ack,
        backoff: &mut Backoff,
    ) -> Result<PartEnd, Fault> {
        let mut cost = Cost::Free;
        let mut tries = 0_u64;
        loop {
            let Some(ticket) = self.gate.enter(cost, &self.ctx, &self.control).await else {
                return Ok(PartEnd::Abandoned);
            };
            if ticket.recovered {
                backoff.progress();
            }
            if tries > 0 {
                self.node.meter.retries.add(1);
            }
            tries += 1;
            let Left { again, refused, stored } = self.one_try(ticket, &rows).await?;
            let progress = stored > 0 || !refused.faults.is_empty();
            self.node.meter.stored.add(stored);
            self.refuse(refused, &rows, ack, tries).await?;
            let Some((again, fault)) = again else { return Ok(PartEnd::Done) };
            if let Some(again) = again {
                rows = keep(&rows, &again);
            }
            if fault.class == FaultClass::Records {
                return Ok(PartEnd::Refused(rows, fault, tries));
            }
            cost = match fault.timeout {
                _ if progress => Cost::Free,
                true => Cost::RetryAfterTimeout,
                false => Cost::Retry,
            };
            if progress {
                backoff.progress();
            }
            if !self.wait(backoff, fault).await? {
                return Ok(PartEnd::Abandoned);
            }
        }
    }

    /// Calls the sink, and tells the gate how it went.
    async fn one_try(&self, ticket: Ticket, rows: &Rows) -> Result<Left, Fault> {
        self.ctx.failpoints.pass("sink.write")?;
        let tried = AssertUnwindSafe(self.sink.write(rows)).catch_unwind().await;
        self.ctx.failpoints.pass("sink.written")?;
        let tried = tried.unwrap_or_else(|panic| Err(Fault::panic(panic)));
        let left = match tried {
            Ok(written) => left(written, rows)?,
            Err(fault) => {
                Left { again: Some((None, fault)), refused: FailedRows::default(), stored: 0 }
            }
        };
        let fault = left.again.as_ref().map(|(_, fault)| fault);
        let class = fault.map(|fault| fault.class);
        let end = End {
            well: left.stored > 0
                || !left.refused.faults.is_empty()
                || matches!(class, None | Some(FaultClass::Records)),
            throttled: class == Some(FaultClass::Throttle),
        };
        if end.throttled {
            self.node.meter.throttled.add(1);
        }
        match self.gate.leave(ticket, end, &self.ctx) {
            Change::None => (),
            change => self.notice(change == Change::Opened, fault),
        }
        Ok(left)
    }

    /// Says that the breaker has opened or closed.
    fn notice(&self, opened: bool, fault: Option<&Fault>) {
        let id = &self.node.id;
        self.node.meter.breaker_open.store(opened, Ordering::Relaxed);
        let notice = match fault.filter(|_| opened) {
            Some(fault) => {
                let rest = "one write is tried every 1 to 30 s";
                format!("{id}: nothing has gone through for 10 s, {rest}: {fault}")
            }
            None => format!("{id}: writes go through again"),
        };
        (self.ctx.log)(&notice);
    }

    /// Waits before the next try; false when there must be none because the run is failing. While
    /// the breaker is open its pace is that of the tries, so that the sink is back soon after the
    /// service is.
    async fn wait(&self, backoff: &mut Backoff, fault: Fault) -> Result<bool, Fault> {
        let asked = fault.retry_after.unwrap_or_default();
        let wait = backoff.next(fault, self.ctx.clock.now_ns())?;
        let wait = if self.gate.is_closed() { wait } else { asked };
        let mut stages = self.control.stages();
        let failing = stages.wait_for(|stage| *stage >= Stage::Failing);
        tokio::select! {
            biased;
            _ = failing => Ok(false),
            () = self.ctx.clock.sleep(wait) => Ok(true),
        }
    }

    /// Sends rows by `errors` that were refused at this try.
    async fn refuse(
        &self,
        failed: FailedRows,
        rows: &Rows,
        ack: &Ack,
        attempts: u64,
    ) -> Result<(), Fault> {
        if failed.faults.is_empty() {
            return Ok(());
        }
        let Some(outlet) = &self.errors else { return Err(errors::unhandled(&failed)) };
        self.node.meter.failed.add(failed.faults.len() as u64);
        let place = Place { node: &self.node, at_ns: self.ctx.clock.now_ns(), attempts };
        outlet.send(errors::batch(&place, failed, Some(rows), ack.another())?).await;
        Ok(())
    }
}

/// A sink that takes whole batches refuses something of one: no row can be blamed.
fn undivided(fault: Fault) -> Fault {
    let message = format!("{}; the records are written together, and none is named", fault.message);
    Fault { class: FaultClass::Service, message, ..fault }
}

/// Checks the answer of a sink: each row is stored, refused or to be written again.
fn left(written: Written, rows: &Rows) -> Result<Left, Fault> {
    let Written { refused, mut again, fault } = written;
    again.sort_unstable();
    let mut named: Vec<usize> =
        refused.iter().map(|fault| fault.row).chain(again.clone()).collect();
    named.sort_unstable();
    let twice = named.windows(2).any(|pair| pair[0] == pair[1]);
    if twice || named.last().is_some_and(|row| *row >= rows.len()) {
        let message = "the sink answered for a row twice or for one that it was not given";
        return Err(Fault::service("sink_answer", message));
    }
    let stored = (rows.len() - named.len()) as u64;
    let unknown = || Fault::transient("not_accepted", "the service did not accept all records");
    let again = (!again.is_empty()).then(|| (Some(again), fault.unwrap_or_else(unknown)));
    let refused = FailedRows { ids: None, code: None, faults: refused };
    Ok(Left { again, refused, stored })
}

/// Only the rows at these places, which rise.
fn keep(rows: &Rows, places: &[usize]) -> Rows {
    if places.len() == rows.len() {
        return rows.clone();
    }
    let mut flags = vec![false; rows.len()];
    places.iter().for_each(|row| flags[*row] = true);
    rows.filter(&BooleanArray::from(flags))
}
