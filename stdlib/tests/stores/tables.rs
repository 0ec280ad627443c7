//! Items: merging, counting, splitting, refusals, repetition.

use super::lab::{Lab, rule};
use arrow_array::{ArrayRef, Decimal128Array, Int64Array, StringArray};
use aws_sdk_dynamodb::types::AttributeValue;
use engine::fault::FaultClass;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use stdlib::service::aws::tables::AwsTables;
use stdlib::service::{Attribute, AttributeName, Tables, Upserted, Upserts};

type Items = BTreeMap<String, BTreeMap<String, AttributeValue>>;

async fn tables() -> (Lab, AwsTables) {
    let lab = Lab::without_state().await;
    lab.make_table("invoices", "InvoiceNo").await;
    let tables = AwsTables::new(&lab.clients);
    (lab, tables)
}

/// Lines of (invoice, attribute, value).
fn lines(lines: &[(Option<&str>, &str, ArrayRef)]) -> Upserts {
    let keys: StringArray = lines.iter().map(|line| line.0).collect();
    let names: StringArray = lines.iter().map(|line| Some(line.1)).collect();
    let values: Vec<&dyn arrow_array::Array> = lines.iter().map(|line| line.2.as_ref()).collect();
    let values = arrow_select::concat::concat(&values).unwrap();
    Upserts {
        keys: vec![("InvoiceNo".into(), Arc::new(keys))],
        attributes: vec![Attribute { name: AttributeName::Each(names), values }],
    }
}

fn int(value: i64) -> ArrayRef {
    Arc::new(Int64Array::from(vec![value]))
}

fn text(value: String) -> ArrayRef {
    Arc::new(StringArray::from(vec![value]))
}

async fn items(lab: &Lab) -> Items {
    let scan = lab.clients.dynamodb.scan().table_name("invoices").send().await.unwrap();
    let items = scan.items.unwrap_or_default().into_iter().map(|mut item| {
        let key = item.remove("InvoiceNo").unwrap();
        (key.as_s().unwrap().clone(), item.into_iter().collect())
    });
    items.collect()
}

fn number(items: &Items, key: &str, name: &str) -> String {
    items[key][name].as_n().unwrap().clone()
}

fn counts(done: &Upserted) -> (u64, u64) {
    assert_eq!((done.refused.len(), done.again.len(), &done.fault), (0, 0, &None));
    (done.attributes, done.replaced)
}

#[tokio::test]
async fn rows_of_an_item_are_one_update_and_counted() {
    let (lab, tables) = tables().await;
    let some = |key: &'static str, name: &'static str, value| (Some(key), name, int(value));
    let batch =
        lines(&[some("2", "A", 1), some("1", "name", 2), some("2", "A", 3), some("2", "B", 4)]);
    assert_eq!(counts(&tables.upsert("invoices", batch).await.unwrap()), (3, 1));
    assert_eq!(lab.count("dynamodb.UpdateItem", "calls"), 2);
    let more = lines(&[some("1", "C", 5), some("2", "B", 6)]);
    assert_eq!(counts(&tables.upsert("invoices", more).await.unwrap()), (1, 1));
    let items = items(&lab).await;
    assert_eq!((number(&items, "1", "name"), number(&items, "1", "C")), ("2".into(), "5".into()));
    assert_eq!((number(&items, "2", "A"), number(&items, "2", "B")), ("3".into(), "6".into()));
}

#[tokio::test]
async fn many_attributes_are_split_into_several_updates() {
    let (lab, tables) = tables().await;
    let names: Vec<String> = (0..700).map(|n| format!("attribute number {n}")).collect();
    let batch: Vec<_> = names.iter().map(|name| (Some("1"), name.as_str(), int(7))).collect();
    let batch = lines(&batch);
    lab.rules(json!([rule("dynamodb", "UpdateItem", 2, json!("lose_reply"))]));
    let done = tables.upsert("invoices", batch.clone()).await.unwrap();
    assert_eq!(done.again, (0..700).collect::<Vec<_>>());
    assert_eq!(done.fault.map(|fault| fault.class), Some(FaultClass::Transient));
    let done = tables.upsert("invoices", batch).await.unwrap();
    assert_eq!(done.attributes + done.replaced, 700);
    assert_eq!(items(&lab).await["1"].len(), 700);
}

