//! `text.lines`: cuts text into its lines.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "text.lines",
    summary: "Cuts text into its lines.",
    kind: NodeKind::Transform,
    resource: None,
    signatures: &["ndjson<T> -> json<T>", "bytes -> text"],
    options: &[],
    fails: &[],

    ..BLANK
};
