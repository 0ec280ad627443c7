//! `base64.decode`: takes the base64 layer off.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "base64.decode",
    summary: "Takes the base64 layer off.",
    kind: NodeKind::Transform,
    resource: None,
    signatures: &["base64<W> -> W", "bytes -> bytes"],
    options: &[],
    fails: &[FailureSpec { code: "base64", when: "it is not base64" }],

    ..BLANK
};
