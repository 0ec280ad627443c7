//! A source that is pushed to: clients send requests of rows, and send them again until they are
//! answered well.

use crate::shape::Shape;
use crate::sinks::text_of;
use crate::truth::Truth;
use async_trait::async_trait;
use engine::ack::{Outcome, Verdict};
use engine::batch::Resume;
use engine::ctx::NodeCtx;
use engine::fault::Fault;
use engine::node::{Read, Source, SourceRows};
use engine::sim::World;
use engine::testing;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// The clients of a source, which outlive the process. A clone is the same.
#[derive(Clone)]
pub struct Clients {
    pub number: usize,
    pub world: World,
    pub shape: Arc<Shape>,
    pub truth: Truth,
    pub arrivals: Arc<Vec<Duration>>,
    pub state: Arc<Mutex<Vec<Client>>>,
    pub changed: Arc<Notify>,
}

/// A client has one request under way at most.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// Rows that were answered for.
    done: u64,
    /// Of the request that was begun.
    asks: Option<u64>,
    under_way: bool,
    /// Not before.
    next: Duration,
}

impl Clients {
    /// The process begins anew: all connections are gone.
    pub fn begin(&self) {
        let now = self.world.now();
        for client in self.lock().iter_mut() {
            client.under_way = false;
            client.next = client.next.max(now);
        }
    }

    /// Every row is answered for.
    pub fn are_done(&self) -> bool {
        let rows = &self.shape.sources[self.number].rows;
        let clients = self.lock();
        clients.iter().zip(rows).all(|(client, rows)| client.done == rows.end - rows.start)
    }

    /// What a new process may get again.
    pub fn unanswered(&self) -> Vec<u64> {
        let clients = self.lock();
        let rows = clients.iter().zip(&self.shape.sources[self.number].rows);
        let rows = rows.flat_map(|(client, rows)| {
            let from = rows.start + client.done;
            from..from + client.asks.unwrap_or_default()
        });
        rows.collect()
    }

    pub fn open(&self, ctx: &NodeCtx) -> Box<dyn Source> {
        Box::new(Server { clients: self.clone(), max: ctx.run.in_flight_rows_max, stopped: false })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Client>> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Waits for the answer to a request, as its client does.
    async fn answered(
        self,
        number: usize,
        first: u64,
        rows: u64,
        answer: oneshot::Receiver<Outcome>,
    ) {
        let answer = answer.await;
        self.world.alive().await;
        let start = self.shape.sources[self.number].rows[number].start;
        let asked = start + first..start + first + rows;
        let lost = self.world.draw("replies", |random, _| random.u8(0..20) == 0);
        let now = self.world.now();
        let settled = answer.as_ref().is_ok_and(|o| o.verdict == Verdict::Settled);
        self.world.event("answer", &[number as u64, first, u64::from(settled), u64::from(lost)]);
        if let Ok(outcome) = &answer
            && settled
        {
            self.truth.acknowledged("an answer", asked.clone());
            let named: Vec<u64> = outcome.failures.iter().map(|row| start + row.seq).collect();
            self.truth.named(asked.clone(), &named);
        }
        let again = !settled || lost;
        if again {
            self.truth.allow(asked);
        }
        let mut clients = self.lock();
        let client = &mut clients[number];
        client.under_way = false;
        match again {
            true => client.next = now + Duration::from_millis(if lost { 5_000 } else { 500 }),
            false => {
                client.done += rows;
                client.asks = None;
            }
        }
        drop(clients);
        self.changed.notify_one();
    }
}

struct Server {
    clients: Clients,
    max: u64,
    stopped: bool,
}

/// What a client wants.
enum Asks {
    Request(usize, u64, u64),
    At(Duration),
    /// Answers are to come.
    Waits,
    Nothing,
}

impl Server {
    fn next(&self) -> Asks {
        let Clients { world, shape, arrivals, number, .. } = &self.clients;
        let now = world.now();
        let shape = &shape.sources[*number];
        let mut best: Option<(Duration, usize)> = None;
        let mut clients = self.clients.lock();
        let mut waits = false;
        for (number, client) in clients.iter().enumerate() {
            let row = shape.rows[number].start + client.done;
            waits |= client.under_way;
            if !client.under_way && row < shape.rows[number].end {
                let at = arrivals[row as usize].max(client.next);
                best = best.filter(|(best, _)| *best <= at).or(Some((at, number)));
            }
        }
        let Some((at, number)) = best else {
            return if waits { Asks::Waits } else { Asks::Nothing };
        };
        if at > now {
            return Asks::At(at);
        }
        let client = &mut clients[number];
        let rows = &shape.rows[number];
        let left = rows.end - rows.start - client.done;
        let most = left.min(shape.read_max as u64);
        let asks = client.asks.unwrap_or_else(|| {
            self.clients.world.draw("requests", |random, _| random.u64(1..=most))
        });
        client.asks = Some(asks);
        client.under_way = true;
        Asks::Request(number, client.done, asks)
    }

    fn request(&self, number: usize, first: u64, rows: u64) -> SourceRows {
        let Clients { shape, truth, number: source, .. } = &self.clients;
        let start = shape.sources[*source].rows[number].start + first;
        let max = 2 * self.max + shape.sources[*source].read_max as u64;
        truth.read(*source, start..start + rows, max);
        let (reply, answer) = oneshot::channel();
        tokio::spawn(self.clients.clone().answered(number, first, rows, answer));
        let texts: Vec<String> = (start..start + rows).map(text_of).collect();
        SourceRows {
            columns: testing::payload(&texts).columns,
            ids: testing::ids(&format!("client{source}/{number}"), first, rows as usize),
            partition: number as u32,
            end: first + rows,
            resumed: None,
            reply: Some(reply),
        }
    }
}

#[async_trait]
impl Source for Server {
    async fn read(&mut self) -> Result<Read, Fault> {
        loop {
            if self.stopped {
                return Ok(Read::End);
            }
            let changed = self.clients.changed.notified();
            match self.next() {
                Asks::Request(number, first, rows) => {
                    return Ok(Read::Rows(self.request(number, first, rows)));
                }
                Asks::Nothing => return Ok(Read::End),
                Asks::Waits => changed.await,
                Asks::At(at) => {
                    tokio::select! {
                        biased;
                        () = changed => (),
                        () = self.clients.world.until(at) => (),
                    }
                }
            }
        }
    }

    async fn commit(&mut self, _: u32, _: u64, _: Option<Arc<Resume>>) -> Result<(), Fault> {
        Ok(())
    }

    /// Every client that has rows left waits for an answer.
    fn waits_for_settling(&self) -> bool {
        let rows = &self.clients.shape.sources[self.clients.number].rows;
        let clients = self.clients.lock();
        let waits = |(client, rows): (&Client, &std::ops::Range<u64>)| {
            client.under_way || client.done == rows.end - rows.start
        };
        clients.iter().any(|client| client.under_way) && clients.iter().zip(rows).all(waits)
    }

    async fn stop(&mut self) -> Result<(), Fault> {
        self.stopped = true;
        Ok(())
    }
}
