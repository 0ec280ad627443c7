//! Loads: whole or not at all, once, exact.

use super::*;
use crate::service::local::tests::clock;
use dsl::plan::{Binding, PlanResource};
use dsl::ty::{Field, Ty};
use dsl::value::Value;
use std::fs;

fn line() -> Ty {
    let field = |name: &str, ty: Ty| Field { name: name.into(), ty, span: None };
    let fields = vec![
        field("InvoiceNo", Ty::Text),
        field("Description", Ty::Text.nullable()),
        field("Quantity", Ty::Int),
        field("InvoiceDate", Ty::Timestamp),
        field("UnitPrice", Ty::Decimal { precision: 10, scale: 3 }),
    ];
    Ty::Record(RecordTy { name: Some("Line".into()), fields, dynamic: None, open: false })
}

fn plan(ty: Ty) -> Plan {
    let service = "redshift".to_owned();
    let binding = Binding { service, name: "sales".into(), options: BTreeMap::new() };
    engine::testing::plan(vec![PlanResource {
        name: "sales".into(),
        kind: ResourceKind::Table,
        ty,
        key: Vec::new(),
        into: None,
        binding: Some(binding),
        span: Default::default(),
    }])
}

fn open(dir: &Path) -> LocalWarehouse {
    LocalWarehouse::open(dir, &plan(line()), clock(), &Default::default()).unwrap()
}

fn put(dir: &Path, key: &str, lines: &str) -> ObjectRef {
    let path = dir.join("s3/b").join(key);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, lines).unwrap();
    ObjectRef { bucket: "b".into(), key: key.into(), etag: "1".into() }
}

fn row(invoice: &str, quantity: &str, date: &str, price: &str) -> String {
    format!(
        "{{\"InvoiceNo\":\"{invoice}\",\"Description\":null,\"Quantity\":{quantity},\
         \"InvoiceDate\":\"{date}\",\"UnitPrice\":{price}}}\n"
    )
}

async fn one(warehouse: &LocalWarehouse, object: &ObjectRef) -> Copied {
    let mut copied = warehouse.copy("sales", std::slice::from_ref(object)).await.unwrap();
    assert_eq!(copied.len(), 1);
    copied.remove(0)
}

fn select<T: rusqlite::types::FromSql>(dir: &Path, sql: &str) -> T {
    let connection = sqlite::look(&file(dir)).unwrap().unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn an_object_is_loaded_once_and_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let warehouse = open(dir.path());
    let lines = row("1", "6", "2010-12-01T08:26:00Z", "2.55")
        + "\n  \n"
        + &row("C2", "-80995", "1969-12-31T23:59:59.9999995Z", "-11062.06");
    let object = put(dir.path(), "a/1.ndjson", &lines);
    let copy = async |object: &ObjectRef| one(&warehouse, object).await;
    assert_eq!(copy(&object).await, Copied::Loaded { rows: 2 });
    assert_eq!(copy(&object).await, Copied::AlreadyLoaded);
    let changed = ObjectRef { etag: "2".into(), ..object };
    assert!(matches!(copy(&changed).await, Copied::Refused { line: None, .. }));
    let gone = ObjectRef { key: "gone".into(), ..changed };
    assert!(matches!(copy(&gone).await, Copied::Refused { line: None, .. }));
    let d = dir.path();
    assert_eq!(select::<i64>(d, "select count(*) from sales"), 2);
    assert_eq!(select::<i64>(d, "select UnitPrice from _sales where InvoiceNo = '1'"), 2550);
    assert_eq!(select::<f64>(d, "select UnitPrice from sales where InvoiceNo = 'C2'"), -11062.06);
    let dates = "select group_concat(InvoiceDate, ', ') from sales";
    assert_eq!(select::<String>(d, dates), "2010-12-01 08:26:00, 1969-12-31 23:59:59.999999");
    assert_eq!(select::<i64>(d, "select rows from _loads"), 2);
}

