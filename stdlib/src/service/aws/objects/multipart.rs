//! A large object in parts, several at once; the last request makes the object, if there is none.

use super::put::{HASH, Putting, crc32c};
use crate::service::Put;
use crate::service::aws::errors;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use engine::fault::Fault;
use futures::stream::{self, StreamExt, TryStreamExt};
use std::ops::Range;

/// Parts under way at once.
const AT_ONCE: usize = 4;
/// Parts of an object at most.
const PARTS_MAX: usize = 10_000;

/// Where the parts of `bytes` are: each of `part` bytes or of as many more as it takes for 10,000
/// of them to be enough.
pub fn parts(bytes: usize, part: usize) -> Vec<Range<usize>> {
    let part = part.max(bytes.div_ceil(PARTS_MAX)).max(1);
    (0..bytes).step_by(part).map(|start| start..bytes.min(start + part)).collect()
}

/// Puts an object in parts. What fails is aborted, and begins anew when it is tried again.
pub async fn put(put: &Putting<'_>, part_bytes: usize) -> Result<Put, Fault> {
    let create = put.s3.create_multipart_upload().bucket(put.bucket).key(put.key);
    let create = create.checksum_algorithm(ChecksumAlgorithm::Crc32C).metadata(HASH, &put.hash);
    let created = create.send().await.map_err(|error| errors::fault(&put.what(), error))?;
    let Some(upload) = created.upload_id() else {
        let message = format!("cannot {}: the upload has no id", put.what());
        return Err(Fault::transient("upload_id", message));
    };
    let done = match upload_parts(put, upload, part_bytes).await {
        Ok(parts) => complete(put, upload, parts).await,
        Err(fault) => Err(fault),
    };
    if done != Ok(Put::Stored) {
        // Parts cost money until somebody removes them. A lost answer may hide that the object is
        // there; then there is nothing to abort, and the next try finds the object.
        let abort = put.s3.abort_multipart_upload().bucket(put.bucket).key(put.key);
        let _ = abort.upload_id(upload).send().await;
    }
    done
}

async fn upload_parts(
    put: &Putting<'_>,
    upload: &str,
    part_bytes: usize,
) -> Result<Vec<CompletedPart>, Fault> {
    let parts = parts(put.content.len(), part_bytes);
    let uploads = parts.into_iter().zip(1..).map(async |(part, number)| {
        let body = put.content.slice(part);
        let checksum = crc32c(&body);
        let request = put.s3.upload_part().bucket(put.bucket).key(put.key).upload_id(upload);
        let request = request.part_number(number).checksum_crc32_c(&checksum).body(body.into());
        let sent = request.send().await.map_err(|error| errors::fault(&put.what(), error))?;
        let part = CompletedPart::builder().part_number(number).checksum_crc32_c(checksum);
        Ok(part.set_e_tag(sent.e_tag).build())
    });
    stream::iter(uploads).buffered(AT_ONCE).try_collect().await
}

async fn complete(
    put: &Putting<'_>,
    upload: &str,
    parts: Vec<CompletedPart>,
) -> Result<Put, Fault> {
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = put.s3.complete_multipart_upload().bucket(put.bucket).key(put.key);
    let complete = complete.upload_id(upload).multipart_upload(parts).if_none_match("*");
    match complete.send().await {
        Ok(_) => Ok(Put::Stored),
        Err(error) => match errors::fault(&put.what(), error) {
            // Its parts are gone: completed by a try whose answer was lost, or aborted by somebody.
            fault if fault.code == "NoSuchUpload" => {
                Err(Fault::transient(fault.code, fault.message))
            }
            fault => put.refused(fault).await,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_everything_and_are_not_too_many() {
        assert_eq!(parts(10, 4), [0..4, 4..8, 8..10]);
        assert_eq!(parts(8, 4), [0..4, 4..8]);
        assert!(parts(0, 4).is_empty());
        assert_eq!(parts(100_002, 1).len(), 9_092);
        assert_eq!(parts(100_002, 1).last(), Some(&(100_001..100_002)));
    }
}
