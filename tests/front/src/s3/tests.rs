//! Buckets and objects, with AWS's refusals.

mod listing;
mod parts;
mod port;

use std::sync::Arc;

use bytes::Bytes;

use super::checksum::Algorithm;
use super::{Buckets, S3};
use crate::Shared;
use crate::objects::ObjectStore;
use crate::request::{Request, Response, Service};
use crate::rules::Faults;
use crate::settings::Settings;

/// An S3 without a port, with the bucket `box`.
pub(super) struct Lab {
    pub(super) shared: Arc<Shared>,
    buckets: Arc<Buckets>,
    service: S3,
    region: String,
}

/// An answer, read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
    headers: Vec<(String, String)>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// The texts of all elements of a name.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let parts = self.body.split(open.as_str()).skip(1);
        parts.filter_map(|part| part.split(close.as_str()).next()).collect()
    }

    pub(super) fn one(&self, name: &str) -> &str {
        self.all(name).first().copied().unwrap_or_default()
    }
}

impl Lab {
    pub(super) async fn new() -> Lab {
        let shared = Arc::new(Shared::new(Settings::default(), None, false));
        let buckets = Arc::new(Buckets::new(shared.clone()));
        let service = S3::new(buckets.clone());
        let lab = Lab { shared, buckets, service, region: "us-east-1".into() };
        assert_eq!(lab.call("PUT", "/box", &[], b"").await.status, 200);
        lab
    }

    /// A request with headers, to a path with a query.
    pub(super) async fn call(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Request {
            service: "s3".into(),
            method: method.into(),
            path: path.into(),
            query: crate::wire::pairs(query, false),
            region: self.region.clone(),
            body: Bytes::copy_from_slice(body),
            id: "request-1".into(),
            ..Request::default()
        };
        for (name, value) in headers {
            let name: hyper::header::HeaderName = name.parse().expect("a name");
            request.headers.insert(name, value.parse().expect("a value"));
        }
        request.operation = crate::operation::of(&request).expect("an operation");
        let reply: Response = self.service.call(&request, &Faults::default()).await;
        let body = String::from_utf8_lossy(reply.bytes()).into_owned();
        Answer { status: reply.status, body, headers: reply.headers }
    }

    pub(super) async fn ok(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let answer = self.call(method, target, headers, body).await;
        assert!(answer.status < 300, "{method} {target}: {answer:?}");
        answer
    }

    /// Status and code of a refusal.
    pub(super) async fn refused(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, String) {
        let answer = self.call(method, target, headers, body).await;
        assert!(answer.status >= 300, "{method} {target} was not refused: {answer:?}");
        if method != "HEAD" && answer.status != 304 {
            assert_eq!(answer.one("RequestId"), "request-1");
        }
        (answer.status, answer.one("Code").to_owned())
    }
}

pub(super) fn is(refusal: (u16, String), status: u16, code: &str) {
    assert_eq!((refusal.0, refusal.1.as_str()), (status, code));
}

