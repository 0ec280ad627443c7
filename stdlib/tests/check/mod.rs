//! Compiles a snippet behind shared declarations, with the real specs.

#![allow(dead_code)] // each test file takes a part of it

use dsl::check::{Request, compile};
use dsl::plan::Plan;
use dsl::problem::{Problem, Severity};
use dsl::span::SourceMap;

/// Declared before every snippet.
pub const BASE: &str = r#"
param _max : int = 5
param _listen : text = "127.0.0.1:8080"
type Line = { InvoiceNo: text, Quantity: int, CustomerID: text?, Country: text }
type Customer = { CustomerID: text, Country: text? }
stream orders : json<Line> key .InvoiceNo
bucket lake : text
bucket quarantine : ndjson<Failure>
bucket staging : ndjson<Line>
delivery feed : ndjson<Line> into staging
table stock : Line key .InvoiceNo
table customers : Customer key .CustomerID
table sales : Line
profile aws {
  orders = kinesis("orders")
  lake = s3("lake")
  quarantine = s3("quarantine")
  staging = s3("staging")
  feed = firehose("feed")
  stock = dynamodb("stock")
  customers = dynamodb("customers")
  sales = redshift("sales", workgroup: "w", database: "d", role: "r")
}
profile local = emulate(aws, dir: "out")
node lines() -> Line { orders.read -> base64.decode -> json.decode -> out }
"#;

/// A problem of a snippet.
#[derive(Debug)]
pub struct Found {
    /// `CODE text under the primary label`
    pub place: String,
    /// False for a warning.
    pub error: bool,
    /// Its message, its labels and its help.
    pub words: Vec<String>,
}

/// The plan and the problems of a whole file.
pub fn compiled(text: &str, request: &Request) -> (Option<Plan>, Vec<Found>) {
    let mut files = SourceMap::default();
    let root = files.add("flows/test.flow", text);
    let (plan, problems) = compile(&files, root, &stdlib::registry::specs(), request);
    (plan, problems.iter().map(|problem| found(&files, problem)).collect())
}

fn found(files: &SourceMap, problem: &Problem) -> Found {
    let place = format!("{} {}", problem.code, files.text(problem.primary()));
    let mut words = vec![problem.message.clone()];
    for label in &problem.labels {
        words.push(format!("`{}`: {}", files.text(label.span), label.text));
    }
    words.extend(problem.help.clone());
    Found { place, error: problem.severity == Severity::Error, words }
}

/// The problems of `body` behind [`BASE`], without the warnings that a declaration of it is unused.
pub fn problems(body: &str) -> Vec<Found> {
    let (_, found) = compiled(&format!("{BASE}{body}"), &Request::default());
    let of_base = |found: &Found| {
        let name = found.place.strip_prefix("W0901 ").unwrap_or_default();
        !name.is_empty() && !body.contains(&format!(" {name} : "))
    };
    found.into_iter().filter(|found| !of_base(found)).collect()
}
