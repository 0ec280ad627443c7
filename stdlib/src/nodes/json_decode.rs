//! `json.decode`: turns JSON objects into records.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "json.decode",
    summary: "Turns JSON objects into records.",
    kind: NodeKind::Transform,
    resource: None,
    signatures: &["json<T> -> T", "bytes -> claim"],
    options: &[OptionSpec {
        name: "lenient",
        ty: OptionTy::Bool,
        positional: false,
        default: Some("false"),
        required: false,
        range: None,
        doc: "Numbers become text and text numbers where the type says so; names match without case.",
        example: "lenient: true",
        ..OPTION
    }],
    fails: &[
        FailureSpec { code: "json_syntax", when: "it is not JSON" },
        FailureSpec { code: "json_value", when: "a field is missing or not of its type" },
    ],
    claim: ClaimSpec::Optional,
    ..BLANK
};
