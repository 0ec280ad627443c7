//! Every problem as a person sees it: `diagnostics/CASE.flow` must be reported as `CASE.txt`.
//! `UPDATE_GOLDEN=1 cargo test --test diagnostics` writes the texts anew; they are reviewed as
//! text.

use dsl::check::{Request, compile};
use dsl::span::SourceMap;
use dsl::spec::{BLANK, NodeKind, NodeSpec};
use flowc::render::{Style, render};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The codes that must have a case; a case is named after the code it shows.
const CODES: &str = "e0001 e0101 e0102 e0103 e0104 e0105 e0201 e0202 e0203 e0204 e0205 e0206 \
                     e0301 e0302 e0303 e0304 e0305 e0306 e0308 e0401 e0402 e0403 e0501 e0502 \
                     e0503 e0504 e0505 e0506 e0601 e0602 e0604 e0608 e0609 e0701 e0711 e0712 \
                     e0713 e0714";

/// A source that can neither send again nor hold its answer; the standard nodes have none.
static TICKER: NodeSpec = NodeSpec {
    path: "ticker.read",
    summary: "A message a second.",
    kind: NodeKind::Source,
    signatures: &["-> bytes"],
    ..BLANK
};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics")
}

/// The cases by name, in order.
fn cases() -> Vec<String> {
    let entries = std::fs::read_dir(directory()).expect("tests/diagnostics");
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".flow").map(str::to_string))
        .collect();
    names.sort();
    names
}

/// The codes that a case is reported with, and the whole report.
fn report(case: &str) -> (BTreeSet<&'static str>, String) {
    let path = directory().join(format!("{case}.flow"));
    let text = std::fs::read_to_string(path).expect("a case");
    let mut files = SourceMap::default();
    let root = files.add(format!("{case}.flow"), text);
    let mut specs = stdlib::registry::specs();
    specs.push(&TICKER);
    let (_, problems) = compile(&files, root, &specs, &Request::default());
    let codes = problems.iter().map(|problem| problem.code).collect();
    (codes, render(&files, &problems, Style::plain()))
}

#[test]
fn problems_look_as_written() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut stale = Vec::new();
    for case in cases() {
        let (_, found) = report(&case);
        let path = directory().join(format!("{case}.txt"));
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        if found == golden {
            continue;
        }
        if update {
            std::fs::write(&path, &found).expect("a golden file");
        } else {
            stale.push(format!("== {case}\n{found}"));
        }
    }
    let stale = stale.join("\n");
    assert!(
        stale.is_empty(),
        "not as in the golden files (UPDATE_GOLDEN=1 rewrites them):\n{stale}"
    );
}

#[test]
fn a_case_shows_its_own_code_and_no_other() {
    for case in cases() {
        let (codes, report) = report(&case);
        let (prefix, _) = case.split_once('-').unwrap_or((&case, ""));
        if !prefix[1..].chars().all(|each| each.is_ascii_digit()) {
            continue; // a case of several problems
        }
        let expected = BTreeSet::from([prefix.to_uppercase()]);
        let codes: BTreeSet<String> = codes.into_iter().map(str::to_string).collect();
        assert_eq!(codes, expected, "{case}: one cause, one problem\n{report}");
    }
}

#[test]
fn every_code_has_a_case() {
    let cases = cases();
    let missing: Vec<&str> = CODES
        .split_whitespace()
        .filter(|code| !cases.iter().any(|case| case.starts_with(code)))
        .collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}
