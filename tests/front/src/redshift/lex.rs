//! Redshift's SQL as tokens: enough to find words outside of texts, names and comments.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name without quotes, or a keyword.
    Word,
    /// A name in double quotes.
    Name,
    /// A text in single quotes, or between `$$`.
    Text,
    /// Digits with what belongs to them.
    Number,
    /// One character of another kind; `::` is one token.
    Sign,
    /// Space and comments.
    Space,
}

/// A piece of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// As it was written.
    pub text: String,
}

impl Token {
    /// A word or sign, whatever its case.
    pub fn is(&self, word: &str) -> bool {
        matches!(self.kind, Kind::Word | Kind::Sign) && self.text.eq_ignore_ascii_case(word)
    }

    /// A token made, not read.
    pub fn made(kind: Kind, text: impl Into<String>) -> Token {
        Token { kind, text: text.into() }
    }

    /// What a text in single quotes says; Redshift reads backslashes in it.
    pub fn value(&self) -> Option<String> {
        let inner = (self.kind == Kind::Text).then(|| self.text.strip_prefix('\''))??;
        let inner = inner.strip_suffix('\'')?;
        let mut value = String::with_capacity(inner.len());
        let mut chars = inner.chars();
        while let Some(c) = chars.next() {
            match c {
                '\'' => value.extend(chars.next()),
                '\\' => match chars.next() {
                    Some('n') => value.push('\n'),
                    Some('t') => value.push('\t'),
                    Some('r') => value.push('\r'),
                    other => value.extend(other),
                },
                other => value.push(other),
            }
        }
        Some(value)
    }
}

/// Cuts a statement into tokens; nothing is left out. The error is Redshift's.
pub fn lex(sql: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let (kind, length) = next(first, rest)?;
        let (token, after) = rest.split_at(length);
        tokens.push(Token::made(kind, token));
        rest = after;
    }
    Ok(tokens)
}

fn next(first: char, rest: &str) -> Result<(Kind, usize), String> {
    let run = |take: fn(char) -> bool| rest.find(|c| !take(c)).unwrap_or(rest.len());
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == '$' || c == '#';
    Ok(match first {
        c if c.is_whitespace() => (Kind::Space, run(char::is_whitespace)),
        '-' if rest.starts_with("--") => (Kind::Space, rest.find('\n').unwrap_or(rest.len())),
        '/' if rest.starts_with("/*") => {
            let end = rest.find("*/").ok_or("ERROR: unterminated /* comment")?;
            (Kind::Space, end + 2)
        }
        '\'' => (Kind::Text, quoted(rest, '\'', true).ok_or("ERROR: unterminated quoted string")?),
        '"' => {
            let end = quoted(rest, '"', false).ok_or("ERROR: unterminated quoted identifier")?;
            (Kind::Name, end)
        }
        '$' if rest.starts_with("$$") => {
            let end = rest[2..].find("$$").ok_or("ERROR: unterminated dollar-quoted string")?;
            (Kind::Text, end + 4)
        }
        ':' if rest.starts_with("::") => (Kind::Sign, 2),
        c if c.is_ascii_digit() => (Kind::Number, run(|c| c.is_ascii_alphanumeric() || c == '.')),
        c if word(c) => (Kind::Word, run(|c| c.is_alphanumeric() || "_$#".contains(c))),
        other => (Kind::Sign, other.len_utf8()),
    })
}

/// The length with both quotes; a quote twice, or behind a backslash, does not end it.
fn quoted(rest: &str, quote: char, escapes: bool) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if escapes && c == '\\' {
            chars.next();
        } else if c == quote {
            match chars.peek() {
                Some((_, again)) if *again == quote => chars.next(),
                _ => return Some(at + 1),
            };
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost() {
        let sql = "select 'it''s', \"A b\"::int -- no 'text'\n/* ; */ from t where x>=:p;$$a$$ü";
        let tokens = lex(sql).expect("tokens");
        assert_eq!(tokens.iter().map(|token| token.text.as_str()).collect::<String>(), sql);
        assert_eq!(tokens.iter().filter(|token| token.kind == Kind::Text).count(), 2);
    }

    #[test]
    fn texts_are_read_as_redshift_does() {
        let value = |text: &str| lex(text).expect("a token")[0].value();
        assert_eq!(value("'it''s'").as_deref(), Some("it's"));
        assert_eq!(value(r"'a\'b\\c\n'").as_deref(), Some("a'b\\c\n"));
        assert_eq!(value("x"), None);
        assert!(lex("'open").is_err() && lex(r"'open\'").is_err());
    }
}
