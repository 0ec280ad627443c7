//! `drop`: lets what arrives go, and counts it.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "drop",
    summary: "Lets what arrives go, and counts it.",
    kind: NodeKind::Sink,
    resource: None,
    signatures: &["_ ->"],
    options: &[],
    fails: &[],
    delivery: Delivery { replays: false, holds_ack: false, idempotent: true },
    ..BLANK
};
