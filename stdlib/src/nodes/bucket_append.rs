//! `bucket.append`: stores records as objects of lines, named by time and id.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "bucket.append",
    summary: "Stores records as objects of lines, named by time and id.",
    kind: NodeKind::Sink,
    resource: Some(ResourceKind::Bucket),
    signatures: &["R ->"],
    options: &[],
    fails: &[],

    ..BLANK
};
