//! What a bucket of failures holds: not its objects, but the records in them, with their reasons.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dsl::ast::ResourceKind;
use dsl::plan::PlanResource;
use dsl::ty::Ty;
use dsl::value::Value;
use engine::fault::Fault;
use serde_json::{Map, Value as Json};
use stdlib::service::inspect::{Inspector, Shown};

/// For a person: where and why first, then the record itself.
const BRIEF: [&str; 5] = ["node", "code", "where", "message", "record"];
/// For a program: all there is; the record as text, where it is text.
const FULL: [&str; 11] = [
    "at", "id", "flow", "node", "span", "code", "message", "attempts", "position", "record", "meta",
];
/// What `meta` holds for a replay; to a person `position` says it.
const FOR_REPLAY: [&str; 11] = [
    "partition",
    "partition_id",
    "seq",
    "last_seq",
    "form",
    "header",
    "header_base64",
    "batch",
    "batch_time",
    "batch_count",
    "batch_size",
];

/// True for a bucket that failures are written to.
pub fn holds_failures(resource: &PlanResource) -> bool {
    let failure = Ty::failure();
    resource.kind == ResourceKind::Bucket
        && matches!(&resource.ty, Ty::Ndjson(inner) if **inner == failure)
}

/// The failures of all objects, object by object in order of key; `brief` leaves out what a person
/// seldom needs.
///
/// # Errors
/// An object cannot be read.
pub fn show(inspector: Inspector, resource: &PlanResource, brief: bool) -> Result<Shown, Fault> {
    let objects = inspector.show(resource)?;
    let key = objects.columns.iter().position(|name| name == "key");
    let key = key.ok_or_else(|| Fault::service("no_key", "this bucket lists no keys"))?;
    let resource = resource.clone();
    let mut open: std::vec::IntoIter<String> = Vec::new().into_iter();
    let mut keys = objects.rows;
    let rows = std::iter::from_fn(move || {
        loop {
            if let Some(line) = open.next() {
                return Some(Ok(row(&line, brief)));
            }
            let object = match keys.next()? {
                Ok(object) => object,
                Err(fault) => return Some(Err(fault)),
            };
            let Some(name) = object[key].as_text() else { continue };
            match inspector.object(&resource, name) {
                Ok(content) => open = lines(&content.unwrap_or_default()).into_iter(),
                Err(fault) => return Some(Err(fault)),
            }
        }
    });
    let columns = names(brief).iter().map(|name| (*name).to_owned()).collect();
    Ok(Shown { columns, rows: Box::new(rows) })
}

fn lines(content: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(content);
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn names(brief: bool) -> &'static [&'static str] {
    if brief { &BRIEF } else { &FULL }
}

/// A failure as a row; a line that is none is shown as it is.
fn row(line: &str, brief: bool) -> Vec<Value> {
    let failure = match serde_json::from_str(line) {
        Ok(Json::Object(failure)) => failure,
        _ => Map::new(),
    };
    let column = |name: &&str| match (*name, failure.get(*name)) {
        ("message", None) => Value::Text("this line is no failure".into()),
        ("record", _) => match failure.get("payload").and_then(Json::as_str) {
            Some(payload) => record(payload),
            None => Value::Text(line.into()),
        },
        ("where", _) => match failure.get("meta").and_then(Json::as_object) {
            Some(meta) => Value::Text(place(meta, &failure)),
            None => Value::Null,
        },
        ("node", Some(Json::String(node))) if brief => Value::Text(match span(&failure) {
            Some(place) => format!("{node} {place}"),
            None => node.clone(),
        }),
        (_, Some(Json::String(text))) => Value::Text(text.clone()),
        (_, Some(other)) => Value::Text(other.to_string()),
        (_, None) => Value::Null,
    };
    names(brief).iter().map(column).collect()
}

/// The original record: text, or, where it is none, its base64.
fn record(payload: &str) -> Value {
    let bytes = STANDARD.decode(payload).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    Value::Text(text.unwrap_or_else(|| payload.to_owned()))
}

