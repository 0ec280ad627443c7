//! Kinesis Data Streams, after its API reference: streams, shards, records, iterators, fan-out.

mod consumers;
mod eventstream;
mod put;
mod rate;
mod read;
mod sequence;
mod shards;
mod stream;
mod streams;
mod subscribe;
mod token;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::ACCOUNT;
use crate::kinesis::stream::Stream;
use crate::request::{Request, Response, Service};
use crate::rules::Faults;
use crate::service_error::{Input, ServiceError};
use crate::services::Shared;
use crate::wire;

/// Region and name.
type Named = (String, String);

/// The streams of all regions.
pub struct Kinesis {
    inner: Arc<Inner>,
}

/// What the calls and the subscriptions have in common.
struct Inner {
    shared: Arc<Shared>,
    streams: Mutex<BTreeMap<Named, Stream>>,
    /// Something was written, resharded or deleted.
    changed: Notify,
}

type Answer = Result<Value, ServiceError>;

impl Kinesis {
    /// No streams.
    pub fn new(shared: &Arc<Shared>) -> Kinesis {
        let streams = Mutex::default();
        let inner = Inner { shared: shared.clone(), streams, changed: Notify::new() };
        Kinesis { inner: Arc::new(inner) }
    }
}

impl Inner {
    fn now_ms(&self) -> i64 {
        self.shared.clock.now_ms()
    }

    /// The streams, with all that was due done.
    fn streams(&self) -> MutexGuard<'_, BTreeMap<Named, Stream>> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = self.now_ms();
        streams.retain(|_, stream| stream.settle(now_ms));
        streams
    }

    /// Acts on the stream that a request names by StreamName or StreamARN.
    fn with<T>(
        &self,
        request: &Request,
        name: &str,
        act: impl FnOnce(&mut Stream) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        let mut streams = self.streams();
        let at = (request.region.clone(), name.to_owned());
        let missing =
            || ServiceError::not_found(format!("Stream {name} under account {ACCOUNT} not found."));
        act(streams.get_mut(&at).ok_or_else(missing)?)
    }
}

/// The stream's name in StreamName or StreamARN.
fn stream_name(request: &Request, input: &mut Input) -> Result<String, ServiceError> {
    let name = input.name("StreamName")?;
    let of_arn = input.text("StreamARN")?.map(|arn| name_in_arn(request, &arn)).transpose()?;
    input.finish()?;
    match (name, of_arn) {
        (Some(name), Some(other)) if name != other => {
            Err(ServiceError::argument("StreamName and StreamARN name different streams."))
        }
        (Some(name), _) | (None, Some(name)) => Ok(name),
        (None, None) => {
            Err(ServiceError::argument("Either StreamName or StreamARN must be provided."))
        }
    }
}

/// The name in `arn:aws:kinesis:REGION:ACCOUNT:stream/NAME`.
fn name_in_arn(request: &Request, arn: &str) -> Result<String, ServiceError> {
    let own = format!("arn:aws:kinesis:{}:{ACCOUNT}:stream/", request.region);
    let name = arn.strip_prefix(&own).map(|name| name.split('/').next().unwrap_or_default());
    let text = format!("The ARN {arn} is not one of account {ACCOUNT} in {}.", request.region);
    name.map(str::to_owned).ok_or_else(|| ServiceError::argument(text))
}

#[async_trait]
impl Service for Kinesis {
    async fn call(&self, request: &Request, faults: &Faults) -> Response {
        let inner = &self.inner;
        let result = match request.operation.as_str() {
            "PutRecords" => {
                let reply = inner.put_records(request, faults);
                return reply.unwrap_or_else(|error| error.reply(request));
            }
            "GetRecords" => {
                let reply = inner.get_records(request);
                return reply.unwrap_or_else(|error| error.reply(request));
            }
            "SubscribeToShard" => {
                let reply = Inner::subscribe(inner, request);
                return reply.unwrap_or_else(|error| error.reply(request));
            }
            "PutRecord" => {
                let result = inner.put_record(request, faults);
                return wire::one_entry(request, result);
            }
            "GetShardIterator" => inner.shard_iterator(request),
            _ => inner.manage(request),
        };
        match result {
            Ok(Value::Null) => Response::new(200, "").header("content-type", JSON),
            Ok(body) => wire::json_reply(request, &body),
            Err(error) => error.reply(request),
        }
    }
}

const JSON: &str = "application/x-amz-json-1.1";

impl Inner {
    /// The calls about streams, shards and consumers rather than records.
    fn manage(&self, request: &Request) -> Answer {
        let input = Input::of(&request.body)?;
        match request.operation.as_str() {
            "CreateStream" => self.create_stream(request, input),
            "DeleteStream" => self.delete_stream(request, input),
            "DescribeStream" => self.describe_stream(request, input),
            "DescribeStreamSummary" => self.describe_stream_summary(request, input),
            "ListStreams" => self.list_streams(request, input),
            "IncreaseStreamRetentionPeriod" => self.retention(request, input, true),
            "DecreaseStreamRetentionPeriod" => self.retention(request, input, false),
            "UpdateMaxRecordSize" => self.update_max_record_size(request, input),
            "ListShards" => self.list_shards(request, input),
            "SplitShard" => self.split_shard(request, input),
            "MergeShards" => self.merge_shards(request, input),
            "UpdateShardCount" => self.update_shard_count(request, input),
            "RegisterStreamConsumer" => self.register_consumer(request, input),
            "DescribeStreamConsumer" => self.describe_consumer(request, input),
            "DeregisterStreamConsumer" => self.deregister_consumer(request, input),
            "ListStreamConsumers" => self.list_consumers(request, input),
            _ => Err(ServiceError::new("UnknownOperationException", "")),
        }
    }
}

/// Seconds with three decimals, as timestamps are sent.
fn seconds(at_ms: i64) -> Value {
    json!(at_ms as f64 / 1_000.0)
}

#[cfg(test)]
mod tests;
