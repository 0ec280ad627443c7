//! `stream.read`: reads the stream from where this flow left off, and follows it.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "stream.read",
    summary: "Reads the stream from where this flow left off, and follows it.",
    kind: NodeKind::Source,
    resource: Some(ResourceKind::Stream),
    signatures: &["-> base64<R>"],
    options: &[],
    fails: &[],
    delivery: Delivery { replays: true, holds_ack: false, idempotent: false },
    ..BLANK
};
