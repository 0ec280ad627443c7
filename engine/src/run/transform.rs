//! The driver of transforms: one task for a chain of them.
//!
//! A batch goes through the whole chain before the next is taken, so a chain needs no channels
//! inside and its rows stay in the processor's cache.

use super::edge::{Inlet, Lanes, Target};
use super::shutdown::{Control, Stage};
use super::step::{Step, Stop};
use crate::batch::Batch;
use std::sync::Arc;

pub(crate) struct Chain {
    pub inlet: Inlet,
    /// In the order of the chain; the first one is fed by the inlet.
    pub steps: Vec<Step>,
    pub control: Arc<Control>,
}

/// What is to be done next, the last first.
enum Work {
    /// Give the batch to a step.
    Apply { step: usize, batch: Batch },
    /// Send the batch from a step, by outlet and target.
    Send { step: usize, outlet: usize, target: usize, batch: Batch },
}

impl Chain {
    /// Works until the input has ended or a node of the chain has failed.
    pub async fn drive(mut self) {
        while let Some(batch) = self.inlet.recv().await {
            if let Err(stop) = self.work(vec![Work::Apply { step: 0, batch }]).await {
                return self.fail(stop);
            }
            // A batch may be milliseconds of work: let those that wait go in between.
            tokio::task::yield_now().await;
        }
        let cut_off = self.control.stage() > Stage::Running;
        for step in 0..self.steps.len() {
            let finished = match self.steps[step].finish(cut_off) {
                Ok(outgoing) => self.work(sends(step, outgoing)).await,
                Err(stop) => Err((step, stop)),
            };
            if let Err(stop) = finished {
                return self.fail(stop);
            }
            self.steps[step].node.end();
        }
    }

    async fn work(&mut self, mut todo: Vec<Work>) -> Result<(), (usize, Stop)> {
        while let Some(work) = todo.pop() {
            match work {
                Work::Apply { step, batch } => {
                    let outgoing = self.steps[step].apply(batch).map_err(|stop| (step, stop))?;
                    todo.extend(sends(step, outgoing));
                }
                Work::Send { step, outlet, target, batch } => {
                    match &self.steps[step].outlets[outlet].targets[target] {
                        channel @ Target::Channel(..) => channel.send(batch).await,
                        Target::Step(edge, step) => {
                            edge.sent.add(batch.rows.len() as u64);
                            let batch = Lanes::default().received(edge, batch);
                            todo.push(Work::Apply { step: *step, batch });
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn fail(&self, (step, stop): (usize, Stop)) {
        match stop {
            Stop::Fault(fault) => self.control.fail(&self.steps[step].node, *fault),
            Stop::Error(error) => self.control.push(*error),
        }
    }
}

/// The sends of a step's answer, so that the first is done first.
fn sends(step: usize, outgoing: Vec<super::step::Outgoing>) -> Vec<Work> {
    let sends = outgoing.into_iter().rev().map(|out| Work::Send {
        step,
        outlet: out.outlet,
        target: out.target,
        batch: out.batch,
    });
    sends.collect()
}
