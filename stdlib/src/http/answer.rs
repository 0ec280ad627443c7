//! The answer of `http.serve`: always JSON, the same shape for every status; `http.post` reads it.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde::{Deserialize, Serialize};

/// Rows that an answer lists at most; `refused_rows` counts all.
pub const REFUSED_LISTED_MAX: usize = 10_000;

/// The JSON of an answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AnswerBody {
    /// Rows that are stored.
    #[serde(default)]
    pub accepted: u64,
    /// Why not all are, or the request is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<AnswerError>,
    /// The rows that are refused for good, in row order; at most [`REFUSED_LISTED_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedRow>,
    /// How many rows are refused for good.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refused_rows: u64,
}

/// What is wrong with a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswerError {
    /// In snake case: `body_too_large`, `rows_refused`, `full`.
    pub code: String,
    /// One sentence that says what to do.
    pub message: String,
    /// The row it is about, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
}

/// A row that is refused for good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefusedRow {
    /// Its place in the request, from 0.
    pub row: u64,
    /// The code of its failure: `json_value`, …
    pub code: String,
    /// What is wrong with it.
    pub message: String,
}

/// An answer before it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The JSON.
    pub body: AnswerBody,
    /// `Retry-After`, in seconds.
    pub retry_after_s: Option<u32>,
    /// The connection ends with this answer.
    pub close: bool,
}

impl Answer {
    /// All rows are stored: 202.
    pub fn stored(rows: usize) -> Answer {
        let body = AnswerBody { accepted: rows as u64, ..AnswerBody::default() };
        Answer { status: StatusCode::ACCEPTED, body, retry_after_s: None, close: false }
    }

    /// Records are taken: 200.
    pub fn ready() -> Answer {
        Answer { status: StatusCode::OK, ..Answer::stored(0) }
    }

    /// Some rows are refused for good, the others stored: 400. `refused` is not empty.
    pub fn rows_refused(rows: usize, mut refused: Vec<RefusedRow>) -> Answer {
        let count = refused.len();
        let first = refused.first().map(|first| (first.row, first.message.clone()));
        let message = match (rows - count, &first) {
            (0, Some((_, why))) if rows == 1 => format!("the row is refused: {why}"),
            (0, _) => format!("all {rows} rows are refused; `refused` says why"),
            (stored, _) => {
                format!("{count} of {rows} rows are refused, {stored} stored; `refused` says why")
            }
        };
        refused.truncate(REFUSED_LISTED_MAX);
        let mut answer = Answer::refused(StatusCode::BAD_REQUEST, "rows_refused", message);
        answer.body.accepted = (rows - count) as u64;
        answer.body.refused_rows = count as u64;
        answer.body.refused = refused;
        answer.row(first.map(|(row, _)| row as usize))
    }

    /// The request is refused; nothing of it is stored.
    pub fn refused(status: StatusCode, code: &str, message: impl Into<String>) -> Answer {
        let error = AnswerError { code: code.into(), message: message.into(), row: None };
        let body = AnswerBody { error: Some(error), ..AnswerBody::default() };
        Answer { status, body, retry_after_s: None, close: false }
    }

    /// 503 with `Retry-After`.
    pub fn later(code: &str, message: impl Into<String>) -> Answer {
        let refused = Answer::refused(StatusCode::SERVICE_UNAVAILABLE, code, message);
        Answer { retry_after_s: Some(1), ..refused }
    }

    /// Says which row it is about.
    pub fn row(mut self, row: Option<usize>) -> Answer {
        if let Some(error) = &mut self.body.error {
            error.row = row.map(|row| row as u64);
        }
        self
    }

    /// The connection ends with this answer.
    pub fn close(self) -> Answer {
        Answer { close: true, ..self }
    }

    /// As hyper writes it.
    pub fn into_response(self) -> Response<Full<Bytes>> {
        let mut text = match self.status {
            StatusCode::OK => b"{\"ready\":true}".to_vec(),
            _ => serde_json::to_vec(&self.body).expect("numbers and texts always serialize"),
        };
        text.push(b'\n');
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(row: u64) -> RefusedRow {
        RefusedRow { row, code: "json_value".into(), message: "`Quantity` is no int".into() }
    }

    #[test]
    fn an_answer_says_how_many_are_stored_and_which_are_not() {
        let answer = Answer::rows_refused(500, vec![refused(7), refused(9)]);
        assert_eq!((answer.status.as_u16(), answer.body.accepted), (400, 498));
        assert_eq!(answer.body.error.as_ref().unwrap().row, Some(7));
        let text = serde_json::to_string(&answer.body).unwrap();
        assert_eq!(serde_json::from_str::<AnswerBody>(&text).unwrap(), answer.body);
        let one = Answer::rows_refused(1, vec![refused(0)]);
        assert_eq!(one.body.error.unwrap().message, "the row is refused: `Quantity` is no int");
        assert_eq!(serde_json::to_string(&Answer::stored(3).body).unwrap(), "{\"accepted\":3}");
    }

    #[test]
    fn a_long_list_of_refused_rows_is_cut_but_counted() {
        let many = (0..REFUSED_LISTED_MAX as u64 + 5).map(refused).collect();
        let answer = Answer::rows_refused(REFUSED_LISTED_MAX + 5, many);
        assert_eq!(answer.body.refused.len(), REFUSED_LISTED_MAX);
        assert_eq!(answer.body.refused_rows, REFUSED_LISTED_MAX as u64 + 5);
    }
}
