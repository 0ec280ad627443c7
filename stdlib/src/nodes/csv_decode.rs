//! `csv.decode`: turns CSV into records, by the names in its header.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "csv.decode",
    summary: "Turns CSV into records, by the names in its header.",
    kind: NodeKind::Transform,
    resource: None,
    signatures: &["bytes -> claim"],
    options: &[
        OptionSpec {
            name: "encoding",
            ty: OptionTy::Choice(&["utf-8", "latin-1", "windows-1252"]),
            positional: false,
            default: Some("\"utf-8\""),
            required: false,
            range: None,
            doc: "The encoding of the bytes.",
            example: "encoding: \"latin-1\"",
            ..OPTION
        },
        OptionSpec {
            name: "timestamp",
            ty: OptionTy::Text,
            positional: false,
            default: None,
            required: false,
            range: None,
            doc: "The strftime format of timestamps; RFC 3339 without it.",
            example: "timestamp: \"%m/%d/%Y %H:%M\"",
            ..OPTION
        },
        OptionSpec {
            name: "zone",
            ty: OptionTy::Text,
            positional: false,
            default: Some("\"UTC\""),
            required: false,
            range: None,
            doc: "The time zone of timestamps that name none.",
            example: "zone: \"Europe/London\"",
            ..OPTION
        },
        OptionSpec {
            name: "null",
            ty: OptionTy::Text,
            positional: false,
            default: Some("\"\""),
            required: false,
            range: None,
            doc: "The text that means null, in an unquoted field.",
            example: "null: \"NA\"",
            ..OPTION
        },
        OptionSpec {
            name: "delimiter",
            ty: OptionTy::Text,
            positional: false,
            default: Some("\",\""),
            required: false,
            range: None,
            doc: "One character between fields.",
            example: "delimiter: \";\"",
            ..OPTION
        },
    ],
    fails: &[
        FailureSpec { code: "csv_fields", when: "a row has too few or too many fields" },
        FailureSpec { code: "csv_value", when: "a field is not of its type" },
        FailureSpec { code: "csv_encoding", when: "bytes are not in the encoding" },
        FailureSpec { code: "csv_quote", when: "a quote is never closed" },
    ],
    claim: ClaimSpec::Required,
    ..BLANK
};
