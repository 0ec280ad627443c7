//! What `file.write` writes, in memory. A model: each row of a source once, where its id tells it
//! from others, in the order of arrival. The node's own code, which works on threads and a real
//! file, is not run here.

use super::tally::Tally;
use super::{Shared, in_this_life, lock};
use crate::service::local::streams::seen::Seen;
use crate::service::once::{each_failure_once, each_row_once};
use arrow_array::cast::AsArray;
use async_trait::async_trait;
use dsl::ty::Ty;
use engine::batch::Rows;
use engine::ctx::NodeCtx;
use engine::fault::Fault;
use engine::node::{Sink, SinkLimits, Written};
use engine::registry::Open;
use engine::sim::Service;
use std::collections::BTreeMap;

/// Files by path.
pub type Files = BTreeMap<String, File>;

/// One file.
#[derive(Default)]
pub struct File {
    /// Its rows, in order.
    pub rows: Vec<Vec<u8>>,
    seen: Seen,
}

/// How the node is opened in one life.
pub fn open(client: Service, files: Shared<Files>, tally: Tally) -> Open {
    Open::Sink(Box::new(move |ctx| {
        let sink = FileWrite::open(&ctx, client.clone(), files.clone(), tally.clone());
        Box::pin(async move { Ok(Box::new(sink) as Box<dyn Sink>) })
    }))
}

struct FileWrite {
    client: Service,
    files: Shared<Files>,
    tally: Tally,
    path: String,
    once: bool,
}

impl FileWrite {
    fn open(ctx: &NodeCtx, client: Service, files: Shared<Files>, tally: Tally) -> FileWrite {
        let failures = ctx.node.input.as_ref() == Some(&Ty::failure());
        let once = if failures { each_failure_once(ctx) } else { each_row_once(ctx) };
        FileWrite { client, files, tally, path: ctx.node.text("path").to_owned(), once }
    }
}

#[async_trait]
impl Sink for FileWrite {
    fn limits(&self) -> SinkLimits {
        SinkLimits { whole: true, ..SinkLimits::default() }
    }

    async fn write(&self, rows: &Rows) -> Result<Written, Fault> {
        let (files, tally, path) = (self.files.clone(), self.tally.clone(), self.path.clone());
        let (rows, once) = (rows.clone(), self.once);
        let (world, count) = (self.client.world().clone(), rows.len() as u64);
        let write = in_this_life(&self.client, move |_| {
            let mut files = lock(&files);
            let file = files.entry(path.clone()).or_default();
            let id = rows.ids.partition.id;
            let payloads = rows.columns.column(0).as_binary::<i32>();
            let mut stored = 0;
            for (payload, seq) in payloads.iter().zip(rows.ids.seqs()) {
                if once && file.seen.missing(&id, seq, 1).is_empty() {
                    continue;
                }
                file.seen.add(&id, seq, 1);
                file.rows.push(payload.unwrap_or_default().to_vec());
                stored += 1;
            }
            tally.arrived(&path, stored, count - stored);
            world.event(&format!("write {path}"), &[stored, count - stored]);
        });
        self.client.call("write", write).await?;
        self.tally.told(&self.path, count);
        Ok(Written::default())
    }
}
