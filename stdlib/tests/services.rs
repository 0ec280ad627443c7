//! The verbs of resources on the local services, in whole runs: what comes in lies in the archive,
//! the tables and the warehouse, once, however often the run is cut off.

use arrow_array::{BinaryArray, RecordBatch};
use async_trait::async_trait;
use dsl::check::{Request, compile};
use dsl::plan::Plan;
use dsl::span::SourceMap;
use dsl::spec::{BLANK, Delivery, NodeKind, NodeSpec};
use dsl::ty::Ty;
use engine::batch::{Resume, RowIds};
use engine::ctx::SystemClock;
use engine::fault::Fault;
use engine::node::{Read, Source, SourceRows};
use engine::registry::Open;
use engine::run::{Live, Report, run};
use engine::testing;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stdlib::service::local;

const FLOW: &str = r#"
type Line = {
  InvoiceNo: text, StockCode: text, Quantity: int, UnitPrice: decimal(10, 3), CustomerID: text?
}
type Stock    = { Quantity: int, UnitPrice: decimal(10, 3) }
type Invoice  = { InvoiceNo: text, [text]: Stock }
type Customer = { CustomerID: text, [text]: { Quantity: int } }

stream orders     : json<Line>       key .InvoiceNo
bucket lake       : text
bucket staging    : ndjson<Line>
delivery feed     : ndjson<Line>     into staging
bucket quarantine : ndjson<Failure>
table  invoices   : Invoice          key .InvoiceNo
table  customers  : Customer         key .CustomerID
table  sales      : Line

profile aws {
  orders     = kinesis("APIData", shards: 1)
  lake       = s3("s3-bucket-de")
  feed       = firehose("sales-feed", size: 1MiB, wait: 60s)
  staging    = s3("fire-hose-redshift")
  quarantine = s3("s3-bucket-de", prefix: "quarantine/")
  invoices   = dynamodb("invoices")
  customers  = dynamodb("customers")
  sales      = redshift("firehose_transactions", workgroup: "w", database: "d", role: "r")
}
profile local = emulate(aws, dir: "out")

