//! BatchWriteItem and BatchGetItem.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::call::{Call, Capacity};
use super::error::{Error, validation};
use super::json::Members;
use super::parser::{Placeholders, projection};
use super::read::{kept, read_factor};
use super::table::Key;
use super::value::{Item, item_from_json, item_size_bytes};
use super::write::check_item_size;

/// The most writes of a batch.
const WRITES_MAX: usize = 25;
/// The most keys of a batch.
const READS_MAX: usize = 100;
/// What a batch may write or read, in bytes.
const BATCH_BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// A put or a delete.
enum One {
    Put(Item),
    Delete(Item),
}

fn required_items<'a>(
    members: &mut Members<'a>,
    most: usize,
) -> Result<&'a Map<String, Json>, Error> {
    let Some(items) = members.object("RequestItems")? else {
        members.missing("RequestItems");
        return Err(members.check().err().unwrap_or_else(|| validation("RequestItems")));
    };
    let of = "at 'requestItems' failed to satisfy constraint:";
    if items.is_empty() {
        members
            .broke(format!("Value '{{}}' {of} Member must have length greater than or equal to 1"));
    }
    for (table, list) in items {
        members.constrain_name("requestItems", table);
        if let Some(list) = list.as_array()
            && !(1..=most).contains(&list.len())
        {
            members.broke(format!(
                "Value '{{{table}=[…]}}' {of} Map value must satisfy constraint: [Member must have \
                 length less than or equal to {most}, Member must have length greater than or \
                 equal to 1]"
            ));
        }
    }
    members.check()?;
    Ok(items)
}

fn read_one(json: &Json) -> Result<One, Error> {
    let members = Members::of(json)?;
    let item = |name: &str, inner: &str| -> Result<Option<Item>, Error> {
        let Some(json) = members.get(name) else { return Ok(None) };
        let mut members = Members::of(json)?;
        let item = members.item(inner)?;
        if item.is_none() {
            members.missing(inner);
        }
        members.check()?;
        Ok(item)
    };
    match (item("PutRequest", "Item")?, item("DeleteRequest", "Key")?) {
        (Some(item), None) => Ok(One::Put(item)),
        (None, Some(key)) => Ok(One::Delete(key)),
        _ => Err(validation(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of \
             the supported datatypes",
        )),
    }
}

/// A write that will be done: table, key, item or none, and its JSON if it must be sent again.
type Planned = (String, Key, Option<Arc<Item>>, Json);

