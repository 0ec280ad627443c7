//! `batch`: gathers records; the first limit that is reached closes the batch.

use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "batch",
    summary: "Gathers records; the first limit that is reached closes the batch.",
    doc: "\
Records of one partition (a shard, a file) are gathered in order. `max`, `size` or `wait`, whichever
comes first, closes the batch; so do the end of the input and a stop of the run. At least one of
them must be given.

Behind it `batch.id`, `batch.time`, `batch.count` and `batch.size` are in scope until the batch is
consumed (`put`, `text.join`). They are the same when the same records are read again after a crash:
a batch that the clock has closed is remembered before it is sent. So an object whose key is made of
them is written once.",
    kind: NodeKind::Transform,
    signatures: &["T -> batch<T>", "W -> batch<W>"],
    options: &[
        OptionSpec {
            name: "max",
            ty: OptionTy::Int,
            range: Some((1, 1_000_000)),
            doc: "Records at most.",
            example: "max: 500",
            ..OPTION
        },
        OptionSpec {
            name: "size",
            ty: OptionTy::Size,
            range: Some((1, 1 << 30)),
            doc: "Payload bytes at most.",
            example: "size: 4MiB",
            ..OPTION
        },
        OptionSpec {
            name: "wait",
            ty: OptionTy::Duration,
            range: Some((0, 86_400_000_000_000)),
            doc: "How long the first record may wait.",
            example: "wait: 60s",
            ..OPTION
        },
    ],
    examples: &[Example {
        title: "Two lines to an object.",
        flow: r#"
bucket lake : text

profile aws {
  lake = s3("example-lake")
}

profile local = emulate(aws, dir: "out")

flow example : at_least_once {
  file.read("words.txt")
    -> text.lines
    -> batch(max: 2, wait: 60s)
    -> text.join("\n")
    -> lake.put(key: "{batch.id}.txt")
  errors -> log
}
"#,
        files: &[("words.txt", "tea\ncoffee\nmilk\n")],
        ..EXAMPLE
    }],
    ..BLANK
};
