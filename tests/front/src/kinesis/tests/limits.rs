//! What writing and managing refuse.

use serde_json::{Value, json};

use super::{data, put, stream};
use crate::kinesis::Kinesis;
use crate::rules::Faults;
use crate::testing::Bench;

fn entries(count: usize, key: &str, bytes: usize) -> serde_json::Value {
    let data = data(&vec![7; bytes]);
    let one = json!({"Data": data, "PartitionKey": key});
    json!({"StreamName": "s", "Records": vec![one; count]})
}

#[tokio::test]
async fn a_stream_takes_records_when_it_is_active() {
    let bench = Bench::new("kinesis", Kinesis::new);
    bench.set(|settings| settings.transition_ms = 1_000);
    let create = json!({"StreamName": "s", "ShardCount": 1});
    bench.ask("CreateStream", create.clone()).await;
    let one = json!({"StreamName": "s", "PartitionKey": "k", "Data": ""});
    assert_eq!(bench.refused("PutRecord", one.clone()).await.0, "ResourceNotFoundException");
    let (code, text) = bench.refused("CreateStream", create.clone()).await;
    let exists = "Stream s under account 123456789012 already exists.";
    assert_eq!((code.as_str(), text.as_str()), ("ResourceInUseException", exists));
    let reply = bench.ask("DescribeStreamSummary", json!({"StreamName": "s"})).await;
    assert_eq!(reply["StreamDescriptionSummary"]["StreamStatus"], "CREATING");
    bench.advance(1_000);
    bench.ask("PutRecord", one.clone()).await;
    bench.ask("DeleteStream", json!({"StreamName": "s"})).await;
    bench.advance(1_000);
    assert_eq!(bench.refused("PutRecord", one).await.0, "ResourceNotFoundException");
    for at in 0..5 {
        let name = format!("t{at}");
        bench.ask("CreateStream", json!({"StreamName": name, "ShardCount": 1})).await;
    }
    assert_eq!(bench.refused("CreateStream", create).await.0, "LimitExceededException");
}

#[tokio::test]
async fn requests_have_aws_sizes() {
    let bench = stream(1).await;
    bench.set(|settings| settings.shard_rate = 0.0);
    let code = async |body| bench.refused("PutRecords", body).await.0;
    assert_eq!(code(entries(0, "k", 1)).await, "ValidationException");
    assert_eq!(code(entries(501, "k", 1)).await, "ValidationException");
    assert_eq!(code(entries(1, "", 1)).await, "ValidationException");
    assert_eq!(code(entries(1, &"ü".repeat(257), 1)).await, "ValidationException");
    bench.ask("PutRecords", entries(1, &"ü".repeat(256), 1)).await;
    // A mebibyte with the key; ten of them with their keys in a request.
    let (mib, key) = (1024 * 1024, "12345678");
    bench.ask("PutRecords", entries(10, key, mib - 8)).await;
    assert_eq!(code(entries(1, key, mib - 7)).await, "InvalidArgumentException");
    assert_eq!(code(entries(11, key, mib - 8)).await, "InvalidArgumentException");
    let arn = "arn:aws:kinesis:eu-central-1:123456789012:stream/s";
    bench.ask("UpdateMaxRecordSize", json!({"StreamARN": arn, "MaxRecordSizeInKiB": 2048})).await;
    bench.ask("PutRecords", entries(1, key, 2 * mib - 8)).await;
    assert_eq!(code(entries(1, key, 2 * mib - 7)).await, "InvalidArgumentException");
    let not_base64 = json!({"StreamName": "s", "PartitionKey": "k", "Data": "a*=="});
    assert_eq!(bench.refused("PutRecord", not_base64).await.0, "SerializationException");
    let number = json!({"StreamName": "s", "PartitionKey": 7, "Data": ""});
    assert_eq!(bench.refused("PutRecord", number).await.0, "SerializationException");
    let none = json!({"StreamName": "none", "PartitionKey": "k", "Data": ""});
    let (code, text) = bench.refused("PutRecord", none).await;
    let missing = "Stream none under account 123456789012 not found.";
    assert_eq!((code.as_str(), text.as_str()), ("ResourceNotFoundException", missing));
    let (_, text) = bench.refused("PutRecords", entries(2, "", 0)).await;
    assert!(text.contains("'records.2.member.partitionKey'"), "{text}");
    let dry = json!({"StreamName": "s", "PartitionKey": "k", "Data": "", "DryRun": true});
    assert_eq!(bench.refused("PutRecord", dry).await.0, "DryRunOperationException");
}

#[tokio::test]
async fn a_shard_takes_a_thousand_records_a_second() {
    let bench = stream(1).await;
    bench.ask("PutRecords", entries(500, "k", 1)).await;
    bench.ask("PutRecords", entries(499, "k", 1)).await;
    let reply = bench.reply("PutRecords", entries(500, "k", 1), &Faults::default()).await;
    assert_eq!((reply.status, reply.tally.entries), (200, 500));
    let throttled = reply.tally.throttled;
    assert!(throttled > 0 && reply.tally.entries_failed == throttled, "{:?}", reply.tally);
    let body: serde_json::Value = serde_json::from_slice(reply.bytes()).expect("JSON");
    assert_eq!(body["FailedRecordCount"], throttled);
    let last = &body["Records"][499];
    assert_eq!(last["ErrorCode"], "ProvisionedThroughputExceededException");
    assert!(last.get("SequenceNumber").is_none());
    bench.advance(1_000);
    put(&bench, "k", "again").await;
    // By bytes: the second record of a mebibyte has to wait.
    bench.advance(1_000);
    let reply = bench.ask("PutRecords", entries(2, "k", 1024 * 1024 - 8)).await;
    assert_eq!(reply["FailedRecordCount"], 1);
    let one = json!({"StreamName": "s", "PartitionKey": "k", "Data": ""});
    bench.ask("PutRecord", one.clone()).await;
    bench.ask("PutRecords", entries(1, "k", 9)).await;
    bench.set(|settings| settings.shard_rate = 0.001);
    bench.advance(10_000);
    bench.ask("PutRecord", one.clone()).await;
    let (code, text) = bench.refused("PutRecord", one).await;
    assert_eq!(code, "ProvisionedThroughputExceededException");
    assert!(text.starts_with("Rate exceeded for shard shardId-000000000000"), "{text}");
}

