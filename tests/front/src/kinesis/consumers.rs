//! Consumers of enhanced fan-out: registering, describing, taking off.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::ACCOUNT;
use crate::kinesis::stream::{Consumer, Stream};
use crate::kinesis::{Answer, Inner, name_in_arn, seconds};
use crate::request::Request;
use crate::service_error::{Input, ServiceError};

const CONSUMERS_MAX: usize = 20;
const CREATING_MAX: usize = 5;

fn consumer_json(consumer: &Consumer, now_ms: i64) -> Value {
    json!({
        "ConsumerName": consumer.name,
        "ConsumerARN": consumer.arn,
        "ConsumerStatus": consumer.status(now_ms),
        "ConsumerCreationTimestamp": seconds(consumer.made_ms),
    })
}

/// Stream and consumer in `…:stream/NAME/consumer/CONSUMER:SECONDS`.
pub(super) fn in_consumer_arn(
    request: &Request,
    arn: &str,
) -> Result<(String, String), ServiceError> {
    let stream = name_in_arn(request, arn)?;
    let consumer = arn.split("/consumer/").nth(1).and_then(|rest| rest.split(':').next());
    let invalid = || ServiceError::argument(format!("{arn} is not the ARN of a consumer."));
    Ok((stream, consumer.ok_or_else(invalid)?.to_owned()))
}

/// The consumer of an ARN, which has its second too.
pub(super) fn consumer_of<'a>(
    stream: &'a mut Stream,
    name: &str,
    arn: Option<&str>,
) -> Result<&'a mut Consumer, ServiceError> {
    let text =
        format!("Consumer {name} of stream {} under account {ACCOUNT} not found.", stream.name);
    let found = stream.consumers.get_mut(name);
    let found = found.filter(|consumer| arn.is_none_or(|arn| consumer.arn == arn));
    found.ok_or_else(|| ServiceError::not_found(text))
}

impl Inner {
    pub(super) fn register_consumer(&self, request: &Request, mut input: Input) -> Answer {
        let name = input.required_name("ConsumerName")?;
        let arn = input.required("StreamARN")?;
        input.finish()?;
        let stream = name_in_arn(request, &arn)?;
        let now_ms = self.now_ms();
        let active_ms = now_ms + self.shared.settings().transition_ms;
        self.with(request, &stream, |stream| {
            if !matches!(stream.status, "ACTIVE" | "UPDATING") {
                stream.must_be_active()?;
            }
            if stream.consumers.contains_key(&name) {
                let text = format!(
                    "Consumer {name} of stream {} under account {ACCOUNT} already exists.",
                    stream.name
                );
                return Err(ServiceError::in_use(text));
            }
            let creating = stream.consumers.values().filter(|one| now_ms < one.active_ms).count();
            if creating >= CREATING_MAX || stream.consumers.len() >= CONSUMERS_MAX {
                let text = format!(
                    "{} has {} consumers, {creating} of them CREATING: at most {CONSUMERS_MAX}, \
                     and {CREATING_MAX} CREATING.",
                    stream.title(),
                    stream.consumers.len()
                );
                return Err(ServiceError::limit(text));
            }
            let consumer = Consumer {
                arn: format!("{}/consumer/{name}:{}", stream.arn, now_ms / 1_000),
                name: name.clone(),
                made_ms: now_ms,
                active_ms,
                subscribed: BTreeMap::new(),
            };
            let body = json!({"Consumer": consumer_json(&consumer, now_ms)});
            stream.consumers.insert(name, consumer);
            Ok(body)
        })
    }

    /// Stream, consumer's name, and its ARN where that was given.
    fn named(
        request: &Request,
        input: &mut Input,
    ) -> Result<(String, String, Option<String>), ServiceError> {
        let name = input.name("ConsumerName")?;
        let (stream_arn, arn) = (input.text("StreamARN")?, input.text("ConsumerARN")?);
        input.finish()?;
        match (arn, stream_arn, name) {
            (Some(arn), _, _) => {
                let (stream, name) = in_consumer_arn(request, &arn)?;
                Ok((stream, name, Some(arn)))
            }
            (None, Some(stream), Some(name)) => Ok((name_in_arn(request, &stream)?, name, None)),
            _ => {
                let text = "Either ConsumerARN, or both StreamARN and ConsumerName, are needed.";
                Err(ServiceError::argument(text))
            }
        }
    }

    pub(super) fn describe_consumer(&self, request: &Request, mut input: Input) -> Answer {
        let (stream, name, arn) = Self::named(request, &mut input)?;
        let now_ms = self.now_ms();
        self.with(request, &stream, |stream| {
            let stream_arn = stream.arn.clone();
            let consumer = consumer_of(stream, &name, arn.as_deref())?;
            let mut body = consumer_json(consumer, now_ms);
            body["StreamARN"] = json!(stream_arn);
            Ok(json!({"ConsumerDescription": body}))
        })
    }

    pub(super) fn deregister_consumer(&self, request: &Request, mut input: Input) -> Answer {
        let (stream, name, arn) = Self::named(request, &mut input)?;
        self.with(request, &stream, |stream| {
            consumer_of(stream, &name, arn.as_deref())?;
            stream.consumers.remove(&name);
            Ok(())
        })?;
        self.changed.notify_waiters();
        Ok(Value::Null)
    }

    pub(super) fn list_consumers(&self, request: &Request, mut input: Input) -> Answer {
        let arn = input.required("StreamARN")?;
        let limit = input.number("MaxResults", 1, 10_000)?.unwrap_or(100) as usize;
        input.finish()?;
        let after = input.text("NextToken")?;
        let stream = name_in_arn(request, &arn)?;
        let now_ms = self.now_ms();
        self.with(request, &stream, |stream| {
            let rest: Vec<&Consumer> = stream
                .consumers
                .values()
                .filter(|one| after.as_ref().is_none_or(|after| one.name > *after))
                .collect();
            let shown = rest.iter().take(limit).map(|one| consumer_json(one, now_ms));
            let mut body = json!({"Consumers": shown.collect::<Vec<_>>()});
            if let (true, Some(last)) = (rest.len() > limit, rest.get(limit - 1)) {
                body["NextToken"] = json!(last.name);
            }
            Ok(body)
        })
    }
}
