//! Files that are written, end to end: the flows of the benches on a few rows, and runs that are
//! killed while they write.

mod support;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{both, flowc, root};

/// `flowc run FILE`, in a directory of its own with a copy of the file.
fn run_in(dir: &Path, file: &str) -> Command {
    let mut command = flowc();
    command.arg("run").arg(dir.join(file)).current_dir(dir).stdin(Stdio::null());
    command
}

fn well(mut command: Command) -> String {
    let output = command.output().expect("flowc can be started");
    assert!(output.status.success(), "exit {:?}\n{}", output.status.code(), both(&output));
    both(&output)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A bench flow in a directory of its own, run on these bytes; what it has written.
fn bench(name: &str, input: &str, outputs: &[&str]) -> Vec<String> {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let file = format!("{name}.flow");
    let flow = root().join("benches/flows").join(&file);
    let check = flowc().arg("check").arg(&flow).output().expect("flowc can be started");
    let said = both(&check);
    assert!(said.contains("no problems"), "{said}");
    fs::copy(flow, dir.path().join(&file)).expect("the flow is there");
    fs::write(dir.path().join("input"), input).expect("the file can be written");
    let mut command = run_in(dir.path(), &file);
    command.arg("--param").arg("input=input");
    well(command);
    outputs.iter().map(|output| read(&dir.path().join(output))).collect()
}

const ROWS: &str = "\
InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,WHITE HANGING HEART,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom
C536379,D,\"Discount, \"\"10%\"\"\",-1,2010-12-01 09:41:00,27.5,14527.0,United Kingdom
536414,22139,,56,2010-12-01 11:52:00,0.0,,United Kingdom
536415,22140,,3,2010-12-01 11:53:00,0.042,17850.0,EIRE
";

#[test]
fn the_flows_of_the_benches_give_the_right_records() {
    let golden = |name: &str| read(&root().join("tests/golden").join(name));
    let [w1, w2, w3] = ["w1.ndjson", "w2.ndjson", "w3.ndjson"].map(golden);
    assert_eq!(bench("w1", ROWS, &["w1.ndjson"])[0], w1);
    assert_eq!(bench("w2", ROWS, &["w2.ndjson"]), [w2]);
    let three = bench("w3", &w1, &["w3.0.ndjson", "w3.1.ndjson", "w3.2.ndjson"]);
    assert_eq!(three, [w3.clone(), w3.clone(), w3]);
}

const FLOW: &str = r#"
type Row = { n: int, text: text }

flow copies : at_least_once {
  let row = file.read("rows.csv") -> csv.decode as Row
  row -> json.encode -> file.write("all.ndjson")
  row -> where .n % 3 != 0 -> json.encode -> file.write("some.ndjson")
  errors -> log
}
"#;

/// The rows as CSV, and the lines that the two files must hold.
fn rows(count: usize) -> (String, String, String) {
    let (mut csv, mut all, mut some) = ("n,text\n".to_string(), String::new(), String::new());
    for n in 0..count {
        let text = "x".repeat(60 + n % 80);
        writeln!(csv, "{n},{text}").expect("a text takes all");
        let line = format!("{{\"n\":{n},\"text\":\"{text}\"}}\n");
        some.push_str(if n % 3 == 0 { "" } else { &line });
        all.push_str(&line);
    }
    (csv, all, some)
}

#[test]
fn killed_while_it_writes_each_row_is_there_once_and_in_order() {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let (csv, all, some) = rows(100_000);
    fs::write(dir.path().join("copies.flow"), FLOW).expect("the file can be written");
    fs::write(dir.path().join("rows.csv"), csv).expect("the file can be written");
    let written = dir.path().join("all.ndjson");
    let length = || fs::metadata(&written).map_or(0, |file| file.len());
    for part in 0..5 {
        let enough = (all.len() * part / 5).max(1) as u64;
        let mut command = run_in(dir.path(), "copies.flow");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("flowc can be started");
        while length() < enough && child.try_wait().expect("it can be asked").is_none() {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        child.kill().expect("a child can be killed");
        child.wait().expect("a child can be waited for");
    }
    well(run_in(dir.path(), "copies.flow"));
    assert!(read(&written) == all, "{} bytes, not {}", length(), all.len());
    assert!(read(&dir.path().join("some.ndjson")) == some);
    let said = well(run_in(dir.path(), "copies.flow"));
    assert!(said.contains("nothing new") && read(&written) == all, "{said}");
    let mut again = run_in(dir.path(), "copies.flow");
    again.arg("--from-start");
    well(again);
    assert!(read(&written) == all && read(&dir.path().join("some.ndjson")) == some);
}

#[test]
fn a_file_of_others_stops_the_run_with_what_to_do() {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    fs::write(dir.path().join("copies.flow"), FLOW).expect("the file can be written");
    fs::write(dir.path().join("rows.csv"), rows(3).0).expect("the file can be written");
    fs::write(dir.path().join("some.ndjson"), "theirs").expect("the file can be written");
    let output = run_in(dir.path(), "copies.flow").output().expect("flowc can be started");
    let said = both(&output);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("exists, and this node has not written it"), "{said}");
    assert!(said.contains("append: true"), "{said}");
    assert_eq!(read(&dir.path().join("some.ndjson")), "theirs");
}
