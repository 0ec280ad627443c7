//! Rows keep their order on the way from `http.post` to `http.serve`, with several requests under
//! way through a proxy that delays, loses, doubles and refuses them.

mod http;

use dsl::value::Value;
use engine::batch::Rows;
use engine::node::Sink;
use engine::testing;
use futures::stream::{FuturesUnordered, StreamExt};
use http::{Raw, context, reply, serve};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stdlib::http::net::TcpNet;
use stdlib::nodes::http_post::HttpPost;
use tokio::net::TcpListener;

const BATCH: usize = 7;
const CONCURRENCY: usize = 8;

/// Forwards requests to `upstream`, or does what a bad network does; gives its own address.
async fn proxy(upstream: String, random: Arc<Mutex<fastrand::Rng>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(connection(Raw(stream), upstream.clone(), random.clone()));
        }
    });
    address
}

async fn connection(mut client: Raw, upstream: String, random: Arc<Mutex<fastrand::Rng>>) {
    while let Some(request) = client.request().await {
        let (what, ms) = {
            let mut random = random.lock().unwrap();
            (random.u8(0..10), random.u64(0..15))
        };
        tokio::time::sleep(Duration::from_millis(ms)).await;
        match what {
            0 => return,
            1 => {
                client.send(&reply("503 Service Unavailable", "")).await;
                continue;
            }
            _ => {}
        }
        let mut server = Raw::connect(&upstream).await;
        server.send(&request).await;
        let (mut status, _, mut body) = server.answer().await;
        if what == 2 {
            server.send(&request).await;
            (status, _, body) = server.answer().await;
        }
        tokio::time::sleep(Duration::from_millis(ms / 2)).await;
        if what == 3 {
            return;
        }
        client.send(&reply(&format!("{status} Status"), &body)).await;
    }
}

fn sink(address: &str) -> HttpPost {
    let second = 1_000_000_000;
    let options = vec![
        ("url", Value::Text(format!("http://{address}/orders"))),
        ("batch", Value::Int(BATCH as i64)),
        ("timeout", Value::Duration(30 * second)),
        ("retry_for", Value::Duration(60 * second)),
        ("concurrency", Value::Int(CONCURRENCY as i64)),
    ];
    HttpPost::open(&context("http.post", options).0, &TcpNet).unwrap()
}

/// One write until nothing is left of it, as the engine does it.
async fn write(sink: &HttpPost, mut rows: Rows, random: &Mutex<fastrand::Rng>) {
    loop {
        let again = sink.write(&rows).await.unwrap().again;
        if again.is_empty() {
            return;
        }
        assert_eq!(again, (0..rows.columns.num_rows()).collect::<Vec<_>>());
        rows = rows.clone();
        let ms = random.lock().unwrap().u64(0..30);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

async fn trial(seed: u64) {
    let random = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
    let mut serving = serve(&[("requests", Value::Int(100))]).await;
    let collected = tokio::spawn(async move {
        let mut rows: Vec<u64> = Vec::new();
        while let Some(seen) = serving.seen.recv().await {
            rows.extend(seen.rows.iter().map(|(seq, _)| *seq));
        }
        rows
    });
    let sink = sink(&proxy(serving.address, random.clone()).await);
    let lines: Vec<String> = (0..1000).map(|n| format!("{{\"n\":{n}}}")).collect();
    let all = testing::payload(&lines);
    let mut parts = (0..lines.len()).step_by(BATCH);
    let mut writes = FuturesUnordered::new();
    loop {
        while writes.len() < CONCURRENCY {
            let Some(start) = parts.next() else { break };
            let rows = all.slice(start..lines.len().min(start + BATCH));
            writes.push(write(&sink, rows, &random));
        }
        if writes.next().await.is_none() {
            break;
        }
    }
    serving.ended.send_replace(true);
    let mut taken = collected.await.unwrap();
    let doubles = taken.len();
    let mut known = std::collections::BTreeSet::new();
    taken.retain(|seq| known.insert(*seq));
    assert!(doubles > taken.len(), "nothing was lost or doubled on the way");
    assert_eq!(taken, (0..1000).collect::<Vec<u64>>(), "seed {seed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_in_order_whatever_the_network_does() {
    for seed in 0..6 {
        trial(seed).await;
    }
}
