//! `count`: counts what arrives, under a name in the summary.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "count",
    summary: "Counts what arrives, under a name in the summary.",
    kind: NodeKind::Sink,
    resource: None,
    signatures: &["_ ->"],
    options: &[OptionSpec {
        name: "name",
        ty: OptionTy::Text,
        positional: true,
        default: None,
        required: true,
        range: None,
        doc: "The name in the summary.",
        example: "\"processed\"",
        ..OPTION
    }],
    fails: &[],
    delivery: Delivery { replays: false, holds_ack: false, idempotent: true },
    ..BLANK
};
