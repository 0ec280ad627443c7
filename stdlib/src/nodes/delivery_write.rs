//! `delivery.write`: hands records to a buffered delivery, which writes them to its bucket as objects.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "delivery.write",
    summary: "Hands records to a buffered delivery, which writes them to its bucket as objects.",
    kind: NodeKind::Sink,
    resource: Some(ResourceKind::Delivery),
    signatures: &["R ->"],
    options: &[],
    fails: &[FailureSpec { code: "record_too_large", when: "a record is over 1,000 KiB" }],

    ..BLANK
};
