//! `http.post`: posts records to an HTTP server, many in one request, as lines of JSON.

use crate::http::answer::RefusedRow;
use crate::http::in_flight::InFlight;
use crate::http::net::{Connector, Net};
use crate::http::reply::{Verdict, no_reply, retry_after, verdict};
use crate::http::row_headers::{AFTER, PRODUCER, RANGES_MAX, ROWS, producer_text, rows_text};
use arrow_array::cast::AsArray;
use arrow_array::{Array, BinaryArray};
use async_trait::async_trait;
use bytes::Bytes;
use dsl::spec::*;
use dsl::value::duration_text;
use engine::batch::Rows;
use engine::ctx::{Clock, NodeCtx};
use engine::failpoint::Failpoints;
use engine::fault::{Fault, RowFault};
use engine::node::{Sink, SinkLimits, Written};
use engine::registry::Open;
use engine::summary::Counters;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "http.post",
    summary: "Posts records to an HTTP server, many in one request, as lines of JSON.",
    doc: "\
A request carries up to `batch` records (and about 4 MiB), an object a line, as
`application/x-ndjson`, over connections that are kept alive.

What the server answers decides:
- 2xx: the rows are stored.
- 429, 503, any other 5xx, 408, no answer within `timeout`, no connection: the same request is sent
  again, after `Retry-After` or a growing random wait, for `retry_for` at most.
- 400 of an `http.serve`: the rows that it names are refused and leave by `errors`; the others are
  stored.
- 400, 409, 413, 422 otherwise: the request is sent again in halves, down to the single row, which
  is then refused.
- Redirects, 401, 403, 404, 405, 415 and the like stop the node: nothing is wrong with a row.

Each request names its rows (`Flowc-Producer`, `Flowc-Rows`), so that an `http.serve` in front of a
stream stores none of them twice, however often it is sent.

Up to `concurrency` requests are under way at once. Each also names the row before it that is not
answered yet (`Flowc-After`), and an `http.serve` takes them in that order, whatever overtakes or
is sent again: rows of one key keep their order. Another server may not look at it; give it
`concurrency: 1` where order counts.
For `https://` the certificates of the system are trusted; `SSL_CERT_FILE` names others.",
    kind: NodeKind::Sink,
    resource: None,
    signatures: &["json<T> ->"],
    options: &[
        OptionSpec {
            name: "url",
            ty: OptionTy::Text,
            positional: true,
            required: true,
            doc: "Where to.",
            example: "\"http://127.0.0.1:8080/orders\"",
            ..OPTION
        },
        OptionSpec {
            name: "batch",
            ty: OptionTy::Int,
            default: Some("500"),
            range: Some((1, 10_000)),
            doc: "Records in one request at most.",
            example: "batch: 500",
            ..OPTION
        },
        OptionSpec {
            name: "timeout",
            ty: OptionTy::Duration,
            default: Some("5s"),
            range: Some((1_000_000, 3_600_000_000_000)),
            doc: "How long one try may take.",
            example: "timeout: 5s",
            ..OPTION
        },
        OptionSpec {
            name: "retry_for",
            ty: OptionTy::Duration,
            default: Some("5min"),
            range: Some((0, 86_400_000_000_000)),
            doc: "How long to try again before the node fails.",
            example: "retry_for: 10min",
            ..OPTION
        },
        OptionSpec {
            name: "concurrency",
            ty: OptionTy::Int,
            default: Some("4"),
            range: Some((1, 256)),
            doc: "Requests under way at once; an `http.serve` keeps their order, others may not.",
            example: "concurrency: 8",
            ..OPTION
        },
    ],
    fails: &[FailureSpec {
        code: "http_refused",
        when: "the server refuses the record (400, 409, 413, 422)",
    }],
    slow: true,
    examples: &[Example {
        title: "The rows of a file, posted to a server",
        flow: r#"type Order = { id: text, amount: decimal(10, 2) }

bucket rejected : ndjson<Failure>

profile aws {
  rejected = s3("example-rejected")
}

profile local = emulate(aws, dir: "out")

flow ingest : at_least_once {
  file.read("orders.csv")
    -> csv.decode as Order
    -> json.encode
    -> http.post("http://127.0.0.1:8080/orders", batch: 500)
  errors -> rejected.append
}
"#,
        run: false,
        ..EXAMPLE
    }],
    ..BLANK
};

/// Body bytes of a request, about; below what `http.serve` takes by default.
const BODY_BYTES_MAX: usize = 4 << 20;
/// Bytes of a reply that are read.
const REPLY_BYTES_MAX: usize = 16 << 20;
/// How long a connection is kept for the next request; less than servers keep it.
const IDLE: Duration = Duration::from_secs(20);

/// How a run opens it, on a network.
pub fn open(net: Arc<dyn Net>) -> Open {
    Open::Sink(Box::new(move |ctx| {
        let net = net.clone();
        Box::pin(async move { Ok(Box::new(HttpPost::open(&ctx, &*net)?) as Box<dyn Sink>) })
    }))
}

