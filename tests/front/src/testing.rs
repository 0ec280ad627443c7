//! What the tests of services share: a request without a network.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::request::{Body, Request, Response, Service};
use crate::rules::Faults;
use crate::services::Shared;
use crate::settings::Settings;

/// A service and what it shares, asked directly.
pub struct Bench<S> {
    /// The service.
    pub service: S,
    /// Its clock and settings.
    pub shared: Arc<Shared>,
    name: &'static str,
}

impl<S: Service> Bench<S> {
    /// A service with AWS's own limits.
    pub fn new(name: &'static str, make: impl FnOnce(&Arc<Shared>) -> S) -> Bench<S> {
        let shared = Arc::new(Shared::new(Settings::default(), None, false));
        Bench { service: make(&shared), shared, name }
    }

    /// Changes a setting.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        let mut settings = self.shared.settings();
        change(&mut settings);
        self.shared.set_settings(settings);
    }

    /// The answer to a request with these members.
    pub async fn reply(&self, operation: &str, body: Value, faults: &Faults) -> Response {
        let request = Request {
            service: self.name.into(),
            operation: operation.into(),
            method: "POST".into(),
            path: "/".into(),
            region: "eu-central-1".into(),
            body: body.to_string().into(),
            ..Request::default()
        };
        self.service.call(&request, faults).await
    }

    /// The members of a right answer.
    pub async fn ask(&self, operation: &str, body: Value) -> Value {
        let reply = self.reply(operation, body, &Faults::default()).await;
        let text = String::from_utf8_lossy(reply.bytes()).into_owned();
        assert_eq!(reply.status, 200, "{operation}: {text}");
        if text.is_empty() { json!({}) } else { text.parse().expect("JSON") }
    }

    /// Code and text of a refusal.
    pub async fn refused(&self, operation: &str, body: Value) -> (String, String) {
        let reply = self.reply(operation, body, &Faults::default()).await;
        let text = String::from_utf8_lossy(reply.bytes()).into_owned();
        assert_eq!(reply.status, 400, "{operation}: {text}");
        let body: Value = text.parse().expect("JSON");
        let field = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        (field("__type"), field("message"))
    }

    /// The next part of a streamed answer.
    pub async fn part(reply: &mut Response) -> Option<bytes::Bytes> {
        match &mut reply.body {
            Body::Stream(parts) => parts.recv().await,
            Body::Bytes(_) => None,
        }
    }

    /// Moves the clock on.
    pub fn advance(&self, by_ms: i64) {
        self.shared.clock.advance(by_ms);
    }
}
