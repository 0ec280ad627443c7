//! A problem is a value, made where it is found: what is wrong, where, and what to do.

use crate::span::Span;

/// How bad it is: only an error stops a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The file cannot run.
    Error,
    /// The file can run; a person should look.
    Warning,
    /// Nothing is wrong; something may be done better.
    Help,
}

/// A place and what stands there, in the user's words.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What it is; empty for a bare underline.
    pub text: String,
}

/// One problem. The first label is the primary one.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The code of the catalogue, such as `E0302`.
    pub code: &'static str,
    /// Error, warning or help.
    pub severity: Severity,
    /// What is wrong, in one line; names in backticks.
    pub message: String,
    /// Where; the first is the primary place.
    pub labels: Vec<Label>,
    /// What to do: text that can be pasted, lines separated by `\n`.
    pub help: Option<String>,
}

impl Problem {
    /// An error at `span`.
    pub fn error(
        code: &'static str,
        message: impl Into<String>,
        span: Span,
        label: impl Into<String>,
    ) -> Problem {
        let labels = vec![Label { span, text: label.into() }];
        Problem { code, severity: Severity::Error, message: message.into(), labels, help: None }
    }

    /// A warning at `span`.
    pub fn warning(
        code: &'static str,
        message: impl Into<String>,
        span: Span,
        label: impl Into<String>,
    ) -> Problem {
        Problem { severity: Severity::Warning, ..Problem::error(code, message, span, label) }
    }

    /// Something that may be done better, at `span`.
    pub fn hint(
        code: &'static str,
        message: impl Into<String>,
        span: Span,
        label: impl Into<String>,
    ) -> Problem {
        Problem { severity: Severity::Help, ..Problem::error(code, message, span, label) }
    }

    /// Adds a secondary place.
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Problem {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Says what to do.
    pub fn help(mut self, text: impl Into<String>) -> Problem {
        self.help = Some(text.into());
        self
    }

    /// The place that the problem is reported at.
    pub fn primary(&self) -> Span {
        self.labels[0].span
    }
}
