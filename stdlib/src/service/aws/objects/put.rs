//! Puts an object that is not there yet, or finds that it is there already.
//!
//! Each request has the CRC-32C of its body, which S3 checks: it is the quickest of S3's checksums
//! to compute, and the signature covers the body with SHA-256 anyway. What the whole object holds
//! is told by its BLAKE3 in its metadata, by which a repetition knows itself.

use crate::service::aws::errors;
use crate::service::{Put, object_key};
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use engine::fault::Fault;

/// The metadata with the hash of the content: `x-amz-meta-flowc-blake3`.
pub const HASH: &str = "flowc-blake3";

/// An object that is put.
pub struct Putting<'a> {
    pub s3: &'a Client,
    pub bucket: &'a str,
    pub key: &'a str,
    pub content: Bytes,
    /// The BLAKE3 of the content, as hex digits.
    pub hash: String,
}

/// The checksum of a body as S3 takes it.
pub fn crc32c(body: &[u8]) -> String {
    STANDARD.encode(crc32c::crc32c(body).to_be_bytes())
}

impl<'a> Putting<'a> {
    pub fn new(s3: &'a Client, bucket: &'a str, key: &'a str, content: Bytes) -> Putting<'a> {
        let hash = blake3::hash(&content).to_hex().to_string();
        Putting { s3, bucket, key, content, hash }
    }

    /// For faults: what is done.
    pub fn what(&self) -> String {
        format!("store object `{}` of bucket `{}`", self.key, self.bucket)
    }

    /// Puts it whole.
    pub async fn in_one_request(&self) -> Result<Put, Fault> {
        let put = self.s3.put_object().bucket(self.bucket).key(self.key).if_none_match("*");
        let put = put.checksum_crc32_c(crc32c(&self.content)).metadata(HASH, &self.hash);
        match put.body(self.content.clone().into()).send().await {
            Ok(_) => Ok(Put::Stored),
            Err(error) => self.refused(errors::fault(&self.what(), error)).await,
        }
    }

    /// What a fault of the request that makes the object there means: `PreconditionFailed` that an
    /// object of this key is there.
    pub async fn refused(&self, fault: Fault) -> Result<Put, Fault> {
        match fault.code.as_str() {
            "PreconditionFailed" | "http_412" => self.compare().await,
            _ => Err(fault),
        }
    }

    async fn compare(&self) -> Result<Put, Fault> {
        let what = format!("compare object `{}` of bucket `{}`", self.key, self.bucket);
        let head = self.s3.head_object().bucket(self.bucket).key(self.key).send().await;
        let head = head.map_err(|error| match errors::fault(&what, error) {
            // Removed meanwhile: the put is tried again.
            gone if gone.code == "NotFound" || gone.code == "http_404" => {
                Fault::transient("object_gone", gone.message)
            }
            fault => fault,
        })?;
        if self.is_same(&head, &what).await? {
            return Ok(Put::AlreadyStored);
        }
        Err(object_key::conflict(self.bucket, self.key))
    }

    async fn is_same(&self, head: &HeadObjectOutput, what: &str) -> Result<bool, Fault> {
        if head.content_length() != Some(self.content.len() as i64) {
            return Ok(false);
        }
        if let Some(hash) = head.metadata().and_then(|metadata| metadata.get(HASH)) {
            return Ok(*hash == self.hash);
        }
        // Put by another program: its content says what it is.
        let get = self.s3.get_object().bucket(self.bucket).key(self.key).send().await;
        let mut body = get.map_err(|error| errors::fault(what, error))?.body;
        let mut hasher = blake3::Hasher::new();
        while let Some(part) = body.next().await {
            let broken = |error| Fault::transient("connection", format!("cannot {what}: {error}"));
            hasher.update(&part.map_err(broken)?);
        }
        Ok(hasher.finalize().to_hex().as_str() == self.hash)
    }
}