#[tokio::test]
async fn a_bucket_is_made_and_deleted() {
    let mut lab = Lab::new().await;
    assert_eq!(lab.ok("PUT", "/box", &[], b"").await.status, 200, "again, in us-east-1");
    is(lab.refused("PUT", "/Box", &[], b"").await, 400, "InvalidBucketName");
    is(lab.refused("GET", "/none?location", &[], b"").await, 404, "NoSuchBucket");
    assert_eq!(lab.call("HEAD", "/none", &[], b"").await.status, 404);
    let body = |region: &str| {
        format!(
            "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint>\
             </CreateBucketConfiguration>"
        )
    };
    lab.region = "eu-central-1".into();
    let here = body("eu-central-1");
    let there = body("eu-west-1");
    let illegal = "IllegalLocationConstraintException";
    is(lab.refused("PUT", "/second", &[], b"").await, 400, illegal);
    is(lab.refused("PUT", "/second", &[], there.as_bytes()).await, 400, illegal);
    is(lab.refused("PUT", "/second", &[], b"<x").await, 400, "MalformedXML");
    lab.ok("PUT", "/second", &[], here.as_bytes()).await;
    let again = lab.refused("PUT", "/second", &[], here.as_bytes()).await;
    is(again, 409, "BucketAlreadyOwnedByYou");
    let location = lab.ok("GET", "/second?location", &[], b"").await;
    assert!(location.body.contains(">eu-central-1</LocationConstraint>"), "{}", location.body);
    assert_eq!(
        lab.ok("HEAD", "/second", &[], b"").await.header("x-amz-bucket-region"),
        "eu-central-1"
    );
    is(lab.refused("GET", "/box/k", &[], b"").await, 400, "AuthorizationHeaderMalformed");
    assert_eq!(lab.ok("GET", "/", &[], b"").await.all("Name"), ["box", "second"]);
    lab.ok("PUT", "/second/k", &[], b"x").await;
    is(lab.refused("DELETE", "/second", &[], b"").await, 409, "BucketNotEmpty");
    lab.ok("DELETE", "/second/k", &[], b"").await;
    assert_eq!(lab.ok("DELETE", "/second", &[], b"").await.status, 204);
    is(lab.refused("DELETE", "/second", &[], b"").await, 404, "NoSuchBucket");
}

#[tokio::test]
async fn an_object_comes_back_as_it_was_put() {
    let lab = Lab::new().await;
    lab.shared.clock.advance(1_500);
    let headers = [
        ("content-type", "text/plain"),
        ("x-amz-meta-rows", "3"),
        ("content-encoding", "aws-chunked,gzip"),
    ];
    let put = lab.ok("PUT", "/box/a%20b/%C3%BC", &headers, b"hello").await;
    assert_eq!(put.header("etag"), "\"5d41402abc4b2a76b9719d911017c592\"");
    assert_eq!(put.header("x-amz-checksum-type"), "FULL_OBJECT");
    assert!(!put.header("x-amz-checksum-crc64nvme").is_empty(), "computed where none was sent");
    let got = lab.ok("GET", "/box/a%20b/%C3%BC", &[], b"").await;
    assert_eq!((got.status, got.body.as_str()), (200, "hello"));
    assert_eq!(got.header("content-type"), "text/plain");
    assert_eq!(got.header("content-encoding"), "gzip");
    assert_eq!(got.header("x-amz-meta-rows"), "3");
    assert!(got.header("last-modified").ends_with(" GMT"));
    assert_eq!(got.header("x-amz-checksum-crc64nvme"), "", "only where it is asked for");
    let mode = [("x-amz-checksum-mode", "ENABLED")];
    let got = lab.ok("GET", "/box/a%20b/%C3%BC", &mode, b"").await;
    assert_eq!(got.header("x-amz-checksum-crc64nvme"), put.header("x-amz-checksum-crc64nvme"));
    let head = lab.ok("HEAD", "/box/a%20b/%C3%BC", &[], b"").await;
    assert_eq!((head.header("content-length"), head.body.as_str()), ("5", ""));
    assert_eq!(lab.call("HEAD", "/box/none", &[], b"").await.status, 404);
    is(lab.refused("GET", "/box/none", &[], b"").await, 404, "NoSuchKey");
    is(lab.refused("GET", "/none/none", &[], b"").await, 404, "NoSuchBucket");
    is(lab.refused("PUT", "/none/none", &[], b"").await, 404, "NoSuchBucket");
    let long = format!("/box/{}", "k".repeat(1_025));
    is(lab.refused("PUT", &long, &[], b"").await, 400, "KeyTooLongError");
    let much = "x".repeat(2_048);
    let much = [("x-amz-meta-a", much.as_str())];
    is(lab.refused("PUT", "/box/k", &much, b"").await, 400, "MetadataTooLarge");
    let chunked = [("transfer-encoding", "chunked")];
    is(lab.refused("PUT", "/box/k", &chunked, b"x").await, 411, "MissingContentLength");
    assert_eq!(lab.ok("DELETE", "/box/none", &[], b"").await.status, 204, "nothing was there");
    is(lab.refused("GET", "/box?versioning", &[], b"").await, 501, "NotImplemented");
    is(lab.refused("PUT", "/box/k?tagging", &[], b"").await, 501, "NotImplemented");
    let list = [("x-amz-acl", "public-read")];
    is(lab.refused("PUT", "/box/k", &list, b"").await, 400, "AccessControlListNotSupported");
    is(lab.refused("GET", "/box/k", &[], b"").await, 404, "NoSuchKey");
}

