//! Objects: replay, conflict, parts, order of arrival.

use super::lab::{Lab, rule};
use bytes::Bytes;
use dsl::spec::NodeKind;
use engine::fault::{Fault, FaultClass};
use engine::testing;
use serde_json::json;
use stdlib::service::aws::objects::{AwsObjects, Sizes};
use stdlib::service::{Objects, Put};

/// Objects over 1 MiB go in parts of 5 MiB, the smallest that S3 takes.
const SMALL: Sizes = Sizes { one_request: 1 << 20, part: 5 << 20 };

async fn open(lab: &Lab) -> AwsObjects {
    let (state, clock) = (lab.state(), lab.clock.clone());
    AwsObjects::open(&lab.clients, &lab.plan, state, clock, SMALL).await.unwrap()
}

async fn lab() -> (Lab, AwsObjects) {
    let lab = Lab::new().await;
    lab.make_bucket("lake").await;
    let objects = open(&lab).await;
    (lab, objects)
}

async fn put(objects: &AwsObjects, key: &str, content: &str) -> Result<Put, Fault> {
    objects.put("lake", key, Bytes::copy_from_slice(content.as_bytes())).await
}

fn large(first: u8) -> Bytes {
    (0..12_000_000u32).map(|n| if n == 0 { first } else { (n % 253) as u8 }).collect()
}

async fn content(lab: &Lab, key: &str) -> Bytes {
    let get = lab.clients.s3.get_object().bucket("lake").key(key).send().await.unwrap();
    get.body.collect().await.unwrap().into_bytes()
}

async fn keys(objects: &AwsObjects, prefix: &str, from: u64) -> (Vec<(u64, String)>, u64) {
    let listed = objects.list("lake", prefix, from, 100).await.unwrap();
    let keys = listed.objects.into_iter().map(|info| (info.seq, info.key)).collect();
    (keys, listed.next)
}

#[tokio::test]
async fn the_same_object_again_is_a_replay_and_another_a_conflict() {
    let (lab, objects) = lab().await;
    assert_eq!(put(&objects, "2010/12/a b.txt", "one").await, Ok(Put::Stored));
    assert_eq!(put(&objects, "2010/12/a b.txt", "one").await, Ok(Put::AlreadyStored));
    for other in ["two", "on", "onE"] {
        let fault = put(&objects, "2010/12/a b.txt", other).await.unwrap_err();
        assert_eq!((fault.class, fault.code.as_str()), (FaultClass::Service, "object_conflict"));
    }
    for key in ["", "../x", "a//b", "a/"] {
        assert_eq!(put(&objects, key, "x").await.unwrap_err().code, "object_key");
    }
    assert_eq!(content(&lab, "2010/12/a b.txt").await, "one");
    // What another program has put has no hash.
    let foreign = lab.clients.s3.put_object().bucket("lake").key("foreign");
    foreign.body(Bytes::from_static(b"same").into()).send().await.unwrap();
    assert_eq!(put(&objects, "foreign", "same").await, Ok(Put::AlreadyStored));
    assert_eq!(put(&objects, "foreign", "samE").await.unwrap_err().code, "object_conflict");
}

#[tokio::test]
async fn what_breaks_a_put_is_told_by_its_class() {
    let (lab, objects) = lab().await;
    let answer = |status: u16, code: &str| json!({ "status": status, "code": code });
    for (action, class) in [
        (json!("lose_reply"), FaultClass::Transient),
        (answer(409, "ConditionalRequestConflict"), FaultClass::Transient),
        (answer(503, "SlowDown"), FaultClass::Throttle),
        (answer(500, "InternalError"), FaultClass::Transient),
        (json!("reset"), FaultClass::Transient),
        (answer(403, "AccessDenied"), FaultClass::Service),
    ] {
        lab.rules(json!([rule("s3", "PutObject", 1, action.clone())]));
        let fault = put(&objects, "a", "one").await.unwrap_err();
        assert_eq!(fault.class, class, "{action}: {fault}");
    }
    assert_eq!(put(&objects, "a", "one").await, Ok(Put::AlreadyStored), "stored, its reply lost");
    let fault = objects.put("missing", "a", Bytes::new()).await.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (FaultClass::Service, "NoSuchBucket"));
}

#[tokio::test]
async fn a_large_object_goes_in_parts() {
    let (lab, objects) = lab().await;
    let (one, other) = (large(1), large(2));
    assert_eq!(objects.put("lake", "large", one.clone()).await, Ok(Put::Stored));
    assert_eq!(lab.count("s3.UploadPart", "calls"), 3);
    assert_eq!(content(&lab, "large").await, one);
    assert_eq!(objects.put("lake", "large", one).await, Ok(Put::AlreadyStored));
    let fault = objects.put("lake", "large", other).await.unwrap_err();
    assert_eq!(fault.code, "object_conflict");
    assert_eq!(lab.uploads("lake").await, 0, "what is not needed is aborted");
}

