//! The port: connections, bodies, signatures, faults, and the service that answers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::clock::http_date;
use crate::control;
use crate::request::{Body, Request, Response, Tally};
use crate::rules::{Cut, Faults};
use crate::services::{Services, Shared};
use crate::settings::Settings;
use crate::sigv4::{self, Refusal, Refused};
use crate::socket::{Sending, Socket};
use crate::{operation, wire};

const BODY_MAX_BYTES: usize = 64 * 1024 * 1024;

/// How a front is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The port on loopback; 0 is any free one.
    pub port: u16,
    /// Where the Redshift Data API's statements run: `postgres://…`.
    pub postgres: Option<String>,
    /// Answers that cost least: puts are counted and thrown away.
    pub fast: bool,
    /// Limits that differ from AWS's.
    pub settings: Settings,
}

/// A front that runs until it is dropped.
pub struct Front {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Clock, rules, counters and settings.
    pub shared: Arc<Shared>,
    core: Arc<Core>,
    listening: JoinHandle<()>,
}

impl Front {
    /// The base of its addresses: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The services with their data.
    pub fn services(&self) -> Arc<Services> {
        self.core.services()
    }

    /// Runs until the listener ends, which it does not by itself.
    pub async fn run(mut self) {
        let _ = (&mut self.listening).await;
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// What every connection has.
pub(crate) struct Core {
    pub(crate) shared: Arc<Shared>,
    services: RwLock<Arc<Services>>,
}

impl Core {
    pub(crate) fn services(&self) -> Arc<Services> {
        self.services.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// No data, no rules, no counts, the machine's time.
    pub(crate) fn reset(&self) {
        self.shared.rules.reset();
        self.shared.calls.reset();
        self.shared.clock.reset();
        let new = Arc::new(Services::new(&self.shared));
        *self.services.write().unwrap_or_else(PoisonError::into_inner) = new;
    }
}

/// Starts a front on loopback.
pub async fn start(options: Options) -> io::Result<Front> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
    let addr = listener.local_addr()?;
    let Options { settings, postgres, fast, .. } = options;
    let shared = Arc::new(Shared::new(settings, postgres, fast));
    let services = RwLock::new(Arc::new(Services::new(&shared)));
    let core = Arc::new(Core { shared: shared.clone(), services });
    let listening = tokio::spawn(listen(listener, core.clone()));
    Ok(Front { addr, shared, core, listening })
}

async fn listen(listener: TcpListener, core: Arc<Core>) {
    // Connections end with the task that accepts them.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    connections.spawn(connection(Socket::new(stream), core.clone()));
                }
                // Out of descriptors, say: others must close first.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(socket: Socket, core: Arc<Core>) {
    let reset = socket.reset.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (core, reset) = (core.clone(), reset.clone());
        async move { answer(request, &core, &reset).await }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).auto_date_header(false).max_buf_size(1024 * 1024);
    // A connection that a rule cuts ends with an error: that is meant.
    let _ = builder.serve_connection(TokioIo::new(socket), service).await;
}

/// What becomes of a call: an answer, or a connection that is closed.
enum Outcome {
    Answer(Response, bool),
    Close,
    Reset,
}

async fn answer(
    request: hyper::Request<Incoming>,
    core: &Core,
    reset: &AtomicBool,
) -> io::Result<hyper::Response<Sending>> {
    let (parts, body) = request.into_parts();
    let id = wire::uuid();
    let closed = || io::Error::new(io::ErrorKind::ConnectionAborted, "closed by a rule");
    let body = match Limited::new(body, BODY_MAX_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => {
            let text = "The body is over 64 MiB, or it ended early.";
            let reply = wire::json_error(413, "RequestEntityTooLargeException", text);
            return Ok(sending(reply, core, &id, false));
        }
    };
    if parts.uri.path().starts_with("/_front/") {
        return Ok(sending(control::answer(&parts, &body, core), core, &id, false));
    }
    match handle(parts, body, core, &id).await {
        Outcome::Answer(reply, truncated) => Ok(sending(reply, core, &id, truncated)),
        Outcome::Close => Err(closed()),
        Outcome::Reset => {
            reset.store(true, Ordering::SeqCst);
            Err(closed())
        }
    }
}

async fn handle(parts: Parts, body: Bytes, core: &Core, id: &str) -> Outcome {
    // Only puts are cheap: what they carry is thrown away.
    let is_put = (parts.method == "PUT"
        && parts.uri.query().is_none_or(|it| !it.contains("pload")))
        || parts.headers.get("x-amz-target").is_some_and(|it| it == "Kinesis_20131202.PutRecords");
    let verified = match core.shared.fast && is_put {
        true => sigv4::believe(&parts, body),
        false => sigv4::verify(&parts, body, core.shared.clock.wall_ms()),
    };
    let verified = match verified {
        Ok(verified) => verified,
        Err(refusal) => return Outcome::Answer(refused(&parts, refusal, id), false),
    };
    let query = wire::pairs(parts.uri.query().unwrap_or_default(), false);
    let mut request = Request {
        service: verified.service,
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query,
        headers: parts.headers,
        body: verified.body,
        trailers: verified.trailers,
        region: verified.region,
        access_key: verified.access_key,
        id: id.to_owned(),
        ..Request::default()
    };
    request.operation = match operation::of(&request) {
        Ok(operation) => operation,
        Err(reply) => return Outcome::Answer(reply, false),
    };
    let faults = core.shared.rules.faults(&request);
    serve(&request, &faults, core).await
}