impl Call<'_> {
    pub(super) fn batch_write_item(&mut self, body: &Json) -> Result<Json, Error> {
        let mut members = Members::of(body)?;
        let mut capacity = Capacity::of(&mut members)?;
        members.one_of("ReturnItemCollectionMetrics", &["SIZE", "NONE"], "NONE")?;
        let tables = required_items(&mut members, WRITES_MAX)?;
        let planned = self.plan(tables)?;
        self.tally.entries = planned.len() as u64;
        let mut left: BTreeMap<String, Vec<Json>> = BTreeMap::new();
        for (name, key, item, json) in planned {
            if self.faults.any_entry() && self.faults.entry_fails(&json.to_string()).is_some() {
                self.tally.entries_failed += 1;
                left.entry(name).or_default().push(json);
                continue;
            }
            let table = self.table(&name)?;
            let before = table.items.get(&key).map_or(0, |item| item_size_bytes(item));
            let after = item.as_ref().map_or(0, |item| item_size_bytes(item));
            capacity.write(&name, before.max(after), 1.0);
            match item {
                Some(item) => table.items.insert(key, item),
                None => table.items.remove(&key),
            };
        }
        let mut answer = Map::new();
        answer.insert("UnprocessedItems".into(), json!(left));
        capacity.add_all(&mut answer);
        Ok(Json::Object(answer))
    }

    /// Reads all writes; one that is wrong refuses the whole batch.
    fn plan(&mut self, tables: &Map<String, Json>) -> Result<Vec<Planned>, Error> {
        let mut writes = Vec::new();
        for (name, list) in tables {
            let wrong = || super::error::serialization("Unexpected field type");
            for json in list.as_array().ok_or_else(wrong)? {
                writes.push((name.clone(), read_one(json)?, json.clone()));
            }
        }
        if writes.len() > WRITES_MAX {
            return Err(validation("Too many items requested for the BatchWriteItem call"));
        }
        let size = |one: &One| match one {
            One::Put(item) | One::Delete(item) => item_size_bytes(item),
        };
        if writes.iter().map(|(_, one, _)| size(one)).sum::<usize>() > BATCH_BYTES_MAX {
            return Err(validation("Batch write size has exceeded the maximum allowed size"));
        }
        for (_, one, _) in &writes {
            if let One::Put(item) = one {
                check_item_size(item)?;
            }
        }
        let mut seen = BTreeSet::new();
        let mut planned = Vec::new();
        for (name, one, json) in writes {
            let table = self.table(&name)?;
            let (key, item) = match one {
                One::Put(item) => (table.key_of_item(&item)?, Some(Arc::new(item))),
                One::Delete(key) => (table.key_of(&key)?, None),
            };
            if !seen.insert((name.clone(), key.clone())) {
                return Err(validation("Provided list of item keys contains duplicates"));
            }
            planned.push((name, key, item, json));
        }
        Ok(planned)
    }

    pub(super) fn batch_get_item(&mut self, body: &Json) -> Result<Json, Error> {
        let mut members = Members::of(body)?;
        let mut capacity = Capacity::of(&mut members)?;
        let tables = required_items(&mut members, READS_MAX)?;
        let mut asked = 0;
        for json in tables.values() {
            asked += json["Keys"].as_array().map_or(0, Vec::len);
        }
        if asked > READS_MAX {
            return Err(validation("Too many items requested for the BatchGetItem call"));
        }
        self.tally.entries = asked as u64;
        let mut responses = Map::new();
        let mut left = Map::new();
        let mut bytes = 0;
        for (name, json) in tables {
            let found = self.get_all(name, json, &mut bytes, &mut capacity)?;
            let (items, unread) = found;
            responses.insert(name.clone(), Json::Array(items));
            if !unread.is_empty() {
                let mut again = json.clone();
                again["Keys"] = Json::Array(unread);
                left.insert(name.clone(), again);
            }
        }
        let mut answer = Map::new();
        answer.insert("Responses".into(), Json::Object(responses));
        answer.insert("UnprocessedKeys".into(), Json::Object(left));
        capacity.add_all(&mut answer);
        Ok(Json::Object(answer))
    }

    /// The items of one table, and the keys that are left for another call.
    fn get_all(
        &mut self,
        name: &str,
        json: &Json,
        bytes: &mut usize,
        capacity: &mut Capacity,
    ) -> Result<(Vec<Json>, Vec<Json>), Error> {
        let mut members = Members::of(json)?;
        let keys = members.list("Keys")?;
        if keys.is_none_or(|keys| keys.is_empty()) {
            members.missing("Keys");
        }
        members.check()?;
        members.refuse_legacy(&["AttributesToGet"])?;
        let factor = read_factor(members.boolean("ConsistentRead")?.unwrap_or(false));
        let text = members.string("ProjectionExpression")?;
        let names = members.object("ExpressionAttributeNames")?;
        let placeholders = Placeholders::read(names, None, text.is_some())?;
        let paths = text.map(|text| projection(text, &placeholders)).transpose()?;
        placeholders.check_used()?;
        let mut wanted = Vec::new();
        let mut seen = BTreeSet::new();
        for json in keys.into_iter().flatten() {
            let wrong = || super::error::serialization("Unexpected field type");
            let key = item_from_json(json.as_object().ok_or_else(wrong)?)?;
            let key = self.table(name)?.key_of(&key)?;
            if !seen.insert(key.clone()) {
                return Err(validation("Provided list of item keys contains duplicates"));
            }
            wanted.push((key, json));
        }
        let (mut items, mut unread) = (Vec::new(), Vec::new());
        for (key, json) in wanted {
            let fails =
                self.faults.any_entry() && self.faults.entry_fails(&json.to_string()).is_some();
            self.tally.entries_failed += u64::from(fails);
            let item = self.table(name)?.items.get(&key).cloned();
            let size = item.as_ref().map_or(0, |item| item_size_bytes(item));
            if fails || *bytes + size > BATCH_BYTES_MAX {
                unread.push(json.clone());
                continue;
            }
            *bytes += size;
            capacity.read(name, size, factor);
            items.extend(item.map(|item| kept(&item, &paths)));
        }
        Ok((items, unread))
    }
}
