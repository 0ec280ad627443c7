//! `map`: makes a new record of each record.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "map",
    summary: "Makes a new record of each record.",
    kind: NodeKind::Transform,
    resource: None,
    signatures: &["T -> record"],
    options: &[],
    fails: &[],
    body: BodySpec::Required,
    ..BLANK
};
