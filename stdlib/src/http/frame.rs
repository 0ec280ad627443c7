//! Cuts a body into records by its structure alone: one JSON object, an array of objects, or lines
//! (NDJSON). No value is built; whether a record is good JSON is the decoder's business.

use memchr::memchr;
use std::ops::Range;

/// How a body is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `application/json`: one object or an array of objects.
    Json,
    /// `application/x-ndjson`: one record a line; blank lines count for nothing.
    Ndjson,
    /// No content type: the first byte decides; an object with more behind it is NDJSON.
    Guess,
}

/// The records of a body, packed: record n is `values[offsets[n]..offsets[n + 1]]`.
#[derive(Debug, Default, PartialEq)]
pub struct Records {
    /// The bytes of all records, nothing between them.
    pub values: Vec<u8>,
    /// Where each begins, and the end of the last: one more than there are records.
    pub offsets: Vec<i32>,
}

/// Why a body cannot be cut into records; nothing of it is taken.
#[derive(Debug, PartialEq)]
pub struct FrameError {
    /// `body_empty`, `body_syntax` or `body_record`.
    pub code: &'static str,
    /// What is wrong, and where.
    pub message: String,
    /// The record it is about, from 0.
    pub row: Option<usize>,
}

impl Records {
    /// How many records there are.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// True without a record.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Cuts a body of at most 1 GiB; the records are packed in the same memory.
pub fn records(mut body: Vec<u8>, format: Format) -> Result<Records, FrameError> {
    let start = skip_blank(&body, if body.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 });
    let Some(&first) = body.get(start) else {
        return Err(error("body_empty", "the body is empty; send at least one JSON object", None));
    };
    let spans = match (format, first) {
        (Format::Ndjson, _) => line_spans(&body, start),
        (_, b'[') => array_spans(&body, start)?,
        (_, b'{') => match (object_end(&body, start), format) {
            (Some(end), _) if skip_blank(&body, end) == body.len() => {
                std::iter::once(start..end).collect()
            }
            (_, Format::Guess) => line_spans(&body, start),
            (Some(end), _) => return Err(behind(&body, skip_blank(&body, end), "object")),
            (None, _) => {
                let message = "the object is never closed: a `}` is missing";
                return Err(error("body_syntax", message, Some(0)));
            }
        },
        (_, byte) => {
            let message = format!(
                "the body is not JSON: it begins with {}; send an object, an array of objects, \
                 or lines of objects",
                shown(byte)
            );
            return Err(error("body_syntax", message, None));
        }
    };
    Ok(pack(&mut body, &spans))
}

fn pack(body: &mut Vec<u8>, spans: &[Range<usize>]) -> Records {
    let mut offsets = Vec::with_capacity(spans.len() + 1);
    let mut end = 0;
    offsets.push(0);
    for span in spans {
        assert!(span.start >= end, "spans are in order");
        body.copy_within(span.clone(), end);
        end += span.len();
        offsets.push(i32::try_from(end).expect("a body is at most 1 GiB"));
    }
    body.truncate(end);
    Records { values: std::mem::take(body), offsets }
}

fn line_spans(body: &[u8], start: usize) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut at = start;
    while at < body.len() {
        let end = memchr(b'\n', &body[at..]).map_or(body.len(), |n| at + n);
        let first = at + body[at..end].iter().take_while(|b| is_blank(**b)).count();
        let blanks = body[first..end].iter().rev().take_while(|b| is_blank(**b)).count();
        if first < end - blanks {
            spans.push(first..end - blanks);
        }
        at = end + 1;
    }
    spans
}

fn array_spans(body: &[u8], start: usize) -> Result<Vec<Range<usize>>, FrameError> {
    let mut spans: Vec<Range<usize>> = Vec::new();
    let mut at = skip_blank(body, start + 1);
    if body.get(at) == Some(&b']') {
        return ended(body, at + 1).map(|()| spans);
    }
    loop {
        let row = Some(spans.len());
        match body.get(at) {
            Some(b'{') => {}
            Some(&byte) => {
                let message = format!("an object must stand here, not {}", shown(byte));
                return Err(error("body_record", message, row));
            }
            None => return Err(error("body_syntax", "the array is never closed", row)),
        }
        let Some(end) = object_end(body, at) else {
            let message = "this object is never closed: a `}` is missing";
            return Err(error("body_syntax", message, row));
        };
        spans.push(at..end);
        at = skip_blank(body, end);
        match body.get(at) {
            Some(b',') => at = skip_blank(body, at + 1),
            Some(b']') => return ended(body, at + 1).map(|()| spans),
            Some(&byte) => {
                let message = format!("`,` or `]` must follow this object, not {}", shown(byte));
                return Err(error("body_syntax", message, row));
            }
            None => return Err(error("body_syntax", "the array is never closed", row)),
        }
    }
}

