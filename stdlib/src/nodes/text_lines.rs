//! `text.lines`: cuts text into its lines.

use crate::csv::RECORD_MAX;
use crate::rows::reads_chunks;
use arrow_array::cast::AsArray;
use arrow_array::{Array, BinaryArray, RecordBatch};
use arrow_schema::SchemaRef;
use dsl::spec::*;
use dsl::ty::Ty;
use engine::batch::{Partition, Resume, RowIds, Rows};
use engine::fault::Fault;
use engine::node::{Output, Transform};
use engine::registry::Open;
use engine::schema::arrow_schema;
use std::ops::Range;
use std::sync::Arc;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "text.lines",
    summary: "Cuts text into its lines.",
    doc: "\
Lines end with LF or CRLF, which is taken off; blank lines are left out. What `file.read` sends is
one text, cut into chunks anywhere; of any other source each row is a text of its own. A line of a
file is 8 MiB long at most.",
    kind: NodeKind::Transform,
    signatures: &["ndjson<T> -> json<T>", "bytes -> text"],
    examples: &[Example {
        title: "The lines of a file.",
        flow: r#"
flow example : at_least_once {
  file.read("words.txt") -> text.lines -> log
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
        let schema = arrow_schema(&Ty::Bytes);
        if reads_chunks(&ctx) {
            return Ok(Box::new(FileLines { schema, files: Vec::new() }));
        }
        Ok(Box::new(TextLines { schema, node: ctx.node.id.clone() }))
    }))
}

/// Where the lines of a text stand, without their breaks; blank ones are left out. The second is
/// where the last line begins that has no break, and its number.
fn lines(text: &[u8]) -> (Vec<Range<usize>>, usize) {
    let (mut lines, mut start) = (Vec::new(), 0);
    for end in memchr::memchr_iter(b'\n', text) {
        push(text, start..end, &mut lines);
        start = end + 1;
    }
    (lines, start)
}

fn push(text: &[u8], line: Range<usize>, lines: &mut Vec<Range<usize>>) {
    let line = match text[line.clone()].strip_suffix(b"\r") {
        Some(plain) => line.start..line.start + plain.len(),
        None => line,
    };
    if !text[line.clone()].trim_ascii().is_empty() {
        lines.push(line);
    }
}

fn columns(schema: &SchemaRef, text: &[u8], lines: &[Range<usize>]) -> RecordBatch {
    let lines = BinaryArray::from_iter_values(lines.iter().map(|line| &text[line.clone()]));
    let columns = RecordBatch::try_new(schema.clone(), vec![Arc::new(lines)]);
    columns.expect("one column of payload")
}

/// Each row is a text.
struct TextLines {
    schema: SchemaRef,
    node: String,
}

impl TextLines {
    /// The ids of the lines of a row: those of its members where it was joined of as many, else
    /// numbers in a series of its own, made of the row's id and this node's name.
    fn ids(&self, rows: &Rows, row: usize, lines: usize) -> RowIds {
        let own = rows.ids_of(row..row + 1);
        if own.len() == lines {
            return own;
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&own.partition.id);
        own.seqs().for_each(|seq| {
            hasher.update(&seq.to_be_bytes());
        });
        hasher.update(self.node.as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        let partition = Partition { id, name: own.partition.name.clone() };
        RowIds::range(Arc::new(partition), 0, lines, own.arrival_ns().unwrap_or(0))
    }
}

impl Transform for TextLines {
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        let texts: &BinaryArray = rows.columns.column(0).as_binary();
        let nothing = RowIds::empty(rows.ids.partition.clone());
        out.send_made(&rows, RecordBatch::new_empty(self.schema.clone()), nothing, 0);
        for row in 0..texts.len() {
            let text = texts.value(row);
            let (mut lines, rest) = lines(text);
            push(text, rest..text.len(), &mut lines);
            let ids = self.ids(&rows, row, lines.len());
            out.send_made(&rows, columns(&self.schema, text, &lines), ids, lines.len() as u64);
        }
        Ok(())
    }
}

/// Rows are chunks of files.
struct FileLines {
    schema: SchemaRef,
    files: Vec<FileText>,
}

/// A file, read so far.
struct FileText {
    /// Rows without columns: the partition and the group of what it sends.
    from: Rows,
    arrival_ns: i64,
    /// The start of a line that is not complete.
    carry: Vec<u8>,
    /// Where `carry` begins, and which line and record it is.
    place: Resume,
}

impl FileText {
    fn open(rows: &Rows) -> FileText {
        let start = Resume { offset: 0, record: 0, line: 1, state: Vec::new() };
        FileText {
            from: rows.slice(0..0),
            arrival_ns: rows.ids.arrival_ns().unwrap_or(0),
            carry: Vec::new(),
            place: rows.resumed.as_deref().cloned().unwrap_or(start),
        }
    }

