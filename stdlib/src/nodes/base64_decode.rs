//! `base64.decode`: takes the base64 layer off.

use arrow_array::cast::AsArray;
use arrow_array::{Array, BinaryArray, BooleanArray, RecordBatch};
use arrow_schema::SchemaRef;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dsl::spec::*;
use dsl::ty::Ty;
use engine::batch::Rows;
use engine::fault::{Fault, RowFault};
use engine::node::{Output, Transform};
use engine::registry::Open;
use engine::schema::arrow_schema;
use std::sync::Arc;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "base64.decode",
    summary: "Takes the base64 layer off.",
    doc: "\
The standard alphabet with padding, as RFC 4648 has it; nothing else is taken, no line break either.
Directly behind a stream's reader the planner elides it where the runtime already holds the raw
bytes: it is drawn, and costs nothing.",
    kind: NodeKind::Transform,
    signatures: &["base64<W> -> W", "bytes -> bytes"],
    fails: &[FailureSpec { code: "base64", when: "it is not base64" }],
    examples: &[Example {
        title: "Lines of base64 in a file.",
        flow: r#"
flow example : at_least_once {
  file.read("words.txt") -> text.lines -> base64.decode -> log
  errors -> log
}
"#,
        files: &[("words.txt", "dGVh\nY29mZmVl\n")],
        ..EXAMPLE
    }],
    ..BLANK
};

/// How it is opened.
pub fn open() -> Open {
    Open::Transform(Box::new(|ctx| {
        let schema = arrow_schema(&Ty::Bytes);
        Ok(Box::new(Base64Decode { schema, elided: ctx.node.elided }))
    }))
}

#[derive(Clone)]
struct Base64Decode {
    schema: SchemaRef,
    elided: bool,
}

impl Transform for Base64Decode {
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        if self.elided {
            let columns = rows.columns.clone();
            out.send(&rows, columns);
            return Ok(());
        }
        let encoded: &BinaryArray = rows.columns.column(0).as_binary();
        let mut bytes = Vec::with_capacity(encoded.value_data().len() / 4 * 3);
        let mut ends = Vec::with_capacity(encoded.len() + 1);
        ends.push(0);
        let mut faults = Vec::new();
        for (row, text) in encoded.iter().flatten().enumerate() {
            let start = bytes.len();
            match STANDARD.decode_vec(text, &mut bytes) {
                Ok(()) => ends.push(crate::json::encode::offset(bytes.len())),
                Err(error) => {
                    bytes.truncate(start);
                    faults.push(fault(row, text, &error));
                }
            }
        }
        let payload = crate::json::encode::payload(bytes, ends);
        let columns = RecordBatch::try_new(self.schema.clone(), vec![Arc::new(payload)]);
        let columns = columns.expect("one column of payload");
        if faults.is_empty() {
            out.send(&rows, columns);
            return Ok(());
        }
        let mut kept = vec![true; rows.len()];
        faults.iter().for_each(|fault| kept[fault.row] = false);
        out.send_kept(&rows, &BooleanArray::from(kept), columns);
        out.fail(faults);
        Ok(())
    }

    fn another(&self) -> Option<Box<dyn Transform>> {
        Some(Box::new(self.clone()))
    }
}

fn fault(row: usize, text: &[u8], error: &base64::DecodeError) -> RowFault {
    let message = format!("no base64: {error}");
    RowFault { row, code: "base64", message, payload: text.to_vec(), meta: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::testing;

    fn node(elided: bool) -> Base64Decode {
        Base64Decode { schema: arrow_schema(&Ty::Bytes), elided }
    }

    #[test]
    fn strict_and_row_by_row() {
        let rows = testing::payload(&["dGVh", "dGVh\n", "dGV", "dGV=", "", "/+8="]);
        let seen = testing::apply(&mut node(false), rows).unwrap();
        assert_eq!(seen.payloads(None), [&b"tea"[..], b"", b"\xff\xef"]);
        assert_eq!(seen.failed.iter().map(|fault| fault.row).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(seen.failed[0].payload, b"dGVh\n");
        assert_eq!(seen.rows(None).unwrap().ids.seqs().collect::<Vec<_>>(), [0, 4, 5]);
    }

    #[test]
    fn elided_it_passes_rows_through() {
        let seen = testing::apply(&mut node(true), testing::payload(&["{}"])).unwrap();
        assert_eq!(seen.payloads(None), [b"{}"]);
    }
}