#[tokio::test]
async fn a_bad_line_is_named_and_nothing_of_its_object_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let warehouse = open(dir.path());
    let good = row("1", "6", "2010-12-01T08:26:00Z", "2.55");
    for (n, bad) in [
        row("2", "\"many\"", "2010-12-01T08:26:00Z", "2.55"),
        row("2", "1", "yesterday", "2.55"),
        row("2", "1", "2010-12-01T08:26:00Z", "2.5555"),
        row("2", "1", "2010-12-01T08:26:00Z", "null"),
        "{\"InvoiceNo\":\"2\"}\n".to_owned(),
        "no JSON\n".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let lines = good.repeat(9000) + "\n" + bad + &good;
        let object = put(dir.path(), &format!("{n}"), &lines);
        let copied = one(&warehouse, &object).await;
        let Copied::Refused { line, message } = copied else { panic!("{copied:?} for {bad}") };
        assert_eq!(line, Some(9002), "{message}");
    }
    assert_eq!(select::<i64>(dir.path(), "select count(*) from sales"), 0);
    assert_eq!(select::<i64>(dir.path(), "select count(*) from _loads"), 0);
    // Mended, it is another object to the warehouse.
    let object = put(dir.path(), "0", &good.repeat(20_000));
    let copied = one(&warehouse, &object).await;
    assert_eq!(copied, Copied::Loaded { rows: 20_000 });
}

#[tokio::test]
async fn an_empty_object_and_one_without_a_last_line_break() {
    let dir = tempfile::tempdir().unwrap();
    let warehouse = open(dir.path());
    let object = put(dir.path(), "empty", "");
    let copied = one(&warehouse, &object).await;
    assert_eq!(copied, Copied::Loaded { rows: 0 });
    let line = row("1", "6", "2010-12-01T08:26:00Z", "2.55");
    let object = put(dir.path(), "cut", line.trim_end());
    let copied = one(&warehouse, &object).await;
    assert_eq!(copied, Copied::Loaded { rows: 1 });
    let object = put(dir.path(), "long", &"x".repeat(6 << 20));
    let copied = one(&warehouse, &object).await;
    assert!(matches!(copied, Copied::Refused { line: Some(1), .. }));
}

#[test]
fn other_columns_are_refused_with_both_declarations() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path());
    open(dir.path());
    let Ty::Record(mut record) = line() else { unreachable!() };
    record.fields[2].ty = Ty::Text;
    let fault = LocalWarehouse::open(
        dir.path(),
        &plan(Ty::Record(record.clone())),
        clock(),
        &Default::default(),
    );
    let fault = fault.err().unwrap();
    assert_eq!(fault.code, "warehouse_columns");
    assert!(fault.message.contains("Quantity: int"), "{}", fault.message);
    assert!(fault.message.contains("Quantity: text"), "{}", fault.message);
    record.fields[2].ty = Ty::Decimal { precision: 19, scale: 0 };
    let fault =
        LocalWarehouse::open(dir.path(), &plan(Ty::Record(record)), clock(), &Default::default());
    assert_eq!(fault.err().unwrap().code, "warehouse_type");
}

#[tokio::test]
async fn a_query_is_answered_under_both_names_of_a_table() {
    let dir = tempfile::tempdir().unwrap();
    let mut plan = plan(line());
    plan.resources[0].name = "lines".into();
    let tables = seen(&plan).unwrap();
    let ask = |sql: &str| query(&file(dir.path()), &tables, sql, 10).unwrap();
    assert_eq!(ask("select count(*) from lines").rows, [[Value::Int(0)]]);
    let warehouse = LocalWarehouse::open(dir.path(), &plan, clock(), &Default::default()).unwrap();
    let lines = row("1", "6", "2010-12-01T08:26:00Z", "2.55")
        + &row("C2", "-2", "2010-12-02T08:26:00Z", "0.045");
    let object = put(dir.path(), "a", &lines);
    one(&warehouse, &object).await;
    let revenue = "select sum(Quantity * UnitPrice) from";
    let sum = [[Value::Decimal { unscaled: 15_210, scale: 3 }]];
    assert_eq!(ask(&format!("{revenue} lines")).rows, sum);
    assert_eq!(ask(&format!("{revenue} sales")).rows, sum);
    assert_eq!(warehouse.query(&format!("{revenue} LINES"), 10).await.unwrap().rows, sum);
    let one = query(&file(dir.path()), &tables, "select * from lines", 1).unwrap();
    assert_eq!((one.rows.len(), one.more), (1, true));
    let fault = warehouse.query("select Quantty\nfrom lines", 1).await.unwrap_err();
    assert_eq!(fault.code, "query_refused");
    assert_eq!(fault.message, "no column `Quantty` (line 1, column 8)");
    assert_eq!(fault.help.as_deref(), Some("did you mean `Quantity`?"));
    let mut other = tables.clone();
    other[0].record.fields[2].ty = Ty::Text;
    let fault = query(&file(dir.path()), &other, "select * from lines", 1).unwrap_err();
    assert_eq!(fault.code, "warehouse_columns");
}
