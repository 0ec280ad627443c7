//! `batch`: gathers records; the first limit that is reached closes the batch.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "batch",
    summary: "Gathers records; the first limit that is reached closes the batch.",
    kind: NodeKind::Transform,
    resource: None,
    signatures: &["T -> batch<T>", "W -> batch<W>"],
    options: &[
        OptionSpec {
            name: "max",
            ty: OptionTy::Int,
            positional: false,
            default: None,
            required: false,
            range: Some((1, 1000000)),
            doc: "Records at most.",
            example: "max: 500",
            ..OPTION
        },
        OptionSpec {
            name: "size",
            ty: OptionTy::Size,
            positional: false,
            default: None,
            required: false,
            range: Some((1, 1073741824)),
            doc: "Payload bytes at most.",
            example: "size: 4MiB",
            ..OPTION
        },
        OptionSpec {
            name: "wait",
            ty: OptionTy::Duration,
            positional: false,
            default: None,
            required: false,
            range: Some((0, 86400000000000)),
            doc: "How long the first record may wait.",
            example: "wait: 60s",
            ..OPTION
        },
    ],
    fails: &[],

    ..BLANK
};
