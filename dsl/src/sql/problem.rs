//! A problem of a query, and the places of the SQL parser as bytes.

use sqlparser::tokenizer::{Location, Span};
use std::ops::Range;

/// A problem of a query, at its place in the SQL text.
#[derive(Clone, Debug, PartialEq)]
pub struct SqlProblem {
    /// The code of the catalogue: `E0102` syntax, `E0201` unknown table or function, `E0302`
    /// unknown column, `E0306` types that do not fit, `E0001` not supported yet.
    pub code: &'static str,
    /// What is wrong, in one line; names in backticks.
    pub message: String,
    /// Where, in bytes of the SQL text.
    pub at: Range<usize>,
    /// What it is; may be empty.
    pub label: String,
    /// What to do.
    pub help: Option<String>,
}

impl SqlProblem {
    pub(super) fn new(
        code: &'static str,
        message: impl Into<String>,
        at: Range<usize>,
        label: impl Into<String>,
    ) -> SqlProblem {
        SqlProblem { code, message: message.into(), at, label: label.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> SqlProblem {
        self.help = Some(help.into());
        self
    }

    pub(super) fn unsupported(what: &str, at: Range<usize>, help: &str) -> SqlProblem {
        let message = format!("{what} is not supported yet");
        let problem = SqlProblem::new("E0001", message, at, "");
        if help.is_empty() { problem } else { problem.help(help) }
    }
}

/// The lines of a text, to find bytes by line and column.
pub(super) struct Places<'t> {
    text: &'t str,
    lines: Vec<usize>,
}

impl Places<'_> {
    pub(super) fn new(text: &str) -> Places<'_> {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Places { text, lines: [0].into_iter().chain(breaks.map(|(at, _)| at + 1)).collect() }
    }

    /// The byte of a line and column, both from 1; columns are characters.
    pub(super) fn byte(&self, location: Location) -> Option<usize> {
        let line = usize::try_from(location.line).ok()?.checked_sub(1)?;
        let column = usize::try_from(location.column).ok()?.checked_sub(1)?;
        let start = *self.lines.get(line)?;
        let end = self.lines.get(line + 1).copied().unwrap_or(self.text.len());
        let mut chars = self.text[start..end].char_indices();
        Some(chars.nth(column).map_or(end, |(at, _)| start + at))
    }

    /// The bytes of a span; `None` where the parser knows no place.
    pub(super) fn bytes(&self, span: Span) -> Option<Range<usize>> {
        let (start, end) = (self.byte(span.start)?, self.byte(span.end)?);
        (start <= end).then_some(start..end)
    }
}
