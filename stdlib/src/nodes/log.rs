//! `log`: writes what arrives to the run's log, a line each.

use crate::json::encode::RowWriter;
use crate::rows::input_type;
use arrow_array::cast::AsArray;
use async_trait::async_trait;
use dsl::spec::*;
use dsl::value::Value;
use engine::batch::Rows;
use engine::ctx::NodeCtx;
use engine::fault::Fault;
use engine::node::{Sink, Written};
use engine::registry::Open;
use engine::summary::Counters;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "log",
    summary: "Writes what arrives to the run's log, a line each.",
    doc: "\
A record is written as JSON, encoded data as it is, with the flow's name in front. After `max` lines
the rest is only counted (`not shown`). What it takes is acknowledged.",
    kind: NodeKind::Sink,
    signatures: &["_ ->"],
    options: &[OptionSpec {
        name: "max",
        ty: OptionTy::Int,
        default: Some("100"),
        range: Some((1, 1_000_000)),
        doc: "Lines at most; the rest is counted.",
        example: "max: 20",
        ..OPTION
    }],
    delivery: Delivery { replays: false, holds_ack: false, idempotent: true },
    best_effort: true,
    examples: &[Example {
        title: "The first lines of a file.",
        flow: r#"
flow example : at_least_once {
  file.read("words.txt") -> text.lines -> log(max: 1)
}
"#,
        files: &[("words.txt", "tea\ncoffee\n")],
        ..EXAMPLE
    }],
    ..BLANK
};

/// How it is opened.
pub fn open() -> Open {
    Open::Sink(Box::new(|ctx| Box::pin(async move { Ok(Box::new(Log::new(&ctx)) as _) })))
}

struct Log {
    line: Arc<dyn Fn(&str) + Send + Sync>,
    flow: String,
    encoded: bool,
    max: u64,
    shown: AtomicU64,
    counters: Counters,
}

impl Log {
    fn new(ctx: &NodeCtx) -> Log {
        let max = ctx.node.options.get("max").and_then(Value::as_int).unwrap_or(100);
        Log {
            line: ctx.run.log.clone(),
            flow: ctx.plan.flows[ctx.node.flow].name.clone(),
            encoded: input_type(ctx).is_wire(),
            max: u64::try_from(max).unwrap_or(0),
            shown: AtomicU64::new(0),
            counters: ctx.counters.clone(),
        }
    }

    fn show(&self, rows: &Rows, shown: usize) {
        let records = RowWriter::new(&rows.columns);
        for row in 0..shown {
            let mut line = format!("{}: ", self.flow).into_bytes();
            if self.encoded {
                let payload = rows.columns.column(0).as_binary::<i32>();
                line.extend_from_slice(payload.value(row).trim_ascii_end());
            } else if rows.columns.num_columns() == 0 {
                line.extend_from_slice(b"done");
            } else {
                records.write(row, &mut line);
            }
            (self.line)(&String::from_utf8_lossy(&line));
        }
    }
}

#[async_trait]
impl Sink for Log {
    async fn write(&self, rows: &Rows) -> Result<Written, Fault> {
        let len = rows.len() as u64;
        let before = self.shown.fetch_add(len, Ordering::Relaxed);
        let shown = self.max.saturating_sub(before).min(len);
        self.show(rows, shown as usize);
        if shown < len {
            self.counters.add("not shown", len - shown);
        }
        Ok(Written::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsl::ty::Ty;
    use engine::testing;
    use std::sync::Mutex;

    #[tokio::test]
    async fn shows_the_first_and_counts_the_rest() {
        let mut node = testing::plan_node("log", NodeKind::Sink, Some(Ty::Bytes), None);
        node.options.insert("max".into(), Value::Int(3));
        let mut ctx = testing::node_ctx(node, vec![]);
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = lines.clone();
        ctx.run.log = Arc::new(move |line| seen.lock().unwrap().push(line.to_string()));
        let log = Log::new(&ctx);
        log.write(&testing::payload(&["a\n", "b"])).await.unwrap();
        log.write(&testing::payload(&["c", "d"])).await.unwrap();
        assert_eq!(*lines.lock().unwrap(), ["test: a", "test: b", "test: c"]);
        assert_eq!(ctx.counters.snapshot()["not shown"], 1);
    }
}
