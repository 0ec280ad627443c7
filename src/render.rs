//! Problems as a person reads them: code, message, the lines they are about, and what to do.

mod source;

use dsl::problem::{Label, Problem, Severity};
use dsl::span::{SourceFile, SourceMap, Span};
use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, ThemeCharacters, ThemeStyles,
};
use source::Source;
use std::fmt;

/// How reports look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// ANSI colours.
    pub color: bool,
    /// Columns of the terminal.
    pub width: usize,
}

impl Style {
    /// No colour, 100 columns: for files, pipes and golden tests.
    pub fn plain() -> Style {
        Style { color: false, width: 100 }
    }

    /// The text in an ANSI colour such as `1;31`, or as it is where there are no colours.
    pub fn paint(self, color: &str, text: &str) -> String {
        if self.color { format!("\x1b[{color}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// All problems in the order of their places, each followed by a blank line, then the summary line.
/// Empty when there are no problems.
pub fn render(files: &SourceMap, problems: &[Problem], style: Style) -> String {
    let mut text = String::new();
    for problem in sorted(problems) {
        text.push_str(&report(files, problem, style));
        text.push('\n');
    }
    if !problems.is_empty() {
        text.push_str(&summary(files, problems));
        text.push('\n');
    }
    text
}

/// The problems by file and place.
pub fn sorted(problems: &[Problem]) -> Vec<&Problem> {
    let mut sorted: Vec<&Problem> = problems.iter().collect();
    sorted.sort_by_key(|problem| (problem.primary(), problem.code));
    sorted
}

/// One problem: code, message, snippets, help.
pub fn report(files: &SourceMap, problem: &Problem, style: Style) -> String {
    let mut text = String::new();
    let first = problem.primary().file;
    let mut ids = vec![first];
    for label in &problem.labels {
        if !ids.contains(&label.span.file) {
            ids.push(label.span.file);
        }
    }
    for id in ids {
        let part = Part::new(problem, files.file(id), id);
        let drawn = draw(&part, style);
        if id == first {
            text.push_str(&drawn);
        } else {
            // Only the snippets: the message was said above the first file.
            text.extend(drawn.split_inclusive('\n').skip_while(|line| !line.contains("╭─")));
        }
    }
    if let Some(help) = &problem.help {
        push_help(&mut text, help, style);
    }
    text
}

/// `3 errors, 1 warning in 2 flows`: the flows that the problems are in, or the files, where some
/// are in no flow.
pub fn summary(files: &SourceMap, problems: &[Problem]) -> String {
    let of = |severity: Severity| problems.iter().filter(|p| p.severity == severity).count();
    let counts = [
        (of(Severity::Error), "error"),
        (of(Severity::Warning), "warning"),
        (of(Severity::Help), "hint"),
    ];
    let counts: Vec<String> =
        counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| plural(*n, word)).collect();
    format!("{} in {}", counts.join(", "), places(files, problems))
}

/// `1 flow`, `2 flows`; thousands are separated.
pub fn plural(count: usize, word: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {word}{s}", thousands(count as u64))
}

/// `541909` as `541,909`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn places(files: &SourceMap, problems: &[Problem]) -> String {
    let mut flows: Vec<Option<(u16, &str)>> = problems
        .iter()
        .map(|problem| {
            let at = problem.primary();
            flow_at(&files.file(at.file).text, at).map(|name| (at.file, name))
        })
        .collect();
    flows.sort();
    flows.dedup();
    if flows.iter().all(Option::is_some) {
        return match flows[..] {
            [Some((_, name))] => format!("flow {name}"),
            _ => plural(flows.len(), "flow"),
        };
    }
    let mut ids: Vec<u16> = problems.iter().map(|problem| problem.primary().file).collect();
    ids.sort();
    ids.dedup();
    match ids[..] {
        [id] => files.file(id).path.clone(),
        _ => plural(ids.len(), "file"),
    }
}

/// The name of the flow around a place. Declarations begin in column 0, so this also works in a
/// file that does not parse.
fn flow_at(text: &str, at: Span) -> Option<&str> {
    let mut end = text.len();
    for (start, _) in text.match_indices('\n').rev().map(|(at, _)| (at + 1, ())).chain([(0, ())]) {
        let line = &text[start..end];
        end = start.saturating_sub(1);
        if start > at.start as usize || !line.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let mut words = line.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        return if words.next() == Some("flow") { words.find(|w| !w.is_empty()) } else { None };
    }
    None
}

fn draw(part: &Part, style: Style) -> String {
    let styles = if style.color { ThemeStyles::ansi() } else { ThemeStyles::none() };
    let theme = GraphicalTheme { characters: ThemeCharacters::unicode(), styles };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(style.width)
        .with_links(false)
        .with_context_lines(1);
    let mut drawn = String::new();
    let done = handler.render_report(&mut drawn, part);
    assert!(done.is_ok(), "a report is written to a string, which cannot fail");
    let lines: Vec<&str> = drawn.lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

/// `help: …`, further lines indented; prose is wrapped, text to paste (indented lines) is not.
pub fn push_help(text: &mut String, help: &str, style: Style) {
    const INDENT: &str = "        ";
    let word = style.paint("36", "help:");
    let width = style.width.saturating_sub(INDENT.len()).max(20);
    let mut lines = Vec::new();
    for line in help.trim_end().split('\n') {
        if line.starts_with(' ') {
            lines.push(line.to_owned())
        } else {
            wrap(line, width, &mut lines)
        }
    }
    for (at, line) in lines.iter().enumerate() {
        let line = if at == 0 { format!("  {word} {line}") } else { format!("{INDENT}{line}") };
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// Breaks a line at blanks so that each piece is at most `width` columns, where it can be.
pub fn wrap(line: &str, width: usize, lines: &mut Vec<String>) {
    use unicode_width::UnicodeWidthStr;
    let mut current = String::new();
    for word in line.split(' ') {
        if !current.is_empty() && current.width() + 1 + word.width() > width {
            lines.push(std::mem::take(&mut current));
        }
        if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(word);
    }
    lines.push(current);
}

/// The labels of a problem in one file, for miette.
#[derive(Debug)]
struct Part<'a> {
    problem: &'a Problem,
    source: Source<'a>,
    labels: Vec<LabeledSpan>,
}

impl<'a> Part<'a> {
    fn new(problem: &'a Problem, file: &'a SourceFile, id: u16) -> Part<'a> {
        let labels = problem.labels.iter().enumerate();
        let labels = labels
            .filter(|(_, label)| label.span.file == id)
            .map(|(at, label)| labeled(&file.text, label, at == 0))
            .collect();
        Part { problem, source: Source::new(file), labels }
    }
}

/// A label for miette. One behind the last character is moved onto the last line.
fn labeled(text: &str, label: &Label, primary: bool) -> LabeledSpan {
    let (mut start, mut end) = (label.span.start as usize, label.span.end as usize);
    if start >= text.len() {
        start = text.trim_end().len().saturating_sub(1);
        end = text.trim_end().len();
    }
    let words = (!label.text.is_empty()).then(|| label.text.clone());
    if primary {
        LabeledSpan::new_primary_with_span(words, start..end)
    } else {
        LabeledSpan::new_with_span(words, start..end)
    }
}

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Part<'_> {}

impl Diagnostic for Part<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.problem.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.problem.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Help => miette::Severity::Advice,
        })
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}

#[cfg(test)]
mod tests;
