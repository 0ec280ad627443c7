//! Enhanced fan-out: AWS sends the records of a shard as they come, with a throughput of their own.

use super::fetch::{Answer, Fetch};
use super::place::Place;
use crate::service::aws::errors::{answered, fault};
use crate::service::aws::streams::facts::Stream;
use aws_sdk_kinesis::types::{ConsumerStatus, SubscribeToShardEvent, SubscribeToShardEventStream};
use engine::ctx::Clock;
use engine::fault::Fault;
use std::time::Duration;

/// How long a subscription may say nothing: AWS sends an event every few seconds.
const SILENCE: Duration = Duration::from_secs(60);
/// A second subscription within five seconds is refused.
const IN_USE: Duration = Duration::from_secs(5);
/// How often it is asked whether a consumer is there.
const ASK: Duration = Duration::from_secs(1);
/// So often at most.
const ASKS: u32 = 300;

/// The name of a node's consumer: `flowc-` and what AWS takes of the node's name.
pub fn consumer_name(node: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '-' };
    format!("flowc-{node}").chars().map(legal).take(128).collect()
}

/// The ARN of a node's consumer; registers it where it is not there.
///
/// # Errors
/// It cannot be registered: there are 20 already, or the run may not.
pub async fn consumer(
    stream: &Stream,
    arn: &str,
    node: &str,
    clock: &dyn Clock,
) -> Result<String, Fault> {
    let name = consumer_name(node);
    let what = format!("register consumer `{name}` of stream `{}`", stream.name);
    for _ in 0..ASKS {
        let ask = stream.client().describe_stream_consumer().stream_arn(arn);
        match ask.consumer_name(&name).send().await {
            Ok(answer) => {
                let consumer = answer.consumer_description;
                let active = consumer.filter(|one| one.consumer_status == ConsumerStatus::Active);
                if let Some(consumer) = active {
                    return Ok(consumer.consumer_arn);
                }
            }
            Err(error) => {
                let fault = fault(&what, error);
                if fault.code != "ResourceNotFoundException" {
                    return Err(fault);
                }
                register(stream, arn, &name, &what).await?;
            }
        }
        clock.sleep(ASK).await;
    }
    Err(Fault::transient("consumer_creating", format!("cannot {what}: it is not active yet")))
}

async fn register(stream: &Stream, arn: &str, name: &str, what: &str) -> Result<(), Fault> {
    let ask = stream.client().register_stream_consumer().stream_arn(arn).consumer_name(name);
    match ask.send().await {
        Ok(_) => Ok(()),
        Err(error) => {
            let fault = fault(what, error);
            // Somebody else was quicker.
            if fault.code == "ResourceInUseException" { Ok(()) } else { Err(fault) }
        }
    }
}

/// Reads a shard to its end by subscriptions, each of five minutes.
///
/// # Errors
/// Why it cannot go on.
pub async fn run(fetch: &mut Fetch) -> Result<(), Fault> {
    let with = fetch.with.clone();
    let arn = loop {
        match consumer(&with.stream, &with.facts.arn, &with.node, &*with.clock).await {
            Ok(arn) => break arn,
            Err(fault) => fetch.wait(fault).await?,
        }
    };
    loop {
        match subscription(fetch, &arn).await {
            Ok(true) => return Ok(()),
            Ok(false) => (),
            Err(fault) if fault.code == "ResourceInUseException" => {
                fetch.wait(Fault::throttle(fault.code, fault.message)).await?;
                with.clock.sleep(IN_USE).await;
            }
            Err(fault) if fetch.is_gone(&fault).await? => return Ok(()),
            Err(fault) => fetch.wait(fault).await?,
        }
    }
}

/// One subscription; whether the shard has come to its end.
async fn subscription(fetch: &mut Fetch, arn: &str) -> Result<bool, Fault> {
    let with = fetch.with.clone();
    let what = format!("subscribe to shard {} of stream `{}`", fetch.shard, with.stream.name);
    let mut last = with.last.clone();
    let asked_last = *last.borrow_and_update();
    let ask = with.stream.client().subscribe_to_shard().consumer_arn(arn);
    let ask = ask.shard_id(&fetch.shard).starting_position(fetch.place.position());
    let answer = ask.send().await.map_err(|error| fault(&what, error))?;
    let mut events = answer.event_stream;
    loop {
        let event = tokio::select! {
            biased;
            // An event that is on its way may be older than that: only a new subscription tells.
            Ok(()) = last.changed(), if !asked_last => return Ok(false),
            event = events.recv() => event,
            () = with.clock.sleep(SILENCE) => return Ok(false),
        };
        let event = match event {
            Ok(Some(SubscribeToShardEventStream::SubscribeToShardEvent(event))) => event,
            Ok(Some(_)) => continue,
            Ok(None) => return Ok(false),
            Err(error) => {
                use aws_sdk_kinesis::error::ProvideErrorMetadata;
                let code = error.code().unwrap_or("connection");
                let message = error.message().map(str::to_owned);
                return Err(answered(&what, 0, code, message.as_deref()));
            }
        };
        fetch.went_well();
        if take(fetch, event, asked_last).await? {
            return Ok(true);
        }
    }
}

async fn take(
    fetch: &mut Fetch,
    event: SubscribeToShardEvent,
    asked_last: bool,
) -> Result<bool, Fault> {
    let is_end = event.child_shards.as_ref().is_some_and(|children| !children.is_empty());
    let behind_ms = u64::try_from(event.millis_behind_latest).unwrap_or(0);
    let next = event.continuation_sequence_number;
    let records = event.records;
    fetch.take(Answer { records, behind_ms, is_end, asked_last }).await?;
    if !next.is_empty() {
        fetch.place = Place::After(next);
    }
    Ok(is_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_has_a_legal_name() {
        assert_eq!(consumer_name("archive/orders.read#2"), "flowc-archive-orders.read-2");
        assert_eq!(consumer_name(&"x".repeat(200)).len(), 128);
    }
}
