//! `http.serve`: takes records over HTTP POST and answers when they are stored.

#[allow(unused_imports)]
use dsl::ast::ResourceKind;
#[allow(unused_imports)]
use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "http.serve",
    summary: "Takes records over HTTP POST and answers when they are stored.",
    kind: NodeKind::Source,
    resource: None,
    signatures: &["-> bytes"],
    options: &[
        OptionSpec {
            name: "listen",
            ty: OptionTy::Text,
            positional: true,
            default: None,
            required: true,
            range: None,
            doc: "Address and port.",
            example: "\"127.0.0.1:8080\"",
            ..OPTION
        },
        OptionSpec {
            name: "path",
            ty: OptionTy::Text,
            positional: false,
            default: Some("\"/\""),
            required: false,
            range: None,
            doc: "The path that takes records.",
            example: "path: \"/orders\"",
            ..OPTION
        },
        OptionSpec {
            name: "body",
            ty: OptionTy::Size,
            positional: false,
            default: Some("5MiB"),
            required: false,
            range: Some((1, 1073741824)),
            doc: "The largest body.",
            example: "body: 10MiB",
            ..OPTION
        },
        OptionSpec {
            name: "connections",
            ty: OptionTy::Int,
            positional: false,
            default: Some("1024"),
            required: false,
            range: Some((1, 65536)),
            doc: "Connections at once.",
            example: "connections: 256",
            ..OPTION
        },
        OptionSpec {
            name: "header_timeout",
            ty: OptionTy::Duration,
            positional: false,
            default: Some("10s"),
            required: false,
            range: Some((1000000, 3600000000000)),
            doc: "How long a request's head may take.",
            example: "header_timeout: 5s",
            ..OPTION
        },
        OptionSpec {
            name: "idle_timeout",
            ty: OptionTy::Duration,
            positional: false,
            default: Some("60s"),
            required: false,
            range: Some((1000000, 86400000000000)),
            doc: "How long a connection may rest.",
            example: "idle_timeout: 30s",
            ..OPTION
        },
    ],
    fails: &[],
    delivery: Delivery { replays: false, holds_ack: true, idempotent: false },
    ..BLANK
};
