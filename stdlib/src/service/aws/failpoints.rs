//! Failpoints around each request to AWS: an interceptor of each client.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use engine::failpoint::Failpoints;

/// Hits one failpoint before each request of a client, and one when its answer has come.
#[derive(Debug)]
pub struct Around {
    failpoints: Failpoints,
    send: &'static str,
    answered: &'static str,
}

impl Around {
    /// Around the requests of one client.
    pub fn new(failpoints: &Failpoints, send: &'static str, answered: &'static str) -> Around {
        Around { failpoints: failpoints.clone(), send, answered }
    }
}

impl Intercept for Around {
    fn name(&self) -> &'static str {
        "Failpoints"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.failpoints.hit(self.send).map_err(BoxError::from)
    }

    fn read_after_transmit(
        &self,
        _: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.failpoints.hit(self.answered).map_err(BoxError::from)
    }
}
