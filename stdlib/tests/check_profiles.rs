//! Profiles, quotas, params and requests: what is wrong with them, and what becomes of them.

mod check;

use check::compiled;
use dsl::check::Request;
use dsl::value::Value;

/// Compiles a file of some resources, the bindings in `profile` and what else is given.
fn places(profile: &str, rest: &str) -> Vec<String> {
    let text = format!(
        "type Line = {{ Id: text, Price: float, Note: text? }}\n\
         stream orders : json<Line> key .Id\n\
         bucket lake : ndjson<Line>\n\
         delivery feed : ndjson<Line> into lake\n\
         table stock : Line key .Id\n\
         profile aws {{\n{profile}\n}}\n\
         profile local = emulate(aws, dir: \"out\")\n{rest}\n"
    );
    let (_, found) = compiled(&text, &Request::default());
    let used = |place: &&String| !place.starts_with("W0901");
    let places: Vec<String> = found.iter().map(|found| found.place.clone()).collect();
    places.iter().filter(used).cloned().collect()
}

#[track_caller]
fn gives(profile: &str, expected: &[&str]) {
    assert_eq!(places(profile, "flow a { orders.read -> drop }"), expected, "{profile}");
}

#[test]
fn bindings() {
    let ok = "orders = kinesis(\"o\")";
    gives(ok, &[]);
    gives("orders = kinesis(\"o\", shards: 2)\nregion = \"eu-central-1\"", &[]);
    gives("region = \"eu-central-1\"", &["E0608 orders"]);
    gives("orders = kinisis(\"o\")", &["E0201 kinisis"]);
    gives("orders = s3(\"orders\")", &["E0610 s3"]);
    gives("orders = kinesis()", &["E0204 kinesis"]);
    gives("orders = kinesis(\"o\", shard: 2)", &["E0203 shard"]);
    gives("orders = kinesis(\"my orders\")", &["E0607 \"my orders\""]);
    gives(&format!("{ok}\n{ok}"), &["E0202 orders"]);
    gives(&format!("{ok}\nordrs = kinesis(\"o\")"), &["E0201 ordrs"]);
    gives(&format!("{ok}\nlake = s3(\"My_Lake\")"), &["E0607 \"My_Lake\""]);
    gives(&format!("{ok}\nfeed = firehose(\"f\", size: 200MiB)"), &["E0604 200MiB"]);
    gives(&format!("{ok}\nfeed = firehose(\"f\", wait: 20min)"), &["E0604 20min"]);
    gives(&format!("{ok}\nfeed = firehose(\"f\", wait: 5MiB)"), &["E0308 5MiB"]);
    gives(&format!("{ok}\nfeed = firehose(\"f\", size: 1KiB)"), &["E0604 1KiB"]);
    let stock =
        |more: &str| format!("{ok}\nstock = redshift(\"s\", database: \"d\", role: \"r\"{more})");
    gives(&stock(", workgroup: \"w\", manifests: \"s3://b/m/\""), &[]);
    gives(&stock(", cluster: \"c\", user: \"u\""), &[]);
    gives(&stock(""), &["E0204 redshift"]);
    gives(&stock(", workgroup: \"w\", cluster: \"c\""), &["E0204 redshift"]);
}

#[test]
fn a_limit_is_said_with_its_date() {
    let text = "type L = { a: text }\nbucket b : ndjson<L>\ndelivery f : ndjson<L> into b\n\
                profile aws {\n  b = s3(\"bucket\")\n  f = firehose(\"f\", size: 200MiB)\n}\n\
                flow a { b.read -> drop }\n";
    let (plan, found) = compiled(text, &Request::default());
    assert!(plan.is_none());
    let found: Vec<_> = found.iter().filter(|found| found.error).collect();
    let words = &found[0].words;
    assert_eq!(words[0], "`size: 200MiB` is over Firehose's largest buffer");
    assert_eq!(words[1], "`200MiB`: Firehose takes 1MiB to 128MiB (as of 2026-11)");
    assert_eq!(words[2], "use `size: 128MiB`");
}

#[test]
fn services_do_what_they_can() {
    let copy = "flow a { lake.read -> stock.copy\nerrors -> drop }";
    let bound = "lake = s3(\"lake\")\nstock = dynamodb(\"stock\")";
    assert_eq!(places(bound, copy), ["E0610 stock.copy"]);
    let upsert = "flow a { orders.read -> base64.decode -> json.decode -> stock.upsert\n\
                  errors -> drop }";
    let bound = "orders = kinesis(\"o\")\nlake = s3(\"lake\")\n\
                 stock = redshift(\"stock\", workgroup: \"w\", database: \"d\", role: \"r\")";
    assert_eq!(places(bound, upsert), ["E0610 stock.upsert"]);
}

