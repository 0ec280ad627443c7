//! Tokens, brackets and the places where declarations begin: what must be known before the
//! grammar runs, so that one broken declaration hides no other.

use super::line::{Inside, declares};

/// Brackets, quotes and holes may be open to this depth.
pub(super) const DEPTH_MAX: usize = 128;

/// What opens and must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opener {
    Paren,
    Bracket,
    Brace,
    Quote,
    Block,
    Hole,
}

impl Opener {
    /// What closes it.
    pub(super) fn closer(self) -> &'static str {
        match self {
            Opener::Paren => ")",
            Opener::Bracket => "]",
            Opener::Brace | Opener::Hole => "}",
            Opener::Quote => "\"",
            Opener::Block => "\"\"\"",
        }
    }
}

/// The kinds of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Number,
    /// A piece of text between quotes, or a format in a hole.
    Text,
    /// Text in single quotes, which the language does not have.
    Single,
    Punct,
    Open(Opener),
    Close,
}

/// A token: its bytes, the bracket it stands in, and the other half of a bracket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
    pub parent: Option<usize>,
    pub partner: Option<usize>,
}

/// Where it was seen that something is not closed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Before {
    NextItem(usize),
    EndOfFile,
    LineEnd(usize),
    Closer(usize),
}

/// A fault of brackets; the numbers are tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    Unclosed { open: usize, before: Before },
    WrongCloser { open: usize, close: usize },
    Stray(usize),
    Deep(usize),
}

/// A declaration's part of the file.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub start: usize,
    pub end: usize,
    /// Its tokens.
    pub tokens: std::ops::Range<usize>,
    /// False when its first word is none of the language.
    pub known: bool,
    pub faults: Vec<Fault>,
}

/// Splits a file into tokens and declarations.
pub(super) fn lex(text: &str) -> (Vec<Token>, Vec<Segment>) {
    let mut lexer = Lexer {
        text,
        at: 0,
        tokens: Vec::new(),
        stack: Vec::new(),
        closed: Vec::new(),
        segments: Vec::new(),
    };
    while lexer.at < text.len() {
        match lexer.top() {
            Some(Opener::Quote) => lexer.quoted(),
            Some(Opener::Block) => lexer.block(),
            _ => lexer.code(),
        }
    }
    if lexer.stack.iter().any(|&open| lexer.opener(open) == Opener::Quote) {
        lexer.line_ends();
    }
    lexer.end_segment(Before::EndOfFile);
    (lexer.tokens, lexer.segments)
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    tokens: Vec<Token>,
    /// The openers that are not closed yet.
    stack: Vec<usize>,
    /// The pairs closed in this declaration, in order.
    closed: Vec<(usize, usize)>,
    segments: Vec<Segment>,
}

const PUNCTUATION: [&str; 17] = [
    "-->", "===", "...", "->", "=>", "==", "!=", "<=", ">=", "??", "?.", "|>", "||", "&&", "<>",
    ">>", "<-",
];

