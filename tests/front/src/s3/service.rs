//! The service: which operation it is, and what every answer has.

use std::sync::Arc;

use async_trait::async_trait;

use super::error::Error;
use super::store::Buckets;
use super::target;
use crate::Tally;
use crate::request::{Request, Response, Service};
use crate::rules::Faults;

/// The namespace of S3's documents.
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// S3 with its buckets.
pub struct S3(Arc<Buckets>);

impl S3 {
    /// Over buckets that other services may share.
    pub fn new(buckets: Arc<Buckets>) -> S3 {
        S3(buckets)
    }

    fn run(&self, request: &Request) -> Result<Response, Error> {
        let (bucket, key) = target::of(request)?;
        check_parameters(request)?;
        let it = Call { buckets: &self.0, request, bucket, key };
        match request.operation.as_str() {
            "ListBuckets" => it.list_buckets(),
            "CreateBucket" => it.create_bucket(),
            "HeadBucket" => it.head_bucket(),
            "GetBucketLocation" => it.get_bucket_location(),
            "DeleteBucket" => it.delete_bucket(),
            "PutObject" => it.put_object(),
            "GetObject" => it.get_object(true),
            "HeadObject" => it.get_object(false),
            "DeleteObject" => it.delete_object(),
            "DeleteObjects" => it.delete_objects(),
            "ListObjectsV2" => it.list_objects(),
            "CreateMultipartUpload" => it.create_multipart_upload(),
            "UploadPart" => it.upload_part(),
            "CompleteMultipartUpload" => it.complete_multipart_upload(),
            "AbortMultipartUpload" => it.abort_multipart_upload(),
            "ListParts" => it.list_parts(),
            "ListMultipartUploads" => it.list_multipart_uploads(),
            other => {
                let said = format!("The front does not serve {other}.");
                Err(Error { status: 501, ..Error::saying("NotImplemented", said) })
            }
        }
    }
}

/// Refuses what the front would otherwise leave out in silence.
fn check_parameters(request: &Request) -> Result<(), Error> {
    let known: &[&str] = match request.operation.as_str() {
        "GetBucketLocation" => &["location"],
        "DeleteObjects" => &["delete"],
        "CreateMultipartUpload" => &["uploads"],
        "UploadPart" => &["partNumber", "uploadId"],
        "CompleteMultipartUpload" | "AbortMultipartUpload" => &["uploadId"],
        "ListParts" => &["uploadId", "max-parts", "part-number-marker"],
        "ListMultipartUploads" => &[
            "uploads",
            "prefix",
            "delimiter",
            "max-uploads",
            "key-marker",
            "upload-id-marker",
            "encoding-type",
        ],
        "ListObjectsV2" => &[
            "list-type",
            "prefix",
            "delimiter",
            "max-keys",
            "start-after",
            "continuation-token",
            "encoding-type",
            "fetch-owner",
        ],
        _ => &[],
    };
    let other = request.query.iter().find(|(name, _)| name != "x-id" && !known.contains(&&**name));
    if let Some((name, _)) = other {
        let said = format!("The front does not serve the parameter {name}.");
        return Err(Error { status: 501, ..Error::saying("NotImplemented", said) });
    }
    // Buckets made since 2023 have no lists of access: only this one of them may be named.
    let list = request.header("x-amz-acl");
    if !list.is_empty() && list != "bucket-owner-full-control" {
        let said = "The bucket does not allow ACLs";
        return Err(Error::saying("AccessControlListNotSupported", said));
    }
    Ok(())
}

/// One request, and what it works on.
pub(super) struct Call<'a> {
    pub(super) buckets: &'a Buckets,
    pub(super) request: &'a Request,
    pub(super) bucket: String,
    pub(super) key: String,
}

impl Call<'_> {
    /// A number among the query's parameters.
    pub(super) fn number(&self, name: &'static str) -> Result<Option<usize>, Error> {
        let wrong = || {
            let said = format!("Provided {name} not an integer or within integer range");
            Error::saying("InvalidArgument", said).with("ArgumentName", name)
        };
        let text = self.request.query(name).filter(|text| !text.is_empty());
        text.map(|text| text.parse::<u32>().map(|number| number as usize).map_err(|_| wrong()))
            .transpose()
    }
}

/// An answer in XML.
pub(super) fn document(root: &str, inner: &str) -> Response {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} xmlns=\"{NAMESPACE}\">{inner}</{root}>"
    );
    Response::new(200, body).header("content-type", "application/xml")
}

/// An element with text.
pub(super) fn element(name: &str, text: impl ToString) -> String {
    format!("<{name}>{}</{name}>", crate::wire::xml_text(&text.to_string()))
}

#[async_trait]
impl Service for S3 {
    async fn call(&self, request: &Request, _: &Faults) -> Response {
        let answer = self.run(request).unwrap_or_else(|error| error.answer(request));
        let entries = u64::from(request.operation.ends_with("Object"));
        answer.header("x-amz-id-2", "front").tallied(Tally { entries, ..Tally::default() })
    }
}
