//! `count`: counts what arrives, under a name in the summary.

use async_trait::async_trait;
use dsl::spec::*;
use dsl::value::Value;
use engine::batch::Rows;
use engine::ctx::NodeCtx;
use engine::fault::Fault;
use engine::node::{Sink, Written};
use engine::registry::Open;
use engine::summary::Counters;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "count",
    summary: "Counts what arrives, under a name in the summary.",
    doc: "\
Behind `done` it counts the source's records that are through: written by all branches, or
quarantined. What it counts is acknowledged.",
    kind: NodeKind::Sink,
    signatures: &["_ ->"],
    options: &[OptionSpec {
        name: "name",
        ty: OptionTy::Text,
        positional: true,
        required: true,
        doc: "The name in the summary.",
        example: "\"processed\"",
        ..OPTION
    }],
    delivery: Delivery { replays: false, holds_ack: false, idempotent: true },
    best_effort: true,
    examples: &[Example {
        title: "How many lines a file has.",
        flow: r#"
flow example : at_least_once {
  file.read("words.txt") -> text.lines -> count("lines")
}
"#,
        files: &[("words.txt", "tea\ncoffee\n")],
        ..EXAMPLE
    }],
    ..BLANK
};

/// How it is opened.
pub fn open() -> Open {
    Open::Sink(Box::new(|ctx| Box::pin(async move { Ok(Box::new(Count::new(&ctx)) as _) })))
}

struct Count {
    name: &'static str,
    counters: Counters,
}

impl Count {
    fn new(ctx: &NodeCtx) -> Count {
        let name = ctx.node.options.get("name").and_then(Value::as_text).unwrap_or("count");
        // Names of counters live as long as the process; a node has one.
        Count { name: String::leak(name.to_string()), counters: ctx.counters.clone() }
    }
}

#[async_trait]
impl Sink for Count {
    async fn write(&self, rows: &Rows) -> Result<Written, Fault> {
        self.counters.add(self.name, rows.len() as u64);
        Ok(Written::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::testing;

    #[tokio::test]
    async fn counts_under_its_name() {
        let mut node = testing::plan_node("count", NodeKind::Sink, None, None);
        node.options.insert("name".into(), Value::Text("processed".into()));
        let ctx = testing::node_ctx(node, vec![]);
        let count = Count::new(&ctx);
        count.write(&testing::payload(&["a", "b"])).await.unwrap();
        count.write(&testing::payload(&["c"])).await.unwrap();
        assert_eq!(ctx.counters.snapshot()["processed"], 3);
    }
}
