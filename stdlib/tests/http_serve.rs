//! `http.serve` with raw clients on loopback: bodies, limits, verdicts, connections, the end.

mod http;

use dsl::value::Value;
use http::{Raw, request, serve};

const JSON: &str = "Content-Type: application/json\r\n";
const NDJSON: &str = "Content-Type: application/x-ndjson\r\n";
const NAMED: &str = "Flowc-Producer: 000102030405060708090a0b0c0d0e0f\r\nFlowc-Rows: 5-6,9\r\n";

fn texts(seen: &http::Seen) -> Vec<&str> {
    seen.rows.iter().map(|(_, text)| text.as_str()).collect()
}

#[tokio::test]
async fn an_object_an_array_and_lines_are_rows() {
    let mut serving = serve(&[]).await;
    let mut client = Raw::connect(&serving.address).await;
    let (status, head, body) = client.post(JSON, "{\"a\": 1}").await;
    assert_eq!((status, body.as_str()), (202, "{\"accepted\":1}\n"));
    assert!(head.contains("content-type: application/json"));
    assert_eq!(client.post(JSON, "[{\"a\":2},\n {\"a\":3}]").await.2, "{\"accepted\":2}\n");
    assert_eq!(client.post(NDJSON, "{\"a\":4}\n\n{\"a\":5}\r\n").await.2, "{\"accepted\":2}\n");
    assert_eq!(client.post("", "{\"a\":6}\n{\"a\":7}").await.2, "{\"accepted\":2}\n");
    assert_eq!(client.post(JSON, "[]").await.2, "{\"accepted\":0}\n");
    let mut rows = Vec::new();
    for _ in 0..4 {
        let seen = serving.seen.recv().await.unwrap();
        rows.extend(seen.rows);
    }
    let numbers: Vec<u64> = rows.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(rows[0].1, "{\"a\": 1}");
    assert_eq!(rows[6].1, "{\"a\":7}");
}

#[tokio::test]
async fn a_chunked_body_is_joined_and_cut_at_the_limit_while_it_streams() {
    let mut serving = serve(&[]).await;
    let mut client = Raw::connect(&serving.address).await;
    let head = "POST /orders HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(head).await;
    client.send("4\r\n{\"a\"\r\n3\r\n:1}\r\n").await;
    client.send("0\r\n\r\n").await;
    assert_eq!(client.answer().await.2, "{\"accepted\":1}\n");
    assert_eq!(texts(&serving.seen.recv().await.unwrap()), ["{\"a\":1}"]);
    client.send(head).await;
    let chunk = format!("258\r\n{}\r\n", " ".repeat(600));
    client.send(&chunk).await;
    client.send(&chunk).await; // over 1000 bytes, and the body has not ended
    let (status, head, body) = client.answer().await;
    assert_eq!(status, 413);
    assert!(head.contains("connection: close") && body.contains("body_too_large"), "{head}{body}");
}

#[tokio::test]
async fn a_body_of_very_many_records_is_refused() {
    let mut serving = serve(&[("body", Value::Size(1 << 20))]).await;
    let mut client = Raw::connect(&serving.address).await;
    let (status, _, body) = client.post(NDJSON, &"x\n".repeat(100_001)).await;
    assert!(status == 413 && body.contains("100001 records"), "{status} {body}");
    assert_eq!(client.post(NDJSON, &"{}\n".repeat(100_000)).await.0, 202);
    assert_eq!(serving.seen.recv().await.unwrap().rows.len(), 100_000);
}

