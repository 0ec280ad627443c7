//! `http.serve`: takes records over HTTP POST and answers when they are stored.

use crate::http::body::BodyLimits;
use crate::http::connection::Gate;
use crate::http::intake::{Outlet, intake};
use crate::http::net::{Net, TcpNet};
use crate::http::order::Order;
use crate::http::server::{ConnectionLimits, Server};
use async_trait::async_trait;
use dsl::spec::*;
use dsl::ty::Ty;
use dsl::value::Value;
use engine::batch::{Partition, Resume};
use engine::ctx::NodeCtx;
use engine::fault::Fault;
use engine::node::{Read, Source};
use engine::registry::Open;
use engine::schema::arrow_schema;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "http.serve",
    summary: "Takes records over HTTP POST and answers when they are stored.",
    doc: "\
A request's body is one JSON object, an array of objects (`Content-Type: application/json`), or an
object a line (`application/x-ndjson`); without a content type its first bytes decide. Each record
is one row; whether it is good JSON is the decoder's business.

The answer comes when every row is stored for good, and is always JSON: `accepted` counts the rows
that are stored.
- 202: all of them.
- 400: some rows are refused; `refused` lists row (from 0), code and message, the others are stored.
  Or the body has no structure (`error` says where), and nothing is stored.
- 404, 405, 415: the path, the method or the type is another; the message names the right one.
- 408, 413: the body is too slow, or over `body`, or has over 100,000 records. A client that sends
  `Expect: 100-continue` is told of an announced length before it sends anything.
- 503 with `Retry-After`: `requests` or `in_flight` is reached, the rows could not be stored, or the
  run is stopping. The request may be sent again.

A client that wants to send a request again without storing a row twice names its rows:
`Flowc-Producer` (32 hex digits) and `Flowc-Rows` (their numbers: `0-76,78-499`). A stream knows the
rows of a producer that it has and does not store them again. A client that has several requests
under way on several connections and wants them taken in order also sends `Flowc-After`: the last
row that it sent before and that is not answered yet. A request waits for that row, up to 3 s, and
is then answered 503. `http.post` sends all three.
A client that goes away does not cancel the rows that it has sent.

`GET /ready` answers 200 while requests are taken, and 503 while the run is stopping, while
`requests` or `in_flight` is (nearly) reached, and while a sink behind it has stored nothing for
some time: for a load balancer. A run that stops answers 503 with `Connection: close` until what it
has taken is stored, then it closes the port.

Connections are kept alive. Small requests that wait are stored together. It ends when all
`http.post` nodes of the run that target it have ended; when nothing in the run does, it serves
until it is told to stop.",
    kind: NodeKind::Source,
    resource: None,
    signatures: &["-> bytes"],
    options: &[
        OptionSpec {
            name: "listen",
            ty: OptionTy::Text,
            positional: true,
            required: true,
            doc: "Address and port.",
            example: "\"127.0.0.1:8080\"",
            ..OPTION
        },
        OptionSpec {
            name: "path",
            ty: OptionTy::Text,
            default: Some("\"/\""),
            doc: "The path that takes records.",
            example: "path: \"/orders\"",
            ..OPTION
        },
        OptionSpec {
            name: "ready",
            ty: OptionTy::Text,
            doc: "The path that answers GET: 200 when records are taken, else 503 [`/ready`].",
            example: "ready: \"/healthz\"",
            ..OPTION
        },
        OptionSpec {
            name: "body",
            ty: OptionTy::Size,
            default: Some("5MiB"),
            range: Some((1, 1 << 30)),
            doc: "The largest body.",
            example: "body: 10MiB",
            ..OPTION
        },
        OptionSpec {
            name: "in_flight",
            ty: OptionTy::Size,
            default: Some("64MiB"),
            range: Some((1, 1 << 40)),
            doc: "Bytes of all bodies that are not answered yet; above it, 503. At least `body`.",
            example: "in_flight: 256MiB",
            ..OPTION
        },
        OptionSpec {
            name: "requests",
            ty: OptionTy::Int,
            default: Some("512"),
            range: Some((1, 65_536)),
            doc: "Requests that are not answered yet; above it, 503.",
            example: "requests: 64",
            ..OPTION
        },
        OptionSpec {
            name: "connections",
            ty: OptionTy::Int,
            default: Some("1024"),
            range: Some((1, 65_536)),
            doc: "Connections at once; further ones wait to be accepted.",
            example: "connections: 256",
            ..OPTION
        },
        OptionSpec {
            name: "header_timeout",
            ty: OptionTy::Duration,
            default: Some("10s"),
            range: Some((1_000_000, 3_600_000_000_000)),
            doc: "How long a request's head may take.",
            example: "header_timeout: 5s",
            ..OPTION
        },
        OptionSpec {
            name: "idle_timeout",
            ty: OptionTy::Duration,
            default: Some("60s"),
            range: Some((1_000_000, 86_400_000_000_000)),
            doc: "How long a connection may rest between requests, and a body between two pieces.",
            example: "idle_timeout: 30s",
            ..OPTION
        },
    ],
    fails: &[],
    delivery: Delivery { replays: false, holds_ack: true, idempotent: false },
    examples: &[Example {
        title: "A gateway that stores orders on a stream",
        flow: r#"type Order = { id: text, amount: decimal(10, 2) }

stream orders   : json<Order>     key .id
bucket rejected : ndjson<Failure>

profile aws {
  orders   = kinesis("orders")
  rejected = s3("example-rejected")
}

profile local = emulate(aws, dir: "out")

flow gateway : at_least_once {
  http.serve("127.0.0.1:8080", path: "/orders")
    -> json.decode as Order
    -> orders.write
  errors -> rejected.append
}
"#,
        run: false,
        ..EXAMPLE
    }],
    ..BLANK
};

