//! Iterators, their ends, and what is pushed.

use serde_json::{Value, json};

use super::{data, iterator, put, read, stream};
use crate::kinesis::Kinesis;
use crate::request::Response;
use crate::rules::Faults;
use crate::testing::Bench;

const SHARD: &str = "shardId-000000000000";

#[tokio::test]
async fn all_five_kinds_begin_where_they_say() {
    let bench = stream(1).await;
    let mut numbers = Vec::new();
    for text in ["a", "b", "c"] {
        numbers.push(put(&bench, "k", text).await.1);
        bench.advance(10);
    }
    let texts = |all: &[&str]| all.iter().map(|one| data(one.as_bytes())).collect::<Vec<_>>();
    let from = async |kind: &str, more: Value| {
        let from = iterator(&bench, SHARD, kind, more).await;
        read(&bench, from).await.0
    };
    assert_eq!(from("TRIM_HORIZON", json!({})).await, texts(&["a", "b", "c"]));
    assert_eq!(from("LATEST", json!({})).await, texts(&[]));
    let second = json!({"StartingSequenceNumber": numbers[1]});
    assert_eq!(from("AT_SEQUENCE_NUMBER", second.clone()).await, texts(&["b", "c"]));
    assert_eq!(from("AFTER_SEQUENCE_NUMBER", second).await, texts(&["c"]));
    let first = iterator(&bench, SHARD, "TRIM_HORIZON", json!({})).await;
    let reply = bench.ask("GetRecords", json!({"ShardIterator": first})).await;
    let at = &reply["Records"][1]["ApproximateArrivalTimestamp"];
    assert_eq!(from("AT_TIMESTAMP", json!({"Timestamp": at})).await, texts(&["b", "c"]));
}

#[tokio::test]
async fn places_that_are_none_are_refused() {
    let bench = stream(2).await;
    let number = put(&bench, "a", "x").await.1;
    let code = async |shard: &str, kind: &str, more: Value| {
        let mut body = json!({"StreamName": "s", "ShardId": shard, "ShardIteratorType": kind});
        more.as_object().expect("members").iter().for_each(|(k, v)| body[k] = v.clone());
        bench.refused("GetShardIterator", body).await.0
    };
    let invalid = "InvalidArgumentException";
    let at = "AT_SEQUENCE_NUMBER";
    let of = |number: &str| json!({"StartingSequenceNumber": number});
    assert_eq!(code(SHARD, at, json!({})).await, invalid);
    assert_eq!(code(SHARD, at, of("17")).await, invalid);
    assert_eq!(code("shardId-000000000001", at, of(&number)).await, invalid, "another shard's");
    assert_eq!(code(SHARD, "AT_TIMESTAMP", json!({})).await, invalid);
    assert_eq!(code(SHARD, "AT_TIMESTAMP", json!({"Timestamp": 9e9})).await, invalid);
    assert_eq!(code(SHARD, "MIDDLE", json!({})).await, "ValidationException");
    let missing = "ResourceNotFoundException";
    assert_eq!(code("shardId-000000000009", "LATEST", json!({})).await, missing);
    let forged = json!({"ShardIterator": "AAAAAAAAAAGsomething"});
    assert_eq!(bench.refused("GetRecords", forged).await.0, invalid);
}

#[tokio::test]
async fn iterators_expire_and_reads_are_limited() {
    let bench = stream(1).await;
    let from = iterator(&bench, SHARD, "TRIM_HORIZON", json!({})).await;
    let ask = json!({"ShardIterator": from});
    bench.advance(300_000 - 1_000);
    bench.ask("GetRecords", ask.clone()).await;
    bench.advance(2_000);
    assert_eq!(bench.refused("GetRecords", ask).await.0, "ExpiredIteratorException");
    bench.set(|settings| settings.shard_reads = 5);
    let from = iterator(&bench, SHARD, "TRIM_HORIZON", json!({})).await;
    let ask = json!({"ShardIterator": from});
    for _ in 0..5 {
        bench.ask("GetRecords", ask.clone()).await;
    }
    let code = bench.refused("GetRecords", ask.clone()).await.0;
    assert_eq!(code, "ProvisionedThroughputExceededException");
    bench.advance(1_000);
    bench.ask("GetRecords", ask.clone()).await;
    let wrong = json!({"ShardIterator": ask["ShardIterator"], "Limit": 10_001});
    assert_eq!(bench.refused("GetRecords", wrong).await.0, "ValidationException");
}

