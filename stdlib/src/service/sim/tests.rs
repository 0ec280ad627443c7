//! Flows in the simulation, with and without bugs in what they stand on.

use super::course::{Ask, Course, run};
use super::feed::{driven, undriven};
use super::verdict::judge;
use super::{Bug, prepare};
use dsl::check::{Request, compile};
use dsl::plan::Plan;
use dsl::span::SourceMap;
use std::path::Path;
use std::time::Duration;

/// How long things go wrong.
const LONG: Duration = Duration::from_secs(1800);
const SHOP: &str = include_str!("../../../../flows/ecommerce.flow");

/// A flow without a source that ends: records are made up for its stream.
const LONE: &str = r#"
type Order = { id: text, amount: decimal(10, 2), note: text?, at: timestamp, tags: list<text> }

stream orders : json<Order>   key .id
table  totals : { id: text, [text]: { amount: decimal(10, 2) } }   key .id
bucket lake   : ndjson<Order>
bucket failed : ndjson<Failure>

profile aws {
  orders = kinesis("orders", shards: 3)
  totals = dynamodb("totals")
  lake   = s3("lake")
  failed = s3("failed")
}

profile local = emulate(aws, dir: "out")

flow keep : at_least_once {
  let order = orders.read -> base64.decode -> json.decode
  order -> totals.upsert { .id, [.note ?? "none"]: { .amount } }
  order
    -> json.encode
    -> batch(max: 100, wait: 60s)
    -> text.join("\n")
    -> lake.put(key: "{batch.id}")
  errors -> failed.append
}
"#;

/// The plan of a file, with the first lines of the sample data as its input.
fn plan(text: &str, csv: Option<&Path>) -> Plan {
    let mut files = SourceMap::default();
    let root = files.add("shop.flow".to_owned(), text.to_owned());
    let params = csv.map(|path| ("csv_file".to_owned(), path.display().to_string()));
    let params = params.into_iter().collect();
    let request = Request { profile: None, params, flows: Vec::new(), run: true };
    let (plan, problems) = compile(&files, root, &crate::registry::specs(), &request);
    let mut plan = plan.unwrap_or_else(|| panic!("{problems:#?}"));
    prepare(&mut plan);
    plan
}

/// The first lines of the sample data, and one that is no order line.
fn sample(dir: &Path, lines: usize) -> std::path::PathBuf {
    let all = include_bytes!("../../../../flows/data/online-retail.csv");
    let mut text =
        all.split_inclusive(|byte| *byte == b'\n').take(lines).collect::<Vec<_>>().concat();
    text.extend_from_slice(b"bad,line,with,a quantity of none,and,nothing,1,x\r\n");
    let path = dir.join("lines.csv");
    std::fs::write(&path, text).unwrap();
    path
}

fn course(plan: &Plan, seed: u64, faults: bool, bug: Option<Bug>) -> Course {
    run(&Ask { plan, seed, long: LONG, faults, trace: true, bug }).unwrap()
}

/// Two courses that should be one: the first event in which they differ.
fn same(a: &Course, b: &Course) {
    let mut pairs = a.trace.iter().zip(&b.trace).enumerate();
    let differ = pairs.find(|(_, (a, b))| a != b);
    assert_eq!(differ, None, "event, once and again");
    assert_eq!((&a.trace_hash, a.events), (&b.trace_hash, b.events));
}

#[test]
fn the_shop_loses_nothing_and_its_course_repeats() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(SHOP, Some(&sample(dir.path(), 400)));
    let reference = course(&plan, 0, false, None);
    assert_eq!(reference.broken, None);
    let sinks: Vec<(&str, u64)> =
        reference.end.sinks.iter().map(|sink| (sink.name.as_str(), sink.content.len())).collect();
    assert_eq!(sinks[0], ("orders", 399));
    assert!(sinks.contains(&("quarantine", 1)), "{sinks:?}");
    assert!(sinks.contains(&("sales", 399)), "{sinks:?}");
    let mut broken_off = 0;
    for seed in 1..3 {
        let first = course(&plan, seed, true, None);
        assert_eq!(judge(&reference, &first).broken, Vec::<String>::new(), "seed {seed}");
        assert!(first.simulated > LONG && !first.injected.is_empty());
        broken_off += first.crashes + first.stops;
        same(&first, &course(&plan, seed, true, None));
    }
    assert!(broken_off > 5, "{broken_off}");
}

#[test]
fn what_streams_do_wrong_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(SHOP, Some(&sample(dir.path(), 200)));
    let reference = course(&plan, 0, false, None);
    for (bug, told) in [
        (Bug::Loses, "stream `orders` has lost 2 records"),
        (Bug::Doubles, "stream `orders` holds"),
    ] {
        let broken = (1..6).find_map(|seed| {
            let broken = judge(&reference, &course(&plan, seed, true, Some(bug))).broken;
            broken.into_iter().find(|broken| broken.starts_with(told))
        });
        assert!(broken.is_some(), "{bug:?} in five seeds");
    }
}

#[test]
fn records_are_made_up_for_a_stream_that_nothing_feeds() {
    let plan = plan(LONE, None);
    assert_eq!(driven(&plan), ["keep/orders.read"]);
    assert!(undriven(&plan).is_empty());
    let reference = course(&plan, 0, false, None);
    assert_eq!(reference.broken, None);
    let lake = reference.end.sinks.iter().find(|sink| sink.name == "lake").unwrap();
    assert_eq!((lake.content.len(), reference.rows_in), (2000, 2000));
    for seed in 1..3 {
        let verdict = judge(&reference, &course(&plan, seed, true, None));
        assert_eq!(verdict.broken, Vec::<String>::new(), "seed {seed}");
    }
}
