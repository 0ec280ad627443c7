//! `drop`: lets what arrives go, and counts it.

use dsl::spec::*;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "drop",
    summary: "Lets what arrives go, and counts it.",
    doc: "\
The visible word for giving records up: they are acknowledged, counted in the summary, and gone.",
    kind: NodeKind::Sink,
    signatures: &["_ ->"],
    delivery: Delivery { replays: false, holds_ack: false, idempotent: true },
    best_effort: true,
    examples: &[Example {
        title: "Only the good lines matter.",
        flow: r#"
type Line = { no: text, quantity: int }

flow example : at_least_once {
  file.read("lines.csv") -> csv.decode as Line -> count("lines")
  errors -> drop
}
"#,
        files: &[("lines.csv", "no,quantity\n536365,6\n536366,six\n")],
        ..EXAMPLE
    }],
    ..BLANK
};