/// The sink: rows in, requests out.
pub struct HttpPost {
    client: Client<Connector, Full<Bytes>>,
    url: String,
    uri: Uri,
    timeout: Duration,
    limits: SinkLimits,
    in_flight: InFlight,
    clock: Arc<dyn Clock>,
    counters: Counters,
    failpoints: Failpoints,
}

impl HttpPost {
    /// Checks the URL; connects with the first request.
    pub fn open(ctx: &NodeCtx, net: &dyn Net) -> Result<HttpPost, Fault> {
        let node = &ctx.node;
        let url = node.text("url").to_string();
        let uri = uri(&url)?;
        let (batch, concurrency) = (node.count("batch"), node.count("concurrency"));
        let connector = net.connector(&uri)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(concurrency)
            .build(connector);
        let limits = SinkLimits {
            rows_max: batch,
            bytes_max: BODY_BYTES_MAX,
            align: batch as u64,
            concurrency,
            retry_for: node.duration("retry_for"),
            ..SinkLimits::default()
        };
        let timeout = node.duration("timeout");
        let (clock, counters) = (ctx.run.clock.clone(), ctx.counters.clone());
        let in_flight = InFlight::default();
        let failpoints = ctx.run.failpoints.clone();
        Ok(HttpPost { client, url, uri, timeout, limits, in_flight, clock, counters, failpoints })
    }

    /// One request with some of the rows.
    async fn post(&self, lines: &Lines<'_>, rows: &[usize]) -> Result<Verdict, Fault> {
        self.counters.add("requests", 1);
        let request = self.request(lines, rows);
        let tried = async {
            let reply = self.client.request(request).await.map_err(|error| self.broken(&error))?;
            self.read(reply, rows.len()).await
        };
        tokio::select! {
            biased;
            verdict = tried => verdict,
            () = self.clock.sleep(self.timeout) => {
                let after = duration_text(self.timeout.as_nanos() as i64);
                let message = format!("`{}` gave no answer in {after}", self.url);
                Err(Fault::timeout("http_timeout", message))
            }
        }
    }

    fn request(&self, lines: &Lines<'_>, rows: &[usize]) -> Request<Full<Bytes>> {
        let mut request = Request::post(self.uri.clone())
            .header(CONTENT_TYPE, "application/x-ndjson")
            .header(USER_AGENT, concat!("flowc/", env!("CARGO_PKG_VERSION")));
        let mut seqs = rows.iter().filter_map(|&row| lines.seqs.get(row).copied());
        if let Some(names) = rows_text(seqs.clone()).filter(|names| !names.is_empty()) {
            let producer = producer_text(&lines.producer);
            request = request.header(PRODUCER, producer).header(ROWS, names);
            let first = seqs.next().unwrap_or_default();
            if let Some(after) = self.in_flight.before(lines.producer, first) {
                request = request.header(AFTER, after);
            }
        }
        request
            .body(Full::new(Bytes::from(lines.body(rows))))
            .expect("the URL and the headers are checked")
    }

    async fn read<B>(&self, reply: Response<B>, rows: usize) -> Result<Verdict, Fault>
    where
        B: hyper::body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (head, body) = reply.into_parts();
        let after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let after = after.and_then(|text| retry_after(text, self.clock.now_ns()));
        let body = Limited::new(body, REPLY_BYTES_MAX).collect().await;
        // The status is the verdict; a reply that breaks off behind a 2xx does not undo it.
        let body = match body {
            Ok(body) => body.to_bytes(),
            Err(_) if head.status.is_success() => Bytes::new(),
            Err(error) => return Err(self.broken(&*error)),
        };
        verdict(head.status, after, &body, rows, &self.url)
    }

    fn broken(&self, error: &(dyn Error + 'static)) -> Fault {
        let mut cause = error;
        while let Some(deeper) = inner(cause) {
            cause = deeper;
        }
        if let Some(rustls::Error::InvalidCertificate(_)) = cause.downcast_ref() {
            let message = format!("the certificate of `{}` is not trusted: {cause}", self.url);
            return Fault::service("certificate", message)
                .help("name the file of the authority that signed it with SSL_CERT_FILE");
        }
        no_reply("http_connection", format!("no answer from `{}`: {cause}", self.url))
    }

    fn refused(&self, lines: &Lines<'_>, row: usize, message: String) -> RowFault {
        RowFault {
            row,
            code: "http_refused",
            message,
            payload: lines.payload.value(row).to_vec(),
            meta: vec![("url", self.url.clone())],
        }
    }
}

#[async_trait]
impl Sink for HttpPost {
    fn limits(&self) -> SinkLimits {
        self.limits
    }

