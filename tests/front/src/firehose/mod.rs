//! Firehose, after its API reference: records put directly, buffered, and written as one object
//! into S3. A Redshift destination is kept as it was described; its objects are written, and
//! nothing is copied from there.

mod create;
mod deliver;
mod put;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::ACCOUNT;
use crate::firehose::deliver::Buffer;
use crate::objects::ObjectStore;
use crate::request::{Request, Response, Service};
use crate::rules::Faults;
use crate::service_error::{Input, ServiceError};
use crate::services::Shared;
use crate::wire;

/// The delivery streams of all regions.
pub struct Firehose {
    inner: Arc<Inner>,
}

/// What the calls and the timers of buffers have in common.
struct Inner {
    shared: Arc<Shared>,
    objects: Arc<dyn ObjectStore>,
    streams: Mutex<BTreeMap<(String, String), Delivery>>,
}

/// A delivery stream.
struct Delivery {
    name: String,
    arn: String,
    made_ms: i64,
    active_ms: i64,
    /// When it is gone, once it is DELETING.
    gone_ms: Option<i64>,
    /// The destination as DescribeDeliveryStream shows it.
    described: Value,
    buffer: Buffer,
}

type Answer = Result<Value, ServiceError>;

impl Firehose {
    /// No delivery streams; what they deliver goes to `objects`.
    pub fn new(shared: &Arc<Shared>, objects: &Arc<dyn ObjectStore>) -> Firehose {
        let (shared, objects) = (shared.clone(), objects.clone());
        Firehose { inner: Arc::new(Inner { shared, objects, streams: Mutex::default() }) }
    }
}

#[async_trait]
impl Service for Firehose {
    async fn call(&self, request: &Request, faults: &Faults) -> Response {
        let inner = &self.inner;
        let input = || Input::of(&request.body);
        let result = match request.operation.as_str() {
            "PutRecordBatch" => {
                let reply = Inner::put_record_batch(inner, request, faults);
                return reply.unwrap_or_else(|error| error.reply(request));
            }
            "PutRecord" => {
                let result = Inner::put_record(inner, request, faults);
                return wire::one_entry(request, result);
            }
            "CreateDeliveryStream" => input().and_then(|input| inner.create(request, input)),
            "DescribeDeliveryStream" => input().and_then(|input| inner.describe(request, input)),
            "DeleteDeliveryStream" => input().and_then(|input| inner.delete(request, input)),
            "ListDeliveryStreams" => Ok(inner.list(request)),
            _ => Err(ServiceError::new("UnknownOperationException", "")),
        };
        match result {
            Ok(body) => wire::json_reply(request, &body),
            Err(error) => error.reply(request),
        }
    }
}

/// The name of a delivery stream: up to 64 characters.
fn stream_name(input: &mut Input) -> Result<String, ServiceError> {
    let name = input.required_name("DeliveryStreamName")?;
    if name.len() > 64 {
        let rule = "have length less than or equal to 64";
        input.wrong("DeliveryStreamName", Some(&name), rule);
    }
    Ok(name)
}

fn not_found(name: &str) -> ServiceError {
    ServiceError::not_found(format!("Firehose {name} under account {ACCOUNT} not found."))
}

impl Inner {
    fn now_ms(&self) -> i64 {
        self.shared.clock.now_ms()
    }

    fn streams(&self) -> MutexGuard<'_, BTreeMap<(String, String), Delivery>> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = self.now_ms();
        streams.retain(|_, stream| stream.gone_ms.is_none_or(|at_ms| now_ms < at_ms));
        streams
    }

    fn describe(&self, request: &Request, mut input: Input) -> Answer {
        let name = stream_name(&mut input)?;
        input.finish()?;
        let now_ms = self.now_ms();
        let streams = self.streams();
        let stream = streams.get(&(request.region.clone(), name.clone()));
        let stream = stream.ok_or_else(|| not_found(&name))?;
        let status = match stream.gone_ms {
            Some(_) => "DELETING",
            None if now_ms < stream.active_ms => "CREATING",
            None => "ACTIVE",
        };
        Ok(json!({"DeliveryStreamDescription": {
            "DeliveryStreamName": stream.name,
            "DeliveryStreamARN": stream.arn,
            "DeliveryStreamStatus": status,
            "DeliveryStreamEncryptionConfiguration": {"Status": "DISABLED"},
            "DeliveryStreamType": "DirectPut",
            "VersionId": "1",
            "CreateTimestamp": stream.made_ms as f64 / 1_000.0,
            "Destinations": [stream.described],
            "HasMoreDestinations": false,
        }}))
    }

    fn delete(&self, request: &Request, mut input: Input) -> Answer {
        let name = stream_name(&mut input)?;
        input.finish()?;
        let gone_ms = self.now_ms() + self.shared.settings().transition_ms;
        let mut streams = self.streams();
        let stream = streams.get_mut(&(request.region.clone(), name.clone()));
        stream.ok_or_else(|| not_found(&name))?.gone_ms = Some(gone_ms);
        Ok(json!({}))
    }

    fn list(&self, request: &Request) -> Value {
        let streams = self.streams();
        let own = streams.keys().filter(|(region, _)| *region == request.region);
        let names: Vec<&String> = own.map(|(_, name)| name).collect();
        json!({"DeliveryStreamNames": names, "HasMoreDeliveryStreams": false})
    }
}

#[cfg(test)]
mod tests;
