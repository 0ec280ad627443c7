//! S3 over a socket: signatures, both kinds of address, and faults.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::clock::basic;
use crate::sigv4::{sha256, sign};
use crate::{Front, Options, start};

/// What comes back for a signed request, until the connection ends.
async fn send(
    front: &Front,
    method: &str,
    host: &str,
    path: &str,
    body: &str,
) -> io::Result<String> {
    let (date, hash) = (basic(front.shared.clock.wall_ms()), sha256(body.as_bytes()));
    let headers = [("host", host), ("x-amz-content-sha256", &hash), ("x-amz-date", &date)];
    let authorization = sign(method, path, "s3", &date, &headers, body.as_bytes());
    let mut request = format!("{method} {path} HTTP/1.1\r\nauthorization: {authorization}\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("connection: close\r\ncontent-length: {}\r\n\r\n", body.len()));
    let mut socket = TcpStream::connect(front.addr).await?;
    socket.write_all(format!("{request}{body}").as_bytes()).await?;
    let mut reply = Vec::new();
    socket.read_to_end(&mut reply).await?;
    Ok(String::from_utf8_lossy(&reply).into_owned())
}

/// A front with the bucket `box`.
async fn started() -> Front {
    let front = start(Options::default()).await.expect("a port");
    let body = "<CreateBucketConfiguration><LocationConstraint>eu-central-1</LocationConstraint>\
                </CreateBucketConfiguration>";
    let made = send(&front, "PUT", "localhost", "/box", body).await.expect("an answer");
    assert!(made.starts_with("HTTP/1.1 200"), "{made}");
    front
}

fn rule(front: &Front, operation: &str, action: &str) {
    let rule =
        format!(r#"[{{"service":"s3","operation":"{operation}","count":1,"action":{action}}}]"#);
    front.shared.rules.set(rule.as_bytes()).expect("a rule");
}

#[tokio::test]
async fn a_bucket_is_addressed_by_path_or_host() {
    let front = started().await;
    let put = send(&front, "PUT", "box.localhost", "/a/k", "hello").await.expect("an answer");
    assert!(put.starts_with("HTTP/1.1 200"), "{put}");
    let got = send(&front, "GET", "localhost", "/box/a/k", "").await.expect("an answer");
    assert!(got.ends_with("\r\n\r\nhello"), "{got}");
    let head = send(&front, "HEAD", "box.localhost", "/a/k", "").await.expect("an answer");
    assert!(head.contains("content-length: 5\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    let none = send(&front, "GET", "localhost", "/box/none", "").await.expect("an answer");
    assert!(none.starts_with("HTTP/1.1 404") && none.contains("<Code>NoSuchKey</Code>"), "{none}");
    assert!(none.contains("<RequestId>") && none.contains("x-amz-request-id: "));
}

#[tokio::test]
async fn faults_come_in_the_form_of_s3() {
    let front = started().await;
    rule(&front, "PutObject", r#"{"status":503,"code":"SlowDown"}"#);
    let slow = send(&front, "PUT", "localhost", "/box/k", "1").await.expect("an answer");
    assert!(slow.starts_with("HTTP/1.1 503") && slow.contains("<Code>SlowDown</Code>"), "{slow}");
    rule(&front, "PutObject", r#"{"status":200,"code":"InternalError"}"#);
    let hidden = send(&front, "PUT", "localhost", "/box/k", "1").await.expect("an answer");
    assert!(hidden.starts_with("HTTP/1.1 200"), "{hidden}");
    assert!(hidden.contains("<Error><Code>InternalError</Code>"), "an error inside a success");
    let none = send(&front, "GET", "localhost", "/box/k", "").await.expect("an answer");
    assert!(none.starts_with("HTTP/1.1 404"), "nothing was done");
    rule(&front, "PutObject", r#""lose_reply""#);
    let lost = send(&front, "PUT", "localhost", "/box/k", "1").await;
    assert!(lost.is_err() || lost.is_ok_and(|reply| reply.is_empty()), "no answer");
    let there = send(&front, "GET", "localhost", "/box/k", "").await.expect("an answer");
    assert!(there.ends_with("\r\n\r\n1"), "the lost reply was of a put that is done: {there}");
    assert_eq!(front.shared.calls.of("s3", "PutObject").replies_lost, 1);
}
