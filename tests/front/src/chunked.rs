//! Bodies sent as `aws-chunked`: chunks with their lengths, signatures and a trailer.

use bytes::{Bytes, BytesMut};

use crate::sigv4::{Refused, keyed, sha256};
use crate::wire::hex;

/// What the signatures of chunks are made with.
pub struct Signing<'a> {
    /// The signing key of the day, region and service.
    pub key: &'a [u8],
    /// `x-amz-date`.
    pub date: &'a str,
    /// The credential scope without the access key.
    pub scope: &'a str,
    /// The signature of the request, which the first chunk's goes on from.
    pub seed: &'a str,
}

impl Signing<'_> {
    fn chunk(&self, previous: &str, bytes: &[u8]) -> String {
        let (date, scope) = (self.date, self.scope);
        let (none, hash) = (sha256(b""), sha256(bytes));
        let text = format!("AWS4-HMAC-SHA256-PAYLOAD\n{date}\n{scope}\n{previous}\n{none}\n{hash}");
        hex(&keyed(self.key, text.as_bytes()))
    }

    fn trailer(&self, previous: &str, bytes: &[u8]) -> String {
        let (date, scope) = (self.date, self.scope);
        let hash = sha256(bytes);
        let text = format!("AWS4-HMAC-SHA256-TRAILER\n{date}\n{scope}\n{previous}\n{hash}");
        hex(&keyed(self.key, text.as_bytes()))
    }
}

fn bad(text: &str) -> Refused {
    Refused::Chunks(text.to_owned())
}

/// A line up to its CR LF, and what follows.
fn line(bytes: &[u8]) -> Result<(&str, &[u8]), Refused> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n");
    let end = end.ok_or_else(|| bad("a line of the chunked body does not end"))?;
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| bad("a chunk's line is not text"))?;
    Ok((text, &bytes[end + 2..]))
}

/// The body and its trailer. `kind` is the value of `x-amz-content-sha256`, `length` that of
/// `x-amz-decoded-content-length`, `names` that of `x-amz-trailer`.
pub fn decode(
    kind: &str,
    body: &Bytes,
    length: &str,
    names: &str,
    signing: &Signing<'_>,
) -> Result<(Bytes, Vec<(String, String)>), Refused> {
    let (signed, has_trailer) = match kind {
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => (true, false),
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => (true, true),
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => (false, true),
        _ => return Err(bad("x-amz-content-sha256 names no known kind of streaming")),
    };
    let length: usize =
        length.parse().map_err(|_| bad("x-amz-decoded-content-length is missing"))?;
    let mut out = BytesMut::with_capacity(length.min(body.len()));
    let mut previous = signing.seed.to_owned();
    let mut rest: &[u8] = body;
    loop {
        let (head, after) = line(rest)?;
        let (size, extension) = head.split_once(';').unwrap_or((head, ""));
        let size =
            usize::from_str_radix(size, 16).map_err(|_| bad("a chunk's size is no number"))?;
        let chunk = after.get(..size).ok_or_else(|| bad("the chunked body ends within a chunk"))?;
        if signed {
            let expected = signing.chunk(&previous, chunk);
            if extension.strip_prefix("chunk-signature=") != Some(expected.as_str()) {
                return Err(Refused::Signature("the signature of a chunk".into()));
            }
            previous = expected;
        }
        out.extend_from_slice(chunk);
        rest = &after[size..];
        if size == 0 {
            break;
        }
        rest = rest.strip_prefix(b"\r\n").ok_or_else(|| bad("no line end after a chunk"))?;
    }
    if out.len() != length {
        return Err(bad("the chunks are not as long as x-amz-decoded-content-length says"));
    }
    let trailers =
        if has_trailer { trailer(rest, signed, &previous, signing)? } else { Vec::new() };
    let announced = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    for name in announced {
        if !trailers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name)) {
            return Err(bad("the trailer lacks what x-amz-trailer announces"));
        }
    }
    Ok((out.freeze(), trailers))
}

fn trailer(
    mut rest: &[u8],
    signed: bool,
    previous: &str,
    signing: &Signing<'_>,
) -> Result<Vec<(String, String)>, Refused> {
    let (mut trailers, mut text, mut signature) = (Vec::new(), String::new(), None);
    while !rest.is_empty() {
        let (one, after) = line(rest)?;
        rest = after;
        if one.is_empty() {
            break;
        }
        let (name, value) = one.split_once(':').ok_or_else(|| bad("a trailer without a colon"))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
        if name == "x-amz-trailer-signature" {
            signature = Some(value);
            continue;
        }
        text.push_str(&format!("{name}:{value}\n"));
        trailers.push((name, value));
    }
    if signed && signature != Some(signing.trailer(previous, text.as_bytes())) {
        return Err(Refused::Signature("the signature of the trailer".into()));
    }
    Ok(trailers)
}
