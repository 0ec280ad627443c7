//! What the verbs of resources do with bad input, and where it goes.

use dsl::check::{Request, compile};
use dsl::plan::Plan;
use dsl::span::SourceMap;
use engine::ctx::{Ctx, SystemClock};
use engine::run::{Live, Report, RunError, run};
use engine::testing;
use std::path::Path;
use std::sync::Arc;
use stdlib::registry::{registry, specs};
use stdlib::service::local;

const HEAD: &str = r#"
type Line = { id: text, name: text, n: int, price: decimal(10, 2) }
stream orders     : json<Line>       key .id
bucket lake       : text
bucket encoded    : base64<json<Line>>
bucket staging    : ndjson<Line>
bucket quarantine : ndjson<Failure>
table  items      : { id: text, [text]: { n: int, price: decimal(10, 2) } } key .id
table  whole      : Line             key .id
table  sales      : Line
profile aws {
  orders     = kinesis("orders", shards: 3)
  lake       = s3("lake")
  encoded    = s3("encoded")
  staging    = s3("staging")
  quarantine = s3("bad", prefix: "quarantine/")
  items      = dynamodb("items")
  whole      = dynamodb("whole")
  sales      = redshift("sales", workgroup: "w", database: "d", role: "r")
}
profile local = emulate(aws, dir: "out")
"#;

fn plan(dir: &Path, flows: &str) -> Plan {
    let mut files = SourceMap::default();
    let path = dir.join("test.flow").display().to_string();
    let root = files.add(path, format!("{HEAD}{flows}"));
    let request = Request { run: true, ..Request::default() };
    let (plan, problems) = compile(&files, root, &specs(), &request);
    let mut plan = plan.unwrap_or_else(|| panic!("{problems:#?}"));
    local::add_deliveries(&mut plan);
    plan
}

/// Runs `flows` on a file `in.csv` of lines `id,name,n,price`.
async fn run_flows(dir: &Path, lines: &str, flows: &str) -> Report {
    std::fs::write(dir.join("in.csv"), format!("id,name,n,price\n{lines}")).unwrap();
    let plan = plan(dir, flows);
    let clock = Arc::new(SystemClock::new());
    let opened = local::open(&dir.join("out"), &plan, clock.clone()).unwrap();
    let ctx = Ctx { clock, checkpoints: opened.checkpoints.clone(), ..testing::ctx() };
    let nodes = registry(opened.services.clone());
    run(plan, &nodes, &ctx, &Live::default(), std::future::pending()).await
}

