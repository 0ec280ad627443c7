//! `http.post` against a real `http.serve` and against servers that answer what they like.

mod http;

use dsl::value::Value;
use engine::batch::{Rows, Run};
use engine::fault::{Fault, FaultClass};
use engine::node::{Sink, Written};
use engine::testing;
use http::{context, reply, scripted, serve};
use std::time::Duration;
use stdlib::http::net::TcpNet;
use stdlib::nodes::http_post::HttpPost;

fn open(url: &str) -> Result<HttpPost, Fault> {
    let second = 1_000_000_000;
    let (ctx, _) = context(
        "http.post",
        vec![
            ("url", Value::Text(url.into())),
            ("batch", Value::Int(500)),
            ("timeout", Value::Duration(second / 2)),
            ("retry_for", Value::Duration(60 * second)),
            ("concurrency", Value::Int(1)),
        ],
    );
    HttpPost::open(&ctx, &TcpNet)
}

async fn write(sink: &HttpPost, rows: &Rows) -> Written {
    sink.write(rows).await.expect("a verdict")
}

fn body(request: &str) -> &str {
    request.split_once("\r\n\r\n").expect("a head").1
}

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[tokio::test]
async fn rows_arrive_at_a_server_with_their_numbers_and_bad_ones_come_back() {
    let mut serving = serve(&[]).await;
    let sink = open(&format!("http://{}/orders", serving.address)).unwrap();
    let mut rows = testing::payload(&["{\"a\":1}", "{\"a\":\n2}", "{\"bad\":3}", "", "{\"a\":4}"]);
    rows.ids.runs =
        vec![Run { first: 7, len: 2, arrival_ns: 0 }, Run { first: 20, len: 3, arrival_ns: 0 }];
    let written = write(&sink, &rows).await;
    let refused: Vec<_> = written.refused.iter().map(|fault| (fault.row, fault.code)).collect();
    assert_eq!(refused, [(2, "http_refused"), (3, "http_refused")]);
    assert_eq!(written.refused[0].payload, b"{\"bad\":3}");
    assert_eq!(written.refused[0].message, "it is bad (json_value)");
    assert!(written.again.is_empty() && written.fault.is_none());
    let seen = serving.seen.recv().await.unwrap();
    assert_eq!(seen.producer, rows.ids.partition.id);
    let numbers: Vec<u64> = seen.rows.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(numbers, [7, 8, 20, 22]);
    assert_eq!(seen.rows[1].1, "{\"a\": 2}");
}

#[tokio::test]
async fn a_lost_reply_is_sent_again_with_the_same_names() {
    let stored = reply("202 Accepted", "");
    let mut server = scripted(vec!["", &stored, &stored]).await;
    let sink = open(&server.url).unwrap();
    let rows = testing::payload(&["{\"a\":1}", "{\"a\":2}"]);
    let lost = write(&sink, &rows).await;
    assert_eq!(lost.again, [0, 1]);
    assert_eq!(lost.fault.unwrap().class, FaultClass::Transient);
    for _ in 0..2 {
        assert!(write(&sink, &rows).await.again.is_empty());
    }
    let (_, first) = server.requests.recv().await.unwrap();
    let (connection, second) = server.requests.recv().await.unwrap();
    let (same, _) = server.requests.recv().await.unwrap();
    assert_eq!(first, second);
    assert_eq!(connection, same, "connections are kept");
    assert_eq!(header(&first, "flowc-rows"), Some("0-1"));
    assert_eq!(header(&first, "content-type"), Some("application/x-ndjson"));
    assert_eq!(header(&first, "flowc-producer").unwrap().len(), 32);
    assert_eq!(body(&first), "{\"a\":1}\n{\"a\":2}\n");
}

