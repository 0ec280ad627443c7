//! `base64.encode`: puts a base64 layer on.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "base64.encode",
    summary: "Puts a base64 layer on.",
    kind: NodeKind::Transform,
    resource: None,
    signatures: &["W -> base64<W>"],
    options: &[],
    fails: &[],

    ..BLANK
};
