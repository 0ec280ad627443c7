//! The independent readers and writers of AWS's services, on services: they agree with each other,
//! and the comparison sees each planted fault.

#[path = "support/standins.rs"]
mod standins;

use awsfront::Options;

fn sees_planted_faults(arguments: &[&str]) {
    let Some(output) = standins::python("tests/standins/test_aws_verify.py", arguments) else {
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    assert_eq!(text.lines().last(), Some("OK"), "{text}{errors}");
}

#[test]
fn the_comparison_sees_planted_faults_on_the_front() {
    let Some(postgres) = standins::postgres() else { return };
    let options = Options { postgres: Some(postgres.url.clone()), ..Options::default() };
    let front = standins::front(options);
    sees_planted_faults(&[&front.url]);
}

#[test]
fn the_comparison_sees_planted_faults_on_moto() {
    let Some(moto) = standins::moto() else { return };
    sees_planted_faults(&[&moto.url, "--no-redshift"]);
}
