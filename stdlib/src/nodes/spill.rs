//! `spill`: a buffer on disk between a branch and its siblings.

use dsl::spec::*;

/// The smallest buffer: some segments of some batches.
const SIZE_MIN: i64 = 1 << 20;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "spill",
    summary: "Buffers records on disk, so that a slow branch does not hold up the others.",
    doc: "\
Records are appended to a log on disk, and acknowledged when they are durable there: for the source
they are through. What is behind reads the log at its own pace, from a position of its own, and goes
on there after a crash. So it is an acknowledgement boundary: `done` comes when the records are in
the buffer, and whoever loses the disk loses what is in it.

Rows keep their ids and their order, so that sinks behind it still recognise what they have stored.
`size` is what the log may take on the disk. When it is full, or the disk is, the branch waits and
holds up the others, as without it; nothing is dropped. What was read and stored is deleted. Rows
that cannot be read any more (a damaged disk) are told and counted, and the rest goes on.

It takes records, one by one: it stands behind the decoder and before `batch`. The log of an
emulated profile is in its `dir`; another profile says where: `spill = \"/var/lib/shop\"`. A buffer
belongs to the sinks behind it: change the flow only when it is empty.",
    kind: NodeKind::Transform,
    signatures: &["T -> T", "W -> W"],
    options: &[OptionSpec {
        name: "size",
        ty: OptionTy::Size,
        positional: true,
        required: true,
        range: Some((SIZE_MIN, 1 << 44)),
        doc: "Bytes on disk at most.",
        example: "10GiB",
        ..OPTION
    }],
    examples: &[Example {
        title: "The copy is written at once, the other file when there is time.",
        flow: r#"
flow example : at_least_once {
  let line = file.read("words.txt") -> text.lines
  line -> file.write("copy.txt")
  line -> spill(16MiB) -> file.write("slow.txt")
}
"#,
        files: &[("words.txt", "tea\ncoffee\n")],
        ..EXAMPLE
    }],
    ..BLANK
};
