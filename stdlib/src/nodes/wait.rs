//! `wait`: the policy that every edge has by itself, said.

use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "wait",
    summary: "Says that a slow branch holds up the others, which it does by itself.",
    doc: "\
Where records are copied to several branches, the next ones are read when all branches have room for
them: the slowest sets the pace, and nothing is lost. `wait` changes nothing; it says that this is
meant. The other policies are `spill`, a buffer on disk, and `shed`, which drops.",
    kind: NodeKind::Transform,
    signatures: &["T -> T", "W -> W"],
    examples: &[Example {
        title: "Both files get each line at the same pace.",
        flow: r#"
flow example : at_least_once {
  let line = file.read("words.txt") -> text.lines
  line -> file.write("copy.txt")
  line -> wait -> file.write("slow.txt")
}
"#,
        files: &[("words.txt", "tea\ncoffee\n")],
        ..EXAMPLE
    }],
    ..BLANK
};
