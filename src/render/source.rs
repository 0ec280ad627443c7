//! The text of a file for miette's snippets.
//!
//! miette's own implementation counts the lines of a snippet from the start of the file, so that
//! two labels far apart are drawn with everything between them, and it counts columns in bytes.

use dsl::span::SourceFile;
use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

/// A file, as miette reads it.
#[derive(Debug)]
pub struct Source<'a> {
    path: &'a str,
    text: &'a str,
}

impl<'a> Source<'a> {
    /// The text of a file under its path.
    pub fn new(file: &'a SourceFile) -> Source<'a> {
        Source { path: &file.path, text: &file.text }
    }
}

impl SourceCode for Source<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let (from, to) = (span.offset(), span.offset() + span.len());
        if self.text.get(from..to).is_none() {
            return Err(MietteError::OutOfBounds);
        }
        let mut start = line_start(self.text, from);
        for _ in 0..lines_before {
            start = line_start(self.text, start.saturating_sub(1));
        }
        let mut end = line_end(self.text, if to > from { to - 1 } else { to });
        for _ in 0..lines_after {
            end = line_end(self.text, end);
        }
        let mut column = 0;
        if lines_before == 0 {
            column = self.text[start..from].chars().count();
            start = from;
        }
        let bytes = self.text.as_bytes();
        let newlines = |range: &[u8]| range.iter().filter(|&&byte| byte == b'\n').count();
        Ok(Box::new(MietteSpanContents::new_named(
            self.path.to_owned(),
            &bytes[start..end],
            (start, end - start).into(),
            newlines(&bytes[..start]),
            column,
            newlines(&bytes[start..end]),
        )))
    }
}

/// The first byte of the line that holds the byte `at`.
fn line_start(text: &str, at: usize) -> usize {
    text.as_bytes()[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |found| found + 1)
}

/// One past the line break of the line that holds the byte `at`.
fn line_end(text: &str, at: usize) -> usize {
    let rest = &text.as_bytes()[at.min(text.len())..];
    rest.iter().position(|&byte| byte == b'\n').map_or(text.len(), |found| at + found + 1)
}
