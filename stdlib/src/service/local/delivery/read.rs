//! `delivery.read`: reads what waits in a local delivery, or in the appends to a bucket. Only the
//! hidden flow that fills the bucket has it; it cannot be written in a file.

use super::hidden_stream;
use crate::nodes::stream_read::StreamRead;
use crate::service::Services;
use dsl::spec::*;
use engine::node::Source;
use engine::registry::Open;
use std::sync::Arc;

/// What the node says of itself. Not in the list of specs: the language has no such verb.
pub const SPEC: NodeSpec = NodeSpec {
    path: "delivery.read",
    summary: "Reads what waits in a local delivery.",
    kind: NodeKind::Source,
    delivery: Delivery { replays: true, holds_ack: false, idempotent: false },
    ..BLANK
};

/// How a run opens it.
pub fn open(services: Arc<Services>) -> Open {
    Open::Source(Box::new(move |ctx| {
        let services = services.clone();
        Box::pin(async move {
            let resource = ctx.node.resource.expect("a hidden reader has a resource");
            let stream = hidden_stream(&ctx.plan.resources[resource])?;
            Ok(Box::new(StreamRead::open(&ctx, &services, &stream, true).await?) as Box<dyn Source>)
        })
    }))
}