    async fn write(&self, rows: &Rows) -> Result<Written, Fault> {
        let lines = Lines::of(rows);
        let mut written = Written::default();
        let mut todo = lines.requests();
        let named = lines.bounds(&todo);
        if let Some((first, last)) = named {
            self.in_flight.begin(lines.producer, first, last);
        }
        let blank = lines.blank();
        written.refused.extend(
            blank.map(|row| self.refused(&lines, row, "an empty record is no JSON".into())),
        );
        while let Some(part) = todo.pop_front() {
            match self.post(&lines, &part).await {
                Ok(Verdict::Stored(refused)) => {
                    self.failpoints.pass("http.post.answered")?;
                    written.refused.extend(refused.iter().map(|each| {
                        let RefusedRow { row, code, message } = each;
                        self.refused(&lines, part[*row as usize], format!("{message} ({code})"))
                    }))
                }
                Ok(Verdict::Refused(why)) if part.len() == 1 => {
                    written.refused.push(self.refused(&lines, part[0], why));
                }
                Ok(Verdict::Refused(_)) => {
                    let (left, right) = part.split_at(part.len() / 2);
                    todo.push_front(right.to_vec());
                    todo.push_front(left.to_vec());
                }
                Err(fault) => {
                    written.again = part.into_iter().chain(todo.into_iter().flatten()).collect();
                    written.fault = Some(fault);
                    break;
                }
            }
        }
        // What is to be written again stays under way; its next write begins it anew.
        if let Some((first, _)) = named.filter(|_| written.again.is_empty()) {
            self.in_flight.end(lines.producer, first);
        }
        written.refused.sort_by_key(|fault| fault.row);
        Ok(written)
    }
}

/// The rows of a write as lines with names.
struct Lines<'a> {
    payload: &'a BinaryArray,
    producer: [u8; 16],
    /// One a row; empty where the ids are not one a row.
    seqs: Vec<u64>,
}

impl<'a> Lines<'a> {
    fn of(rows: &'a Rows) -> Lines<'a> {
        let payload = rows.columns.column(0).as_binary::<i32>();
        let runs = rows.ids.runs.iter();
        let mut seqs: Vec<u64> =
            runs.flat_map(|run| (0..u64::from(run.len)).map(|n| run.first + n)).collect();
        if seqs.len() != payload.len() {
            seqs.clear();
        }
        Lines { payload, producer: rows.ids.partition.id, seqs }
    }

    fn is_blank(&self, row: usize) -> bool {
        self.payload.value(row).trim_ascii().is_empty()
    }

    fn blank(&self) -> impl Iterator<Item = usize> {
        (0..self.payload.len()).filter(|&row| self.is_blank(row))
    }

    /// The rows of each request: one, unless their numbers have very many gaps.
    fn requests(&self) -> VecDeque<Vec<usize>> {
        let mut parts = VecDeque::new();
        let (mut part, mut ranges) = (Vec::new(), 0);
        for row in (0..self.payload.len()).filter(|&row| !self.is_blank(row)) {
            let seq = self.seqs.get(row);
            let before = part.last().and_then(|&row: &usize| self.seqs.get(row));
            let begins = before.zip(seq).is_none_or(|(before, seq)| before + 1 != *seq);
            ranges += usize::from(begins && seq.is_some());
            if ranges > RANGES_MAX {
                parts.push_back(std::mem::take(&mut part));
                ranges = 1;
            }
            part.push(row);
        }
        parts.extend((!part.is_empty()).then_some(part));
        parts
    }

    /// The numbers of the first and the last row that are sent.
    fn bounds(&self, requests: &VecDeque<Vec<usize>>) -> Option<(u64, u64)> {
        let first = requests.front()?.first()?;
        let last = requests.back()?.last()?;
        self.seqs.get(*first).copied().zip(self.seqs.get(*last).copied())
    }

    /// A line a row. A line break inside a record is blank space in JSON, so a space takes its
    /// place.
    fn body(&self, rows: &[usize]) -> Vec<u8> {
        let bytes = rows.iter().map(|&row| self.payload.value(row).len() + 1).sum();
        let mut body = Vec::with_capacity(bytes);
        for &row in rows {
            let start = body.len();
            body.extend_from_slice(self.payload.value(row));
            for byte in &mut body[start..] {
                if matches!(byte, b'\n' | b'\r') {
                    *byte = b' ';
                }
            }
            body.push(b'\n');
        }
        body
    }
}

/// What an error was made of; an I/O error hides it from `source`.
fn inner<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

fn uri(url: &str) -> Result<Uri, Fault> {
    let bad = |why: String| {
        Fault::service("url", why).help("write a URL as `http://127.0.0.1:8080/orders`")
    };
    let uri: Uri = url.parse().map_err(|error| bad(format!("`{url}` is no URL: {error}")))?;
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) if authority.as_str().contains('@') => {
            Err(bad("a URL with a user name is not supported yet".into()))
        }
        (Some("http" | "https"), Some(_)) => Ok(uri),
        _ => Err(bad(format!("`{url}` is no `http://` or `https://` URL"))),
    }
}
