//! Tables, items and single writes, with AWS's refusals.

mod expressions;
mod many;

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::DynamoDb;
use crate::request::{Request, Service};
use crate::rules::Faults;
use crate::settings::Settings;
use crate::{Shared, Tally};

/// A DynamoDB without a port.
pub(super) struct Lab {
    pub(super) shared: Arc<Shared>,
    service: DynamoDb,
}

/// A refusal: its code, its message, its whole body.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) body: Json,
}

impl Lab {
    /// Without tables; with tables that are there at once.
    pub(super) fn new() -> Lab {
        let settings = Settings { transition_ms: 0, ..Settings::default() };
        let shared = Arc::new(Shared::new(settings, None, false));
        Lab { service: DynamoDb::new(shared.clone()), shared }
    }

    /// With `hash` (key `a`, S) and `range` (keys `a`, S and `b`, N).
    pub(super) async fn with_tables() -> Lab {
        let lab = Lab::new();
        lab.ok("CreateTable", table("hash", &[("a", "S")])).await;
        lab.ok("CreateTable", table("range", &[("a", "S"), ("b", "N")])).await;
        lab
    }

    pub(super) async fn with_faults(
        &self,
        operation: &str,
        body: Json,
        faults: &Faults,
    ) -> (Result<Json, Refusal>, Tally) {
        let request = Request {
            service: "dynamodb".into(),
            operation: operation.into(),
            region: "eu-central-1".into(),
            body: body.to_string().into(),
            ..Request::default()
        };
        let reply = self.service.call(&request, faults).await;
        let checksum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, reply.bytes());
        assert!(reply.headers.contains(&("x-amz-crc32".into(), checksum.to_string())));
        let body: Json = serde_json::from_slice(reply.bytes()).expect("JSON");
        if reply.status == 200 {
            return (Ok(body), reply.tally);
        }
        let code = body["__type"].as_str().expect("a type").split('#').next_back();
        let message = body["message"].as_str().or(body["Message"].as_str()).unwrap_or_default();
        let (code, message) = (code.unwrap_or_default().to_owned(), message.to_owned());
        (Err(Refusal { code, message, body }), reply.tally)
    }

    pub(super) async fn call(&self, operation: &str, body: Json) -> Result<Json, Refusal> {
        self.with_faults(operation, body, &Faults::default()).await.0
    }

    pub(super) async fn ok(&self, operation: &str, body: Json) -> Json {
        let shown = body.to_string();
        let answer = self.call(operation, body).await;
        answer.unwrap_or_else(|refusal| panic!("{operation} {shown}: {refusal:?}"))
    }

    pub(super) async fn refused(&self, operation: &str, body: Json) -> Refusal {
        let shown = body.to_string();
        match self.call(operation, body).await {
            Ok(answer) => panic!("{operation} {shown} was not refused: {answer}"),
            Err(refusal) => refusal,
        }
    }

    /// The message of a ValidationException.
    pub(super) async fn invalid(&self, operation: &str, body: Json) -> String {
        let refusal = self.refused(operation, body).await;
        assert_eq!(refusal.code, "ValidationException", "{}", refusal.message);
        refusal.message
    }

    /// An item of `hash`.
    pub(super) async fn item(&self, key: &str) -> Json {
        self.ok("GetItem", json!({ "TableName": "hash", "Key": { "a": { "S": key } } })).await
            ["Item"]
            .clone()
    }
}

pub(super) fn table(name: &str, keys: &[(&str, &str)]) -> Json {
    let kinds = ["HASH", "RANGE"];
    let schema = keys.iter().zip(kinds);
    json!({
        "TableName": name,
        "AttributeDefinitions": keys.iter().map(|(name, of)| json!({
            "AttributeName": name, "AttributeType": of,
        })).collect::<Vec<_>>(),
        "KeySchema": schema.map(|((name, _), kind)| json!({
            "AttributeName": name, "KeyType": kind,
        })).collect::<Vec<_>>(),
        "BillingMode": "PAY_PER_REQUEST",
    })
}

fn put(item: Json) -> Json {
    json!({ "TableName": "hash", "Item": item })
}

