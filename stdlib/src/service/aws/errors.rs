//! What an error of the SDK means for a run: its class, its words, what to do.

use super::credentials;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use engine::fault::{Fault, FaultClass};
use std::error::Error;
use std::time::Duration;

/// The service asks for less.
const THROTTLES: &[&str] = &[
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "Throttling",
    "RequestLimitExceeded",
    "LimitExceededException",
    "TooManyRequestsException",
    "SlowDown",
    "KMSThrottlingException",
    "ActiveStatementsExceededException",
    "ActiveSessionsExceededException",
    "RequestThrottled",
    "RequestThrottledException",
    "TransactionInProgressException",
    // Reasons why a transaction was cancelled.
    "ThrottlingError",
    "ProvisionedThroughputExceeded",
];

/// Passes by itself.
const TRANSIENT: &[&str] = &[
    "InternalFailure",
    "InternalServerError",
    "InternalServerException",
    "InternalError",
    "InternalFailureException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ConditionalRequestConflict",
    "OperationAborted",
    "BadDigest",
    "XAmzContentSHA256Mismatch",
    "IncompleteBody",
    "TransactionConflictException",
    "TransactionConflict",
    "ReplicatedWriteConflictException",
    // Its parts were thrown away: the next try begins anew.
    "NoSuchUpload",
];

/// The request is wrong, so it would be wrong again. Which record is wrong, where one is, the
/// connectors see before they send.
const INVALID: &[&str] = &[
    "ValidationException",
    "ValidationError",
    "SerializationException",
    "InvalidArgumentException",
    "InvalidArgument",
    "InvalidRequest",
    "InvalidParameterValue",
    "InvalidParameterCombination",
    "MissingParameter",
    "MalformedXML",
    "EntityTooLarge",
    "EntityTooSmall",
    "KeyTooLongError",
    "UnknownOperationException",
    "InvalidAction",
    "NotImplemented",
    "MethodNotAllowed",
];

const DENIED: &str =
    "give the role of this run the permission, then run once more; nothing was lost";
const ELSEWHERE: &str =
    "the bucket is in another region: write that one into the profile, as `region`";

/// Never passes by itself, and what to do about it.
const PERMANENT: &[(&[&str], &str)] = &[
    (
        &["ExpiredToken", "ExpiredTokenException", "ExpiredSignature", "RequestExpired"],
        "the credentials have expired: sign in again, and run once more",
    ),
    (
        &[
            "AccessDenied",
            "AccessDeniedException",
            "UnauthorizedOperation",
            "AuthFailure",
            "KMSAccessDeniedException",
            "NotAuthorized",
        ],
        DENIED,
    ),
    (
        &[
            "UnrecognizedClientException",
            "InvalidClientTokenId",
            "InvalidAccessKeyId",
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "IncompleteSignature",
            "InvalidToken",
        ],
        "the credentials are not those of this account: see `aws sts get-caller-identity`",
    ),
    (&["PermanentRedirect", "AuthorizationHeaderMalformed"], ELSEWHERE),
    (
        &["RequestTimeTooSkewed", "RequestInTheFuture"],
        "this machine's clock is wrong by more than AWS takes: set it",
    ),
    (
        &["ResourceNotFoundException", "NoSuchBucket", "TableNotFoundException"],
        "`flowc up FILE --profile …` makes what is missing",
    ),
    (
        &[
            "KMSDisabledException",
            "KMSInvalidStateException",
            "KMSNotFoundException",
            "KMSOptInRequired",
            "OptInRequired",
        ],
        "the key or the account must be enabled first",
    ),
];

/// The fault of a call. `what` says what was tried, such as `write to stream `APIData``.
pub fn fault<E>(what: &str, error: SdkError<E, HttpResponse>) -> Fault
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match &error {
        SdkError::ServiceError(answer) => {
            let (code, message) = (answer.err().code(), answer.err().message());
            let status = answer.raw().status().as_u16();
            let fault = answered(what, status, code.unwrap_or_default(), message);
            let asked = answer.raw().headers().get("retry-after");
            let seconds = asked.and_then(|text| text.parse().ok());
            Fault { retry_after: seconds.map(Duration::from_secs), ..fault }
        }
        SdkError::TimeoutError(_) => {
            Fault::timeout("timeout", format!("cannot {what}: AWS did not answer in time"))
        }
        SdkError::ConstructionFailure(_) => Fault::service(
            "request_invalid",
            format!("cannot {what}: the request cannot be made: {}", chain(&error)),
        ),
        SdkError::DispatchFailure(failure) if failure.is_user() => credentials::fault(what, &error),
        SdkError::DispatchFailure(_) if credentials::is_about(&error) => {
            credentials::fault(what, &error)
        }
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            Fault::timeout("timeout", format!("cannot {what}: no connection in time"))
        }
        _ => Fault::transient("connection", format!("cannot {what}: {}", chain(&error))),
    }
}

