//! Whatever is cut out of the reference flow: the checker answers, with at most a few problems for
//! each mistake, all of them inside the file.

mod check;

use dsl::check::{Request, compile};
use dsl::problem::Severity;
use dsl::span::SourceMap;

const FLOW: &str = include_str!("../../flows/ecommerce.flow");

/// Compiles `text`; gives the number of errors.
fn errors(text: &str) -> usize {
    let mut files = SourceMap::default();
    let root = files.add("flows/broken.flow", text);
    let (plan, problems) = compile(&files, root, &stdlib::registry::specs(), &Request::default());
    for label in problems.iter().flat_map(|problem| &problem.labels) {
        assert!(label.span.start <= label.span.end && label.span.end as usize <= text.len());
        let _ = files.text(label.span);
    }
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    assert_eq!(plan.is_some(), errors == 0, "{problems:#?}");
    errors
}

/// The places where words and marks begin and end, comments left out.
fn tokens() -> Vec<(usize, usize)> {
    let mut tokens = Vec::new();
    let mut start = 0;
    for line in FLOW.split_inclusive('\n') {
        let code = line.split('#').next().unwrap_or_default();
        let mut at = 0;
        while at < code.len() {
            let rest = &code[at..];
            let word =
                rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let length = word.max(rest.chars().next().map_or(1, char::len_utf8));
            if !rest[..length].trim().is_empty() {
                tokens.push((start + at, start + at + length));
            }
            at += length;
        }
        start += line.len();
    }
    tokens
}

#[test]
fn each_token_may_be_missing() {
    let mut most = (0, String::new());
    for (start, end) in tokens().into_iter().step_by(2) {
        let text = format!("{}{}", &FLOW[..start], &FLOW[end..]);
        let errors = errors(&text);
        if errors > most.0 {
            most = (errors, format!("byte {start}: {}", &FLOW[start..end]));
        }
    }
    assert!(most.0 <= 4, "one missing token gives {} errors: {}", most.0, most.1);
}

#[test]
fn each_line_may_be_missing_or_twice() {
    let lines: Vec<&str> = FLOW.split_inclusive('\n').collect();
    for at in 0..lines.len() {
        let mut without = lines.clone();
        without.remove(at);
        errors(&without.concat());
        if at % 4 > 0 {
            continue;
        }
        let mut twice = lines.clone();
        twice.insert(at, lines[at]);
        errors(&twice.concat());
    }
}

#[test]
fn neighbours_may_be_swapped() {
    for pair in tokens().windows(2).step_by(3) {
        let [(a, b), (c, d)] = [pair[0], pair[1]];
        let parts = [&FLOW[..a], &FLOW[c..d], &FLOW[b..c], &FLOW[a..b], &FLOW[d..]];
        errors(&parts.concat());
    }
}
