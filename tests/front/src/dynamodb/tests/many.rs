//! Reads of many items, batches and transactions.

use serde_json::{Value as Json, json};

use super::{Lab, table};
use crate::rules::Faults;
use crate::settings::Settings;

/// With items `p`/0…9 and `q`/0 in `range`.
async fn lab() -> Lab {
    let lab = Lab::with_tables().await;
    for (partition, count) in [("p", 10), ("q", 1)] {
        for at in 0..count {
            let item =
                json!({ "a": { "S": partition }, "b": { "N": at.to_string() }, "v": { "N": "1" } });
            lab.ok("PutItem", json!({ "TableName": "range", "Item": item })).await;
        }
    }
    lab
}

fn query(text: &str, values: Json) -> Json {
    json!({
        "TableName": "range", "KeyConditionExpression": text, "ExpressionAttributeValues": values,
    })
}

fn sorts(answer: &Json) -> Vec<&str> {
    let items = answer["Items"].as_array().expect("items").iter();
    items.map(|item| item["b"]["N"].as_str().expect("a number")).collect()
}

#[tokio::test]
async fn a_query_reads_a_range() {
    let lab = lab().await;
    let p = json!({ "S": "p" });
    let n = |text: &str| json!({ "N": text });
    let all = lab.ok("Query", query("a = :p", json!({ ":p": p }))).await;
    assert_eq!(sorts(&all), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    let cases = [
        ("a = :p AND b = :x", "3", vec!["3"]),
        ("a = :p AND b < :x", "3", vec!["0", "1", "2"]),
        ("b >= :x and a = :p", "8", vec!["8", "9"]),
        ("(a = :p) AND (:x > b)", "2", vec!["0", "1"]),
    ];
    for (text, x, wanted) in cases {
        let found = lab.ok("Query", query(text, json!({ ":p": p, ":x": n(x) }))).await;
        assert_eq!(sorts(&found), wanted, "{text}");
    }
    let values = json!({ ":p": p, ":x": n("4"), ":y": n("6") });
    let mut between = query("a = :p AND b BETWEEN :x AND :y", values);
    between["ScanIndexForward"] = json!(false);
    assert_eq!(sorts(&lab.ok("Query", between).await), ["6", "5", "4"]);
    let mut count = query("a = :p", json!({ ":p": p, ":v": n("0") }));
    count["Select"] = json!("COUNT");
    count["FilterExpression"] = json!("v > :v");
    let counted = lab.ok("Query", count).await;
    assert_eq!(counted, json!({ "Count": 10, "ScannedCount": 10 }));
}

#[tokio::test]
async fn a_query_goes_on_where_it_ended() {
    let lab = lab().await;
    for forward in [true, false] {
        let mut body = query("a = :p", json!({ ":p": { "S": "p" } }));
        body["Limit"] = json!(5);
        body["ScanIndexForward"] = json!(forward);
        let first = lab.ok("Query", body.clone()).await;
        body["ExclusiveStartKey"] = first["LastEvaluatedKey"].clone();
        let second = lab.ok("Query", body.clone()).await;
        let mut read = sorts(&first);
        read.extend(sorts(&second));
        read.sort_unstable();
        assert_eq!(read, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        // The page was full: AWS names a key, and the next page is empty.
        body["ExclusiveStartKey"] = second["LastEvaluatedKey"].clone();
        let third = lab.ok("Query", body).await;
        assert_eq!((third["Count"].clone(), third.get("LastEvaluatedKey")), (json!(0), None));
    }
}

#[tokio::test]
async fn wrong_queries_are_refused() {
    let lab = lab().await;
    let cases = [
        ("a = :p OR b = :x", "Invalid operator used in KeyConditionExpression: OR"),
        ("a > :p AND b = :x", "Query key condition not supported"),
        ("b = :x AND c = :p", "Query condition missed key schema element: a"),
        ("a = :p AND c = :x", "Query condition missed key schema element: b"),
        ("a = :p AND a = :x", "must only contain one condition per key"),
        ("a = :p AND b <> :x", "Invalid operator used in KeyConditionExpression: <>"),
        ("a = :p AND begins_with(b, :p) AND b = :x", "Conditions can be of length 1 or 2 only"),
        ("a = :x AND b = :p", "Condition parameter type does not match schema type"),
        ("a.b = :p AND b = :x", "cannot have conditions on nested attributes"),
        ("a = c AND b = :x AND c = :p", "Multiple attribute names used in one condition"),
    ];
    for (text, wanted) in cases {
        let values = json!({ ":p": { "S": "p" }, ":x": { "N": "1" } });
        let said = lab.invalid("Query", query(text, values)).await;
        assert!(said.contains(wanted), "{text}: {said}");
    }
    let mut body = query("a = :p", json!({ ":p": { "S": "p" } }));
    body["FilterExpression"] = json!("attribute_exists(b)");
    let said = lab.invalid("Query", body.clone()).await;
    assert!(
        said.ends_with("only contain non-primary key attributes: Primary key attribute: b"),
        "{said}"
    );
    body["FilterExpression"] = Json::Null;
    body["ExclusiveStartKey"] = json!({ "a": { "S": "p" } });
    let said = lab.invalid("Query", body.clone()).await;
    assert!(said.starts_with("The provided starting key is invalid"), "{said}");
    body["ExclusiveStartKey"] = json!({ "a": { "S": "q" }, "b": { "N": "0" } });
    assert!(lab.invalid("Query", body.clone()).await.contains("outside query boundaries"));
    body["ExclusiveStartKey"] = Json::Null;
    body["Limit"] = json!(0);
    assert!(lab.invalid("Query", body.clone()).await.contains("greater than or equal to 1"));
    body["Limit"] = Json::Null;
    body["IndexName"] = json!("by-date");
    assert!(lab.invalid("Query", body).await.contains("does not have the specified index"));
    let none = json!({ "TableName": "range" });
    assert!(lab.invalid("Query", none).await.starts_with("Either the KeyConditions or"));
}

#[tokio::test]
async fn a_scan_reads_everything_in_pages_and_segments() {
    let lab = lab().await;
    lab.shared.set_settings(Settings { items_page: 4, transition_ms: 0, ..Settings::default() });
    for total in [1, 3] {
        let mut seen = Vec::new();
        for segment in 0..total {
            let mut body =
                json!({ "TableName": "range", "Segment": segment, "TotalSegments": total });
            loop {
                let page = lab.ok("Scan", body.clone()).await;
                assert!(page["Count"].as_u64() <= Some(4));
                seen.extend(page["Items"].as_array().expect("items").clone());
                let Some(last) = page.get("LastEvaluatedKey") else { break };
                body["ExclusiveStartKey"] = last.clone();
            }
        }
        let mut keys: Vec<String> =
            seen.iter().map(|item| format!("{}{}", item["a"], item["b"])).collect();
        keys.sort();
        keys.dedup();
        assert_eq!((seen.len(), keys.len()), (11, 11));
    }
    let only = json!({ "TableName": "range", "Segment": 1 });
    assert!(lab.invalid("Scan", only).await.starts_with("The TotalSegments parameter is required"));
    let past = json!({ "TableName": "range", "Segment": 1, "TotalSegments": 1 });
    assert!(
        lab.invalid("Scan", past).await.contains("Segment: 1 is not less than TotalSegments: 1")
    );
}

#[tokio::test]
async fn a_page_is_a_megabyte() {
    let lab = Lab::with_tables().await;
    for at in 0..5 {
        let mut item = json!({ "a": { "S": "p" }, "b": { "N": at.to_string() } });
        item["x"] = json!({ "S": "x".repeat(399_000) });
        lab.ok("PutItem", json!({ "TableName": "range", "Item": item })).await;
    }
    let page = lab.ok("Query", query("a = :p", json!({ ":p": { "S": "p" } }))).await;
    assert_eq!(page["Count"], 3, "the item that passes 1 MB is the last one");
    assert_eq!(page["LastEvaluatedKey"], json!({ "a": { "S": "p" }, "b": { "N": "2" } }));
}

fn puts(from: usize, to: usize) -> Json {
    let one = |at: usize| json!({ "PutRequest": { "Item": { "a": { "S": at.to_string() } } } });
    json!({ "RequestItems": { "hash": (from..to).map(one).collect::<Vec<_>>() } })
}

#[tokio::test]
async fn a_batch_writes_or_is_refused_whole() {
    let lab = Lab::with_tables().await;
    let done = lab.ok("BatchWriteItem", puts(0, 25)).await;
    assert_eq!(done, json!({ "UnprocessedItems": {} }));
    assert!(lab.invalid("BatchWriteItem", puts(0, 26)).await.contains("less than or equal to 25"));
    let list = |list: Json| json!({ "RequestItems": { "hash": list } });
    let put = |key: &str| json!({ "PutRequest": { "Item": { "a": { "S": key } } } });
    let delete = |key: &str| json!({ "DeleteRequest": { "Key": { "a": { "S": key } } } });
    let twice = lab.invalid("BatchWriteItem", list(json!([put("x"), delete("x")]))).await;
    assert_eq!(twice, "Provided list of item keys contains duplicates");
    assert_eq!(lab.item("x").await, Json::Null, "nothing of a refused batch is written");
    let mut both = put("x");
    both["DeleteRequest"] = delete("x")["DeleteRequest"].clone();
    assert!(lab.invalid("BatchWriteItem", list(json!([both]))).await.contains("more than one"));
    let mut large = put("x");
    large["PutRequest"]["Item"]["b"] = json!({ "S": "y".repeat(410_000) });
    let said = lab.invalid("BatchWriteItem", list(json!([put("y"), large]))).await;
    assert_eq!(said, "Item size has exceeded the maximum allowed size");
    assert!(lab.invalid("BatchWriteItem", json!({ "RequestItems": {} })).await.contains("'{}'"));
    assert!(lab.invalid("BatchWriteItem", list(json!([]))).await.contains("equal to 1"));
    let none = json!({ "RequestItems": { "none": [put("x")] } });
    assert_eq!(lab.refused("BatchWriteItem", none).await.code, "ResourceNotFoundException");
    lab.ok("BatchWriteItem", list(json!([put("x"), delete("0")]))).await;
    assert_eq!(
        (lab.item("0").await, lab.item("x").await["a"].clone()),
        (Json::Null, json!({ "S": "x" }))
    );
}

#[tokio::test]
async fn failing_entries_are_unprocessed() {
    let lab = Lab::with_tables().await;
    let faults = Faults::entries(0.4, "ProvisionedThroughputExceededException");
    let (answer, tally) = lab.with_faults("BatchWriteItem", puts(0, 25), &faults).await;
    let answer = answer.expect("an answer");
    let left = answer["UnprocessedItems"]["hash"].as_array().expect("a list").clone();
    assert!((1..25).contains(&left.len()), "{}", left.len());
    assert_eq!((tally.entries, tally.entries_failed), (25, left.len() as u64));
    let there = lab.ok("Scan", json!({ "TableName": "hash" })).await;
    assert_eq!(there["Count"], 25 - left.len());
    let rest = json!({ "RequestItems": answer["UnprocessedItems"] });
    assert_eq!(lab.ok("BatchWriteItem", rest).await, json!({ "UnprocessedItems": {} }));
    assert_eq!(lab.ok("Scan", json!({ "TableName": "hash" })).await["Count"], 25);
}

#[tokio::test]
async fn a_batch_reads() {
    let lab = Lab::with_tables().await;
    lab.ok("BatchWriteItem", puts(0, 3)).await;
    let keys = |keys: &[&str]| {
        let keys: Vec<Json> = keys.iter().map(|key| json!({ "a": { "S": key } })).collect();
        json!({ "RequestItems": { "hash": { "Keys": keys } } })
    };
    let found = lab.ok("BatchGetItem", keys(&["0", "2", "9"])).await;
    assert_eq!(found["Responses"]["hash"].as_array().map(Vec::len), Some(2));
    assert_eq!(found["UnprocessedKeys"], json!({}));
    let said = lab.invalid("BatchGetItem", keys(&["0", "0"])).await;
    assert_eq!(said, "Provided list of item keys contains duplicates");
    let many: Vec<String> = (0..101).map(|at| at.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let said = lab.invalid("BatchGetItem", keys(&many)).await;
    assert_eq!(said, "Too many items requested for the BatchGetItem call");
    let (answer, _) =
        lab.with_faults("BatchGetItem", keys(&["0", "1"]), &Faults::entries(1.0, "X")).await;
    let left = answer.expect("an answer")["UnprocessedKeys"].clone();
    assert_eq!(left["hash"]["Keys"].as_array().map(Vec::len), Some(2));
}

fn transaction(actions: Json, token: Option<&str>) -> Json {
    json!({ "TransactItems": actions, "ClientRequestToken": token })
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing() {
    let lab = Lab::with_tables().await;
    let put = |key: &str, condition: Option<&str>| {
        let item = json!({ "a": { "S": key }, "n": { "N": "1" } });
        json!({ "Put": { "TableName": "hash", "Item": item, "ConditionExpression": condition,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD" } })
    };
    lab.ok("TransactWriteItems", transaction(json!([put("1", None)]), None)).await;
    let new = Some("attribute_not_exists(a)");
    let mixed = transaction(json!([put("2", new), put("1", new)]), None);
    let refusal = lab.refused("TransactWriteItems", mixed).await;
    assert_eq!(refusal.code, "TransactionCanceledException");
    assert!(refusal.message.ends_with("specific reasons [None, ConditionalCheckFailed]"));
    let reasons = &refusal.body["CancellationReasons"];
    assert_eq!(reasons[0], json!({ "Code": "None" }));
    assert_eq!(reasons[1]["Item"]["a"], json!({ "S": "1" }));
    assert_eq!(lab.item("2").await, Json::Null);
    let update = json!({ "Update": { "TableName": "hash", "Key": { "a": { "S": "1" } },
        "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": { ":one": { "N": "1" } } } });
    let check = json!({ "ConditionCheck": { "TableName": "hash", "Key": { "a": { "S": "9" } },
        "ConditionExpression": "attribute_not_exists(a)" } });
    lab.ok("TransactWriteItems", transaction(json!([update, check, put("2", new)]), None)).await;
    assert_eq!(lab.item("1").await["n"], json!({ "N": "2" }));
    assert_eq!(lab.item("9").await, Json::Null, "a check writes nothing");
    let get = |key: &str| json!({ "Get": { "TableName": "hash", "Key": { "a": { "S": key } } } });
    let read = json!({ "TransactItems": [get("2"), get("9")] });
    let read = lab.ok("TransactGetItems", read).await;
    assert_eq!(read["Responses"][0]["Item"]["n"], json!({ "N": "1" }));
    assert_eq!(read["Responses"][1], json!({}));
    let twice = transaction(json!([put("5", None), put("5", None)]), None);
    let said = lab.invalid("TransactWriteItems", twice).await;
    assert_eq!(said, "Transaction request cannot include multiple operations on one item");
    let many: Vec<Json> = (0..101).map(|at| put(&at.to_string(), None)).collect();
    let said = lab.invalid("TransactWriteItems", transaction(json!(many), None)).await;
    assert!(said.contains("less than or equal to 100"), "{said}");
    let two = json!([{ "Put": put("1", None)["Put"], "Update": update["Update"] }]);
    assert!(
        lab.invalid("TransactWriteItems", transaction(two, None))
            .await
            .contains("only contain one")
    );
}

#[tokio::test]
async fn a_token_makes_a_transaction_idempotent_for_ten_minutes() {
    let lab = Lab::with_tables().await;
    let add = |amount: &str| {
        let values = json!({ ":v": { "N": amount } });
        json!([{ "Update": { "TableName": "hash", "Key": { "a": { "S": "1" } },
            "UpdateExpression": "ADD n :v", "ExpressionAttributeValues": values } }])
    };
    for _ in 0..3 {
        lab.ok("TransactWriteItems", transaction(add("1"), Some("t"))).await;
    }
    assert_eq!(lab.item("1").await["n"], json!({ "N": "1" }));
    let other = lab.refused("TransactWriteItems", transaction(add("2"), Some("t"))).await;
    assert_eq!(other.code, "IdempotentParameterMismatchException");
    lab.shared.clock.advance(10 * 60 * 1_000 + 1);
    lab.ok("TransactWriteItems", transaction(add("1"), Some("t"))).await;
    assert_eq!(lab.item("1").await["n"], json!({ "N": "2" }));
    let long = transaction(add("1"), Some(&"t".repeat(37)));
    assert!(lab.invalid("TransactWriteItems", long).await.contains("clientRequestToken"));
}

#[tokio::test]
async fn tables_belong_to_their_schema() {
    let lab = Lab::new();
    lab.ok("CreateTable", table("bytes", &[("k", "B")])).await;
    let item = json!({ "TableName": "bytes", "Item": { "k": { "B": "AQI=" } } });
    lab.ok("PutItem", item).await;
    let found = lab.ok("GetItem", json!({ "TableName": "bytes", "Key": { "k": { "B": "AQI=" } } }));
    assert_eq!(found.await["Item"]["k"], json!({ "B": "AQI=" }));
}
