//! Which operation a request is: by its target, its action, or S3's method and path.

use hyper::http::request::Parts;

use crate::request::{Request, Response};
use crate::wire;

/// The targets of the JSON protocols with the service they must be signed for.
const TARGETS: [(&str, &str); 4] = [
    ("Kinesis_20131202", "kinesis"),
    ("Firehose_20150804", "firehose"),
    ("DynamoDB_20120810", "dynamodb"),
    ("RedshiftData", "redshift-data"),
];

/// The service a request without a usable signature was meant for.
pub fn service_of(parts: &Parts) -> &'static str {
    let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let Some(target) = target else {
        let form = parts.headers.get("content-type").is_some_and(|value| {
            value.as_bytes().starts_with(b"application/x-www-form-urlencoded")
        });
        return if form { "sts" } else { "s3" };
    };
    let known = TARGETS.iter().find(|(prefix, _)| target.split('.').next() == Some(prefix));
    known.map_or("kinesis", |(_, service)| service)
}

/// The operation, or the error when there is none.
pub fn of(request: &Request) -> Result<String, Response> {
    match request.service.as_str() {
        "s3" => s3(request),
        "sts" => {
            let form = wire::pairs(&String::from_utf8_lossy(&request.body), true);
            let action = form.into_iter().find(|(name, _)| name == "Action");
            let missing = || wire::error(request, 400, "MissingAction", "There is no Action.");
            action.map(|(_, action)| action).ok_or_else(missing)
        }
        _ => target(request),
    }
}

fn target(request: &Request) -> Result<String, Response> {
    let unknown = || wire::error(request, 400, "UnknownOperationException", "");
    let (prefix, operation) = request.header("x-amz-target").split_once('.').ok_or_else(unknown)?;
    let (_, service) = TARGETS.iter().find(|(known, _)| *known == prefix).ok_or_else(unknown)?;
    if *service != request.service {
        let text = format!("Credential should be scoped to correct service: '{service}'.");
        let meant = Request { service: (*service).to_owned(), ..request.clone() };
        return Err(wire::error(&meant, 400, "InvalidSignatureException", &text));
    }
    Ok(operation.to_owned())
}

fn s3(request: &Request) -> Result<String, Response> {
    let (bucket, key) = crate::s3::raw(request);
    let has = |name: &str| request.query(name).is_some();
    let copies = request.headers.contains_key("x-amz-copy-source");
    let operation = match (request.method.as_str(), bucket.is_empty(), key.is_empty()) {
        ("GET", true, _) => "ListBuckets",
        ("PUT", false, true) if request.query.is_empty() => "CreateBucket",
        ("DELETE", false, true) if request.query.is_empty() => "DeleteBucket",
        ("HEAD", false, true) => "HeadBucket",
        ("GET", false, true) if has("location") => "GetBucketLocation",
        ("GET", false, true) if has("uploads") => "ListMultipartUploads",
        ("GET", false, true) if has("versioning") => "GetBucketVersioning",
        ("GET", false, true) if request.query("list-type") == Some("2") => "ListObjectsV2",
        ("GET", false, true) => "ListObjects",
        ("POST", false, true) if has("delete") => "DeleteObjects",
        ("POST", false, false) if has("uploads") => "CreateMultipartUpload",
        ("POST", false, false) if has("uploadId") => "CompleteMultipartUpload",
        ("PUT", false, false) if has("uploadId") => "UploadPart",
        ("PUT", false, false) if copies => "CopyObject",
        ("PUT", false, false) => "PutObject",
        ("GET", false, false) if has("uploadId") => "ListParts",
        ("GET", false, false) if has("attributes") => "GetObjectAttributes",
        ("GET", false, false) => "GetObject",
        ("HEAD", false, false) => "HeadObject",
        ("DELETE", false, false) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", false, false) => "DeleteObject",
        _ => {
            let text = "The specified method is not allowed against this resource.";
            return Err(wire::error(request, 405, "MethodNotAllowed", text));
        }
    };
    Ok(operation.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s3_of(method: &str, target: &str) -> String {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (service, method) = ("s3".to_owned(), method.to_owned());
        let query = wire::pairs(query, false);
        let request = Request { service, method, path: path.into(), query, ..Request::default() };
        of(&request).expect("an operation")
    }

    #[test]
    fn s3_goes_by_method_and_path() {
        assert_eq!(s3_of("GET", "/"), "ListBuckets");
        assert_eq!(s3_of("GET", "/b?list-type=2&prefix=x"), "ListObjectsV2");
        assert_eq!(s3_of("PUT", "/b/"), "CreateBucket");
        assert_eq!(s3_of("PUT", "/b/a/c%20d?x-id=PutObject"), "PutObject");
        assert_eq!(s3_of("PUT", "/b/k?partNumber=1&uploadId=u"), "UploadPart");
        assert_eq!(s3_of("POST", "/b/k?uploads"), "CreateMultipartUpload");
    }

    #[test]
    fn a_target_must_be_signed_for_its_service() {
        let mut request = Request { service: "kinesis".into(), ..Request::default() };
        assert!(of(&request).is_err(), "no target");
        let set = |request: &mut Request, target: &str| {
            request.headers.insert("x-amz-target", target.parse().expect("a header"));
        };
        set(&mut request, "Kinesis_20131202.PutRecords");
        assert_eq!(of(&request).expect("an operation"), "PutRecords");
        set(&mut request, "DynamoDB_20120810.PutItem");
        let error = of(&request).expect_err("another service");
        assert!(String::from_utf8_lossy(error.bytes()).contains("correct service: 'dynamodb'"));
    }
}
