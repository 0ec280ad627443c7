//! Uploads in parts.

use super::super::checksum::Algorithm;
use super::{Answer, Lab, is};

const PART_BYTES: usize = 5 * 1_024 * 1_024;

async fn begin(lab: &Lab, headers: &[(&str, &str)]) -> String {
    lab.ok("POST", "/box/k?uploads", headers, b"").await.one("UploadId").to_owned()
}

fn part_target(id: &str, number: usize) -> String {
    format!("/box/k?partNumber={number}&uploadId={id}")
}

async fn part(lab: &Lab, id: &str, number: usize, body: &[u8]) -> Answer {
    lab.ok("PUT", &part_target(id, number), &[], body).await
}

/// The body that completes an upload: numbers and ETags, and more inside each part.
fn list(parts: &[(usize, &str)], more: &str) -> Vec<u8> {
    let one = |(number, etag): &(usize, &str)| {
        format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>{more}</Part>")
    };
    let parts: String = parts.iter().map(one).collect();
    format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>").into_bytes()
}

#[tokio::test]
async fn parts_become_an_object() {
    let lab = Lab::new().await;
    let started = lab.ok("HEAD", "/box", &[], b"").await;
    assert_eq!(started.status, 200);
    let id = begin(&lab, &[("content-type", "text/plain")]).await;
    let began_ms = lab.shared.clock.now_ms();
    lab.shared.clock.advance(3_600_000);
    let second = part(&lab, &id, 7, b"tail").await;
    part(&lab, &id, 2, b"overwritten").await;
    let first = part(&lab, &id, 2, &vec![b'x'; PART_BYTES]).await;
    let shown = lab.ok("GET", &format!("/box/k?uploadId={id}&max-parts=1"), &[], b"").await;
    assert_eq!((shown.all("PartNumber"), shown.one("IsTruncated")), (vec!["2"], "true"));
    let next = format!("/box/k?uploadId={id}&part-number-marker=2");
    assert_eq!(lab.ok("GET", &next, &[], b"").await.all("PartNumber"), ["7"]);
    is(lab.refused("GET", "/box/k", &[], b"").await, 404, "NoSuchKey");
    let body = list(&[(2, first.header("etag")), (7, second.header("etag"))], "");
    let target = format!("/box/k?uploadId={id}");
    let done = lab.ok("POST", &target, &[], &body).await;
    assert!(done.one("ETag").ends_with("-2&quot;"), "{}", done.body);
    let got = lab.ok("GET", "/box/k", &[], b"").await;
    assert_eq!(got.body.len(), PART_BYTES + 4);
    assert!(got.body.ends_with("xtail"));
    assert_eq!(got.header("content-type"), "text/plain");
    let began = crate::clock::http_date(began_ms);
    assert_eq!(got.header("last-modified")[..16], began[..16], "as old as the upload");
    assert_ne!(got.header("last-modified"), crate::clock::http_date(lab.shared.clock.now_ms()));
    let again = lab.ok("POST", &target, &[], &body).await;
    assert_eq!(again.body, done.body, "a lost answer may be asked for again");
    let new = [("if-none-match", "*")];
    is(lab.refused("POST", &target, &new, &body).await, 412, "PreconditionFailed");
    let other = list(&[(2, first.header("etag"))], "");
    is(lab.refused("POST", &target, &[], &other).await, 404, "NoSuchUpload");
    lab.shared.clock.advance(3_600_001);
    is(lab.refused("POST", &target, &[], &body).await, 404, "NoSuchUpload");
}

#[tokio::test]
async fn wrong_parts_are_refused() {
    let lab = Lab::new().await;
    let id = begin(&lab, &[]).await;
    for number in ["0", "10001", "x"] {
        let target = format!("/box/k?partNumber={number}&uploadId={id}");
        is(lab.refused("PUT", &target, &[], b"x").await, 400, "InvalidArgument");
    }
    let none = lab.refused("PUT", &part_target("none", 1), &[], b"x").await;
    is(none, 404, "NoSuchUpload");
    let other = format!("/box/other?partNumber=1&uploadId={id}");
    is(lab.refused("PUT", &other, &[], b"x").await, 404, "NoSuchUpload");
    let small = part(&lab, &id, 1, b"small").await.header("etag").to_owned();
    let last = part(&lab, &id, 2, b"last").await.header("etag").to_owned();
    let target = format!("/box/k?uploadId={id}");
    let complete = async |parts: &[(usize, &str)], more: &str| {
        lab.refused("POST", &target, &[], &list(parts, more)).await
    };
    is(complete(&[(1, &small), (2, &last)], "").await, 400, "EntityTooSmall");
    is(complete(&[(2, &last), (1, &small)], "").await, 400, "InvalidPartOrder");
    is(complete(&[(1, &small), (1, &small)], "").await, 400, "InvalidPartOrder");
    is(complete(&[(1, &last)], "").await, 400, "InvalidPart");
    is(complete(&[(3, &small)], "").await, 400, "InvalidPart");
    is(complete(&[], "").await, 400, "MalformedXML");
    let sum = format!("<ChecksumCRC32>{}</ChecksumCRC32>", Algorithm::Crc32.text(b"small"));
    is(complete(&[(1, &small)], &sum).await, 400, "InvalidPart");
    is(complete(&[(1, &small)], "<ChecksumSHA1>x</ChecksumSHA1>").await, 400, "InvalidArgument");
    let mode = [("x-amz-checksum-type", "COMPOSITE")];
    let only = list(&[(1, &small)], "");
    is(lab.refused("POST", &target, &mode, &only).await, 400, "InvalidRequest");
    is(lab.refused("POST", &target, &[], b"<x").await, 400, "MalformedXML");
    lab.ok("PUT", "/box/k", &[], b"there").await;
    let new = [("if-none-match", "*")];
    is(lab.refused("POST", &target, &new, &only).await, 412, "PreconditionFailed");
    let size = [("x-amz-mp-object-size", "6")];
    is(lab.refused("POST", &target, &size, &only).await, 400, "InvalidRequest");
    lab.ok("POST", &target, &[("x-amz-mp-object-size", "5")], &only).await;
}

