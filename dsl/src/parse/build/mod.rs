//! Pairs of the grammar to the AST: one builder for one declaration.

mod expr;
mod graph;
mod item;
mod literal;
mod text;
mod types;

use super::grammar::Rule;
use super::lex::Token;
use crate::ast;
use crate::problem::Problem;
use crate::span::{FileId, Name, Span, Spanned};

pub(super) type Pair<'i> = pest::iterators::Pair<'i, Rule>;

/// Levels of the AST: an expression, type or `catch` deeper than this is a problem, so that nobody
/// after the parser has to guard its stack.
const LEVELS_MAX: usize = 128;

/// The declaration is nested too deep; the problem is already noted.
pub(super) struct Deep;

pub(super) type Built<T> = Result<T, Deep>;

/// Builds one declaration.
pub(super) struct Builder<'a> {
    /// The file of all spans.
    pub file: FileId,
    /// Where the declaration's text begins in the file.
    pub base: usize,
    /// The whole file.
    pub text: &'a str,
    /// The tokens of the file.
    pub tokens: &'a [Token],
    /// What was found wrong.
    pub problems: Vec<Problem>,
    /// Levels above what is built now.
    pub level: usize,
}

impl Builder<'_> {
    /// Builds the declaration; the problems stay in [`Builder::problems`].
    pub(super) fn build(&mut self, pair: Pair, doc: Option<String>) -> Option<ast::Item> {
        let span = self.span(&pair);
        let kind = self.item(pair).ok()?;
        Some(ast::Item { doc, span, kind })
    }

    /// Builds the expression of a `where` that stands alone.
    pub(super) fn condition(&mut self, pair: Pair) -> Option<ast::Expr> {
        self.expr(only(pair)).ok()
    }

    /// The place of a pair, without the blanks and comments behind it.
    fn span(&self, pair: &Pair) -> Span {
        let (start, end) = (self.base + pair.as_span().start(), self.base + pair.as_span().end());
        let past = self.tokens.partition_point(|token| token.end <= end);
        let end = past.checked_sub(1).map_or(end, |last| self.tokens[last].end.max(start));
        Span::new(self.file, start, end)
    }

    /// The place of a pair that is one token, or a piece of one.
    fn exact(&self, pair: &Pair) -> Span {
        let span = pair.as_span();
        Span::new(self.file, self.base + span.start(), self.base + span.end())
    }

    fn name(&self, pair: &Pair) -> Name {
        Spanned { node: pair.as_str().to_string(), span: self.exact(pair) }
    }

    /// `.field` or `."odd field"`, without dot and quotes.
    fn field_name(&self, pair: &Pair) -> Name {
        let text = pair.as_str().trim_start_matches('.').trim_matches('"');
        Spanned { node: text.to_string(), span: self.exact(pair) }
    }

    fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// A mistake that the grammar let pass.
    fn mistake(&mut self, message: &str, span: Span, label: &str, help: String) {
        self.problem(Problem::error("E0102", message, span, label).help(help));
    }

    /// Runs `build` some levels deeper.
    fn deeper<T>(
        &mut self,
        levels: usize,
        span: Span,
        build: impl FnOnce(&mut Self) -> Built<T>,
    ) -> Built<T> {
        self.level += levels;
        if self.level > LEVELS_MAX {
            let message = format!("this is nested over {LEVELS_MAX} levels deep");
            let start = Span { end: span.end.min(span.start + 1), ..span };
            let problem = Problem::error("E0105", message, start, "one level too many");
            self.problem(problem.help("name a part with `let` or `const`, and use the name"));
            return Err(Deep);
        }
        let built = build(self);
        self.level -= levels;
        built
    }

    /// `=` where the language has `:`, in the parts of an entry.
    fn check_separator(&mut self, pair: &Pair, what: &str) {
        let sep = pair.clone().into_inner().find(|part| part.as_rule() == Rule::sep);
        let Some(sep) = sep.filter(|sep| sep.as_str() == "=") else { return };
        let span = self.exact(&sep);
        let whole = self.span(pair);
        let before = self.text[whole.start as usize..span.start as usize].trim_end();
        let after = self.text[span.end as usize..whole.end as usize].trim_start();
        let help = match after.contains('\n') {
            true => format!("write `{before}: …`"),
            false => format!("write `{before}: {after}`"),
        };
        self.mistake(&format!("{what} takes `:`"), span, "not `=`", help);
    }

    /// Entries that follow each other in one line without a comma.
    fn check_parted(&mut self, container: &Pair, entry: fn(Rule) -> bool, what: &str) {
        let mut before: Option<Span> = None;
        for part in container.clone().into_inner() {
            if part.as_rule() == Rule::comma {
                before = None;
            }
            if !entry(part.as_rule()) {
                continue;
            }
            let span = self.span(&part);
            let comma_inside =
                part.into_inner().last().is_some_and(|last| last.as_rule() == Rule::comma);
            if let Some(left) = before {
                self.parted(left, span, container, what);
            }
            before = (!comma_inside).then_some(span);
        }
    }

    /// The bracket that an entry of `container` stands in.
    fn opening(&self, container: &Pair, entry: Span) -> Span {
        let first = self.tokens.partition_point(|token| token.start < entry.start as usize);
        let open = self.tokens.get(first).and_then(|token| token.parent);
        match open.map(|open| &self.tokens[open]) {
            Some(open) => Span::new(self.file, open.start, open.end),
            None => self.span(container),
        }
    }

    /// The first word, text or field of a span.
    fn first_word(&self, span: Span) -> Span {
        let (start, end) = (span.start as usize, span.end as usize);
        let first = self.tokens.partition_point(|token| token.start < start);
        let tokens = &self.tokens[first..];
        let word = tokens.iter().take_while(|token| token.end <= end).enumerate();
        let last = word.take_while(|(at, token)| *at == 0 || token.start == tokens[at - 1].end);
        let dotted = self.text[start..].starts_with('.');
        let last = last.take(if dotted { 2 } else { 1 }).last();
        Span { end: last.map_or(span.end, |(_, token)| token.end as u32), ..span }
    }

    fn parted(&mut self, left: Span, right: Span, container: &Pair, what: &str) {
        if self.text[left.end as usize..right.start as usize].contains('\n') {
            return;
        }
        let container = self.opening(container, right);
        let text = |span: Span| &self.text[span.start as usize..span.end as usize];
        let help = match text(left).len() + text(right).len() < 60 {
            true => format!("write `{}, {}`", text(left), text(right)),
            false => "put a comma or a line break between them".into(),
        };
        let word = self.first_word(right);
        let label = "a comma is missing before this";
        let problem = Problem::error("E0102", "expected `,` or a line break", word, label);
        self.problem(problem.label(container, format!("inside {what}")).help(help));
    }
}

