//! The crash harness in its short form: the real program is killed, stopped, crashed at failpoints,
//! put on a full disk and on a damaged log; a checker that is a program of its own finds nothing.
//! The long forms are `python3 tests/trust/NAME.py --long`.

mod support;

use std::process::Command;
use support::root;

/// Runs one experiment; shows what it prints.
fn experiment(name: &str) {
    let script = root().join("tests/trust").join(format!("{name}.py"));
    let mut command = Command::new("python3");
    command.arg(script).args(["--flowc", env!("CARGO_BIN_EXE_flowc")]);
    let output = match command.output() {
        Err(error) => return eprintln!("skipped: no python3: {error}"),
        Ok(output) => output,
    };
    let text = support::both(&output);
    println!("{text}");
    assert!(output.status.success(), "{text}");
    let last = text.lines().rfind(|line| line.starts_with('{')).expect("a line of JSON");
    assert!(last.contains(&format!("\"experiment\": \"{name}\"")), "{last}");
    assert!(last.contains("\"lost\": 0") && last.contains("\"stuck\": 0"), "{last}");
}

#[test]
fn kills_lose_nothing() {
    experiment("kills");
}

#[test]
fn crashes_at_failpoints_lose_nothing() {
    experiment("failpoints");
}

#[test]
fn stops_lose_nothing() {
    experiment("signals");
}

#[test]
fn full_disks_and_failed_syncs_lose_nothing() {
    experiment("disk");
}

#[test]
fn a_damaged_log_loses_what_is_damaged_and_says_so() {
    experiment("damage");
}

/// The checker finds what is planted: an experiment with a blind checker would prove nothing.
#[test]
fn the_checker_sees_what_is_wrong() {
    let test = root().join("tests/trust/test_checker.py");
    let Ok(output) = Command::new("python3").arg(test).output() else { return };
    assert!(output.status.success(), "{}", support::both(&output));
}
