//! Text to AST: the pest grammar, recovery at declarations, and the problems of syntax.
//!
//! A file is split into declarations first (`lex`), each is parsed alone, and a mistake that can
//! be mended in place is mended after it was noted, so that what follows it is seen too.

mod brackets;
mod build;
mod declared;
mod expected;
mod explain;
mod grammar;
mod lex;
mod line;

use crate::ast;
use crate::problem::Problem;
use crate::span::{FileId, SourceMap, Span};
use build::Builder;
use explain::Context;
use grammar::{FlowParser, Rule};
use lex::{Fault, Opener, Segment, Token};
use pest::Parser;
use pest::error::{ErrorVariant, InputLocation};
use std::num::NonZeroUsize;

/// Rule calls that one declaration may take: far over what any real one needs.
const CALLS_MAX: usize = 50_000_000;

/// Mistakes that are mended in one declaration before the rest of it is given up.
const REPAIRS_MAX: usize = 8;

/// Bytes of one file.
const FILE_BYTES_MAX: usize = 16 << 20;

/// Parses one file. Declarations that could not be parsed are left out and have a problem each.
pub fn parse(files: &SourceMap, file: FileId) -> (ast::File, Vec<Problem>) {
    let text = &files.file(file).text;
    if text.len() > FILE_BYTES_MAX {
        let problem = Problem::error("E0102", "this file is over 16 MiB", at(file, 0), "");
        return (ast::File::default(), vec![problem.help("split it, and `use` the parts")]);
    }
    pest::set_call_limit(NonZeroUsize::new(CALLS_MAX));
    let (tokens, segments) = lex::lex(text);
    let mut parsed = ast::File::default();
    let mut problems = Vec::new();
    for segment in &segments {
        let mut item = ItemParser { file, text, tokens: &tokens, segment, problems: Vec::new() };
        parsed.items.extend(item.parse());
        problems.append(&mut item.problems);
    }
    (parsed, problems)
}

/// Parses a file that is one condition: `where .code == "csv_fields"`, in one line.
pub fn condition(files: &SourceMap, file: FileId) -> (Option<ast::Expr>, Vec<Problem>) {
    let text = &files.file(file).text;
    pest::set_call_limit(NonZeroUsize::new(CALLS_MAX));
    let (tokens, segments) = lex::lex(text);
    let Some(segment) = segments.first() else { return (None, Vec::new()) };
    let mut item = ItemParser { file, text, tokens: &tokens, segment, problems: Vec::new() };
    let faults = segment.faults.iter();
    item.problems.extend(faults.map(|fault| brackets::explain(file, text, &tokens, *fault).0));
    if !item.problems.is_empty() {
        return (None, item.problems);
    }
    let condition = match FlowParser::parse(Rule::condition, text) {
        Ok(mut pairs) => item.condition(pairs.next().expect("a condition is a `where`")),
        Err(error) => {
            let problem = item.explain(&error).0;
            item.problems.push(problem);
            None
        }
    };
    (condition, item.problems)
}

fn at(file: FileId, byte: usize) -> Span {
    Span::new(file, byte, byte)
}

/// Bytes to put at a place of the file, in place of as many.
type Patch = (usize, Vec<u8>);

/// Parses one declaration.
struct ItemParser<'a> {
    file: FileId,
    text: &'a str,
    tokens: &'a [Token],
    segment: &'a Segment,
    problems: Vec<Problem>,
}

impl ItemParser<'_> {
    fn parse(&mut self) -> Option<ast::Item> {
        let mut source = self.text[self.segment.start..self.segment.end].to_string();
        if !self.segment.known {
            let (problem, patch) =
                declared::unknown(self.file, self.text, self.tokens, self.segment);
            self.problems.push(problem);
            self.apply(&mut source, patch?);
        }
        let mut unclosed = None;
        for &fault in &self.segment.faults {
            let explained = brackets::explain(self.file, self.text, self.tokens, fault);
            match (fault, explained) {
                (Fault::Unclosed { open, .. }, (problem, _)) => {
                    unclosed.get_or_insert((open, problem));
                }
                (_, (problem, patch)) => {
                    self.problems.push(problem);
                    self.apply(&mut source, patch?);
                }
            }
        }
        match unclosed {
            // The grammar may know the very place where the closer is missing.
            Some((open, _)) if self.closes_by_grammar(open) => {}
            Some((_, problem)) => {
                self.problems.push(problem);
                return None;
            }
            None => {}
        }
        self.parse_mending(source, unclosed)
    }

    fn closes_by_grammar(&self, open: usize) -> bool {
        matches!(
            self.tokens[open].kind,
            lex::Kind::Open(Opener::Paren) | lex::Kind::Open(Opener::Bracket)
        )
    }

    /// Runs the grammar, notes what is wrong, mends it, and runs the grammar again.
    fn parse_mending(
        &mut self,
        mut source: String,
        mut unclosed: Option<(usize, Problem)>,
    ) -> Option<ast::Item> {
        let mut last = None;
        for _ in 0..=REPAIRS_MAX {
            let error = match FlowParser::parse(Rule::item, &source) {
                Ok(mut pairs) => {
                    let pair = pairs.next().expect("an item is a declaration");
                    return self.build(pair);
                }
                Err(error) => error,
            };
            let (problem, patch) = self.explain(&error);
            if last.replace(problem.primary()) == Some(problem.primary()) {
                return None; // the mending did not help
            }
            if let Some((open, fault)) = unclosed.take() {
                let opener = &self.tokens[open];
                let here = problem.labels.get(1).is_some_and(|label| {
                    problem.code == "E0102" && label.span.start as usize == opener.start
                });
                self.problems.push(if here { problem } else { fault });
                if !here {
                    return None;
                }
            } else {
                self.problems.push(problem);
            }
            self.apply(&mut source, patch?);
        }
        None
    }

    fn apply(&self, source: &mut String, (at, bytes): Patch) {
        let at = at - self.segment.start;
        let Ok(text) = String::from_utf8(bytes) else { return };
        source.replace_range(at..at + text.len(), &text);
    }

    fn builder(&self, base: usize) -> Builder<'_> {
        let (file, text, tokens) = (self.file, self.text, self.tokens);
        Builder { file, base, text, tokens, problems: Vec::new(), level: 0 }
    }

    fn condition(&mut self, pair: build::Pair) -> Option<ast::Expr> {
        let mut builder = self.builder(0);
        let condition = builder.condition(pair);
        let mut problems = builder.problems;
        self.problems.append(&mut problems);
        condition
    }

    fn build(&mut self, pair: build::Pair) -> Option<ast::Item> {
        let mut builder = self.builder(self.segment.start);
        let item = builder.build(pair, declared::doc(self.text, self.segment.start));
        let mut problems = builder.problems;
        self.problems.append(&mut problems);
        item
    }

    fn explain(&self, error: &pest::error::Error<Rule>) -> (Problem, Option<Patch>) {
        let at = match error.location {
            InputLocation::Pos(at) | InputLocation::Span((at, _)) => at + self.segment.start,
        };
        match &error.variant {
            ErrorVariant::ParsingError { positives, .. } => {
                Context::new(self.file, self.text, self.tokens, self.segment, at, positives)
                    .explain()
            }
            ErrorVariant::CustomError { .. } => {
                let start = self.segment.start;
                let word = line::split_word(&self.text[start..]).0;
                let first = Span::new(self.file, start, start + word.len());
                let message = "this declaration is nested too deep to be read";
                let problem = Problem::error("E0105", message, first, "");
                (problem.help("name a part with `let` or `const`, and use the name"), None)
            }
        }
    }
}
