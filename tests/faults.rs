//! `flowc test --faults`: the shop on simulated services, from outside.

use std::path::Path;
use std::process::{Command, Stdio};

/// The shop with the first lines of the sample, under these arguments: what it prints, exit code.
fn test(dir: &Path, args: &[&str]) -> (String, i32) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sample = std::fs::read(root.join("flows/data/online-retail.csv")).expect("it is there");
    let lines: Vec<&[u8]> = sample.split_inclusive(|byte| *byte == b'\n').take(301).collect();
    let csv = dir.join("lines.csv");
    std::fs::write(&csv, lines.concat()).expect("it can be written");
    let output = Command::new(env!("CARGO_BIN_EXE_flowc"))
        .current_dir(root)
        .stdin(Stdio::null())
        .args(["test", "flows/ecommerce.flow", "--faults", "--param"])
        .arg(format!("csv_file={}", csv.display()))
        .args(args)
        .output()
        .expect("flowc starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(err, "", "{text}");
    (text, output.status.code().unwrap_or(-1))
}

#[test]
fn the_shop_keeps_what_it_promises() {
    let dir = tempfile::tempdir().expect("a directory");
    let (text, code) = test(dir.path(), &["--seeds", "3", "--hours", "0.5"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("300 records in"), "{text}");
    assert!(text.contains("3 seeds good: "), "{text}");
    let orders = text.lines().find(|line| line.starts_with("orders ")).unwrap_or_default();
    let cells: Vec<&str> = orders.split_whitespace().collect();
    // Sink, kind, records of three seeds, lost, too many, old, behind a later one.
    assert_eq!(cells[..7], ["orders", "stream", "900", "0", "0", "0", "0"], "{text}");
}

#[test]
fn a_seed_is_one_course_of_events() {
    let dir = tempfile::tempdir().expect("a directory");
    let traces = ["a.txt", "b.txt"].map(|name| {
        let path = dir.path().join(name);
        let trace = path.to_string_lossy();
        let (text, code) = test(dir.path(), &["--seed", "5", "--hours", "0.2", "--trace", &trace]);
        assert_eq!(code, 0, "{text}");
        std::fs::read_to_string(path).expect("the trace is written")
    });
    assert!(traces[0].lines().count() > 100);
    assert!(traces[0].contains(" crash"), "{}", traces[0]);
    assert!(traces[0] == traces[1], "the events are the same");
}
