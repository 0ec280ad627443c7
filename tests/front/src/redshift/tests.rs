//! COPY's reading, and the API where no PostgreSQL is needed.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::Redshift;
use super::copy::Copy;
use super::load::{Loaded, load};
use super::translate::{Command, translate};
use super::value::{Column, type_of};
use crate::objects::{MemoryObjects, ObjectStore};
use crate::request::{Request, Service};
use crate::rules::Faults;
use crate::services::Shared;

fn objects(all: &[(&str, &[u8])]) -> MemoryObjects {
    let objects = MemoryObjects::default();
    for (key, bytes) in all {
        objects.put("b", key, Bytes::copy_from_slice(bytes)).expect("it is kept");
    }
    objects
}

fn copy(more: &str) -> Copy {
    let role = "iam_role 'arn:aws:iam::123456789012:role/r'";
    match translate(&format!("copy t from {more} {role}"), &[]) {
        Ok(Command::Copy(copy)) => copy,
        other => panic!("{other:?}"),
    }
}

fn columns() -> Vec<Column> {
    let column = |name: &str, of: &str, modifier: i32| Column {
        name: name.into(),
        of: type_of(of, modifier),
        label: of.into(),
        required: false,
    };
    vec![column("invoiceno", "character varying", 4 + 7), column("quantity", "integer", -1)]
}

fn read(more: &str, objects: &MemoryObjects) -> Result<Loaded, String> {
    load(&copy(more), &columns(), objects)
}

#[test]
fn auto_wants_keys_as_the_columns_are_stored() {
    let all = objects(&[("d/1", b"{\"InvoiceNo\":\"a\\tb\",\"quantity\":1}\n\n{\"quantity\": 2}")]);
    let loaded = read("'s3://b/d/' json 'auto'", &all).expect("rows");
    assert_eq!(loaded.text, "\\N\t1\n\\N\t2\n");
    let loaded = read("'s3://b/d/' json 'auto ignorecase'", &all).expect("rows");
    assert_eq!(loaded.text, "a\\tb\t1\n\\N\t2\n");
}

