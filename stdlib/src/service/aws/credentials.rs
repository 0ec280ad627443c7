//! What it means that there are no credentials: never any, or not at this moment.

use super::errors::{chain, says_permanent};
use aws_credential_types::provider::error::CredentialsError;
use engine::fault::Fault;
use std::error::Error;

const HELP: &str =
    "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give a role";

/// The fault of a call that was not sent, for want of credentials. `what` says what was tried.
pub fn fault(what: &str, error: &(dyn Error + 'static)) -> Fault {
    let said = chain(error);
    if !passes(error) || says_permanent(&said) {
        let message = format!("cannot {what}: no credentials: {said}");
        return Fault::service("no_credentials", message).help(HELP);
    }
    let message = format!("cannot {what}: no credentials for now: {said}");
    Fault::transient("credentials_unavailable", message)
}

/// Whether an error is about credentials. The SDK has no kind of its own for it.
pub fn is_about(error: &(dyn Error + 'static)) -> bool {
    let says = |error: &(dyn Error + 'static)| {
        let text = error.to_string();
        error.is::<CredentialsError>() || text.contains("credentials") || text.contains("identity")
    };
    causes(error).any(says)
}

/// Who gives them could not do so now: STS or SSO answered with an error, or not in time.
fn passes(error: &(dyn Error + 'static)) -> bool {
    let given = causes(error).find_map(|cause| cause.downcast_ref::<CredentialsError>());
    let passing = matches!(
        given,
        Some(CredentialsError::ProviderTimedOut(_) | CredentialsError::ProviderError(_))
    );
    // A sign-in that is over is an error of the provider too.
    passing && !["expired", "Unauthorized"].iter().any(|word| chain(error).contains(word))
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

#[cfg(test)]
mod tests {
    use super::super::errors;
    use super::*;
    use aws_sdk_s3::operation::head_bucket::HeadBucketError;
    use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
    use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
    use engine::fault::FaultClass;
    use std::time::Duration;

    fn class(error: CredentialsError) -> (FaultClass, String) {
        let failure = ConnectorError::other(error.into(), None);
        let error: SdkError<HeadBucketError, HttpResponse> = SdkError::dispatch_failure(failure);
        let fault = errors::fault("look at bucket `b`", error);
        (fault.class, fault.code)
    }

    #[test]
    fn a_refresh_that_failed_once_stops_no_run() {
        let unavailable = (FaultClass::Transient, "credentials_unavailable".to_owned());
        let late = CredentialsError::provider_timed_out(Duration::from_secs(5));
        assert_eq!(class(late), unavailable);
        assert_eq!(class(CredentialsError::provider_error("503 of STS")), unavailable);
    }

    #[test]
    fn what_a_person_must_set_stops_it() {
        let none = (FaultClass::Service, "no_credentials".to_owned());
        assert_eq!(class(CredentialsError::not_loaded("none")), none);
        assert_eq!(class(CredentialsError::invalid_configuration("no such profile")), none);
        for said in ["unhandled error (AccessDenied)", "the SSO token has expired"] {
            assert_eq!(class(CredentialsError::provider_error(said)), none, "{said}");
        }
    }
}