async fn serve(request: &Request, faults: &Faults, core: &Core) -> Outcome {
    let count = |tally: Tally, error: bool, lost: bool| {
        core.shared.calls.add(&request.service, &request.operation, tally, error, lost);
    };
    if faults.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(faults.delay_ms)).await;
    }
    if let Some(cut @ (Cut::DropRequest | Cut::Reset)) = faults.cut {
        count(Tally::default(), true, false);
        return if cut == Cut::Reset { Outcome::Reset } else { Outcome::Close };
    }
    if let Some((status, code, message)) = &faults.error {
        let throttled = u64::from(code.contains("Throttl") || code.contains("Throughput"));
        count(Tally { throttled, ..Tally::default() }, true, false);
        return Outcome::Answer(wire::error(request, *status, code, message), false);
    }
    let Some(service) = core.services().get(&request.service) else {
        let text = format!("The front has no service {}.", request.service);
        return Outcome::Answer(wire::error(request, 400, "UnknownServiceException", &text), false);
    };
    let reply = service.call(request, faults).await;
    let lost = faults.cut == Some(Cut::LoseReply);
    let truncated = faults.cut == Some(Cut::Truncate);
    count(reply.tally, reply.status >= 400, lost || truncated);
    if lost { Outcome::Close } else { Outcome::Answer(reply, truncated) }
}

/// The error of a request that no service sees, in the form of the service it was for.
fn refused(parts: &Parts, refusal: Refusal, id: &str) -> Response {
    let service = refusal.service.unwrap_or_else(|| operation::service_of(parts).to_owned());
    let request = Request {
        service,
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        id: id.to_owned(),
        ..Request::default()
    };
    let wrong = "The request signature we calculated does not match the signature you provided. \
                 Check your key and signing method.";
    let (s3, sts) = (request.service == "s3", request.service == "sts");
    let status = if s3 || sts { 403 } else { 400 };
    let (code, text): (&str, String) = match refusal.why {
        Refused::Missing if s3 => ("AccessDenied", "Access Denied".into()),
        Refused::Missing if sts => {
            ("MissingAuthenticationToken", "Missing Authentication Token".into())
        }
        Refused::Missing => {
            ("MissingAuthenticationTokenException", "Missing Authentication Token".into())
        }
        Refused::Incomplete(text) if s3 => {
            return wire::error(&request, 400, "AuthorizationHeaderMalformed", &text);
        }
        Refused::Incomplete(text) if sts => ("IncompleteSignature", text),
        Refused::Incomplete(text) => ("IncompleteSignatureException", text),
        Refused::UnknownKey if s3 => (
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.".into(),
        ),
        Refused::UnknownKey => {
            let code = if sts { "InvalidClientTokenId" } else { "UnrecognizedClientException" };
            (code, "The security token included in the request is invalid.".into())
        }
        Refused::Signature(_) if s3 || sts => ("SignatureDoesNotMatch", wrong.into()),
        Refused::Signature(canonical) => {
            let text = format!("{wrong}\n\nThe Canonical String was\n'{canonical}'");
            ("InvalidSignatureException", text)
        }
        Refused::Skew(_) if s3 => (
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.".into(),
        ),
        Refused::Skew(text) if sts => ("SignatureDoesNotMatch", text),
        Refused::Skew(text) => ("InvalidSignatureException", text),
        Refused::BodyHash => {
            let text = "The provided 'x-amz-content-sha256' header does not match what was \
                        computed.";
            return wire::error(&request, 400, "XAmzContentSHA256Mismatch", text);
        }
        Refused::Chunks(text) => return wire::error(&request, 400, "IncompleteBody", &text),
    };
    wire::error(&request, status, code, &text)
}

/// The answer as it is sent, with what every answer has.
fn sending(reply: Response, core: &Core, id: &str, truncated: bool) -> hyper::Response<Sending> {
    let Response { status, headers, body, .. } = reply;
    let mut builder = hyper::Response::builder()
        .status(status)
        .header("date", http_date(core.shared.clock.wall_ms()))
        .header("x-amzn-requestid", id)
        .header("x-amz-request-id", id);
    for (name, value) in &headers {
        builder = builder.header(name, value);
    }
    let own_length = headers.iter().any(|(name, _)| name == "content-length");
    if let (Body::Bytes(bytes), false) = (&body, own_length) {
        builder = builder.header("content-length", bytes.len());
    }
    let bad_header = |_| hyper::Response::new(Sending::new(Body::Bytes(Bytes::new()), true));
    builder.body(Sending::new(body, truncated)).unwrap_or_else(bad_header)
}

#[cfg(test)]
mod tests;
