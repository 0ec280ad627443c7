//! Tests of Firehose: what it refuses, and what it writes.

use std::io::Read;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::clock::moment;
use crate::firehose::Firehose;
use crate::objects::{MemoryObjects, ObjectStore};
use crate::rules::Faults;
use crate::testing::Bench;

type Objects = Arc<dyn ObjectStore>;

fn config(more: Value) -> Value {
    let mut config = json!({
        "RoleARN": "arn:aws:iam::123456789012:role/r",
        "BucketARN": "arn:aws:s3:::b",
        "BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 60},
    });
    for (name, value) in more.as_object().expect("members") {
        config[name] = value.clone();
    }
    json!({"DeliveryStreamName": "d", "ExtendedS3DestinationConfiguration": config})
}

async fn front(more: Value) -> (Bench<Firehose>, Objects) {
    let objects: Objects = Arc::new(MemoryObjects::default());
    let bench = Bench::new("firehose", |shared| Firehose::new(shared, &objects));
    bench.set(|settings| settings.transition_ms = 0);
    bench.ask("CreateDeliveryStream", config(more)).await;
    (bench, objects)
}

fn batch(records: &[&[u8]]) -> Value {
    let records = records.iter().map(|record| json!({"Data": STANDARD.encode(record)}));
    json!({"DeliveryStreamName": "d", "Records": records.collect::<Vec<_>>()})
}

