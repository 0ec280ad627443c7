//! ListObjectsV2: pages in the order of keys, with common prefixes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use super::error::Error;
use super::service::{Call, document, element};
use super::store::{Bucket, Object};
use crate::clock::iso;
use crate::request::Response;
use crate::wire::percent_encode;

/// The most keys of a page.
pub(super) const PAGE_MAX: usize = 1_000;

/// One line of a listing.
pub(super) enum Line<'a, T> {
    /// A key.
    Key(&'a str, T),
    /// A prefix that keys have in common up to the delimiter.
    Prefix(String),
}

/// Lines after a key or prefix, at most so many; and where the next page begins.
pub(super) fn lines<'a, T>(
    keys: impl Iterator<Item = (&'a str, T)>,
    prefix: &str,
    delimiter: &str,
    after: &str,
    most: usize,
) -> (Vec<Line<'a, T>>, Option<String>) {
    let mut lines: Vec<Line<'a, T>> = Vec::new();
    let mut last = after.to_owned();
    for (key, value) in keys {
        let below = key.get(prefix.len()..).filter(|_| !delimiter.is_empty());
        let common = below.and_then(|below| below.find(delimiter));
        let common = common.map(|at| &key[..prefix.len() + at + delimiter.len()]);
        // What a prefix stands for was all passed when the prefix was.
        let passed = |text: &str| text <= after || !delimiter.is_empty() && common == Some(after);
        if passed(key)
            || matches!(lines.last(), Some(Line::Prefix(it)) if Some(it.as_str()) == common)
        {
            continue;
        }
        if lines.len() == most {
            return (lines, Some(last));
        }
        match common {
            Some(common) => {
                last = common.to_owned();
                lines.push(Line::Prefix(common.to_owned()));
            }
            None => {
                last = key.to_owned();
                lines.push(Line::Key(key, value));
            }
        }
    }
    (lines, None)
}

impl Call<'_> {
    /// Texts of keys, encoded if the request asks for it.
    pub(super) fn key_text(&self, text: &str) -> String {
        match self.request.query("encoding-type") {
            Some("url") => percent_encode(text, true),
            _ => text.to_owned(),
        }
    }

    /// The parameter `encoding-type` has one value.
    pub(super) fn check_encoding(&self) -> Result<(), Error> {
        match self.request.query("encoding-type") {
            None | Some("url") => Ok(()),
            Some(other) => Err(Error::saying(
                "InvalidArgument",
                "Invalid Encoding Method specified in Request",
            )
            .with("ArgumentName", "encoding-type")
            .with("ArgumentValue", other)),
        }
    }

    pub(super) fn list_objects(&self) -> Result<Response, Error> {
        self.check_encoding()?;
        let query = |name: &str| self.request.query(name).unwrap_or_default();
        let (prefix, delimiter) = (query("prefix"), query("delimiter"));
        let asked = self.number("max-keys")?.unwrap_or(PAGE_MAX).min(PAGE_MAX);
        let most = asked.min(self.buckets.shared.settings().objects_page.max(1));
        let token = self.request.query("continuation-token");
        let after = match token {
            Some(token) => token_key(token)?,
            None => query("start-after").to_owned(),
        };
        let mut state = self.buckets.lock();
        let bucket: &Bucket = state.bucket(&self.bucket, &self.request.region)?;
        let from = if after.as_str() > prefix { after.as_str() } else { prefix };
        let keys = bucket.objects.range(from.to_owned()..);
        let keys = keys.map(|(key, object)| (key.as_str(), object));
        let keys = keys.take_while(|(key, _)| key.starts_with(prefix));
        let (lines, next) = match most {
            0 => (Vec::new(), None),
            _ => lines(keys, prefix, delimiter, &after, most),
        };
        let mut inner = element("Name", &self.bucket) + &element("Prefix", self.key_text(prefix));
        if !delimiter.is_empty() {
            inner += &element("Delimiter", self.key_text(delimiter));
        }
        inner += &element("MaxKeys", asked);
        if let Some(start) = self.request.query("start-after") {
            inner += &element("StartAfter", self.key_text(start));
        }
        if let Some(encoding) = self.request.query("encoding-type") {
            inner += &element("EncodingType", encoding);
        }
        inner += &element("KeyCount", lines.len());
        inner += &element("IsTruncated", next.is_some());
        if let Some(token) = token {
            inner += &element("ContinuationToken", token);
        }
        if let Some(next) = next {
            inner += &element("NextContinuationToken", format!("1{}", BASE64.encode(next)));
        }
        for line in lines {
            inner += &match line {
                Line::Key(key, object) => self.contents(key, object),
                Line::Prefix(prefix) => {
                    let prefix = element("Prefix", self.key_text(&prefix));
                    format!("<CommonPrefixes>{prefix}</CommonPrefixes>")
                }
            };
        }
        Ok(document("ListBucketResult", &inner))
    }

    fn contents(&self, key: &str, object: &Object) -> String {
        let kind = if object.checksum.composite { "COMPOSITE" } else { "FULL_OBJECT" };
        let inner = [
            element("Key", self.key_text(key)),
            element("LastModified", iso(object.modified_ms)),
            element("ETag", format!("\"{}\"", object.etag)),
            element("ChecksumAlgorithm", object.checksum.algorithm.upper()),
            element("ChecksumType", kind),
            element("Size", object.bytes.len()),
            element("StorageClass", "STANDARD"),
        ];
        format!("<Contents>{}</Contents>", inner.concat())
    }
}

/// The key that a token stands for.
fn token_key(token: &str) -> Result<String, Error> {
    let wrong = || {
        Error::saying("InvalidArgument", "The continuation token provided is incorrect")
            .with("ArgumentName", "continuation-token")
    };
    let bytes = token.strip_prefix('1').and_then(|token| BASE64.decode(token).ok());
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(wrong)
}
