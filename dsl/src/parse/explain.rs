//! Where the grammar stopped, to a problem: from the place, the next token, what would have fit
//! and the innermost open bracket. Some mistakes can be mended in place, so that the rest is read.

use super::Patch;
use super::expected::{form, keyword_near, phrase};
use super::grammar::Rule;
use super::lex::{Kind, Opener, Segment, Token, last_of, line_start};
use super::line::is_reserved;
use crate::problem::Problem;
use crate::span::{FileId, Span};

type Explained = (Problem, Option<Patch>);

/// Everything that is known where the grammar stopped.
pub(super) struct Context<'a> {
    file: FileId,
    text: &'a str,
    tokens: &'a [Token],
    segment: &'a Segment,
    expected: &'a [Rule],
    /// The next token; `None` at the end of the declaration.
    next: Option<usize>,
    /// The token before it.
    before: Option<usize>,
}

impl<'a> Context<'a> {
    /// The grammar stopped at byte `at`, where one of `expected` would have fit.
    pub(super) fn new(
        file: FileId,
        text: &'a str,
        tokens: &'a [Token],
        segment: &'a Segment,
        at: usize,
        expected: &'a [Rule],
    ) -> Context<'a> {
        let range = segment.tokens.clone();
        let index = tokens.partition_point(|token| token.end <= at).max(range.start);
        let next = Some(index).filter(|index| range.contains(index));
        let before = index.min(range.end).checked_sub(1).filter(|index| range.contains(index));
        Context { file, text, tokens, segment, expected, next, before }
    }

    /// The problem, and what would mend it.
    pub(super) fn explain(&self) -> Explained {
        let Some(next) = self.next else { return (self.ended(), None) };
        self.arrow(next)
            .or_else(|| self.foreign(next))
            .or_else(|| self.separator(next))
            .or_else(|| self.untouched(next))
            .or_else(|| self.misnamed(next))
            .or_else(|| self.unnamed_option(next))
            .or_else(|| self.missing_comma(next))
            .or_else(|| self.missing_mark(next))
            .or_else(|| self.dangling(next))
            .or_else(|| self.statement(next))
            .unwrap_or_else(|| (self.general(next), None))
    }

    fn wants(&self, rule: Rule) -> bool {
        self.expected.contains(&rule)
    }

    fn word(&self, token: usize) -> &'a str {
        &self.text[self.tokens[token].start..self.tokens[token].end]
    }

    fn span(&self, token: usize) -> Span {
        Span::new(self.file, self.tokens[token].start, self.tokens[token].end)
    }

    /// True when a line ends between the next token and the one before it.
    fn begins_line(&self, next: usize) -> bool {
        let before = self.before.map_or(0, |before| self.tokens[before].end);
        self.text[before..self.tokens[next].start].contains('\n')
    }

    /// The declaration ends too early.
    fn ended(&self) -> Problem {
        let last = self.segment.tokens.end - 1;
        let message = format!("expected {} after `{}`", phrase(self.expected), self.word(last));
        let problem =
            Problem::error("E0102", message, self.span(last), "the declaration ends here");
        match form(self.word(self.segment.tokens.start)) {
            Some(form) => problem.help(format!("it is written `{form}`")),
            None => problem,
        }
    }

    /// E0104: another arrow.
    fn arrow(&self, next: usize) -> Option<Explained> {
        let word = self.word(next);
        // `- >`: one mistake, told at the dash
        let apart = word == "-"
            && self.tokens.get(next + 1).is_some_and(|_| self.word(next + 1) == ">")
            && self.text[self.tokens[next].end..self.tokens[next + 1].start] == *" "
            && self.wants(Rule::arrow);
        let always = apart || matches!(word, "-->" | "→" | "|>" | "⇒" | "➜");
        let here = matches!(word, ">" | "|" | "=>" | ">>" | "<-") && self.wants(Rule::arrow);
        if !always && !here {
            return None;
        }
        let token = &self.tokens[next];
        let last = &self.tokens[if apart { next + 1 } else { next }];
        let word = &self.text[token.start..last.end];
        let message = format!("`{word}` is not an arrow");
        let start = line_start(self.text, token.start);
        let rest = self.text[last.end..].lines().next().unwrap_or("");
        let line = format!("{}->{rest}", &self.text[start..token.start]);
        let help = match line.trim().chars().count() < 80 {
            true => format!("edges are written `->`: `{}`", line.trim()),
            false => "edges are written `->`".to_string(),
        };
        let span = Span { end: self.span(next).start + word.len() as u32, ..self.span(next) };
        let problem = Problem::error("E0104", message, span, "not an edge").help(help);
        let (start, len) = (self.tokens[next].start, word.len());
        let blank = |at: usize| self.text.as_bytes().get(at) == Some(&b' ');
        let patch = match len {
            1 if blank(start - 1) => Some((start - 1, b"->".to_vec())),
            1 if blank(start + 1) => Some((start, b"->".to_vec())),
            1 => None,
            _ => Some((start, format!("{:len$}", "->").into_bytes())),
        };
        Some((problem, patch))
    }

    /// Semicolons and single quotes.
    fn foreign(&self, next: usize) -> Option<Explained> {
        let (token, word, span) = (&self.tokens[next], self.word(next), self.span(next));
        if word == ";" {
            let problem = Problem::error("E0102", "there are no semicolons", span, "");
            let problem = problem.help("a line break ends a statement; remove the `;`");
            return Some((problem, Some((token.start, b" ".to_vec()))));
        }
        let message = "text is written in double quotes";
        if token.kind == Kind::Single {
            let inner = &word[1..word.len() - 1];
            let problem = Problem::error("E0102", message, span, "single quotes here");
            let plain = !inner.contains(['"', '\\', '{']);
            let patch = plain.then(|| (token.start, format!("\"{inner}\"").into_bytes()));
            return Some((problem.help(format!("write `\"{inner}\"`")), patch));
        }
        if word == "|" && (self.wants(Rule::EOI) || self.wants(Rule::gt)) {
            let message = "a union of types is not supported yet";
            let problem = Problem::error("E0001", message, span, "");
            return Some((problem.help("use the wider type, such as `text`"), None));
        }
        if word == "=>" {
            let message = "a lambda can only be an argument of a function";
            let problem = Problem::error("E0102", message, span, "not in an argument");
            return Some((problem.help("an edge is written `->`, a comparison `>=`"), None));
        }
        if matches!(word, "'" | "`" | "“" | "”") {
            return Some((Problem::error("E0102", message, span, "").help("write `\"…\"`"), None));
        }
        None
    }

    /// `=` for `:` and the reverse.
    fn separator(&self, next: usize) -> Option<Explained> {
        let (wanted, given) = match self.word(next) {
            "=" if self.wants(Rule::colon) => (":", "="),
            ":" if self.wants(Rule::eq) => ("=", ":"),
            "=" if self.wants(Rule::arrow) && self.before.is_some() => return self.unnamed(next),
            _ => return None,
        };
        let declared = self.word(self.segment.tokens.start);
        let message = format!("expected `{wanted}` here");
        let label = format!("not `{given}`");
        let problem = Problem::error("E0102", message, self.span(next), label);
        let problem = match form(declared) {
            Some(form) => problem.help(format!("a {declared} is written `{form}`")),
            None => problem.help(format!("write `{wanted}`")),
        };
        Some((problem, Some((self.tokens[next].start, wanted.into()))))
    }

    /// `x = a -> b` without `let`.
    fn unnamed(&self, next: usize) -> Option<Explained> {
        let name = self.word(self.before?);
        let message = "a chain is named with `let`";
        let problem = Problem::error("E0102", message, self.span(next), "no `let` before the name");
        Some((problem.help(format!("write `let {name} = …`")), None))
    }

    /// `f (x)`: what is called is not touched.
    fn untouched(&self, next: usize) -> Option<Explained> {
        let before = self.before?;
        let called = self.tokens[before].kind == Kind::Word && !is_reserved(self.word(before));
        let gap = &self.text[self.tokens[before].end..self.tokens[next].start];
        if self.word(next) != "(" || !called || gap.is_empty() || gap.contains('\n') {
            return None;
        }
        let name = self.word(before);
        let message = format!("`(` must touch `{name}`");
        let problem = Problem::error("E0102", message, self.span(next), "a blank before it");
        let patch = format!("({gap}").into_bytes();
        Some((problem.help(format!("write `{name}(`")), Some((self.tokens[before].end, patch))))
    }

    /// A word that cannot be a name.
    fn misnamed(&self, next: usize) -> Option<Explained> {
        let (word, span) = (self.word(next), self.span(next));
        let kind = self.tokens[next].kind;
        if self.wants(Rule::type_name) && kind == Kind::Word {
            let mut letters = word.chars();
            let first = letters.next().map(|c| c.to_ascii_uppercase()).unwrap_or('T');
            let name: String = std::iter::once(first).chain(letters).collect();
            let problem = Problem::error("E0102", "a type begins with a capital", span, "");
            let patch = Some((self.tokens[next].start, name.clone().into_bytes()));
            return Some((problem.help(format!("write `{name}`")), patch));
        }
        let single = self.expected.iter().all(|rule| matches!(rule, Rule::ident | Rule::path));
        if self.wants(Rule::ident) && single && kind == Kind::Number {
            let problem = Problem::error("E0102", "a name begins with a letter", span, "");
            return Some((problem.help(format!("write `_{word}`, or a word")), None));
        }
        let named = self.wants(Rule::ident)
            || self.expected.iter().any(|rule| matches!(rule, Rule::expr | Rule::primary));
        if named && kind == Kind::Word && is_reserved(word) && !self.begins_line(next) {
            let message = format!("`{word}` is a word of the language and cannot be a name here");
            let problem = Problem::error("E0102", message, span, "a reserved word");
            return Some((problem.help(format!("use another name, such as `{word}_`")), None));
        }
        None
    }

    /// E0102: a comma or a closer is missing.
    fn missing_comma(&self, next: usize) -> Option<Explained> {
        let closes = [(Rule::rpar, ")"), (Rule::rbrk, "]")];
        let (_, closer) = closes.into_iter().find(|(rule, _)| self.wants(*rule))?;
        let open = self.tokens[next].parent?;
        let before = self.before.filter(|before| *before > open && self.word(*before) != ",")?;
        let message = match self.wants(Rule::comma) {
            true => format!("expected `,` or `{closer}`"),
            false => format!("expected `{closer}`"),
        };
        let inside = self.inside(open)?;
        let word = self.word(next);
        let ends = matches!(self.tokens[next].kind, Kind::Close)
            || matches!(word, "->" | "{" | "=")
            || self.begins_line(next) && !word.starts_with(['.', '"']) && closer == ")";
        let missing = if ends { closer } else { "," };
        let label = match missing {
            "," => "a comma is missing before this".to_string(),
            _ => format!("a `{closer}` is missing before this"),
        };
        let problem = Problem::error("E0102", message, self.whole(next), label)
            .label(self.span(open), format!("inside {inside}"))
            .help(self.corrected(open, before, next, missing));
        let gap = self.text.as_bytes()[self.tokens[before].end].is_ascii_whitespace();
        let patch = gap.then(|| (self.tokens[before].end, missing.into()));
        Some((problem, patch))
    }

    /// What the bracket `open` encloses.
    fn inside(&self, open: usize) -> Option<&'static str> {
        let Kind::Open(opener) = self.tokens[open].kind else { return None };
        let start = self.tokens[open].start;
        let touches = self.text[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        Some(match opener {
            Opener::Paren if touches => "these arguments",
            Opener::Paren => "these parentheses",
            Opener::Bracket if touches => "this index",
            Opener::Bracket => "this list",
            Opener::Brace => "this record",
            _ => return None,
        })
    }

    /// The token, or the whole text or field that it begins.
    fn whole(&self, token: usize) -> Span {
        self.span(token).to(self.span(last_of(self.tokens, self.text, token)))
    }

    /// The two entries with what is missing between them.
    fn corrected(&self, open: usize, before: usize, next: usize, missing: &str) -> String {
        let own = |token: usize| self.tokens[token].parent == Some(open);
        let comma = (open + 1..=before).rev().find(|&token| own(token) && self.word(token) == ",");
        let first = comma.map_or(open + 1, |comma| comma + 1);
        let end = self.tokens[before].end;
        let left = |token: usize| self.text[self.tokens[token].start..end].trim();
        if missing != "," {
            let line = line_start(self.text, self.tokens[open].start);
            let call = self.text[line..end].trim();
            let call = call.split(" -> ").last().unwrap_or(call).trim_start_matches("-> ");
            return match call.contains('\n') {
                true => format!("write `{}{missing}`", left(first)),
                false => format!("write `{call}{missing}`"),
            };
        }
        let stop = (next..self.segment.tokens.end).find(|&token| {
            let closes = self.tokens[token].partner == Some(open);
            closes || (own(token) && token > next && self.word(token) == ",")
        });
        let stop = stop.map_or(self.tokens[next].end, |token| self.tokens[token].start);
        let right = self.text[self.tokens[next].start..stop].lines().next().unwrap_or("").trim();
        format!("write `{}, {right}`", left(first))
    }

    /// An arrow that leads nowhere.
    fn dangling(&self, next: usize) -> Option<Explained> {
        if self.tokens[next].kind != Kind::Close && self.word(next) != "->" {
            return None;
        }
        let before = self.before.filter(|&before| self.word(before) == "->")?;
        if !self.wants(Rule::stage) && !self.wants(Rule::chain) {
            return None;
        }
        let message = "a node is missing after `->`";
        let problem = Problem::error("E0102", message, self.span(before), "leads to no node");
        Some((problem.help("end the chain with a sink: `-> drop`, or remove the arrow"), None))
    }

    /// What does not belong into a body.
    fn statement(&self, next: usize) -> Option<Explained> {
        if !self.wants(Rule::rbrace) && !self.wants(Rule::stmt) {
            return None;
        }
        let body = [Rule::arrow, Rule::stmt, Rule::chain].iter().any(|rule| self.wants(*rule));
        if !body || self.wants(Rule::expr) {
            return None;
        }
        let (word, span) = (self.word(next), self.span(next));
        if word == "," {
            let message = "statements are not separated by commas";
            let problem = Problem::error("E0102", message, span, "");
            let patch = Some((self.tokens[next].start, b" ".to_vec()));
            return Some((problem.help("put each statement into its own line"), patch));
        }
        if word == "->" {
            let message = "nothing stands before `->`";
            let problem = Problem::error("E0102", message, span, "leads from no node");
            return Some((problem.help("begin the chain with a source: `orders.read ->`"), None));
        }
        if word == "if" {
            let message = "`if` is an expression, not a statement";
            let problem = Problem::error("E0102", message, span, "");
            let help = "send each record one way: `-> route { .a > 0 -> b  else -> c }`";
            return Some((problem.help(help), None));
        }
        let word = self.text_of(next).lines().next().unwrap_or("");
        let message = format!("expected `->`, a statement or `}}` before `{word}`");
        let label = format!("`{word}` begins no statement");
        let problem = Problem::error("E0102", message, self.whole(next), label);
        Some((problem.help("a statement is a chain of nodes: `orders.read -> drop`"), None))
    }

    /// `max 500` for `max: 500`.
    fn unnamed_option(&self, next: usize) -> Option<Explained> {
        let before = self.before.filter(|&before| self.tokens[before].kind == Kind::Word)?;
        let open = self.tokens[next].parent?;
        let first = before == open + 1 || self.word(before - 1) == ",";
        let value = matches!(self.tokens[next].kind, Kind::Number | Kind::Open(Opener::Quote));
        if !first || !value || self.inside(open) != Some("these arguments") {
            return None;
        }
        Some(self.mark(before, next, ":"))
    }

    /// Exactly one mark would fit: it is missing.
    fn missing_mark(&self, next: usize) -> Option<Explained> {
        let before = self.before.filter(|_| self.tokens[next].kind != Kind::Close)?;
        let marked = ["`:`", "`=`", "`->`"].into_iter().find(|mark| phrase(self.expected) == *mark);
        let guarantee = self.wants(Rule::colon) && self.word(next).ends_with("_once");
        let mark = marked.or(guarantee.then_some("`:`"))?;
        Some(self.mark(before, next, mark.trim_matches('`')))
    }

    /// `mark` is missing between two tokens.
    fn mark(&self, before: usize, next: usize, mark: &str) -> Explained {
        let label = format!("a `{mark}` is missing before this");
        let (left, right) = (self.word(before), self.text_of(next));
        let space = if mark == ":" { "" } else { " " };
        let message = format!("expected `{mark}` after `{left}`");
        let problem = Problem::error("E0102", message, self.whole(next), label)
            .help(format!("write `{left}{space}{mark} {right}`"));
        let (start, end) = (self.tokens[before].end, self.tokens[next].start);
        let room = self.text[start..end].starts_with(&" ".repeat(mark.len()));
        (problem, room.then(|| (start, mark.into())))
    }

    /// The word, text or field that begins with a token.
    fn text_of(&self, token: usize) -> &'a str {
        let last = last_of(self.tokens, self.text, token);
        &self.text[self.tokens[token].start..self.tokens[last].end]
    }

    fn general(&self, next: usize) -> Problem {
        let word = self.text_of(next).lines().next().unwrap_or("");
        let label = format!("`{word}` cannot stand here");
        let message = match self.wants(Rule::EOI) {
            true => format!("the declaration ends before `{word}`"),
            false => format!("expected {}", phrase(self.expected)),
        };
        let problem = Problem::error("E0102", message, self.whole(next), label);
        if let Some(near) = keyword_near(word, self.expected) {
            return problem.help(format!("did you mean `{near}`?"));
        }
        if self.wants(Rule::field) && self.tokens[next].kind == Kind::Word {
            return problem.help(format!("a field is written with a dot: `.{word}`"));
        }
        let declared = self.word(self.segment.tokens.start);
        let inside = self.tokens[next].parent.is_some() || self.tokens[next].kind == Kind::Close;
        match form(declared) {
            Some(form) if !inside => problem.help(format!("a {declared} is written `{form}`")),
            _ => problem,
        }
    }
}
