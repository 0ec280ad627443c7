//! `text.join`: joins the texts of a batch into one.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "text.join",
    summary: "Joins the texts of a batch into one.",
    kind: NodeKind::Transform,
    resource: None,
    signatures: &["batch<json<T>> -> ndjson<T>", "batch<text> -> text"],
    options: &[OptionSpec {
        name: "separator",
        ty: OptionTy::Text,
        positional: true,
        default: Some("\"\\n\""),
        required: false,
        range: None,
        doc: "What stands between two texts; the last is followed by it when it is a line break.",
        example: "\"\\n\"",
        ..OPTION
    }],
    fails: &[],

    ..BLANK
};
