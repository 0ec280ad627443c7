//! Files in whole runs: what is delivered, what is delivered again, and what stops a flow.

use dsl::check::{Request, compile};
use dsl::span::SourceMap;
use engine::ctx::Ctx;
use engine::run::{Live, Report, RunError, run};
use engine::testing;
use std::path::Path;
use std::sync::{Arc, Mutex};
use stdlib::registry::{registry, specs};
use stdlib::service::local;

const FLOW: &str = r#"
type Line = { no: text, quantity: int, price: decimal(10, 3) }

flow example : at_least_once {
  let line = file.read("lines.csv") -> csv.decode(encoding: "latin-1") as Line
  line -> map { .no, amount: .quantity * .price } -> log
  line.errors -> map { .code, .message } -> log
  line -> where .quantity > 0 -> count("sold")
}
"#;

/// One run in `dir`: its report, and what was logged, sorted.
async fn run_in(dir: &Path, from_start: bool) -> (Report, Vec<String>) {
    let mut files = SourceMap::default();
    let root = files.add(dir.join("example.flow").display().to_string(), FLOW);
    let request = Request { run: true, ..Request::default() };
    let (plan, problems) = compile(&files, root, &specs(), &request);
    let plan = plan.unwrap_or_else(|| panic!("{problems:#?}"));
    let ctx = testing::ctx();
    let opened = local::open(&dir.join("out"), &plan, ctx.clock.clone()).unwrap();
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let sink = lines.clone();
    let ctx = Ctx {
        checkpoints: opened.checkpoints.clone(),
        from_start,
        log: Arc::new(move |line: &str| sink.lock().unwrap().push(line.into())),
        ..ctx
    };
    let nodes = registry(opened.services.clone());
    let report = run(plan, &nodes, &ctx, &Live::default(), std::future::pending()).await;
    let mut lines = lines.lock().unwrap().clone();
    lines.sort();
    (report, lines)
}

fn write(dir: &Path, content: &[u8]) {
    std::fs::write(dir.join("lines.csv"), content).unwrap();
}

fn count(report: &Report, label: &str, name: &str) -> u64 {
    let node = report.summary.nodes.iter().find(|node| node.label == label).unwrap();
    node.counts.get(name).copied().unwrap_or(0)
}

fn fault(report: &Report) -> (&str, &str) {
    match &report.errors[..] {
        [RunError::Node { node, fault }, ..] => (node, &fault.code),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_delivered_once_and_goes_on_when_it_grows() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), b"price,quantity,no\r\n2.55,6,\xA31\r\nx,1,2\r\n1,-1,3");
    let (report, lines) = run_in(dir.path(), false).await;
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let expected = [
        concat!(
            r#"example: {"code":"csv_value","message":"line 3: `price` is `decimal(10, 3)`, "#,
            r#"and \"x\" is no number"}"#
        ),
        r#"example: {"no":"3","amount":-1}"#,
        r#"example: {"no":"£1","amount":15.3}"#,
    ];
    assert_eq!(lines, expected);
    assert_eq!(count(&report, "count", "sold"), 1);

    let (report, lines) = run_in(dir.path(), false).await;
    assert_eq!((report.errors.len(), lines.len()), (0, 0));
    assert_eq!(count(&report, "file.read", "rows delivered before"), 3);

    write(dir.path(), b"price,quantity,no\r\n2.55,6,\xA31\r\nx,1,2\r\n1,-1,3\r\n4,1,4\r\n");
    let (report, lines) = run_in(dir.path(), false).await;
    assert_eq!(lines, [r#"example: {"no":"4","amount":4}"#]);
    assert!(report.errors.is_empty(), "{:?}", report.errors);

    let (_, lines) = run_in(dir.path(), true).await;
    assert_eq!(lines.len(), 4);
    write(dir.path(), b"no,quantity,price\n9,1,1\n");
    let (_, lines) = run_in(dir.path(), false).await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("reading it from its start"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_stops_the_flow_with_one_error() {
    let dir = tempfile::tempdir().unwrap();
    let (report, _) = run_in(dir.path(), false).await;
    assert_eq!(fault(&report), ("example/file.read", "file_missing"));
    write(dir.path(), b"");
    let (report, _) = run_in(dir.path(), false).await;
    assert_eq!(fault(&report), ("example/csv.decode", "csv_empty"));
    write(dir.path(), b"no,qty,price\n1,1,1\n2,2,2\n");
    let (report, lines) = run_in(dir.path(), false).await;
    assert_eq!(fault(&report), ("example/csv.decode", "csv_header"));
    assert_eq!(lines.len(), 0);
    write(dir.path(), b"no,quantity,price\n1,1,1\n2,2,2\n");
    let (report, lines) = run_in(dir.path(), false).await;
    assert_eq!((report.errors.len(), lines.len()), (0, 2), "nothing was counted as delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_amounts_are_exact() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), b"no,quantity,price\n1,9223372036854775807,9999999.999\n2,1,1\n");
    let (report, lines) = run_in(dir.path(), false).await;
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let exact = 9_223_372_036_854_775_807i128 * 9_999_999_999;
    let text = format!("{}.{}", exact / 1000, exact % 1000);
    assert_eq!(lines[0], format!("example: {{\"no\":\"1\",\"amount\":{text}}}"));
}