#[tokio::test]
async fn a_table_is_created_and_deleted() {
    let lab = Lab::new();
    let settings = Settings { transition_ms: 1_000_000, ..Settings::default() };
    lab.shared.set_settings(settings);
    let named = json!({ "TableName": "orders" });
    let gone = lab.refused("DescribeTable", named.clone()).await;
    assert_eq!(gone.code, "ResourceNotFoundException");
    assert_eq!(gone.message, "Requested resource not found: Table: orders not found");
    let made = lab.ok("CreateTable", table("orders", &[("a", "S")])).await;
    assert_eq!(made["TableDescription"]["TableStatus"], "CREATING");
    let item = json!({ "TableName": "orders", "Item": { "a": { "S": "1" } } });
    let early = lab.refused("PutItem", item.clone()).await;
    assert_eq!(early.code, "ResourceNotFoundException", "a table that is made has no items yet");
    assert_eq!(lab.refused("DeleteTable", named.clone()).await.code, "ResourceInUseException");
    let twice = lab.refused("CreateTable", table("orders", &[("a", "S")])).await;
    assert_eq!(twice.code, "ResourceInUseException");
    lab.shared.clock.advance(1_000_001);
    let found = lab.ok("DescribeTable", named.clone()).await;
    assert_eq!(found["Table"]["TableStatus"], "ACTIVE");
    lab.ok("PutItem", item.clone()).await;
    let deleted = lab.ok("DeleteTable", named.clone()).await;
    assert_eq!(deleted["TableDescription"]["TableStatus"], "DELETING");
    assert_eq!(lab.refused("PutItem", item).await.code, "ResourceNotFoundException");
    lab.shared.clock.advance(1_000_001);
    assert_eq!(lab.refused("DescribeTable", named).await.code, "ResourceNotFoundException");
}

#[tokio::test]
async fn wrong_tables_are_refused() {
    let lab = Lab::new();
    let with = |name: &str, value: Json| {
        let mut body = table("orders", &[("a", "S")]);
        body[name] = value;
        body
    };
    let short = lab.invalid("CreateTable", with("TableName", json!("o;"))).await;
    assert!(
        short.starts_with("2 validation errors detected: Value 'o;' at 'tableName'"),
        "{short}"
    );
    let schema = json!([{ "AttributeName": "b", "KeyType": "HASH" }]);
    let undefined = lab.invalid("CreateTable", with("KeySchema", schema)).await;
    assert!(undefined.contains("not defined in AttributeDefinitions. Keys: [b]"), "{undefined}");
    let schema = json!([{ "AttributeName": "a", "KeyType": "RANGE" }]);
    let no_hash = lab.invalid("CreateTable", with("KeySchema", schema)).await;
    assert!(no_hash.contains("The first KeySchemaElement is not a HASH key type"), "{no_hash}");
    let both = with("ProvisionedThroughput", json!({ "ReadCapacityUnits": 1 }));
    assert!(lab.invalid("CreateTable", both).await.contains("BillingMode is PAY_PER_REQUEST"));
    let number = lab.refused("CreateTable", with("TableName", json!(5))).await;
    assert_eq!(number.code, "SerializationException");
    assert_eq!(number.message, "NUMBER_VALUE cannot be converted to String");
    let kept = with("DeletionProtectionEnabled", json!(true));
    lab.ok("CreateTable", kept).await;
    let said = lab.invalid("DeleteTable", json!({ "TableName": "orders" })).await;
    assert!(said.contains("protected against deletion"), "{said}");
    assert_eq!(lab.refused("DropTable", json!({})).await.code, "UnknownOperationException");
}

#[tokio::test]
async fn tables_are_listed_in_pages() {
    let lab = Lab::new();
    for at in 0..5 {
        lab.ok("CreateTable", table(&format!("table-{at}"), &[("a", "S")])).await;
    }
    let page = lab.ok("ListTables", json!({ "Limit": 2 })).await;
    assert_eq!(page["TableNames"], json!(["table-0", "table-1"]));
    let start = &page["LastEvaluatedTableName"];
    let next = lab.ok("ListTables", json!({ "ExclusiveStartTableName": start })).await;
    assert_eq!(next, json!({ "TableNames": ["table-2", "table-3", "table-4"] }));
    assert!(lab.invalid("ListTables", json!({ "Limit": 101 })).await.contains("'limit'"));
}

