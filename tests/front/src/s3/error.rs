//! What S3 answers when it refuses.

use crate::request::{Body, Request, Response};
use crate::wire;

/// A refusal: status, code, message, and more elements of its body.
#[derive(Clone, Debug)]
pub(crate) struct Error {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// Names and texts of elements after the message.
    pub(crate) more: Vec<(&'static str, String)>,
}

impl Error {
    /// With AWS's status and message for the code.
    pub(crate) fn of(code: &'static str) -> Error {
        let (status, message) = known(code);
        Error { status, code, message: message.into(), more: Vec::new() }
    }

    /// With a message of its own.
    pub(crate) fn saying(code: &'static str, message: impl Into<String>) -> Error {
        Error { message: message.into(), ..Error::of(code) }
    }

    /// With one more element.
    pub(crate) fn with(mut self, name: &'static str, text: impl ToString) -> Error {
        self.more.push((name, text.to_string()));
        self
    }

    /// The answer.
    pub(crate) fn answer(&self, request: &Request) -> Response {
        let mut reply = wire::s3_error(request, self.status, self.code, &self.message);
        if let Body::Bytes(bytes) = &reply.body
            && !self.more.is_empty()
        {
            let text = String::from_utf8_lossy(bytes);
            let element = |(name, text): &(&str, String)| {
                format!("<{name}>{}</{name}>", wire::xml_text(text))
            };
            let more: String = self.more.iter().map(element).collect();
            let text = text.replacen("</Message>", &format!("</Message>{more}"), 1);
            reply.body = Body::Bytes(text.into());
        }
        if self.status == 304 {
            reply = Response::new(304, "");
        }
        reply
    }
}

/// 412, with the header that did not hold.
pub(crate) fn precondition(header: &'static str) -> Error {
    Error::of("PreconditionFailed").with("Condition", header)
}

/// AWS's status and words for its codes.
fn known(code: &str) -> (u16, &'static str) {
    match code {
        "BadDigest" => (400, "The Content-MD5 you specified did not match what we received."),
        "BucketAlreadyExists" => (409, "The requested bucket name is not available."),
        "BucketAlreadyOwnedByYou" => (
            409,
            "Your previous request to create the named bucket succeeded and you already own it.",
        ),
        "BucketNotEmpty" => (409, "The bucket you tried to delete is not empty"),
        "EntityTooSmall" => (400, "Your proposed upload is smaller than the minimum allowed size"),
        "IllegalLocationConstraintException" => (
            400,
            "The unspecified location constraint is incompatible for the region specific endpoint \
             this request was sent to.",
        ),
        "InvalidBucketName" => (400, "The specified bucket is not valid."),
        "InvalidDigest" => (400, "The Content-MD5 you specified was invalid."),
        "InvalidPart" => (
            400,
            "One or more of the specified parts could not be found.  The part may not have been \
             uploaded, or the specified entity tag may not match the part's entity tag.",
        ),
        "InvalidPartOrder" => (
            400,
            "The list of parts was not in ascending order. Parts must be ordered by part number.",
        ),
        "InvalidRange" => (416, "The requested range is not satisfiable"),
        "InvalidURI" => (400, "Couldn't parse the specified URI."),
        "KeyTooLongError" => (400, "Your key is too long"),
        "MalformedXML" => (
            400,
            "The XML you provided was not well-formed or did not validate against our published \
             schema",
        ),
        "MetadataTooLarge" => {
            (400, "Your metadata headers exceed the maximum allowed metadata size")
        }
        "MissingContentLength" => (411, "You must provide the Content-Length HTTP header."),
        "NoSuchBucket" => (404, "The specified bucket does not exist"),
        "NoSuchKey" => (404, "The specified key does not exist."),
        "NoSuchUpload" => (
            404,
            "The specified upload does not exist. The upload ID may be invalid, or the upload may \
             have been aborted or completed.",
        ),
        "NotImplemented" => {
            (501, "A header you provided implies functionality that is not implemented")
        }
        "NotModified" => (304, ""),
        "PreconditionFailed" => {
            (412, "At least one of the pre-conditions you specified did not hold")
        }
        _ => (400, "The request is not valid."),
    }
}
