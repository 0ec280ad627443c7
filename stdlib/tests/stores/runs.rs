//! Whole runs: what is sent to a bucket that cannot be appended to, also a second time.

use super::lab::{Lab, rule};
use dsl::check::{Request, compile};
use dsl::plan::Plan;
use dsl::span::SourceMap;
use engine::ctx::Ctx;
use engine::run::{Live, Report, run};
use engine::testing;
use serde_json::{Value, json};
use std::path::Path;
use stdlib::registry::{registry, specs};
use stdlib::service::aws;

const FLOW: &str = r#"
type Order = { id: text, amount: decimal(10, 2) }

bucket quarantine : ndjson<Failure>
bucket orders     : ndjson<Order>

profile aws {
  quarantine = s3("lake", prefix: "quarantine/")
  orders     = s3("lake", prefix: "orders/")
}

flow read : at_least_once {
  file.read("orders.csv") -> csv.decode as Order -> orders.append
  errors -> quarantine.append
}
"#;

const ORDERS: &str = "id,amount\na1,2.50\na2,ten\na3,7\na4,many\n";

/// The two tables of the shop.
const SHOP: &str = r#"
type Line = {
  InvoiceNo: text, StockCode: text, Description: text?, Quantity: int, InvoiceDate: timestamp
  UnitPrice: decimal(10, 3), CustomerID: text?, Country: text
}
type Stock = {
  Description: text?, Quantity: int, InvoiceDate: timestamp
  UnitPrice: decimal(10, 3), CustomerID: text?, Country: text
}
type Invoice  = { InvoiceNo: text,  [text]: Stock }
type Customer = { CustomerID: text, [text]: { InvoiceDate: timestamp, Country: text } }

table invoices  : Invoice  key .InvoiceNo
table customers : Customer key .CustomerID

profile aws {
  invoices  = dynamodb("invoices")
  customers = dynamodb("customers")
}

flow dynamo : at_least_once {
  let line = file.read("orders.csv")
    -> csv.decode(encoding: "latin-1", timestamp: "%m/%d/%Y %H:%M", zone: "UTC") as Line
  line -> invoices.upsert {
    .InvoiceNo
    [.StockCode]: { .Description, .Quantity, .InvoiceDate, .UnitPrice, .CustomerID, .Country }
  }
  line
    -> where .CustomerID != null
    -> customers.upsert { .CustomerID, [.InvoiceNo]: { .InvoiceDate, .Country } }
  errors -> log
}
"#;

fn plan(lab: &Lab, flow: &str, dir: &Path) -> Plan {
    let mut files = SourceMap::default();
    let root = files.add(dir.join("shop.flow").display().to_string(), flow);
    let request = Request { run: true, profile: Some("aws".into()), ..Request::default() };
    let (plan, problems) = compile(&files, root, &specs(), &request);
    let mut plan = plan.unwrap_or_else(|| panic!("{problems:#?}"));
    plan.provider = lab.plan.provider.clone();
    aws::prepare(&mut plan);
    plan
}

async fn once(lab: &Lab, flow: &str, dir: &Path) -> Report {
    let plan = plan(lab, flow, dir);
    let clock = lab.clock.clone();
    let opened = aws::open_with(&plan, lab.clients.clone(), clock.clone()).await.unwrap();
    let checkpoints = opened.checkpoints.clone();
    let ctx = Ctx { clock, checkpoints, from_start: true, ..testing::ctx() };
    let nodes = registry(opened.services.clone());
    run(plan, &nodes, &ctx, &Live::default(), std::future::pending()).await
}

/// The objects of the bucket, with their lines.
async fn objects(lab: &Lab) -> Vec<(String, Vec<Value>)> {
    let listed = lab.clients.s3.list_objects_v2().bucket("lake").send().await.unwrap();
    let mut objects = Vec::new();
    for object in listed.contents.unwrap_or_default() {
        let key = object.key.unwrap();
        let get = lab.clients.s3.get_object().bucket("lake").key(&key).send().await.unwrap();
        let body = get.body.collect().await.unwrap().into_bytes();
        let lines = std::str::from_utf8(&body).unwrap().lines();
        objects.push((key, lines.map(|line| serde_json::from_str(line).unwrap()).collect()));
    }
    objects
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_become_objects_whose_names_stay() {
    let (lab, dir) = (Lab::new().await, tempfile::tempdir().unwrap());
    lab.make_bucket("lake").await;
    std::fs::write(dir.path().join("orders.csv"), ORDERS).unwrap();
    // The first answers are lost, so each object is put again.
    lab.rules(json!([
        rule("s3", "PutObject", 1, json!("lose_reply")),
        rule("dynamodb", "TransactWriteItems", 1, json!("lose_reply")),
    ]));
    let report = once(&lab, FLOW, dir.path()).await;
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let first = objects(&lab).await;
    let keys: Vec<&str> = first.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert!(keys[0].starts_with("orders/") && keys[0].ends_with(".ndjson"), "{keys:?}");
    assert!(keys[1].starts_with("quarantine/") && keys[1].ends_with(".ndjson"), "{keys:?}");
    let ids: Vec<&Value> = first[0].1.iter().map(|line| &line["id"]).collect();
    assert_eq!(ids, ["a1", "a3"]);
    let codes: Vec<&Value> = first[1].1.iter().map(|line| &line["node"]).collect();
    assert_eq!(codes, ["read/csv.decode", "read/csv.decode"]);
    // Everything comes once more; the failures have happened at another time.
    let report = once(&lab, FLOW, dir.path()).await;
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(objects(&lab).await, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_of_the_shop_take_a_tenth_of_the_updates() {
    let (lab, dir) = (Lab::new().await, tempfile::tempdir().unwrap());
    lab.make_table("invoices", "InvoiceNo").await;
    lab.make_table("customers", "CustomerID").await;
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../flows/data/online-retail.csv");
    let sample = std::fs::read(sample).unwrap();
    let lines = sample.split_inclusive(|byte| *byte == b'\n').take(2_001);
    std::fs::write(dir.path().join("orders.csv"), lines.collect::<Vec<_>>().concat()).unwrap();
    lab.rules(json!([{
        "service": "dynamodb", "operation": "UpdateItem", "probability": 0.05, "seed": 9,
        "action": "lose_reply",
    }]));
    let report = once(&lab, SHOP, dir.path()).await;
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let calls = lab.count("dynamodb.UpdateItem", "calls");
    assert!(calls <= 400, "{calls} updates for 2,000 lines");
    for (table, items) in [("invoices", 107), ("customers", 68)] {
        let scan = lab.clients.dynamodb.scan().table_name(table).send().await.unwrap();
        assert_eq!(scan.count, items, "{table}");
    }
}
