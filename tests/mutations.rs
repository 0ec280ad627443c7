//! The reference flow with one word misspelled, at each word in turn: the checker says so, at
//! places that exist, with few problems for the one mistake.

use dsl::check::{Request, compile};
use dsl::problem::{Problem, Severity};
use dsl::span::SourceMap;
use std::ops::Range;

/// One misspelled declaration may be read at several places, each with a problem of its own.
const ERRORS_MAX: usize = 5;

/// The words and signs of a text, without its comments.
fn tokens(text: &str) -> Vec<Range<usize>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let word = |each: char| each.is_alphanumeric() || each == '_';
        let length = match first {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            _ if word(first) => rest.find(|each| !word(each)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        if first != '#' && !first.is_whitespace() {
            tokens.push(at..at + length);
        }
        at += length;
    }
    tokens
}

fn check(text: String) -> (SourceMap, Vec<Problem>, bool) {
    let mut files = SourceMap::default();
    let root = files.add("ecommerce.flow", text);
    let specs = stdlib::registry::specs();
    let (plan, problems) = compile(&files, root, &specs, &Request::default());
    (files, problems, plan.is_some())
}

/// Every place of every problem is in the text, and a file without a plan has an error.
fn sound(files: &SourceMap, problems: &[Problem], planned: bool, what: &str) {
    for problem in problems {
        for label in &problem.labels {
            let text = &files.file(label.span.file).text;
            let range = label.span.start as usize..label.span.end as usize;
            assert!(text.get(range).is_some(), "{what}: {problem:#?}");
        }
    }
    let error = problems.iter().any(|problem| problem.severity == Severity::Error);
    assert_eq!(planned, !error, "{what}: {problems:#?}");
}

#[test]
fn a_word_misspelled() {
    let text = include_str!("../flows/ecommerce.flow");
    for token in tokens(text).into_iter().filter(|token| token.len() > 2) {
        let what = format!("`{}` misspelled at {}", &text[token.clone()], token.start);
        let edited = format!("{}{}", &text[..token.end - 1], &text[token.end..]);
        let (files, problems, planned) = check(edited);
        sound(&files, &problems, planned, &what);
        let errors = problems.iter().filter(|each| each.severity == Severity::Error).count();
        assert!(errors <= ERRORS_MAX, "{what}: {problems:#?}");
    }
}
