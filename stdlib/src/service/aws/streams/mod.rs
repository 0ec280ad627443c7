//! Streams on Kinesis.
//!
//! **Writing** ([`put`]): records become units ([`units`]: one each, or packed in the format of
//! [`kpl`]), [`lanes`] says which may be sent, and only failed entries go again.
//!
//! **Reading** ([`read`]): parents before children ([`lineage`]), each shard by one worker.

pub mod facts;
pub mod hash;
pub mod kpl;
pub mod lanes;
pub mod lineage;
pub mod options;
pub mod put;
pub mod read;
#[cfg(test)]
mod tests;
pub mod units;

use crate::service::aws::clients::Clients;
use crate::service::aws::leases::table::LeaseTable;
use crate::service::aws::state_table;
use crate::service::{Appended, Records, StreamReader, Streams};
use async_trait::async_trait;
use dsl::plan::Plan;
use engine::ctx::NodeCtx;
use engine::fault::Fault;
use engine::node::SinkLimits;
use facts::Stream;
use options::{Order, StreamOptions};
use read::AwsReader;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Appends under way at once, where their order is free.
const CONCURRENCY: usize = 8;
/// Records of one request at most.
const REQUEST_ROWS: usize = 500;
/// Bytes of the columns of one append, about.
const APPEND_BYTES: usize = 8 << 20;

/// The streams of a plan, on Kinesis.
pub struct AwsStreams {
    streams: BTreeMap<String, (Arc<Stream>, StreamOptions)>,
    dynamodb: aws_sdk_dynamodb::Client,
    table: String,
    help: String,
    worker: String,
}

impl AwsStreams {
    /// Those that the plan binds. Makes no call.
    ///
    /// # Errors
    /// A binding says what cannot be.
    pub fn new(plan: &Plan, clients: &Clients) -> Result<AwsStreams, Fault> {
        let options = StreamOptions::of(plan)?.into_iter();
        let stream = |(name, options): (String, StreamOptions)| {
            let stream = Stream::new(&name, clients.kinesis.clone());
            (name, (Arc::new(stream), options))
        };
        Ok(AwsStreams {
            streams: options.map(stream).collect(),
            dynamodb: clients.dynamodb.clone(),
            table: state_table(plan),
            help: format!("`flowc up {} --profile {}` makes it", plan.file, plan.profile),
            worker: format!("flowc-{}-{:012x}", std::process::id(), fastrand::u64(..1 << 48)),
        })
    }

    fn stream(&self, name: &str) -> Result<&(Arc<Stream>, StreamOptions), Fault> {
        self.streams
            .get(name)
            .ok_or_else(|| Fault::service("no_stream", format!("no stream `{name}` is bound")))
    }
}

#[async_trait]
impl Streams for AwsStreams {
    async fn append(&self, stream: &str, records: Records) -> Result<Appended, Fault> {
        let (stream, options) = self.stream(stream)?;
        put::append(stream, options, &records).await
    }

    async fn reader(&self, stream: &str, ctx: &NodeCtx) -> Result<Box<dyn StreamReader>, Fault> {
        let (stream, options) = self.stream(stream)?;
        let of = (ctx.node.id.as_str(), stream.name.as_str());
        let (table, help) = (self.table.clone(), self.help.clone());
        let table = LeaseTable::new(self.dynamodb.clone(), table, of, self.worker.clone(), help);
        Ok(Box::new(AwsReader::open(stream.clone(), *options, table, ctx).await?))
    }

    /// Where the order of keys is kept, one append at a time, of many rows: they are sent as fast
    /// as their keys allow.
    fn append_limits(&self, stream: &str) -> SinkLimits {
        let limits = SinkLimits { bytes_max: APPEND_BYTES, ..SinkLimits::default() };
        match self.streams.get(stream).map(|(_, options)| (options.order, options.pack)) {
            Some((Order::None, true)) => SinkLimits { concurrency: CONCURRENCY, ..limits },
            Some((Order::None, false)) => {
                SinkLimits { rows_max: REQUEST_ROWS, concurrency: CONCURRENCY, ..limits }
            }
            _ => limits,
        }
    }
}