#[tokio::test]
async fn numbers_have_38_digits() {
    let (lab, tables) = tables().await;
    let big = Decimal128Array::from(vec![10i128.pow(38) - 1]);
    let big: ArrayRef = Arc::new(big.with_precision_and_scale(38, 3).unwrap());
    let none: ArrayRef = Arc::new(Int64Array::from(vec![None]));
    tables.upsert("invoices", lines(&[(Some("1"), "big", big)])).await.unwrap();
    tables.upsert("invoices", lines(&[(Some("1"), "none", none)])).await.unwrap();
    let items = items(&lab).await;
    assert_eq!(number(&items, "1", "big"), format!("{}.999", "9".repeat(35)));
    assert_eq!(items["1"]["none"], AttributeValue::Null(true));
}

#[tokio::test]
async fn what_dynamodb_never_takes_is_refused_row_by_row() {
    let (lab, tables) = tables().await;
    let long = "k".repeat(2049);
    let batch = lines(&[
        (Some(""), "A", int(1)),
        (None, "A", int(1)),
        (Some("1"), "", int(1)),
        (Some("1"), "InvoiceNo", int(1)),
        (Some(&long), "A", int(1)),
        (Some("2"), "A", int(1)),
    ]);
    let done = tables.upsert("invoices", batch).await.unwrap();
    let codes: Vec<_> = done.refused.iter().map(|each| (each.row, each.code)).collect();
    let expected = [
        (0, "key_empty"),
        (1, "key_null"),
        (2, "attribute_name"),
        (3, "attribute_name"),
        (4, "key_too_long"),
    ];
    assert_eq!(codes, expected);
    assert_eq!(items(&lab).await.into_keys().collect::<Vec<_>>(), ["2"]);
}

#[tokio::test]
async fn an_item_holds_400_kb_and_no_more() {
    let (lab, tables) = tables().await;
    let put = async |codes: &[&str], bytes: usize| {
        let batch: Vec<_> =
            codes.iter().map(|code| (Some("1"), *code, text("x".repeat(bytes)))).collect();
        tables.upsert("invoices", lines(&batch)).await.unwrap()
    };
    // The key counts 10 bytes, each attribute one for its name.
    let half = (400 << 10) / 2 - 6;
    assert_eq!(counts(&put(&["a", "b"], half).await), (2, 0));
    let done = put(&["c", "a"], half).await;
    let refused: Vec<_> = done.refused.iter().map(|each| (each.row, each.code)).collect();
    assert_eq!(refused, [(0, "item_too_large")], "only the row that is too much");
    assert_eq!(done.replaced, 1);
    assert_eq!(put(&["a"], 500_000).await.refused[0].code, "item_too_large");
    assert_eq!(counts(&put(&["a"], 10).await), (0, 1));
    assert_eq!(items(&lab).await["1"].len(), 2);
}

#[tokio::test]
async fn throttled_items_come_again_with_all_their_rows() {
    let (lab, tables) = tables().await;
    let some = |key: &'static str, value| (Some(key), "A", int(value));
    let batch = [some("1", 1), some("2", 2), some("1", 3), some("3", 4)];
    lab.rules(json!([{
        "service": "dynamodb", "operation": "UpdateItem", "key": "\"S\":\"1\"", "count": 1,
        "action": { "status": 400, "code": "ThrottlingException" },
    }]));
    let done = tables.upsert("invoices", lines(&batch)).await.unwrap();
    assert_eq!(done.again, [0, 2]);
    assert_eq!(done.fault.unwrap().class, FaultClass::Throttle);
    assert_eq!(done.attributes, 2);
    let again = [batch[0].clone(), batch[2].clone()];
    assert_eq!(counts(&tables.upsert("invoices", lines(&again)).await.unwrap()), (1, 1));
    assert_eq!(number(&items(&lab).await, "1", "A"), "3");
}

#[tokio::test]
async fn what_is_wrong_with_the_table_stops_the_node() {
    let (lab, tables) = tables().await;
    let batch = || lines(&[(Some("1"), "A", int(1))]);
    let fault = tables.upsert("missing", batch()).await.unwrap_err();
    assert_eq!(
        (fault.class, fault.code.as_str()),
        (FaultClass::Service, "ResourceNotFoundException")
    );
    lab.make_table("other", "id").await;
    let fault = tables.upsert("other", batch()).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (FaultClass::Service, "ValidationException"));
    let denied = json!({ "status": 400, "code": "AccessDeniedException" });
    lab.rules(json!([rule("dynamodb", "UpdateItem", 1, denied)]));
    let fault = tables.upsert("invoices", batch()).await.unwrap_err();
    assert!(fault.help.is_some_and(|help| help.contains("permission")));
}