#[test]
fn paths_are_as_many_as_columns() {
    let all = objects(&[
        ("paths", br#"{"jsonpaths": ["$['InvoiceNo']", "$['n']['q']"]}"#),
        ("one", br#"{"jsonpaths": ["$['InvoiceNo']"]}"#),
        ("d/1", br#"{"InvoiceNo":"a","n":{"q":3}}"#),
    ]);
    let loaded = read("'s3://b/d/' json 's3://b/paths'", &all).expect("rows");
    assert_eq!((loaded.text.as_str(), loaded.rows), ("a\t3\n", 1));
    let error = read("'s3://b/d/' json 's3://b/one'", &all).expect_err("one path too few");
    assert!(error.contains("JSONPath size: 1"), "{error}");
    assert!(read("'s3://b/d/' json 's3://b/none'", &all).is_err());
}

#[test]
fn a_manifest_names_its_objects() {
    let manifest = br#"{"entries":[{"url":"s3://b/d/1","mandatory":true},
        {"url":"s3://b/d/1","mandatory":true},{"url":"s3://b/no"}]}"#;
    let strict = br#"{"entries":[{"url":"s3://b/d/1"},{"url":"s3://b/no","mandatory":true}]}"#;
    let none = br#"{"entries":[{"url":"s3://b/no"}]}"#;
    let all = objects(&[
        ("d/1", b"{\"quantity\":1}"),
        ("m", manifest),
        ("strict", strict),
        ("none", none),
    ]);
    let loaded = read("'s3://b/m' manifest json 'auto'", &all).expect("rows");
    assert_eq!(loaded.rows, 2, "an object that is listed twice is loaded twice");
    for wrong in ["strict", "none", "d/1", "absent"] {
        let found = read(&format!("'s3://b/{wrong}' manifest json 'auto'"), &all);
        assert!(found.is_err(), "{wrong}");
    }
    assert!(read("'s3://b/absent' json 'auto'", &all).is_err());
}

#[test]
fn wrong_rows_have_their_place() {
    let all = objects(&[(
        "d/1",
        b"{\"quantity\":1}\n{\"quantity\":\"x\"}\nnonsense\n[1]\n{\"invoiceno\":\"12345678\"}\n\
          {\"quantity\":\n5}\n{\"quantity\":1.5}",
    )]);
    let loaded = read("'s3://b/d/' json 'auto' maxerror 9", &all).expect("rows");
    assert_eq!(loaded.rows, 2);
    let errors: Vec<(usize, &str, i32)> = loaded
        .errors
        .iter()
        .map(|error| (error.line, error.column.as_str(), error.bad.code))
        .collect();
    let expected = [(2, "quantity", 1207), (3, "", 1223), (4, "", 1223), (5, "invoiceno", 1204)];
    assert_eq!(errors[..4], expected);
    assert_eq!(errors[4], (8, "quantity", 1207));
}

#[test]
fn packed_objects_are_unpacked() {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(b"{\"quantity\":1}").expect("memory takes it");
    let packed = packer.finish().expect("memory takes it");
    let all = objects(&[("d/1.gz", &packed)]);
    assert_eq!(read("'s3://b/d/' gzip json 'auto'", &all).expect("rows").rows, 1);
    assert!(read("'s3://b/d/' zstd json 'auto'", &all).is_err());
    let plain = read("'s3://b/d/' json 'auto'", &all).expect("it is read");
    assert_eq!((plain.rows, plain.errors.is_empty()), (0, false));
}

async fn call(redshift: &Redshift, operation: &str, body: Value) -> (u16, Value) {
    let request = Request {
        service: "redshift-data".into(),
        operation: operation.into(),
        body: body.to_string().into(),
        ..Request::default()
    };
    let reply = redshift.call(&request, &Faults::default()).await;
    (reply.status, serde_json::from_slice(reply.bytes()).expect("JSON"))
}

fn statement(sql: &str) -> Value {
    json!({"Sql": sql, "WorkgroupName": "w", "Database": "dev", "WaitTimeSeconds": 30})
}

#[tokio::test]
async fn without_postgres_a_statement_fails_by_itself() {
    let redshift = Redshift::new(&Arc::new(Shared::default()), Arc::new(MemoryObjects::default()));
    let (status, taken) = call(&redshift, "ExecuteStatement", statement("select 1")).await;
    assert_eq!((status, &taken["Status"]), (200, &json!("FAILED")));
    let id = json!({"Id": taken["Id"]});
    let (_, described) = call(&redshift, "DescribeStatement", id.clone()).await;
    assert!(described["Error"].as_str().expect("an error").contains("--postgres"));
    let (status, error) = call(&redshift, "GetStatementResult", id.clone()).await;
    assert_eq!((status, &error["__type"]), (400, &json!("ResourceNotFoundException")));
    let (_, error) = call(&redshift, "CancelStatement", id).await;
    assert_eq!(error["__type"], "ValidationException");
}

#[tokio::test]
async fn a_token_is_the_same_request_for_eight_hours() {
    let shared = Arc::new(Shared::default());
    let redshift = Redshift::new(&shared, Arc::new(MemoryObjects::default()));
    let ask = |sql: &str| {
        let mut body = statement(sql);
        body["ClientToken"] = json!("t");
        body
    };
    let id = |answer: (u16, Value)| answer.1["Id"].as_str().map(str::to_owned);
    let first = id(call(&redshift, "ExecuteStatement", ask("select 1")).await);
    assert!(first.is_some());
    assert_eq!(id(call(&redshift, "ExecuteStatement", ask("select 1")).await), first);
    assert_eq!(call(&redshift, "ExecuteStatement", ask("select 2")).await.0, 400);
    shared.clock.advance(8 * 3_600_000);
    let second = id(call(&redshift, "ExecuteStatement", ask("select 1")).await);
    assert!(second.is_some() && second != first);
    shared.clock.advance(24 * 3_600_000);
    let gone = call(&redshift, "DescribeStatement", json!({"Id": first})).await;
    assert_eq!(gone.1["__type"], "ResourceNotFoundException");
}
