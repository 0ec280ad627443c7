//! `text.lines`: cuts text into its lines.

use crate::csv::RECORD_MAX;
use crate::json::encode::{offset, payload};
use crate::rows::reads_chunks;
use arrow_array::cast::AsArray;
use arrow_array::{Array, BinaryArray, RecordBatch};
use arrow_schema::SchemaRef;
use dsl::spec::*;
use dsl::ty::Ty;
use engine::batch::{Partition, Resume, RowIds, Rows};
use engine::fault::Fault;
use engine::node::{Output, Rest, Transform};
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

/// Rows of one batch at most.
const ROWS_MAX: usize = 8192;

/// Where the lines of `text` stand from `start` on, without their breaks; blank ones are left out.
/// Gives where the text goes on that has no break yet.
fn lines(text: &[u8], start: usize, lines: &mut Vec<Range<usize>>) -> usize {
    let mut next = start;
    for end in memchr::memchr_iter(b'\n', &text[start..]) {
        let end = start + end;
        push(text, next..end, lines);
        next = end + 1;
    }
    next
}

fn push(text: &[u8], line: Range<usize>, lines: &mut Vec<Range<usize>>) {
    let line = match text[line.clone()].strip_suffix(b"\r") {
        Some(plain) => line.start..line.start + plain.len(),
        None => line,
    };
    if !text[line.clone()].iter().all(u8::is_ascii_whitespace) {
        lines.push(line);
    }
}

fn columns(schema: &SchemaRef, first: &[u8], text: &[u8], lines: &[Range<usize>]) -> RecordBatch {
    let bytes = first.len() + lines.iter().map(Range::len).sum::<usize>();
    let mut values = Vec::with_capacity(bytes);
    let mut offsets = Vec::with_capacity(lines.len() + 2);
    offsets.push(0);
    if !first.is_empty() {
        values.extend_from_slice(first);
        offsets.push(offset(values.len()));
    }
    for line in lines {
        values.extend_from_slice(&text[line.clone()]);
        offsets.push(offset(values.len()));
    }
    let columns = RecordBatch::try_new(schema.clone(), vec![Arc::new(payload(values, offsets))]);
    columns.expect("one column of payload")
}

/// Each row is a text.
#[derive(Clone)]
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
            let (text, mut found) = (texts.value(row), Vec::new());
            let rest = lines(text, 0, &mut found);
            push(text, rest..text.len(), &mut found);
            let ids = self.ids(&rows, row, found.len());
            let columns = columns(&self.schema, b"", text, &found);
            out.send_made(&rows, columns, ids, found.len() as u64);
        }
        Ok(())
    }

    fn another(&self) -> Option<Box<dyn Transform>> {
        Some(Box::new(self.clone()))
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

    /// Takes a chunk: the lines that are complete with it. What is behind them is carried on.
    fn take(&mut self, chunk: &[u8]) -> Lines {
        let mut found = Lines { record: self.place.record, ..Lines::default() };
        let start = match memchr::memchr(b'\n', chunk) {
            Some(end) if !self.carry.is_empty() => {
                self.place.offset += self.carry.len() as u64;
                self.carry.extend_from_slice(&chunk[..end]);
                found.first = std::mem::take(&mut self.carry);
                end + 1
            }
            _ => 0,
        };
        found.trim_first();
        let rest = lines(chunk, start, &mut found.lines);
        self.carry.extend_from_slice(&chunk[rest..]);
        self.place.offset += rest as u64;
        self.place.line += memchr::memchr_iter(b'\n', &chunk[..rest]).count() as u64;
        self.place.record += found.len() as u64;
        found
    }

    /// The last line, which has no break.
    fn end(&mut self) -> Lines {
        self.place.offset += self.carry.len() as u64;
        let first = std::mem::take(&mut self.carry);
        let mut found = Lines { record: self.place.record, first, ..Lines::default() };
        found.trim_first();
        self.place.record += found.len() as u64;
        found
    }
}

