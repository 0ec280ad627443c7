//! `csv.decode`: turns CSV into records, by the names in its header.

mod again;

use super::json_decode::time_format;
use super::quarantine_enter;
use crate::csv::encoding::Encoding;
use crate::csv::fields::Options;
use crate::csv::file::File;
use crate::csv::part::{Part, Shared};
use crate::json::shape::{Inner, Shape};
use crate::rows::reads_chunks;
use again::CsvAgain;
use arrow_array::cast::AsArray;
use arrow_buffer::Buffer;
use dsl::spec::*;
use dsl::ty::Ty;
use dsl::value::Value;
use engine::batch::Rows;
use engine::ctx::NodeCtx;
use engine::fault::Fault;
use engine::node::{Output, Rest, Transform};
use engine::registry::Open;
use engine::summary::Counters;
use std::sync::Arc;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "csv.decode",
    summary: "Turns CSV into records, by the names in its header.",
    doc: "\
The first line names the columns; a field takes the column of its name, wherever it stands. Further
columns are left out and counted. A column that is missing stops the flow, once, with the code
`csv_header`; a file without a header with `csv_empty`.

Fields may be in quotes, with `\"\"` for a quote and line breaks inside; texts keep their blanks,
other types do without. Lines end with LF or CRLF; blank lines do not count.

Null is the text of `null:` (nothing, unless said otherwise) without quotes; for a type that is no
text quotes make no difference. Where a text may not be null, an empty field is the empty text.
Decimals are exact: more digits than the scale are a failure. Truth values are `true`, `false`, `1`,
`0`; bytes are base64.

A timestamp without a zone is in `zone`. A local time that happens twice, when clocks are put back,
is the earlier of the two; one that clocks skip is a failure. Months, days and hours may stand
without a leading zero.

A row that cannot be read leaves by `errors` with its original bytes, line and column; all others go
on. A row is 8 MiB long at most.",
    kind: NodeKind::Transform,
    signatures: &["bytes -> claim"],
    options: &[
        OptionSpec {
            name: "encoding",
            ty: OptionTy::Choice(&["utf-8", "latin-1", "windows-1252"]),
            default: Some("\"utf-8\""),
            doc: "The encoding of the bytes; latin-1 is ISO-8859-1 exactly.",
            example: "encoding: \"latin-1\"",
            ..OPTION
        },
        OptionSpec {
            name: "timestamp",
            ty: OptionTy::Text,
            doc: "The strftime format of timestamps; RFC 3339 without it.",
            example: "timestamp: \"%m/%d/%Y %H:%M\"",
            ..OPTION
        },
        OptionSpec {
            name: "zone",
            ty: OptionTy::Text,
            default: Some("\"UTC\""),
            doc: "The time zone of timestamps that name none.",
            example: "zone: \"Europe/London\"",
            ..OPTION
        },
        OptionSpec {
            name: "null",
            ty: OptionTy::Text,
            default: Some("\"\""),
            doc: "The text that means null, in an unquoted field.",
            example: "null: \"NA\"",
            ..OPTION
        },
        OptionSpec {
            name: "delimiter",
            ty: OptionTy::Text,
            default: Some("\",\""),
            doc: "One ASCII character between fields.",
            example: "delimiter: \";\"",
            ..OPTION
        },
    ],
    fails: &[
        FailureSpec { code: "csv_fields", when: "a row has too few or too many fields" },
        FailureSpec { code: "csv_value", when: "a field is not of its type" },
        FailureSpec { code: "csv_encoding", when: "bytes are not in the encoding" },
        FailureSpec { code: "csv_quote", when: "a quote is never closed" },
    ],
    claim: ClaimSpec::Required,
    examples: &[Example {
        title: "A file in another order, with a bad row.",
        flow: r#"
type Line = { no: text, quantity: int, at: timestamp }

flow example : at_least_once {
  file.read("lines.csv") -> csv.decode(timestamp: "%m/%d/%Y %H:%M") as Line -> log
  errors -> log
}
"#,
        files: &[(
            "lines.csv",
            "at,quantity,no\n12/1/2010 8:26,6,536365\n12/1/2010 8:28,six,536366\n",
        )],
        ..EXAMPLE
    }],
    ..BLANK
};

