//! One write, until all its rows are stored or refused: only rows that were not accepted are
//! written again.

use super::window::Window;
use crate::ack::{Ack, Verdict};
use crate::batch::{Batch, Rows};
use crate::ctx::Ctx;
use crate::fault::{Fault, FaultClass, RowFault};
use crate::node::{FailedRows, Sink, SinkLimits, Written};
use crate::run::edge::Outlet;
use crate::run::errors::{self, Place};
use crate::run::node::Node;
use crate::run::retry::Backoff;
use crate::run::shutdown::{Control, Stage};
use arrow_array::BooleanArray;
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// What all writes of a sink share.
pub(crate) struct Writer {
    pub node: Arc<Node>,
    pub sink: Box<dyn Sink>,
    pub limits: SinkLimits,
    pub errors: Option<Outlet>,
    pub window: Window,
    pub ctx: Ctx,
    pub control: Arc<Control>,
}

/// What one try left to do.
struct Left {
    /// Rows to write again, and why.
    again: Option<(Vec<usize>, Fault)>,
    refused: Vec<RowFault>,
    stored: u64,
}

impl Writer {
    /// Writes a batch and settles it. `seed` makes its waits differ from those of other writes.
    ///
    /// # Errors
    /// Why the sink has failed for good. The batch is dropped unsettled, so it fails; so it does,
    /// without an error, when the run is failing already.
    pub async fn write(&self, batch: Batch, seed: u64) -> Result<(), Fault> {
        let Batch { mut rows, ack } = batch;
        let mut backoff = Backoff::new(seed, self.limits.retry_for);
        loop {
            let tried = self.sink.write(&rows);
            let tried = AssertUnwindSafe(tried).catch_unwind().await;
            let tried = tried.unwrap_or_else(|panic| Err(Fault::panic(panic)));
            let fault = match tried.and_then(|written| left(written, &rows)) {
                Err(fault) => fault,
                Ok(left) => {
                    self.node.meter.stored.add(left.stored);
                    let progress = left.stored > 0 || !left.refused.is_empty();
                    self.refuse(left.refused, &rows, &ack).await?;
                    let Some((again, fault)) = left.again else {
                        self.window.cleared();
                        ack.settle(Verdict::Settled);
                        return Ok(());
                    };
                    if progress {
                        backoff.progress();
                    }
                    rows = keep(&rows, &again);
                    fault
                }
            };
            if !self.wait(&mut backoff, fault).await? {
                return Ok(());
            }
        }
    }

    /// Waits before the next try; false when there must be none because the run is failing.
    async fn wait(&self, backoff: &mut Backoff, fault: Fault) -> Result<bool, Fault> {
        if fault.class == FaultClass::Throttle {
            self.window.throttled();
        }
        let wait = backoff.next(fault, self.ctx.clock.now_ns())?;
        let mut stages = self.control.stages();
        let failing = stages.wait_for(|stage| *stage >= Stage::Failing);
        tokio::select! {
            biased;
            _ = failing => Ok(false),
            () = self.ctx.clock.sleep(wait) => {
                self.node.meter.retries.add(1);
                Ok(true)
            }
        }
    }

    /// Sends refused rows by `errors`.
    async fn refuse(&self, faults: Vec<RowFault>, rows: &Rows, ack: &Ack) -> Result<(), Fault> {
        if faults.is_empty() {
            return Ok(());
        }
        let failed = FailedRows { ids: None, faults };
        let Some(outlet) = &self.errors else { return Err(errors::unhandled(&failed)) };
        self.node.meter.failed.add(failed.faults.len() as u64);
        let place = Place { node: &self.node, at_ns: self.ctx.clock.now_ns() };
        outlet.send(errors::batch(&place, failed, Some(rows), ack.another())?).await;
        Ok(())
    }
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
    let again = (!again.is_empty()).then(|| (again, fault.unwrap_or_else(unknown)));
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
