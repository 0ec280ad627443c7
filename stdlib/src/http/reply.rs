//! What the reply of a server means for the rows of a request: stored, refused, or sent again.

use crate::http::answer::{AnswerBody, RefusedRow};
use chrono::{DateTime, Utc};
use engine::fault::{Fault, FaultClass};
use hyper::StatusCode;
use std::time::Duration;

/// A `Retry-After` is believed up to here.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// What a server said of the rows of one request. A fault instead: they may be sent again
/// (transient, throttle), or no such request will ever be taken (service).
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// All are stored but for these, which are refused for good.
    Stored(Vec<RefusedRow>),
    /// The request as a whole is refused; nothing is stored. Why, in a sentence.
    Refused(String),
}

/// Reads a reply to a request of `rows` rows. `body` is its beginning, `retry_after` the header,
/// `url` where the request went.
pub fn verdict(
    status: StatusCode,
    retry_after: Option<Duration>,
    body: &[u8],
    rows: usize,
    url: &str,
) -> Result<Verdict, Fault> {
    if status.is_success() {
        return Ok(Verdict::Stored(Vec::new()));
    }
    let answer: Option<AnswerBody> = serde_json::from_slice(body).ok();
    let said = said(answer.as_ref(), body);
    let message = format!("`{url}` answers {status}{said}");
    match status.as_u16() {
        400 => match answer.and_then(|answer| rows_refused(answer, rows)) {
            Some(refused) => Ok(Verdict::Stored(refused)),
            None => Ok(Verdict::Refused(message)),
        },
        409 | 413 | 422 => Ok(Verdict::Refused(message)),
        429 | 503 => Err(Fault { retry_after, ..Fault::throttle("http_busy", message) }),
        408 | 425 | 500.. => {
            Err(Fault { retry_after, ..Fault::transient("http_unavailable", message) })
        }
        300..400 => Err(Fault::service("http_redirect", message)
            .help("redirects are not followed; write the URL that takes the records")),
        401 | 403 | 407 => Err(Fault::service("http_denied", message)
            .help("the server wants credentials; `http.post` sends none yet")),
        404 | 405 | 410 => Err(Fault::service("http_address", message)
            .help("check the address and path of `http.post`, and `path` of the server")),
        415 => Err(Fault::service("http_type", message)
            .help("`http.post` sends an object a line, as `application/x-ndjson`")),
        _ => Err(Fault::service("http_status", message)),
    }
}

/// Reads `Retry-After`: seconds, or a date.
pub fn retry_after(text: &str, now_ns: i64) -> Option<Duration> {
    let text = text.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let now = DateTime::<Utc>::from_timestamp_nanos(now_ns);
            let at = DateTime::parse_from_rfc2822(text).ok()?;
            (at.to_utc() - now).to_std().unwrap_or_default()
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// The rows that a flowc server refuses; `None` where the answer is not of that kind.
fn rows_refused(answer: AnswerBody, rows: usize) -> Option<Vec<RefusedRow>> {
    let ascend = answer.refused.is_sorted_by(|a, b| a.row < b.row);
    let within = answer.refused.last().is_some_and(|last| last.row < rows as u64);
    let complete = answer.accepted + answer.refused.len() as u64 == rows as u64;
    (ascend && within && complete).then_some(answer.refused)
}

fn said(answer: Option<&AnswerBody>, body: &[u8]) -> String {
    const CHARS_MAX: usize = 200;
    let text = match answer.and_then(|answer| answer.error.as_ref()) {
        Some(error) => error.message.clone(),
        None => String::from_utf8_lossy(&body[..body.len().min(4 * CHARS_MAX)]).into_owned(),
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.is_empty() {
        true => String::new(),
        false => format!(": {}", words.join(" ").chars().take(CHARS_MAX).collect::<String>()),
    }
}

/// A try that came to no reply: may be sent again.
pub fn no_reply(code: &str, message: String) -> Fault {
    Fault { class: FaultClass::Transient, ..Fault::service(code, message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> Result<Verdict, (FaultClass, String)> {
        let status = StatusCode::from_u16(status).unwrap();
        verdict(status, None, body.as_bytes(), 3, "http://a/b")
            .map_err(|fault| (fault.class, fault.message))
    }

    #[test]
    fn only_a_2xx_is_stored() {
        assert_eq!(of(202, "{\"accepted\":3}"), Ok(Verdict::Stored(vec![])));
        assert_eq!(of(200, "anything"), Ok(Verdict::Stored(vec![])));
        for (status, class) in [
            (429, FaultClass::Throttle),
            (503, FaultClass::Throttle),
            (500, FaultClass::Transient),
            (504, FaultClass::Transient),
            (408, FaultClass::Transient),
            (302, FaultClass::Service),
            (401, FaultClass::Service),
            (404, FaultClass::Service),
            (415, FaultClass::Service),
            (418, FaultClass::Service),
        ] {
            assert_eq!(of(status, "no").unwrap_err().0, class, "{status}");
        }
        let (_, message) =
            of(404, "{\"error\":{\"code\":\"path\",\"message\":\"nothing\"}}").unwrap_err();
        assert_eq!(message, "`http://a/b` answers 404 Not Found: nothing");
    }

    #[test]
    fn rows_are_refused_only_where_the_answer_accounts_for_all() {
        let listed = |accepted, row| {
            let row = format!("{{\"row\":{row},\"code\":\"json_value\",\"message\":\"bad\"}}");
            format!("{{\"accepted\":{accepted},\"refused\":[{row}],\"refused_rows\":1}}")
        };
        match of(400, &listed(2, 1)) {
            Ok(Verdict::Stored(refused)) => assert_eq!(refused[0].row, 1),
            other => panic!("{other:?}"),
        }
        for body in [listed(1, 1), listed(2, 3), "no".into(), String::new(), "{}".into()] {
            assert!(matches!(of(400, &body), Ok(Verdict::Refused(_))), "{body}");
        }
        assert!(matches!(of(413, ""), Ok(Verdict::Refused(_))));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = 784_111_777_000_000_000; // Sun, 06 Nov 1994 08:49:37 GMT
        let seconds = |text| retry_after(text, now).map(|wait| wait.as_secs());
        assert_eq!(seconds("2"), Some(2));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:40 GMT"), Some(3));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        assert_eq!(seconds("99999999"), Some(3600));
        assert_eq!((seconds("soon"), seconds("")), (None, None));
    }
}
