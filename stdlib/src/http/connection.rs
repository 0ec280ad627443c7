//! One request from its head to its answer: path, method, type, size, rows, and what became of
//! them.

use crate::http::answer::{Answer, RefusedRow};
use crate::http::body::{self, BodyLimits};
use crate::http::frame::{Format, records};
use crate::http::intake::{Intake, Named, Place, Posted, Settled};
use crate::http::order::Order;
use crate::http::row_headers::{AFTER, PRODUCER, ROWS};
use crate::http::row_headers::{parse_after, parse_producer, parse_rows};
use engine::ctx::Clock;
use engine::run::Behind;
use engine::summary::Counters;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderMap};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a request waits for the one before it; less than clients wait for an answer.
const ORDER_WAIT: Duration = Duration::from_secs(3);
/// Records of a request at most: each costs far more than its bytes when it is refused.
const RECORDS_MAX: usize = 100_000;

/// What all requests of a server share.
pub struct Gate {
    /// The only path that takes records.
    pub path: String,
    /// The path that says whether it does now.
    pub ready: String,
    /// The sinks that the records go to.
    pub behind: Behind,
    /// Limits of a body.
    pub limits: BodyLimits,
    /// Where complete requests go.
    pub intake: Intake,
    /// The order of each producer's requests.
    pub order: Order,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Counts `requests`, `refused requests` and `busy`.
    pub counters: Counters,
    /// New requests are told to come back.
    pub stopping: AtomicBool,
}

/// What the head of a request says of its body.
struct Head {
    format: Format,
    named: Option<Named>,
}

impl Gate {
    /// Answers one request. A client that goes away does not cancel what was handed over.
    pub async fn answer(self: &Arc<Gate>, request: Request<Incoming>) -> Answer {
        let (head, mut body) = request.into_parts();
        let asks = head.method == Method::GET || head.method == Method::HEAD;
        if asks && head.uri.path() == self.ready {
            return self.readiness();
        }
        let read = match self.check(&head, body.size_hint().exact()) {
            Ok(checked) => self.read(checked, &mut body).await,
            Err(answer) => Err(answer),
        };
        let answer = match read {
            Ok((posted, answered)) => self.hand_over(posted, answered).await,
            Err(answer) => answer,
        };
        self.count(&answer);
        // With `Expect: 100-continue` the client has not sent the body, and now it need not.
        if !body.is_end_stream() && !head.headers.contains_key(EXPECT) {
            let gate = self.clone();
            tokio::spawn(async move {
                body::discard(body, gate.limits.bytes_max, &*gate.clock).await;
            });
        }
        answer
    }

    /// Whether records would be taken now.
    fn readiness(&self) -> Answer {
        if self.stopping.load(Ordering::Acquire) {
            return stopping();
        }
        if self.intake.is_full() {
            return body::full();
        }
        match self.behind.blocked() {
            Some(sink) => {
                let message = format!("`{sink}` has stored nothing for some time");
                Answer::later("blocked", message)
            }
            None => Answer::ready(),
        }
    }

    /// Everything that can be said before the body is read.
    fn check(&self, head: &Parts, length: Option<u64>) -> Result<(Head, Place), Answer> {
        if head.uri.path() != self.path {
            let message = format!(
                "there is nothing at `{}`; records go to `POST {}`",
                head.uri.path(),
                self.path
            );
            return Err(Answer::refused(StatusCode::NOT_FOUND, "path", message));
        }
        if head.method != Method::POST {
            let message = format!("`{}` takes POST, not {}", self.path, head.method);
            return Err(Answer::refused(StatusCode::METHOD_NOT_ALLOWED, "method", message));
        }
        if self.stopping.load(Ordering::Acquire) {
            return Err(stopping());
        }
        let format = format_of(&head.headers)?;
        let named = named(&head.headers)?;
        if length.is_some_and(|bytes| bytes > self.limits.bytes_max) {
            return Err(body::too_large(self.limits.bytes_max));
        }
        let mut place = self.intake.place().ok_or_else(body::full)?;
        match place.grow(length.unwrap_or(0)) {
            true => Ok((Head { format, named }, place)),
            false => Err(body::full()),
        }
    }

    async fn read(
        &self,
        (head, mut place): (Head, Place),
        body: &mut Incoming,
    ) -> Result<(Posted, oneshot::Receiver<Settled>), Answer> {
        let bytes = body::read(body, self.limits, &mut place, &*self.clock).await?;
        let refused = |code: &str, message: String, row| {
            Answer::refused(StatusCode::BAD_REQUEST, code, message).row(row)
        };
        let records = records(bytes, head.format)
            .map_err(|error| refused(error.code, error.message, error.row))?;
        if records.len() > RECORDS_MAX {
            return Err(body::too_many(records.len(), RECORDS_MAX));
        }
        if let Some(named) = &head.named {
            let numbers: u64 = named.runs.iter().map(|run| u64::from(run.len)).sum();
            if numbers != records.len() as u64 {
                let message =
                    format!("`Flowc-Rows` names {numbers} rows, the body has {}", records.len());
                return Err(refused("rows_header", message, None));
            }
        }
        let (answer, answered) = oneshot::channel();
        let arrival_ns = self.clock.now_ns();
        Ok((Posted { records, named: head.named, arrival_ns, answer, place }, answered))
    }

