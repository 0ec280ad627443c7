//! `bucket.put`: stores each batch as one object.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "bucket.put",
    summary: "Stores each batch as one object.",
    kind: NodeKind::Sink,
    resource: Some(ResourceKind::Bucket),
    signatures: &["batch<_> ->", "R ->"],
    options: &[OptionSpec {
        name: "key",
        ty: OptionTy::Template,
        positional: false,
        default: None,
        required: true,
        range: None,
        doc: "The object's name.",
        example: "key: \"{batch.id}.txt\"",
        ..OPTION
    }],
    fails: &[FailureSpec { code: "store", when: "after its retries" }],
    delivery: Delivery { replays: false, holds_ack: false, idempotent: true },
    ..BLANK
};
