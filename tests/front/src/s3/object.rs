//! Operations on objects.

use bytes::Bytes;

use super::checksum::verified;
use super::error::{Error, precondition};
use super::service::{Call, document, element};
use super::store::{Bucket, Checksum, Object, whole};
use super::xml;
use crate::clock::http_date;
use crate::request::{Request, Response};

/// What the user's metadata may take: names without their prefix, and values, in bytes.
const METADATA_BYTES_MAX: usize = 2 * 1_024;
/// The most keys that one request deletes.
const DELETES_MAX: usize = 1_000;
/// The headers that are kept with an object.
const KEPT: [&str; 6] = [
    "content-type",
    "content-encoding",
    "content-disposition",
    "content-language",
    "cache-control",
    "expires",
];

/// The headers of a request that are kept with its object.
pub(super) fn kept_headers(request: &Request) -> Result<Vec<(String, String)>, Error> {
    let (mut kept, mut metadata_bytes) = (Vec::new(), 0);
    for (name, value) in &request.headers {
        let name = name.as_str();
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if let Some(own) = name.strip_prefix("x-amz-meta-") {
            metadata_bytes += own.len() + value.len();
            kept.push((name.to_owned(), value));
        } else if name == "content-encoding" {
            // What was only how the body travelled does not stay.
            let codings = value.split(',').map(str::trim).filter(|coding| *coding != "aws-chunked");
            let left = codings.collect::<Vec<_>>().join(",");
            if !left.is_empty() {
                kept.push((name.to_owned(), left));
            }
        } else if KEPT.contains(&name) {
            kept.push((name.to_owned(), value));
        }
    }
    if metadata_bytes > METADATA_BYTES_MAX {
        return Err(Error::of("MetadataTooLarge")
            .with("Size", metadata_bytes)
            .with("MaxSizeAllowed", METADATA_BYTES_MAX));
    }
    if !kept.iter().any(|(name, _)| name == "content-type") {
        kept.push(("content-type".into(), "binary/octet-stream".into()));
    }
    Ok(kept)
}

/// Refuses a write whose `If-None-Match` or `If-Match` does not hold.
pub(super) fn check_write(request: &Request, bucket: &Bucket, key: &str) -> Result<(), Error> {
    let (none, only) = (request.header("if-none-match"), request.header("if-match"));
    let there = bucket.objects.get(key);
    if !none.is_empty() {
        if none != "*" {
            return Err(Error::of("NotImplemented").with("Header", "If-None-Match"));
        }
        if there.is_some() {
            return Err(precondition("If-None-Match"));
        }
    }
    if !only.is_empty() {
        let there = there.ok_or_else(|| Error::of("NoSuchKey").with("Key", key))?;
        if only != "*" && unquoted(only) != there.etag {
            return Err(precondition("If-Match"));
        }
    }
    Ok(())
}

fn unquoted(etag: &str) -> &str {
    etag.trim().trim_matches('"')
}

/// The header of a checksum, and its type.
pub(super) fn checksum_headers(reply: Response, checksum: &Checksum) -> Response {
    let kind = if checksum.composite { "COMPOSITE" } else { "FULL_OBJECT" };
    reply
        .header(&checksum.algorithm.header(), checksum.text.clone())
        .header("x-amz-checksum-type", kind)
}

/// Which bytes of an object a request asks for.
#[derive(Debug, PartialEq)]
enum Range {
    All,
    /// From and up to, exclusive.
    Part(usize, usize),
    Unsatisfiable,
}

fn range(header: &str, length: usize) -> Range {
    let Some((from, to)) = header.strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Range::All;
    };
    match (from.parse::<usize>(), to.parse::<usize>()) {
        (Ok(from), _) if from >= length && (to.is_empty() || to.parse::<usize>().is_ok()) => {
            Range::Unsatisfiable
        }
        (Ok(from), Ok(to)) if from <= to => Range::Part(from, length.min(to.saturating_add(1))),
        (Ok(from), Err(_)) if to.is_empty() => Range::Part(from, length),
        (Err(_), Ok(0)) if from.is_empty() => Range::Unsatisfiable,
        (Err(_), Ok(_)) if from.is_empty() && length == 0 => Range::Unsatisfiable,
        (Err(_), Ok(last)) if from.is_empty() => Range::Part(length.saturating_sub(last), length),
        // Several ranges, or none that is well formed: AWS sends all.
        _ => Range::All,
    }
}