fn ended(body: &[u8], at: usize) -> Result<(), FrameError> {
    let rest = skip_blank(body, at);
    if rest == body.len() { Ok(()) } else { Err(behind(body, rest, "array")) }
}

/// The end of the object that begins at `start`: brackets are counted, texts skipped.
fn object_end(body: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = start;
    while let Some(&byte) = body.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            b'"' => at = text_end(body, at)?,
            _ => {}
        }
    }
    None
}

fn text_end(body: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        at += memchr::memchr2(b'"', b'\\', body.get(at..)?)?;
        if body[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

fn behind(body: &[u8], at: usize, what: &str) -> FrameError {
    let message = format!(
        "behind the {what} comes {} at byte {at}; send several records as one array, or as lines \
         with `Content-Type: application/x-ndjson`",
        shown(body[at])
    );
    error("body_syntax", message, None)
}

fn skip_blank(body: &[u8], start: usize) -> usize {
    start + body[start.min(body.len())..].iter().take_while(|b| is_blank(**b)).count()
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn shown(byte: u8) -> String {
    if byte.is_ascii_graphic() {
        format!("`{}`", byte as char)
    } else {
        format!("byte {byte:#04x}")
    }
}

fn error(code: &'static str, message: impl Into<String>, row: Option<usize>) -> FrameError {
    FrameError { code, message: message.into(), row }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(body: &str, format: Format) -> Result<Vec<String>, FrameError> {
        let found = records(body.as_bytes().to_vec(), format)?;
        let text = |pair: &[i32]| found.values[pair[0] as usize..pair[1] as usize].to_vec();
        Ok(found.offsets.windows(2).map(|pair| String::from_utf8(text(pair)).unwrap()).collect())
    }

    #[test]
    fn an_object_an_array_and_lines() {
        let object = "\u{feff} {\"a\": \"}]\\\"{\", \"b\": [1, {}]}\r\n";
        assert_eq!(cut(object, Format::Json).unwrap(), ["{\"a\": \"}]\\\"{\", \"b\": [1, {}]}"]);
        assert_eq!(cut(object, Format::Guess).unwrap().len(), 1);
        assert_eq!(cut(" [ {\"a\":1} ,{} ] ", Format::Json).unwrap(), ["{\"a\":1}", "{}"]);
        assert_eq!(cut("[]", Format::Guess).unwrap(), [""; 0]);
        let lines = "{\"a\":1}\r\n\n  {\"a\":2}  \n{\"a\":3}";
        for format in [Format::Ndjson, Format::Guess] {
            assert_eq!(cut(lines, format).unwrap(), ["{\"a\":1}", "{\"a\":2}", "{\"a\":3}"]);
        }
    }

    #[test]
    fn a_bad_line_is_one_bad_record_and_the_others_stay() {
        let lines = "{\"a\":1}\n{\"a\":\nnonsense\n{}\n";
        assert_eq!(cut(lines, Format::Ndjson).unwrap().len(), 4);
        assert_eq!(cut("{\"a\":\n{}\n", Format::Guess).unwrap(), ["{\"a\":", "{}"]);
    }

    #[test]
    fn what_has_no_structure_is_refused_with_the_row() {
        let refused = |body: &str, format| {
            let error = cut(body, format).unwrap_err();
            (error.code, error.row)
        };
        assert_eq!(refused("", Format::Json), ("body_empty", None));
        assert_eq!(refused(" \r\n", Format::Ndjson), ("body_empty", None));
        assert_eq!(refused("{\"a\":1", Format::Json), ("body_syntax", Some(0)));
        assert_eq!(refused("{} {}", Format::Json), ("body_syntax", None));
        assert_eq!(refused("hello", Format::Guess), ("body_syntax", None));
        assert_eq!(refused("[{},{\"a\":\"", Format::Json), ("body_syntax", Some(1)));
        assert_eq!(refused("[{},7]", Format::Json), ("body_record", Some(1)));
        assert_eq!(refused("[{},]", Format::Json), ("body_record", Some(1)));
        assert_eq!(refused("[{} {}]", Format::Json), ("body_syntax", Some(0)));
        assert_eq!(refused("[{}] x", Format::Json), ("body_syntax", None));
        assert_eq!(refused("[", Format::Json), ("body_syntax", Some(0)));
    }

    #[test]
    fn every_prefix_and_every_changed_byte_is_answered() {
        let body = b"[{\"a\":\"\\\"x\",\"b\":[{}]},{\"c\":null}] ".to_vec();
        for end in 0..body.len() {
            let _ = records(body[..end].to_vec(), Format::Json);
            for byte in [b'"', b'\\', b'}', b']', 0, 0xFF] {
                let mut other = body.clone();
                other[end] = byte;
                let _ = records(other.clone(), Format::Json);
                let _ = records(other, Format::Guess);
            }
        }
    }
}
