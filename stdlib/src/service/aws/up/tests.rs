//! What is made and what is found, against the strict front.

use super::*;
use crate::service::aws::testing;
use dsl::check::{Request, compile};
use dsl::problem::Severity;
use dsl::span::SourceMap;

const FILE: &str = r#"
type Line = { Id: text, Number: int, Note: text? }
stream orders  : json<Line> key .Id
bucket lake    : ndjson<Line>
bucket failed  : ndjson<Failure>
delivery feed  : ndjson<Line> into lake
table lines    : Line key .Id
profile aws {
  region = "eu-central-1"
  orders = kinesis("orders", shards: 2)
  lake   = s3("lake", prefix: "in/")
  failed = s3("failed")
  feed   = firehose("feed", size: 1MiB, wait: 60s, role: "arn:aws:iam::123456789012:role/fill")
  lines  = dynamodb("lines")
}
flow write : at_least_once {
  http.serve("127.0.0.1:0", path: "/") -> json.decode as Line -> orders.write
  errors -> failed.append
}
flow read : at_least_once {
  let line = orders.read -> base64.decode -> json.decode
  line -> feed.write
  line -> lines.upsert { .Id, .Number, .Note }
  errors -> failed.append
}
flow list : at_least_once { lake.read -> drop }
"#;

fn plan(text: &str) -> (SourceMap, Plan) {
    let mut files = SourceMap::default();
    let root = files.add("shop.flow", text);
    let request = Request { profile: Some("aws".into()), ..Request::default() };
    let (plan, problems) = compile(&files, root, &crate::registry::specs(), &request);
    (files, plan.unwrap_or_else(|| panic!("{problems:#?}")))
}

async fn front() -> awsfront::Front {
    awsfront::start(awsfront::Options::default()).await.unwrap()
}

fn site(text: &str, front: &awsfront::Front) -> AwsSite {
    AwsSite::new(&plan(text).1, testing::clients(&front.url())).unwrap()
}

/// Makes everything; gives what was to be done before.
async fn up(site: &AwsSite) -> Vec<(Action, String)> {
    let steps = site.look().await.unwrap();
    for step in steps.iter().filter(|step| step.action == Action::Create) {
        site.make(step).await.unwrap();
    }
    steps.into_iter().map(|step| (step.action, step.what)).collect()
}

fn now_ns() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(now.unwrap().as_nanos()).unwrap()
}

/// Code, place and message of each problem.
async fn check(text: &str, front: &awsfront::Front) -> Vec<(&'static str, String, Problem)> {
    let files = plan(text).0;
    let found = site(text, front).check(now_ns()).await;
    let place = |problem: Problem| (problem.code, files.text(problem.primary()).into(), problem);
    found.into_iter().map(place).collect()
}

#[tokio::test]
async fn what_is_missing_is_made_once() {
    let front = front().await;
    let site = site(FILE, &front);
    let first = up(&site).await;
    let names: Vec<&str> = first.iter().map(|(_, what)| what.as_str()).collect();
    let expected = [
        "bucket `lake`",
        "bucket `failed`",
        "table `flowc-shop`",
        "table `lines`",
        "stream `orders`",
        "delivery stream `feed`",
    ];
    assert_eq!(names, expected);
    assert!(first.iter().all(|(action, _)| *action == Action::Create), "{first:?}");
    let second = up(&site).await;
    assert!(second.iter().all(|(action, _)| *action == Action::Exists), "{second:?}");
    let notes = site.look().await.unwrap();
    assert!(notes.iter().all(|step| step.notes.is_empty()), "{notes:?}");
}

#[tokio::test]
async fn what_differs_is_said_and_left_alone() {
    let front = front().await;
    up(&site(FILE, &front)).await;
    let other = FILE
        .replace("lines    : Line key .Id", "lines    : Line key .Number")
        .replace("shards: 2", "shards: 3")
        .replace("\"in/\"", "\"other/\"");
    let site = site(&other, &front);
    let differs = |step: &&Step| step.action == Action::Differs;
    let steps = site.look().await.unwrap();
    let notes: Vec<&str> =
        steps.iter().filter(differs).map(|step| step.notes[0].as_str()).collect();
    assert_eq!(notes.len(), 3, "{notes:#?}");
    assert!(notes[0].contains("its key is Id (S), and the file declares Number (N)"), "{notes:?}");
    assert!(notes[1].contains("it has 2 open shards, and the file says 3"), "{notes:?}");
    assert!(notes[2].contains("fills `s3://lake/in/`, and the file says"), "{notes:?}");
    let found = check(&other, &front).await;
    let codes: Vec<(&str, &str)> =
        found.iter().map(|(code, place, _)| (*code, place.as_str())).collect();
    assert_eq!(codes, [("E0703", "int"), ("E0703", "orders"), ("E0703", "feed")]);
    let warns = |found: &(&str, String, Problem)| found.2.severity == Severity::Warning;
    assert_eq!(found.iter().map(warns).collect::<Vec<_>>(), [false, true, false]);
}

