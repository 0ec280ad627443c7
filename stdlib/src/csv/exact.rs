//! One record, byte by byte: what the scan cannot know, or does not take.

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exact {
    /// A record.
    Record {
        /// How many fields.
        fields: usize,
        /// Where it ends, without its line break.
        end: usize,
        /// Where it ends, with one byte of its line break.
        next: usize,
        /// Its last quote is not closed.
        open: bool,
    },
    /// A record that goes on behind the end of the bytes.
    Incomplete,
}

/// Reads the record at `bytes[at..]`, which begins with no line break. `last` = nothing comes
/// behind the bytes.
///
/// Its fields are added to `text`, each with one byte behind it, and their ends there to `ends`; a
/// quoted field stands between two quotes, without its escapes. A quote counts at the start of a
/// field only; what stands behind the closing one belongs to the field.
pub fn record(
    bytes: &[u8],
    at: usize,
    last: bool,
    delimiter: u8,
    text: &mut Vec<u8>,
    ends: &mut Vec<usize>,
) -> Exact {
    let (texts, fields) = (text.len(), ends.len());
    let mut at = at;
    loop {
        let mut open = false;
        let quoted = bytes.get(at) == Some(&b'"');
        if quoted {
            text.push(b'"');
            (at, open) = quoted_part(bytes, at + 1, text);
        }
        let rest = &bytes[at..];
        let found = memchr::memchr3(delimiter, b'\r', b'\n', rest);
        if found.is_none() && !last {
            text.truncate(texts);
            ends.truncate(fields);
            return Exact::Incomplete;
        }
        let plain = found.unwrap_or(rest.len());
        text.extend_from_slice(&rest[..plain]);
        if quoted {
            text.push(b'"');
        }
        ends.push(text.len());
        text.push(delimiter);
        at += plain;
        if bytes.get(at) != Some(&delimiter) {
            let next = (at + 1).min(bytes.len());
            return Exact::Record { fields: ends.len() - fields, end: at, next, open };
        }
        at += 1;
    }
}

/// Adds what stands within quotes; gives the place behind the closing one, or the end and true.
fn quoted_part(bytes: &[u8], mut at: usize, text: &mut Vec<u8>) -> (usize, bool) {
    loop {
        let Some(quote) = memchr::memchr(b'"', &bytes[at..]) else {
            text.extend_from_slice(&bytes[at..]);
            return (bytes.len(), true);
        };
        let quote = at + quote;
        if bytes.get(quote + 1) != Some(&b'"') {
            text.extend_from_slice(&bytes[at..quote]);
            return (quote + 1, false);
        }
        text.extend_from_slice(&bytes[at..=quote]);
        at = quote + 2;
    }
}

/// The text of a field as it is stored, and whether it was quoted.
#[inline(always)]
pub fn unquoted(stored: &[u8]) -> (&[u8], bool) {
    match stored {
        [b'"', text @ .., _] => (text, true),
        text => (text, false),
    }
}