#[test]
fn resources_are_declared_well() {
    let bound = "orders = kinesis(\"o\")";
    let with = |rest: &str| places(bound, &format!("{rest}\nflow a {{ orders.read -> drop }}"));
    assert_eq!(with("stream s : json<Line> key .Price"), ["E0603 .Price"]);
    assert_eq!(with("stream s : json<Line> key .Prise"), ["E0302 .Prise"]);
    assert_eq!(with("stream s : text key .Id"), ["E0603 key .Id"]);
    assert_eq!(with("stream s : Line"), ["E0402 Line"]);
    assert_eq!(with("table t : json<Line>"), ["E0402 json<Line>"]);
    assert_eq!(with("delivery d : ndjson<Line>"), ["E0204 d"]);
    assert_eq!(with("delivery d : json<Line> into lake"), ["E0301 json<Line>"]);
    assert_eq!(with("delivery d : ndjson<Line> into orders"), ["E0206 orders"]);
    assert_eq!(with("queue q : json<Line>"), ["E0001 queue"]);
}

#[test]
fn copied_columns_are_those_of_the_table() {
    let text = "type Line = { Id: text, Price: decimal(10, 2), Note: text? }\n\
                type Row = { Id: text, Price: decimal(10, 1), Extra: int }\n\
                bucket lake : ndjson<Line>\ntable rows : Row\n\
                profile aws {\n  lake = s3(\"lake\")\n\
                rows = redshift(\"rows\", workgroup: \"w\", database: \"d\", role: \"r\")\n}\n\
                flow a { lake.read -> rows.copy\nerrors -> drop }\n";
    let (_, found) = compiled(text, &Request::default());
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].place, "E0609 rows.copy");
    let help = found[0].words.last().expect("help");
    for column in ["Price: ", "Extra: only in the table", "Note: only in the objects"] {
        assert!(help.contains(column), "{help}");
    }
}

const PARAMS: &str = "param input : path\nparam bucket_name : text\n\
                      bucket lake : text\n\
                      profile aws { lake = s3(bucket_name) }\n\
                      profile local = emulate(aws, dir: \"out\")\n\
                      flow a { file.read(input) -> drop }\n\
                      flow b { lake.read -> drop }\n";

#[test]
fn params_are_required_where_the_run_needs_them() {
    let (plan, found) = compiled(PARAMS, &Request::default());
    assert!(found.is_empty() && plan.is_some(), "{found:#?}");
    let run = |flows: &[&str], params: &[(&str, &str)]| {
        let request = Request {
            flows: flows.iter().map(|flow| flow.to_string()).collect(),
            params: params.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
            run: true,
            ..Request::default()
        };
        let (plan, found) = compiled(PARAMS, &request);
        (plan, found.into_iter().map(|found| found.place).collect::<Vec<_>>())
    };
    let (_, places) = run(&[], &[]);
    assert_eq!(places, ["E0804 input", "E0804 bucket_name"]);
    let (plan, places) = run(&["a"], &[("bucket_name", "lake"), ("input", "in.csv")]);
    assert!(places.is_empty());
    let plan = plan.expect("a plan");
    let file = plan.graph.node_weights().find(|node| node.op == "file.read").expect("a node");
    assert_eq!(file.options["path"], Value::Text("in.csv".into()));
    let (_, places) = run(&["b"], &[("bucket_name", "lake")]);
    assert!(places.is_empty(), "{places:?}");
}

#[test]
fn a_request_names_what_is_there() {
    let with = |profile: Option<&str>, flows: &[&str]| {
        let request = Request {
            profile: profile.map(str::to_string),
            flows: flows.iter().map(|flow| flow.to_string()).collect(),
            ..Request::default()
        };
        let (plan, found) = compiled(PARAMS, &request);
        (plan.is_some(), found.into_iter().map(|found| found.words[0].clone()).collect::<Vec<_>>())
    };
    assert_eq!(with(Some("aws"), &["a"]), (true, vec![]));
    let (_, words) = with(None, &["c"]);
    assert_eq!(words, ["there is no flow `c` in this file"]);
    let (_, words) = with(Some("gcp"), &[]);
    assert_eq!(words, ["there is no profile `gcp` in this file"]);
}

#[test]
fn a_file_without_profiles_keeps_its_state_beside_itself() {
    let (plan, found) = compiled("flow a { file.read(\"x\") -> drop }\n", &Request::default());
    assert!(found.is_empty(), "{found:#?}");
    let plan = plan.expect("a plan");
    assert_eq!(
        (plan.profile.as_str(), plan.local_dir.as_deref()),
        ("local", Some("flows/out/local"))
    );
}