/// The path of readiness, where the flow names none.
const READY: &str = "/ready";

/// How a run opens it, on a network.
pub fn open(net: Arc<dyn Net>) -> Open {
    Open::Source(Box::new(move |ctx| {
        let net = net.clone();
        Box::pin(
            async move { Ok(Box::new(HttpServe::open_on(ctx, &*net).await?) as Box<dyn Source>) },
        )
    }))
}

/// The source: requests in, rows out.
pub struct HttpServe {
    address: SocketAddr,
    server: Option<Server>,
    outlet: Outlet,
    feeders_ended: watch::Receiver<bool>,
    stopped: bool,
}

impl HttpServe {
    /// Listens on this machine and begins to take requests.
    ///
    /// # Errors
    /// The address cannot be listened on; the path is none.
    pub async fn open(ctx: NodeCtx) -> Result<HttpServe, Fault> {
        HttpServe::open_on(ctx, &TcpNet).await
    }

    /// The same on any network.
    ///
    /// # Errors
    /// The address cannot be listened on; the path is none.
    pub async fn open_on(ctx: NodeCtx, net: &dyn Net) -> Result<HttpServe, Fault> {
        let node = &ctx.node;
        let path = node.text("path").to_string();
        if !path.starts_with('/') {
            let message = format!("`path: \"{path}\"` of `http.serve` must begin with `/`");
            return Err(Fault::service("path", message));
        }
        let listener = net.listen(node.text("listen")).await?;
        let address = listener.address();
        let idle = node.duration("idle_timeout");
        let bytes_max = node.size("body");
        let own = Partition { id: own_id(&ctx, address), name: node.id.clone() };
        let (intake, outlet) = intake(
            node.count("requests"),
            node.size("in_flight").max(bytes_max),
            own,
            arrow_schema(&Ty::Bytes),
        );
        let outlet = outlet.with_failpoints(ctx.run.failpoints.clone());
        let gate = Gate {
            path,
            ready: node.options.get("ready").and_then(Value::as_text).unwrap_or(READY).to_string(),
            behind: ctx.behind.clone(),
            limits: BodyLimits { bytes_max, idle },
            intake,
            order: Order::default(),
            clock: ctx.run.clock.clone(),
            counters: ctx.counters.clone(),
            stopping: false.into(),
        };
        let limits = ConnectionLimits {
            connections: node.count("connections"),
            header_timeout: node.duration("header_timeout"),
            idle_timeout: idle,
        };
        let server = Some(Server::start(listener, Arc::new(gate), limits));
        if node.fed_by.is_empty() || ctx.run.keep_running {
            let path = node.text("path");
            let line = format!("{} takes POST http://{address}{path} until stopped", node.id);
            (ctx.run.log)(&line);
        }
        let feeders_ended = ctx.feeders_ended.clone();
        // With `--keep-running` the end of the feeders is not the end.
        let feeders_ended = if ctx.run.keep_running { never() } else { feeders_ended };
        Ok(HttpServe { address, server, outlet, feeders_ended, stopped: false })
    }

    /// Where it listens: the port is known even where port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn end(&mut self) {
        self.stopped = true;
        if let Some(server) = &self.server {
            server.stop();
        }
        self.outlet.close();
    }
}

#[async_trait]
impl Source for HttpServe {
    async fn read(&mut self) -> Result<Read, Fault> {
        loop {
            let ended = async {
                // A sender that is gone will never say that the feeders have ended.
                if self.stopped || self.feeders_ended.wait_for(|ended| *ended).await.is_err() {
                    std::future::pending().await
                }
            };
            tokio::select! {
                biased;
                rows = self.outlet.next() => return Ok(rows.map_or(Read::End, Read::Rows)),
                () = ended => self.end(),
            }
        }
    }

    async fn commit(&mut self, _: u32, _: u64, _: Option<Arc<Resume>>) -> Result<(), Fault> {
        Ok(())
    }

    async fn stop(&mut self) -> Result<(), Fault> {
        self.end();
        Ok(())
    }

    async fn close(&mut self) -> Result<(), Fault> {
        if let Some(server) = self.server.take() {
            server.close().await;
        }
        Ok(())
    }
}

/// The id of the rows that the server numbers itself: another one in every run, because their
/// numbers begin at 0 in every run.
fn own_id(ctx: &NodeCtx, address: SocketAddr) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"http.serve");
    hasher.update(&ctx.run.seed.to_le_bytes());
    hasher.update(&ctx.run.clock.now_ns().to_le_bytes());
    hasher.update(ctx.node.id.as_bytes());
    hasher.update(address.to_string().as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    id
}

fn never() -> watch::Receiver<bool> {
    watch::channel(false).1
}
