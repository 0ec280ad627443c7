//! Several batches of a chain at once, on all cores; the answers come back in order.
//!
//! Each job takes a batch through the first steps of the chain, with replicas of them. A first step
//! that has to see its input in order does so before the job begins, and gives it the rest.

use super::edge::{Lanes, Target};
use super::step::{Open, Outgoing, Site, Step, Stop};
use crate::batch::Batch;
use crate::fault::Fault;
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use futures::StreamExt;
use futures::stream::FuturesOrdered;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// A batch of so many rows is worth a job …
const JOB_ROWS: usize = 512;
/// … or of so many bytes in one column.
const JOB_BYTES: i32 = 32 << 10;

/// What is to be done next.
pub(crate) enum Work {
    /// Give the batch to a step.
    Apply { step: usize, batch: Batch },
    /// Send the batch from a step, by outlet and target.
    Send { step: usize, outlet: usize, target: usize, batch: Batch },
}

/// What steps have left to be done, in order, and the step that has stopped.
pub(crate) struct Worked {
    pub left: Vec<Work>,
    pub stopped: Option<(usize, Stop)>,
}

/// What a job begins with.
pub(crate) enum Job {
    /// Work, the last first.
    Work(Vec<Work>),
    /// The rest of a call of the chain's first step.
    Rest(Arc<Site>, Box<Open>),
}

/// The jobs that are under way.
pub(crate) struct Crew {
    /// How many steps a job goes through, at the chain's beginning; 0 = there are no jobs.
    steps: usize,
    begins_in_order: bool,
    jobs_max: usize,
    /// Bytes that jobs may have been given before one more begins.
    bytes_max: u64,
    /// Replicas of these steps that no job uses.
    idle: Vec<Vec<Step>>,
    under_way: FuturesOrdered<JoinHandle<(Vec<Step>, Worked)>>,
    /// Bytes that each job was given, the oldest first.
    given: VecDeque<u64>,
    bytes: u64,
}

impl Crew {
    /// For the chain of these steps: as many jobs as there are threads to work them, while what
    /// they were given is less than `bytes_max`.
    pub fn new(steps: &[Step], bytes_max: u64) -> Crew {
        let threads = Handle::current().metrics().num_workers();
        let begins_in_order = steps[0].another().is_none();
        let first = usize::from(begins_in_order);
        let parallel = steps[first..].iter().take_while(|step| step.another().is_some()).count();
        Crew {
            steps: if threads > 1 { first + parallel } else { 0 },
            begins_in_order,
            jobs_max: threads + 1,
            bytes_max,
            idle: Vec::new(),
            under_way: FuturesOrdered::new(),
            given: VecDeque::new(),
            bytes: 0,
        }
    }

    /// The first step sees its batches in order.
    pub fn begins_in_order(&self) -> bool {
        self.begins_in_order
    }

    /// What the first step has sent is all that a job would do, and no job is before it.
    pub fn needs_no_job(&self) -> bool {
        self.steps == 1 && self.under_way.is_empty()
    }

    /// One more job may begin.
    pub fn has_room(&self) -> bool {
        self.under_way.len() < self.jobs_max && self.bytes < self.bytes_max
    }

    /// A batch is worth a job, or must wait for the jobs before it.
    pub fn wants(&self, batch: &Batch) -> bool {
        self.steps > 0 && (!self.under_way.is_empty() || is_large(batch))
    }

    /// Begins a job on so many bytes, with replicas of the chain's `steps`.
    pub fn start(&mut self, steps: &[Step], job: Job, bytes: u64) {
        self.given.push_back(bytes);
        self.bytes += bytes;
        let mut replicas = self.idle.pop().unwrap_or_else(|| self.replicas(steps));
        self.under_way.push_back(tokio::spawn(async move {
            let worked = match job {
                Job::Work(todo) => work(&mut replicas, todo),
                Job::Rest(site, open) => match site.complete(open) {
                    Ok(outgoing) => work(&mut replicas, sends(0, outgoing)),
                    Err(stop) => Worked { left: Vec::new(), stopped: Some((0, stop)) },
                },
            };
            (replicas, worked)
        }));
    }

    /// The end of the oldest job; `None` where there is none. Cancel-safe.
    pub async fn done(&mut self) -> Option<Worked> {
        let ended = self.under_way.next().await?;
        self.bytes -= self.given.pop_front().unwrap_or(0);
        Some(match ended {
            Ok((replicas, worked)) => {
                self.idle.push(replicas);
                worked
            }
            Err(error) => {
                // Nodes catch their own panics: this is one of the engine, or the program's end.
                let fault = match error.try_into_panic() {
                    Ok(panic) => Fault::panic(panic),
                    Err(_) => Fault::service("broken_off", "the work was broken off"),
                };
                Worked { left: Vec::new(), stopped: Some((0, fault.into())) }
            }
        })
    }

    fn replicas(&self, steps: &[Step]) -> Vec<Step> {
        let replica = |(number, step): (usize, &Step)| match step.another() {
            Some(replica) => replica,
            // Its calls begin in order, so a replica is given none.
            None if number == 0 => Step::new(step.site.clone(), None),
            None => unreachable!("a job goes through steps that have replicas"),
        };
        steps[..self.steps].iter().enumerate().map(replica).collect()
    }
}

/// Works through `todo`, the last first, as far as the steps go.
pub(crate) fn work(steps: &mut [Step], mut todo: Vec<Work>) -> Worked {
    let mut left = Vec::new();
    while let Some(next) = todo.pop() {
        match next {
            Work::Apply { step, batch } if step < steps.len() => match steps[step].apply(batch) {
                Ok(outgoing) => todo.extend(sends(step, outgoing)),
                Err(stop) => return Worked { left, stopped: Some((step, stop)) },
            },
            Work::Send { step, outlet, target, batch } if step < steps.len() => {
                match &steps[step].site.outlets[outlet].targets[target] {
                    Target::Channel(..) | Target::Shed(..) => {
                        left.push(Work::Send { step, outlet, target, batch })
                    }
                    Target::Step(edge, step) => {
                        edge.sent.add(batch.rows.len() as u64);
                        let batch = Lanes::default().received(edge, batch);
                        todo.push(Work::Apply { step: *step, batch });
                    }
                }
            }
            other => left.push(other),
        }
    }
    Worked { left, stopped: None }
}

/// The sends of a step's answer, the first of them last.
pub(crate) fn sends(step: usize, outgoing: Vec<Outgoing>) -> Vec<Work> {
    let sends = outgoing.into_iter().rev().map(|out| Work::Send {
        step,
        outlet: out.outlet,
        target: out.target,
        batch: out.batch,
    });
    sends.collect()
}

fn is_large(batch: &Batch) -> bool {
    let bytes = |column: &dyn Array| match column.data_type() {
        DataType::Binary => {
            let offsets = column.as_binary::<i32>().value_offsets();
            offsets[offsets.len() - 1] - offsets[0]
        }
        _ => 0,
    };
    let columns = || batch.rows.columns.columns().iter();
    batch.rows.len() >= JOB_ROWS || columns().any(|column| bytes(column) >= JOB_BYTES)
}