/// All lines of all objects of a directory.
fn lines(dir: &Path) -> Vec<serde_json::Value> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let texts = paths.iter().map(|path| std::fs::read_to_string(path).unwrap());
    let all = texts.collect::<String>();
    all.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn rows(dir: &Path, file: &str, sql: &str) -> Vec<(String, String)> {
    let connection = rusqlite::Connection::open(dir.join("out").join(file)).unwrap();
    let mut select = connection.prepare(sql).unwrap();
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn codes(failures: &[serde_json::Value]) -> Vec<&str> {
    failures.iter().map(|failure| failure["code"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn items_are_merged_and_what_has_no_key_is_quarantined() {
    let dir = tempfile::tempdir().unwrap();
    let flows = r#"
flow f {
  let line = file.read("in.csv") -> csv.decode as Line
  line -> items.upsert { .id, [.name]: { .n, .price } }
  line -> whole.upsert
  errors -> quarantine.append
}"#;
    let long = "k".repeat(2049);
    let input = format!("1,a,1,2.50\n1,b,2,3\n\"\",c,3,4\n1,\"\",4,5\n1,a,5,6\n{long},d,6,7\n");
    let report = run_flows(dir.path(), &input, flows).await;
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let item = r#"{"a":{"n":5,"price":6},"b":{"n":2,"price":3}}"#;
    let shown = rows(dir.path(), "tables.sqlite", "select * from items");
    assert_eq!(shown, [("1".into(), item.into())]);
    let whole = r#"{"n":5,"name":"a","price":6}"#;
    let shown = rows(dir.path(), "tables.sqlite", "select * from whole");
    assert_eq!(shown, [("1".into(), whole.into())]);
    let failures = lines(&dir.path().join("out/s3/bad/quarantine"));
    let mut codes = codes(&failures);
    codes.sort_unstable();
    // The same row at two nodes is two failures.
    let expected = ["attribute_name", "key_empty", "key_empty", "key_too_long", "key_too_long"];
    assert_eq!(codes, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_loaded_is_named_and_the_others_are_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let staging = dir.path().join("out/s3/staging");
    std::fs::create_dir_all(&staging).unwrap();
    let good = "{\"id\":\"1\",\"name\":\"a\",\"n\":1,\"price\":2.5}\n";
    std::fs::write(staging.join("good"), good).unwrap();
    std::fs::write(staging.join("bad"), format!("{good}{{\"id\":1}}\n")).unwrap();
    let flows = r#"
flow put {
  file.read("in.csv") -> csv.decode as Line -> batch(max: 10, wait: 1s)
    -> staging.put(key: "{batch.id}")
  errors -> quarantine.append
}
flow load {
  staging.read -> sales.copy
  errors -> quarantine.append
}"#;
    let report = run_flows(dir.path(), "2,b,2,3.25\n3,c,3,4\n", flows).await;
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let sql = "select id, cast(price as text) from _sales order by id";
    let shown = rows(dir.path(), "warehouse.sqlite", sql);
    let expected = [("1", "250"), ("2", "325"), ("3", "400")];
    assert_eq!(shown, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    let failures = lines(&dir.path().join("out/s3/bad/quarantine"));
    assert_eq!(codes(&failures), ["load"]);
    let message = failures[0]["message"].as_str().unwrap();
    assert!(message.contains("object `bad` is not loaded: line 2:"), "{message}");
    assert_eq!(failures[0]["meta"]["line"], "2");

    // Again: nothing is loaded twice, and the failure is not stored twice.
    let report = run_flows(dir.path(), "2,b,2,3.25\n3,c,3,4\n", flows).await;
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(rows(dir.path(), "warehouse.sqlite", sql).len(), 3);
    assert_eq!(lines(&dir.path().join("out/s3/bad/quarantine")).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_stays_within_its_part_of_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let flows = r#"
param country : text = "../50% off"
param none    : text = ""
const folder = "raw/orders"
node store(country: text, day: text) -> text {
  let all = file.read("in.csv") -> text.lines
  all -> batch(max: 2, wait: 1s) -> text.join("\n")
    -> lake.put(key: "{folder}/{day}/{country}/{if batch.count > 1 then "." else "a/b"}.{none}")
  all -> out
}
flow f {
  store(country: country, day: "2010/12") -> drop
  errors -> quarantine.append
}"#;
    let report = run_flows(dir.path(), "1,a,1,2\n2,b,2,3\n", flows).await;
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let parent = dir.path().join("out/s3/lake/raw/orders/2010/12/..%2F50%25%20off");
    let text = |name: &str| std::fs::read_to_string(parent.join(name)).unwrap();
    assert_eq!(text("%2E._empty"), "id,name,n,price\n1,a,1,2\n");
    assert_eq!(text("a%2Fb._empty"), "2,b,2,3\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_unique_stops_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let flows = r#"
flow f {
  file.read("in.csv") -> text.lines -> batch(max: 1, wait: 1s)
    -> text.join("\n") -> lake.put(key: "always.txt")
  errors -> quarantine.append
}"#;
    let report = run_flows(dir.path(), "1,a,1,2\n", flows).await;
    let conflict = report.errors.iter().any(
        |error| matches!(error, RunError::Node { fault, .. } if fault.code == "object_conflict"),
    );
    assert!(conflict, "{:?}", report.errors);
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_keep_the_order_of_a_key_and_base64_is_put_on_where_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let flows = r#"
flow write {
  file.read("in.csv") -> csv.decode as Line -> orders.write
  errors -> quarantine.append
}
flow raw {
  orders.read -> encoded.append
  errors -> quarantine.append
}
flow decoded {
  orders.read -> base64.decode -> json.decode -> items.upsert { .id, [.name]: { .n, .price } }
  errors -> quarantine.append
}"#;
    let input: String = (0..300).map(|n| format!("{},x,{n},1\n", n % 30)).collect();
    let report = run_flows(dir.path(), &input, flows).await;
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let sql = "select key, value from _items_attributes order by cast(key as integer)";
    let shown = rows(dir.path(), "tables.sqlite", sql);
    let last: Vec<_> =
        (0..30).map(|n| (n.to_string(), format!(r#"{{"n":{},"price":1}}"#, 270 + n))).collect();
    assert_eq!(shown, last, "the last of each key counts");
    let mut texts = 0;
    for entry in std::fs::read_dir(dir.path().join("out/s3/encoded")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        // `{"` in base64.
        assert!(text.lines().all(|line| line.starts_with("eyJ")), "{text:.100}");
        texts += text.lines().count();
    }
    assert_eq!(texts, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_one_record_that_meet_again_are_all_stored() {
    let dir = tempfile::tempdir().unwrap();
    let flows = r#"
flow f {
  let line = file.read("in.csv") -> csv.decode as Line
  [line, line -> map { ..., name: "copy" }, line] -> orders.write
  errors -> quarantine.append
}
flow g {
  orders.read -> encoded.append
  errors -> quarantine.append
}"#;
    let report = run_flows(dir.path(), "1,a,1,2\n2,b,1,2\n", flows).await;
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let entries = std::fs::read_dir(dir.path().join("out/s3/encoded")).unwrap();
    let texts = entries.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
    assert_eq!(texts.map(|text| text.lines().count()).sum::<usize>(), 6);
}
