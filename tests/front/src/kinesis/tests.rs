//! Tests of Kinesis: every refusal, and what reading, resharding and pushing give.

mod limits;
mod reading;
mod resharding;

use serde_json::{Value, json};

use crate::kinesis::Kinesis;
use crate::testing::Bench;

/// A front with the stream `s`, ACTIVE, without read limits.
async fn stream(shards: u32) -> Bench<Kinesis> {
    let bench = Bench::new("kinesis", Kinesis::new);
    bench.set(|settings| {
        settings.shard_reads = 0;
        settings.transition_ms = 0;
    });
    bench.ask("CreateStream", json!({"StreamName": "s", "ShardCount": shards})).await;
    bench
}

/// `Data` of these bytes.
fn data(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

async fn put(bench: &Bench<Kinesis>, key: &str, text: &str) -> (String, String) {
    let body = json!({"StreamName": "s", "PartitionKey": key, "Data": data(text.as_bytes())});
    let reply = bench.ask("PutRecord", body).await;
    let text = |name: &str| reply[name].as_str().expect("a text").to_owned();
    (text("ShardId"), text("SequenceNumber"))
}

async fn iterator(bench: &Bench<Kinesis>, shard: &str, kind: &str, more: Value) -> String {
    let mut body = json!({"StreamName": "s", "ShardId": shard, "ShardIteratorType": kind});
    for (name, value) in more.as_object().expect("members") {
        body[name] = value.clone();
    }
    let reply = bench.ask("GetShardIterator", body).await;
    reply["ShardIterator"].as_str().expect("an iterator").to_owned()
}

/// Reads a shard from an iterator until nothing is behind: the data, and the last answer.
async fn read(bench: &Bench<Kinesis>, iterator: String) -> (Vec<String>, Value) {
    let (mut all, mut next) = (Vec::new(), iterator);
    loop {
        let reply = bench.ask("GetRecords", json!({"ShardIterator": next})).await;
        for record in reply["Records"].as_array().expect("records") {
            all.push(record["Data"].as_str().expect("data").to_owned());
        }
        match reply["NextShardIterator"].as_str() {
            Some(after) if reply["MillisBehindLatest"] != 0 => next = after.to_owned(),
            _ => return (all, reply),
        }
    }
}

async fn shards(bench: &Bench<Kinesis>) -> Vec<Value> {
    let reply = bench.ask("ListShards", json!({"StreamName": "s"})).await;
    reply["Shards"].as_array().expect("shards").clone()
}
