//! Tests of the verification of signatures, with AWS's published example among them.

use hyper::Request;

use super::*;
use crate::clock::moment_ms;

const AT: &str = "20261123T004931Z";

fn at_ms() -> i64 {
    parse_basic(AT).expect("a time")
}

/// A request as a client of `service` signs it.
fn signed(service: &str, key: &str, payload: &str, edit: impl Fn(&mut Parts)) -> Parts {
    let request = Request::builder()
        .method("PUT")
        .uri("/bucket/a%20b?x=1&uploads")
        .header("host", "127.0.0.1:9000")
        .header("x-amz-date", AT)
        .header("x-amz-content-sha256", payload);
    let (mut parts, ()) = request.body(()).expect("a request").into_parts();
    edit(&mut parts);
    let names = "host;x-amz-content-sha256;x-amz-date";
    let credential = format!("{key}/20261123/eu-central-1/{service}/aws4_request");
    let text = format!("{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature=0");
    let auth = authorization(&text).expect("an authorization");
    let canonical = canonical(&parts, &auth, payload);
    let scope = format!("20261123/eu-central-1/{service}/aws4_request");
    let to_sign = format!("{ALGORITHM}\n{AT}\n{scope}\n{}", sha256(canonical.as_bytes()));
    let key = signing_key("20261123", "eu-central-1", service);
    let signature = hex(&keyed(&key, to_sign.as_bytes()));
    let text = text.replace("Signature=0", &format!("Signature={signature}"));
    parts.headers.insert("authorization", text.parse().expect("a header"));
    parts
}

fn why(parts: &Parts, body: &str, now_ms: i64) -> Refused {
    verify(parts, Bytes::from(body.to_owned()), now_ms).expect_err("refused").why
}

#[test]
fn a_right_signature_is_taken() {
    let parts = signed("s3", "test", &sha256(b"hello"), |_| ());
    let verified = verify(&parts, Bytes::from("hello"), at_ms()).expect("verified");
    assert_eq!((verified.service.as_str(), verified.region.as_str()), ("s3", "eu-central-1"));
    let parts = signed("s3", "test", "UNSIGNED-PAYLOAD", |_| ());
    assert!(verify(&parts, Bytes::from("anything"), at_ms()).is_ok());
    let parts = signed("kinesis", "test", &sha256(b"{}"), |_| ());
    assert!(verify(&parts, Bytes::from("{}"), at_ms()).is_ok());
}

#[test]
fn anything_changed_is_refused() {
    let hash = sha256(b"hello");
    let mut parts = signed("s3", "test", &hash, |_| ());
    assert_eq!(why(&parts, "hellO", at_ms()), Refused::BodyHash);
    parts.uri = "/bucket/other?x=1&uploads".parse().expect("a path");
    assert!(matches!(why(&parts, "hello", at_ms()), Refused::Signature(_)));
    let parts = signed("kinesis", "test", &sha256(b"{}"), |_| ());
    assert!(matches!(why(&parts, "{ }", at_ms()), Refused::Signature(_)));
    let parts = signed("s3", "other", &hash, |_| ());
    assert_eq!(why(&parts, "hello", at_ms()), Refused::UnknownKey);
    let mut parts = signed("s3", "test", &hash, |_| ());
    parts.headers.insert("x-amz-acl", "public-read".parse().expect("a header"));
    assert!(matches!(why(&parts, "hello", at_ms()), Refused::Incomplete(_)));
    parts.headers.remove("authorization");
    assert_eq!(why(&parts, "hello", at_ms()), Refused::Missing);
}

#[test]
fn an_old_or_future_signature_is_refused() {
    let parts = signed("s3", "test", &sha256(b""), |_| ());
    let minutes = |minutes: i64| at_ms() + minutes * 60_000;
    assert!(verify(&parts, Bytes::new(), minutes(15)).is_ok());
    let Refused::Skew(text) = why(&parts, "", minutes(16)) else { panic!("too old") };
    assert_eq!(
        text,
        "Signature expired: 20261123T004931Z is now earlier than 20261123T005031Z \
         (20261123T010531Z - 15 min.)"
    );
    assert!(matches!(why(&parts, "", minutes(-16)), Refused::Skew(_)));
}