/// How it is opened.
pub fn open() -> Open {
    Open::Transform(Box::new(|ctx| {
        if quarantine_enter::leads_to(&ctx) {
            return Ok(Box::new(CsvAgain::new(CsvDecode::new(&ctx)?.shared)));
        }
        if !reads_chunks(&ctx) {
            let message = "`csv.decode` reads only what `file.read` sends in this release";
            let help = "put `file.read(…)` before it";
            return Err(Fault::service("not_supported", message).help(help));
        }
        Ok(Box::new(CsvDecode::new(&ctx)?))
    }))
}

struct CsvDecode {
    shared: Arc<Shared>,
    files: Vec<File>,
    counters: Counters,
}

impl CsvDecode {
    fn new(ctx: &NodeCtx) -> Result<CsvDecode, Fault> {
        let record = ctx.node.output.as_ref().and_then(Ty::record);
        let shapes = Shape::fields(record.expect("the checker gives csv.decode a record to make"));
        if let Some(shape) = shapes.iter().find(|shape| !matches!(shape.inner, Inner::Plain)) {
            let message = format!(
                "`csv.decode`: `{}` is `{}`, which a field of CSV cannot hold",
                shape.name, shape.ty
            );
            let help = "take it as `text` and decode it in a `map`";
            return Err(Fault::service("csv_type", message).help(help));
        }
        let text = |name: &str, default: &'static str| {
            ctx.node.options.get(name).and_then(Value::as_text).unwrap_or(default).to_string()
        };
        let timestamp = match ctx.node.options.get("timestamp").and_then(Value::as_text) {
            Some(format) => Some(time_format("csv.decode", format, &text("zone", "UTC"))?),
            None => None,
        };
        let encoding = Encoding::of(&text("encoding", "utf-8"));
        let options = Options {
            encoding: encoding.expect("the checker lets only these encodings through"),
            timestamp,
            null: text("null", "").into_bytes(),
            delimiter: delimiter(&text("delimiter", ","))?,
        };
        let shared = Arc::new(Shared::new(shapes, options));
        Ok(CsvDecode { shared, files: Vec::new(), counters: ctx.counters.clone() })
    }

    /// The index of the file that these rows are of.
    fn file(&mut self, rows: &Rows) -> Result<usize, Fault> {
        let known = self.files.iter().position(|file| *file.partition() == rows.ids.partition.id);
        if let Some(index) = known {
            return Ok(index);
        }
        self.files.push(File::open(&self.shared, rows)?);
        Ok(self.files.len() - 1)
    }
}

fn delimiter(text: &str) -> Result<u8, Fault> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Ok(*byte),
        _ => {
            let message = format!("`csv.decode`: `delimiter: {text:?}` is not one ASCII character");
            let help = "write it like `delimiter: \";\"` or `delimiter: \"\\t\"`";
            Err(Fault::service("bad_option", message).help(help))
        }
    }
}

impl Transform for CsvDecode {
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        match self.begin(rows, out)? {
            Some(rest) => rest(out),
            None => Ok(()),
        }
    }

    /// Cuts the chunks into records; to make columns of them is the rest.
    fn begin(&mut self, rows: Rows, out: &mut Output) -> Result<Option<Rest>, Fault> {
        let index = self.file(&rows)?;
        let file = &mut self.files[index];
        file.send_nothing(out);
        let headless = file.ignored_columns();
        let mut parts: Vec<Part> = Vec::new();
        for chunk in chunks(&rows) {
            parts.extend(file.read(&self.shared, chunk, false)?);
        }
        if file.ignored_columns() > headless {
            self.counters.add("ignored columns", file.ignored_columns() as u64);
        }
        out.resume_at(file.resume());
        if file.is_open() {
            out.keep();
        }
        if parts.is_empty() {
            return Ok(None);
        }
        Ok(Some(Box::new(move |out| {
            parts.into_iter().for_each(|part| part.send(out));
            Ok(())
        })))
    }

    fn finish(&mut self, out: &mut Output) -> Result<(), Fault> {
        let alone = self.files.len() == 1;
        for file in &mut self.files {
            if file.is_open() {
                if let Some(part) = file.read(&self.shared, Buffer::default(), true)? {
                    part.send(out);
                }
                if alone {
                    out.resume_at(file.resume());
                }
            }
            file.end()?;
        }
        Ok(())
    }
}

/// The payloads of some rows; copies nothing.
fn chunks(rows: &Rows) -> impl Iterator<Item = Buffer> {
    let payloads = rows.columns.column(0).as_binary::<i32>();
    payloads.offsets().windows(2).map(|ends| {
        let (start, end) = (ends[0] as usize, ends[1] as usize);
        payloads.values().slice_with_length(start, end - start)
    })
}

#[cfg(test)]
mod tests;
