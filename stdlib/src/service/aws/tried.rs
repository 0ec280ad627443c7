//! Calls that may be repeated, outside of the drivers of a run: until there is an answer.

use super::errors;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use engine::ctx::{Clock, SystemClock};
use engine::fault::{Fault, FaultClass};
use engine::retry::{Backoff, Pace};
use std::error::Error;
use std::time::Duration;

/// Eight tries of a call that may pass.
const PACE: Pace = Pace {
    wait_first: Duration::from_millis(100),
    wait_max: Duration::from_secs(5),
    retry_for: Duration::from_secs(600),
    tries_max: 8,
};

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
    let clock = SystemClock::new();
    let mut backoff = Backoff::at(fastrand::u64(..), PACE);
    loop {
        let fault = match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => errors::fault(what, error),
        };
        // Who asked may find the record.
        if fault.class == FaultClass::Records {
            return Err(fault);
        }
        clock.sleep(backoff.next(fault, clock.now_ns())?).await;
    }
}
