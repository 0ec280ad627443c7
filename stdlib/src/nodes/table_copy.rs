//! `table.copy`: loads objects into the table, each once.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "table.copy",
    summary: "Loads objects into the table, each once.",
    kind: NodeKind::Sink,
    resource: Some(ResourceKind::Table),
    signatures: &["object<ndjson<R>> ->", "object<csv<R>> ->"],
    options: &[],
    fails: &[FailureSpec { code: "load", when: "a line is not a row of the table" }],
    delivery: Delivery { replays: false, holds_ack: false, idempotent: true },
    ..BLANK
};