#[tokio::test]
async fn parts_that_fail_are_aborted_and_begin_anew() {
    let (lab, objects) = lab().await;
    let one = large(1);
    let conflict = json!({ "status": 409, "code": "ConditionalRequestConflict" });
    let slow = json!({ "status": 503, "code": "SlowDown" });
    let in_ok = json!({ "status": 200, "code": "InternalError" });
    for (operation, action, class) in [
        ("UploadPart", slow, FaultClass::Throttle),
        ("CompleteMultipartUpload", conflict, FaultClass::Transient),
        ("CompleteMultipartUpload", in_ok, FaultClass::Transient),
        ("CompleteMultipartUpload", json!("lose_reply"), FaultClass::Transient),
    ] {
        lab.rules(json!([rule("s3", operation, 1, action.clone())]));
        let fault = objects.put("lake", "large", one.clone()).await.unwrap_err();
        assert_eq!(fault.class, class, "{operation} {action}: {fault}");
        assert_eq!(lab.uploads("lake").await, 0, "{operation} {action}");
    }
    assert_eq!(objects.put("lake", "large", one.clone()).await, Ok(Put::AlreadyStored));
    assert_eq!(content(&lab, "large").await, one);
}

#[tokio::test]
async fn each_object_is_listed_once_in_order_of_arrival() {
    let (lab, objects) = lab().await;
    lab.objects_page(3);
    lab.advance(1_000);
    for key in ["in/z", "in/y", "out/1", "in/x", "in/w"] {
        put(&objects, key, key).await.unwrap();
        lab.advance(1_000);
    }
    let (first, next) = keys(&objects, "in/", 0).await;
    let expected = [(0, "in/z"), (1, "in/y"), (2, "in/x"), (3, "in/w")];
    assert_eq!(first, expected.map(|(seq, key)| (seq, key.to_owned())));
    assert_eq!(keys(&objects, "in/", next).await, (vec![], 4));
    put(&objects, "in/a", "5").await.unwrap();
    put(&objects, "in/0", "6").await.unwrap();
    let (second, next) = keys(&objects, "in/", next).await;
    assert_eq!(second.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(next, 6);
    // Another process, with a place of its own; and one for another prefix of the bucket.
    let later = open(&lab).await;
    assert_eq!(keys(&later, "in/", 3).await, ([&first[3..], &second].concat(), 6));
    let page = later.list("lake", "in/", 0, 2).await.unwrap();
    assert_eq!((page.objects.len(), page.next), (2, 2));
    assert_eq!(keys(&later, "out/", 0).await, (vec![(6, "out/1".into())], 7));
    // What another process has numbered meanwhile stays so.
    put(&objects, "in/b", "7").await.unwrap();
    assert_eq!(keys(&objects, "in/", 6).await, (vec![(7, "in/b".into())], 8));
}

#[tokio::test]
async fn two_processes_give_the_same_numbers() {
    let (lab, one) = lab().await;
    let other = open(&lab).await;
    let mut seen: [Vec<(u64, String)>; 2] = Default::default();
    let mut next = [0, 0];
    for round in 0..6 {
        put(&one, &format!("{round}/a"), "a").await.unwrap();
        put(&one, &format!("{round}/b"), "b").await.unwrap();
        let (left, right) = tokio::join!(keys(&one, "", next[0]), keys(&other, "", next[1]));
        for (at, (found, upto)) in [left, right].into_iter().enumerate() {
            seen[at].extend(found);
            next[at] = upto;
        }
    }
    assert_eq!(seen[0].len(), 12);
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn a_numbering_that_is_not_stored_is_not_handed_out() {
    let (lab, objects) = lab().await;
    put(&objects, "a", "1").await.unwrap();
    lab.rules(json!([
        rule("dynamodb", "PutItem", 1, json!({ "status": 500, "code": "InternalServerError" })),
        rule("s3", "ListObjectsV2", 1, json!({ "status": 503, "code": "SlowDown" })),
    ]));
    let fault = objects.list("lake", "", 0, 10).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Throttle);
    let fault = objects.list("lake", "", 0, 10).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Transient);
    assert_eq!(keys(&objects, "", 0).await, (vec![(0, "a".into())], 1));
}

#[tokio::test]
async fn a_bucket_that_is_read_is_a_partition_of_its_state_table() {
    let (mut lab, unread) = lab().await;
    let read = testing::plan_node("bucket.read", NodeKind::Source, None, None);
    lab.plan.graph.add_node(read);
    let (one, again) = (open(&lab).await, open(&lab).await);
    assert_eq!(one.partition("lake"), again.partition("lake"));
    assert_ne!(one.partition("lake").id, one.partition("other").id);
    assert_ne!(one.partition("lake").id, unread.partition("lake").id);
}
