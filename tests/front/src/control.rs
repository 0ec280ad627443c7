//! What tests ask the front itself, below `/_front/`: rules, counters, clock, settings, reset.

use bytes::Bytes;
use hyper::http::request::Parts;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::request::Response;
use crate::server::Core;
use crate::settings::Settings;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    #[serde(default)]
    advance_ms: i64,
    skew_ms: Option<i64>,
}

fn reply(status: u16, body: &Value) -> Response {
    Response::new(status, body.to_string()).header("content-type", "application/json")
}

fn bad(text: &str) -> Response {
    reply(400, &json!({"error": text}))
}

/// The settings with those of the body in their place.
fn changed(now: &Settings, body: &[u8]) -> Result<Settings, String> {
    let mut all = json!(now);
    let new: serde_json::Map<String, Value> =
        serde_json::from_slice(body).map_err(|error| error.to_string())?;
    new.into_iter().for_each(|(name, value)| all[name] = value);
    serde_json::from_value(all).map_err(|error| error.to_string())
}

/// Answers `rules`, `calls`, `reset`, `clock`, `settings` and `health`.
pub(crate) fn answer(parts: &Parts, body: &Bytes, core: &Core) -> Response {
    let shared = &core.shared;
    match (parts.method.as_str(), parts.uri.path()) {
        ("POST", "/_front/rules") => match shared.rules.set(body) {
            Ok(rules) => reply(200, &json!({"rules": rules})),
            Err(error) => bad(&error),
        },
        ("GET", "/_front/rules") => reply(200, &json!(shared.rules.hits())),
        ("GET", "/_front/calls") => reply(200, &shared.calls.json()),
        ("POST", "/_front/reset") => {
            core.reset();
            reply(200, &json!({}))
        }
        ("POST", "/_front/clock") => match serde_json::from_slice::<Move>(body) {
            Ok(to) => {
                if let Some(skew_ms) = to.skew_ms {
                    shared.clock.set_skew(skew_ms);
                }
                shared.clock.advance(to.advance_ms);
                reply(200, &json!({"now_ms": shared.clock.now_ms()}))
            }
            Err(error) => bad(&format!("{error}: {{\"advance_ms\": 1000}} is meant")),
        },
        ("GET", "/_front/settings") => reply(200, &json!(shared.settings())),
        ("POST", "/_front/settings") => match changed(&shared.settings(), body) {
            Ok(settings) => {
                shared.set_settings(settings);
                reply(200, &json!(shared.settings()))
            }
            Err(error) => bad(&error),
        },
        ("GET", "/_front/health") => reply(200, &json!({"ok": true})),
        (method, path) => reply(404, &json!({"error": format!("there is no {method} {path}")})),
    }
}
