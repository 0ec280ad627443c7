//! `gzip.encode`: puts a gzip layer on.

use crate::compress;
use arrow_schema::SchemaRef;
use dsl::spec::*;
use dsl::ty::Ty;
use engine::batch::Rows;
use engine::fault::Fault;
use engine::node::{Output, Transform};
use engine::registry::Open;
use engine::schema::arrow_schema;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "gzip.encode",
    summary: "Compresses with gzip.",
    doc: "\
Each payload by itself, as RFC 1952 has it. Join the texts of a batch first (`text.join`): one
record alone is hardly smaller than it was. The same payload gives the same bytes, so an object that
is put again after a crash is known again; another version of flowc may compress otherwise.",
    kind: NodeKind::Transform,
    signatures: &["W -> gzip<W>"],
    options: &[OptionSpec {
        name: "level",
        ty: OptionTy::Int,
        default: Some("6"),
        range: Some((1, 9)),
        doc: "How hard it tries: 9 is the smallest and slowest.",
        example: "level: 9",
        ..OPTION
    }],
    examples: &[Example {
        title: "Lines of a file to compressed objects.",
        flow: r#"
bucket lake : gzip<text>

profile aws {
  lake = s3("example-lake")
}

profile local = emulate(aws, dir: "out")

flow archive : at_least_once {
  file.read("words.txt")
    -> text.lines
    -> batch(max: 500, wait: 60s)
    -> text.join("\n")
    -> gzip.encode
    -> lake.put(key: "{batch.time:%Y/%m/%d}/{batch.id}.txt.gz")
  errors -> log
}
"#,
        files: &[("words.txt", "tea\ncoffee\nmilk\n")],
        ..EXAMPLE
    }],
    ..BLANK
};

/// How it is opened.
pub fn open() -> Open {
    Open::Transform(Box::new(|ctx| {
        let level = ctx.node.count("level") as u32;
        Ok(Box::new(GzipEncode { schema: arrow_schema(&Ty::Bytes), level }))
    }))
}

#[derive(Clone)]
struct GzipEncode {
    schema: SchemaRef,
    level: u32,
}

impl Transform for GzipEncode {
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        compress::each(&rows, &self.schema, out, |given, out| {
            encode(given, self.level, out)
                .map_err(|error| ("gzip", format!("cannot be compressed: {error}")))
        });
        Ok(())
    }

    fn another(&self) -> Option<Box<dyn Transform>> {
        Some(Box::new(self.clone()))
    }
}

/// Appends `given`, compressed; without a name or a time in its header.
pub(super) fn encode(given: &[u8], level: u32, out: &mut Vec<u8>) -> std::io::Result<()> {
    let mut encoder = GzEncoder::new(out, Compression::new(level));
    encoder.write_all(given)?;
    encoder.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::testing;

    #[test]
    fn the_same_bytes_each_time_and_every_level() {
        for level in [1, 6, 9] {
            let schema = arrow_schema(&Ty::Bytes);
            let mut node = GzipEncode { schema, level };
            let text = "a line of text\n".repeat(1000);
            let rows = || testing::payload(&[text.as_str(), "", "tea"]);
            let first = testing::apply(&mut node, rows()).unwrap().payloads(None);
            assert!(first[0].len() < 200, "{}", first[0].len());
            assert_eq!(&first[0][..2], b"\x1f\x8b");
            let again = testing::apply(&mut node, rows()).unwrap().payloads(None);
            assert_eq!(first, again);
        }
    }
}
