//! PutItem, UpdateItem and DeleteItem; a transaction uses the same changes.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::call::{Call, Capacity};
use super::condition::{Condition, condition};
use super::error::{Error, invalid_parameter, validation};
use super::json::Members;
use super::parser::Placeholders;
use super::path::{Path, project};
use super::table::{Key, Table};
use super::update::Update;
use super::value::{Item, check_depth, item_json, item_size_bytes};

/// The largest item with its names, in bytes.
pub(super) const ITEM_BYTES_MAX: usize = 400 * 1_024;

/// What `ReturnValues` of the model says, in AWS's order.
const RETURN_VALUES: [&str; 5] = ["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"];
/// The parameters that expressions replaced.
const LEGACY: [&str; 3] = ["Expected", "ConditionalOperator", "AttributeUpdates"];

/// What a write does to its item.
#[derive(Debug)]
pub(super) enum Change {
    /// The item in its place.
    Put(Item),
    /// Changed, or made of the key.
    Update(Item, Option<Update>),
    /// Taken away.
    Delete(Item),
    /// Only looked at.
    Check(Item),
}

/// A write of one item, read from its request.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) table: String,
    pub(super) change: Change,
    pub(super) condition: Option<Condition>,
    /// The item stands in the refusal of its condition.
    pub(super) item_on_refusal: bool,
}

/// The item before and after a write.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) before: Option<Arc<Item>>,
    pub(super) after: Option<Arc<Item>>,
}

impl Write {
    /// Reads the common parameters of the write `operation`.
    pub(super) fn read(operation: &str, members: &mut Members<'_>) -> Result<Write, Error> {
        let table = members.table_name()?;
        let of = if operation == "PutItem" { "Item" } else { "Key" };
        let item = members.item(of)?;
        if item.is_none() {
            members.missing(of);
        }
        let on_refusal =
            members.one_of("ReturnValuesOnConditionCheckFailure", &["ALL_OLD", "NONE"], "NONE")?;
        members.check()?;
        members.refuse_legacy(&LEGACY)?;
        let condition_text = members.string("ConditionExpression")?;
        let update_text = match operation {
            "UpdateItem" => members.string("UpdateExpression")?,
            _ => None,
        };
        let placeholders = Placeholders::read(
            members.object("ExpressionAttributeNames")?,
            members.object("ExpressionAttributeValues")?,
            condition_text.is_some() || update_text.is_some(),
        )?;
        let update = update_text.map(|text| Update::parse(text, &placeholders)).transpose()?;
        let condition = condition_text
            .map(|text| condition("ConditionExpression", text, &placeholders))
            .transpose()?;
        placeholders.check_used()?;
        let item = item.unwrap_or_default();
        let change = match operation {
            "PutItem" => Change::Put(item),
            "UpdateItem" => Change::Update(item, update),
            "DeleteItem" => Change::Delete(item),
            _ => Change::Check(item),
        };
        let item_on_refusal = on_refusal == "ALL_OLD";
        if let Change::Put(item) = &change {
            check_item_size(item)?;
        }
        Ok(Write { table, change, condition, item_on_refusal })
    }

    /// The key of the item it writes.
    pub(super) fn key(&self, table: &Table) -> Result<Key, Error> {
        match &self.change {
            Change::Put(item) => table.key_of_item(item),
            Change::Update(key, update) => {
                let names = table.key_names();
                let paths = update.iter().flat_map(|update| &update.paths);
                for path in paths {
                    if names.contains(&path.attribute()) {
                        return Err(invalid_parameter(format!(
                            "Cannot update attribute {}. This attribute is part of the key",
                            path.attribute()
                        )));
                    }
                }
                table.key_of(key)
            }
            Change::Delete(key) | Change::Check(key) => table.key_of(key),
        }
    }

