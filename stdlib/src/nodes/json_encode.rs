//! `json.encode`: turns records into JSON objects.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "json.encode",
    summary: "Turns records into JSON objects.",
    kind: NodeKind::Transform,
    resource: None,
    signatures: &["T -> json<T>"],
    options: &[],
    fails: &[],

    ..BLANK
};
