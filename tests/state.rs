//! A graph that has changed meets the state of earlier runs: what fits runs on, what does not is
//! refused with its reasons, unless the user takes it as it is.

mod support;

use std::path::Path;
use support::{both, flowc, root};

const READ: &str = r#"file.read("rows.txt") -> text.lines"#;

fn flow(dir: &Path, body: &str, args: &[&str]) -> (Option<i32>, String) {
    let file = dir.join("test.flow");
    let text = format!("flow copy : at_least_once {{\n  {body}\n  errors -> log\n}}\n");
    std::fs::write(&file, text).expect("the file can be written");
    let mut command = flowc();
    command.current_dir(dir).arg("run").arg("test.flow").args(args);
    let output = command.output().expect("flowc can be started");
    (output.status.code(), both(&output))
}

fn dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    std::fs::write(dir.path().join("rows.txt"), "tea\ncoffee\n").expect("it can be written");
    dir
}

/// What was said, without how long it took, must be that of a file.
fn golden(name: &str, said: &str) {
    let said: String = said.lines().skip(1).map(|line| format!("{line}\n")).collect();
    let path = root().join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &said).expect("the golden file can be written");
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(said, wanted, "UPDATE_GOLDEN=1 writes it anew");
}

#[test]
fn what_the_state_does_not_depend_on_may_change() {
    let dir = dir();
    let bodies = [
        format!("{READ} -> file.write(\"a.txt\")"),
        // Another sink beside it, then a node in between, then another sink alone.
        format!("let line = {READ}\n  line -> file.write(\"a.txt\")\n  line -> log"),
        format!("{READ} -> gzip.encode -> gzip.decode -> file.write(\"b.txt\")"),
        format!("{READ} -> log"),
    ];
    for body in bodies {
        let (code, said) = flow(dir.path(), &body, &[]);
        assert_eq!(code, Some(0), "{body}\n{said}");
    }
}

#[test]
fn what_it_depends_on_is_refused_unless_it_is_accepted() {
    let dir = dir();
    let (code, said) = flow(dir.path(), &format!("{READ} -> file.write(\"a.txt\")"), &[]);
    assert_eq!(code, Some(0), "{said}");
    let merged = format!(
        "{READ} -> file.write(\"a.txt\")\n  file.read(\"more.txt\") -> text.lines -> \
         gzip.encode -> gzip.decode -> file.write(\"b.txt\")"
    );
    std::fs::write(dir.path().join("more.txt"), "milk\n").expect("it can be written");
    let (code, said) = flow(dir.path(), &merged, &[]);
    assert_eq!(code, Some(0), "a second source beside the first: {said}");
    // Without its second source, what that has not delivered would never be sent.
    let (code, said) = flow(dir.path(), &format!("{READ} -> file.write(\"a.txt\")"), &[]);
    assert_eq!(code, Some(3), "{said}");
    golden("state-changed.txt", &said);
    let (code, said) =
        flow(dir.path(), &format!("{READ} -> file.write(\"a.txt\")"), &["--accept-state-change"]);
    assert_eq!(code, Some(0), "{said}");
    // From now on this is the graph.
    let (code, said) = flow(dir.path(), &format!("{READ} -> file.write(\"a.txt\")"), &[]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_file_that_has_another_name_is_the_same_source() {
    let dir = dir();
    let body = format!("{READ} -> file.write(\"a.txt\")");
    let (code, said) = flow(dir.path(), &body, &[]);
    assert_eq!(code, Some(0), "{said}");
    let moved = std::fs::rename(dir.path().join("rows.txt"), dir.path().join("moved.txt"));
    moved.expect("it can be renamed");
    let (code, said) = flow(dir.path(), &body.replace("rows.txt", "moved.txt"), &[]);
    assert_eq!(code, Some(0), "{said}");
    let written = std::fs::read_to_string(dir.path().join("a.txt")).expect("it was written");
    assert_eq!(written, "tea\ncoffee\n", "nothing is read again");
}

#[test]
fn a_buffer_is_never_that_of_another_branch() {
    let dir = dir();
    let first = format!("let line = {READ}\n  line -> file.write(\"a.txt\")");
    let old = "line -> spill(1MiB) -> file.write(\"b.txt\")";
    let new = "line -> spill(1MiB) -> file.write(\"c.txt\")";
    let (code, said) = flow(dir.path(), &format!("{first}\n  {old}"), &[]);
    assert_eq!(code, Some(0), "{said}");
    // Above the old one, the new one would have its buffer.
    let above = format!("{first}\n  {new}\n  {old}");
    let (code, said) = flow(dir.path(), &above, &[]);
    assert_eq!(code, Some(3), "{said}");
    golden("state-changed-buffer.txt", &said);
    let (code, said) = flow(dir.path(), &format!("{first}\n  {old}\n  {new}"), &[]);
    assert_eq!(code, Some(0), "behind it, it may: {said}");
}
