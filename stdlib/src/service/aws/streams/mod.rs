//! Streams on Kinesis.
//!
//! **Writing** ([`put`]): records become units ([`units`]: one each, or packed in the format of
//! [`kpl`]), [`lanes`] says which may be sent, and only failed entries go again.

pub mod facts;
pub mod hash;
pub mod kpl;
pub mod lanes;
pub mod options;
pub mod put;
#[cfg(test)]
mod tests;
pub mod units;

use crate::service::aws::clients::Clients;
use crate::service::{Appended, Records, StreamReader, Streams};
use async_trait::async_trait;
use dsl::plan::Plan;
use engine::ctx::NodeCtx;
use engine::fault::Fault;
use engine::node::SinkLimits;
use facts::Stream;
use options::{Order, StreamOptions};
use std::collections::BTreeMap;

/// Appends under way at once, where their order is free.
const CONCURRENCY: usize = 8;
/// Records of one request at most.
const REQUEST_ROWS: usize = 500;
/// Bytes of the columns of one append, about.
const APPEND_BYTES: usize = 8 << 20;

/// The streams of a plan, on Kinesis.
pub struct AwsStreams {
    streams: BTreeMap<String, (Stream, StreamOptions)>,
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
            (name, (stream, options))
        };
        Ok(AwsStreams { streams: options.map(stream).collect() })
    }

    fn stream(&self, name: &str) -> Result<&(Stream, StreamOptions), Fault> {
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
        let (stream, _) = self.stream(stream)?;
        let _ = ctx;
        let message = format!("cannot read stream `{}`: the reader comes next", stream.name);
        Err(Fault::service("no_connectors", message))
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