#[tokio::test]
async fn time_to_live_is_switched() {
    let lab = Lab::with_tables().await;
    let of = |enabled: bool| {
        let wanted = json!({ "AttributeName": "until", "Enabled": enabled });
        json!({ "TableName": "hash", "TimeToLiveSpecification": wanted })
    };
    lab.ok("UpdateTimeToLive", of(true)).await;
    assert_eq!(lab.invalid("UpdateTimeToLive", of(true)).await, "TimeToLive is already enabled");
    let shown = lab.ok("DescribeTimeToLive", json!({ "TableName": "hash" })).await;
    assert_eq!(shown["TimeToLiveDescription"]["AttributeName"], "until");
    lab.ok("UpdateTimeToLive", of(false)).await;
    assert_eq!(lab.invalid("UpdateTimeToLive", of(false)).await, "TimeToLive is already disabled");
}

#[tokio::test]
async fn values_come_back_as_they_were_written() {
    let lab = Lab::with_tables().await;
    let item = json!({
        "a": { "S": "1" }, "n": { "N": "12.50" }, "b": { "B": "AQI=" }, "t": { "BOOL": false },
        "z": { "NULL": true }, "l": { "L": [{ "S": "" }, { "L": [] }] },
        "m": { "M": { "x": { "M": {} } } },
        "ss": { "SS": ["b", "a"] }, "ns": { "NS": ["10", "2"] }, "bs": { "BS": ["AQ=="] },
        "empty": { "S": "" }, "nothing": { "B": "" },
    });
    assert_eq!(lab.ok("PutItem", put(item.clone())).await, json!({}));
    let mut wanted = item;
    wanted["n"] = json!({ "N": "12.5" });
    wanted["ss"] = json!({ "SS": ["a", "b"] });
    wanted["ns"] = json!({ "NS": ["2", "10"] });
    assert_eq!(lab.item("1").await, wanted);
}

#[tokio::test]
async fn wrong_values_are_refused() {
    let lab = Lab::with_tables().await;
    let invalid = [
        (json!({}), "Supplied AttributeValue is empty, must contain exactly one"),
        (json!({ "X": "" }), "Supplied AttributeValue is empty, must contain exactly one"),
        (json!({ "S": "a", "N": "1" }), "Supplied AttributeValue has more than one datatypes set"),
        (json!({ "NULL": false }), "Null attribute value types must have the value of true"),
        (json!({ "SS": [] }), "An string set  may not be empty"),
        (json!({ "NS": [] }), "An number set  may not be empty"),
        (json!({ "BS": [] }), "Binary sets should not be empty"),
        (json!({ "SS": ["a", "a"] }), "Input collection [a, a] contains duplicates."),
        (json!({ "NS": ["1", "1.0"] }), "Input collection contains duplicates"),
        (json!({ "BS": ["Yg==", "Yg=="] }), "Input collection [Yg==, Yg==]of type BS contains"),
        (json!({ "N": "" }), "The parameter cannot be converted to a numeric value"),
        (json!({ "N": "1".repeat(39) }), "more than 38 significant digits"),
        (json!({ "N": "1e126" }), "Number overflow."),
        (json!({ "N": "1e-131" }), "Number underflow."),
        (json!({ "L": [{ "M": { "x": {} } }] }), "Supplied AttributeValue is empty"),
    ];
    for (value, said) in invalid {
        let message = lab.invalid("PutItem", put(json!({ "a": { "S": "1" }, "x": value }))).await;
        assert!(message.contains(said), "{value}: {message}");
    }
    let malformed = [
        (json!("text"), "Unexpected value type in payload"),
        (json!({ "S": 1 }), "NUMBER_VALUE cannot be converted to String"),
        (json!({ "N": 1 }), "NUMBER_VALUE cannot be converted to String"),
        (json!({ "BOOL": "true" }), "STRING_VALUE cannot be converted to Boolean"),
        (json!({ "L": {} }), "Unexpected field type"),
        (json!({ "B": "%" }), "Base64"),
    ];
    for (value, said) in malformed {
        let body = put(json!({ "a": { "S": "1" }, "x": value }));
        let refusal = lab.refused("PutItem", body).await;
        assert_eq!(refusal.code, "SerializationException", "{value}");
        assert!(refusal.message.contains(said), "{value}: {}", refusal.message);
    }
}

