//! Enhanced fan-out: records are pushed as events until 5 minutes are over, the shard ends, or
//! another subscription takes over.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::kinesis::Inner;
use crate::kinesis::consumers::{consumer_of, in_consumer_arn};
use crate::kinesis::eventstream::{event, exception, frame};
use crate::kinesis::read::{KINDS, Start, behind_ms, children_json, records_from, records_json};
use crate::kinesis::stream::shard_id;
use crate::request::{Body, Request, Response};
use crate::service_error::{Input, ServiceError};

const SUBSCRIPTION_MS: i64 = 300_000;
const AGAIN_MS: i64 = 5_000;
const IDLE_MS: i64 = 5_000;
const EVENT_RECORDS: usize = 1_000;
const EVENT_BYTES: usize = 1024 * 1024;
const BYTES_A_SECOND: usize = 2 * 1024 * 1024;

/// A subscription under way.
struct Subscription {
    inner: Arc<Inner>,
    request: Request,
    stream: String,
    consumer_arn: String,
    consumer: String,
    shard: u32,
    number: u64,
    next: u64,
    end_ms: i64,
}

/// What there is to send now.
enum Next {
    /// An event with so many bytes of records.
    Event(Bytes, usize),
    /// The shard's last event.
    Last(Bytes),
    /// Nothing; to be looked at again when something changes, or at this time.
    Wait(Bytes, i64),
    /// An error ends the stream.
    Over(Bytes),
    /// The end without an event: another subscription has taken over.
    Gone,
}

impl Inner {
    pub(super) fn subscribe(
        inner: &Arc<Inner>,
        request: &Request,
    ) -> Result<Response, ServiceError> {
        let mut input = Input::of(&request.body)?;
        let (arn, id) = (input.required("ConsumerARN")?, input.required_name("ShardId")?);
        let start = match input.within("StartingPosition")? {
            Some(mut position) => {
                let kind = position.word("Type", &KINDS)?;
                position.finish()?;
                let sequence = position.text("SequenceNumber")?;
                let at_ms = position.time("Timestamp")?;
                kind.map(|kind| Start { kind, sequence, at_ms })
            }
            None => None,
        };
        if start.is_none() {
            input.wrong("StartingPosition", None, "not be null");
        }
        input.finish()?;
        let Some(start) = start else { return Err(ServiceError::argument("StartingPosition")) };
        let (stream, consumer) = in_consumer_arn(request, &arn)?;
        let now_ms = inner.now_ms();
        let (shard, number, next) = inner.with(request, &stream, |found| {
            let shard = found.shard(&id)?;
            let next = start.count(shard, &stream, now_ms)?;
            let shard = shard.number;
            let consumer = consumer_of(found, &consumer, Some(&arn))?;
            if consumer.status(now_ms) != "ACTIVE" {
                let text = format!("Consumer {arn} is not ACTIVE.");
                return Err(ServiceError::in_use(text));
            }
            let last = consumer.subscribed.get(&shard).copied();
            if last.is_some_and(|(at_ms, _)| now_ms - at_ms < AGAIN_MS) {
                let text =
                    format!("Another active subscription exists for this consumer: {arn} on {id}.");
                return Err(ServiceError::in_use(text));
            }
            let number = last.map_or(0, |(_, number)| number + 1);
            consumer.subscribed.insert(shard, (now_ms, number));
            Ok((shard, number, next))
        })?;
        inner.changed.notify_waiters();
        let subscription = Subscription {
            inner: inner.clone(),
            request: request.clone(),
            stream,
            consumer_arn: arn,
            consumer,
            shard,
            number,
            next,
            end_ms: now_ms + SUBSCRIPTION_MS,
        };
        let (sender, parts) = mpsc::channel(4);
        tokio::spawn(subscription.run(sender));
        let reply = Response::new(200, "");
        let reply = reply.header("content-type", "application/vnd.amazon.eventstream");
        Ok(Response { body: Body::Stream(parts), ..reply })
    }
}

impl Subscription {
    /// Sends until the end, or until the client has gone.
    async fn run(mut self, to: mpsc::Sender<Bytes>) {
        let headers = [
            (":message-type", "event"),
            (":event-type", "initial-response"),
            (":content-type", "application/x-amz-json-1.1"),
        ];
        if to.send(frame(&headers, b"{}")).await.is_err() {
            return;
        }
        let clock = self.inner.clone();
        let mut said_ms = i64::MIN;
        loop {
            let changed = clock.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let now_ms = clock.now_ms();
            if now_ms >= self.end_ms {
                return;
            }
            match self.next(now_ms) {
                Next::Gone => return,
                Next::Last(bytes) | Next::Over(bytes) => {
                    let _ = to.send(bytes).await;
                    return;
                }
                Next::Event(bytes, size) => {
                    if to.send(bytes).await.is_err() {
                        return;
                    }
                    said_ms = now_ms;
                    let pause_ms = (size * 1_000 / BYTES_A_SECOND) as i64;
                    if clock.shared.settings().shard_reads > 0 && pause_ms > 0 {
                        clock.shared.clock.until((now_ms + pause_ms).min(self.end_ms)).await;
                    }
                }
                Next::Wait(idle, look_ms) => {
                    if now_ms >= said_ms.saturating_add(IDLE_MS) {
                        if to.send(idle).await.is_err() {
                            return;
                        }
                        said_ms = now_ms;
                    }
                    let look_ms = look_ms.min(said_ms + IDLE_MS).min(self.end_ms);
                    tokio::select! {
                        () = changed => {}
                        () = clock.shared.clock.until(look_ms) => {}
                        () = to.closed() => return,
                    }
                }
            }
        }
    }

    fn next(&mut self, now_ms: i64) -> Next {
        let (inner, name) = (self.inner.clone(), self.stream.clone());
        let next = inner.with(&self.request.clone(), &name, |stream| {
            let consumer = consumer_of(stream, &self.consumer, Some(&self.consumer_arn))?;
            if consumer.subscribed.get(&self.shard).is_none_or(|(_, last)| *last != self.number) {
                return Ok(Next::Gone);
            }
            let look_ms = stream.pending.as_ref().map_or(i64::MAX, |(at_ms, _)| *at_ms);
            let shard = stream.shard(&shard_id(self.shard))?;
            let records = records_from(shard, self.next, EVENT_RECORDS, EVENT_BYTES);
            let size: usize = records.iter().map(|record| record.bytes).sum();
            let list = records_json(shard, &records);
            let last = records.last().map(|record| record.count);
            let none = last.is_none();
            self.next = last.map_or(self.next, |count| count + 1);
            let behind = behind_ms(shard, self.next, now_ms);
            let more = shard.records.back().is_some_and(|record| record.count >= self.next);
            if !shard.is_open() && !more {
                let children = Value::from(children_json(stream, self.shard));
                let body = format!(
                    "{{\"Records\":[{list}],\"MillisBehindLatest\":0,\"ChildShards\":{children}}}"
                );
                return Ok(Next::Last(event("SubscribeToShardEvent", &body)));
            }
            // Where to go on: after the last record that was sent.
            let at = shard.sequence(self.next.saturating_sub(1), now_ms).text();
            let body = format!(
                "{{\"Records\":[{list}],\"ContinuationSequenceNumber\":\"{at}\",\
                 \"MillisBehindLatest\":{behind},\"ChildShards\":[]}}"
            );
            let event = event("SubscribeToShardEvent", &body);
            Ok(if none { Next::Wait(event, look_ms) } else { Next::Event(event, size) })
        });
        next.unwrap_or_else(|error| Next::Over(exception(&error.code, &error.message)))
    }
}
