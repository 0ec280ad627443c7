//! `log`: writes what arrives to the run's log, a line each.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "log",
    summary: "Writes what arrives to the run's log, a line each.",
    kind: NodeKind::Sink,
    resource: None,
    signatures: &["_ ->"],
    options: &[OptionSpec {
        name: "max",
        ty: OptionTy::Int,
        positional: false,
        default: Some("100"),
        required: false,
        range: Some((1, 1000000)),
        doc: "Lines at most; the rest is counted.",
        example: "max: 20",
        ..OPTION
    }],
    fails: &[],
    delivery: Delivery { replays: false, holds_ack: false, idempotent: true },
    ..BLANK
};
