//! `http.post` to `http.serve` in a whole run: it ends by itself, the stream holds every row once
//! and in order, however often the rows are sent, and bad rows lie in the quarantine.

use arrow_array::{BinaryArray, RecordBatch};
use async_trait::async_trait;
use dsl::check::{Request, compile};
use dsl::span::SourceMap;
use dsl::spec::{BLANK, Delivery, NodeKind, NodeSpec};
use dsl::ty::Ty;
use engine::batch::{Resume, RowIds};
use engine::ctx::{Ctx, SystemClock};
use engine::fault::Fault;
use engine::node::{Read, Source, SourceRows};
use engine::registry::Open;
use engine::run::{Live, Report, run};
use engine::testing;
use std::path::Path;
use std::sync::Arc;
use stdlib::service::inspect::Inspector;
use stdlib::service::local;

const FLOW: &str = r#"
type Order = { id: text, amount: int }

stream orders     : json<Order>     key .id
bucket quarantine : ndjson<Failure>

profile aws {
  orders     = kinesis("orders")
  quarantine = s3("quarantine-eu")
}
profile local = emulate(aws, dir: "out")

flow ingest {
  sample.lines() -> json.decode(lenient: true) as { id: text, amount: text }
    -> json.encode -> http.post("http://ADDRESS/orders", batch: 7)
  errors -> quarantine.append
}
flow gateway {
  http.serve("ADDRESS", path: "/orders") -> json.decode(lenient: true) as Order -> orders.write
  errors -> quarantine.append
}
"#;
const SPEC: NodeSpec = NodeSpec {
    path: "sample.lines",
    kind: NodeKind::Source,
    signatures: &["-> bytes"],
    delivery: Delivery { replays: true, holds_ack: false, idempotent: false },
    ..BLANK
};
const ROWS: usize = 100;
const BAD: usize = 42;

/// Sends the same rows in every run.
struct Lines(bool);

#[async_trait]
impl Source for Lines {
    async fn read(&mut self) -> Result<Read, Fault> {
        if std::mem::replace(&mut self.0, true) {
            return Ok(Read::End);
        }
        let line =
            |n| format!("{{\"id\":\"{n}\",\"amount\":{}}}", if n == BAD { "\"x\"" } else { "1" });
        let lines: BinaryArray = (0..ROWS).map(|n| Some(line(n))).collect();
        let schema = engine::schema::arrow_schema(&Ty::Bytes);
        Ok(Read::Rows(SourceRows {
            columns: RecordBatch::try_new(schema, vec![Arc::new(lines)]).unwrap(),
            ids: RowIds::range(testing::partition("lines"), 0, ROWS, 0),
            partition: 0,
            end: ROWS as u64,
            resumed: None,
            reply: None,
        }))
    }

    async fn commit(&mut self, _: u32, _: u64, _: Option<Arc<Resume>>) -> Result<(), Fault> {
        Ok(())
    }
}

/// One run on `dir`; gives its report and, for each record on the stream, its `id`.
async fn run_once(dir: &Path) -> (Report, Vec<String>) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let mut files = SourceMap::default();
    let root = files.add("test.flow", FLOW.replace("ADDRESS", &address));
    let mut specs = stdlib::registry::specs();
    specs.push(&SPEC);
    let request = Request { run: true, ..Request::default() };
    let (plan, problems) = compile(&files, root, &specs, &request);
    let mut plan = plan.unwrap_or_else(|| panic!("{problems:#?}"));
    local::add_deliveries(&mut plan);
    let clock = Arc::new(SystemClock::new());
    let opened = local::open(dir, &plan, clock.clone()).unwrap();
    let mut registry = stdlib::registry::registry(opened.services.clone());
    let open = |_| -> Result<Box<dyn Source>, Fault> { Ok(Box::new(Lines(false))) };
    registry.add(&SPEC, Open::Source(Box::new(move |ctx| Box::pin(async move { open(ctx) }))));
    let ctx = Ctx { clock, checkpoints: opened.checkpoints.clone(), ..testing::ctx() };
    let never = std::future::pending();
    let report = run(plan.clone(), &registry, &ctx, &Live::default(), never).await;
    let orders = plan.resource("orders").unwrap();
    let shown = Inspector::open(dir, &plan).show(orders).unwrap();
    let key = shown.columns.iter().position(|column| column == "key").unwrap();
    let ids = shown.rows.map(|row| row.unwrap()[key].as_text().unwrap().to_string()).collect();
    (report, ids)
}

fn count(report: &Report, label: &str, name: &str) -> u64 {
    let node = report.summary.nodes.iter().find(|node| node.label == label).unwrap();
    node.counts.get(name).copied().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_by_itself_and_a_second_one_stores_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (report, ids) = run_once(dir.path()).await;
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let wanted: Vec<String> = (0..ROWS).filter(|n| *n != BAD).map(|n| n.to_string()).collect();
    assert_eq!(ids, wanted);
    assert!(count(&report, "http.post", "requests") >= ROWS.div_ceil(7) as u64);
    let failed = |label: &str| {
        let node = report.summary.nodes.iter().find(|node| node.label == label);
        node.unwrap().failed
    };
    assert_eq!((failed("http.post"), failed("json.decode")), (1, 0));
    let (report, again) = run_once(dir.path()).await;
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(again, wanted);
    assert_eq!(count(&report, "orders.write", "already stored"), wanted.len() as u64);
}
