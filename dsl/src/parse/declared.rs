//! What stands around a declaration: its doc comment, and a word that declares nothing.

use super::Patch;
use super::lex::{Segment, Token};
use super::line::{DECLARATIONS, split_word};
use crate::check::suggest::nearest;
use crate::problem::Problem;
use crate::span::{FileId, Span};

/// The `##` lines directly above byte `start`, without their marks.
pub(super) fn doc(text: &str, start: usize) -> Option<String> {
    let mut lines: Vec<&str> = Vec::new();
    for line in text[..start].lines().rev() {
        let line = line.trim();
        match line.strip_prefix("##") {
            Some(doc) if !doc.starts_with('#') => lines.push(doc.strip_prefix(' ').unwrap_or(doc)),
            _ if lines.is_empty() && (line.is_empty() || line.starts_with('#')) => {}
            _ => break,
        }
    }
    lines.reverse();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// The problem of a segment that begins with no word of the language, and what would mend it.
pub(super) fn unknown(
    file: FileId,
    text: &str,
    tokens: &[Token],
    segment: &Segment,
) -> (Problem, Option<Patch>) {
    let token = &tokens[segment.tokens.start];
    let word = &text[token.start..token.end];
    let span = Span::new(file, token.start, token.end);
    let alone = split_word(word).0.is_empty();
    let message = match alone {
        true => format!("`{word}` does not begin a declaration"),
        false => format!("`{word}` is not a declaration"),
    };
    let problem = Problem::error("E0101", message, span, "");
    if let Some(near) = nearest(word, DECLARATIONS) {
        let problem = problem.help(format!("did you mean `{near}`?"));
        return (problem, respell(text, token, near));
    }
    let statement = text[token.end..segment.end].lines().next().unwrap_or("").contains("->");
    let help = match statement {
        true => "statements stand inside a flow: `flow name { … }`".to_string(),
        false => format!("a declaration begins with one of: {}", DECLARATIONS.join(", ")),
    };
    (problem.help(help), None)
}

/// The word as it should be, padded with the blanks that follow it.
fn respell(text: &str, token: &Token, word: &str) -> Option<Patch> {
    let rest = &text[token.end..];
    let blanks = rest.len() - rest.trim_start_matches(' ').len();
    let room = token.end - token.start + blanks;
    (word.len() < room).then(|| (token.start, format!("{word:room$}").into_bytes()))
}