/// The first object that is there; who waits for it waits for the timer's task.
async fn delivered(objects: &Objects) -> (String, Vec<u8>) {
    loop {
        let keys = objects.list("b", "").expect("a bucket");
        if let Some(key) = keys.first() {
            let bytes = objects.get("b", key).expect("an object");
            return (key.clone(), bytes.to_vec());
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn records_are_joined_and_written_when_it_is_time() {
    let (bench, objects) = front(json!({"Prefix": "raw/"})).await;
    let reply = bench.ask("PutRecordBatch", batch(&[b"one\n", b"two"])).await;
    assert_eq!(reply["FailedPutCount"], 0);
    assert!(reply["RequestResponses"][1]["RecordId"].as_str().expect("an id").len() > 200);
    let record = json!({"Data": STANDARD.encode(b"three\n")});
    bench.ask("PutRecord", json!({"DeliveryStreamName": "d", "Record": record})).await;
    let at = moment(bench.shared.clock.now_ms());
    assert!(objects.list("b", "").expect("a bucket").is_empty(), "not before its time");
    bench.advance(60_000);
    let (key, bytes) = delivered(&objects).await;
    assert_eq!(bytes, b"one\ntwothree\n", "no line end is added");
    let folder = format!("raw/{:04}/{:02}/{:02}/{:02}/d-1-", at.year, at.month, at.day, at.hour);
    assert!(key.starts_with(&folder) && key.len() == folder.len() + 19 + 1 + 36, "{key}");
}

#[tokio::test]
async fn a_full_buffer_is_written_at_once() {
    let (bench, objects) = front(json!({})).await;
    let record = vec![b'x'; 600_000];
    bench.ask("PutRecordBatch", batch(&[&record])).await;
    assert!(objects.list("b", "").expect("a bucket").is_empty());
    bench.ask("PutRecordBatch", batch(&[&record])).await;
    assert_eq!(delivered(&objects).await.1.len(), 1_200_000);
}

#[tokio::test]
async fn objects_are_compressed_and_named_by_expressions() {
    let prefix = "dt=!{timestamp:yyyy-MM-dd}/";
    let more = json!({
        "Prefix": prefix, "ErrorOutputPrefix": "errors/", "CompressionFormat": "GZIP",
    });
    let (bench, objects) = front(more).await;
    let at = moment(bench.shared.clock.now_ms());
    bench.ask("PutRecordBatch", batch(&[b"line\n"])).await;
    bench.advance(60_000);
    let (key, bytes) = delivered(&objects).await;
    let folder = format!("dt={:04}-{:02}-{:02}/d-1-", at.year, at.month, at.day);
    assert!(key.starts_with(&folder) && key.ends_with(".gz"), "{key}");
    let mut text = String::new();
    let mut decoder = flate2::read::GzDecoder::new(bytes.as_slice());
    decoder.read_to_string(&mut text).expect("gzip");
    assert_eq!(text, "line\n");
}

#[tokio::test]
async fn batches_have_aws_sizes() {
    let (bench, _) = front(json!({})).await;
    let code = async |body| bench.refused("PutRecordBatch", body).await.0;
    assert_eq!(code(batch(&[])).await, "ValidationException");
    assert_eq!(code(batch(&vec![b"x".as_slice(); 501])).await, "ValidationException");
    let (kib_1000, over) = (vec![1; 1_024_000], vec![1; 1_024_001]);
    bench.ask("PutRecordBatch", batch(&[&kib_1000])).await;
    let (code_of_one, text) = bench.refused("PutRecordBatch", batch(&[b"x", &over])).await;
    assert_eq!(code_of_one, "ValidationException");
    assert!(text.contains("'records.2.member.data'"), "{text}");
    let half = vec![1; 512 * 1024];
    bench.ask("PutRecordBatch", batch(&[half.as_slice(); 8])).await;
    assert_eq!(code(batch(&[half.as_slice(); 9])).await, "InvalidArgumentException");
    let wrong = json!({"DeliveryStreamName": "d", "Records": [{"Data": "*"}]});
    assert_eq!(code(wrong).await, "SerializationException");
    let none = json!({"DeliveryStreamName": "e", "Records": [{"Data": ""}]});
    let (code_of_none, text) = bench.refused("PutRecordBatch", none).await;
    assert_eq!(code_of_none, "ResourceNotFoundException");
    assert_eq!(text, "Firehose e under account 123456789012 not found.");
}

#[tokio::test]
async fn a_rule_fails_entries() {
    let (bench, objects) = front(json!({})).await;
    let faults = Faults::entries(0.5, "ServiceUnavailableException");
    let body = batch(&[b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7"]);
    let reply = bench.reply("PutRecordBatch", body, &faults).await;
    let body: Value = serde_json::from_slice(reply.bytes()).expect("JSON");
    let entries = body["RequestResponses"].as_array().expect("entries");
    let taken: String = (0..8)
        .filter(|at| entries[*at].get("ErrorCode").is_none())
        .map(|at| at.to_string())
        .collect();
    assert_eq!(body["FailedPutCount"], 8 - taken.len());
    assert!(!taken.is_empty() && taken.len() < 8);
    bench.advance(60_000);
    assert_eq!(delivered(&objects).await.1, taken.as_bytes());
}

#[tokio::test]
async fn destinations_are_checked_and_described() {
    let (bench, _) = front(json!({})).await;
    let create = "CreateDeliveryStream";
    assert_eq!(bench.refused(create, config(json!({}))).await.0, "ResourceInUseException");
    let named = |mut config: Value| {
        config["DeliveryStreamName"] = json!("e");
        config
    };
    let code = async |more: Value| bench.refused(create, named(config(more))).await.0;
    let invalid = "InvalidArgumentException";
    assert_eq!(code(json!({"BucketARN": "b"})).await, invalid);
    assert_eq!(code(json!({"Prefix": "!{timestamp:yyyy}/"})).await, invalid);
    let hints = json!({"BufferingHints": {"SizeInMBs": 129, "IntervalInSeconds": 901}});
    assert_eq!(code(hints).await, "ValidationException");
    let nothing = json!({"DeliveryStreamName": "e"});
    assert_eq!(bench.refused(create, nothing).await.0, invalid);
    let objects = config(json!({}))["ExtendedS3DestinationConfiguration"].clone();
    let warehouse = json!({
        "DeliveryStreamName": "e",
        "RedshiftDestinationConfiguration": {
            "RoleARN": "arn:aws:iam::123456789012:role/r",
            "ClusterJDBCURL": "jdbc:redshift://c.abc.eu-central-1.redshift.amazonaws.com:5439/dev",
            "CopyCommand": {"DataTableName": "t", "CopyOptions": "JSON 'auto'"},
            "Username": "u", "Password": "secret1", "S3Configuration": objects,
        },
    });
    bench.ask(create, warehouse).await;
    let reply = bench.ask("DescribeDeliveryStream", json!({"DeliveryStreamName": "e"})).await;
    let description = &reply["DeliveryStreamDescription"];
    assert_eq!(description["DeliveryStreamStatus"], "ACTIVE");
    let destination = &description["Destinations"][0]["RedshiftDestinationDescription"];
    assert_eq!(destination["CopyCommand"]["DataTableName"], "t");
    assert!(destination.get("Password").is_none(), "secrets are not shown");
    bench.ask("DeleteDeliveryStream", json!({"DeliveryStreamName": "e"})).await;
    let gone = bench.refused("DescribeDeliveryStream", json!({"DeliveryStreamName": "e"})).await;
    assert_eq!(gone.0, "ResourceNotFoundException");
}

#[tokio::test]
async fn records_are_taken_once_it_is_active() {
    let objects: Objects = Arc::new(MemoryObjects::default());
    let bench = Bench::new("firehose", |shared| Firehose::new(shared, &objects));
    bench.set(|settings| settings.transition_ms = 1_000);
    bench.ask("CreateDeliveryStream", config(json!({}))).await;
    let code = bench.refused("PutRecordBatch", batch(&[b"x"])).await.0;
    assert_eq!(code, "ResourceNotFoundException");
    bench.advance(1_000);
    bench.ask("PutRecordBatch", batch(&[b"x"])).await;
}
