//! What is shown of what the services have stored.

use super::*;
use crate::service::local;
use crate::service::local::tests::clock;
use crate::service::{Attribute, AttributeName, ObjectRef, Records, Services, Upserts};
use arrow_array::{BinaryArray, Int64Array, StringArray};
use bytes::Bytes;
use dsl::plan::{Binding, PlanNode};
use dsl::spec::NodeKind;
use dsl::ty::{Field, RecordTy, Ty};
use engine::batch::Run;
use engine::testing;
use std::collections::BTreeMap;
use std::sync::Arc;

fn resource(name: &str, kind: ResourceKind, service: &str, ty: Ty) -> PlanResource {
    let binding = Binding { service: service.into(), name: name.into(), options: BTreeMap::new() };
    PlanResource {
        name: name.into(),
        kind,
        ty,
        key: vec!["n".into()],
        into: Some(1),
        binding: Some(binding),
        span: Default::default(),
    }
}

fn line() -> Ty {
    let field = |name: &str, ty: Ty| Field { name: name.into(), ty, span: None };
    let price = Ty::Decimal { precision: 10, scale: 3 };
    let fields = vec![field("n", Ty::Int), field("price", price), field("at", Ty::Timestamp)];
    Ty::Record(RecordTy { name: None, fields, dynamic: None, open: false })
}

/// A plan with one resource of each kind.
fn plan() -> Plan {
    let mut resources = vec![
        resource("orders", ResourceKind::Stream, "kinesis", Ty::Json(Box::new(line()))),
        resource("lake", ResourceKind::Bucket, "s3", Ty::Text),
        resource("feed", ResourceKind::Delivery, "firehose", Ty::Ndjson(Box::new(line()))),
        resource("items", ResourceKind::Table, "dynamodb", line()),
        resource("sales", ResourceKind::Table, "redshift", line()),
    ];
    resources[1]
        .binding
        .as_mut()
        .unwrap()
        .options
        .insert("prefix".into(), Value::Text("a/".into()));
    let mut plan = testing::plan(resources);
    for (resource, op) in [(0, "stream.write"), (2, "delivery.write")] {
        let node = testing::plan_node(op, NodeKind::Sink, None, None);
        plan.graph.add_node(PlanNode { resource: Some(resource), ..node });
    }
    plan
}

fn records(texts: &[&[u8]]) -> Records {
    Records {
        payloads: texts.iter().map(|text| Some(*text)).collect::<BinaryArray>(),
        keys: None,
        producer: [1; 16],
        runs: vec![Run { first: 0, len: texts.len() as u32, arrival_ns: 0 }],
    }
}

async fn fill(services: &Services) {
    services.streams.append("orders", records(&[b"one", b"\xff"])).await.unwrap();
    services.delivery.write("feed", records(&[b"waits"])).await.unwrap();
    let line = "{\"n\":1,\"price\":2.55,\"at\":\"2010-12-01T08:26:00Z\"}\n".repeat(600);
    for (key, text) in [("a/2", "x"), ("b", "x"), ("a/10/z", line.as_str()), ("a/1", "x")] {
        let content = Bytes::copy_from_slice(text.as_bytes());
        services.objects.put("lake", key, content).await.unwrap();
    }
    let numbers: Vec<i64> = (0..150).collect();
    let upserts = Upserts {
        keys: vec![("n".into(), Arc::new(Int64Array::from(numbers.clone())))],
        attributes: vec![Attribute {
            name: AttributeName::Each(StringArray::from(vec!["a"; 150])),
            values: Arc::new(Int64Array::from(numbers)),
        }],
    };
    services.tables.upsert("items", upserts).await.unwrap();
    let key = "a/10/z".to_owned();
    let object = ObjectRef { bucket: "lake".into(), key, etag: String::new() };
    services.warehouse.copy("sales", &[object]).await.unwrap();
}

fn show(inspector: &Inspector, plan: &Plan, resource: usize) -> (Vec<String>, Vec<Vec<Value>>) {
    let shown = inspector.show(&plan.resources[resource]).unwrap();
    (shown.columns, shown.rows.map(Result::unwrap).collect())
}

#[tokio::test]
async fn what_is_stored_is_shown_while_the_run_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan();
    let inspector = Inspector::open(dir.path(), &plan);
    for resource in 0..plan.resources.len() {
        assert_eq!(show(&inspector, &plan, resource).1, Vec::<Vec<Value>>::new());
    }
    let local = local::open(dir.path(), &plan, clock()).unwrap();
    fill(&local.services).await;
    let text = |text: &str| Value::Text(text.into());

    let (columns, rows) = show(&inspector, &plan, 0);
    assert_eq!(columns, ["offset", "arrival", "key", "payload"]);
    assert_eq!(rows[0][0], Value::Int(0));
    assert_eq!([&rows[0][3], &rows[1][3]], [&text("one"), &text("base64:/w==")]);
    assert_eq!(show(&inspector, &plan, 2).1[0][3], text("waits"));

    let (columns, rows) = show(&inspector, &plan, 1);
    assert_eq!(columns, ["key", "size", "modified"]);
    let keys: Vec<&Value> = rows.iter().map(|row| &row[0]).collect();
    assert_eq!(keys, [&text("a/1"), &text("a/10/z"), &text("a/2")]);
    let object = inspector.object(&plan.resources[1], "a/2").unwrap();
    assert_eq!(object, Some(b"x".to_vec()));
    assert_eq!(inspector.object(&plan.resources[1], "a/3").unwrap(), None);

    let (columns, rows) = show(&inspector, &plan, 3);
    assert_eq!((columns, rows.len()), (vec!["n".to_owned(), "item".into()], 150));
    assert_eq!(rows[1], [Value::Int(1), text(r#"{"a":1}"#)]);

    let (columns, rows) = show(&inspector, &plan, 4);
    assert_eq!((columns, rows.len()), (vec!["n".to_owned(), "price".into(), "at".into()], 600));
    let price = Value::Decimal { unscaled: 2550, scale: 3 };
    let at = Value::Timestamp(1_291_191_960_000_000_000);
    assert_eq!(rows[599], [Value::Int(1), price, at]);
}
