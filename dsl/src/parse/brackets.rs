//! The problems of brackets, quotes and holes.

use super::Patch;
use super::lex::{Before, DEPTH_MAX, Fault, Kind, Opener, Token, line_start};
use crate::problem::Problem;
use crate::span::{FileId, Span};

/// The problem of a fault, and what would mend it.
pub(super) fn explain(
    file: FileId,
    text: &str,
    tokens: &[Token],
    fault: Fault,
) -> (Problem, Option<Patch>) {
    let span = |token: usize| Span::new(file, tokens[token].start, tokens[token].end);
    let word = |token: usize| &text[tokens[token].start..tokens[token].end];
    match fault {
        Fault::Unclosed { open, before } => (unclosed(file, text, tokens, open, before), None),
        Fault::Deep(token) => {
            let message = format!("brackets are nested over {DEPTH_MAX} deep");
            let problem = Problem::error("E0105", message, span(token), "one level too many");
            (problem.help("name a part with `let` or `const`, and use the name"), None)
        }
        Fault::WrongCloser { open, close } => {
            let (opened, closed) = (word(open), word(close));
            let closer = opener(tokens, open).closer();
            let message = format!("`{opened}` is closed by `{closed}`");
            let problem = Problem::error("E0102", message, span(close), "closes nothing")
                .label(span(open), "opened here")
                .help(format!("write `{closer}`"));
            (problem, Some((tokens[close].start, closer.into())))
        }
        Fault::Stray(token) => {
            let message = format!("`{}` closes nothing", word(token));
            let problem = Problem::error("E0102", message, span(token), "nothing is open here");
            (problem.help("remove it"), Some((tokens[token].start, b" ".to_vec())))
        }
    }
}

fn opener(tokens: &[Token], token: usize) -> Opener {
    match tokens[token].kind {
        Kind::Open(opener) => opener,
        _ => unreachable!("a fault names openers"),
    }
}

fn unclosed(file: FileId, text: &str, tokens: &[Token], open: usize, before: Before) -> Problem {
    let opener = opener(tokens, open);
    let token = &tokens[open];
    let word = &text[token.start..token.end];
    let span = Span::new(file, token.start, token.end);
    let what = match opener {
        Opener::Quote => "this text is not closed".to_string(),
        Opener::Block => "this block of text is not closed".to_string(),
        Opener::Hole => "`{` opens a hole in the text, and it is not closed".to_string(),
        _ => format!("`{word}` is not closed"),
    };
    let problem = Problem::error("E0103", what, span, "opened here");
    let (place, said) = match before {
        Before::NextItem(at) => (word_at(file, text, at), "the next declaration begins here"),
        Before::EndOfFile => (Span::new(file, text.len(), text.len()), "the file ends here"),
        Before::LineEnd(at) => {
            let end = text[..at].trim_end_matches('\r').len();
            (Span::new(file, end, end), "the line ends here")
        }
        Before::Closer(close) => {
            let close = &tokens[close];
            (Span::new(file, close.start, close.end), "this comes first")
        }
    };
    problem.label(place, said).help(help(text, tokens, open, before))
}

fn help(text: &str, tokens: &[Token], open: usize, before: Before) -> String {
    let opener = opener(tokens, open);
    let closer = opener.closer();
    if opener == Opener::Hole {
        return "close it with `}`, or write `\\{` for a plain brace".into();
    }
    if opener == Opener::Quote {
        let line = text[tokens[open].start..].lines().next().unwrap_or("").trim_end();
        let short = line.chars().count() < 60;
        return match short {
            true => format!("write `{line}\"`, or `\"\"\"` for text of several lines"),
            false => "add `\"` where the text ends, or use `\"\"\"` for several lines".into(),
        };
    }
    if matches!(opener, Opener::Paren | Opener::Bracket) {
        let start = line_start(text, tokens[open].start);
        let line = text[start..].lines().next().unwrap_or("").trim();
        return format!("write `{line}{closer}`");
    }
    // an opener with a closer took the one that was meant for another
    match tokens[open].partner {
        Some(close) => {
            format!("add `{closer}` before line {}", line_number(text, tokens[close].start))
        }
        None => match before {
            Before::NextItem(at) => {
                let line = line_number(text, comments_above(text, at));
                format!("add `{closer}` before line {line}")
            }
            _ => format!("add `{closer}` where it ends"),
        },
    }
}

/// Where the comments and blank lines directly above the declaration at `at` begin.
fn comments_above(text: &str, at: usize) -> usize {
    let mut start = at;
    while start > 0 {
        let above = line_start(text, start - 1);
        let line = text[above..start].trim();
        if !line.starts_with('#') {
            break;
        }
        start = above;
    }
    start
}

fn line_number(text: &str, at: usize) -> usize {
    text[..at].bytes().filter(|&byte| byte == b'\n').count() + 1
}

/// The word at byte `at`.
fn word_at(file: FileId, text: &str, at: usize) -> Span {
    let len = super::line::split_word(&text[at..]).0.len().max(1);
    Span::new(file, at, at + len)
}
