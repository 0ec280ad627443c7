//! Where a piece of text stands: spans, files, lines and columns.

/// Index of a file in a [`SourceMap`].
pub type FileId = u16;

/// A range of bytes in one file; `end` is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The span `start..end` (bytes) of `file`.
    pub fn new(file: FileId, start: usize, end: usize) -> Span {
        Span { file, start: start as u32, end: end as u32 }
    }

    /// The smallest span that covers both; `other` must be of the same file.
    pub fn to(self, other: Span) -> Span {
        Span { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// Length in bytes.
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// True when it covers no byte.
    pub fn is_empty(self) -> bool {
        self.end == self.start
    }
}

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub node: T,
    /// Where it was written.
    pub span: Span,
}

/// A name as it was written: an identifier, an option's name, a field's name.
pub type Name = Spanned<String>;

/// One source file.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// The path as the user gave it; printed in problems.
    pub path: String,
    /// The whole text.
    pub text: String,
    /// The byte at which each line begins; the first is 0.
    lines: Vec<u32>,
}

/// All files of one compilation, by [`FileId`].
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
}

impl SourceMap {
    /// Adds a file and gives its id. At most 65,536 files.
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<String>) -> FileId {
        let id =
            FileId::try_from(self.files.len()).expect("at most 65,536 files in one compilation");
        let (path, text) = (path.into(), text.into());
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(ends.map(|(at, _)| at as u32 + 1)).collect();
        self.files.push(SourceFile { path, text, lines });
        id
    }

    /// The file of an id that [`SourceMap::add`] gave.
    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.files[id as usize]
    }

    /// The text under a span.
    pub fn text(&self, span: Span) -> &str {
        &self.file(span.file).text[span.start as usize..span.end as usize]
    }

    /// Line and column of the start of a span, both from 1, the column in characters.
    pub fn line_column(&self, span: Span) -> (usize, usize) {
        let file = self.file(span.file);
        let line = file.lines.partition_point(|start| *start <= span.start);
        let start = file.lines[line - 1] as usize;
        (line, file.text[start..span.start as usize].chars().count() + 1)
    }

    /// All files with their ids.
    pub fn files(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        self.files.iter().enumerate().map(|(id, file)| (id as FileId, file))
    }
}
