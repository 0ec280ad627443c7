//! Deliveries: packed, and sent again only where Firehose did not take them.

use super::lab::{Lab, rule};
use arrow_array::BinaryArray;
use aws_sdk_firehose::types::{BufferingHints, ExtendedS3DestinationConfiguration};
use dsl::ast::ResourceKind;
use dsl::plan::{Binding, PlanResource};
use dsl::ty::Ty;
use engine::batch::Run;
use engine::fault::FaultClass;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use stdlib::service::aws::delivery::AwsDelivery;
use stdlib::service::{Delivery, Records};

async fn delivery() -> (Lab, AwsDelivery) {
    let mut lab = Lab::without_state().await;
    lab.make_bucket("staging").await;
    lab.plan.resources.push(PlanResource {
        name: "feed".into(),
        kind: ResourceKind::Delivery,
        ty: Ty::Ndjson(Box::new(Ty::failure())),
        key: Vec::new(),
        into: None,
        binding: Some(Binding {
            service: "firehose".into(),
            name: "sales-feed".into(),
            options: Default::default(),
        }),
        span: Default::default(),
    });
    let hints = BufferingHints::builder().size_in_mbs(1).interval_in_seconds(0).build();
    let target = ExtendedS3DestinationConfiguration::builder()
        .role_arn("arn:aws:iam::123456789012:role/firehose")
        .bucket_arn("arn:aws:s3:::staging")
        .buffering_hints(hints);
    let create = lab.clients.firehose.create_delivery_stream().delivery_stream_name("sales-feed");
    let target = target.build().unwrap();
    create.extended_s3_destination_configuration(target).send().await.unwrap();
    let delivery = AwsDelivery::new(&lab.clients, &lab.plan);
    (lab, delivery)
}

fn records(payloads: &[String]) -> Records {
    Records {
        payloads: BinaryArray::from_iter_values(payloads),
        keys: None,
        producer: [7; 16],
        runs: vec![Run { first: 0, len: payloads.len() as u32, arrival_ns: 0 }],
    }
}

/// The lines of all objects, once there are so many.
async fn lines(lab: &Lab, count: usize) -> Vec<Value> {
    loop {
        let listed = lab.clients.s3.list_objects_v2().bucket("staging").send().await.unwrap();
        let mut lines = Vec::new();
        for object in listed.contents.unwrap_or_default() {
            let get = lab.clients.s3.get_object().bucket("staging").key(object.key.unwrap());
            let body = get.send().await.unwrap().body.collect().await.unwrap().into_bytes();
            let text = String::from_utf8(body.to_vec()).unwrap();
            assert!(text.ends_with('\n'));
            lines.extend(text.lines().map(|line| serde_json::from_str(line).unwrap()));
        }
        if lines.len() >= count {
            return lines;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn rows_come_to_lie_in_the_bucket_with_their_ids() {
    let (lab, delivery) = delivery().await;
    let payloads: Vec<String> = (0..5_000).map(|n| json!({ "n": n }).to_string()).collect();
    let appended = delivery.write("sales-feed", records(&payloads)).await.unwrap();
    assert_eq!((appended.stored, appended.again.len(), appended.refused.len()), (5_000, 0, 0));
    assert_eq!(lab.count("firehose.PutRecordBatch", "calls"), 1);
    assert!(lab.count("firehose.PutRecordBatch", "entries") <= 2, "rows are packed");
    let lines = lines(&lab, 5_000).await;
    let numbers: BTreeSet<i64> = lines.iter().map(|line| line["n"].as_i64().unwrap()).collect();
    let ids: BTreeSet<&str> = lines.iter().map(|line| line["event_id"].as_str().unwrap()).collect();
    assert_eq!((lines.len(), numbers.len(), ids.len()), (5_000, 5_000, 5_000));
}

#[tokio::test]
async fn only_what_failed_is_sent_again() {
    let (lab, delivery) = delivery().await;
    let row = |n: usize| json!({ "n": n, "text": "x".repeat(100_000) }).to_string();
    let payloads: Vec<String> = (0..60).map(row).collect();
    lab.rules(json!([{
        "service": "firehose", "operation": "PutRecordBatch", "seed": 3,
        "action": { "entries": 0.3, "code": "ServiceUnavailableException" },
    }]));
    let (mut left, mut sent) = ((0..60).collect::<Vec<usize>>(), 0);
    while !left.is_empty() {
        let now: Vec<String> = left.iter().map(|n| payloads[*n].clone()).collect();
        sent += now.len();
        let appended = delivery.write("sales-feed", records(&now)).await.unwrap();
        assert_eq!(appended.stored as usize + appended.again.len(), now.len());
        if let Some(fault) = appended.fault {
            assert_eq!(fault.class, FaultClass::Transient);
        }
        left = appended.again.into_iter().map(|row| left[row]).collect();
    }
    assert!(sent > 60, "some entries failed");
    assert_eq!(lines(&lab, 60).await.len(), 60, "nothing twice");
}

#[tokio::test]
async fn what_breaks_a_request_is_told_and_what_is_too_large_refused() {
    let (lab, delivery) = delivery().await;
    let payloads =
        [json!({ "n": 1 }).to_string(), format!("{{\"x\":\"{}\"}}", "y".repeat(1_024_000))];
    lab.rules(json!([
        rule("firehose", "PutRecordBatch", 1, json!("drop_request")),
        rule(
            "firehose",
            "PutRecordBatch",
            2,
            json!({ "status": 400, "code": "ServiceUnavailableException" })
        ),
    ]));
    for _ in 0..2 {
        let appended = delivery.write("sales-feed", records(&payloads)).await.unwrap();
        assert_eq!(appended.again, [0]);
        assert_eq!((appended.refused[0].row, appended.refused[0].code), (1, "record_too_large"));
        assert_eq!(appended.fault.unwrap().class, FaultClass::Transient);
    }
    let fault = delivery.write("missing", records(&payloads[..1])).await.unwrap_err();
    assert_eq!(
        (fault.class, fault.code.as_str()),
        (FaultClass::Service, "ResourceNotFoundException")
    );
}
