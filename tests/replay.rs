//! `flowc replay`, end to end: what failed is sent again after a fix, once, also where the replay
//! is killed.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;
use support::{Port, both, flowc};

/// A flow that sends each order to a stream and, by batches, to a bucket.
const FLOW: &str = r#"
type Order = { id: text, amount: decimal(10, 2), at: timestamp }

stream orders     : json<Order>      key .id
bucket lake       : text
bucket quarantine : ndjson<Failure>
table  amounts    : { id: text, amount: decimal(10, 2) }  key .id

profile aws {
  orders     = kinesis("orders", shards: 1)
  lake       = s3("lake")
  quarantine = s3("lake", prefix: "quarantine/")
  amounts    = dynamodb("amounts")
}

profile local = emulate(aws, dir: "out")

flow read : at_least_once {
  let order = file.read("orders.csv") -> csv.decode(OPTIONS) as Order
  order -> orders.write
  order -> json.encode -> batch(max: 2, wait: 60s) -> text.join("\n")
        -> lake.put(key: "{batch.id}.txt")
  errors -> quarantine.append
}

flow store : at_least_once {
  orders.read -> base64.decode -> json.decode -> amounts.upsert { id: KEY, .amount }
  errors -> quarantine.append
}
"#;

const CSV: &str = "id,amount,at\n\
    a1,2.50,2026-01-01T00:00:00Z\n\
    a2,ten,2026-01-01T00:00:00Z\n\
    a3,3\n\
    a4,4,01/02/2026 08:00\n\
    a5,5,2026-01-01T00:00:00Z\n\
    a6,6.05,01/03/2026 08:00\n";

/// A key that the table refuses, of one order.
const REFUSED: &str = r#"if .id == "a5" then "" else .id"#;

