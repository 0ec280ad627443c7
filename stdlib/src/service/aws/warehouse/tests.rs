//! Loads against a scripted Data API: what is committed is committed once.

mod fake;

use super::*;
use dsl::ast::ResourceKind;
use dsl::plan::Binding;
use dsl::ty::{Field as TypeField, Ty};
use engine::fault::FaultClass;
use fake::Fake;

fn plan() -> Plan {
    let field = |name: &str, ty: Ty| TypeField { name: name.into(), ty, span: None };
    let price = Ty::Decimal { precision: 10, scale: 3 };
    let fields = vec![field("Id", Ty::Text), field("Price", price)];
    let option = |name: &str, value: &str| (name.to_owned(), Value::Text(value.into()));
    let options = [option("workgroup", "w"), option("database", "dev"), option("role", "arn:r")];
    engine::testing::plan(vec![PlanResource {
        name: "sales".into(),
        kind: ResourceKind::Table,
        ty: Ty::Record(RecordTy { fields, ..RecordTy::default() }),
        key: Vec::new(),
        into: None,
        binding: Some(Binding {
            service: "redshift".into(),
            name: "Transactions".into(),
            options: options.into(),
        }),
        span: Default::default(),
    }])
}

fn warehouse(fake: &Fake) -> AwsWarehouse {
    AwsWarehouse::open(&plan(), &fake.clients).unwrap()
}

fn object(key: &str) -> ObjectRef {
    ObjectRef { bucket: "b".into(), key: key.into(), etag: "1".into() }
}

fn refused_at(copied: &Copied) -> Option<u64> {
    match copied {
        Copied::Refused { line, .. } => *line,
        other => panic!("{other:?}"),
    }
}

const LOADED: fn(u64) -> Copied = |rows| Copied::Loaded { rows };

#[tokio::test]
async fn objects_are_loaded_together_and_once() {
    let fake = Fake::start().await;
    let objects = ["a", "b", "c"].map(object);
    let copied = warehouse(&fake).copy("Transactions", &objects).await.unwrap();
    assert_eq!(copied, [LOADED(30), LOADED(0), LOADED(0)]);
    assert_eq!(fake.state().commits, 1);
    let puts = fake.state().puts.clone();
    assert!(puts.iter().all(|key| key.starts_with("/b/flowc/manifests/transactions/")), "{puts:?}");
    assert!(puts.iter().any(|key| key.ends_with(".jsonpaths")), "{puts:?}");

    let objects = ["c", "d"].map(object);
    let copied = warehouse(&fake).copy("Transactions", &objects).await.unwrap();
    assert_eq!(copied, [Copied::AlreadyLoaded, LOADED(10)]);
    let changed = ObjectRef { etag: "2".into(), ..object("a") };
    let copied = warehouse(&fake).copy("Transactions", &[changed]).await.unwrap();
    assert_eq!(refused_at(&copied[0]), None);
    assert_eq!(fake.state().commits, 2);
}

#[tokio::test]
async fn a_lost_reply_loads_nothing_twice() {
    let fake = Fake::start().await;
    fake.state().lose_replies = 2;
    let objects = ["a", "b"].map(object);
    let warehouse = warehouse(&fake);
    let copied = warehouse.copy("Transactions", &objects).await.unwrap();
    assert_eq!(copied, [LOADED(20), LOADED(0)]);
    let state = fake.state();
    assert_eq!((state.commits, state.batches), (1, 3));
}

#[tokio::test]
async fn a_load_whose_sender_was_killed_is_known() {
    let fake = Fake::start().await;
    let objects = ["a", "b"].map(object);
    fake.state().lose_replies = 1000;
    let fault = warehouse(&fake).copy("Transactions", &objects).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Transient);
    fake.state().lose_replies = 0;
    let copied = warehouse(&fake).copy("Transactions", &objects).await.unwrap();
    assert_eq!(copied, [Copied::AlreadyLoaded, Copied::AlreadyLoaded]);
    assert_eq!(fake.state().commits, 1);
}

#[tokio::test]
async fn a_bad_object_is_named_and_the_others_are_loaded() {
    let fake = Fake::start().await;
    fake.state().bad.insert("b".into(), 3);
    let objects = ["a", "b", "c"].map(object);
    let copied = warehouse(&fake).copy("Transactions", &objects).await.unwrap();
    assert_eq!(refused_at(&copied[1]), Some(3));
    let Copied::Refused { message, .. } = &copied[1] else { unreachable!() };
    assert_eq!(message, "column `price`: Invalid digit (code 1207)");
    assert_eq!([&copied[0], &copied[2]], [&LOADED(20), &LOADED(0)]);
}

#[tokio::test]
async fn an_object_that_is_gone_is_found() {
    let fake = Fake::start().await;
    for named in [true, false] {
        fake.state().gone = Some(("c".into(), named));
        let names = ["a", "b", "c", "d", "e"].map(|name| format!("{named}-{name}"));
        let mut objects = names.each_ref().map(|name| object(name));
        objects[2] = object("c");
        let copied = warehouse(&fake).copy("Transactions", &objects).await.unwrap();
        assert_eq!(refused_at(&copied[2]), None);
        let loaded = |copied: &Copied| matches!(copied, Copied::Loaded { .. });
        assert_eq!(copied.iter().filter(|copied| loaded(copied)).count(), 4, "{copied:?}");
    }
}

#[tokio::test]
async fn of_two_loaders_one_is_first() {
    let fake = Fake::start().await;
    fake.state().rival = Some("b".into());
    let objects = ["a", "b", "c"].map(object);
    let copied = warehouse(&fake).copy("Transactions", &objects).await.unwrap();
    assert_eq!(copied, [LOADED(20), Copied::AlreadyLoaded, LOADED(0)]);
}

#[tokio::test]
async fn what_is_no_objects_fault_stops_and_goes_well_once_it_is_mended() {
    let fake = Fake::start().await;
    let objects = ["a", "b"].map(object);
    let denied = "ERROR: User: anonymous is not authorized to assume IAM Role";
    fake.state().stop = Some(denied.into());
    let fault = warehouse(&fake).copy("Transactions", &objects).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (FaultClass::Service, "warehouse_denied"));
    fake.state().stop = Some("ERROR: 1023 DETAIL: Serializable isolation violation".into());
    let fault = warehouse(&fake).copy("Transactions", &objects).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Transient);
    // the same work has the same token, whose outcome is known: it failed
    fake.state().stop = None;
    let copied = warehouse(&fake).copy("Transactions", &objects).await.unwrap();
    assert_eq!(copied, [LOADED(20), LOADED(0)]);
    assert_eq!(fake.state().commits, 1);
}

#[tokio::test]
async fn queries_are_asked_under_the_own_names_and_paged() {
    let fake = Fake::start().await;
    let warehouse = warehouse(&fake);
    let sql = "select Id as Invoice, Price from sales";
    let rows = warehouse.query(sql, 100).await.unwrap();
    let sent = fake.state().last_query.clone();
    assert_eq!(sent, "select Id as Invoice, Price from \"transactions\" as \"sales\"");
    let names: Vec<&str> = rows.columns.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Invoice", "Price"]);
    let price = |unscaled| Value::Decimal { unscaled, scale: 3 };
    let text = |text: &str| Value::Text(text.into());
    assert_eq!(rows.rows, [[text("1"), price(2550)], [text("2"), Value::Null]]);
    assert!(!rows.more);
    let rows = warehouse.query(sql, 1).await.unwrap();
    assert_eq!((rows.rows.len(), rows.more), (1, true));
}
