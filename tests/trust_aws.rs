//! The short forms of two experiments on AWS: a storm of partial failures, and loads by two rivals
//! that are killed and lose replies. `tests/trust/run.py --long` runs them for longer.

#[path = "support/standins.rs"]
mod standins;

use awsfront::Options;

/// Runs an experiment on a front of this process; its last line says what it has found.
fn experiment(script: &str, front: &str, more: &[&str]) {
    let flowc = env!("CARGO_BIN_EXE_flowc");
    let mut arguments = vec!["--flowc", flowc, "--front", front];
    arguments.extend(more);
    let Some(output) = standins::python(script, &arguments) else { return };
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    let last = text.lines().last().unwrap_or_default();
    let found: serde_json::Value = serde_json::from_str(last).expect("the last line is JSON");
    assert_eq!(found["lost"], 0, "{text}");
    assert!(found["trials"].as_u64().is_some_and(|trials| trials > 0), "{text}");
}

#[test]
fn partial_failures_lose_nothing() {
    let front = standins::front(Options::default());
    experiment("tests/trust/storm.py", &front.url, &["--rows", "1500"]);
}

#[test]
fn rival_loaders_that_are_killed_load_everything_once() {
    let Some(postgres) = standins::postgres() else { return };
    let options = Options { postgres: Some(postgres.url.clone()), ..Options::default() };
    let front = standins::front(options);
    experiment("tests/trust/loads.py", &front.url, &["--loads", "40"]);
}