#[tokio::test]
async fn reads_have_ranges_and_conditions() {
    let lab = Lab::new().await;
    let put = lab.ok("PUT", "/box/k", &[], b"0123456789").await;
    let part = lab.ok("GET", "/box/k", &[("range", "bytes=2-4")], b"").await;
    assert_eq!((part.status, part.body.as_str()), (206, "234"));
    assert_eq!(part.header("content-range"), "bytes 2-4/10");
    is(lab.refused("GET", "/box/k", &[("range", "bytes=10-")], b"").await, 416, "InvalidRange");
    let etag = put.header("etag");
    lab.ok("GET", "/box/k", &[("if-match", etag)], b"").await;
    let wrong = [("if-match", "\"x\"")];
    is(lab.refused("GET", "/box/k", &wrong, b"").await, 412, "PreconditionFailed");
    is(lab.refused("GET", "/box/k", &[("if-none-match", etag)], b"").await, 304, "");
    lab.ok("GET", "/box/k", &[("if-none-match", "\"x\"")], b"").await;
    let past = [("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT")];
    is(lab.refused("GET", "/box/k", &past, b"").await, 412, "PreconditionFailed");
    let modified = lab.ok("HEAD", "/box/k", &[], b"").await;
    let since = [("if-modified-since", modified.header("last-modified"))];
    is(lab.refused("GET", "/box/k", &since, b"").await, 304, "");
}

#[tokio::test]
async fn writes_have_conditions() {
    let lab = Lab::new().await;
    let new = [("if-none-match", "*")];
    let put = lab.ok("PUT", "/box/k", &new, b"1").await;
    is(lab.refused("PUT", "/box/k", &new, b"2").await, 412, "PreconditionFailed");
    assert_eq!(lab.ok("GET", "/box/k", &[], b"").await.body, "1");
    let other = [("if-none-match", "\"x\"")];
    is(lab.refused("PUT", "/box/k", &other, b"2").await, 501, "NotImplemented");
    is(
        lab.refused("PUT", "/box/k", &[("if-match", "\"x\"")], b"").await,
        412,
        "PreconditionFailed",
    );
    is(lab.refused("PUT", "/box/none", &[("if-match", "\"x\"")], b"").await, 404, "NoSuchKey");
    lab.ok("PUT", "/box/k", &[("if-match", put.header("etag"))], b"2").await;
    assert_eq!(lab.ok("GET", "/box/k", &[], b"").await.body, "2");
}

