//! `table.upsert`: merges fields into the item of each record's key.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "table.upsert",
    summary: "Merges fields into the item of each record's key.",
    kind: NodeKind::Sink,
    resource: Some(ResourceKind::Table),
    signatures: &["R ->"],
    options: &[],
    fails: &[
        FailureSpec { code: "item_too_large", when: "an item is over 400 KB" },
        FailureSpec { code: "key_empty", when: "a key is empty" },
    ],
    body: BodySpec::Record,
    delivery: Delivery { replays: false, holds_ack: false, idempotent: true },
    ..BLANK
};
