//! The words of an expression.

use super::error::{Error, validation};

/// A word with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: String,
}

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An attribute's name, a keyword or a function.
    Word,
    /// `#name`
    Name,
    /// `:value`
    Value,
    /// The digits of a list's index.
    Index,
    /// A comparator, a parenthesis, and the like.
    Sign,
    /// Nothing more comes.
    End,
}

/// Splits an expression; the end is a token too.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, (usize, Vec<Token>)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let Some((kind, length)) = next(rest, first) else {
            let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
            found.push(Token { kind: Kind::Sign, text: rest[..length].to_owned() });
            return Err((found.len() - 1, found));
        };
        found.push(Token { kind, text: rest[..length].to_owned() });
        rest = rest[length..].trim_start();
    }
    found.push(Token { kind: Kind::End, text: "<EOF>".to_owned() });
    Ok(found)
}

/// Kind and length of the next word.
fn next(rest: &str, first: char) -> Option<(Kind, usize)> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let run = |from: usize| rest[from..].find(|c| !part(c)).map_or(rest.len(), |at| at + from);
    match first {
        'a'..='z' | 'A'..='Z' => Some((Kind::Word, run(0))),
        '0'..='9' => Some((Kind::Index, run(0)))
            .filter(|(_, length)| rest[..*length].bytes().all(|byte| byte.is_ascii_digit())),
        '#' if run(1) > 1 => Some((Kind::Name, run(1))),
        ':' if run(1) > 1 => Some((Kind::Value, run(1))),
        '<' | '>' => {
            let two = ["<>", "<=", ">="].iter().any(|two| rest.starts_with(two));
            Some((Kind::Sign, if two { 2 } else { 1 }))
        }
        '=' | '+' | '-' | ',' | '.' | '(' | ')' | '[' | ']' => Some((Kind::Sign, 1)),
        _ => None,
    }
}

/// AWS's refusal of the word at a position, with what stands around it.
pub(super) fn syntax_error(which: &str, tokens: &[Token], at: usize) -> Error {
    let near = tokens[at.saturating_sub(1)..].iter().take(3);
    let near = near.filter(|token| token.kind != Kind::End).map(|token| token.text.as_str());
    let near = near.collect::<Vec<_>>().join(" ");
    let token = &tokens[at].text;
    validation(format!("Invalid {which}: Syntax error; token: \"{token}\", near: \"{near}\""))
}