    /// What it makes of the table's item, nothing written yet.
    pub(super) fn outcome(&self, table: &Table, key: &Key) -> Result<Outcome, Error> {
        let before = table.items.get(key).cloned();
        let absent = Item::new();
        let old = before.as_deref().unwrap_or(&absent);
        if self.condition.as_ref().is_some_and(|condition| !condition.holds(old)) {
            let mut error =
                Error::new("ConditionalCheckFailedException", "The conditional request failed");
            if let Some(item) = before.as_ref().filter(|_| self.item_on_refusal) {
                error.more.push(("Item", item_json(item)));
            }
            return Err(error);
        }
        let after = match &self.change {
            Change::Put(item) => Some(Arc::new(item.clone())),
            Change::Delete(_) => None,
            Change::Check(_) => before.clone(),
            Change::Update(key, update) => {
                let base = if before.is_some() { old } else { key };
                let item = match update {
                    Some(update) => update.apply(base)?,
                    None => base.clone(),
                };
                check_depth(&item)?;
                if item_size_bytes(&item) > ITEM_BYTES_MAX {
                    return Err(validation(
                        "Item size to update has exceeded the maximum allowed size",
                    ));
                }
                Some(Arc::new(item))
            }
        };
        Ok(Outcome { before, after })
    }
}

impl Outcome {
    /// The bytes that capacity is counted by.
    pub(super) fn size_bytes(&self) -> usize {
        let size = |item: &Option<Arc<Item>>| item.as_ref().map_or(0, |item| item_size_bytes(item));
        size(&self.before).max(size(&self.after))
    }

    /// Puts the item into its table, or takes it away.
    pub(super) fn store(self, table: &mut Table, key: Key) {
        match self.after {
            Some(item) => table.items.insert(key, item),
            None => table.items.remove(&key),
        };
    }
}

/// Refuses an item to put that is too large.
pub(super) fn check_item_size(item: &Item) -> Result<(), Error> {
    match item_size_bytes(item) > ITEM_BYTES_MAX {
        true => Err(validation("Item size has exceeded the maximum allowed size")),
        false => Ok(()),
    }
}

impl Call<'_> {
    pub(super) fn put_item(&mut self, body: &Json) -> Result<Json, Error> {
        self.write("PutItem", body)
    }

    pub(super) fn update_item(&mut self, body: &Json) -> Result<Json, Error> {
        self.write("UpdateItem", body)
    }

    pub(super) fn delete_item(&mut self, body: &Json) -> Result<Json, Error> {
        self.write("DeleteItem", body)
    }

    fn write(&mut self, operation: &str, body: &Json) -> Result<Json, Error> {
        self.tally.entries = 1;
        let mut members = Members::of(body)?;
        let mut capacity = Capacity::of(&mut members)?;
        let returned = members.one_of("ReturnValues", &RETURN_VALUES, "NONE")?;
        members.one_of("ReturnItemCollectionMetrics", &["SIZE", "NONE"], "NONE")?;
        let write = Write::read(operation, &mut members)?;
        if operation != "UpdateItem" && !["ALL_OLD", "NONE"].contains(&returned) {
            return Err(validation("ReturnValues can only be ALL_OLD or NONE"));
        }
        let table = self.table(&write.table)?;
        let key = write.key(table)?;
        let outcome = write.outcome(table, &key)?;
        capacity.write(&write.table, outcome.size_bytes(), 1.0);
        let attributes = match (returned, &write.change) {
            ("ALL_OLD", _) => outcome.before.as_deref().cloned(),
            ("ALL_NEW", _) => outcome.after.as_deref().cloned(),
            ("UPDATED_OLD", Change::Update(_, update)) => updated(&outcome.before, update),
            ("UPDATED_NEW", Change::Update(_, update)) => updated(&outcome.after, update),
            _ => None,
        };
        outcome.store(table, key);
        let mut answer = Map::new();
        if let Some(attributes) = attributes.filter(|attributes| !attributes.is_empty()) {
            answer.insert("Attributes".into(), item_json(&attributes));
        }
        capacity.add_one(&mut answer);
        Ok(Json::Object(answer))
    }
}

/// The parts of an item that an update names.
fn updated(item: &Option<Arc<Item>>, update: &Option<Update>) -> Option<Item> {
    let paths: &[Path] = update.as_ref().map_or(&[], |update| &update.paths);
    Some(project(item.as_deref()?, paths))
}