#[tokio::test]
async fn refusals_say_what_to_do_and_the_connection_goes_on() {
    let serving = serve(&[]).await;
    let mut client = Raw::connect(&serving.address).await;
    client.send("POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}").await;
    let (status, _, body) = client.answer().await;
    assert!(status == 404 && body.contains("POST /orders"), "{body}");
    client.send("GET /orders HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (status, head, _) = client.answer().await;
    assert!(status == 405 && head.contains("allow: post"), "{head}");
    let (status, _, body) = client.post("Content-Type: text/csv\r\n", "a,b").await;
    assert!(status == 415 && body.contains("application/x-ndjson"), "{body}");
    let (status, _, body) = client.post(JSON, "[{},7]").await;
    assert!(status == 400 && body.contains("\"row\":1"), "{body}");
    assert!(client.post(JSON, "").await.2.contains("body_empty"));
    assert!(client.post(JSON, "{").await.2.contains("never closed"));
    let one = "Flowc-Rows: 0-1\r\n";
    assert!(client.post(one, "{}").await.2.contains("rows_header"));
    let (status, _, body) = client.post(NAMED, "{}\n{}").await;
    assert!(status == 400 && body.contains("names 3 rows, the body has 2"), "{body}");
    assert_eq!(client.post(JSON, "{}").await.0, 202);
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_never_asked_for() {
    let serving = serve(&[]).await;
    let mut client = Raw::connect(&serving.address).await;
    let head = |length| {
        format!(
            "POST /orders HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\
             Content-Length: {length}\r\n\r\n"
        )
    };
    client.send(&head(2)).await;
    assert_eq!(client.answer().await.0, 100);
    client.send("{}").await;
    assert_eq!(client.answer().await.0, 202);
    client.send(&head(1001)).await;
    assert_eq!(client.answer().await.0, 413);
    assert!(client.closed().await);
}

#[tokio::test]
async fn bad_rows_are_named_and_the_others_stored() {
    let serving = serve(&[]).await;
    let mut client = Raw::connect(&serving.address).await;
    let (status, _, body) = client.post(NDJSON, "{}\n\"bad\"\n{}\n\"bad\"\n").await;
    assert_eq!(status, 400);
    let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["accepted"], 2);
    assert_eq!(answer["error"]["row"], 1);
    assert_eq!(answer["refused"][1]["row"], 3);
    assert_eq!(answer["refused"][1]["code"], "json_value");
    assert_eq!(answer["refused"][1]["message"], "it is bad");
}

#[tokio::test]
async fn a_failed_write_is_503_and_the_same_rows_may_come_again() {
    let mut serving = serve(&[]).await;
    let mut client = Raw::connect(&serving.address).await;
    let (status, head, body) = client.post(NDJSON, "{}\n\"fail\"\n").await;
    assert!(status == 503 && head.contains("retry-after: 1"), "{head}");
    assert!(body.contains("\"accepted\":0") && body.contains("not_stored"), "{body}");
    serving.seen.recv().await.unwrap();
    // The reply is lost: the client is gone before it comes, and sends the same request again.
    serving.hold.send_replace(true);
    client.send(&request(NAMED, "{\"a\":1}\n{\"a\":2}\n{\"a\":3}")).await;
    let first = serving.seen.recv().await.unwrap();
    drop(client);
    let mut client = Raw::connect(&serving.address).await;
    client.send(&request(NAMED, "{\"a\":1}\n{\"a\":2}\n{\"a\":3}")).await;
    let again = serving.seen.recv().await.unwrap();
    serving.hold.send_replace(false);
    assert_eq!(client.answer().await.0, 202);
    assert_eq!(first, again);
    assert_eq!(first.rows.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [5, 6, 9]);
    assert_eq!(first.producer[15], 15);
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_order() {
    let serving = serve(&[]).await;
    let mut client = Raw::connect(&serving.address).await;
    let two = request(JSON, "{}") + &request(JSON, "[{},{}]") + &request(JSON, "[7]");
    client.send(&two).await;
    assert_eq!(client.answer().await.2, "{\"accepted\":1}\n");
    assert_eq!(client.answer().await.2, "{\"accepted\":2}\n");
    assert_eq!(client.answer().await.0, 400);
}

#[tokio::test]
async fn what_is_more_than_it_holds_is_told_to_come_back() {
    let mut serving = serve(&[("requests", Value::Int(1))]).await;
    serving.hold.send_replace(true);
    let mut first = Raw::connect(&serving.address).await;
    first.send(&request(JSON, "{}")).await;
    serving.seen.recv().await.unwrap();
    let mut second = Raw::connect(&serving.address).await;
    let (status, head, body) = second.post(JSON, "{}").await;
    assert!(status == 503 && head.contains("retry-after") && body.contains("full"), "{body}");
    serving.hold.send_replace(false);
    assert_eq!(first.answer().await.0, 202);
    assert_eq!(second.post(JSON, "{}").await.0, 202);
    let bytes = serve(&[("in_flight", Value::Size(1000)), ("body", Value::Size(1000))]).await;
    bytes.hold.send_replace(true);
    let mut first = Raw::connect(&bytes.address).await;
    let mut held = bytes.seen;
    first.send(&request(JSON, &format!("{{}}{}", " ".repeat(900)))).await;
    held.recv().await.unwrap();
    let mut second = Raw::connect(&bytes.address).await;
    assert_eq!(second.post(JSON, &format!("{{}}{}", " ".repeat(200))).await.0, 503);
}

#[tokio::test]
async fn a_slow_head_and_an_idle_connection_are_closed_and_a_slow_body_answered() {
    let short = Value::Duration(50_000_000);
    let serving = serve(&[("header_timeout", short.clone())]).await;
    let mut client = Raw::connect(&serving.address).await;
    client.send("POST /orders HTTP/1.1\r\nHost").await;
    assert!(client.closed().await);
    let serving = serve(&[("idle_timeout", short)]).await;
    let mut client = Raw::connect(&serving.address).await;
    assert_eq!(client.post(JSON, "{}").await.0, 202);
    assert!(client.closed().await);
    let mut client = Raw::connect(&serving.address).await;
    client.send("POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{").await;
    assert_eq!(client.answer().await.0, 408);
}

#[tokio::test]
async fn one_connection_more_than_allowed_waits_for_its_turn() {
    let serving = serve(&[("connections", Value::Int(1))]).await;
    let mut first = Raw::connect(&serving.address).await;
    assert_eq!(first.post(JSON, "{}").await.0, 202);
    let mut second = Raw::connect(&serving.address).await;
    second.send(&request(JSON, "{}")).await;
    assert_eq!(first.post(JSON, "{}").await.0, 202);
    drop(first);
    assert_eq!(second.answer().await.0, 202);
}

#[tokio::test]
async fn it_ends_when_its_feeders_have_and_what_is_in_hand_is_answered() {
    let mut serving = serve(&[]).await;
    serving.hold.send_replace(true);
    let mut client = Raw::connect(&serving.address).await;
    let mut idle = Raw::connect(&serving.address).await;
    assert_eq!(idle.post(JSON, "[]").await.0, 202);
    client.send(&request(JSON, "{}")).await;
    serving.seen.recv().await.unwrap();
    serving.ended.send_replace(true);
    assert!(serving.seen.recv().await.is_none(), "the source has ended");
    let (status, head, _) = idle.post(JSON, "{}").await;
    assert!(status == 503 && head.contains("connection: close"), "{head}");
    serving.hold.send_replace(false);
    assert_eq!(client.answer().await.0, 202);
    serving.done.await.unwrap();
    assert!(client.closed().await);
}

#[tokio::test]
async fn told_to_stop_it_stores_what_is_there_and_takes_no_more() {
    let mut serving = serve(&[]).await;
    let mut client = Raw::connect(&serving.address).await;
    assert_eq!(client.post(JSON, "{}").await.0, 202);
    serving.seen.recv().await.unwrap();
    serving.stop.send_replace(true);
    serving.done.await.unwrap();
    assert!(serving.seen.recv().await.is_none());
    assert!(tokio::net::TcpStream::connect(&serving.address).await.is_err());
}

#[tokio::test]
async fn a_port_in_use_names_who_holds_it() {
    let serving = serve(&[]).await;
    let (ctx, _) = http::context(
        "http.serve",
        vec![("listen", Value::Text(serving.address.clone())), ("path", Value::Text("/".into()))],
    );
    let fault = match stdlib::nodes::http_serve::HttpServe::open(ctx).await {
        Err(fault) => fault,
        Ok(_) => panic!("two servers on one port"),
    };
    assert_eq!(fault.code, "port_in_use");
    assert!(fault.message.contains(&serving.address), "{fault}");
    let pid = std::process::id().to_string();
    assert!(!cfg!(target_os = "linux") || fault.message.contains(&pid), "{fault}");
    assert!(fault.help.is_some());
}
