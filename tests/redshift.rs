//! The front's Redshift Data API, as boto3 uses it: on PostgreSQL, with COPY from the front's S3.

#[path = "support/standins.rs"]
mod standins;

use awsfront::Options;

fn checks(names: &[&str]) {
    let Some(postgres) = standins::postgres() else { return };
    let options = Options { postgres: Some(postgres.url.clone()), ..Options::default() };
    let front = standins::front(options);
    let mut arguments = vec![front.url.as_str()];
    arguments.extend(names);
    let output = standins::python("tests/standins/redshift.py", &arguments);
    let output = output.expect("Python was there for PostgreSQL");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    assert_eq!(text.lines().filter(|line| line.ends_with(": OK")).count(), names.len(), "{text}");
}

#[test]
fn statements_run_and_give_typed_results() {
    checks(&["results", "failures", "parameters", "sessions", "dates", "tables"]);
}

#[test]
fn batches_are_one_transaction() {
    checks(&["batch", "merge", "isolation"]);
}

#[test]
fn copy_loads_all_or_nothing() {
    checks(&["copy", "copy_errors", "copy_manifest"]);
}

#[test]
fn a_lost_reply_leaves_the_statement_running() {
    checks(&["lost_reply", "cancel", "limit"]);
}
