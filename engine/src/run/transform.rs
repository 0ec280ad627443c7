//! The driver of transforms: one task for a chain of them.
//!
//! A batch goes through the whole chain before the next is taken, so a chain needs no channels
//! inside and its rows stay in the processor's cache. Where batches do not depend on each other, a
//! [`Crew`] works several at once; their answers leave in the order of the batches.

use super::crew::{Crew, Job, Work, Worked, sends, work};
use super::edge::{Inlet, Target};
use super::shutdown::{Control, Stage};
use super::step::{Begun, Step, Stop};
use crate::batch::{Batch, held_bytes};
use std::sync::Arc;

pub(crate) struct Chain {
    pub inlet: Inlet,
    /// In the order of the chain; the first one is fed by the inlet.
    pub steps: Vec<Step>,
    /// Bytes that the batches at work may have, all together; one batch may have more.
    pub bytes_max: u64,
    pub control: Arc<Control>,
}

/// A step, by number, and why it cannot go on.
type Stopped = (usize, Stop);

enum Event {
    /// The oldest job of the crew is done.
    Done(Worked),
    /// A batch has arrived; `None` = the input has ended.
    Arrived(Option<Batch>),
}

impl Chain {
    /// Works until the input has ended or a node of the chain has failed.
    pub async fn drive(mut self) {
        let mut crew = Crew::new(&self.steps, self.bytes_max);
        if let Err(stopped) = self.all(&mut crew).await {
            self.fail(stopped);
        }
    }

    async fn all(&mut self, crew: &mut Crew) -> Result<(), Stopped> {
        loop {
            let event = tokio::select! {
                biased;
                Some(worked) = crew.done() => Event::Done(worked),
                batch = self.inlet.recv(), if crew.has_room() => Event::Arrived(batch),
            };
            match event {
                Event::Done(worked) => self.go_on(worked).await?,
                Event::Arrived(Some(batch)) if crew.wants(&batch) => {
                    self.hand_over(crew, batch).await?;
                }
                Event::Arrived(Some(batch)) => {
                    let worked = work(&mut self.steps, vec![Work::Apply { step: 0, batch }]);
                    self.send(worked).await?;
                    // A batch may be a millisecond of work: let those that wait go in between.
                    tokio::task::yield_now().await;
                }
                Event::Arrived(None) => break,
            }
        }
        while let Some(worked) = crew.done().await {
            self.go_on(worked).await?;
        }
        self.finish().await
    }

    /// Does what must be done in order, and gives the rest to the crew.
    async fn hand_over(&mut self, crew: &mut Crew, batch: Batch) -> Result<(), Stopped> {
        let bytes = held_bytes(&batch.rows);
        let job = match crew.begins_in_order() {
            false => Job::Work(vec![Work::Apply { step: 0, batch }]),
            true => match self.steps[0].begin(batch).map_err(|stop| (0, stop))? {
                Begun::Open(open) => Job::Rest(self.steps[0].site.clone(), open),
                Begun::Over(outgoing) if crew.needs_no_job() => {
                    let worked = work(&mut self.steps, sends(0, outgoing));
                    self.send(worked).await?;
                    tokio::task::yield_now().await;
                    return Ok(());
                }
                Begun::Over(outgoing) => Job::Work(sends(0, outgoing)),
            },
        };
        crew.start(&self.steps, job, bytes);
        Ok(())
    }

    /// Takes what the crew has done through the steps behind it.
    async fn go_on(&mut self, worked: Worked) -> Result<(), Stopped> {
        let Worked { mut left, stopped } = worked;
        left.reverse();
        let Worked { left, stopped: later } = work(&mut self.steps, left);
        self.send(Worked { left, stopped: later.or(stopped) }).await
    }

    /// Sends into channels, then says why the work has stopped.
    async fn send(&mut self, worked: Worked) -> Result<(), Stopped> {
        for work in worked.left {
            let Work::Send { step, outlet, target, batch } = work else {
                unreachable!("all steps are at hand")
            };
            let target = &self.steps[step].site.outlets[outlet].targets[target];
            debug_assert!(!matches!(target, Target::Step(..)));
            target.send(batch).await;
        }
        worked.stopped.map_or(Ok(()), Err)
    }

    async fn finish(&mut self) -> Result<(), Stopped> {
        let cut_off = self.control.stage() > Stage::Running;
        for step in 0..self.steps.len() {
            let outgoing = self.steps[step].finish(cut_off).map_err(|stop| (step, stop))?;
            let worked = work(&mut self.steps, sends(step, outgoing));
            self.send(worked).await?;
            self.steps[step].site.node.end();
        }
        Ok(())
    }

    fn fail(&self, (step, stop): Stopped) {
        match stop {
            Stop::Fault(fault) => self.control.fail(&self.steps[step].site.node, *fault),
            Stop::Error(error) => self.control.push(*error),
        }
    }
}
