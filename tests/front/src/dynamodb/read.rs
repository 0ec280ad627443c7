//! GetItem, Query and Scan.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::call::{Call, Capacity};
use super::condition::{Condition, condition};
use super::error::{Error, validation};
use super::json::Members;
use super::key_condition::{KeyCondition, attributes};
use super::parser::{Placeholders, projection};
use super::path::{Path, project};
use super::table::{Key, Table};
use super::value::{Item, item_json, item_size_bytes};

/// What a page of Query or Scan reads at most, in bytes.
const PAGE_BYTES_MAX: usize = 1_024 * 1_024;
/// The parameters that expressions replaced.
const LEGACY: [&str; 5] =
    ["AttributesToGet", "KeyConditions", "QueryFilter", "ScanFilter", "ConditionalOperator"];

/// What is kept of the items that are read.
struct Reader {
    filter: Option<Condition>,
    projection: Option<Vec<Path>>,
    count_only: bool,
    limit: usize,
}

/// What was read.
struct Page {
    items: Vec<Json>,
    count: usize,
    scanned: usize,
    bytes: usize,
    /// The key to go on from.
    last: Option<Item>,
}

impl Reader {
    fn page<'a>(
        &self,
        table: &Table,
        walk: impl Iterator<Item = (&'a Key, &'a Arc<Item>)>,
    ) -> Page {
        let mut page = Page { items: Vec::new(), count: 0, scanned: 0, bytes: 0, last: None };
        for (_, item) in walk {
            page.scanned += 1;
            page.bytes += item_size_bytes(item);
            if self.filter.as_ref().is_none_or(|filter| filter.holds(item)) {
                page.count += 1;
                if !self.count_only {
                    page.items.push(kept(item, &self.projection));
                }
            }
            // Like AWS, a full page names a key although nothing may come after it.
            if page.scanned >= self.limit || page.bytes >= PAGE_BYTES_MAX {
                page.last = Some(table.key_item(item));
                break;
            }
        }
        page
    }

    fn answer(&self, page: Page) -> Map<String, Json> {
        let mut answer = Map::new();
        answer.insert("Count".into(), json!(page.count));
        answer.insert("ScannedCount".into(), json!(page.scanned));
        if !self.count_only {
            answer.insert("Items".into(), Json::Array(page.items));
        }
        if let Some(last) = page.last {
            answer.insert("LastEvaluatedKey".into(), item_json(&last));
        }
        answer
    }
}

/// The JSON of an item, or of the parts of it that are wanted.
pub(super) fn kept(item: &Item, projection: &Option<Vec<Path>>) -> Json {
    match projection {
        Some(paths) => item_json(&project(item, paths)),
        None => item_json(item),
    }
}

/// How many units a read unit of 4 KB costs.
pub(super) fn read_factor(consistent: bool) -> f64 {
    if consistent { 1.0 } else { 0.5 }
}