    async fn hand_over(&self, posted: Posted, answered: oneshot::Receiver<Settled>) -> Answer {
        let rows = posted.records.len();
        if rows == 0 {
            return Answer::stored(0);
        }
        let named = posted.named.clone();
        if let Some(Named { producer, after: Some(after), .. }) = named {
            tokio::select! {
                biased;
                () = self.order.reached(producer, after) => {}
                () = self.clock.sleep(ORDER_WAIT) => return out_of_order(),
            }
        }
        if !self.intake.send(posted) {
            return stopping();
        }
        if let Some(Named { producer, runs, .. }) = &named {
            let last = runs.last().map(|run| run.first + u64::from(run.len) - 1);
            last.into_iter().for_each(|last| self.order.take(*producer, last));
        }
        match answered.await {
            Ok(Settled::Stored(refused)) if refused.is_empty() => Answer::stored(rows),
            Ok(Settled::Stored(refused)) => Answer::rows_refused(rows, shortened(refused)),
            Ok(Settled::NotStored) | Err(_) => not_stored(named.is_some()),
        }
    }

    fn count(&self, answer: &Answer) {
        self.counters.add("requests", 1);
        if answer.status == StatusCode::SERVICE_UNAVAILABLE {
            self.counters.add("busy", 1);
        } else if answer.status.is_client_error() && answer.body.refused_rows == 0 {
            self.counters.add("refused requests", 1);
        }
    }
}

fn stopping() -> Answer {
    let message = "the server is stopping; nothing of this request is stored, send it again later";
    Answer::later("stopping", message).close()
}

fn out_of_order() -> Answer {
    let message = "the rows before these (`Flowc-After`) did not come; nothing of this request is \
                   stored, send it again behind them";
    Answer::later("out_of_order", message)
}

fn not_stored(named: bool) -> Answer {
    let message = match named {
        true => "not all rows are stored; send the same request again, no row is stored twice",
        false => {
            "not all rows are stored; send them again, with `Flowc-Producer` and `Flowc-Rows` \
             headers if none may be stored twice"
        }
    };
    Answer::later("not_stored", message)
}

/// Messages of rows as an answer carries them: cut where they are long.
fn shortened(mut refused: Vec<RefusedRow>) -> Vec<RefusedRow> {
    const CHARS_MAX: usize = 300;
    for row in &mut refused {
        if let Some((end, _)) = row.message.char_indices().nth(CHARS_MAX) {
            row.message.truncate(end);
            row.message.push('…');
        }
    }
    refused
}

fn format_of(headers: &HeaderMap) -> Result<Format, Answer> {
    let unsupported = |message: String| {
        Answer::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", message)
    };
    let text = |name| match headers.get(name) {
        Some(value) => value.to_str().unwrap_or("?").trim().to_ascii_lowercase(),
        None => String::new(),
    };
    let encoding = text(CONTENT_ENCODING);
    if !matches!(encoding.as_str(), "" | "identity") {
        let message = format!("a body in `{encoding}` is not taken; send it uncompressed");
        return Err(unsupported(message));
    }
    let content_type = text(CONTENT_TYPE);
    let (name, parameters) = content_type.split_once(';').unwrap_or((&content_type, ""));
    let charset = parameters.split(';').find_map(|each| each.trim().strip_prefix("charset="));
    if !charset.is_none_or(|charset| matches!(charset.trim_matches('"'), "utf-8" | "utf8")) {
        return Err(unsupported("JSON is sent in UTF-8 here".into()));
    }
    match name.trim() {
        "" => Ok(Format::Guess),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Format::Ndjson),
        "application/json" => Ok(Format::Json),
        name if name.ends_with("+json") => Ok(Format::Json),
        name => Err(unsupported(format!(
            "`{name}` is not taken; send `Content-Type: application/json` (an object, an array of \
             objects) or `application/x-ndjson` (an object a line)"
        ))),
    }
}

fn named(headers: &HeaderMap) -> Result<Option<Named>, Answer> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let after = text(AFTER);
    let read = match (text(PRODUCER), text(ROWS)) {
        (None, None) if after.is_none() => return Ok(None),
        (Some(producer), Some(rows)) => parse_producer(producer).and_then(|producer| {
            let runs = parse_rows(rows)?;
            let after = after.map(|after| parse_after(after, &runs)).transpose()?;
            Ok(Named { producer, runs, after })
        }),
        _ => Err("`Flowc-Producer` and `Flowc-Rows` are sent together or not at all".into()),
    };
    read.map(Some)
        .map_err(|message| Answer::refused(StatusCode::BAD_REQUEST, "rows_header", message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn format(content_type: &'static str) -> Result<Format, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        format_of(&headers).map_err(|answer| answer.status.as_u16())
    }

    #[test]
    fn the_content_type_says_how_the_body_is_cut() {
        assert_eq!(format_of(&HeaderMap::new()).unwrap(), Format::Guess);
        assert_eq!(format("application/json"), Ok(Format::Json));
        assert_eq!(format("Application/JSON; charset=UTF-8"), Ok(Format::Json));
        assert_eq!(format("application/vnd.shop+json;v=1"), Ok(Format::Json));
        assert_eq!(format("application/x-ndjson"), Ok(Format::Ndjson));
        assert_eq!(format("application/json; charset=latin1"), Err(415));
        assert_eq!(format("text/csv"), Err(415));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(format_of(&headers).is_err());
    }

    #[test]
    fn the_row_headers_come_together() {
        let mut headers = HeaderMap::new();
        assert_eq!(named(&headers).unwrap(), None);
        headers.insert(ROWS, HeaderValue::from_static("0-4"));
        assert_eq!(named(&headers).unwrap_err().status.as_u16(), 400);
        let producer = HeaderValue::from_static("000102030405060708090a0b0c0d0e0f");
        headers.insert(PRODUCER, producer);
        assert_eq!(named(&headers).unwrap().unwrap().runs[0].len, 5);
    }
}