/// The fault of an error that a service named, with the status of its answer (0 = none).
pub fn answered(what: &str, status: u16, code: &str, message: Option<&str>) -> Fault {
    // What follows the first line is for who signs requests, pages of it.
    let message = message.and_then(|text| text.trim().lines().next());
    let said = match message.filter(|text| !text.is_empty()) {
        Some(text) => format!("{}: {}", if code.is_empty() { "AWS" } else { code }, text.trim()),
        None if code.is_empty() => format!("AWS answered with status {status}"),
        None => code.to_owned(),
    };
    let name = if code.is_empty() { format!("http_{status}") } else { code.to_owned() };
    let message = format!("cannot {what}: {said}");
    let known = |list: &[&str]| list.contains(&code);
    if let Some((_, help)) = PERMANENT.iter().find(|(codes, _)| known(codes)) {
        return Fault::service(name, message).help(*help);
    }
    match status {
        301 | 308 => return Fault::service(name, message).help(ELSEWHERE),
        // For a while, a new bucket is found by a detour.
        307 => return Fault::unknown(name, message).help(ELSEWHERE),
        // The answer to HEAD has no body.
        401 | 403 if code.is_empty() => return Fault::service(name, message).help(DENIED),
        _ => {}
    }
    let class = match status {
        _ if known(THROTTLES) => FaultClass::Throttle,
        429 => FaultClass::Throttle,
        _ if known(TRANSIENT) => FaultClass::Transient,
        // An answer that began well has an error of the service in its body.
        500.. | 408 | ..400 => FaultClass::Transient,
        _ if known(INVALID) || code.is_empty() => FaultClass::Service,
        _ => FaultClass::Unknown,
    };
    Fault { class, ..Fault::service(name, message) }
}

/// Whether a text holds a code that never passes by itself.
pub(super) fn says_permanent(text: &str) -> bool {
    let codes = PERMANENT.iter().flat_map(|(codes, _)| codes.iter()).chain(INVALID);
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    codes.into_iter().any(|code| words.contains(code))
}

/// An error with its causes, each once.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut at = Some(error);
    while let Some(error) = at {
        let text = error.to_string();
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        at = error.source();
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(status: u16, code: &str) -> FaultClass {
        answered("write", status, code, None).class
    }

    #[test]
    fn codes_have_classes() {
        assert_eq!(class(400, "ProvisionedThroughputExceededException"), FaultClass::Throttle);
        assert_eq!(class(503, "SlowDown"), FaultClass::Throttle);
        assert_eq!(class(500, "InternalFailure"), FaultClass::Transient);
        assert_eq!(class(409, "ConditionalRequestConflict"), FaultClass::Transient);
        assert_eq!(class(502, ""), FaultClass::Transient);
        assert_eq!(class(400, "ValidationException"), FaultClass::Service);
        assert_eq!(class(400, "SomethingNewException"), FaultClass::Unknown);
        assert_eq!(class(404, ""), FaultClass::Service);
        assert_eq!(class(403, "AccessDenied"), FaultClass::Service);
        assert_eq!(class(400, "ExpiredTokenException"), FaultClass::Service);
        assert_eq!(class(400, "ResourceNotFoundException"), FaultClass::Service);
        assert_eq!(class(404, "NoSuchUpload"), FaultClass::Transient);
        assert_eq!(class(408, ""), FaultClass::Transient);
        assert_eq!(class(200, "SomethingNew"), FaultClass::Transient);
    }

    #[test]
    fn a_bucket_elsewhere_and_a_bare_refusal_say_what_to_do() {
        for (status, code) in [(301, ""), (308, ""), (301, "PermanentRedirect"), (307, "")] {
            let fault = answered("list", status, code, None);
            let class = if status == 307 { FaultClass::Unknown } else { FaultClass::Service };
            assert_eq!(fault.class, class);
            assert!(fault.help.is_some_and(|help| help.contains("another region")), "{status}");
        }
        let malformed = answered("list", 400, "AuthorizationHeaderMalformed", None);
        assert!(malformed.help.is_some_and(|help| help.contains("another region")));
        for status in [401, 403] {
            let fault = answered("look at `s3://b/k`", status, "", None);
            assert_eq!(fault.class, FaultClass::Service);
            assert!(fault.help.is_some_and(|help| help.contains("the permission")));
        }
    }

    #[test]
    fn a_fault_says_what_where_and_what_to_do() {
        let fault = answered("write to stream `s`", 400, "ExpiredTokenException", Some("old"));
        assert_eq!(fault.message, "cannot write to stream `s`: ExpiredTokenException: old");
        assert!(fault.help.is_some_and(|help| help.contains("sign in again")));
        let fault = answered("read", 503, "", None);
        assert_eq!(fault.message, "cannot read: AWS answered with status 503");
        let signed =
            answered("read", 400, "InvalidSignatureException", Some("It differs.\n\nPOST\n/"));
        assert_eq!(signed.message, "cannot read: InvalidSignatureException: It differs.");
    }
}