#[tokio::test]
async fn a_read_has_limits_and_says_how_far_behind_it_is() {
    let bench = stream(1).await;
    bench.set(|settings| settings.shard_rate = 0.0);
    let big = data(&vec![1; 1024 * 1024 - 1]);
    let one = json!({"Data": big, "PartitionKey": "k"});
    bench.ask("PutRecords", json!({"StreamName": "s", "Records": vec![one.clone(); 8]})).await;
    bench.ask("PutRecords", json!({"StreamName": "s", "Records": vec![one; 8]})).await;
    bench.advance(5_000);
    let from = iterator(&bench, SHARD, "TRIM_HORIZON", json!({})).await;
    let reply = bench.ask("GetRecords", json!({"ShardIterator": from})).await;
    assert_eq!(reply["Records"].as_array().expect("records").len(), 10, "10 MiB");
    assert!(reply["MillisBehindLatest"].as_i64().expect("a number") >= 5_000);
    let next = reply["NextShardIterator"].as_str().expect("an iterator").to_owned();
    let (rest, last) = read(&bench, next.clone()).await;
    assert_eq!((rest.len(), &last["MillisBehindLatest"]), (6, &json!(0)));
    bench.set(|settings| settings.empty_reads_every = 1);
    let reply = bench.ask("GetRecords", json!({"ShardIterator": next})).await;
    assert_eq!(reply["Records"], json!([]), "empty is not the end");
    assert!(reply["MillisBehindLatest"].as_i64().expect("a number") > 0);
}

#[tokio::test]
async fn records_are_kept_for_a_day() {
    let bench = stream(1).await;
    put(&bench, "k", "old").await;
    bench.advance(24 * 3_600_000 - 60_000);
    put(&bench, "k", "new").await;
    bench.advance(120_000);
    let from = iterator(&bench, SHARD, "TRIM_HORIZON", json!({})).await;
    assert_eq!(read(&bench, from).await.0, [data(b"new")]);
}

/// Headers and payload of a frame.
fn parse(bytes: &[u8]) -> (Vec<(String, String)>, Value) {
    let number =
        |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
    let (total, head) = (number(0), number(4));
    assert_eq!(total, bytes.len());
    let (mut at, mut headers) = (12, Vec::new());
    while at < 12 + head {
        let name_end = at + 1 + bytes[at] as usize;
        let name = String::from_utf8_lossy(&bytes[at + 1..name_end]).into_owned();
        let size = u16::from_be_bytes([bytes[name_end + 1], bytes[name_end + 2]]) as usize;
        let value = &bytes[name_end + 3..name_end + 3 + size];
        headers.push((name, String::from_utf8_lossy(value).into_owned()));
        at = name_end + 3 + size;
    }
    let payload = serde_json::from_slice(&bytes[12 + head..total - 4]).expect("JSON");
    (headers, payload)
}

async fn event(reply: &mut Response) -> Option<(Vec<(String, String)>, Value)> {
    Bench::<Kinesis>::part(reply).await.map(|bytes| parse(&bytes))
}

async fn subscribe(bench: &Bench<Kinesis>, arn: &str, kind: &str) -> Response {
    let body = json!({
        "ConsumerARN": arn, "ShardId": SHARD, "StartingPosition": {"Type": kind},
    });
    let mut reply = bench.reply("SubscribeToShard", body, &Faults::default()).await;
    assert_eq!(reply.status, 200);
    let (headers, payload) = event(&mut reply).await.expect("the initial response");
    assert_eq!((headers[1].1.as_str(), payload), ("initial-response", json!({})));
    reply
}

