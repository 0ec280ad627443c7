//! A server on a free port, a stand-in for the engine behind it, and a raw client.
#![allow(dead_code)]

use arrow_array::cast::AsArray;
use dsl::spec::NodeKind;
use dsl::ty::Ty;
use dsl::value::Value;
use engine::ack::{Failed, Outcome, Verdict};
use engine::batch::Run;
use engine::ctx::NodeCtx;
use engine::node::{Read, Source, SourceRows};
use engine::testing;
use stdlib::nodes::http_serve::HttpServe;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

/// The context of a node with these options; the sender says that its feeders have ended.
pub fn context(op: &str, options: Vec<(&str, Value)>) -> (NodeCtx, watch::Sender<bool>) {
    let mut node = testing::plan_node(op, NodeKind::Source, None, Some(Ty::Bytes));
    let options = options.into_iter().map(|(name, value)| (name.to_string(), value));
    node.options = options.collect();
    let (ended, feeders_ended) = watch::channel(false);
    (NodeCtx { feeders_ended, ..testing::node_ctx(node, Vec::new()) }, ended)
}

/// One read as the stand-in saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The partition's id.
    pub producer: [u8; 16],
    /// Sequence number and payload of each row.
    pub rows: Vec<(u64, String)>,
}

/// A server whose rows are settled by what is in them: `"bad"` is dead-lettered, `"fail"` fails the
/// whole read, anything else is stored; while `hold` is true, nothing is settled.
pub struct Serving {
    /// `127.0.0.1:port`
    pub address: String,
    /// What was read.
    pub seen: mpsc::Receiver<Seen>,
    /// Feeders have ended.
    pub ended: watch::Sender<bool>,
    /// Nothing is settled.
    pub hold: watch::Sender<bool>,
    /// Ends the source.
    pub stop: watch::Sender<bool>,
    /// Resolves when the source has ended and is closed.
    pub done: tokio::task::JoinHandle<()>,
}

