//! `base64.encode`: puts a base64 layer on.

use arrow_array::cast::AsArray;
use arrow_array::{Array, BinaryArray, RecordBatch};
use arrow_schema::SchemaRef;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dsl::spec::*;
use dsl::ty::Ty;
use engine::batch::Rows;
use engine::fault::Fault;
use engine::node::{Output, Transform};
use engine::registry::Open;
use engine::schema::arrow_schema;
use std::sync::Arc;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "base64.encode",
    summary: "Puts a base64 layer on.",
    doc: "The standard alphabet with padding, as RFC 4648 has it, without line breaks.",
    kind: NodeKind::Transform,
    signatures: &["W -> base64<W>"],
    examples: &[Example {
        title: "Lines of a file in base64.",
        flow: r#"
flow example : at_least_once {
  file.read("words.txt") -> text.lines -> base64.encode -> log
}
"#,
        files: &[("words.txt", "tea\ncoffee\n")],
        ..EXAMPLE
    }],
    ..BLANK
};

/// How it is opened.
pub fn open() -> Open {
    Open::Transform(Box::new(|_| Ok(Box::new(Base64Encode { schema: arrow_schema(&Ty::Bytes) }))))
}

/// Each payload in base64.
pub fn encode(payloads: &BinaryArray) -> BinaryArray {
    let sizes = payloads.iter().flatten().map(|bytes| bytes.len().div_ceil(3) * 4);
    let mut text = vec![0; sizes.sum()];
    let mut ends = Vec::with_capacity(payloads.len() + 1);
    ends.push(0);
    let mut end = 0;
    for bytes in payloads.iter().flatten() {
        let written = STANDARD.encode_slice(bytes, &mut text[end..]);
        end += written.expect("there is room for four characters for three bytes");
        ends.push(crate::json::encode::offset(end));
    }
    crate::json::encode::payload(text, ends)
}

#[derive(Clone)]
struct Base64Encode {
    schema: SchemaRef,
}

impl Transform for Base64Encode {
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        let payload = encode(rows.columns.column(0).as_binary());
        let columns = RecordBatch::try_new(self.schema.clone(), vec![Arc::new(payload)]);
        out.send(&rows, columns.expect("one column of payload"));
        Ok(())
    }

    fn another(&self) -> Option<Box<dyn Transform>> {
        Some(Box::new(self.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::testing;

    #[test]
    fn with_padding() {
        let mut node = Base64Encode { schema: arrow_schema(&Ty::Bytes) };
        let rows = testing::payload(&[&b"tea"[..], b"", b"\xff\xef", b"t"]);
        let seen = testing::apply(&mut node, rows).unwrap();
        assert_eq!(seen.payloads(None), [&b"dGVh"[..], b"", b"/+8=", b"dA=="]);
    }
}