async fn consumer(bench: &Bench<Kinesis>) -> String {
    let arn = "arn:aws:kinesis:eu-central-1:123456789012:stream/s";
    let body = json!({"StreamARN": arn, "ConsumerName": "c"});
    let reply = bench.ask("RegisterStreamConsumer", body).await;
    reply["Consumer"]["ConsumerARN"].as_str().expect("an ARN").to_owned()
}

#[tokio::test]
async fn records_are_pushed_until_five_minutes_are_over() {
    let bench = stream(1).await;
    put(&bench, "k", "before").await;
    let arn = consumer(&bench).await;
    let mut reply = subscribe(&bench, &arn, "TRIM_HORIZON").await;
    let (headers, first) = event(&mut reply).await.expect("an event");
    assert_eq!(headers[1].1, "SubscribeToShardEvent");
    assert_eq!(first["Records"][0]["Data"], data(b"before"));
    put(&bench, "k", "after").await;
    let (_, second) = event(&mut reply).await.expect("an event");
    assert_eq!(second["Records"][0]["Data"], data(b"after"));
    assert_eq!(second["ChildShards"], json!([]));
    let again = second["ContinuationSequenceNumber"].as_str().expect("a number");
    let more = json!({"StartingSequenceNumber": again});
    let from = iterator(&bench, SHARD, "AFTER_SEQUENCE_NUMBER", more).await;
    assert!(read(&bench, from).await.0.is_empty(), "it goes on after the last record");
    bench.advance(300_000);
    assert!(event(&mut reply).await.is_none(), "over");
}

#[tokio::test]
async fn a_closed_shard_ends_a_subscription_with_its_children() {
    let bench = stream(1).await;
    put(&bench, "k", "x").await;
    let arn = consumer(&bench).await;
    let mut reply = subscribe(&bench, &arn, "TRIM_HORIZON").await;
    event(&mut reply).await.expect("the record");
    let half = (u128::MAX / 2).to_string();
    let split = json!({"StreamName": "s", "ShardToSplit": SHARD, "NewStartingHashKey": half});
    bench.ask("SplitShard", split).await;
    let (_, last) = event(&mut reply).await.expect("the last event");
    assert_eq!(last["ChildShards"].as_array().expect("children").len(), 2);
    assert!(last.get("ContinuationSequenceNumber").is_none());
    assert!(event(&mut reply).await.is_none());
}

#[tokio::test]
async fn a_later_subscription_takes_over() {
    let bench = stream(1).await;
    let arn = consumer(&bench).await;
    let mut first = subscribe(&bench, &arn, "LATEST").await;
    let (_, idle) = event(&mut first).await.expect("an empty event");
    assert_eq!(idle["Records"], json!([]));
    let ask = json!({
        "ConsumerARN": arn, "ShardId": SHARD, "StartingPosition": {"Type": "LATEST"},
    });
    let code = bench.refused("SubscribeToShard", ask).await.0;
    assert_eq!(code, "ResourceInUseException");
    bench.advance(5_000);
    let mut second = subscribe(&bench, &arn, "LATEST").await;
    while event(&mut first).await.is_some() {}
    put(&bench, "k", "x").await;
    while event(&mut second).await.expect("an event").1["Records"] == json!([]) {}
    bench.ask("DeregisterStreamConsumer", json!({"ConsumerARN": arn})).await;
    let mut last = None;
    while let Some((headers, _)) = event(&mut second).await {
        last = Some(headers);
    }
    let headers = last.expect("an error");
    assert_eq!(headers[0].1, "exception");
    assert_eq!(headers[1].1, "ResourceNotFoundException");
}
