//! What a table with items holds.

use super::PAGE;
use crate::service::aws::clients::Clients;
use crate::service::aws::tried::tried;
use crate::service::inspect::{Shown, paged};
use crate::service::physical_name;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dsl::plan::PlanResource;
use dsl::value::Value;
use engine::fault::Fault;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::runtime::Runtime;

type Item = HashMap<String, AttributeValue>;
/// Where a scan goes on; `Begin` is no place yet.
enum Place {
    Begin,
    After(Item),
    /// The last row of the last page.
    End,
}

/// The items of a table: its key fields, then the other attributes as one JSON object.
pub fn show(
    runtime: Arc<Runtime>,
    clients: Clients,
    resource: &PlanResource,
) -> Result<Shown, Fault> {
    let table = physical_name(resource)?.to_owned();
    let keys = resource.key.clone();
    let mut columns = keys.clone();
    columns.push("item".into());
    let what = format!("scan table `{table}`");
    let rows = paged(Place::Begin, move |place| {
        let mut from = match place {
            Place::Begin => None,
            Place::After(item) => Some(item.clone()),
            Place::End => return Ok(Vec::new()),
        };
        loop {
            let page = runtime.block_on(tried(&what, || {
                let scan = clients.dynamodb.scan().table_name(&table).limit(PAGE);
                scan.set_exclusive_start_key(from.clone()).send()
            }))?;
            let last = page.last_evaluated_key.filter(|key| !key.is_empty());
            let items = page.items.unwrap_or_default();
            // A page may be empty although there are more.
            if items.is_empty() && last.is_some() {
                from = last;
                continue;
            }
            let behind = || last.clone().map_or(Place::End, Place::After);
            return Ok(items.into_iter().map(|item| (behind(), row(item, &keys))).collect());
        }
    });
    Ok(Shown { columns, rows })
}

fn row(mut item: Item, keys: &[String]) -> Vec<Value> {
    let key = |item: &mut Item, name: &String| match item.remove(name) {
        Some(AttributeValue::S(text)) => Value::Text(text),
        Some(AttributeValue::N(number)) => match number.parse() {
            Ok(int) => Value::Int(int),
            Err(_) => Value::Text(number),
        },
        Some(other) => Value::Text(json(&other)),
        None => Value::Null,
    };
    let mut values: Vec<Value> = keys.iter().map(|name| key(&mut item, name)).collect();
    values.push(Value::Text(object(&item)));
    values
}

fn object(item: &Item) -> String {
    let mut names: Vec<&String> = item.keys().collect();
    names.sort();
    let field = |name: &&String| format!("{}:{}", quoted(name), json(&item[*name]));
    format!("{{{}}}", names.iter().map(field).collect::<Vec<_>>().join(","))
}

/// An attribute as JSON. Numbers keep all their digits.
fn json(value: &AttributeValue) -> String {
    let list = |items: Vec<String>| format!("[{}]", items.join(","));
    match value {
        AttributeValue::S(text) => quoted(text),
        AttributeValue::N(number) => number.clone(),
        AttributeValue::Bool(bool) => bool.to_string(),
        AttributeValue::B(bytes) => quoted(&STANDARD.encode(bytes.as_ref())),
        AttributeValue::L(items) => list(items.iter().map(json).collect()),
        AttributeValue::M(fields) => object(fields),
        AttributeValue::Ss(texts) => list(texts.iter().map(|text| quoted(text)).collect()),
        AttributeValue::Ns(numbers) => list(numbers.clone()),
        _ => "null".into(),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_shown_as_its_key_and_json() {
        let number = |text: &str| AttributeValue::N(text.into());
        let stock = AttributeValue::M([("Price".to_owned(), number("2.550"))].into());
        let item: Item = [
            ("id".to_owned(), AttributeValue::S("a".into())),
            ("n".to_owned(), number("7")),
            ("b".to_owned(), stock),
            ("a".to_owned(), AttributeValue::Null(true)),
        ]
        .into();
        let shown = row(item, &["id".into(), "n".into(), "gone".into()]);
        let text = |text: &str| Value::Text(text.into());
        let rest = text(r#"{"a":null,"b":{"Price":2.550}}"#);
        assert_eq!(shown, [text("a"), Value::Int(7), Value::Null, rest]);
    }
}
