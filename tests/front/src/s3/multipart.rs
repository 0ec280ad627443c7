//! Uploads in parts.

use bytes::BytesMut;

use super::checksum::{Algorithm, composite, md5, verified};
use super::error::Error;
use super::list::{Line, PAGE_MAX, lines};
use super::object::{check_write, kept_headers};
use super::service::{Call, document, element};
use super::store::{Bucket, Checksum, Completed, Object, Part, Upload};
use super::xml::{self, Element};
use crate::clock::iso;
use crate::request::Response;
use crate::wire::{hex, uuid};

/// The smallest part that is not the last, in bytes.
const PART_BYTES_MIN: usize = 5 * 1_024 * 1_024;
/// How long the completion of an upload may be repeated. AWS names no time; it is hours there.
const REPEAT_MS: i64 = 60 * 60 * 1_000;
/// The most parts.
const PARTS_MAX: u32 = 10_000;

fn bad_request(said: impl Into<String>) -> Error {
    Error::saying("InvalidRequest", said)
}

/// What the client says of a part when it completes the upload.
struct Named {
    number: u32,
    etag: String,
    checksums: Vec<(Algorithm, String)>,
}

impl Call<'_> {
    fn upload_id(&self) -> &str {
        self.request.query("uploadId").unwrap_or_default()
    }

    pub(super) fn create_multipart_upload(&self) -> Result<Response, Error> {
        let unsupported = || {
            bad_request(
                "Checksum algorithm provided is unsupported. Please try again with any of the \
                 valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
            )
        };
        let named = self.request.header("x-amz-checksum-algorithm");
        let algorithm = match named {
            "" => None,
            name => Some(Algorithm::of(name).ok_or_else(unsupported)?),
        };
        let crc = !matches!(algorithm, Some(Algorithm::Sha1 | Algorithm::Sha256));
        let only_whole = matches!(algorithm, None | Some(Algorithm::Crc64Nvme));
        let composite = match self.request.header("x-amz-checksum-type") {
            "" => !only_whole,
            _ if algorithm.is_none() => {
                return Err(bad_request(
                    "The x-amz-checksum-type header can only be used with the \
                     x-amz-checksum-algorithm header.",
                ));
            }
            "COMPOSITE" if !only_whole => true,
            "FULL_OBJECT" if crc => false,
            kind @ ("COMPOSITE" | "FULL_OBJECT") => {
                return Err(bad_request(format!(
                    "The {kind} checksum type cannot be used with the {} checksum algorithm.",
                    named.to_ascii_lowercase()
                )));
            }
            _ => return Err(bad_request("Value for x-amz-checksum-type header is invalid.")),
        };
        let upload = Upload {
            key: self.key.clone(),
            initiated_ms: self.buckets.now_ms(),
            headers: kept_headers(self.request)?,
            algorithm,
            composite,
            parts: Default::default(),
        };
        let id = format!("{}.{}", uuid().replace('-', ""), uuid().replace('-', ""));
        let mut state = self.buckets.lock();
        let bucket = state.bucket(&self.bucket, &self.request.region)?;
        bucket.uploads.insert(id.clone(), upload);
        let inner = element("Bucket", &self.bucket) + &element("Key", &self.key);
        let inner = inner + &element("UploadId", &id);
        let mut reply = document("InitiateMultipartUploadResult", &inner);
        if let Some(algorithm) = algorithm {
            let kind = if composite { "COMPOSITE" } else { "FULL_OBJECT" };
            reply = reply
                .header("x-amz-checksum-algorithm", algorithm.upper())
                .header("x-amz-checksum-type", kind);
        }
        Ok(reply.header("x-amz-server-side-encryption", "AES256"))
    }

    /// The upload of the request, which must be one of its key.
    fn upload<'a>(&self, bucket: &'a mut Bucket) -> Result<&'a mut Upload, Error> {
        let upload = bucket.uploads.get_mut(self.upload_id());
        let upload = upload.filter(|upload| upload.key == self.key);
        upload.ok_or_else(|| Error::of("NoSuchUpload").with("UploadId", self.upload_id()))
    }

    pub(super) fn upload_part(&self) -> Result<Response, Error> {
        self.check_length()?;
        let number = self.request.query("partNumber").and_then(|text| text.parse::<u32>().ok());
        let Some(number) = number.filter(|number| (1..=PARTS_MAX).contains(number)) else {
            let said = "Part number must be an integer between 1 and 10000, inclusive";
            return Err(Error::saying("InvalidArgument", said).with("ArgumentName", "partNumber"));
        };
        let given = verified(self.request)?;
        let bytes = self.request.body.clone();
        let modified_ms = self.buckets.now_ms();
        let mut state = self.buckets.lock();
        let bucket = state.bucket(&self.bucket, &self.request.region)?;
        let upload = self.upload(bucket)?;
        let used = given.as_ref().map(|(algorithm, _)| *algorithm);
        if used != upload.algorithm && (used.is_some() || upload.composite) {
            let name = |of: Option<Algorithm>| of.map_or("null", Algorithm::name);
            return Err(bad_request(format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum \
                 Type: {}",
                name(upload.algorithm),
                name(used)
            )));
        }
        let algorithm = upload.algorithm.unwrap_or(Algorithm::Crc64Nvme);
        let text = given.map_or_else(|| algorithm.text(&bytes), |(_, text)| text);
        let etag = hex(&md5(&bytes));
        let reply = Response::new(200, "")
            .header("etag", format!("\"{etag}\""))
            .header(&algorithm.header(), text.clone())
            .header("x-amz-server-side-encryption", "AES256");
        let checksum = Checksum { algorithm, text, composite: false };
        upload.parts.insert(number, Part { bytes, etag, modified_ms, checksum });
        Ok(reply)
    }

    pub(super) fn complete_multipart_upload(&self) -> Result<Response, Error> {
        let named = named_parts(&xml::parse(&self.request.body, "CompleteMultipartUpload")?)?;
        let mut state = self.buckets.lock();
        let bucket = state.bucket(&self.bucket, &self.request.region)?;
        if let Some(answered) = self.repeated(bucket)? {
            return Ok(document("CompleteMultipartUploadResult", &answered));
        }
        let upload = self.upload(bucket)?;
        let mode = if upload.composite { "COMPOSITE" } else { "FULL_OBJECT" };
        let asked = self.request.header("x-amz-checksum-type");
        if !asked.is_empty() && asked != mode {
            return Err(bad_request(format!(
                "The upload was created using the {mode} checksum mode. The complete request must \
                 use the same checksum mode."
            )));
        }
        check_parts(upload, &named, self.upload_id())?;
        let parts: Vec<&Part> =
            named.iter().filter_map(|named| upload.parts.get(&named.number)).collect();
        let object = assembled(upload, &parts);
        self.check_whole(&object, upload.algorithm)?;
        check_write(self.request, bucket, &self.key)?;
        let kind = if object.checksum.composite { "COMPOSITE" } else { "FULL_OBJECT" };
        let host = self.request.header("host");
        let inner = [
            element("Location", format!("http://{host}/{}/{}", self.bucket, self.key)),
            element("Bucket", &self.bucket),
            element("Key", &self.key),
            element("ETag", format!("\"{}\"", object.etag)),
            element(&object.checksum.algorithm.element(), &object.checksum.text),
            element("ChecksumType", kind),
        ];
        let inner = inner.concat();
        let completed = Completed {
            key: self.key.clone(),
            until_ms: self.buckets.now_ms() + REPEAT_MS,
            etag: object.etag.clone(),
            asked: self.request.body.clone(),
            answered: inner.clone(),
        };
        bucket.uploads.remove(self.upload_id());
        bucket.completed.insert(self.upload_id().to_owned(), completed);
        bucket.objects.insert(self.key.clone(), object);
        let reply = document("CompleteMultipartUploadResult", &inner);
        Ok(reply.header("x-amz-server-side-encryption", "AES256"))
    }

    /// The answer of the same request for an upload that became the object that is there.
    fn repeated(&self, bucket: &mut Bucket) -> Result<Option<String>, Error> {
        let now_ms = self.buckets.now_ms();
        bucket.completed.retain(|_, completed| now_ms < completed.until_ms);
        let Some(completed) = bucket.completed.get(self.upload_id()) else { return Ok(None) };
        let there = bucket.objects.get(&self.key).is_some_and(|it| it.etag == completed.etag);
        if completed.key != self.key || completed.asked != self.request.body || !there {
            return Ok(None);
        }
        check_write(self.request, bucket, &self.key)?;
        Ok(Some(completed.answered.clone()))
    }

    /// What the completing request says of the whole object must be so.
    fn check_whole(&self, object: &Object, declared: Option<Algorithm>) -> Result<(), Error> {
        let size = self.request.header("x-amz-mp-object-size");
        if !size.is_empty() && size != object.bytes.len().to_string() {
            return Err(bad_request(format!(
                "The provided 'x-amz-mp-object-size' header value {size} does not match what was \
                 computed: {}",
                object.bytes.len()
            )));
        }
        for algorithm in super::checksum::ALL {
            let given = self.request.header(&algorithm.header());
            if given.is_empty() {
                continue;
            }
            if algorithm != object.checksum.algorithm {
                return Err(bad_request(format!(
                    "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum \
                     Type: {}",
                    declared.map_or("null", Algorithm::name),
                    algorithm.name()
                )));
            }
            let whole = object.checksum.text.split('-').next().unwrap_or_default();
            if given != object.checksum.text && given != whole {
                return Err(Error::saying(
                    "BadDigest",
                    format!(
                        "The {} you specified did not match the calculated checksum.",
                        algorithm.name()
                    ),
                ));
            }
        }
        Ok(())
    }

    pub(super) fn abort_multipart_upload(&self) -> Result<Response, Error> {
        let mut state = self.buckets.lock();
        let bucket = state.bucket(&self.bucket, &self.request.region)?;
        self.upload(bucket)?;
        bucket.uploads.remove(self.upload_id());
        Ok(Response::new(204, ""))
    }

    pub(super) fn list_parts(&self) -> Result<Response, Error> {
        let most = self.number("max-parts")?.unwrap_or(PAGE_MAX).min(PAGE_MAX);
        let after = self.number("part-number-marker")?.unwrap_or(0);
        let mut state = self.buckets.lock();
        let bucket = state.bucket(&self.bucket, &self.request.region)?;
        let upload = self.upload(bucket)?;
        let left = upload.parts.iter().filter(|(number, _)| **number as usize > after);
        let left: Vec<(&u32, &Part)> = left.take(most + 1).collect();
        let truncated = left.len() > most;
        let shown = &left[..left.len().min(most)];
        let last = shown.last().map_or(after, |(number, _)| **number as usize);
        let mut inner = [
            element("Bucket", &self.bucket),
            element("Key", &self.key),
            element("UploadId", self.upload_id()),
            element("PartNumberMarker", after),
            element("NextPartNumberMarker", last),
            element("MaxParts", most),
            element("IsTruncated", truncated),
            declared(upload),
        ]
        .concat();
        for (number, part) in shown {
            let checksum = &part.checksum;
            let part = [
                element("PartNumber", number),
                element("LastModified", iso(part.modified_ms)),
                element("ETag", format!("\"{}\"", part.etag)),
                element("Size", part.bytes.len()),
                element(&checksum.algorithm.element(), &checksum.text),
            ];
            inner += &format!("<Part>{}</Part>", part.concat());
        }
        Ok(document("ListPartsResult", &inner))
    }

    pub(super) fn list_multipart_uploads(&self) -> Result<Response, Error> {
        self.check_encoding()?;
        let query = |name: &str| self.request.query(name).unwrap_or_default();
        let (prefix, delimiter) = (query("prefix"), query("delimiter"));
        let most = self.number("max-uploads")?.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
        let marker = (query("key-marker"), query("upload-id-marker"));
        let mut state = self.buckets.lock();
        let bucket: &Bucket = state.bucket(&self.bucket, &self.request.region)?;
        let mut all: Vec<(&str, (&str, &Upload))> = bucket
            .uploads
            .iter()
            .map(|(id, upload)| (upload.key.as_str(), (id.as_str(), upload)))
            .filter(|(key, (id, _))| key.starts_with(prefix) && after_marker(key, id, marker))
            .collect();
        all.sort_by_key(|(key, (id, _))| (*key, *id));
        let (lines, next) = lines(all.into_iter(), prefix, delimiter, "", most);
        let mut inner = [
            element("Bucket", &self.bucket),
            element("KeyMarker", self.key_text(marker.0)),
            element("UploadIdMarker", marker.1),
            element("Prefix", self.key_text(prefix)),
            element("MaxUploads", most),
            element("IsTruncated", next.is_some()),
        ]
        .concat();
        if let Some(next) = &next {
            inner += &element("NextKeyMarker", self.key_text(next));
            if let Some(Line::Key(_, (id, _))) = lines.last() {
                inner += &element("NextUploadIdMarker", id);
            }
        }
        for line in lines {
            inner += &match line {
                Line::Key(key, (id, upload)) => {
                    let key = element("Key", self.key_text(key)) + &element("UploadId", id);
                    let at = element("Initiated", iso(upload.initiated_ms));
                    format!("<Upload>{key}{at}{}</Upload>", declared(upload))
                }
                Line::Prefix(prefix) => {
                    let prefix = element("Prefix", self.key_text(&prefix));
                    format!("<CommonPrefixes>{prefix}</CommonPrefixes>")
                }
            };
        }
        Ok(document("ListMultipartUploadsResult", &inner))
    }
}