#[tokio::test]
async fn a_check_finds_everything_in_one_go() {
    let front = front().await;
    let found = check(FILE, &front).await;
    let codes: Vec<&str> = found.iter().map(|(code, ..)| *code).collect();
    assert_eq!(codes, ["E0701"; 6], "{found:#?}");
    up(&site(FILE, &front)).await;
    assert_eq!(check(FILE, &front).await, vec![]);

    let denied = |service: &str, operation: &str| {
        format!(
            "{{\"service\":\"{service}\",\"operation\":\"{operation}\",\
             \"action\":{{\"status\":400,\"code\":\"AccessDeniedException\"}}}}"
        )
    };
    let rules = [
        denied("kinesis", "PutRecords"),
        denied("kinesis", "GetRecords"),
        denied("s3", "PutObject"),
        denied("dynamodb", "DeleteItem"),
        denied("firehose", "PutRecordBatch"),
    ];
    front.shared.rules.set(format!("[{}]", rules.join(",")).as_bytes()).unwrap();
    let found = check(FILE, &front).await;
    let said: Vec<(&str, &str)> =
        found.iter().map(|(code, _, problem)| (*code, problem.message.as_str())).collect();
    let expected = [
        ("E0704", "bucket `failed`: `s3:PutObject` is not allowed"),
        ("E0704", "table `flowc-shop`: `dynamodb:DeleteItem` is not allowed"),
        ("E0704", "stream `orders`: `kinesis:PutRecords` is not allowed"),
        ("E0704", "stream `orders`: `kinesis:GetRecords` is not allowed"),
        ("E0704", "delivery stream `feed`: `firehose:PutRecordBatch` is not allowed"),
    ];
    assert_eq!(said, expected);
    assert!(found.iter().all(|(.., problem)| problem.help.is_some()), "{found:#?}");
}

#[tokio::test]
async fn what_only_some_bindings_need_is_asked_for_too() {
    let front = front().await;
    let file = FILE.replace("shards: 2", "shards: 2, fan_out: true, pack: true, order: \"none\"");
    let read = "orders.read -> base64.decode -> json.decode";
    let served = "http.serve(\"127.0.0.1:0\", path: \"/b\") -> json.decode as Line";
    let written = file.replace(read, served);
    up(&site(&file, &front)).await;
    assert_eq!(check(&file, &front).await, vec![]);
    let denied = |service: &str, operation: &str| {
        format!(
            "{{\"service\":\"{service}\",\"operation\":\"{operation}\",\
             \"action\":{{\"status\":400,\"code\":\"AccessDeniedException\"}}}}"
        )
    };
    let of_fan_out = ["DescribeStreamConsumer", "RegisterStreamConsumer", "SubscribeToShard"];
    let mut rules: Vec<String> = of_fan_out.map(|each| denied("kinesis", each)).into();
    rules.push(denied("s3", "GetObject"));
    front.shared.rules.set(format!("[{}]", rules.join(",")).as_bytes()).unwrap();
    let found = check(&file, &front).await;
    let said: Vec<&str> = found.iter().map(|(.., problem)| problem.message.as_str()).collect();
    let expected = [
        "bucket `failed`: `s3:GetObject` is not allowed",
        "stream `orders`: `kinesis:DescribeStreamConsumer` is not allowed",
        "stream `orders`: `kinesis:RegisterStreamConsumer` is not allowed",
        "stream `orders`: `kinesis:SubscribeToShard` is not allowed",
    ];
    assert_eq!(said, expected);
    let rules = format!("[{}]", denied("kinesis", "ListShards"));
    front.shared.rules.set(rules.as_bytes()).unwrap();
    let found = check(&written, &front).await;
    let said: Vec<&str> = found.iter().map(|(.., problem)| problem.message.as_str()).collect();
    assert_eq!(said, ["stream `orders`: `kinesis:ListShards` is not allowed"]);
    let strict = written.replace("\"none\"", "\"strict\"");
    assert_eq!(check(&strict, &front).await, vec![]);
}

#[tokio::test]
async fn a_check_changes_nothing() {
    let front = front().await;
    let site = site(FILE, &front);
    up(&site).await;
    site.check(now_ns()).await;
    let clients = testing::clients(&front.url());
    let listed = clients.s3.list_objects_v2().bucket("failed").send().await.unwrap();
    assert_eq!(listed.key_count, Some(0));
    for table in ["lines", "flowc-shop"] {
        let scanned = clients.dynamodb.scan().table_name(table).send().await.unwrap();
        assert_eq!(scanned.count, 0, "{table}");
    }
}

#[tokio::test]
async fn a_wrong_clock_is_told() {
    let front = front().await;
    up(&site(FILE, &front)).await;
    let told = [(4, None), (6, Some(Severity::Warning)), (-20, Some(Severity::Error))];
    for (minutes, expected) in told {
        front.shared.clock.set_skew(minutes * 60_000);
        let found = check(FILE, &front).await;
        let codes: Vec<(&str, Severity)> =
            found.iter().map(|(code, _, problem)| (*code, problem.severity)).collect();
        let expected: Vec<(&str, Severity)> =
            expected.map(|bad| ("E0705", bad)).into_iter().collect();
        assert_eq!(codes, expected, "{minutes}: {found:#?}");
    }
}

#[tokio::test]
async fn wrong_credentials_are_told_once() {
    let front = front().await;
    let rules = ["s3", "kinesis", "dynamodb", "firehose"].map(|service| {
        format!(
            "{{\"service\":\"{service}\",\"action\":{{\"status\":403,\
             \"code\":\"UnrecognizedClientException\"}}}}"
        )
    });
    front.shared.rules.set(format!("[{}]", rules.join(",")).as_bytes()).unwrap();
    let found = check(FILE, &front).await;
    let codes: Vec<&str> = found.iter().map(|(code, ..)| *code).collect();
    assert_eq!(codes, ["E0706"], "{found:#?}");
}

#[tokio::test]
async fn a_delivery_without_a_role_cannot_be_made() {
    let front = front().await;
    let file = FILE.replace(", role: \"arn:aws:iam::123456789012:role/fill\"", "");
    let steps = site(&file, &front).look().await.unwrap();
    let feed = steps.iter().find(|step| step.what.contains("feed")).unwrap();
    assert_eq!(feed.action, Action::Differs);
    assert!(feed.notes[0].contains("needs a role"), "{feed:?}");
}
