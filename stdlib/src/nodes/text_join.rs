//! `text.join`: joins the texts of a batch into one.

use arrow_array::cast::AsArray;
use arrow_array::{BinaryArray, RecordBatch};
use arrow_schema::SchemaRef;
use dsl::spec::*;
use dsl::ty::Ty;
use dsl::value::Value;
use engine::batch::Rows;
use engine::fault::Fault;
use engine::node::{Output, Transform};
use engine::registry::Open;
use engine::schema::arrow_schema;
use std::sync::Arc;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "text.join",
    summary: "Joins the texts of a batch into one.",
    doc: "\
One text leaves for each batch: all of its texts in order, with the separator between them. Lines
(`\"\\n\"`) end with a line break too, so that files of them can be put behind each other.",
    kind: NodeKind::Transform,
    signatures: &["batch<json<T>> -> ndjson<T>", "batch<text> -> text"],
    options: &[OptionSpec {
        name: "separator",
        ty: OptionTy::Text,
        positional: true,
        default: Some("\"\\n\""),
        doc: "What stands between two texts; the last is followed by it when it is a line break.",
        example: "\"\\n\"",
        ..OPTION
    }],
    examples: &[Example {
        title: "A whole file in one line of the log.",
        flow: r#"
flow example : at_least_once {
  file.read("words.txt") -> text.lines -> batch(max: 100, wait: 1s) -> text.join(", ") -> log
}
"#,
        files: &[("words.txt", "tea\ncoffee\n")],
        ..EXAMPLE
    }],
    ..BLANK
};

/// How it is opened.
pub fn open() -> Open {
    Open::Transform(Box::new(|ctx| {
        let separator = ctx.node.options.get("separator").and_then(Value::as_text).unwrap_or("\n");
        Ok(Box::new(TextJoin::new(separator)))
    }))
}

#[derive(Clone)]
struct TextJoin {
    schema: SchemaRef,
    separator: Vec<u8>,
    ends_lines: bool,
}

impl TextJoin {
    fn new(separator: &str) -> TextJoin {
        TextJoin {
            schema: arrow_schema(&Ty::Bytes),
            separator: separator.into(),
            ends_lines: matches!(separator, "\n" | "\r\n"),
        }
    }
}

impl Transform for TextJoin {
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        if rows.is_empty() {
            return Ok(());
        }
        let texts: &BinaryArray = rows.columns.column(0).as_binary();
        let size = texts.iter().flatten().map(|text| text.len() + self.separator.len()).sum();
        let mut joined = Vec::with_capacity(size);
        for text in texts.iter().flatten() {
            joined.extend_from_slice(text);
            joined.extend_from_slice(&self.separator);
        }
        if !self.ends_lines {
            joined.truncate(joined.len() - self.separator.len());
        }
        let joined = Arc::new(BinaryArray::from_iter_values([joined]));
        let columns = RecordBatch::try_new(self.schema.clone(), vec![joined]);
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
    fn one_row_with_the_ids_of_all() {
        let rows = || testing::payload(&["a", "", "c"]);
        let seen = testing::apply(&mut TextJoin::new("\n"), rows()).unwrap();
        assert_eq!(seen.payloads(None), [b"a\n\nc\n"]);
        let sent = seen.rows(None).unwrap();
        assert_eq!((sent.len(), sent.ids.len()), (1, 3));
        let seen = testing::apply(&mut TextJoin::new(", "), rows()).unwrap();
        assert_eq!(seen.payloads(None), [b"a, , c"]);
        let seen = testing::apply(&mut TextJoin::new(""), rows()).unwrap();
        assert_eq!(seen.payloads(None), [b"ac"]);
    }
}
