//! `stream.write`: appends records to the stream.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "stream.write",
    summary: "Appends records to the stream.",
    kind: NodeKind::Sink,
    resource: Some(ResourceKind::Stream),
    signatures: &["R ->"],
    options: &[],
    fails: &[
        FailureSpec { code: "record_too_large", when: "a record is over 1 MiB" },
        FailureSpec {
            code: "partition_key",
            when: "the partition key is empty or over 256 characters",
        },
    ],

    ..BLANK
};