/// The elements of the checksum that an upload declared.
fn declared(upload: &Upload) -> String {
    let kind = if upload.composite { "COMPOSITE" } else { "FULL_OBJECT" };
    let algorithm =
        upload.algorithm.map(|algorithm| element("ChecksumAlgorithm", algorithm.upper()));
    algorithm.map(|algorithm| algorithm + &element("ChecksumType", kind)).unwrap_or_default()
}

fn after_marker(key: &str, id: &str, (key_marker, id_marker): (&str, &str)) -> bool {
    key > key_marker || key == key_marker && !id_marker.is_empty() && id > id_marker
}

/// Reads the list of parts.
fn named_parts(read: &Element) -> Result<Vec<Named>, Error> {
    let wrong = || Error::of("MalformedXML");
    let parts = read.children.iter().filter(|child| child.name == "Part");
    let one = |part: &Element| {
        let number = part.child("PartNumber").and_then(|text| text.trim().parse().ok());
        let etag = part.child("ETag").ok_or_else(wrong)?.trim().trim_matches('"').to_owned();
        let checksums = super::checksum::ALL.into_iter().filter_map(|algorithm| {
            Some((algorithm, part.child(&algorithm.element())?.to_owned()))
        });
        let checksums = checksums.collect();
        Ok(Named { number: number.ok_or_else(wrong)?, etag, checksums })
    };
    let parts = parts.map(one).collect::<Result<Vec<Named>, Error>>()?;
    if parts.is_empty() { Err(wrong()) } else { Ok(parts) }
}

