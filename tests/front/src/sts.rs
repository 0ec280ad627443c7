//! STS: who am I. The query protocol, answers in XML.

use async_trait::async_trait;

use crate::ACCOUNT;
use crate::request::{Request, Response, Service};
use crate::rules::Faults;
use crate::wire;

/// Answers GetCallerIdentity.
pub struct Sts;

#[async_trait]
impl Service for Sts {
    async fn call(&self, request: &Request, _: &Faults) -> Response {
        if request.operation != "GetCallerIdentity" {
            let text = format!("Could not find operation {}", request.operation);
            return wire::error(request, 400, "InvalidAction", &text);
        }
        let body = format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <GetCallerIdentityResult><Arn>arn:aws:iam::{ACCOUNT}:user/test</Arn>\
             <UserId>AIDATESTTESTTESTTEST</UserId><Account>{ACCOUNT}</Account>\
             </GetCallerIdentityResult><ResponseMetadata><RequestId>{}</RequestId>\
             </ResponseMetadata></GetCallerIdentityResponse>",
            request.id
        );
        Response::new(200, body).header("content-type", "text/xml")
    }
}
