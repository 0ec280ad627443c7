//! The program from outside: arguments, exit codes, and everything it prints without running a
//! flow. `UPDATE_GOLDEN=1 cargo test --test cli` writes the expected texts anew; they are reviewed
//! as text.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const SHOP: &str = "flows/ecommerce.flow";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program, in the root of the project, with an environment that does not depend on the
/// tester's.
fn flowc() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowc"));
    command.current_dir(root()).stdin(Stdio::null());
    for name in ["NO_COLOR", "COLUMNS", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    // What a plan takes depends on it.
    command.env("TOKIO_WORKER_THREADS", "2");
    command
}

/// Standard output, standard error, exit code.
fn run<S: AsRef<OsStr>>(args: &[S]) -> (String, String, i32) {
    parts(flowc().args(args).output().expect("flowc starts"))
}

fn parts(output: Output) -> (String, String, i32) {
    let text = |bytes| String::from_utf8(bytes).expect("flowc prints UTF-8");
    (text(output.stdout), text(output.stderr), output.status.code().unwrap_or(-1))
}

/// The text must be that of a file of the project.
fn golden(path: &str, text: &str) {
    let path = root().join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("it can be made");
        std::fs::write(&path, text).expect("the golden file can be written");
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == text,
        "{} is stale; UPDATE_GOLDEN=1 writes it anew. What is printed now:\n{text}",
        path.display()
    );
}

/// Runs well, and prints what a file says.
fn prints(args: &[&str], path: &str) {
    let (out, err, code) = run(args);
    assert_eq!((err.as_str(), code), ("", 0), "flowc {}", args.join(" "));
    golden(path, &out);
}

#[test]
fn help_is_for_people() {
    prints(&["--help"], "tests/golden/help.txt");
    for command in ["check", "run", "test", "graph", "show", "query", "up", "nodes"] {
        prints(&[command, "--help"], &format!("tests/golden/help-{command}.txt"));
    }
}

#[test]
fn nodes_say_what_they_do() {
    prints(&["nodes"], "tests/golden/nodes.txt");
    prints(&["nodes", "http.post"], "tests/golden/nodes-http-post.txt");
    let (out, _, code) = run(&["nodes", "csv"]);
    assert!(code == 0 && out.starts_with("csv.decode"), "{out}");
}

#[test]
fn the_page_of_nodes_is_fresh() {
    prints(&["nodes", "--format", "markdown"], "docs/nodes.md");
}

#[test]
fn the_reference_flow_is_clean() {
    prints(&["check", SHOP], "tests/golden/check-clean.txt");
}

#[test]
fn what_the_reference_flow_takes_is_computed() {
    prints(&["check", SHOP, "--plan"], "tests/golden/check-plan.txt");
    let (_, err, code) = run(&["check", SHOP, "--plan", "--memory", "10MiB"]);
    assert_eq!(code, 2);
    golden("tests/golden/check-plan-too-small.txt", &err);
    // With budgets that fit, the sum is within what was asked for.
    let (out, _, code) = run(&["check", SHOP, "--plan", "--memory", "4300MiB"]);
    assert!(code == 0 && out.contains("at most 4,"), "{out}");
}

#[test]
fn what_a_buffer_takes_is_computed_and_what_it_acknowledges_is_said() {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let text = r#"type Row = { n: int, text: text }

flow copies : at_least_once {
  let row = file.read("rows.csv") -> csv.decode as Row -> json.encode
  row -> file.write("fast.ndjson")
  row -> spill(1GiB) -> http.post("http://127.0.0.1:9/rows")
  errors -> log
}
"#;
    std::fs::write(dir.path().join("spill.flow"), text).expect("it can be written");
    let mut command = flowc();
    command.current_dir(dir.path()).args(["check", "spill.flow", "--plan"]);
    let (out, err, code) = parts(command.output().expect("flowc starts"));
    assert_eq!(code, 0, "{out}{err}");
    golden("tests/golden/check-plan-spill.txt", &out);
}

#[test]
fn the_reference_flow_is_drawn() {
    prints(&["graph", SHOP], "tests/golden/ecommerce.dot");
    prints(&["graph", SHOP, "--format", "mermaid"], "tests/golden/ecommerce.mmd");
    prints(&["graph", SHOP, "--format", "json"], "tests/golden/ecommerce.json");
}

#[test]
fn the_picture_of_the_readme_is_fresh() {
    prints(&["graph", SHOP, "--format", "svg"], "docs/ecommerce.svg");
}

#[test]
fn graphviz_takes_the_drawing() {
    let (dot, _, _) = run(&["graph", SHOP]);
    let graphviz = Command::new("dot")
        .arg("-Tsvg")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut graphviz) = graphviz else {
        eprintln!("graphviz is not installed: skipped");
        return;
    };
    let mut input = graphviz.stdin.take().expect("a pipe");
    input.write_all(dot.as_bytes()).expect("dot reads it");
    drop(input);
    let output = graphviz.wait_with_output().expect("dot ends");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "no warning");
    let nodes = String::from_utf8_lossy(&output.stdout).matches("class=\"node\"").count();
    assert!(nodes > 30, "{nodes} nodes");
}

