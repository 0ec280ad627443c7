//! `where`: lets the records through for which a condition holds.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "where",
    summary: "Lets the records through for which a condition holds.",
    kind: NodeKind::Transform,
    resource: None,
    signatures: &["T -> T"],
    options: &[],
    fails: &[],
    body: BodySpec::Condition,
    ports: &[PortSpec { name: "rejected", doc: "the records for which it does not hold" }],
    ..BLANK
};