impl Call<'_> {
    pub(super) fn get_item(&mut self, body: &Json) -> Result<Json, Error> {
        self.tally.entries = 1;
        let mut members = Members::of(body)?;
        let mut capacity = Capacity::of(&mut members)?;
        let name = members.table_name()?;
        let key = members.item("Key")?;
        if key.is_none() {
            members.missing("Key");
        }
        let consistent = members.boolean("ConsistentRead")?.unwrap_or(false);
        members.check()?;
        members.refuse_legacy(&LEGACY)?;
        let text = members.string("ProjectionExpression")?;
        let names = members.object("ExpressionAttributeNames")?;
        let placeholders = Placeholders::read(names, None, text.is_some())?;
        let paths = text.map(|text| projection(text, &placeholders)).transpose()?;
        placeholders.check_used()?;
        let table = self.table(&name)?;
        let key = table.key_of(&key.unwrap_or_default())?;
        let item = table.items.get(&key);
        let bytes = item.map_or(0, |item| item_size_bytes(item));
        capacity.read(&name, bytes, read_factor(consistent));
        let mut answer = Map::new();
        if let Some(item) = item {
            answer.insert("Item".into(), kept(item, &paths));
        }
        capacity.add_one(&mut answer);
        Ok(Json::Object(answer))
    }

    /// The parameters that Query and Scan have in common.
    fn reader(
        &self,
        members: &mut Members<'_>,
        placeholders: &Placeholders,
    ) -> Result<Reader, Error> {
        let limit = members.bounded("Limit", 1, i64::from(i32::MAX))?;
        let select = members.one_of(
            "Select",
            &["SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"],
            "",
        )?;
        members.check()?;
        let filter = members.string("FilterExpression")?;
        let filter =
            filter.map(|text| condition("FilterExpression", text, placeholders)).transpose()?;
        let paths = members.string("ProjectionExpression")?;
        let paths = paths.map(|text| projection(text, placeholders)).transpose()?;
        match (select, paths.is_some()) {
            ("ALL_PROJECTED_ATTRIBUTES", _) => {
                return Err(validation(
                    "One or more parameter values were invalid: ALL_PROJECTED_ATTRIBUTES can be \
                     used only when Querying using an IndexName",
                ));
            }
            ("ALL_ATTRIBUTES" | "COUNT", true) => {
                return Err(validation(format!(
                    "Cannot specify the ProjectionExpression when choosing to get {select}"
                )));
            }
            ("SPECIFIC_ATTRIBUTES", false) => {
                return Err(validation(
                    "Must specify the AttributesToGet or ProjectionExpression when choosing to \
                     get SPECIFIC_ATTRIBUTES",
                ));
            }
            _ => {}
        }
        Ok(Reader {
            filter,
            projection: paths,
            count_only: select == "COUNT",
            limit: limit.unwrap_or(usize::MAX).min(self.settings.items_page.max(1)),
        })
    }

    pub(super) fn query(&mut self, body: &Json) -> Result<Json, Error> {
        let mut members = Members::of(body)?;
        let mut capacity = Capacity::of(&mut members)?;
        let name = members.table_name()?;
        let consistent = members.boolean("ConsistentRead")?.unwrap_or(false);
        let forward = members.boolean("ScanIndexForward")?.unwrap_or(true);
        let start = members.item("ExclusiveStartKey").map_err(bad_start)?;
        members.check()?;
        members.refuse_legacy(&LEGACY)?;
        no_index(&members)?;
        let placeholders = all_placeholders(&members)?;
        let reader = self.reader(&mut members, &placeholders)?;
        let Some(text) = members.string("KeyConditionExpression")? else {
            return Err(validation(
                "Either the KeyConditions or KeyConditionExpression parameter must be specified \
                 in the request.",
            ));
        };
        let parsed = condition("KeyConditionExpression", text, &placeholders)?;
        placeholders.check_used()?;
        let table = &*self.table(&name)?;
        let keys = KeyCondition::of(&parsed, table)?;
        if let Some(filter) = &reader.filter {
            let names = table.key_names();
            if let Some(key) = attributes(filter).into_iter().find(|name| names.contains(name)) {
                return Err(validation(format!(
                    "Filter Expression can only contain non-primary key attributes: Primary key \
                     attribute: {key}"
                )));
            }
        }
        let start = start.map(|start| table.key_of(&start).map_err(bad_start)).transpose()?;
        if let Some(start) = &start
            && start.partition != keys.partition
        {
            return Err(validation(
                "The provided starting key is outside query boundaries based on provided \
                 conditions",
            ));
        }
        let walk = table.walk_partition(&keys.partition, start.as_ref(), forward);
        let page = reader.page(table, walk.filter(|(key, _)| keys.has(key.sort.as_ref())));
        self.tally.entries = page.scanned as u64;
        capacity.read(&name, page.bytes, read_factor(consistent));
        let mut answer = reader.answer(page);
        capacity.add_one(&mut answer);
        Ok(Json::Object(answer))
    }

    pub(super) fn scan(&mut self, body: &Json) -> Result<Json, Error> {
        let mut members = Members::of(body)?;
        let mut capacity = Capacity::of(&mut members)?;
        let name = members.table_name()?;
        let consistent = members.boolean("ConsistentRead")?.unwrap_or(false);
        let start = members.item("ExclusiveStartKey").map_err(bad_start)?;
        let segment = members.bounded("Segment", 0, 999_999)?;
        let total = members.bounded("TotalSegments", 1, 1_000_000)?;
        members.check()?;
        members.refuse_legacy(&LEGACY)?;
        no_index(&members)?;
        let (segment, total) = segments(segment, total)?;
        let placeholders = all_placeholders(&members)?;
        let reader = self.reader(&mut members, &placeholders)?;
        placeholders.check_used()?;
        let table = &*self.table(&name)?;
        let start = start.map(|start| table.key_of(&start).map_err(bad_start)).transpose()?;
        let mine = |key: &Key| (u128::from(key.hash) * total as u128) >> 64 == segment as u128;
        if start.as_ref().is_some_and(|start| !mine(start)) {
            return Err(validation(format!(
                "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use \
                 ExclusiveStartKey with correct Segment. TotalSegments: {total} Segment: {segment}"
            )));
        }
        let walk = table.walk(start.as_ref(), true).filter(|(key, _)| mine(key));
        let page = reader.page(table, walk);
        self.tally.entries = page.scanned as u64;
        capacity.read(&name, page.bytes, read_factor(consistent));
        let mut answer = reader.answer(page);
        capacity.add_one(&mut answer);
        Ok(Json::Object(answer))
    }
}

/// The placeholders of a Query or Scan.
fn all_placeholders(members: &Members<'_>) -> Result<Placeholders, Error> {
    let expressions = ["FilterExpression", "ProjectionExpression", "KeyConditionExpression"];
    Placeholders::read(
        members.object("ExpressionAttributeNames")?,
        members.object("ExpressionAttributeValues")?,
        expressions.iter().any(|name| members.get(name).is_some()),
    )
}

fn no_index(members: &Members<'_>) -> Result<(), Error> {
    match members.string("IndexName")? {
        Some(name) => {
            Err(validation(format!("The table does not have the specified index: {name}")))
        }
        None => Ok(()),
    }
}

fn bad_start(error: Error) -> Error {
    match error.code {
        "ValidationException" => {
            validation(format!("The provided starting key is invalid: {}", error.message))
        }
        _ => error,
    }
}

/// Both or none of `Segment` and `TotalSegments`.
fn segments(segment: Option<usize>, total: Option<usize>) -> Result<(usize, usize), Error> {
    match (segment, total) {
        (None, None) => Ok((0, 1)),
        (Some(segment), Some(total)) if segment < total => Ok((segment, total)),
        (Some(segment), Some(total)) => Err(validation(format!(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: \
             Segment: {segment} is not less than TotalSegments: {total}"
        ))),
        (Some(_), None) => Err(validation(
            "The TotalSegments parameter is required but was not present in the request when \
             Segment parameter is present",
        )),
        (None, Some(_)) => Err(validation(
            "The Segment parameter is required but was not present in the request when parameter \
             TotalSegments is present",
        )),
    }
}
