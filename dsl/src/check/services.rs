//! What a resource can be bound to: the functions of a profile, as data.

use crate::ast::ResourceKind;
use crate::spec::{OPTION, OptionSpec, OptionTy};

/// A binding function: `kinesis("APIData", shards: 1)`.
pub(crate) struct Service {
    /// Its word in a profile; also the id of its rule for names in the quota file.
    pub word: &'static str,
    /// As its provider writes it.
    pub title: &'static str,
    /// The kinds of resources that it can stand behind.
    pub kinds: &'static [ResourceKind],
    /// The verbs that it can do, of those that its kinds have.
    pub verbs: &'static [&'static str],
    /// Its arguments; the first is the physical name.
    pub options: &'static [OptionSpec],
    /// Arguments with a limit of the provider: the option and the limit's id.
    pub limits: &'static [(&'static str, &'static str)],
    /// A binding of a resource `{}`, to paste.
    pub example: &'static str,
}

const NAME: OptionSpec = OptionSpec {
    name: "name",
    positional: true,
    required: true,
    doc: "The physical name.",
    example: "\"orders\"",
    ..OPTION
};

const fn required(name: &'static str, doc: &'static str, example: &'static str) -> OptionSpec {
    OptionSpec { name, required: true, doc, example, ..OPTION }
}

/// An option that need not be given.
const fn optional(name: &'static str, doc: &'static str, example: &'static str) -> OptionSpec {
    OptionSpec { name, doc, example, ..OPTION }
}

/// Every binding function.
pub(crate) const SERVICES: &[Service] = &[
    Service {
        word: "kinesis",
        title: "Kinesis",
        kinds: &[ResourceKind::Stream],
        verbs: &["read", "write"],
        options: &[
            NAME,
            OptionSpec {
                name: "shards",
                ty: OptionTy::Int,
                default: Some("1"),
                range: Some((1, 1024)),
                doc: "In how many parts the stream is cut; each keeps its order.",
                example: "shards: 1",
                ..OPTION
            },
            OptionSpec {
                name: "order",
                ty: OptionTy::Choice(&["strict", "none"]),
                doc: "Whether records of one key are stored in order, whatever fails; a stream \
                      with a key keeps it unless it says `none`.",
                example: "order: \"strict\"",
                ..OPTION
            },
            OptionSpec {
                name: "pack",
                ty: OptionTy::Bool,
                doc: "Several records travel in one, in the format of the Kinesis Producer \
                      Library.",
                example: "pack: true",
                ..OPTION
            },
            OptionSpec {
                name: "from",
                doc: "Where a reader without a position begins: `trim_horizon`, `latest` or a \
                      time.",
                example: "from: \"latest\"",
                ..OPTION
            },
            OptionSpec {
                name: "fan_out",
                ty: OptionTy::Bool,
                doc: "Each reader has a throughput of its own (enhanced fan-out).",
                example: "fan_out: true",
                ..OPTION
            },
        ],
        limits: &[],
        example: "{} = kinesis(\"{}\", shards: 1)",
    },
    Service {
        word: "s3",
        title: "S3",
        kinds: &[ResourceKind::Bucket],
        verbs: &["put", "append", "read"],
        options: &[
            NAME,
            OptionSpec {
                name: "prefix",
                default: Some("\"\""),
                doc: "What every key begins with.",
                example: "prefix: \"quarantine/\"",
                ..OPTION
            },
        ],
        limits: &[],
        example: "{} = s3(\"{}\")",
    },
    Service {
        word: "firehose",
        title: "Firehose",
        kinds: &[ResourceKind::Delivery],
        verbs: &["write"],
        options: &[
            NAME,
            OptionSpec {
                name: "size",
                ty: OptionTy::Size,
                default: Some("5MiB"),
                doc: "Flushes at the latest when so much has gathered.",
                example: "size: 5MiB",
                ..OPTION
            },
            OptionSpec {
                name: "wait",
                ty: OptionTy::Duration,
                default: Some("300s"),
                doc: "Flushes at least so often.",
                example: "wait: 60s",
                ..OPTION
            },
            optional("role", "The role that fills the bucket; `flowc up` needs it.", "role: role"),
        ],
        limits: &[("size", "firehose.size"), ("wait", "firehose.wait")],
        example: "{} = firehose(\"{}\", size: 5MiB, wait: 60s)",
    },
    Service {
        word: "dynamodb",
        title: "DynamoDB",
        kinds: &[ResourceKind::Table],
        verbs: &["upsert", "get", "scan"],
        options: &[NAME],
        limits: &[],
        example: "{} = dynamodb(\"{}\")",
    },
    Service {
        word: "redshift",
        title: "Redshift",
        kinds: &[ResourceKind::Table],
        verbs: &["copy", "scan"],
        options: &[
            NAME,
            optional("workgroup", "The serverless workgroup.", "workgroup: \"analytics\""),
            optional("cluster", "Or the provisioned cluster.", "cluster: \"analytics\""),
            optional("user", "The user in the database of a cluster.", "user: \"loader\""),
            optional("secret", "A secret with user and password.", "secret: \"arn:…\""),
            required("database", "The database.", "database: \"dev\""),
            required("role", "The role that COPY takes.", "role: copy_role"),
            optional(
                "manifests",
                "Where the lists of loaded objects lie; else in their bucket.",
                "manifests: \"s3://bucket/prefix/\"",
            ),
        ],
        limits: &[],
        example: "{} = redshift(\"{}\", workgroup: \"…\", database: \"dev\", role: \"…\")",
    },
];

/// The function of that word.
pub(crate) fn find(word: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.word == word)
}

/// The first function for a kind; a table with a key is one of items, one without of rows.
pub(crate) fn for_kind(kind: ResourceKind, keyed: bool) -> Option<&'static Service> {
    let rows = kind == ResourceKind::Table && !keyed;
    SERVICES
        .iter()
        .find(|service| service.kinds.contains(&kind) && (service.verbs.contains(&"copy") == rows))
}