/// The parts of a pair that carry meaning: no punctuation, no keywords but `else`.
fn parts(pair: Pair<'_>) -> impl Iterator<Item = Pair<'_>> {
    pair.into_inner().filter(|part| !is_mark(part.as_rule()))
}

/// The first such part; the grammar promises it.
fn only(pair: Pair<'_>) -> Pair<'_> {
    next(&mut parts(pair))
}

/// The next such part; the grammar promises it.
fn next<'i>(parts: &mut impl Iterator<Item = Pair<'i>>) -> Pair<'i> {
    parts.next().expect("the grammar has this part")
}

fn is_mark(rule: Rule) -> bool {
    use Rule::*;
    matches!(
        rule,
        comma | colon | eq | sep | arrow | fat_arrow | lpar | rpar | lbrk | rbrk | lbrace | rbrace
    ) || matches!(
        rule,
        kw_use | kw_param | kw_secret | kw_const | kw_type | kw_profile | kw_node | kw_flow
    ) || matches!(
        rule,
        kw_query | kw_test | kw_let | kw_where | kw_map | kw_route | kw_catch | kw_if | kw_then
    ) || matches!(rule, kw_as | kw_into | kw_on | kw_key | kw_given | kw_run | kw_expect)
        || matches!(rule, lt | gt | EOI)
}
