//! `shed`: drops what a slow branch has no room for, so that it never holds up the others.

use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "shed",
    summary: "Drops what a slow branch has no room for, and never holds up the others.",
    doc: "\
Best effort: what goes in is acknowledged at once, so neither its source nor the other branches wait
for what is behind. A batch that finds the branch full is dropped whole and counted (`shed` in the
summary); a notice says how many, at most every 10 seconds. What is under way behind it when the
process is killed is gone too.

So it may stand where everything behind it is best effort: before `log`, `count` and `drop`, or in a
flow that promises `at_most_once`. It takes records, one by one: it stands behind the decoder, as a
file with a hole in it cannot be decoded.",
    kind: NodeKind::Transform,
    signatures: &["T -> T", "W -> W"],
    examples: &[Example {
        title: "The file gets every line, the log those that it can show.",
        flow: r#"
flow example : at_least_once {
  let line = file.read("words.txt") -> text.lines
  line -> file.write("copy.txt")
  line -> shed -> log(max: 1)
}
"#,
        files: &[("words.txt", "tea\ncoffee\n")],
        ..EXAMPLE
    }],
    ..BLANK
};