#[tokio::test]
async fn a_request_refused_as_a_whole_is_halved_down_to_the_row() {
    let (stored, refused) = (reply("200 OK", ""), reply("400 Bad Request", "no such field"));
    let too_large = reply("413 Payload Too Large", "");
    // All; rows 0-1 are too large together, 0, 1; rows 2-3: 2 is refused, 3 stored.
    let script = vec![&*refused, &too_large, &stored, &stored, &refused, &refused, &stored];
    let mut server = scripted(script).await;
    let sink = open(&server.url).unwrap();
    let written = write(&sink, &testing::payload(&["0", "1", "2", "3"])).await;
    assert_eq!(written.refused.len(), 1);
    assert_eq!(written.refused[0].row, 2);
    assert!(written.refused[0].message.contains("400 Bad Request: no such field"));
    let mut bodies = Vec::new();
    for _ in 0..7 {
        let (_, request) = server.requests.recv().await.unwrap();
        bodies.push(body(&request).replace('\n', ""));
    }
    assert_eq!(bodies, ["0123", "01", "0", "1", "23", "2", "3"]);
}

#[tokio::test]
async fn what_is_stored_before_a_fault_is_not_sent_again() {
    let (stored, refused) = (reply("200 OK", ""), reply("422 Unprocessable Content", ""));
    let busy = "HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n";
    let server = scripted(vec![&refused, &stored, busy]).await;
    let sink = open(&server.url).unwrap();
    let written = write(&sink, &testing::payload(&["0", "1", "2", "3"])).await;
    assert_eq!(written.again, [2, 3]);
    let fault = written.fault.unwrap();
    assert_eq!(fault.class, FaultClass::Throttle);
    assert_eq!(fault.retry_after, Some(Duration::from_secs(3)));
}

#[tokio::test]
async fn no_answer_no_server_and_a_wrong_address_are_told_apart() {
    let server = scripted(vec!["wait"]).await;
    let rows = testing::payload(&["{}"]);
    let fault = |written: Written| written.fault.expect("a fault");
    let silent = fault(write(&open(&server.url).unwrap(), &rows).await);
    assert_eq!((silent.class, silent.code.as_str()), (FaultClass::Transient, "http_timeout"));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let nobody = open(&format!("http://{address}/")).unwrap();
    let nobody = fault(write(&nobody, &rows).await);
    assert_eq!(nobody.class, FaultClass::Transient);
    assert!(nobody.message.contains(&address.to_string()), "{nobody}");
    let serving = serve(&[]).await;
    let wrong = open(&format!("http://{}/order", serving.address)).unwrap();
    let wrong = fault(write(&wrong, &rows).await);
    assert_eq!(wrong.class, FaultClass::Service);
    assert!(wrong.message.contains("POST /orders") && wrong.help.is_some(), "{wrong}");
}

#[tokio::test]
async fn a_url_that_cannot_work_is_told_before_anything_is_sent() {
    let code = |url: &str| open(url).err().map(|fault| fault.code);
    for bad in ["", "a/b", "http://", "ftp://a/", "http://me:pw@a/", "http://a b/"] {
        assert_eq!(code(bad).as_deref(), Some("url"), "{bad}");
    }
    assert_eq!(code("http://127.0.0.1:8080/orders"), None);
    assert_eq!(code("https://127.0.0.1:8080/orders"), None);
}

#[tokio::test]
async fn rows_with_very_many_gaps_go_in_several_requests() {
    let stored = reply("200 OK", "");
    let mut server = scripted(vec![&stored, &stored]).await;
    let sink = open(&server.url).unwrap();
    let mut rows = testing::payload(&vec!["{}"; 501]);
    let gaps = (0..501).map(|n| Run { first: 2 * n, len: 1, arrival_ns: 0 });
    rows.ids.runs = gaps.collect();
    assert!(write(&sink, &rows).await.again.is_empty());
    let (_, first) = server.requests.recv().await.unwrap();
    let (_, second) = server.requests.recv().await.unwrap();
    assert!(header(&first, "flowc-rows").unwrap().ends_with(",998"));
    assert_eq!(header(&second, "flowc-rows"), Some("1000"));
}