flow ingest {
  sample.lines() -> json.decode as Line -> orders.write
  errors -> quarantine.append
}
flow archive {
  orders.read -> base64.decode -> batch(max: 500, size: 4MiB, wait: 60s)
    -> text.join("\n") -> lake.put(key: "{batch.time:%Y-%m-%dT%H-%M-%S%.6f}-{batch.id}.txt")
  errors -> quarantine.append
}
node lines() -> Line { orders.read -> base64.decode -> json.decode -> out }
flow dynamo {
  let line = lines()
  line -> invoices.upsert { .InvoiceNo, [.StockCode]: { .Quantity, .UnitPrice } }
  line -> where .CustomerID != null -> customers.upsert { .CustomerID, [.InvoiceNo]: { .Quantity } }
  errors -> quarantine.append
}
flow redshift {
  lines() -> feed.write
  errors -> quarantine.append
}
flow load {
  staging.read -> sales.copy
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

/// Sends lines that are known beforehand, from the start of a run.
struct Lines {
    lines: Arc<Vec<String>>,
    next: usize,
}

#[async_trait]
impl Source for Lines {
    async fn read(&mut self) -> Result<Read, Fault> {
        let from = self.next;
        self.next = self.lines.len().min(from + 100);
        if from == self.next {
            return Ok(Read::End);
        }
        let lines = &self.lines[from..self.next];
        let payloads: BinaryArray = lines.iter().map(|line| Some(line.as_bytes())).collect();
        let schema = engine::schema::arrow_schema(&Ty::Bytes);
        Ok(Read::Rows(SourceRows {
            columns: RecordBatch::try_new(schema, vec![Arc::new(payloads)]).unwrap(),
            ids: RowIds::range(testing::partition("lines"), from as u64, lines.len(), 0),
            partition: 0,
            end: self.next as u64,
            resumed: None,
            reply: None,
        }))
    }

    async fn commit(&mut self, _: u32, _: u64, _: Option<Arc<Resume>>) -> Result<(), Fault> {
        Ok(())
    }
}

fn plan() -> Plan {
    let mut files = SourceMap::default();
    let root = files.add("test.flow", FLOW);
    let mut specs = stdlib::registry::specs();
    specs.push(&SPEC);
    let (plan, problems) =
        compile(&files, root, &specs, &Request { run: true, ..Request::default() });
    let mut plan = plan.unwrap_or_else(|| panic!("{problems:#?}"));
    local::add_deliveries(&mut plan);
    plan
}

/// A run on `dir`; `None` = it was cut off after `cut`, as by a crash.
fn run_once(dir: &Path, lines: &Arc<Vec<String>>, cut: Option<Duration>) -> Option<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let plan = plan();
    let lines = lines.clone();
    let report = runtime.block_on(async {
        let clock = Arc::new(SystemClock::new());
        let opened = local::open(dir, &plan, clock.clone()).unwrap();
        let mut registry = stdlib::registry::registry(opened.services.clone());
        registry.add(
            &SPEC,
            Open::Source(Box::new(move |_| {
                let lines = lines.clone();
                Box::pin(async move { Ok(Box::new(Lines { lines, next: 0 }) as Box<dyn Source>) })
            })),
        );
        let ctx =
            engine::ctx::Ctx { clock, checkpoints: opened.checkpoints.clone(), ..testing::ctx() };
        let live = Live::default();
        let running = run(plan.clone(), &registry, &ctx, &live, std::future::pending());
        match cut {
            Some(cut) => tokio::time::timeout(cut, running).await.ok(),
            None => Some(running.await),
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(10));
    report
}

/// Lines like those of the shop: some twice, some without a customer, some broken.
fn lines(count: usize) -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(7);
    let line = |n: usize| {
        if n % 97 == 13 {
            return format!("{{\"InvoiceNo\":\"{n}\",\"Quantity\":\"many\"}}");
        }
        let (invoice, code) = (n / 20, random.u32(0..15));
        let customer = match random.u32(0..4) {
            0 => "null".to_owned(),
            n => format!("\"customer {}\"", n + random.u32(0..20)),
        };
        let (quantity, price) = (random.i64(-50..500), random.u32(0..9_999) * 10 + 5);
        format!(
            "{{\"InvoiceNo\":\"{invoice}\",\"StockCode\":\"S{code}\",\"Quantity\":{quantity},\
             \"UnitPrice\":{}.{:03},\"CustomerID\":{customer}}}",
            price / 1000,
            price % 1000
        )
    };
    (0..count).map(line).collect()
}

/// What a directory holds, in a form that can be compared.
#[derive(Debug, PartialEq, Default)]
struct Held {
    archive: Vec<String>,
    invoices: BTreeMap<String, serde_json::Value>,
    customers: BTreeMap<String, serde_json::Value>,
    rows: Vec<(String, String, i64, i64, Option<String>)>,
    quarantine: Vec<String>,
}

fn held(dir: &Path) -> Held {
    let objects = |at: &Path| -> Vec<serde_json::Value> {
        let Ok(entries) = std::fs::read_dir(at) else { return Vec::new() };
        let files = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
        let texts: BTreeSet<_> = files.collect();
        let texts = texts.iter().map(|path| std::fs::read_to_string(path).unwrap());
        let lines: Vec<String> =
            texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let quarantine = objects(&dir.join("s3/s3-bucket-de/quarantine"));
    let open = |file: &str| rusqlite::Connection::open(dir.join(file)).unwrap();
    let items = |table: &str| -> BTreeMap<String, serde_json::Value> {
        let connection = open("tables.sqlite");
        let mut select = connection.prepare(&format!("select * from {table}")).unwrap();
        let rows = select
            .query_map([], |row| {
                let item: String = row.get(1)?;
                Ok((row.get(0)?, serde_json::from_str(&item).unwrap()))
            })
            .unwrap();
        rows.map(Result::unwrap).collect()
    };
    let connection = open("warehouse.sqlite");
    let sql = "select InvoiceNo, StockCode, Quantity, UnitPrice, CustomerID \
               from _firehose_transactions order by rowid";
    let mut select = connection.prepare(sql).unwrap();
    let rows = select
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .unwrap();
    let text = |value: &serde_json::Value| value.to_string();
    let mut quarantine: Vec<String> =
        quarantine.iter().map(|failure| text(&failure["payload"])).collect();
    quarantine.sort();
    Held {
        archive: objects(&dir.join("s3/s3-bucket-de")).iter().map(text).collect(),
        invoices: items("invoices"),
        customers: items("customers"),
        rows: rows.map(Result::unwrap).collect(),
        quarantine,
    }
}

/// What a run over `lines` must leave, worked out on its own.
fn expected(lines: &[String]) -> Held {
    use base64::Engine;
    let mut held = Held::default();
    for line in lines {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        if value["Quantity"].is_string() {
            let payload = base64::engine::general_purpose::STANDARD.encode(line);
            held.quarantine.push(format!("{payload:?}"));
            continue;
        }
        held.archive.push(value.to_string());
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let (invoice, code) = (text("InvoiceNo").unwrap(), text("StockCode").unwrap());
        let stock = serde_json::json!({
            "Quantity": value["Quantity"], "UnitPrice": value["UnitPrice"],
        });
        let empty = || serde_json::json!({});
        held.invoices.entry(invoice.clone()).or_insert_with(empty)[&code] = stock;
        if let Some(customer) = text("CustomerID") {
            let quantity = serde_json::json!({ "Quantity": value["Quantity"] });
            held.customers.entry(customer).or_insert_with(empty)[&invoice] = quantity;
        }
        let price = (value["UnitPrice"].as_f64().unwrap() * 1000.0).round() as i64;
        let quantity = value["Quantity"].as_i64().unwrap();
        held.rows.push((invoice, code, quantity, price, text("CustomerID")));
    }
    held.quarantine.sort();
    held
}

fn assert_same(found: &Held, wanted: &Held) {
    assert_eq!(found.archive.len(), wanted.archive.len(), "lines of the archive");
    assert_eq!(found.rows.len(), wanted.rows.len(), "rows of the warehouse");
    assert_eq!(found.quarantine.len(), wanted.quarantine.len(), "failures");
    let lines = found.archive.iter().zip(&wanted.archive);
    lines.for_each(|(found, wanted)| assert_eq!(found, wanted));
    found.rows.iter().zip(&wanted.rows).for_each(|(found, wanted)| assert_eq!(found, wanted));
    assert_eq!(found.invoices, wanted.invoices);
    assert_eq!(found.customers, wanted.customers);
    assert_eq!(found.quarantine, wanted.quarantine);
}

#[test]
fn every_line_is_stored_once_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let lines = Arc::new(lines(3000));
    let report = run_once(dir.path(), &lines, None).unwrap();
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let wanted = expected(&lines);
    assert_same(&held(dir.path()), &wanted);
    let count = |node: &str, name: &str| {
        let node = report.summary.nodes.iter().find(|each| each.id == node).unwrap();
        node.counts.get(name).copied().unwrap_or(0)
    };
    assert_eq!(count("dynamo/invoices.upsert", "items"), wanted.invoices.len() as u64);
    let attributes: usize =
        wanted.invoices.values().map(|item| item.as_object().unwrap().len()).sum();
    assert_eq!(count("dynamo/invoices.upsert", "attributes"), attributes as u64);
    let replaced = wanted.rows.len() - attributes;
    assert_eq!(count("dynamo/invoices.upsert", "replaced"), replaced as u64);

    // Run twice on the same input: nothing is added.
    let report = run_once(dir.path(), &lines, None).unwrap();
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_same(&held(dir.path()), &wanted);
}

#[test]
fn a_run_that_is_cut_off_ends_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let lines = Arc::new(lines(6000));
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..8 {
        let cut = Duration::from_millis(random.u64(5..400));
        run_once(dir.path(), &lines, Some(cut));
    }
    let report = run_once(dir.path(), &lines, None).unwrap();
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_same(&held(dir.path()), &expected(&lines));
}