#[tokio::test]
async fn items_have_limits() {
    let lab = Lab::with_tables().await;
    let mut nested = json!({ "S": "x" });
    for _ in 0..32 {
        nested = json!({ "L": [nested] });
    }
    lab.ok("PutItem", put(json!({ "a": { "S": "1" }, "x": nested }))).await;
    let deeper = put(json!({ "a": { "S": "1" }, "x": { "L": [nested] } }));
    assert!(lab.invalid("PutItem", deeper).await.contains("nested levels beyond"));
    // Names count: 2 for the key, 1 for `x`.
    let of_size = |bytes: usize| put(json!({ "a": { "S": "1" }, "x": { "S": "y".repeat(bytes) } }));
    lab.ok("PutItem", of_size(400 * 1_024 - 3)).await;
    let message = lab.invalid("PutItem", of_size(400 * 1_024 - 2)).await;
    assert_eq!(message, "Item size has exceeded the maximum allowed size");
    let grow = json!({
        "TableName": "hash", "Key": { "a": { "S": "1" } }, "UpdateExpression": "SET y = :y",
        "ExpressionAttributeValues": { ":y": { "S": "y" } },
    });
    let message = lab.invalid("UpdateItem", grow).await;
    assert_eq!(message, "Item size to update has exceeded the maximum allowed size");
}

#[tokio::test]
async fn keys_must_fit_the_schema() {
    let lab = Lab::with_tables().await;
    let missing = lab.invalid("PutItem", put(json!({ "b": { "S": "1" } }))).await;
    assert!(missing.ends_with("Missing the key a in the item"), "{missing}");
    let mismatch = lab.invalid("PutItem", put(json!({ "a": { "N": "1" } }))).await;
    assert!(mismatch.ends_with("Type mismatch for key a expected: S actual: N"), "{mismatch}");
    let empty = lab.invalid("PutItem", put(json!({ "a": { "S": "" } }))).await;
    assert!(empty.contains("cannot contain an empty string value. Key: a"), "{empty}");
    lab.ok("PutItem", put(json!({ "a": { "S": "k".repeat(2_048) } }))).await;
    let long = lab.invalid("PutItem", put(json!({ "a": { "S": "k".repeat(2_049) } }))).await;
    assert!(
        long.contains("Size of hashkey has exceeded the maximum size limit of 2048 bytes"),
        "{long}"
    );
    lab.ok("CreateTable", table("text", &[("a", "S"), ("b", "S")])).await;
    let sort = |bytes: usize| {
        let item = json!({ "a": { "S": "1" }, "b": { "S": "k".repeat(bytes) } });
        json!({ "TableName": "text", "Item": item })
    };
    lab.ok("PutItem", sort(1_024)).await;
    let long = lab.invalid("PutItem", sort(1_025)).await;
    assert!(long.contains("limit of 1024 bytes"), "{long}");
    for key in [
        json!({}),
        json!({ "b": { "S": "1" } }),
        json!({ "a": { "N": "1" } }),
        json!({ "a": { "S": "1" }, "b": { "S": "1" } }),
    ] {
        let message = lab.invalid("GetItem", json!({ "TableName": "hash", "Key": key })).await;
        assert_eq!(message, "The provided key element does not match the schema");
    }
    let none = lab.refused("GetItem", json!({ "TableName": "none", "Key": {} })).await;
    assert_eq!(none.code, "ResourceNotFoundException");
    assert!(lab.invalid("PutItem", json!({})).await.starts_with("2 validation errors detected: "));
}