#[test]
fn aws_own_example_verifies() {
    // "GET Object" of the S3 documentation's page on signatures has another secret; the key's
    // derivation is tested with the one from the IAM documentation.
    let day = keyed(b"AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", b"20120215");
    let service = keyed(&keyed(&day, b"us-east-1"), b"iam");
    let key = hex(&keyed(&service, b"aws4_request"));
    assert_eq!(key, "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d");
    assert_eq!(moment_ms(crate::clock::moment(at_ms())), at_ms());
}

fn signing<'a>(key: &'a [u8]) -> chunked::Signing<'a> {
    chunked::Signing { key, date: AT, scope: "20261123/eu/s3/aws4_request", seed: "seed" }
}

#[test]
fn chunks_are_put_together() {
    let body = Bytes::from("5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:abc=\r\n\r\n");
    let kind = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
    let decode =
        |length: &str, names: &str| chunked::decode(kind, &body, length, names, &signing(b"key"));
    let (bytes, trailers) = decode("11", "x-amz-checksum-crc32").expect("decoded");
    assert_eq!(bytes, "hello world");
    assert_eq!(trailers, [("x-amz-checksum-crc32".to_owned(), "abc=".to_owned())]);
    assert!(decode("12", "").is_err(), "another length");
    assert!(decode("11", "x-amz-checksum-sha256").is_err(), "another trailer");
    let cut = Bytes::from("5\r\nhel");
    assert!(chunked::decode(kind, &cut, "5", "", &signing(b"key")).is_err());
}

#[test]
fn signed_chunks_are_checked() {
    let text = |previous: &str, bytes: &[u8]| {
        let hash = sha256(bytes);
        let scope = "20261123/eu/s3/aws4_request";
        let none = sha256(b"");
        let text = format!("AWS4-HMAC-SHA256-PAYLOAD\n{AT}\n{scope}\n{previous}\n{none}\n{hash}");
        hex(&keyed(b"key", text.as_bytes()))
    };
    let first = text("seed", b"hello");
    let last = text(&first, b"");
    let body = format!("5;chunk-signature={first}\r\nhello\r\n0;chunk-signature={last}\r\n\r\n");
    let decode = |body: String| {
        let kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
        chunked::decode(kind, &Bytes::from(body), "5", "", &signing(b"key"))
    };
    assert_eq!(decode(body.clone()).expect("decoded").0, "hello");
    assert!(decode(body.replace("hello", "hellO")).is_err());
}

/// The signing key of AWS's examples of chunked uploads.
fn example_key() -> [u8; 32] {
    let day = keyed(b"AWS4wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", b"20130524");
    let service = keyed(&keyed(&day, b"us-east-1"), b"s3");
    keyed(&service, b"aws4_request")
}

/// AWS's example body, 66,560 times `a` in two chunks, with these signatures of the chunks.
fn example_body(signatures: [&str; 3], trailer: &str) -> Bytes {
    let [first, second, last] = signatures;
    let (large, small) = ("a".repeat(65_536), "a".repeat(1_024));
    Bytes::from(format!(
        "10000;chunk-signature={first}\r\n{large}\r\n400;chunk-signature={second}\r\n{small}\r\n\
         0;chunk-signature={last}\r\n{trailer}\r\n"
    ))
}

#[test]
fn aws_own_chunks_verify() {
    let key = example_key();
    let of = |seed| chunked::Signing {
        key: &key,
        date: "20130524T000000Z",
        scope: "20130524/us-east-1/s3/aws4_request",
        seed,
    };
    let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
    let signatures = [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ];
    let body = example_body(signatures, "");
    let kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    let (bytes, _) = chunked::decode(kind, &body, "66560", "", &of(seed)).expect("decoded");
    assert_eq!(bytes.len(), 66_560);
    let seed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
    let signatures = [
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ];
    let trailer = "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:\
                   d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n";
    let body = example_body(signatures, trailer);
    let kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
    let names = "x-amz-checksum-crc32c";
    let (_, trailers) = chunked::decode(kind, &body, "66560", names, &of(seed)).expect("decoded");
    assert_eq!(trailers, [(names.to_owned(), "sOO8/Q==".to_owned())]);
    let forged = example_body(signatures, &trailer.replace("sOO8", "sOO9"));
    let refused = chunked::decode(kind, &forged, "66560", names, &of(seed)).expect_err("forged");
    assert!(matches!(refused, Refused::Signature(_)));
}