impl Lexer<'_> {
    fn opener(&self, token: usize) -> Opener {
        match self.tokens[token].kind {
            Kind::Open(opener) => opener,
            _ => unreachable!("only openers are put on the stack"),
        }
    }

    fn top(&self) -> Option<Opener> {
        self.stack.last().map(|&token| self.opener(token))
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn line(&self) -> &str {
        self.rest().lines().next().unwrap_or("")
    }

    fn push(&mut self, kind: Kind, len: usize) {
        if self.segments.last().is_none_or(|segment| segment.end != usize::MAX) {
            self.begin_segment(false);
        }
        let parent = self.stack.last().copied();
        let (start, end) = (self.at, self.at + len);
        self.tokens.push(Token { kind, start, end, parent, partner: None });
        self.at = end;
    }

    fn open(&mut self, opener: Opener, len: usize) {
        self.push(Kind::Open(opener), len);
        let token = self.tokens.len() - 1;
        self.stack.push(token);
        if self.stack.len() == DEPTH_MAX + 1 {
            self.fault(Fault::Deep(token));
        }
    }

    fn fault(&mut self, fault: Fault) {
        if let Some(segment) = self.segments.last_mut() {
            segment.faults.push(fault);
        }
    }

    fn begin_segment(&mut self, known: bool) {
        let tokens = self.tokens.len()..usize::MAX;
        let segment =
            Segment { start: self.at, end: usize::MAX, tokens, known, faults: Vec::new() };
        self.segments.push(segment);
        self.closed.clear();
    }

    fn end_segment(&mut self, before: Before) {
        let Some(segment) = self.segments.last() else { return };
        if segment.end != usize::MAX {
            return;
        }
        if let Some(&innermost) = self.stack.last() {
            let open = self.misaligned().unwrap_or(innermost);
            self.fault(Fault::Unclosed { open, before });
            self.stack.clear();
        }
        let (at, tokens) = (self.at, self.tokens.len());
        if let Some(segment) = self.segments.last_mut() {
            segment.end = at;
            segment.tokens.end = tokens;
        }
    }

    /// The first opener whose closer begins a line with a smaller indentation: where a closer was
    /// most likely forgotten.
    fn misaligned(&self) -> Option<usize> {
        let pair = self.closed.iter().find(|&&(open, close)| {
            let (open, close) = (self.tokens[open].start, self.tokens[close].start);
            let (opened, closed) = (line_start(self.text, open), line_start(self.text, close));
            opened != closed
                && self.text[closed..close].trim().is_empty()
                && close - closed < indentation(&self.text[opened..])
        });
        pair.map(|&(open, _)| open)
    }

    fn code(&mut self) {
        let Some(c) = self.rest().chars().next() else { return };
        match c {
            '\n' => {
                self.line_ends();
                self.at += 1;
            }
            ' ' | '\t' | '\r' | '\u{FEFF}' => self.at += c.len_utf8(),
            '#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
            '(' => self.open(Opener::Paren, 1),
            '[' => self.open(Opener::Bracket, 1),
            '{' => self.open(Opener::Brace, 1),
            ')' | ']' | '}' => self.close(c),
            '"' => self.quote(),
            '\'' => self.single(),
            'a'..='z' | 'A'..='Z' | '_' => self.word(),
            '0'..='9' => self.number(),
            ':' if self.top() == Some(Opener::Hole) => self.format(),
            _ => {
                let rest = self.rest();
                let known = PUNCTUATION.iter().find(|punct| rest.starts_with(**punct));
                self.push(Kind::Punct, known.map_or(c.len_utf8(), |punct| punct.len()));
            }
        }
    }

    fn word(&mut self) {
        let len = super::line::split_word(self.rest()).0.len();
        let before = self.text[..self.at].trim_end_matches([' ', '\t', '\u{FEFF}']);
        let blank = &self.text[before.len()..self.at];
        let inside = if self.stack.is_empty() { Inside::Nothing } else { Inside::Bracket };
        let begins = if !before.is_empty() && !before.ends_with('\n') {
            None
        } else if blank.trim_start_matches('\u{FEFF}').is_empty() {
            declares(self.line(), inside)
        } else if self.stack.is_empty() {
            // indented, but surely a declaration
            declares(self.line(), Inside::Block)
        } else {
            None
        };
        if let Some(known) = begins {
            self.end_segment(Before::NextItem(self.at));
            self.begin_segment(known);
        }
        self.push(Kind::Word, len);
    }

    fn number(&mut self) {
        let rest = self.rest().as_bytes();
        let mut len = 0;
        while len < rest.len() {
            let digit_follows = rest.get(len + 1).is_some_and(u8::is_ascii_digit);
            let more = rest[len].is_ascii_alphanumeric()
                || rest[len] == b'_'
                || (rest[len] == b'.' && digit_follows);
            if !more {
                break;
            }
            len += 1;
        }
        self.push(Kind::Number, len);
    }

    /// `:` in a hole, and the format up to the hole's end.
    fn format(&mut self) {
        self.push(Kind::Punct, 1);
        let len = self.rest().find(['}', '\n']).unwrap_or(self.rest().len());
        if len > 0 {
            self.push(Kind::Text, len);
        }
    }

    fn quote(&mut self) {
        if self.at > 0 && self.text.as_bytes()[self.at - 1] == b'.' {
            // `."Unit Price"`
            return match self.line()[1..].find('"') {
                Some(len) => self.push(Kind::Text, len + 2),
                None => self.open(Opener::Quote, 1),
            };
        }
        if !self.rest().starts_with("\"\"\"") {
            return self.open(Opener::Quote, 1);
        }
        match self.stack.iter().rposition(|&open| self.opener(open) == Opener::Block) {
            Some(block) => self.close_at(block, 3),
            None => self.open(Opener::Block, 3),
        }
    }

    fn single(&mut self) {
        match self.line()[1..].find('\'') {
            Some(len) if self.stack.iter().all(|&open| self.opener(open) != Opener::Quote) => {
                self.push(Kind::Single, len + 2);
            }
            _ => self.push(Kind::Punct, 1),
        }
    }

    /// The inside of `"…"`, up to a hole, the end, or the end of the line.
    fn quoted(&mut self) {
        let rest = self.rest();
        let mut escaped = false;
        let end = rest.char_indices().find(|&(_, c)| {
            let ends = c == '\n' || (!escaped && (c == '"' || c == '{'));
            escaped = c == '\\' && !escaped;
            ends
        });
        let len = end.map_or(rest.len(), |(at, _)| at);
        if len > 0 {
            self.push(Kind::Text, len);
        }
        match self.rest().chars().next() {
            Some('"') => self.close_at(self.stack.len() - 1, 1),
            Some('{') => self.open(Opener::Hole, 1),
            Some(_) => self.line_ends(),
            None => {}
        }
    }

    /// The inside of `"""…"""`, up to a hole, the end, or a line that surely declares something.
    fn block(&mut self) {
        let rest = self.rest();
        let mut len = 0;
        let mut declared = false;
        while len < rest.len() {
            let here = &rest[len..];
            if here.starts_with("\"\"\"") || here.starts_with('{') {
                break;
            }
            declared = self.at + len > 0
                && self.text.as_bytes()[self.at + len - 1] == b'\n'
                && declares(here.lines().next().unwrap_or(""), Inside::Block).is_some();
            if declared {
                break;
            }
            let escaped = here.starts_with("\\{") || here.starts_with("\\}");
            len += if escaped { 2 } else { here.chars().next().map_or(1, char::len_utf8) };
        }
        if len > 0 {
            self.push(Kind::Text, len);
        }
        if declared {
            self.end_segment(Before::NextItem(self.at));
        } else if self.rest().starts_with('{') {
            self.open(Opener::Hole, 1);
        } else if !self.rest().is_empty() {
            self.close_at(self.stack.len() - 1, 3);
        }
    }

    /// Text in `"` cannot go on in the next line.
    fn line_ends(&mut self) {
        let quote = self.stack.iter().position(|&open| self.opener(open) == Opener::Quote);
        let Some(quote) = quote else { return };
        // In `"a { b"` the quote opens a second text: the hole is what was not meant.
        let blamed = *self.stack.get(quote + 1).unwrap_or(&self.stack[quote]);
        self.fault(Fault::Unclosed { open: blamed, before: Before::LineEnd(self.at) });
        self.stack.truncate(quote);
    }

    fn close(&mut self, c: char) {
        let fits = |opener: Opener| opener.closer().starts_with(c);
        let text = |opener: Opener| matches!(opener, Opener::Quote | Opener::Block);
        let openers = self.stack.iter().enumerate().rev();
        let mut within = openers
            .map(|(at, &token)| (at, self.opener(token)))
            .take_while(|&(_, opener)| !text(opener));
        if let Some((at, _)) = within.find(|&(_, opener)| fits(opener)) {
            return self.close_at(at, 1);
        }
        let closes = self.tokens.len();
        let Some(&open) = self.stack.last().filter(|&&open| self.mistyped(open)) else {
            self.push(Kind::Punct, 1);
            return self.fault(Fault::Stray(closes));
        };
        self.fault(Fault::WrongCloser { open, close: closes });
        self.close_at(self.stack.len() - 1, 1);
    }

    /// True when the closer here is likely meant for `open`: same line, and the right one does not
    /// follow.
    fn mistyped(&self, open: usize) -> bool {
        let opener = &self.tokens[open];
        let one_line = !self.text[opener.start..self.at].contains('\n');
        let after = self.text[self.at + 1..].trim_start_matches([' ', '\t']);
        one_line && !after.starts_with(self.opener(open).closer())
    }

    /// Closes the opener at `depth` of the stack; what is above it was not closed.
    fn close_at(&mut self, depth: usize, len: usize) {
        let open = self.stack[depth];
        let close = self.tokens.len();
        if let Some(&unclosed) = self.stack[depth + 1..].last() {
            let before = Before::Closer(close);
            self.fault(Fault::Unclosed { open: unclosed, before });
        }
        self.stack.truncate(depth);
        self.push(Kind::Close, len);
        self.tokens[close].partner = Some(open);
        self.tokens[open].partner = Some(close);
        self.closed.push((open, close));
    }
}

/// Where the line of byte `at` begins.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// The last token of what begins with `first`: a text in quotes, a `.field`, or the token alone.
pub(super) fn last_of(tokens: &[Token], text: &str, first: usize) -> usize {
    let token = &tokens[first];
    if let Kind::Open(Opener::Quote | Opener::Block) = token.kind {
        return token.partner.unwrap_or(first);
    }
    let dot = &text[token.start..token.end] == ".";
    match tokens.get(first + 1) {
        Some(name) if dot && name.start == token.end => first + 1,
        _ => first,
    }
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t']).len()
}
