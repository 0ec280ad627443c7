//! One transform at work: calls it, catches its panic, checks that the answer balances, and turns
//! the answer into batches with acknowledgements.

use super::RunError;
use super::balance::check_call;
use super::edge::Outlet;
use super::errors::{self, Place};
use super::node::Node;
use crate::ack::{Ack, Verdict};
use crate::batch::{Batch, Rows};
use crate::ctx::Clock;
use crate::fault::Fault;
use crate::node::{FailedRows, Output, Rest, Transform};
use dsl::plan::Port;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A step's node, and where its answers go: what its replicas share.
pub(crate) struct Site {
    pub node: Arc<Node>,
    pub outlets: Vec<Outlet>,
    pub clock: Arc<dyn Clock>,
}

pub(crate) struct Step {
    pub site: Arc<Site>,
    /// `None` = what arrives is sent as it is.
    transform: Option<Box<dyn Transform>>,
    /// Of rows whose end a decoder keeps.
    held: Option<Held>,
}

/// The acknowledgement of rows whose end is kept.
struct Held {
    ack: Ack,
    /// The decoder has said where the source can resume: in front of what is kept.
    resumes: bool,
}

/// What the ordered part of a call has come to.
pub(crate) enum Begun {
    /// The call is over.
    Over(Vec<Outgoing>),
    /// The rest can be done out of order.
    Open(Box<Open>),
}

/// A call that is not over.
pub(crate) struct Open {
    rest: Rest,
    out: Output,
    given: Rows,
    ack: Ack,
}

/// A batch on its way to a target of an outlet, both by number.
pub(crate) struct Outgoing {
    pub outlet: usize,
    pub target: usize,
    pub batch: Batch,
}

/// Why a step cannot go on.
pub(crate) enum Stop {
    /// The node failed.
    Fault(Box<Fault>),
    /// The run fails with this.
    Error(Box<RunError>),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Stop {
        Stop::Fault(Box::new(fault))
    }
}

/// One output of a call: rows for all targets of an outlet.
struct Piece {
    outlet: usize,
    content: Content,
}

enum Content {
    Rows(Rows),
    Failed(FailedRows),
}

impl Step {
    pub fn new(site: Arc<Site>, transform: Option<Box<dyn Transform>>) -> Step {
        Step { site, transform, held: None }
    }

    /// One more that does the same; `None` where calls depend on each other.
    pub fn another(&self) -> Option<Step> {
        let transform = match &self.transform {
            Some(transform) => Some(transform.another()?),
            None => None,
        };
        Some(Step::new(self.site.clone(), transform))
    }

    /// What becomes of a batch. On an error everything that the call touched fails.
    pub fn apply(&mut self, batch: Batch) -> Result<Vec<Outgoing>, Stop> {
        match self.begin(batch)? {
            Begun::Over(outgoing) => Ok(outgoing),
            Begun::Open(open) => self.site.complete(open),
        }
    }

    /// Does the part of a call that must be done in order.
    pub fn begin(&mut self, batch: Batch) -> Result<Begun, Stop> {
        let Batch { rows, ack } = batch;
        self.site.node.meter.rows_in.add(rows.len() as u64);
        let mut out = Output::default();
        let Some(transform) = &mut self.transform else {
            let columns = rows.columns.clone();
            out.send(&rows, columns);
            return self.answer(out, Some(&rows), ack).map(Begun::Over);
        };
        let given = rows.clone();
        let Some(rest) = caught(|| transform.begin(rows, &mut out))? else {
            return self.answer(out, Some(&given), ack).map(Begun::Over);
        };
        let ack = self.site.note(&out, ack);
        // The rest has the records that are complete: what was kept before is in them.
        let ack = self.hold(&out, true, ack).expect("only the end of the rows is kept");
        Ok(Begun::Open(Box::new(Open { rest, out, given, ack })))
    }

    /// What becomes of what the transform has kept, at the end of the input. Where the input was
    /// `cut_off`, what is kept is no whole record: it is left out if the source can resume in front
    /// of it; what came before it may be committed.
    pub fn finish(&mut self, cut_off: bool) -> Result<Vec<Outgoing>, Stop> {
        if let Some(held) = self.held.take_if(|held| cut_off && held.resumes) {
            held.ack.settle(Verdict::Settled);
            return Ok(Vec::new());
        }
        let mut out = Output::default();
        if let Some(transform) = &mut self.transform {
            caught(|| transform.finish(&mut out))?;
        }
        out.kept = false;
        let sends = !out.sent.is_empty() || !out.failed.is_empty();
        match self.held.take() {
            Some(held) => self.answer(out, None, held.ack),
            None if sends => {
                let message = "the node sent rows at its end that it had not kept";
                Err(Fault::service("not_kept", message).into())
            }
            None => self.answer(out, None, Ack::none()),
        }
    }

    fn answer(
        &mut self,
        mut out: Output,
        given: Option<&Rows>,
        ack: Ack,
    ) -> Result<Vec<Outgoing>, Stop> {
        self.site.count(&out, given)?;
        let ack = self.site.note(&out, ack);
        let pieces = self.site.pieces(&mut out);
        match self.hold(&out, !pieces.is_empty(), ack) {
            Some(ack) => self.site.send(pieces, given, ack),
            None => Ok(Vec::new()),
        }
    }

