//! Expressions: what they mean, and which AWS refuses.

use serde_json::{Value as Json, json};

use super::Lab;

fn item() -> Json {
    json!({
        "a": { "S": "1" }, "s": { "S": "hello" }, "n": { "N": "10" }, "b": { "B": "AQID" },
        "t": { "BOOL": true }, "z": { "NULL": true }, "ss": { "SS": ["x", "y"] },
        "l": { "L": [{ "N": "1" }, { "M": { "k": { "S": "deep" } } }] },
        "m": { "M": { "k": { "N": "5" }, "l": { "L": [{ "S": "p" }] } } },
    })
}

/// Whether the item meets a condition, with some values.
async fn holds(lab: &Lab, text: &str) -> bool {
    let values = json!({
        ":hello": { "S": "hello" }, ":he": { "S": "he" }, ":ten": { "N": "10.0" },
        ":nine": { "N": "9" }, ":twelve": { "N": "12" }, ":x": { "S": "x" }, ":S": { "S": "S" },
        ":one": { "N": "1" }, ":bytes": { "B": "AgM=" }, ":true": { "BOOL": true },
    });
    let used = values.as_object().expect("a map").iter();
    let whole = |key: &str| {
        text.match_indices(key)
            .any(|(at, _)| !text[at + key.len()..].starts_with(|c: char| c.is_ascii_alphanumeric()))
    };
    let used: serde_json::Map<String, Json> = used
        .filter(|(key, _)| whole(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let mut body = json!({ "TableName": "hash", "FilterExpression": text });
    if !used.is_empty() {
        body["ExpressionAttributeValues"] = Json::Object(used);
    }
    lab.ok("Scan", body).await["Count"] == 1
}

#[tokio::test]
async fn conditions_mean_what_aws_says() {
    let lab = Lab::with_tables().await;
    lab.ok("PutItem", json!({ "TableName": "hash", "Item": item() })).await;
    let truths = [
        "s = :hello",
        "n = :ten",
        "n >= :ten",
        "n > :nine",
        "n < :twelve",
        "n <> :nine",
        "n BETWEEN :nine AND :twelve",
        "n IN (:nine, :ten)",
        "s = :hello AND n = :ten",
        "s = :x OR n = :ten",
        "NOT s = :x",
        "not (s = :x or n = :nine)",
        "attribute_exists(m.k)",
        "attribute_not_exists(m.q)",
        "attribute_type(s, :S)",
        "begins_with(s, :he)",
        "contains(s, :he)",
        "contains(ss, :x)",
        "contains(l, :one)",
        "contains(b, :bytes)",
        "size(s) > size(l)",
        "size(s) < :ten",
        "l[0] = :one",
        "t = :true",
        "(n) = (:ten)",
        "absent <> :x",
        "s <> :ten",
        "l[1].k < :he OR s = :x",
        "attribute_exists(l[1].k)",
        "s = :x OR s = :hello AND n = :ten",
        "NOT s = :x AND n = :ten",
    ];
    for text in truths {
        assert!(holds(&lab, text).await, "{text}");
    }
    let lies = [
        "s = :x",
        "absent = :x",
        "n > :twelve",
        "n BETWEEN :twelve AND :twelve",
        "s < :ten",
        "attribute_exists(l[2])",
        "attribute_exists(s.k)",
        "begins_with(n, :he)",
        "contains(ss, :ten)",
        "NOT n = :ten",
        "size(n) > :one",
        "size(absent) < :ten",
        "absent IN (:x)",
        "attribute_type(n, :S)",
        "s = :x AND (n = :ten OR s = :hello)",
    ];
    for text in lies {
        assert!(!holds(&lab, text).await, "{text}");
    }
}

async fn refusal(lab: &Lab, text: &str, values: Json, names: Json) -> String {
    let mut body = json!({ "TableName": "hash", "FilterExpression": text });
    if !values.is_null() {
        body["ExpressionAttributeValues"] = values;
    }
    if !names.is_null() {
        body["ExpressionAttributeNames"] = names;
    }
    lab.invalid("Scan", body).await
}

#[tokio::test]
async fn wrong_conditions_are_refused() {
    let lab = Lab::with_tables().await;
    let syntax = [
        "things are not gonna be ok",
        "a > 4",
        "attribute_exists(Pictures-RearView)",
        "attribute_exists(\"Pictures.RearView\")",
        "attribute_exists(Pictures..RearView)",
        "a in b",
        "a > between",
        "a in (b,c,)",
        "#$.b > a",
        "a > :things.stuff",
        "b[:a] > a",
        "ü > a",
        "size(a).b > a",
        "(size(a)).b > a",
        "size(a)[0] > a",
        "a =",
        "a = b AND",
        "a",
        "(a = b",
        "a = b)",
        "attribute_exists(asdf[a])",
        "_a = b",
    ];
    for text in syntax {
        let said = refusal(&lab, text, Json::Null, Json::Null).await;
        assert!(said.starts_with("Invalid FilterExpression: Syntax error; "), "{text}: {said}");
    }
    let said = refusal(&lab, "a > 4", Json::Null, Json::Null).await;
    assert_eq!(said, "Invalid FilterExpression: Syntax error; token: \"4\", near: \"> 4\"");
    let cases = [
        ("a=b and c > ((views))", "The expression has redundant parentheses;"),
        ("a=b and whatever((:things)) > a", "Invalid function name; function: whatever"),
        ("attRIbute_exIsts(views)", "Invalid function name; function: attRIbute_exIsts"),
        ("size(things)", "not allowed to be used this way in an expression; function: size"),
        ("attribute_not_exists(things) > b", "this way in an expression; function: attribute_not"),
        (":a < abOrT", "Attribute name is a reserved keyword; reserved keyword: abOrT"),
        ("status = :a", "Attribute name is a reserved keyword; reserved keyword: status"),
        ("#4g > a", "used in the document path is not defined; attribute name: #4g"),
        (":_ > a", "used in expression is not defined; attribute value: :_"),
        ("attribute_exists(things, a)", "attribute_exists, number of operands: 2"),
        ("begins_with(things)", "operator or function: begins_with, number of operands: 1"),
        ("a = a", "operator: =, first operand: [a]"),
        ("contains(ab.bc[1].a, ab.bc[1].a)", "operator: contains, first operand: [ab, bc, [1], a]"),
        ("", "The expression can not be empty;"),
    ];
    for (text, wanted) in cases {
        let said = refusal(&lab, text, Json::Null, Json::Null).await;
        assert!(said.starts_with("Invalid FilterExpression: "), "{said}");
        assert!(said.ends_with(wanted) || said.contains(wanted), "{text}: {said}");
    }
}

#[tokio::test]
async fn operands_of_wrong_types_are_refused() {
    let lab = Lab::with_tables().await;
    let typed = [
        ("begins_with(x, :a)", json!({ "N": "1" }), "function: begins_with, operand type: N"),
        ("size(:a) > x", json!({ "BOOL": true }), "function: size, operand type: BOOL"),
        ("attribute_type(x, :a)", json!({ "N": "1" }), "function: attribute_type, operand type: N"),
        (
            "attribute_type(x, :a)",
            json!({ "S": "1" }),
            "Invalid attribute type name found; type: 1",
        ),
        ("attribute_exists(:a)", json!({ "S": "1" }), "requires a document path; operator or"),
        ("x < :a", json!({ "L": [] }), "operator or function: <, operand type: L"),
    ];
    for (text, value, wanted) in typed {
        let said = refusal(&lab, text, json!({ ":a": value }), Json::Null).await;
        assert!(said.contains(wanted), "{text}: {said}");
    }
    let values = json!({ ":a": { "N": "2" }, ":b": { "N": "1" } });
    let said = refusal(&lab, "x BETWEEN :a AND :b", values, Json::Null).await;
    assert!(said.contains("requires upper bound to be greater than or equal to lower"), "{said}");
}

#[tokio::test]
async fn placeholders_must_be_defined_and_used() {
    let lab = Lab::with_tables().await;
    let one = |key: &str, value: Json| json!({ key: value });
    let text = "attribute_exists(x)";
    let cases = [
        (Json::Null, json!({}), "ExpressionAttributeNames must not be empty"),
        (json!({}), Json::Null, "ExpressionAttributeValues must not be empty"),
        (Json::Null, one("a", json!("a")), "contains invalid key: Syntax error; key: \"a\""),
        (Json::Null, one("#a", json!("")), "Empty attribute name for key #a"),
        (
            one("a", json!({ "S": "" })),
            Json::Null,
            "contains invalid key: Syntax error; key: \"a\"",
        ),
        (
            one(":a", json!({})),
            Json::Null,
            "must contain exactly one of the supported datatypes for key :a",
        ),
        (one(":a", json!({ "SS": [] })), Json::Null, "An string set  may not be empty for key :a"),
        (Json::Null, one("#a", json!("a")), "Names unused in expressions: keys: {#a}"),
        (one(":a", json!({ "S": "" })), Json::Null, "Values unused in expressions: keys: {:a}"),
    ];
    for (values, names, wanted) in cases {
        let said = refusal(&lab, text, values, names).await;
        assert!(said.contains(wanted), "{said}");
    }
    let body = json!({ "TableName": "hash", "ExpressionAttributeNames": { "#a": "a" } });
    let said = lab.invalid("Scan", body).await;
    assert_eq!(said, "ExpressionAttributeNames can only be specified when using expressions");
    let large = json!({ ":a": { "S": "x".repeat(2 * 1_024 * 1_024) } });
    assert!(refusal(&lab, "x = :a", large, Json::Null).await.contains("2 MB"));
}

#[tokio::test]
async fn expressions_have_limits() {
    let lab = Lab::with_tables().await;
    let of_length = |bytes: usize| format!("attribute_exists({})", "x".repeat(bytes - 18));
    lab.ok("Scan", json!({ "TableName": "hash", "FilterExpression": of_length(4_096) })).await;
    let said = refusal(&lab, &of_length(4_097), Json::Null, Json::Null).await;
    assert_eq!(
        said,
        "Invalid FilterExpression: Expression size has exceeded the maximum allowed \
                      size; expression size: 4097"
    );
    let sums = |count: usize| {
        let parts: Vec<String> = (0..count).map(|at| format!("x{at}=y+:v")).collect();
        json!({
            "TableName": "hash", "Key": { "a": { "S": "1" } },
            "UpdateExpression": format!("SET {}", parts.join(",")),
            "ExpressionAttributeValues": { ":v": { "N": "1" } },
        })
    };
    let before = json!({ "a": { "S": "1" }, "y": { "N": "1" } });
    lab.ok("PutItem", json!({ "TableName": "hash", "Item": before })).await;
    lab.ok("UpdateItem", sums(300)).await;
    let said = lab.invalid("UpdateItem", sums(301)).await;
    assert!(said.ends_with("contains too many operators; operator count: 301"), "{said}");
    let list = |count: usize| {
        let keys: Vec<String> = (0..count).map(|at| format!(":{at}")).collect();
        let values = keys.iter().map(|key| (key.clone(), json!({ "S": "x" })));
        let values: serde_json::Map<String, Json> = values.collect();
        (format!("x IN ({})", keys.join(",")), Json::Object(values))
    };
    let (text, values) = list(100);
    let mut scan = json!({ "TableName": "hash", "FilterExpression": text });
    scan["ExpressionAttributeValues"] = values;
    lab.ok("Scan", scan).await;
    let (text, values) = list(101);
    let said = refusal(&lab, &text, values, Json::Null).await;
    assert!(said.contains("operator or function: IN, number of operands: 102"), "{said}");
    let deep = format!("{}a = b{}", "(NOT ".repeat(800), ")".repeat(800));
    let said = refusal(&lab, &deep[..4_000.min(deep.len())], Json::Null, Json::Null).await;
    assert!(said.starts_with("Invalid FilterExpression: "), "{said}");
}

/// The item of `hash` after an update.
async fn updated(lab: &Lab, text: &str, values: Json) -> Json {
    lab.ok("PutItem", json!({ "TableName": "hash", "Item": item() })).await;
    lab.ok("UpdateItem", update(text, values)).await;
    lab.item("1").await
}

fn update(text: &str, values: Json) -> Json {
    let mut body =
        json!({ "TableName": "hash", "Key": { "a": { "S": "1" } }, "UpdateExpression": text });
    if !values.is_null() {
        body["ExpressionAttributeValues"] = values;
    }
    body
}

#[tokio::test]
async fn updates_do_what_aws_says() {
    let lab = Lab::with_tables().await;
    let one = || json!({ ":v": { "N": "1" } });
    let n = |text: &str| json!({ "N": text });
    assert_eq!(updated(&lab, "SET n = n + :v", one()).await["n"], n("11"));
    assert_eq!(updated(&lab, "SET n = :v - n", one()).await["n"], n("-9"));
    assert_eq!(updated(&lab, "set x = if_not_exists(q, :v)", one()).await["x"], n("1"));
    assert_eq!(updated(&lab, "SET n = if_not_exists(n, :v) + :v", one()).await["n"], n("11"));
    assert_eq!(updated(&lab, "SET m.k = :v, m.z = n", one()).await["m"]["M"]["z"], n("10"));
    assert_eq!(
        updated(&lab, "SET l[0] = n, l[9] = :v, l[7] = m.k", one()).await["l"]["L"],
        json!([n("10"), { "M": { "k": { "S": "deep" } } }, n("5"), n("1")])
    );
    let more = json!({ ":v": { "L": [{ "N": "1" }] } });
    let list = updated(&lab, "SET m.l = list_append(:v, m.l)", more).await;
    assert_eq!(list["m"]["M"]["l"]["L"], json!([n("1"), { "S": "p" }]));
    let swapped = updated(&lab, "SET n = s, s = n", Json::Null).await;
    assert_eq!((&swapped["n"], &swapped["s"]), (&json!({ "S": "hello" }), &n("10")));
    let removed = updated(&lab, "REMOVE l[0], l[1], m.k, z, q, l[7]", Json::Null).await;
    assert_eq!((&removed["l"], removed.get("z")), (&json!({ "L": [] }), None));
    assert_eq!(removed["m"]["M"].get("k"), None);
    assert_eq!(updated(&lab, "ADD n :v, fresh :v", one()).await["fresh"], n("1"));
    let set = json!({ ":v": { "SS": ["y", "w"] } });
    assert_eq!(updated(&lab, "ADD ss :v", set.clone()).await["ss"]["SS"], json!(["w", "x", "y"]));
    assert_eq!(updated(&lab, "DELETE ss :v", set).await["ss"]["SS"], json!(["x"]));
    let all = json!({ ":v": { "SS": ["x", "y"] } });
    assert_eq!(updated(&lab, "DELETE ss :v", all).await.get("ss"), None, "an empty set is none");
    let made = json!({
        "TableName": "hash", "Key": { "a": { "S": "new" } }, "UpdateExpression": "SET #n = :v",
        "ExpressionAttributeValues": one(), "ExpressionAttributeNames": { "#n": "name" },
    });
    lab.ok("UpdateItem", made).await;
    assert_eq!(lab.item("new").await, json!({ "a": { "S": "new" }, "name": { "N": "1" } }));
    lab.ok("UpdateItem", json!({ "TableName": "hash", "Key": { "a": { "S": "bare" } } })).await;
    assert_eq!(lab.item("bare").await, json!({ "a": { "S": "bare" } }));
}

#[tokio::test]
async fn wrong_updates_are_refused() {
    let lab = Lab::with_tables().await;
    lab.ok("PutItem", json!({ "TableName": "hash", "Item": item() })).await;
    let syntax = [
        "whatever",
        "set s",
        "add s",
        "delete s",
        "set s=set",
        "remove s = b",
        "add s = b",
        "delete s b",
        "set s b",
        "set :a = b",
        "remove :a",
        "set s = b / c",
        "set s[1] = 1",
        "set s = b + c + d",
        "set (s = b)",
        "set s = (b.c).d + e",
        "remove s,",
    ];
    for text in syntax {
        let said = lab.invalid("UpdateItem", update(text, Json::Null)).await;
        assert!(said.starts_with("Invalid UpdateExpression: Syntax error; "), "{text}: {said}");
    }
    let cases = [
        ("", "The expression can not be empty;"),
        ("set abOrt = s", "reserved keyword: abOrt"),
        ("set x = s set y = s", "The \"SET\" section can only be used once"),
        ("set x = nope(s)", "Invalid function name; function: nope"),
        ("set x = if_not_exists(s)", "operator or function: if_not_exists, number of operands: 1"),
        (
            "set m.k = s, m = s",
            "Two document paths overlap with each other; must remove or \
                                rewrite one of these paths; path one: [m, k], path two: [m]",
        ),
        ("remove n set n = s", "path one: [n], path two: [n]"),
        (
            "remove m.k set m[1] = s",
            "Two document paths conflict with each other; must remove or \
                                     rewrite one of these paths; path one: [m, k], \
             path two: [m, [1]]",
        ),
        ("set a = s", "Cannot update attribute a. This attribute is part of the key"),
        ("remove a.b", "Cannot update attribute a. This attribute is part of the key"),
        ("set x = q", "refers to an attribute that does not exist in the item"),
        ("set q.r = s", "document path provided in the update expression is invalid for update"),
        ("set s.r = n", "document path provided in the update expression is invalid for update"),
        ("remove q.r", "document path provided in the update expression is invalid for update"),
        ("set x = s + n", "An operand in the update expression has an incorrect data type"),
    ];
    for (text, wanted) in cases {
        let said = lab.invalid("UpdateItem", update(text, Json::Null)).await;
        assert!(said.contains(wanted), "{text}: {said}");
    }
}

#[tokio::test]
async fn operands_of_an_update_have_types() {
    let lab = Lab::with_tables().await;
    lab.ok("PutItem", json!({ "TableName": "hash", "Item": item() })).await;
    let typed = [
        ("add x :v", json!({ "S": "1" }), "operator: ADD, operand type: STRING"),
        ("delete x :v", json!({ "N": "1" }), "operator: DELETE, operand type: NUMBER"),
        ("set x = list_append(l, :v)", json!({ "S": "1" }), "list_append, operand type: S"),
        ("set x = n + :v", json!({ "S": "1" }), "operator or function: +, operand type: S"),
        ("add s :v", json!({ "N": "1" }), "An operand in the update expression has an incorrect"),
        ("delete ss :v", json!({ "NS": ["1"] }), "An operand in the update expression has an"),
        ("set x = :v + n", json!({ "N": "1e100" }), "more than 38 significant digits"),
    ];
    for (text, value, wanted) in typed {
        let said = lab.invalid("UpdateItem", update(text, json!({ ":v": value }))).await;
        assert!(said.contains(wanted), "{text}: {said}");
    }
    assert_eq!(lab.item("1").await["s"], json!({ "S": "hello" }), "nothing was written");
}

#[tokio::test]
async fn projections_take_parts() {
    let lab = Lab::with_tables().await;
    lab.ok("PutItem", json!({ "TableName": "hash", "Item": item() })).await;
    let get = |text: &str| {
        let key = json!({ "a": { "S": "1" } });
        json!({ "TableName": "hash", "Key": key, "ProjectionExpression": text })
    };
    let found = lab.ok("GetItem", get("s, m.l[0], l[1].k, q")).await;
    assert_eq!(
        found["Item"],
        json!({
            "s": { "S": "hello" }, "m": { "M": { "l": { "L": [{ "S": "p" }] } } },
            "l": { "L": [{ "M": { "k": { "S": "deep" } } }] },
        })
    );
    let said = lab.invalid("GetItem", get("m, m.k")).await;
    assert!(said.starts_with("Invalid ProjectionExpression: Two document paths overlap"), "{said}");
    assert!(lab.invalid("GetItem", get("name")).await.contains("reserved keyword: name"));
    assert!(lab.invalid("GetItem", get("s,")).await.contains("Syntax error; token: \"<EOF>\""));
}