fn check_parts(upload: &Upload, named: &[Named], id: &str) -> Result<(), Error> {
    if named.windows(2).any(|pair| pair[0].number >= pair[1].number) {
        return Err(Error::of("InvalidPartOrder").with("UploadId", id));
    }
    for (at, one) in named.iter().enumerate() {
        if one.checksums.len() > 1 || one.checksums.iter().any(|(of, text)| !of.fits(text)) {
            let said = "Invalid Base64 or multiple checksums present in request";
            return Err(Error::saying("InvalidArgument", said).with("ArgumentName", "Checksum"));
        }
        let bad = || {
            Error::of("InvalidPart")
                .with("UploadId", id)
                .with("PartNumber", one.number)
                .with("ETag", &one.etag)
        };
        let part = upload.parts.get(&one.number).filter(|part| part.etag == one.etag);
        let part = part.ok_or_else(bad)?;
        if upload.composite && one.checksums.is_empty() {
            return Err(bad_request(format!(
                "The upload was created using a {} checksum. The complete request must include \
                 the checksum for each part. It was missing for part {} in the request.",
                part.checksum.algorithm.name(),
                one.number
            )));
        }
        let known = (part.checksum.algorithm, part.checksum.text.clone());
        if one.checksums.iter().any(|checksum| *checksum != known) {
            return Err(bad());
        }
        if at + 1 < named.len() && part.bytes.len() < PART_BYTES_MIN {
            return Err(Error::of("EntityTooSmall")
                .with("ProposedSize", part.bytes.len())
                .with("MinSizeAllowed", PART_BYTES_MIN)
                .with("PartNumber", one.number)
                .with("ETag", &one.etag));
        }
    }
    Ok(())
}

/// The object of an upload's parts; it is as old as the upload.
fn assembled(upload: &Upload, parts: &[&Part]) -> Object {
    let mut bytes = BytesMut::new();
    let mut digests = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&part.bytes);
        digests.extend(md5(&part.bytes));
    }
    let bytes = bytes.freeze();
    let algorithm = upload.algorithm.unwrap_or(Algorithm::Crc64Nvme);
    let text = match upload.composite {
        true => {
            let texts: Vec<String> = parts.iter().map(|part| part.checksum.text.clone()).collect();
            composite(algorithm, &texts)
        }
        false => algorithm.text(&bytes),
    };
    Object {
        bytes,
        etag: format!("{}-{}", hex(&md5(&digests)), parts.len()),
        modified_ms: upload.initiated_ms,
        headers: upload.headers.clone(),
        checksum: Checksum { algorithm, text, composite: upload.composite },
    }
}
