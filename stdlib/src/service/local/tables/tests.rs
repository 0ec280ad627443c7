//! Items: merging, counting, sizes, refusals, repetition.

use super::*;
use crate::service::{Attribute, AttributeName};
use arrow_array::{ArrayRef, Int64Array, StringArray};

fn open(dir: &Path) -> LocalTables {
    let key = vec![("InvoiceNo".to_owned(), Ty::Text)];
    LocalTables::open(dir, vec![TablePlan { name: "invoices".into(), key }], &Default::default())
        .unwrap()
}

/// Lines of (invoice, stock code, quantity).
fn lines(lines: &[(Option<&str>, &str, i64)]) -> Upserts {
    let keys: StringArray = lines.iter().map(|line| line.0).collect();
    let codes: StringArray = lines.iter().map(|line| Some(line.1)).collect();
    let quantities: Int64Array = lines.iter().map(|line| line.2).collect();
    Upserts {
        keys: vec![("InvoiceNo".into(), Arc::new(keys))],
        attributes: vec![Attribute {
            name: AttributeName::Each(codes),
            values: Arc::new(quantities),
        }],
    }
}

fn shown(dir: &Path) -> Vec<(String, String)> {
    let connection = super::super::sqlite::look(&file(dir)).unwrap().unwrap();
    let mut select = connection.prepare("select * from invoices").unwrap();
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[tokio::test]
async fn attributes_are_merged_into_items_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path());
    let some = |invoice, code, quantity| (Some(invoice), code, quantity);
    let batch =
        lines(&[some("2", "A", 1), some("1", "A", 2), some("2", "A", 3), some("2", "B", 4)]);
    let done = tables.upsert("invoices", batch.clone()).await.unwrap();
    assert_eq!((done.items, done.attributes, done.replaced), (Some(2), 3, 1));
    let done = tables.upsert("invoices", lines(&[some("1", "C", 5), some("2", "B", 6)])).await;
    let done = done.unwrap();
    assert_eq!((done.items, done.attributes, done.replaced), (Some(0), 1, 1));
    let expected = [("1", r#"{"A":2,"C":5}"#), ("2", r#"{"A":3,"B":6}"#)];
    assert_eq!(shown(dir.path()), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    drop(tables);
    // Again, after a crash before the acknowledgement: the end is the same.
    let tables = open(dir.path());
    tables.upsert("invoices", batch).await.unwrap();
    tables.upsert("invoices", lines(&[some("1", "C", 5), some("2", "B", 6)])).await.unwrap();
    assert_eq!(shown(dir.path()), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
}

#[tokio::test]
async fn keys_and_names_are_refused_in_the_services_words() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path());
    let long = "k".repeat(2049);
    let batch = lines(&[
        (Some(""), "A", 1),
        (None, "A", 1),
        (Some("1"), "", 1),
        (Some("1"), "InvoiceNo", 1),
        (Some(&long), "A", 1),
        (Some("2"), "A", 1),
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
    assert!(done.refused[0].message.contains("cannot contain an empty string value"));
    assert_eq!(done.items, Some(1));
    assert_eq!(shown(dir.path()).len(), 1, "an item of refused rows only is not made");
}

#[tokio::test]
async fn an_item_holds_400_kb_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open(dir.path());
    let put = async |codes: &[&str], bytes: usize| {
        let keys: StringArray = codes.iter().map(|_| Some("1")).collect();
        let names: StringArray = codes.iter().map(|code| Some(*code)).collect();
        let texts: StringArray = codes.iter().map(|_| Some("x".repeat(bytes))).collect();
        let upserts = Upserts {
            keys: vec![("InvoiceNo".into(), Arc::new(keys) as ArrayRef)],
            attributes: vec![Attribute {
                name: AttributeName::Each(names),
                values: Arc::new(texts),
            }],
        };
        tables.upsert("invoices", upserts).await.unwrap()
    };
    // The key counts 10 bytes, each attribute one for its name.
    let half = (400 << 10) / 2 - 6;
    assert!(put(&["a", "b"], half).await.refused.is_empty());
    let done = put(&["c", "a"], half).await;
    assert_eq!((done.refused.len(), done.refused[0].row), (1, 0), "only the row that is too much");
    assert_eq!(done.refused[0].code, "item_too_large");
    assert_eq!(done.replaced, 1);
    assert_eq!(put(&["a"], half + 1).await.refused.len(), 1);
    assert!(put(&["a"], 10).await.refused.is_empty(), "a replaced attribute makes room");
    assert!(put(&["c"], half - 11).await.refused.is_empty());
}

#[test]
fn another_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path());
    let plan = |name: &str, key: &str| {
        vec![TablePlan { name: name.into(), key: vec![(key.into(), Ty::Text)] }]
    };
    let fault = |plans| LocalTables::open(dir.path(), plans, &Default::default()).err().unwrap();
    let other = fault(plan("invoices", "Number"));
    assert_eq!(other.code, "table_key");
    assert!(other.message.contains(r#"the key ["InvoiceNo"]"#), "{}", other.message);
    assert!(fault(plan("INVOICES", "InvoiceNo")).message.contains("is the same name"));
}

#[tokio::test]
async fn several_key_fields_of_other_types() {
    let dir = tempfile::tempdir().unwrap();
    let key = vec![("a".to_owned(), Ty::Text), ("n".to_owned(), Ty::Int)];
    let plan = TablePlan { name: "t".into(), key };
    let tables = LocalTables::open(dir.path(), vec![plan], &Default::default()).unwrap();
    let upserts = Upserts {
        keys: vec![
            ("a".into(), Arc::new(StringArray::from(vec!["x\"y", "x\"y"])) as ArrayRef),
            ("n".into(), Arc::new(Int64Array::from(vec![-1, 20]))),
        ],
        attributes: vec![Attribute {
            name: AttributeName::Same("v".into()),
            values: Arc::new(StringArray::from(vec![None, Some("1")])),
        }],
    };
    assert_eq!(tables.upsert("t", upserts).await.unwrap().items, Some(2));
    let connection = super::super::sqlite::look(&file(dir.path())).unwrap().unwrap();
    let sql = "select a, n, v from (select a, n, item ->> '$.v' as v from t) order by n";
    let mut select = connection.prepare(sql).unwrap();
    let rows = select
        .query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<String>>(2)?))
        })
        .unwrap();
    let rows: Vec<_> = rows.map(Result::unwrap).collect();
    assert_eq!(rows, [("x\"y".into(), -1, None), ("x\"y".into(), 20, Some("1".into()))]);
}