/// Lines of a file.
#[derive(Default)]
struct Lines {
    /// The first, where it began in an earlier chunk; empty = there is none.
    first: Vec<u8>,
    /// The others, in the chunk.
    lines: Vec<Range<usize>>,
    /// The number of the first.
    record: u64,
}

impl Lines {
    fn len(&self) -> usize {
        usize::from(!self.first.is_empty()) + self.lines.len()
    }

    /// Takes the end of the first line off, and all of it where it is blank.
    fn trim_first(&mut self) {
        let mut line = Vec::new();
        push(&self.first, 0..self.first.len(), &mut line);
        self.first.truncate(line.first().map_or(0, |line| line.end));
    }

    fn send(
        &self,
        schema: &SchemaRef,
        from: &Rows,
        arrival_ns: i64,
        chunk: &[u8],
        out: &mut Output,
    ) {
        let (mut first, mut lines, mut record) = (&self.first[..], &self.lines[..], self.record);
        while !first.is_empty() || !lines.is_empty() {
            let (now, later) =
                lines.split_at(lines.len().min(ROWS_MAX - usize::from(!first.is_empty())));
            let columns = columns(schema, first, chunk, now);
            let count = columns.num_rows();
            let ids = RowIds::range(from.ids.partition.clone(), record, count, arrival_ns);
            out.send_made(from, columns, ids, count as u64);
            (first, lines, record) = (b"", later, record + count as u64);
        }
    }
}

impl Transform for FileLines {
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        match self.begin(rows, out)? {
            Some(rest) => rest(out),
            None => Ok(()),
        }
    }

    /// Finds the lines; they are copied in the rest.
    fn begin(&mut self, rows: Rows, out: &mut Output) -> Result<Option<Rest>, Fault> {
        let id = rows.ids.partition.id;
        let known = self.files.iter().position(|file| file.from.ids.partition.id == id);
        let index = known.unwrap_or(self.files.len());
        if known.is_none() {
            self.files.push(FileText::open(&rows));
        }
        let file = &mut self.files[index];
        let nothing = RowIds::empty(rows.ids.partition.clone());
        out.send_made(&rows, RecordBatch::new_empty(self.schema.clone()), nothing, 0);
        let chunks: BinaryArray = rows.columns.column(0).as_binary().clone();
        let found: Vec<Lines> = chunks.iter().flatten().map(|chunk| file.take(chunk)).collect();
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
        if found.iter().all(|lines| lines.len() == 0) {
            return Ok(None);
        }
        let (schema, from, arrival_ns) = (self.schema.clone(), file.from.clone(), file.arrival_ns);
        Ok(Some(Box::new(move |out| {
            for (lines, chunk) in found.iter().zip(chunks.iter().flatten()) {
                lines.send(&schema, &from, arrival_ns, chunk, out);
            }
            Ok(())
        })))
    }

    fn finish(&mut self, out: &mut Output) -> Result<(), Fault> {
        let alone = self.files.len() == 1;
        for file in self.files.iter_mut().filter(|file| !file.carry.is_empty()) {
            let last = file.end();
            last.send(&self.schema, &file.from, file.arrival_ns, b"", out);
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
    fn a_chunk_of_many_lines_is_several_batches() {
        let text = "x\n".repeat(2 * ROWS_MAX);
        let mut node = files();
        assert!(node.begin(testing::payload(&["a"]), &mut Output::default()).unwrap().is_none());
        let seen = testing::apply(&mut node, testing::payload(&[&text, " ", "\n\ny\r", "\n"]));
        let seen = seen.unwrap();
        let sent: Vec<(usize, Option<u64>)> =
            seen.sent.iter().map(|(_, rows)| (rows.len(), rows.ids.first())).collect();
        let max = ROWS_MAX as u64;
        assert_eq!(sent, [(ROWS_MAX, Some(0)), (ROWS_MAX, Some(max)), (1, Some(2 * max))]);
        let (_, first) = &seen.sent[0];
        assert_eq!(testing::payloads(first)[0], b"ax");
        assert_eq!(seen.payloads(None).last().unwrap(), b"y");
        assert_eq!(seen.resume.unwrap().line, 2 * max + 4);
        assert!(!seen.kept);
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