    /// Adds what was held to the acknowledgement of a call, and holds what of it is kept; `None` =
    /// all of it, as the call `sends` nothing.
    fn hold(&mut self, out: &Output, sends: bool, ack: Ack) -> Option<Ack> {
        let (kept, resumes) = (out.kept, out.resume.is_some());
        let next = (kept && sends).then(|| Held { ack: ack.another(), resumes });
        let merged = match self.held.take() {
            Some(held) => {
                let resumes = resumes && held.resumes;
                Held { ack: Ack::merge([held.ack, ack]), resumes }
            }
            None => Held { ack, resumes },
        };
        if kept && !sends {
            self.held = Some(merged);
            return None;
        }
        self.held = next;
        Some(merged.ack)
    }
}

impl Site {
    /// Ends a call whose rest may be done anywhere. On an error everything that it touched fails.
    pub fn complete(&self, open: Box<Open>) -> Result<Vec<Outgoing>, Stop> {
        let Open { rest, mut out, given, mut ack } = *open;
        let (kept, made) = (out.kept, out.made);
        caught(|| rest(&mut out))?;
        assert_eq!(out.kept, kept, "what is kept is said in order");
        self.count(&out, Some(&given))?;
        if out.decodes {
            ack.decoded(self.node.index.index(), out.made - made);
        }
        let pieces = self.pieces(&mut out);
        self.send(pieces, Some(&given), ack)
    }

    /// Notes on the read what a decoder made of it, and where it can resume.
    fn note(&self, out: &Output, mut ack: Ack) -> Ack {
        let number = self.node.index.index();
        if out.decodes {
            ack.decoded(number, out.made);
        }
        if let (Some(resume), Some(origin)) = (&out.resume, ack.origins().last()) {
            origin.resume_at(number, resume);
        }
        ack
    }

    /// Checks that the answer balances, and counts it.
    fn count(&self, out: &Output, given: Option<&Rows>) -> Result<(), Stop> {
        let call = check_call(out, given).map_err(|equation| {
            let (node, equation) = (self.node.id.clone(), equation.to_string());
            Stop::Error(Box::new(RunError::Balance { node, equation }))
        })?;
        let meter = &self.node.meter;
        meter.made.add(out.made);
        meter.opened.add(call.opened);
        meter.joined.add(call.joined);
        meter.failed.add(call.failed);
        meter.filtered.add(out.filtered);
        Ok(())
    }

    /// What is to be sent. Rows for a port that leads nowhere are filtered.
    fn pieces(&self, out: &mut Output) -> Vec<Piece> {
        let mut pieces = Vec::with_capacity(out.sent.len());
        let meter = &self.node.meter;
        for sent in out.sent.drain(..) {
            let rows = sent.rows.len() as u64;
            match self.outlet(sent.port) {
                Some(outlet) => {
                    meter.rows_out.add(rows);
                    pieces.push(Piece { outlet, content: Content::Rows(sent.rows) });
                }
                None => meter.filtered.add(rows),
            }
        }
        let errors = self.outlets.iter().position(|outlet| outlet.port == Port::Errors);
        for failed in out.failed.drain(..) {
            let outlet = errors.unwrap_or(usize::MAX);
            pieces.push(Piece { outlet, content: Content::Failed(failed) });
        }
        pieces
    }

    fn outlet(&self, port: Option<&str>) -> Option<usize> {
        let wanted = |outlet: &Outlet| match (&outlet.port, port) {
            (Port::Out, None) => true,
            (Port::Named(name), Some(port)) => name == port,
            _ => false,
        };
        self.outlets.iter().position(wanted)
    }

    fn send(
        &self,
        pieces: Vec<Piece>,
        given: Option<&Rows>,
        ack: Ack,
    ) -> Result<Vec<Outgoing>, Stop> {
        if pieces.is_empty() {
            ack.settle(Verdict::Settled);
            return Ok(Vec::new());
        }
        let mut outgoing = Vec::with_capacity(pieces.len());
        let acks = ack.fan_out(pieces.len());
        for (piece, ack) in pieces.into_iter().zip(acks) {
            let Piece { outlet, content } = piece;
            let batch = match content {
                Content::Rows(rows) => Batch { rows, ack },
                Content::Failed(failed) if outlet == usize::MAX => {
                    return Err(errors::unhandled(&failed).into());
                }
                Content::Failed(failed) => self.failure(failed, given, ack)?,
            };
            let Batch { rows, ack } = batch;
            let outlet_rows = &self.outlets[outlet];
            outlet_rows.rows.add(rows.len() as u64);
            let acks = ack.fan_out(outlet_rows.targets.len());
            outgoing.extend(acks.into_iter().enumerate().map(|(target, ack)| {
                let rows = rows.clone();
                Outgoing { outlet, target, batch: Batch { rows, ack } }
            }));
        }
        Ok(outgoing)
    }

    fn failure(&self, failed: FailedRows, given: Option<&Rows>, ack: Ack) -> Result<Batch, Stop> {
        let place = Place { node: &self.node, at_ns: self.clock.now_ns(), attempts: 1 };
        Ok(errors::batch(&place, failed, given, ack)?)
    }
}

/// Runs a node's code; its panic is a fault of the node.
fn caught<T>(code: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(code)).unwrap_or_else(|panic| Err(Fault::panic(panic)))
}
