//! The planted bugs (`tests/planted/*.patch`) fit the code: each still applies, says what it
//! breaks, and names an experiment that exists. `tests/planted/run.py` plants them and runs those.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The suite counts only with so many of them.
const BUGS_MIN: usize = 15;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn patches() -> Vec<(PathBuf, String)> {
    let all = std::fs::read_dir(root().join("tests/planted")).expect("the directory is there");
    let paths = all.map(|entry| entry.expect("an entry").path());
    let paths = paths.filter(|path| path.extension().is_some_and(|end| end == "patch"));
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a patch can be read");
        (path, text)
    };
    let mut all: Vec<(PathBuf, String)> = paths.map(read).collect();
    all.sort();
    all
}

/// What the text above a diff says of it.
fn said<'a>(text: &'a str, field: &str) -> &'a str {
    let head = text.split("\n--- ").next().unwrap_or_default();
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(name, _)| *name == field).map_or("", |(_, value)| value.trim())
}

/// Whether a command runs something that is there.
fn exists(command: &str) -> bool {
    let words: Vec<&str> = command.split_whitespace().collect();
    match words.as_slice() {
        ["python3", script, ..] => root().join(script).is_file(),
        ["cargo", "test", "-p", package, more @ ..] => {
            let crate_dir = if *package == "flowc" { root().into() } else { root().join(package) };
            let after = |name: &str| {
                let at = more.iter().position(|word| *word == name)?;
                more.get(at + 1)
            };
            let of_test = after("--test").is_none_or(|test| {
                let tests = crate_dir.join("tests");
                tests.join(format!("{test}.rs")).is_file() || tests.join(test).is_dir()
            });
            crate_dir.join("src").is_dir() && of_test
        }
        _ => false,
    }
}

#[test]
fn planted_bugs_say_what_they_break_and_who_catches_them() {
    let all = patches();
    assert!(all.len() >= BUGS_MIN, "{} planted bugs, {BUGS_MIN} are needed", all.len());
    let mut numbers = BTreeSet::new();
    for (path, text) in &all {
        let name = path.file_stem().map(|name| name.to_string_lossy()).unwrap_or_default();
        let number = name.split('-').next().unwrap_or_default().to_owned();
        assert!(numbers.insert(number), "{name}: its number is there twice");
        for field in ["breaks", "rule", "caught by", "says"] {
            assert!(!said(text, field).is_empty(), "{name}: no line `{field}: …` above the diff");
        }
        let command = said(text, "caught by");
        assert!(exists(command), "{name}: there is nothing that `{command}` could run");
    }
}

#[test]
fn planted_bugs_still_apply() {
    for (path, _) in patches() {
        let mut git = Command::new("git");
        git.args(["apply", "--check", "-C1", "--recount"]).arg(&path).current_dir(root());
        let Ok(output) = git.output() else { return println!("skipped: there is no git") };
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: make it anew: {errors}", path.display());
    }
}
