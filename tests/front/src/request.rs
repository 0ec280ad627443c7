//! What a service is asked and answers, whatever the protocol.

use async_trait::async_trait;
use bytes::Bytes;
use hyper::HeaderMap;
use tokio::sync::mpsc;

use crate::rules::Faults;

/// A request whose signature is right.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// As in the credential scope: `kinesis`, `firehose`, `dynamodb`, `s3`, `sts`, `redshift-data`.
    pub service: String,
    /// From `X-Amz-Target`, `Action`, or S3's method and path: `PutRecords`, `PutObject`.
    pub operation: String,
    /// `GET`, `POST`, `PUT`…
    pub method: String,
    /// As it was sent, percent-encoded, without the query.
    pub path: String,
    /// Names and values in their order, decoded.
    pub query: Vec<(String, String)>,
    /// As they were sent.
    pub headers: HeaderMap,
    /// Decoded where it was sent as `aws-chunked`.
    pub body: Bytes,
    /// The trailer of an `aws-chunked` body, lower-case names: the checksums are here.
    pub trailers: Vec<(String, String)>,
    /// From the credential scope.
    pub region: String,
    /// Who signed it.
    pub access_key: String,
    /// What the answer calls this request.
    pub id: String,
}

impl Request {
    /// A header's value; empty when it is not there or not text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The value of a query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// What a rule's `key` is matched with: the decoded path, or the body where there is one target
    /// for all (JSON and query protocols).
    pub fn key_text(&self) -> String {
        match self.service.as_str() {
            "s3" => crate::wire::percent_decode(&self.path),
            _ => String::from_utf8_lossy(&self.body).into_owned(),
        }
    }
}

/// The body of an answer.
#[derive(Debug)]
pub enum Body {
    /// All of it at once.
    Bytes(Bytes),
    /// Parts as they come, until the sender is dropped; sent in chunks.
    Stream(mpsc::Receiver<Bytes>),
}

/// What the counters are told of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records or items that the call had.
    pub entries: u64,
    /// Those that failed.
    pub entries_failed: u64,
    /// Entries, or whole calls, refused for their rate.
    pub throttled: u64,
}

/// What a service answers.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Beside those of every answer (`Date`, the request's id, the length).
    pub headers: Vec<(String, String)>,
    /// What comes after the headers.
    pub body: Body,
    /// For the counters.
    pub tally: Tally,
}

impl Response {
    /// An answer of bytes.
    pub fn new(status: u16, body: impl Into<Bytes>) -> Response {
        let body = Body::Bytes(body.into());
        Response { status, headers: Vec::new(), body, tally: Tally::default() }
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Response {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With what the counters are told.
    pub fn tallied(mut self, tally: Tally) -> Response {
        self.tally = tally;
        self
    }

    /// The bytes, for tests; of a stream none.
    pub fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Bytes(bytes) => bytes,
            Body::Stream(_) => &[],
        }
    }
}

/// A service of AWS.
#[async_trait]
pub trait Service: Send + Sync {
    /// The answer to a request whose signature is right; `faults` says which entries shall fail.
    async fn call(&self, request: &Request, faults: &Faults) -> Response;
}
