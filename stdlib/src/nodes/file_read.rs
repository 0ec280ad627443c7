//! `file.read`: reads a file, once, and remembers how far it has been delivered.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "file.read",
    summary: "Reads a file, once, and remembers how far it has been delivered.",
    kind: NodeKind::Source,
    resource: None,
    signatures: &["-> bytes"],
    options: &[OptionSpec {
        name: "path",
        ty: OptionTy::Path,
        positional: true,
        default: None,
        required: true,
        range: None,
        doc: "The file.",
        example: "\"data/orders.csv\"",
        ..OPTION
    }],
    fails: &[],
    delivery: Delivery { replays: true, holds_ack: false, idempotent: false },
    ..BLANK
};