    fn read(&mut self, schema: &SchemaRef, chunk: &[u8], last: bool, out: &mut Output) {
        let text = [&self.carry[..], chunk].concat();
        let (mut found, mut rest) = lines(&text);
        self.place.line += memchr::memchr_iter(b'\n', &text).count() as u64;
        if last {
            push(&text, rest..text.len(), &mut found);
            rest = text.len();
        }
        self.place.offset += rest as u64;
        self.carry = text[rest..].to_vec();
        for lines in found.chunks(8192) {
            let partition = self.from.ids.partition.clone();
            let ids = RowIds::range(partition, self.place.record, lines.len(), self.arrival_ns);
            self.place.record += lines.len() as u64;
            out.send_made(&self.from, columns(schema, &text, lines), ids, lines.len() as u64);
        }
    }
}

impl Transform for FileLines {
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        let id = rows.ids.partition.id;
        let known = self.files.iter().position(|file| file.from.ids.partition.id == id);
        let index = known.unwrap_or(self.files.len());
        if known.is_none() {
            self.files.push(FileText::open(&rows));
        }
        let file = &mut self.files[index];
        let nothing = RowIds::empty(rows.ids.partition.clone());
        out.send_made(&rows, RecordBatch::new_empty(self.schema.clone()), nothing, 0);
        for chunk in rows.columns.column(0).as_binary::<i32>().iter().flatten() {
            file.read(&self.schema, chunk, false, out);
        }
        if file.carry.len() > RECORD_MAX {
            let (name, line) = (&rows.ids.partition.name, file.place.line);
            let message = format!("`{name}`: line {line} is longer than 8 MiB");
            let help = "is it a text file with line breaks?";
            return Err(Fault::service("line_size", message).help(help));
        }
        out.resume_at(file.place.clone());
        if !file.carry.is_empty() {
            out.keep();
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Output) -> Result<(), Fault> {
        let alone = self.files.len() == 1;
        for file in self.files.iter_mut().filter(|file| !file.carry.is_empty()) {
            file.read(&self.schema, &[], true, out);
            if alone {
                out.resume_at(file.place.clone());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::testing;

    fn files() -> FileLines {
        FileLines { schema: arrow_schema(&Ty::Bytes), files: Vec::new() }
    }

    #[test]
    fn chunks_cut_anywhere_and_resumed_anywhere() {
        let text = b"one\r\n\n  \ntwo\nthree";
        for at in 0..=text.len() {
            let mut node = files();
            let seen = testing::apply(&mut node, testing::payload(&[&text[..at]])).unwrap();
            let mut whole = seen.payloads(None);
            let resume = seen.resume.clone().unwrap();
            assert_eq!(seen.kept, (resume.offset as usize) < at);

            let mut rows = testing::payload(&[&text[resume.offset as usize..]]);
            rows.resumed = Some(resume);
            let mut other = files();
            let mut resumed = whole.clone();
            let seen = testing::apply(&mut other, rows).unwrap();
            resumed.extend(seen.payloads(None));
            let last = testing::finish(&mut other).unwrap();
            resumed.extend(last.payloads(None));
            assert_eq!(last.rows(None).unwrap().ids.first(), Some(2));
            assert_eq!(last.resume.unwrap().offset, text.len() as u64);

            let seen = testing::apply(&mut node, testing::payload(&[&text[at..]])).unwrap();
            whole.extend(seen.payloads(None));
            whole.extend(testing::finish(&mut node).unwrap().payloads(None));
            assert_eq!(whole, [&b"one"[..], b"two", b"three"], "cut at {at}");
            assert_eq!(resumed, whole, "resumed at {at}");
        }
    }

    #[test]
    fn a_joined_row_gives_its_ids_back() {
        let mut node = TextLines { schema: arrow_schema(&Ty::Bytes), node: "n".into() };
        let mut joined = testing::payload(&["a\nb\n"]);
        joined.ids = testing::ids("test", 5, 2);
        let seen = testing::apply(&mut node, joined).unwrap();
        assert_eq!(seen.payloads(None), [b"a", b"b"]);
        assert_eq!(seen.rows(None).unwrap().ids, testing::ids("test", 5, 2));

        let seen = testing::apply(&mut node, testing::payload(&["a\nb", "c"])).unwrap();
        let ids: Vec<RowIds> = seen.sent.iter().map(|(_, rows)| rows.ids.clone()).collect();
        assert_ne!(ids[0].partition.id, ids[1].partition.id);
        assert_eq!(ids[0].seqs().collect::<Vec<_>>(), [0, 1]);
        assert_eq!(ids[1], testing::ids("test", 1, 1));
    }
}