#[test]
fn a_drawing_goes_into_a_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let out: PathBuf = dir.path().join("shop.svg");
    let path = out.display().to_string();
    let (text, err, code) = run(&["graph", SHOP, "-o", &path]);
    assert_eq!((text.as_str(), err.as_str(), code), ("", "", 0));
    let svg = std::fs::read_to_string(&out).expect("the file");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    let (_, err, code) = run(&["graph", SHOP, "-o", "/no/such/directory/a.svg"]);
    assert!(code == 3 && err.contains("cannot write `/no/such/directory/a.svg`"), "{err}");
}

#[test]
fn problems_are_printed_for_people_and_programs() {
    let case = "tests/diagnostics/e0302-field.flow";
    for (format, ending) in
        [("human", "txt"), ("json", "json"), ("github", "github.txt"), ("sarif", "sarif.json")]
    {
        let (out, err, code) = run(&["check", case, "--format", format]);
        assert_eq!((err.as_str(), code), ("", 1), "{format}");
        golden(&format!("tests/golden/check.{ending}"), &out);
    }
}

#[test]
fn a_query_with_problems_is_shown_at_its_places() {
    let sql = "select InvoicNo, sum(Quantity) from sales group by InvoiceNo";
    let (out, err, code) = run(&["query", SHOP, sql]);
    assert_eq!((out.as_str(), code), ("", 1));
    golden("tests/golden/query.txt", &err);
}

#[test]
fn a_file_with_problems_is_not_run_or_drawn() {
    let case = "tests/diagnostics/e0302-field.flow";
    for command in ["run", "graph"] {
        let (out, err, code) = run(&[command, case]);
        assert_eq!((out.as_str(), code), ("", 1));
        assert!(err.contains("E0302") && err.contains("1 error in "), "{err}");
    }
}

#[test]
fn colours_only_where_they_are_wanted() {
    let case = "tests/diagnostics/e0302-field.flow";
    let colored = |out: &str| out.contains('\x1b');
    assert!(!colored(&run(&["check", case]).0), "a pipe is no terminal");
    assert!(colored(&run(&["check", case, "--color", "always"]).0));
    assert!(colored(&run(&["--color", "always", "nodes"]).0));
    let output = flowc().args(["check", case]).env("NO_COLOR", "1").output();
    assert!(!colored(&parts(output.expect("flowc starts")).0));
}

#[test]
fn wrong_usage_is_told_and_ends_with_2() {
    let cases: [(&[&str], &str); 17] = [
        (&["check", "flows/ecomerce.flow"], "did you mean `flows/ecommerce.flow`?"),
        (&["check", "flows"], "`flows` is a directory"),
        (&["check"], "<FILE>..."),
        (&["nodes", "http.srve"], "did you mean `http.serve`?"),
        (&["run", SHOP, "ingst"], "did you mean `ingest`?"),
        (&["run", SHOP, "--profile", "prod"], "there is no profile `prod`"),
        (&["run", SHOP, "--param", "csvfile=a"], "did you mean `csv_file`?"),
        (&["run", SHOP, "--param", "csv_file"], "--param csv_file=VALUE"),
        (&["show", SHOP, "invoice"], "did you mean `invoices`?"),
        (&["show", SHOP, "invoices", "--key", "a"], "prints an object of a bucket"),
        (&["show", SHOP, "invoices", "--limit", "few"], "a whole number of rows, or 0 for all"),
        (&["show", SHOP, "invoices", "--limit", "-1"], "a whole number of rows, or 0 for all"),
        (&["query", SHOP, "top_customers", "--param", "a=1"], "there is no param `a`"),
        (&["query", SHOP, "top_customer"], "did you mean `top_customers`?"),
        (&["graph", SHOP, "-o", "shop.png"], "does not say which format"),
        (&["graph", SHOP, "--format", "png"], "possible values: dot, mermaid, svg, json"),
        (&[SHOP], "flowc run flows/ecommerce.flow"),
    ];
    for (args, said) in cases {
        let (out, err, code) = run(args);
        assert_eq!((out.as_str(), code), ("", 2), "flowc {}: {err}", args.join(" "));
        assert!(err.contains(said), "flowc {}: {err}", args.join(" "));
    }
}

#[test]
fn an_unreadable_file_hides_no_other() {
    let (out, err, code) = run(&["check", "flows/no.flow", SHOP]);
    assert!(err.contains("there is no file `flows/no.flow`"), "{err}");
    assert!(out.contains("no problems"), "{out}");
    assert_eq!(code, 2);
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let child = flowc().args(["nodes", "--format", "markdown"]).stdout(writer).output();
    let (_, err, code) = parts(child.expect("flowc starts"));
    assert_eq!((err.as_str(), code), ("", 0));
}