impl Call<'_> {
    pub(super) fn put_object(&self) -> Result<Response, Error> {
        if self.buckets.shared.fast {
            return Ok(Response::new(200, "").header("etag", "\"fast\""));
        }
        self.check_length()?;
        let given = verified(self.request)?;
        let headers = kept_headers(self.request)?;
        let object = whole(self.request.body.clone(), self.buckets.now_ms(), headers, given);
        let mut state = self.buckets.lock();
        let bucket = state.bucket(&self.bucket, &self.request.region)?;
        check_write(self.request, bucket, &self.key)?;
        let reply = Response::new(200, "")
            .header("etag", format!("\"{}\"", object.etag))
            .header("x-amz-server-side-encryption", "AES256");
        let reply = checksum_headers(reply, &object.checksum);
        bucket.objects.insert(self.key.clone(), object);
        Ok(reply)
    }

    /// Refuses a body whose length was not said.
    pub(super) fn check_length(&self) -> Result<(), Error> {
        match self.request.headers.contains_key("transfer-encoding") {
            true => Err(Error::of("MissingContentLength")),
            false => Ok(()),
        }
    }

    pub(super) fn get_object(&self, with_body: bool) -> Result<Response, Error> {
        let mut state = self.buckets.lock();
        let bucket = state.bucket(&self.bucket, &self.request.region)?;
        let object = bucket.objects.get(&self.key);
        let object = object.ok_or_else(|| Error::of("NoSuchKey").with("Key", &self.key))?;
        self.check_read(object)?;
        let length = object.bytes.len();
        let (status, from, to) = match range(self.request.header("range"), length) {
            Range::All => (200, 0, length),
            Range::Part(from, to) => (206, from, to),
            Range::Unsatisfiable => {
                return Err(Error::of("InvalidRange")
                    .with("RangeRequested", self.request.header("range"))
                    .with("ActualObjectSize", length));
            }
        };
        let body = if with_body { object.bytes.slice(from..to) } else { Bytes::new() };
        let mut reply = Response::new(status, body)
            .header("content-length", (to - from).to_string())
            .header("etag", format!("\"{}\"", object.etag))
            .header("last-modified", http_date(object.modified_ms))
            .header("accept-ranges", "bytes")
            .header("x-amz-server-side-encryption", "AES256");
        if status == 206 {
            let last = to.saturating_sub(1);
            reply = reply.header("content-range", format!("bytes {from}-{last}/{length}"));
        }
        if status == 200 && self.request.header("x-amz-checksum-mode") == "ENABLED" {
            reply = checksum_headers(reply, &object.checksum);
        }
        reply.headers.extend(object.headers.iter().cloned());
        Ok(reply)
    }

    /// The conditions of a read, in the order of RFC 9110.
    fn check_read(&self, object: &Object) -> Result<(), Error> {
        let is = |header: &str| {
            let tags = header.split(',').map(unquoted);
            header == "*" || tags.into_iter().any(|tag| tag == object.etag)
        };
        let (only, none) = (self.request.header("if-match"), self.request.header("if-none-match"));
        let modified = http_date(object.modified_ms);
        if !only.is_empty() {
            if !is(only) {
                return Err(precondition("If-Match"));
            }
        } else if let Some(since) = date(self.request.header("if-unmodified-since"))
            && date(&modified).is_some_and(|modified| modified > since)
        {
            return Err(precondition("If-Unmodified-Since"));
        }
        if !none.is_empty() {
            if is(none) {
                return Err(Error::of("NotModified"));
            }
        } else if let Some(since) = date(self.request.header("if-modified-since"))
            && date(&modified).is_some_and(|modified| modified <= since)
        {
            return Err(Error::of("NotModified"));
        }
        Ok(())
    }

    pub(super) fn delete_object(&self) -> Result<Response, Error> {
        let mut state = self.buckets.lock();
        state.bucket(&self.bucket, &self.request.region)?.objects.remove(&self.key);
        Ok(Response::new(204, ""))
    }

    pub(super) fn delete_objects(&self) -> Result<Response, Error> {
        let given = verified(self.request)?;
        if given.is_none() && self.request.header("content-md5").is_empty() {
            let said = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*";
            return Err(Error::saying("InvalidRequest", said));
        }
        let read = xml::parse(&self.request.body, "Delete")?;
        let keys = read.children.iter().filter(|child| child.name == "Object");
        let keys = keys.map(|object| object.child("Key").filter(|key| !key.is_empty()));
        let keys = keys.collect::<Option<Vec<&str>>>().unwrap_or_default();
        if keys.is_empty() || keys.len() > DELETES_MAX {
            return Err(Error::of("MalformedXML"));
        }
        let mut state = self.buckets.lock();
        let bucket = state.bucket(&self.bucket, &self.request.region)?;
        let mut deleted = String::new();
        for key in keys {
            bucket.objects.remove(key);
            deleted.push_str(&format!("<Deleted>{}</Deleted>", element("Key", key)));
        }
        let quiet = read.child("Quiet") == Some("true");
        Ok(document("DeleteResult", if quiet { "" } else { &deleted }))
    }
}

/// A date of HTTP, in seconds since 1970.
fn date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split([' ', ':']).filter(|word| !word.is_empty()).collect();
    let [_, day, month, year, hour, minute, second, "GMT"] = words.as_slice() else { return None };
    let month = MONTHS.iter().position(|name| name == month)? as i64 + 1;
    let of = crate::clock::Moment {
        year: year.parse().ok()?,
        month,
        day: day.parse().ok()?,
        hour: hour.parse().ok()?,
        minute: minute.parse().ok()?,
        second: second.parse().ok()?,
        milli: 0,
    };
    Some(crate::clock::moment_ms(of) / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_says() {
        assert_eq!(range("", 10), Range::All);
        assert_eq!(range("bytes=0-3", 10), Range::Part(0, 4));
        assert_eq!(range("bytes=8-100", 10), Range::Part(8, 10));
        assert_eq!(range("bytes=4-", 10), Range::Part(4, 10));
        assert_eq!(range("bytes=-3", 10), Range::Part(7, 10));
        assert_eq!(range("bytes=-30", 10), Range::Part(0, 10));
        assert_eq!(range("bytes=10-", 10), Range::Unsatisfiable);
        assert_eq!(range("bytes=-0", 10), Range::Unsatisfiable);
        assert_eq!(range("bytes=5-3", 10), Range::All);
        assert_eq!(range("bytes=0-1,3-4", 10), Range::All);
    }

    #[test]
    fn dates_are_read() {
        assert_eq!(date(&http_date(784_111_777_000)), Some(784_111_777));
        assert_eq!(date("yesterday"), None);
    }
}
