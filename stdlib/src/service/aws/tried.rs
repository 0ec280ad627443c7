//! Calls that may be repeated, outside of the drivers of a run: until there is an answer.

use super::errors;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use engine::fault::{Fault, FaultClass};
use std::error::Error;
use std::time::Duration;

/// Times that a call is tried which may pass.
const TRIES: u32 = 8;

/// Tries a call that changes nothing, or the same when it is repeated, until it gets an answer or
/// cannot pass. `what` says what is tried, such as `list bucket `b``.
///
/// # Errors
/// The last fault.
pub async fn tried<T, E, F>(what: &str, mut call: impl FnMut() -> F) -> Result<T, Fault>
where
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    E: ProvideErrorMetadata + Error + 'static,
{
    let mut tried = 0;
    loop {
        let fault = match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => errors::fault(what, error),
        };
        tried += 1;
        if fault.class == FaultClass::Service || tried == TRIES {
            return Err(fault);
        }
        let ceiling_ms = (50u64 << tried).min(5_000);
        let jitter = Duration::from_millis(fastrand::u64(0..=ceiling_ms));
        tokio::time::sleep(fault.retry_after.unwrap_or(jitter)).await;
    }
}
