//! The program on a warehouse of AWS: what is missing is made, objects are loaded once by two
//! loaders that are killed and lose replies, and what is asked is answered exactly.

#[path = "support/standins.rs"]
mod standins;

use awsfront::{Front, Options};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const FLOW: &str = r#"
type Order = { Id: text, Amount: decimal(10, 3), At: timestamp, Note: text? }
bucket staging : ndjson<Order>
table  sales   : Order
profile aws {
  state   = "STATE"
  staging = s3("staging")
  sales   = redshift("Orders", workgroup: "w", database: "dev", role: "ROLE")
}
flow load : at_least_once {
  staging.read -> sales.copy
  errors -> log
}
query totals on sales """
  select count(*) as n, count(distinct Id) as Ids, sum(Amount) as Amount, max(Note) as note
  from {sales}
"""
"#;

/// Objects with rows that have no id: only the history keeps them from being loaded twice.
const OBJECTS: usize = 40;
const ROWS: usize = 10;
/// A machine that builds at the same time is slow.
const DEADLINE: Duration = Duration::from_secs(240);

struct Shop {
    front: Front,
    dir: tempfile::TempDir,
}

impl Shop {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowc"));
        standins::environment(&mut command);
        command.env("AWS_ENDPOINT_URL", self.front.url()).env("COLUMNS", "200");
        command.current_dir(self.dir.path()).stdin(Stdio::null()).args(args);
        command
    }

    fn flowc(&self, args: &[&str]) -> (String, i32) {
        let Output { status, stdout, stderr } =
            self.command(args).output().expect("flowc can be started");
        let text = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        (text.concat(), status.code().unwrap_or(-1))
    }

    fn loader(&self, file: &str) -> Child {
        let mut append = std::fs::File::options();
        let log = append.create(true).append(true).open(self.log(file)).expect("a log");
        let mut command = self.command(&["run", file, "--profile", "aws", "--keep-running"]);
        command.stdout(Stdio::null()).stderr(log).spawn().expect("flowc can be started")
    }

    fn log(&self, file: &str) -> std::path::PathBuf {
        self.dir.path().join(Path::new(file).with_extension("log"))
    }

    fn has_told(&self, file: &str) -> bool {
        std::fs::read_to_string(self.log(file)).unwrap_or_default().contains("bad.json")
    }

    fn put(&self, key: &str, rows: &[String]) {
        let content = rows.join("\n").into_bytes().into();
        self.front.services().objects.put("staging", key, content).expect("there is a bucket");
    }

    fn totals(&self) -> String {
        let args = ["query", "a.flow", "totals", "--profile", "aws", "--format", "csv"];
        let (text, code) = self.flowc(&args);
        assert_eq!(code, 0, "{text}");
        text.lines().last().unwrap_or_default().to_owned()
    }
}

fn row(id: usize, amount: &str, event_id: Option<usize>) -> String {
    let event_id = event_id.map_or(String::new(), |id| format!(",\"event_id\":\"{id:032x}\""));
    format!(
        "{{\"Id\":\"{id}\",\"Amount\":{amount},\"At\":\"2010-12-01T08:26:00Z\",\
         \"Note\":\"it's \\\\ {{}}\"{event_id}}}"
    )
}

fn shop(runtime: &tokio::runtime::Runtime, postgres: String) -> Shop {
    let options = Options { postgres: Some(postgres), ..Options::default() };
    let front = runtime.block_on(awsfront::start(options)).expect("loopback has a free port");
    let dir = tempfile::tempdir().expect("a directory can be made");
    for state in ["a", "b"] {
        let text = FLOW.replace("STATE", &format!("state-{state}"));
        let text = text.replace("ROLE", "arn:aws:iam::123456789012:role/copy");
        std::fs::write(dir.path().join(format!("{state}.flow")), text).expect("a file");
    }
    Shop { front, dir }
}

fn make_what_is_missing(shop: &Shop) {
    let (text, code) = shop.flowc(&["check", "a.flow", "--profile", "aws", "--online"]);
    assert!(code == 1 && text.contains("warehouse table `orders` does not exist"), "{text}");
    let (text, code) = shop.flowc(&["up", "a.flow", "--profile", "aws"]);
    assert!(code == 1 && text.contains("--yes"), "{text}");
    for file in ["a.flow", "b.flow"] {
        let (text, code) = shop.flowc(&["up", file, "--profile", "aws", "--yes"]);
        assert!(code == 0 && text.contains("made table `state-"), "{text}");
    }
    let (text, code) = shop.flowc(&["up", "a.flow", "--profile", "aws"]);
    assert!(code == 0 && text.ends_with("nothing is missing\n"), "{text}");
    let (text, code) = shop.flowc(&["check", "a.flow", "--profile", "aws", "--online"]);
    assert!(code == 0 && text.contains("no problems"), "{text}");
}

/// Two loaders until each has come to the end and told of the bad object; each is killed a few
/// times on the way.
fn load(shop: &Shop) {
    let files = ["a.flow", "b.flow"];
    let mut loaders = files.map(|file| shop.loader(file));
    let began = Instant::now();
    let mut kills = 0;
    while !files.iter().all(|file| shop.has_told(file)) {
        assert!(began.elapsed() < DEADLINE, "not loaded in time: {}", shop.totals());
        shop.totals();
        if kills < 6 {
            let at = kills % 2;
            loaders[at].kill().expect("it runs");
            loaders[at].wait().expect("it has run");
            loaders[at] = shop.loader(files[at]);
            kills += 1;
        }
    }
    for mut loader in loaders {
        loader.kill().expect("it runs");
        loader.wait().expect("it has run");
    }
}

#[test]
fn objects_are_loaded_once_whatever_is_killed_or_lost() {
    let Some(postgres) = standins::postgres() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(2).enable_all().build().expect("a runtime");
    let shop = shop(&runtime, postgres.url.clone());
    make_what_is_missing(&shop);
    for object in 0..OBJECTS {
        let rows: Vec<String> = (0..ROWS).map(|n| row(object * ROWS + n, "2.550", None)).collect();
        shop.put(&format!("in/{object:03}.json"), &rows);
    }
    // Twice in an object, and in two objects.
    let twice = [row(9001, "1", Some(1)), row(9001, "1", Some(1)), row(9002, "1", Some(2))];
    shop.put("in/x-1.json", &twice);
    shop.put("in/x-2.json", &[row(9002, "1", Some(2)), row(9003, "1", Some(3))]);
    shop.put("in/z-bad.json", &[row(1, "1", None), row(2, "\"much\"", None)]);
    let rules = r#"[
        {"service":"redshift-data","operation":"BatchExecuteStatement","probability":0.3,"seed":7,
         "action":"lose_reply"},
        {"service":"redshift-data","operation":"DescribeStatement","probability":0.1,"seed":8,
         "action":{"status":503,"code":"ServiceUnavailable"}}
    ]"#;
    shop.front.shared.rules.set(rules.as_bytes()).expect("rules");
    load(&shop);
    let rows = OBJECTS * ROWS + 3;
    let totals = format!("{rows},{rows},1023.000,it's \\ {{}}");
    assert_eq!(shop.totals(), totals);
    let told = std::fs::read_to_string(shop.log("a.flow")).unwrap_or_default();
    assert!(told.contains("line 2") && told.contains("amount"), "{told}");
    let (text, code) = shop.flowc(&["show", "a.flow", "sales", "--profile", "aws", "--limit", "1"]);
    assert!(code == 0 && text.contains("1 row, and there are more"), "{text}");
}
