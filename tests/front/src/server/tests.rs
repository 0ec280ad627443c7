//! Tests of the port itself, over a socket: signatures, cuts, and what the front is asked.

use std::io;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::clock::basic;
use crate::sigv4::sign;

/// A request's bytes, signed as of now.
fn signed(front: &Front, service: &str, target: &str, body: &str) -> String {
    let date = basic(front.shared.clock.wall_ms());
    let host = front.addr.to_string();
    let headers = [("host", host.as_str()), ("x-amz-date", &date), ("x-amz-target", target)];
    let authorization = sign("POST", "/", service, &date, &headers, body.as_bytes());
    format!(
        "POST / HTTP/1.1\r\nhost: {host}\r\nx-amz-date: {date}\r\nx-amz-target: {target}\r\n\
         authorization: {authorization}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// What comes back until the connection ends.
async fn exchange(front: &Front, request: &str) -> io::Result<String> {
    let mut socket = TcpStream::connect(front.addr).await?;
    socket.write_all(request.as_bytes()).await?;
    let mut reply = Vec::new();
    socket.read_to_end(&mut reply).await?;
    Ok(String::from_utf8_lossy(&reply).into_owned())
}

fn body_of(reply: &str) -> &str {
    reply.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

async fn control(front: &Front, method: &str, path: &str, body: &str) -> Value {
    let request = format!(
        "{method} /_front/{path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    let reply = exchange(front, &request).await.expect("an answer");
    body_of(&reply).parse().unwrap_or_else(|_| panic!("JSON in {reply}"))
}

async fn kinesis(front: &Front, operation: &str, body: Value) -> io::Result<String> {
    let target = format!("Kinesis_20131202.{operation}");
    exchange(front, &signed(front, "kinesis", &target, &body.to_string())).await
}

async fn started() -> Front {
    start(Options::default()).await.expect("a port")
}

async fn rule(front: &Front, action: Value) {
    let rules = json!([{
        "service": "kinesis", "operation": "CreateStream", "count": 1, "action": action,
    }]);
    assert_eq!(control(front, "POST", "rules", &rules.to_string()).await["rules"], 1);
}

fn stream(name: &str) -> Value {
    json!({"StreamName": name, "ShardCount": 1})
}

async fn names(front: &Front) -> String {
    let reply = kinesis(front, "ListStreams", json!({})).await.expect("an answer");
    let body: Value = body_of(&reply).parse().expect("JSON");
    body["StreamNames"].to_string()
}

#[tokio::test]
async fn a_lost_reply_is_of_a_call_that_was_done() {
    let front = started().await;
    rule(&front, json!("lose_reply")).await;
    let reply = kinesis(&front, "CreateStream", stream("a")).await.expect("an end");
    assert_eq!((reply.as_str(), names(&front).await.as_str()), ("", r#"["a"]"#));
    rule(&front, json!("truncate")).await;
    let reply = kinesis(&front, "CreateStream", stream("a")).await.expect("half an answer");
    let length = reply.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next());
    let whole: usize = length.expect("a length").parse().expect("a number");
    assert_eq!(body_of(&reply).len(), whole / 2);
    let calls = control(&front, "GET", "calls", "").await;
    assert_eq!(calls["kinesis.CreateStream"]["replies_lost"], 2);
    assert_eq!(calls["kinesis.CreateStream"]["calls"], 2);
}

#[tokio::test]
async fn a_dropped_request_is_not_done() {
    let front = started().await;
    rule(&front, json!("drop_request")).await;
    assert_eq!(kinesis(&front, "CreateStream", stream("a")).await.expect("an end"), "");
    rule(&front, json!("reset")).await;
    let error = kinesis(&front, "CreateStream", stream("a")).await.expect_err("a reset");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    rule(&front, json!({"status": 503, "code": "ServiceUnavailable"})).await;
    let reply = kinesis(&front, "CreateStream", stream("a")).await.expect("an answer");
    assert!(reply.starts_with("HTTP/1.1 503") && reply.contains("\"ServiceUnavailable\""));
    assert_eq!(names(&front).await, "[]");
    control(&front, "POST", "reset", "").await;
    kinesis(&front, "CreateStream", stream("a")).await.expect("an answer");
    assert_eq!(names(&front).await, r#"["a"]"#);
}

#[tokio::test]
async fn every_request_is_signed() {
    let front = started().await;
    let target = "Kinesis_20131202.ListStreams";
    let right = signed(&front, "kinesis", target, "{}");
    assert!(exchange(&front, &right).await.expect("an answer").starts_with("HTTP/1.1 200"));
    let code = async |request: String| {
        let reply = exchange(&front, &request).await.expect("an answer");
        let body: Value = body_of(&reply).parse().unwrap_or_else(|_| panic!("JSON in {reply}"));
        body["__type"].as_str().expect("a code").to_owned()
    };
    assert_eq!(code(right.replace("\r\n\r\n{}", "\r\n\r\n[]")).await, "InvalidSignatureException");
    let other = right.replace("Credential=test/", "Credential=toast/");
    assert_eq!(code(other).await, "UnrecognizedClientException");
    let unsigned = right.replace("authorization:", "other:");
    assert_eq!(code(unsigned).await, "MissingAuthenticationTokenException");
    let wrong_scope = signed(&front, "firehose", target, "{}");
    assert_eq!(code(wrong_scope).await, "InvalidSignatureException");
    let unknown = signed(&front, "kinesis", "Kinesis_20131202.Explode", "{}");
    assert_eq!(code(unknown).await, "UnknownOperationException");
    control(&front, "POST", "clock", r#"{"skew_ms": 1200000}"#).await;
    assert_eq!(code(right).await, "InvalidSignatureException");
}

#[tokio::test]
async fn sts_says_who_one_is() {
    let front = started().await;
    let body = "Action=GetCallerIdentity&Version=2011-06-15";
    let reply = exchange(&front, &signed(&front, "sts", "", body)).await.expect("an answer");
    assert!(body_of(&reply).contains("<Account>123456789012</Account>"), "{reply}");
    let wrong = signed(&front, "sts", "", body).replace("Credential=test/", "Credential=other/");
    let reply = exchange(&front, &wrong).await.expect("an answer");
    assert!(reply.starts_with("HTTP/1.1 403") && reply.contains("InvalidClientTokenId"));
}

#[tokio::test]
async fn the_front_is_asked_without_a_signature() {
    let front = started().await;
    assert_eq!(control(&front, "GET", "health", "").await["ok"], true);
    let before_ms = front.shared.clock.now_ms();
    control(&front, "POST", "clock", r#"{"advance_ms": 60000}"#).await;
    assert!(front.shared.clock.now_ms() >= before_ms + 60_000);
    let settings = control(&front, "POST", "settings", r#"{"shard_rate": 0}"#).await;
    assert_eq!((&settings["shard_rate"], &settings["shard_reads"]), (&json!(0.0), &json!(5)));
    let wrong = control(&front, "POST", "settings", r#"{"shard_rates": 0}"#).await;
    assert!(wrong["error"].as_str().expect("a text").contains("shard_rates"));
    let wrong = control(&front, "POST", "rules", r#"[{"service": "s3"}]"#).await;
    assert!(wrong["error"].as_str().expect("a text").contains("action"));
    assert!(control(&front, "GET", "nothing", "").await["error"].is_string());
}

#[tokio::test]
async fn a_connection_has_many_requests() {
    let front = started().await;
    let one = signed(&front, "kinesis", "Kinesis_20131202.ListStreams", "{}");
    let kept = one.replace("connection: close\r\n", "");
    let reply = exchange(&front, &format!("{kept}{kept}{one}")).await.expect("answers");
    assert_eq!(reply.matches("HTTP/1.1 200").count(), 3);
}

#[tokio::test]
async fn a_fast_front_counts_and_keeps_nothing() {
    let front = start(Options { fast: true, ..Options::default() }).await.expect("a port");
    let one = json!({"Data": "eA==", "PartitionKey": "a\"PartitionKey\":"});
    let reply = kinesis(&front, "PutRecords", json!({"Records": [one, one, one]})).await;
    let reply = reply.expect("an answer");
    let body: Value = body_of(&reply).parse().expect("JSON");
    assert_eq!(body["Records"].as_array().map(Vec::len), Some(3));
    assert_eq!(control(&front, "GET", "calls", "").await["kinesis.PutRecords"]["entries"], 3);
    let wrong = signed(&front, "kinesis", "Kinesis_20131202.ListStreams", "{}") + " ";
    let wrong = wrong.replace("content-length: 2", "content-length: 3");
    let reply = exchange(&front, &wrong).await.expect("an answer");
    assert!(reply.contains("InvalidSignatureException"), "the others are verified: {reply}");
}