/// `53:3`, the node's line and column.
fn span(failure: &Map<String, Json>) -> Option<String> {
    let mut parts = failure.get("span")?.as_str()?.rsplit(':');
    let (column, line) = (parts.next()?, parts.next()?);
    Some(format!("{line}:{column}"))
}

/// `line 142, field Quantity`, or, where neither is known, all there is, or the position of the
/// record; and how often it was tried.
fn place(meta: &Map<String, Json>, failure: &Map<String, Json>) -> String {
    let wanted: Vec<&str> =
        ["line", "field"].into_iter().filter(|name| meta.contains_key(*name)).collect();
    let names = match wanted.is_empty() {
        true => meta.keys().map(String::as_str).filter(|it| !FOR_REPLAY.contains(it)).collect(),
        false => wanted,
    };
    let text = |name: &str| match meta.get(name) {
        Some(Json::String(text)) if text.is_empty() => "\"\"".to_owned(),
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let position = failure.get("position").and_then(Json::as_str).map(str::to_owned);
    let mut place = match names.as_slice() {
        [] => position.unwrap_or_else(|| format!("{}, record {}", text("partition"), text("seq"))),
        names => {
            let parts: Vec<String> =
                names.iter().map(|name| format!("{name} {}", text(name))).collect();
            parts.join(", ")
        }
    };
    if let Some(tries) = failure.get("attempts").and_then(Json::as_i64).filter(|it| *it > 1) {
        place.push_str(&format!(", {tries} tries"));
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_a_row() {
        let line = r#"{"at":"2026-11-22T20:02:19Z","flow":"ingest","node":"ingest/csv.decode",
            "span":"a.flow:9:8","code":"csv_value","message":"no int","payload":"YSxi",
            "attempts":1,"meta":{"field":"Quantity","line":"142","seq":"141"}}"#;
        let texts = |brief: bool| -> Vec<String> {
            let row = row(line, brief);
            row.iter().map(|v| v.as_text().unwrap_or_default().to_owned()).collect()
        };
        let expected =
            ["ingest/csv.decode 9:8", "csv_value", "line 142, field Quantity", "no int", "a,b"];
        assert_eq!(texts(true), expected);
        assert_eq!(texts(false)[0], "2026-11-22T20:02:19Z");
        assert_eq!(texts(false)[10], r#"{"field":"Quantity","line":"142","seq":"141"}"#);
    }

    #[test]
    fn a_place_without_a_line_is_that_of_the_record() {
        let of = |meta: &str, failure: &str| {
            let parsed = |json: &str| serde_json::from_str(json).expect("an object");
            place(&parsed(meta), &parsed(failure))
        };
        let meta = r#"{"partition":"a.jsonl","partition_id":"00","seq":"3"}"#;
        assert_eq!(of(meta, "{}"), "a.jsonl, record 3", "of an older flowc");
        assert_eq!(of(meta, r#"{"position":"a.jsonl#3","attempts":1}"#), "a.jsonl#3");
        assert_eq!(of(r#"{"key":""}"#, r#"{"attempts":4}"#), "key \"\", 4 tries");
    }

    #[test]
    fn what_is_no_failure_or_no_text_is_shown_as_it_is() {
        assert_eq!(row("x", true)[4], Value::Text("x".into()));
        assert_eq!(record("/w=="), Value::Text("/w==".into()));
    }

    #[test]
    fn only_buckets_of_failures_are_meant() {
        let mut bucket = PlanResource {
            name: "quarantine".into(),
            kind: ResourceKind::Bucket,
            ty: Ty::Ndjson(Box::new(Ty::failure())),
            key: vec![],
            into: None,
            binding: None,
            span: dsl::span::Span::default(),
        };
        assert!(holds_failures(&bucket));
        bucket.ty = Ty::Text;
        assert!(!holds_failures(&bucket));
    }
}