#[tokio::test]
async fn writes_return_what_they_are_asked_for() {
    let lab = Lab::with_tables().await;
    let inner = json!({ "x": { "N": "1" }, "y": { "N": "2" } });
    let item = json!({ "a": { "S": "1" }, "n": { "N": "1" }, "m": { "M": inner } });
    lab.ok("PutItem", put(item.clone())).await;
    let with = |returned: &str| {
        json!({
            "TableName": "hash", "Key": { "a": { "S": "1" } }, "ReturnValues": returned,
            "UpdateExpression": "SET m.x = m.x + :one ADD n :one",
            "ExpressionAttributeValues": { ":one": { "N": "1" } },
        })
    };
    let old = lab.ok("UpdateItem", with("UPDATED_OLD")).await;
    let part = json!({ "n": { "N": "1" }, "m": { "M": { "x": { "N": "1" } } } });
    assert_eq!(old["Attributes"], part, "only what the update names");
    let new = lab.ok("UpdateItem", with("UPDATED_NEW")).await;
    assert_eq!(
        new["Attributes"],
        json!({ "n": { "N": "3" }, "m": { "M": { "x": { "N": "3" } } } })
    );
    let all = lab.ok("UpdateItem", with("ALL_NEW")).await;
    assert_eq!(all["Attributes"], lab.item("1").await);
    let before = lab.item("1").await;
    assert_eq!(lab.ok("UpdateItem", with("ALL_OLD")).await["Attributes"], before);
    assert_eq!(lab.ok("UpdateItem", with("NONE")).await, json!({}));
    let mut again = put(item);
    again["ReturnValues"] = json!("ALL_NEW");
    assert_eq!(
        lab.invalid("PutItem", again.clone()).await,
        "ReturnValues can only be ALL_OLD or NONE"
    );
    again["ReturnValues"] = json!("SOME");
    assert!(
        lab.invalid("PutItem", again.clone())
            .await
            .contains("enum value set: [ALL_NEW, UPDATED_OLD")
    );
    again["ReturnValues"] = json!("ALL_OLD");
    again["ReturnConsumedCapacity"] = json!("TOTAL");
    let answer = lab.ok("PutItem", again).await;
    assert_eq!(answer["Attributes"]["n"], json!({ "N": "6" }));
    assert_eq!(answer["ConsumedCapacity"], json!({ "TableName": "hash", "CapacityUnits": 1.0 }));
    let delete =
        json!({ "TableName": "hash", "Key": { "a": { "S": "1" } }, "ReturnValues": "ALL_OLD" });
    assert!(lab.ok("DeleteItem", delete.clone()).await["Attributes"].is_object());
    assert_eq!(lab.ok("DeleteItem", delete).await, json!({}), "nothing was there");
}

#[tokio::test]
async fn a_condition_guards_a_write() {
    let lab = Lab::with_tables().await;
    let new = json!({
        "TableName": "hash", "Item": { "a": { "S": "1" }, "v": { "N": "1" } },
        "ConditionExpression": "attribute_not_exists(a)",
    });
    lab.ok("PutItem", new.clone()).await;
    let refusal = lab.refused("PutItem", new.clone()).await;
    assert_eq!(refusal.code, "ConditionalCheckFailedException");
    assert_eq!(refusal.message, "The conditional request failed");
    assert!(refusal.body.get("Item").is_none());
    let mut asked = new;
    asked["ReturnValuesOnConditionCheckFailure"] = json!("ALL_OLD");
    let refusal = lab.refused("PutItem", asked).await;
    assert_eq!(refusal.body["Item"], json!({ "a": { "S": "1" }, "v": { "N": "1" } }));
    let delete = json!({
        "TableName": "hash", "Key": { "a": { "S": "1" } }, "ConditionExpression": "v > :v",
        "ExpressionAttributeValues": { ":v": { "N": "1" } },
    });
    assert_eq!(lab.refused("DeleteItem", delete).await.code, "ConditionalCheckFailedException");
    let legacy = json!({ "TableName": "hash", "Key": { "a": { "S": "1" } }, "Expected": {} });
    assert!(lab.invalid("DeleteItem", legacy).await.contains("Expected is a legacy parameter"));
}
