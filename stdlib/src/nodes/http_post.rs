//! `http.post`: posts records to an HTTP server, many in one request, as lines of JSON.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "http.post",
    summary: "Posts records to an HTTP server, many in one request, as lines of JSON.",
    kind: NodeKind::Sink,
    resource: None,
    signatures: &["json<T> ->"],
    options: &[
        OptionSpec {
            name: "url",
            ty: OptionTy::Text,
            positional: true,
            default: None,
            required: true,
            range: None,
            doc: "Where to.",
            example: "\"http://127.0.0.1:8080/orders\"",
            ..OPTION
        },
        OptionSpec {
            name: "batch",
            ty: OptionTy::Int,
            positional: false,
            default: Some("500"),
            required: false,
            range: Some((1, 100000)),
            doc: "Records in one request at most.",
            example: "batch: 500",
            ..OPTION
        },
        OptionSpec {
            name: "timeout",
            ty: OptionTy::Duration,
            positional: false,
            default: Some("5s"),
            required: false,
            range: Some((1000000, 3600000000000)),
            doc: "How long one try may take.",
            example: "timeout: 5s",
            ..OPTION
        },
        OptionSpec {
            name: "retry_for",
            ty: OptionTy::Duration,
            positional: false,
            default: Some("5min"),
            required: false,
            range: Some((0, 86400000000000)),
            doc: "How long to try again before the node fails.",
            example: "retry_for: 10min",
            ..OPTION
        },
        OptionSpec {
            name: "concurrency",
            ty: OptionTy::Int,
            positional: false,
            default: Some("4"),
            required: false,
            range: Some((1, 256)),
            doc: "Requests under way at once.",
            example: "concurrency: 8",
            ..OPTION
        },
    ],
    fails: &[FailureSpec {
        code: "http_refused",
        when: "the server refuses the record (400, 413, 415)",
    }],

    ..BLANK
};