#[tokio::test]
async fn an_upload_is_aborted_and_listed() {
    let lab = Lab::new().await;
    let id = begin(&lab, &[]).await;
    lab.ok("POST", "/box/a/x?uploads", &[], b"").await;
    let all = lab.ok("GET", "/box?uploads", &[], b"").await;
    assert_eq!(all.all("Key"), ["a/x", "k"]);
    let first = lab.ok("GET", "/box?uploads&max-uploads=1", &[], b"").await;
    assert_eq!((first.all("Key"), first.one("NextKeyMarker")), (vec!["a/x"], "a/x"));
    let next = lab.ok("GET", "/box?uploads&key-marker=a/x", &[], b"").await;
    assert_eq!(next.all("Key"), ["k"]);
    let folded = lab.ok("GET", "/box?uploads&delimiter=/", &[], b"").await;
    assert_eq!(folded.all("CommonPrefixes"), ["<Prefix>a/</Prefix>"]);
    let target = format!("/box/k?uploadId={id}");
    assert_eq!(lab.ok("DELETE", &target, &[], b"").await.status, 204);
    is(lab.refused("DELETE", &target, &[], b"").await, 404, "NoSuchUpload");
    is(lab.refused("GET", &target, &[], b"").await, 404, "NoSuchUpload");
}

#[tokio::test]
async fn an_uploads_checksums_are_verified() {
    let lab = Lab::new().await;
    let declared = [("x-amz-checksum-algorithm", "SHA256")];
    let id = begin(&lab, &declared).await;
    let none = lab.call("PUT", &part_target(&id, 1), &[], b"x").await;
    assert!(none.body.contains("expected checksum Type: sha256, actual checksum Type: null"));
    let (sha, crc) = (Algorithm::Sha256.text(b"x"), Algorithm::Crc32.text(b"x"));
    let wrong = [("x-amz-checksum-crc32", crc.as_str())];
    is(lab.refused("PUT", &part_target(&id, 1), &wrong, b"x").await, 400, "InvalidRequest");
    let right = [("x-amz-checksum-sha256", sha.as_str())];
    is(lab.refused("PUT", &part_target(&id, 1), &right, b"y").await, 400, "BadDigest");
    let shown = lab.ok("GET", "/box?uploads", &[], b"").await;
    assert_eq!(
        (shown.one("ChecksumAlgorithm"), shown.one("ChecksumType")),
        ("SHA256", "COMPOSITE")
    );
    let part = lab.ok("PUT", &part_target(&id, 1), &right, b"x").await;
    let etag = part.header("etag");
    let target = format!("/box/k?uploadId={id}");
    let missing = lab.call("POST", &target, &[], &list(&[(1, etag)], "")).await;
    assert!(missing.one("Message").contains("It was missing for part 1"), "{}", missing.body);
    let with = format!("<ChecksumSHA256>{sha}</ChecksumSHA256>");
    let body = list(&[(1, etag)], &with);
    let whole = [("x-amz-checksum-sha256", sha.as_str())];
    is(lab.refused("POST", &target, &whole, &body).await, 400, "BadDigest");
    let done = lab.ok("POST", &target, &[], &body).await;
    assert!(done.one("ChecksumSHA256").ends_with("=-1"), "{}", done.body);
    assert_eq!(done.one("ChecksumType"), "COMPOSITE");
    let plain = begin(&lab, &[]).await;
    let mixed = lab.call("PUT", &part_target(&plain, 1), &right, b"x").await;
    assert!(mixed.body.contains("expected checksum Type: null, actual checksum Type: sha256"));
    for wrong in [
        [("x-amz-checksum-algorithm", "MD5"), ("x-amz-checksum-type", "FULL_OBJECT")],
        [("x-amz-checksum-algorithm", "SHA1"), ("x-amz-checksum-type", "FULL_OBJECT")],
        [("x-amz-checksum-algorithm", "CRC64NVME"), ("x-amz-checksum-type", "COMPOSITE")],
    ] {
        let refused = lab.refused("POST", "/box/k?uploads", &wrong, b"").await;
        is(refused, 400, "InvalidRequest");
    }
}