#[tokio::test]
async fn a_rule_fails_entries() {
    let bench = stream(1).await;
    let faults = Faults::entries(0.3, "InternalFailure");
    let reply = bench.reply("PutRecords", entries(500, "k", 1), &faults).await;
    let failed = reply.tally.entries_failed;
    assert!((100..200).contains(&failed), "{failed}");
    let body: serde_json::Value = serde_json::from_slice(reply.bytes()).expect("JSON");
    let records = body["Records"].as_array().expect("records");
    let codes = records.iter().filter(|one| one["ErrorCode"] == "InternalFailure").count();
    assert_eq!((records.len(), codes as u64), (500, failed));
}

#[tokio::test]
async fn keys_spread_by_md5_and_by_hand() {
    let bench = stream(4).await;
    // MD5("a") begins with 0c, MD5("b") with 92.
    assert_eq!(put(&bench, "a", "").await.0, "shardId-000000000000");
    assert_eq!(put(&bench, "b", "").await.0, "shardId-000000000002");
    let by_hand = |hash: &str| -> Value {
        json!({"StreamName": "s", "PartitionKey": "a", "Data": "", "ExplicitHashKey": hash})
    };
    let last = bench.ask("PutRecord", by_hand(&u128::MAX.to_string())).await;
    assert_eq!(last["ShardId"], "shardId-000000000003");
    let over = by_hand("340282366920938463463374607431768211456");
    assert_eq!(bench.refused("PutRecord", over).await.0, "InvalidArgumentException");
    assert_eq!(bench.refused("PutRecord", by_hand("01")).await.0, "ValidationException");
}

#[tokio::test]
async fn numbers_rise_and_order_is_asked_for() {
    let bench = stream(1).await;
    let (_, first) = put(&bench, "k", "1").await;
    let after = |number: &str| {
        json!({
            "StreamName": "s", "PartitionKey": "k", "Data": "",
            "SequenceNumberForOrdering": number,
        })
    };
    let reply = bench.ask("PutRecord", after(&first)).await;
    let second = reply["SequenceNumber"].as_str().expect("a number");
    assert!(first.len() == 56 && second.len() == 56 && first.as_str() < second);
    assert_eq!(bench.refused("PutRecord", after("1")).await.0, "InvalidArgumentException");
}

#[tokio::test]
async fn consumers_have_limits() {
    let bench = stream(1).await;
    let arn = "arn:aws:kinesis:eu-central-1:123456789012:stream/s";
    let named = |at: usize| json!({"StreamARN": arn, "ConsumerName": format!("c{at}")});
    bench.set(|settings| settings.transition_ms = 1_000);
    for at in 0..20 {
        if at % 5 == 0 {
            bench.advance(1_000);
        }
        bench.ask("RegisterStreamConsumer", named(at)).await;
        if at % 5 == 4 {
            let code = bench.refused("RegisterStreamConsumer", named(99)).await.0;
            assert_eq!(code, "LimitExceededException");
        }
    }
    bench.advance(1_000);
    let register = "RegisterStreamConsumer";
    assert_eq!(bench.refused(register, named(20)).await.0, "LimitExceededException");
    assert_eq!(bench.refused(register, named(1)).await.0, "ResourceInUseException");
    bench.ask("DeregisterStreamConsumer", named(1)).await;
    let missing = bench.refused("DescribeStreamConsumer", named(1)).await.0;
    assert_eq!(missing, "ResourceNotFoundException");
    let delete = json!({"StreamName": "s"});
    assert_eq!(bench.refused("DeleteStream", delete).await.0, "ResourceInUseException");
    let enforced = json!({"StreamName": "s", "EnforceConsumerDeletion": true});
    bench.ask("DeleteStream", enforced).await;
}

#[tokio::test]
async fn names_and_targets_are_checked() {
    let bench = stream(1).await;
    let summary = "DescribeStreamSummary";
    assert_eq!(bench.refused(summary, json!({"StreamName": "a b"})).await.0, "ValidationException");
    assert_eq!(bench.refused(summary, json!({})).await.0, "InvalidArgumentException");
    let other = json!({"StreamARN": "arn:aws:kinesis:eu-west-1:123456789012:stream/s"});
    assert_eq!(bench.refused(summary, other).await.0, "InvalidArgumentException");
    assert_eq!(bench.refused("Explode", json!({})).await.0, "UnknownOperationException");
    let none = json!({"StreamName": "t"});
    assert_eq!(bench.refused("CreateStream", none).await.0, "InvalidArgumentException");
    let zero = json!({"StreamName": "t", "ShardCount": 0});
    assert_eq!(bench.refused("CreateStream", zero).await.0, "ValidationException");
    let many = json!({"StreamName": "t", "ShardCount": 20_000});
    assert_eq!(bench.refused("CreateStream", many).await.0, "LimitExceededException");
}
