//! What the binding of a stream says.

use crate::service::aws::event_id::takes_id;
use crate::service::physical_name;
use dsl::ast::ResourceKind;
use dsl::plan::{Plan, PlanResource};
use dsl::value::Value;
use engine::fault::Fault;
use std::collections::BTreeMap;

/// How records of one key are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// A key has at most one entry that is not acknowledged.
    Strict,
    /// As they come; a record that failed may be overtaken.
    None,
}

/// Where a reader without a position begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// With the oldest record.
    TrimHorizon,
    /// With what comes from now on.
    Latest,
    /// With the first record at or after this time, milliseconds since 1970 UTC.
    At(i64),
}

/// A stream's binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// How it is written.
    pub order: Order,
    /// Several records travel in one.
    pub pack: bool,
    /// Where a new reader begins.
    pub from: From,
    /// Readers have a throughput of their own.
    pub fan_out: bool,
    /// Its records carry event ids.
    pub event_ids: bool,
}

impl StreamOptions {
    /// Those of all streams that a plan binds, by physical name.
    ///
    /// # Errors
    /// `from` is no place in a stream.
    pub fn of(plan: &Plan) -> Result<BTreeMap<String, StreamOptions>, Fault> {
        let mut streams = BTreeMap::new();
        for resource in &plan.resources {
            if resource.kind == ResourceKind::Stream && resource.binding.is_some() {
                let name = physical_name(resource)?.to_owned();
                streams.entry(name).or_insert(StreamOptions::new(resource)?);
            }
        }
        Ok(streams)
    }

    fn new(resource: &PlanResource) -> Result<StreamOptions, Fault> {
        let option = |name: &str| resource.binding.as_ref()?.options.get(name);
        let flag = |name: &str| option(name).and_then(Value::as_bool).unwrap_or(false);
        let order = match option("order").and_then(Value::as_text) {
            Some("none") => Order::None,
            Some(_) => Order::Strict,
            None if resource.key.is_empty() => Order::None,
            None => Order::Strict,
        };
        let from = option("from").and_then(Value::as_text).unwrap_or("trim_horizon");
        Ok(StreamOptions {
            order,
            pack: flag("pack"),
            from: From::parse(from).ok_or_else(|| no_place(resource, from))?,
            fan_out: flag("fan_out"),
            event_ids: takes_id(&resource.ty),
        })
    }
}

impl From {
    /// `trim_horizon`, `latest` or an instant of RFC 3339.
    pub fn parse(text: &str) -> Option<From> {
        match text {
            "trim_horizon" => Some(From::TrimHorizon),
            "latest" => Some(From::Latest),
            instant => {
                let instant = chrono::DateTime::parse_from_rfc3339(instant).ok()?;
                Some(From::At(instant.timestamp_millis()))
            }
        }
    }
}

fn no_place(resource: &PlanResource, from: &str) -> Fault {
    let message = format!("stream `{}` cannot be read from `{from}`", resource.name);
    Fault::service("stream_from", message)
        .help("write `from: \"trim_horizon\"`, `\"latest\"` or `\"2026-01-01T00:00:00Z\"`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_begins_at_a_place() {
        assert_eq!(From::parse("trim_horizon"), Some(From::TrimHorizon));
        assert_eq!(From::parse("latest"), Some(From::Latest));
        let at = From::parse("2026-01-01T00:00:00.250Z");
        assert_eq!(at, Some(From::At(1_767_225_600_250)));
        assert_eq!(From::parse("yesterday"), None);
    }
}