/// Serves `/orders` on a free port, small limits; `change` may set other options.
pub async fn serve(change: &[(&'static str, Value)]) -> Serving {
    let second = 1_000_000_000;
    let mut options = vec![
        ("listen", Value::Text("127.0.0.1:0".into())),
        ("path", Value::Text("/orders".into())),
        ("body", Value::Size(1000)),
        ("in_flight", Value::Size(1 << 20)),
        ("requests", Value::Int(16)),
        ("connections", Value::Int(16)),
        ("header_timeout", Value::Duration(20 * second)),
        ("idle_timeout", Value::Duration(20 * second)),
    ];
    for (name, value) in change {
        options.retain(|option| option.0 != *name);
        options.push((name, value.clone()));
    }
    let (ctx, ended) = context("http.serve", options);
    let source = HttpServe::open(ctx).await.expect("it listens");
    let address = source.address().to_string();
    let (sender, seen) = mpsc::channel(1000);
    let (hold, held) = watch::channel(false);
    let (stop, stopped) = watch::channel(false);
    let done = tokio::spawn(drive(source, sender, held, stopped));
    Serving { address, seen, ended, hold, stop, done }
}

async fn drive(
    mut source: HttpServe,
    sender: mpsc::Sender<Seen>,
    held: watch::Receiver<bool>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut settling = tokio::task::JoinSet::new();
    let mut told = false;
    loop {
        let read = tokio::select! {
            read = source.read() => read.expect("it reads"),
            () = reached(&mut stopped, true), if !told => {
                told = true;
                source.stop().await.expect("it stops");
                continue;
            }
        };
        let Read::Rows(rows) = read else { break };
        let seen = see(&rows);
        sender.send(seen.clone()).await.expect("the test listens");
        let mut held = held.clone();
        settling.spawn(async move {
            reached(&mut held, false).await;
            let _ = rows.reply.expect("it wants to know").send(outcome(&seen));
        });
    }
    drop(sender);
    while settling.join_next().await.is_some() {}
    source.close().await.expect("it closes");
}

async fn reached(flag: &mut watch::Receiver<bool>, value: bool) {
    flag.wait_for(|flag| *flag == value).await.expect("the test runs");
}

fn see(rows: &SourceRows) -> Seen {
    let numbers = |run: &Run| (0..u64::from(run.len)).map(|n| run.first + n).collect::<Vec<_>>();
    let seqs = rows.ids.runs.iter().flat_map(numbers);
    let payload = rows.columns.column(0).as_binary::<i32>();
    let texts = payload.iter().map(|row| String::from_utf8_lossy(row.unwrap()).into_owned());
    Seen { producer: rows.ids.partition.id, rows: seqs.zip(texts).collect() }
}

fn outcome(seen: &Seen) -> Outcome {
    let bad = seen.rows.iter().filter(|(_, text)| text.contains("bad"));
    let failures = bad.map(|(seq, _)| Failed {
        seq: *seq,
        code: "json_value".into(),
        message: "it is bad".into(),
    });
    let fails = seen.rows.iter().any(|(_, text)| text.contains("fail"));
    let verdict = if fails { Verdict::Failed } else { Verdict::Settled };
    Outcome { verdict, failures: failures.collect() }
}

/// A raw connection.
pub struct Raw(pub TcpStream);

impl Raw {
    /// Connects.
    pub async fn connect(address: &str) -> Raw {
        Raw(TcpStream::connect(address).await.expect("it accepts"))
    }

    /// Sends bytes.
    pub async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.expect("it takes bytes");
    }

    /// Reads one answer: its status line, its head in lower case, its body.
    pub async fn answer(&mut self) -> (u16, String, String) {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head.push(self.0.read_u8().await.expect("an answer") as char);
        }
        let head = head.to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().expect("a number"));
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.expect("a whole body");
        (status, head, String::from_utf8(body).expect("UTF-8"))
    }

    /// Sends a whole POST to `/orders` and reads the answer.
    pub async fn post(&mut self, headers: &str, body: &str) -> (u16, String, String) {
        self.send(&request(headers, body)).await;
        self.answer().await
    }

    /// True when the server has closed the connection.
    pub async fn closed(&mut self) -> bool {
        matches!(self.0.read_u8().await, Err(error) if error.kind() != std::io::ErrorKind::TimedOut)
    }
}

/// A POST to `/orders`.
pub fn request(headers: &str, body: &str) -> String {
    format!(
        "POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

/// A server that answers each request with the next of its answers, whatever is asked.
pub struct Scripted {
    /// `http://127.0.0.1:port/orders`
    pub url: String,
    /// Each request as it came, with the number of its connection.
    pub requests: mpsc::Receiver<(usize, String)>,
}

/// Starts it. An answer is a status line with headers and an empty or short body; `""` closes the
/// connection without one, `"wait"` never answers.
pub async fn scripted(answers: Vec<&str>) -> Scripted {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("it listens");
    let url = format!("http://{}/orders", listener.local_addr().expect("an address"));
    let (sender, requests) = mpsc::channel(100);
    let mut answers: Vec<String> = answers.iter().rev().map(|text| text.to_string()).collect();
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.expect("it accepts");
            let mut raw = Raw(stream);
            while let Some(request) = raw.request().await {
                sender.send((number, request)).await.expect("the test listens");
                match answers.pop().expect("an answer for each request").as_str() {
                    "" => break,
                    "wait" => std::future::pending().await,
                    answer => raw.send(answer).await,
                }
            }
        }
    });
    Scripted { url, requests }
}

impl Raw {
    /// Reads one request of hyper's client (its header names are in lower case), head and body;
    /// `None` at the end of the connection.
    pub async fn request(&mut self) -> Option<String> {
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            text.push(self.0.read_u8().await.ok()? as char);
        }
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a number"))];
        self.0.read_exact(&mut body).await.ok()?;
        Some(text + &String::from_utf8(body).expect("UTF-8"))
    }
}

/// An answer with this status line and body.
pub fn reply(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
