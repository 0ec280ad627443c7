//! `bucket.read`: sends each object once, in order of arrival, and follows new ones.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "bucket.read",
    summary: "Sends each object once, in order of arrival, and follows new ones.",
    kind: NodeKind::Source,
    resource: Some(ResourceKind::Bucket),
    signatures: &["-> object<R>"],
    options: &[OptionSpec {
        name: "prefix",
        ty: OptionTy::Text,
        positional: false,
        default: Some("\"\""),
        required: false,
        range: None,
        doc: "Only names that begin so.",
        example: "prefix: \"2026/\"",
        ..OPTION
    }],
    fails: &[],
    delivery: Delivery { replays: true, holds_ack: false, idempotent: false },
    ..BLANK
};