const FIX: (&str, &str) = ("OPTIONS", r#"timestamp: "%m/%d/%Y %H:%M""#);

struct Lab(tempfile::TempDir);

impl Lab {
    fn new(csv: &str) -> Lab {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        fs::write(dir.path().join("orders.csv"), csv).expect("the file can be written");
        let lab = Lab(dir);
        lab.flow(FLOW, &[]);
        lab
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes the flow, with these words in place of others.
    fn flow(&self, text: &str, words: &[(&str, &str)]) {
        let mut text = text.to_owned();
        for (word, by) in words.iter().chain(&[("OPTIONS", r#"zone: "UTC""#), ("KEY", REFUSED)]) {
            text = text.replace(word, by);
        }
        fs::write(self.path().join("a.flow"), text).expect("the flow can be written");
    }

    fn flowc(&self, args: &[&str]) -> Output {
        let (command, rest) = args.split_first().expect("a command");
        let mut flowc = flowc();
        flowc.arg(command).arg("a.flow").args(rest).current_dir(self.path());
        flowc.output().expect("flowc can be started")
    }

    /// Must end with this code.
    fn ends(&self, code: i32, args: &[&str]) -> String {
        let output = self.flowc(args);
        let text = both(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{text}");
        text
    }

    fn show(&self, resource: &str) -> Vec<serde_json::Value> {
        let text = self.ends(0, &["show", resource, "--format", "jsonl", "--limit", "0"]);
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The ids on the stream, in its order.
    fn orders(&self) -> Vec<String> {
        let id = |row: &serde_json::Value| {
            let payload: serde_json::Value = match &row["payload"] {
                serde_json::Value::String(text) => serde_json::from_str(text).expect("an order"),
                other => other.clone(),
            };
            payload["id"].as_str().expect("an id").to_owned()
        };
        self.show("orders").iter().map(id).collect()
    }

    /// The lines of all objects of the lake, sorted.
    fn lake(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for entry in fs::read_dir(self.path().join("out/s3/lake")).into_iter().flatten().flatten() {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            lines.extend(text.lines().map(str::to_owned));
        }
        lines.sort();
        lines
    }
}

#[test]
fn what_failed_is_sent_once_after_a_fix() {
    let lab = Lab::new(CSV);
    lab.ends(0, &["run", "read"]);
    assert_eq!(lab.orders(), ["a1", "a5"]);
    let dry = lab.ends(0, &["replay", "--dry-run"]);
    assert!(dry.contains("4 failures, 4 selected") && dry.contains("csv_fields"), "{dry}");
    lab.flow(FLOW, &[FIX]);
    let some = lab.ends(0, &["replay", "--where", ".position == \"orders.csv#3\""]);
    assert!(some.contains("4 failures, 1 selected") && some.contains("orders.write 1"), "{some}");
    assert_eq!(lab.orders(), ["a1", "a5", "a4"]);
    let rest = lab.ends(0, &["replay", "--flow", "read"]);
    assert!(rest.contains("1 of them sent before"), "{rest}");
    assert!(rest.contains("3 records sent, 2 failed again"), "{rest}");
    assert_eq!(lab.orders(), ["a1", "a5", "a4", "a6"]);
    assert_eq!(lab.lake().len(), 4, "{:?}", lab.lake());
    let failures = lab.show("quarantine");
    let first: BTreeMap<&str, &serde_json::Value> = failures[..4]
        .iter()
        .map(|failure| (failure["id"].as_str().expect("an id"), failure))
        .collect();
    for again in &failures[4..] {
        let of = first[again["meta"]["replay_of"].as_str().expect("an id")];
        assert_eq!((&of["record"], &of["position"]), (&again["record"], &again["position"]));
        assert_eq!((of["attempts"].as_str(), again["attempts"].as_str()), (Some("1"), Some("2")));
    }
    assert_eq!(failures.len(), 6);
    let fixed = FLOW.replace("amount: decimal(10, 2), at", "amount: text, at");
    lab.flow(&fixed.replace(".amount }", "amount: decimal(.amount) catch 0 }"), &[FIX]);
    let third = lab.flowc(&["replay", "--where", ".code == \"csv_value\""]);
    let third = both(&third);
    let said = "a failure that came again is one of its own";
    assert!(third.contains("1 record sent, 1 failed again"), "{said}: {third}");
    let failures = lab.show("quarantine");
    assert_eq!(failures[6]["attempts"], "3", "of a failure of a failure: {failures:?}");
    // The rows have the ids that they had: to read the file again adds nothing.
    lab.flow(FLOW, &[]);
    let orders = lab.orders().len();
    lab.ends(0, &["run", "read", "--from-start"]);
    assert_eq!(lab.orders().len(), orders);
    assert_eq!(lab.show("quarantine").len(), 7, "and no failure twice");
    let none = lab.ends(0, &["replay", "--limit", "1", "--where", ".attempts < 2"]);
    assert!(none.contains("nothing sent"), "{none}");
}

#[test]
fn a_replay_that_is_killed_anywhere_gives_every_record_once() {
    let bad: String = (0..40).map(|n| format!("b{n},{n},01/02/2026 08:00\n")).collect();
    let csv = format!("id,amount,at\n{bad}");
    let expected: Vec<String> = {
        let mut all: Vec<String> = (0..40).map(|n| format!("b{n}")).collect();
        all.sort();
        all
    };
    for point in [
        "replay.note",
        "replay.noted",
        "batch.record",
        "batch.recorded",
        "batch.sent",
        "batch.anchor",
        "batch.anchored",
        "sink.write",
        "sink.written",
        "sink.written:7",
        "source.settled",
        "source.commit",
        "source.committed",
    ] {
        let lab = Lab::new(&csv);
        lab.ends(0, &["run", "read"]);
        lab.flow(FLOW, &[FIX]);
        let crash = format!("{point}=crash");
        let killed = lab.flowc(&["replay", "--failpoint", &crash]);
        assert!(!killed.status.success(), "{point}: {}", both(&killed));
        // What was begun goes on, whatever is asked for now.
        lab.ends(0, &["replay", "--where", ".code == \"no such code\""]);
        let last = lab.ends(0, &["replay"]);
        let mut orders = lab.orders();
        orders.sort();
        assert_eq!(orders, expected, "{point}\n{last}");
        assert_eq!(lab.lake().len(), 40, "{point}: {:?}", lab.lake());
        assert!(lab.ends(0, &["replay"]).contains("nothing sent"), "{point}");
    }
}

#[test]
fn rows_that_a_sink_refused_are_stored_after_a_fix() {
    let lab = Lab::new(CSV);
    lab.ends(0, &["run"]);
    let failures = lab.show("quarantine");
    let refused = failures.iter().find(|failure| failure["code"] == "key_empty");
    let refused = refused.expect("an empty key is refused");
    assert_eq!(refused["node"], "store/amounts.upsert");
    assert!(refused["span"].as_str().is_some_and(|span| span.contains("a.flow:")), "{refused}");
    let only = ["replay", "--where", ".node == \"store/amounts.upsert\""];
    lab.flow(FLOW, &[("KEY", ".id")]);
    let sent = lab.ends(0, &only);
    assert!(sent.contains("1 record sent") && sent.contains("amounts.upsert 1"), "{sent}");
    let items = lab.show("amounts");
    let keys: Vec<&str> = items.iter().filter_map(|item| item["id"].as_str()).collect();
    assert_eq!(keys, ["a1", "a5"]);
    assert!(lab.ends(0, &only).contains("nothing sent"));
}

#[test]
fn what_cannot_be_sent_is_named() {
    let lab = Lab::new(CSV);
    lab.ends(0, &["run", "read"]);
    lab.flow(
        &FLOW.replace("csv.decode(OPTIONS) as Order", "text.lines -> json.decode as Order"),
        &[],
    );
    let text = lab.ends(1, &["replay"]);
    assert!(
        text.contains(
            "4 records of `read/csv.decode` cannot be sent: the file has no such node any more"
        ),
        "{text}"
    );
    assert!(text.contains("put the node back under this name"), "{text}");
    lab.ends(0, &["replay", "--where", ".node != \"read/csv.decode\""]);
    lab.flow(FLOW, &[]);
    let text = lab.ends(2, &["replay", "--flow", "rea"]);
    assert!(text.contains("did you mean `read`?"), "{text}");
    let text = lab.ends(2, &["replay", "--where", ".cod == \"x\""]);
    assert!(text.contains("E0302") && text.contains("did you mean `.code`?"), "{text}");
    let text = lab.ends(2, &["replay", "--where", ".code"]);
    assert!(text.contains("a condition"), "{text}");
    let none = r#"flow f { file.read("orders.csv") -> text.lines -> log }"#;
    lab.flow(none, &[]);
    let text = lab.ends(2, &["replay"]);
    assert!(text.contains("no bucket of a.flow holds failures"), "{text}");
}

/// One record that two nodes have failed: the gateway, and the client that it was refused to.
#[test]
fn a_record_that_failed_at_both_ends_arrives_once() {
    let port = Port::take();
    let flow = r#"
type Order = { id: text, amount: int }
stream orders     : json<Order>      key .id
bucket quarantine : ndjson<Failure>
profile aws { orders = kinesis("orders", shards: 1)
  quarantine = s3("lake", prefix: "quarantine/") }
profile local = emulate(aws, dir: "out")

flow send : at_least_once {
  file.read("orders.csv") -> csv.decode as { id: text, amount: text } -> json.encode
    -> http.post("http://127.0.0.1:PORT/orders", batch: 2)
  errors -> quarantine.append
}
flow gateway : at_least_once {
  http.serve("127.0.0.1:PORT", path: "/orders") -> json.decode(lenient: LENIENT) as Order
    -> orders.write
  errors -> quarantine.append
}
"#;
    let port = port.number.to_string();
    let lab = Lab::new("id,amount\na,1\nb,2\nc,3\n");
    lab.flow(flow, &[("PORT", &port), ("LENIENT", "false")]);
    lab.ends(0, &["run"]);
    let failures = lab.show("quarantine");
    assert_eq!(failures.len(), 6, "{failures:?}");
    lab.flow(flow, &[("PORT", &port), ("LENIENT", "true")]);
    let text = lab.ends(0, &["replay"]);
    assert!(text.contains("6 records sent"), "{text}");
    let mut orders = lab.orders();
    orders.sort();
    assert_eq!(orders, ["a", "b", "c"], "{text}");
}

#[test]
fn lines_go_on_in_the_file_that_holds_the_others() {
    let flow = r#"
type Order = { id: text, amount: int }
bucket quarantine : ndjson<Failure>
profile aws { quarantine = s3("lake", prefix: "quarantine/") }
profile local = emulate(aws, dir: "out")
flow copy : at_least_once {
  file.read("orders.csv") -> csv.decode(null: "NULLS") as Order
    -> json.encode -> file.write("o.txt")
  errors -> quarantine.append
}
"#
    .replace("amount: int }", "amount: int? }");
    let lab = Lab::new("id,amount\na,1\nb,none\nc,3\n");
    lab.flow(&flow, &[("NULLS", "")]);
    lab.ends(0, &["run"]);
    lab.flow(&flow, &[("NULLS", "none")]);
    lab.ends(0, &["replay"]);
    lab.ends(0, &["replay"]);
    let written = fs::read_to_string(lab.path().join("o.txt")).expect("the file is there");
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines.len(), 3, "{written}");
    assert!(lines[2].contains("\"b\"") && lines[2].contains("null"), "{written}");
}
