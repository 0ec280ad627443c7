//! `route`: sends each record to the first arm whose condition holds, once.

use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "route",
    summary: "Sends each record to the first arm whose condition holds, once.",
    kind: NodeKind::Transform,
    signatures: &["T -> T"],
    ..BLANK
};