#[tokio::test]
async fn checksums_are_verified() {
    let lab = Lab::new().await;
    for algorithm in super::checksum::ALL {
        let (name, right) = (algorithm.header(), algorithm.text(b"hello"));
        let wrong = algorithm.text(b"other");
        let put = lab.ok("PUT", "/box/k", &[(&name, &right)], b"hello").await;
        assert_eq!(put.header(&name), right);
        is(lab.refused("PUT", "/box/k", &[(&name, &wrong)], b"hello").await, 400, "BadDigest");
        let short = [(name.as_str(), "AAA=")];
        is(lab.refused("PUT", "/box/k", &short, b"hello").await, 400, "InvalidRequest");
        let named = [("x-amz-sdk-checksum-algorithm", "MD4"), (name.as_str(), right.as_str())];
        is(lab.refused("PUT", "/box/k", &named, b"hello").await, 400, "InvalidRequest");
    }
    let (one, two) = (Algorithm::Crc32.text(b"x"), Algorithm::Sha1.text(b"x"));
    let both = [("x-amz-checksum-crc32", one.as_str()), ("x-amz-checksum-sha1", two.as_str())];
    is(lab.refused("PUT", "/box/k", &both, b"x").await, 400, "InvalidRequest");
    let only_named = [("x-amz-sdk-checksum-algorithm", "CRC32")];
    is(lab.refused("PUT", "/box/k", &only_named, b"x").await, 400, "InvalidRequest");
    let md5 = [("content-md5", "XUFAKrxLKna5cZ2REBfFkg==")];
    lab.ok("PUT", "/box/k", &md5, b"hello").await;
    is(lab.refused("PUT", "/box/k", &md5, b"other").await, 400, "BadDigest");
    is(lab.refused("PUT", "/box/k", &[("content-md5", "x")], b"x").await, 400, "InvalidDigest");
}

#[tokio::test]
async fn a_trailer_is_verified_like_a_header() {
    let lab = Lab::new().await;
    let with = |text: String| Request {
        service: "s3".into(),
        operation: "PutObject".into(),
        method: "PUT".into(),
        path: "/box/k".into(),
        region: "us-east-1".into(),
        body: Bytes::from_static(b"hello"),
        trailers: vec![("x-amz-checksum-crc32c".into(), text)],
        ..Request::default()
    };
    let right = with(Algorithm::Crc32c.text(b"hello"));
    assert_eq!(lab.service.call(&right, &Faults::default()).await.status, 200);
    let wrong = with(Algorithm::Crc32c.text(b"other"));
    let refused = lab.service.call(&wrong, &Faults::default()).await;
    assert_eq!(refused.status, 400);
    assert!(String::from_utf8_lossy(refused.bytes()).contains("The CRC32C you specified did not"));
}

#[tokio::test]
async fn many_objects_are_deleted_at_once() {
    let lab = Lab::new().await;
    for key in ["a", "b&c", "d"] {
        lab.ok("PUT", &format!("/box/{key}"), &[], b"").await;
    }
    let body = b"<Delete><Object><Key>a</Key></Object><Object><Key>b&amp;c</Key></Object>\
                 <Object><Key>none</Key></Object></Delete>";
    is(lab.refused("POST", "/box?delete", &[], body).await, 400, "InvalidRequest");
    let sum = Algorithm::Crc32.text(body);
    let header = [("x-amz-checksum-crc32", sum.as_str())];
    let done = lab.ok("POST", "/box?delete", &header, body).await;
    assert_eq!(done.all("Key"), ["a", "b&amp;c", "none"]);
    assert_eq!(lab.buckets.list("box", "").expect("a bucket"), ["d"]);
    let none = b"<Delete></Delete>";
    let sum = Algorithm::Crc32.text(none);
    let header = [("x-amz-checksum-crc32", sum.as_str())];
    is(lab.refused("POST", "/box?delete", &header, none).await, 400, "MalformedXML");
}

#[tokio::test]
async fn other_services_share_the_objects() {
    let lab = Lab::new().await;
    lab.buckets.put("box", "from/outside", Bytes::from_static(b"x")).expect("a bucket");
    assert_eq!(lab.ok("GET", "/box/from/outside", &[], b"").await.body, "x");
    assert_eq!(lab.buckets.get("box", "from/outside").expect("an object"), "x");
    assert_eq!(lab.buckets.get("box", "none").expect_err("no object").0, "NoSuchKey");
    assert_eq!(lab.buckets.put("none", "k", Bytes::new()).expect_err("none").0, "NoSuchBucket");
    assert_eq!(lab.buckets.list("box", "from/").expect("keys"), ["from/outside"]);
}
