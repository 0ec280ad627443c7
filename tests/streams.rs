//! Kinesis, Firehose and STS of the front, as boto3 uses them.

#[path = "support/standins.rs"]
mod standins;

use awsfront::Options;

fn checks(names: &[&str]) {
    let front = standins::front(Options::default());
    let mut arguments = vec![front.url.as_str()];
    arguments.extend(names);
    let Some(output) = standins::python("tests/standins/streams.py", &arguments) else { return };
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    assert_eq!(text.lines().filter(|line| line.ends_with(": OK")).count(), names.len(), "{text}");
}

#[test]
fn who_asks_is_verified() {
    checks(&["identity"]);
}

#[test]
fn records_are_written_and_read() {
    checks(&["records", "iterators", "resharding", "fan_out"]);
}

#[test]
fn faults_are_what_boto3_sees() {
    checks(&["faults"]);
}

#[test]
fn firehose_delivers_into_objects() {
    checks(&["delivery"]);
}
