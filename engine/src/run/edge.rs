//! The edges of a run: outlets that send, inlets that receive, and the counts at both ends.

use super::node::{Count, Node};
use super::shed::Shed;
use crate::ack::Ack;
use crate::batch::{Batch, Partition, RowIds, Rows, held_bytes};
use crate::memory::{Budget, Held};
use dsl::plan::Port;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// An edge of the plan.
#[derive(Debug)]
pub(crate) struct Edge {
    pub from: Arc<Node>,
    pub to: Arc<Node>,
    pub port: Port,
    /// One of several data edges into its receiver: its rows get partitions of their own, named by
    /// this, so that rows of two branches of one source are never taken for each other.
    pub lane: Option<String>,
    /// Rows sent, counted by the sender.
    pub sent: Count,
    /// Rows received, counted by the receiver.
    pub received: Count,
    /// Bytes that may wait in the channel.
    pub budget: Budget,
}

/// What travels in a channel.
#[derive(Debug)]
pub(crate) struct Item {
    edge: Arc<Edge>,
    batch: Batch,
    /// Given back when the batch is received.
    held: Held,
}

/// One port of a node, and where it goes.
#[derive(Debug)]
pub(crate) struct Outlet {
    pub port: Port,
    pub targets: Vec<Target>,
    /// Rows sent, each once.
    pub rows: Count,
}

/// The far end of an edge.
#[derive(Debug)]
pub(crate) enum Target {
    /// A channel into another task.
    Channel(Arc<Edge>, mpsc::Sender<Item>),
    /// The same, but what finds the channel full is dropped.
    Shed(Arc<Edge>, mpsc::Sender<Item>, Shed),
    /// A step of the same task, by its number.
    Step(Arc<Edge>, usize),
}

impl Target {
    /// Sends into a channel, when the edge has room for its bytes. Where the receiver is gone, the
    /// batch is dropped and so fails: its run is ending.
    pub async fn send(&self, batch: Batch) {
        let rows = batch.rows.len() as u64;
        let (edge, channel) = match self {
            Target::Channel(edge, channel) => (edge, channel),
            Target::Shed(edge, channel, shed) => {
                let batch = shed.let_go(batch);
                let Some(held) = edge.budget.try_take(held_bytes(&batch.rows)) else {
                    return shed.drop_rows(edge, rows);
                };
                match channel.try_send(Item { edge: edge.clone(), batch, held }) {
                    Ok(()) => edge.sent.add(rows),
                    Err(TrySendError::Full(_)) => shed.drop_rows(edge, rows),
                    Err(TrySendError::Closed(_)) => {}
                }
                return;
            }
            Target::Step(..) => unreachable!("a step is called"),
        };
        // The bytes first: who waits for them keeps no other edge from the channel.
        let held = edge.budget.take(held_bytes(&batch.rows)).await;
        if channel.send(Item { edge: edge.clone(), batch, held }).await.is_ok() {
            edge.sent.add(rows);
        }
    }
}

impl Outlet {
    /// Sends to all targets; the acknowledgements are taken before the first send.
    pub async fn send(&self, batch: Batch) {
        self.rows.add(batch.rows.len() as u64);
        let Batch { rows, ack } = batch;
        for (target, batch) in self.targets.iter().zip(copies(rows, ack, self.targets.len())) {
            target.send(batch).await;
        }
    }
}

fn copies(rows: Rows, ack: Ack, n: usize) -> Vec<Batch> {
    let acks = ack.fan_out(n);
    acks.into_iter().map(|ack| Batch { rows: rows.clone(), ack }).collect()
}

/// The one input of a task: an unordered merge of all edges into it.
#[derive(Debug)]
pub(crate) struct Inlet {
    channel: mpsc::Receiver<Item>,
    lanes: Lanes,
}

impl Inlet {
    pub fn new(channel: mpsc::Receiver<Item>) -> Inlet {
        Inlet { channel, lanes: Lanes::default() }
    }

    /// The next batch; `None` when all senders are gone. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Batch> {
        let item = self.channel.recv().await?;
        Some(self.received(item))
    }

    /// A batch that waits already.
    pub fn try_recv(&mut self) -> Option<Batch> {
        let item = self.channel.try_recv().ok()?;
        Some(self.received(item))
    }

    fn received(&mut self, item: Item) -> Batch {
        drop(item.held);
        self.lanes.received(&item.edge, item.batch)
    }
}

/// Counts what is received, and gives the rows of each of several edges a partition of their own.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    /// By edge, the partition that was seen last and the one made of it.
    last: BTreeMap<String, (Arc<Partition>, Arc<Partition>)>,
}

impl Lanes {
    pub fn received(&mut self, edge: &Edge, mut batch: Batch) -> Batch {
        edge.received.add(batch.rows.len() as u64);
        if let Some(lane) = &edge.lane {
            batch.rows.ids = self.rename(lane, batch.rows.ids);
        }
        batch
    }

    fn rename(&mut self, lane: &str, ids: RowIds) -> RowIds {
        let known = self.last.get(lane).filter(|(from, _)| from.id == ids.partition.id);
        let to = match known {
            Some((_, to)) => to.clone(),
            None => {
                let to = Arc::new(ids.partition.derive(lane));
                self.last.insert(lane.to_owned(), (ids.partition, to.clone()));
                to
            }
        };
        RowIds { partition: to, runs: ids.runs }
    }
}
