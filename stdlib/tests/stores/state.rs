//! Checkpoints: together or not at all, whatever is lost on the way.

use super::lab::{Lab, rule};
use engine::ctx::Checkpoints;
use engine::fault::FaultClass;
use serde_json::json;

fn pair(key: &str, value: &[u8]) -> (String, Option<Vec<u8>>) {
    (key.to_owned(), Some(value.to_vec()))
}

#[tokio::test]
async fn values_survive_a_process() {
    let lab = Lab::new().await;
    let state = lab.state();
    state.store(vec![pair("a", b"1"), pair("b", b"2"), pair("empty", b"")]).await.unwrap();
    state.store(vec![pair("a", b"3"), ("b".into(), None)]).await.unwrap();
    let state = lab.state();
    assert_eq!(state.load("a").await.unwrap(), Some(b"3".to_vec()));
    assert_eq!(state.load("b").await.unwrap(), None);
    assert_eq!(state.load("empty").await.unwrap(), Some(Vec::new()));
}

#[tokio::test]
async fn a_value_over_400_kb_is_kept_in_several_rows() {
    let lab = Lab::new().await;
    let value = |bytes: usize| (0..bytes).map(|n| (n % 251) as u8).collect::<Vec<u8>>();
    let state = lab.state();
    state.store(vec![pair("large", &value(1_000_000)), pair("small", b"1")]).await.unwrap();
    assert_eq!(lab.state().load("large").await.unwrap(), Some(value(1_000_000)));
    // By another process, which has read it: what is left over goes.
    let state = lab.state();
    state.load("large").await.unwrap();
    state.store(vec![pair("large", &value(400_000))]).await.unwrap();
    assert_eq!(lab.state().load("large").await.unwrap(), Some(value(400_000)));
    state.store(vec![("large".into(), None)]).await.unwrap();
    assert_eq!(lab.state().load("large").await.unwrap(), None);
    let fault = state.store(vec![pair("huge", &value(5_000_000))]).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (FaultClass::Service, "checkpoint_size"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_that_wait_go_together() {
    let lab = Lab::new().await;
    let state = lab.state();
    lab.rules(json!([rule("dynamodb", "TransactWriteItems", 1, json!({ "delay_ms": 300 }))]));
    let stores = (0..32u8).map(|n| {
        let state = state.clone();
        tokio::spawn(async move { state.store(vec![pair(&format!("k{n}"), &[n])]).await })
    });
    for store in stores.collect::<Vec<_>>() {
        store.await.unwrap().unwrap();
    }
    for n in 0..32u8 {
        assert_eq!(state.load(&format!("k{n}")).await.unwrap(), Some(vec![n]));
    }
    let calls = lab.count("dynamodb.TransactWriteItems", "calls");
    assert!(calls <= 8, "{calls} calls for 32 stores");
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_token() {
    let lab = Lab::new().await;
    let state = lab.state();
    lab.rules(json!([rule("dynamodb", "TransactWriteItems", 1, json!("lose_reply"))]));
    state.store(vec![pair("a", b"1")]).await.unwrap();
    assert_eq!(lab.count("dynamodb.TransactWriteItems", "calls"), 2);
    state.store(vec![pair("a", b"2")]).await.unwrap();
    state.store(vec![pair("a", b"1")]).await.unwrap();
    assert_eq!(lab.state().load("a").await.unwrap(), Some(b"1".to_vec()));
}

#[tokio::test]
async fn reads_are_tried_again_and_throttles_told() {
    let lab = Lab::new().await;
    let state = lab.state();
    state.store(vec![pair("a", b"1")]).await.unwrap();
    let busy = json!({ "status": 400, "code": "ProvisionedThroughputExceededException" });
    lab.rules(json!([
        rule("dynamodb", "GetItem", 1, json!({ "status": 500, "code": "InternalServerError" })),
        rule("dynamodb", "GetItem", 2, json!("reset")),
        { "service": "dynamodb", "operation": "TransactWriteItems", "count": 100, "action": busy },
    ]));
    assert_eq!(lab.state().load("a").await.unwrap(), Some(b"1".to_vec()));
    let fault = state.store(vec![pair("a", b"2")]).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Throttle);
}

#[tokio::test]
async fn a_missing_table_says_what_makes_it() {
    let lab = Lab::without_state().await;
    for fault in [
        lab.state().load("a").await.unwrap_err(),
        lab.state().store(vec![pair("a", b"1")]).await.unwrap_err(),
        lab.state().swap("a", None, b"1").await.unwrap_err(),
    ] {
        assert_eq!(fault.class, FaultClass::Service, "{fault}");
        assert_eq!(fault.help.as_deref(), Some("`flowc up shop.flow --profile aws` makes it"));
        assert!(fault.message.contains("`flowc-shop`"), "{fault}");
    }
}

#[tokio::test]
async fn a_swap_takes_only_what_it_expects() {
    let lab = Lab::new().await;
    let state = lab.state();
    assert!(state.swap("a", None, b"1").await.unwrap());
    assert!(!state.swap("a", None, b"2").await.unwrap());
    assert!(!state.swap("a", Some(b"0"), b"2").await.unwrap());
    lab.rules(json!([rule("dynamodb", "PutItem", 1, json!("lose_reply"))]));
    assert!(state.swap("a", Some(b"1"), b"2").await.is_err());
    assert!(state.swap("a", Some(b"1"), b"2").await.unwrap(), "it finds its own value");
    assert_eq!(state.load("a").await.unwrap(), Some(b"2".to_vec()));
}
