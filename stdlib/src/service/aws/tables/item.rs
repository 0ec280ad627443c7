//! The rows of an upsert by item, and the updates that write an item.
//!
//! All rows of one key become one update: of each attribute the value of the last row. An update
//! names and gives every attribute by placeholders, so no name is a reserved word; one that is
//! longer than an expression may be is split. Each part sets values, so sending it again changes
//! nothing.

use super::values::{NoValue, Values};
use crate::service::Upserts;
use crate::service::items::rows::{Rows, Wanted};
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::{BTreeMap, HashMap};

/// Attributes that one update sets at most: DynamoDB takes 300 operators and 4 KB of text, and
/// moto no more than it can recurse through.
const SET_MAX: usize = 100;
/// Bytes of names and values of one update at most: DynamoDB takes 2 MB.
const SET_BYTES_MAX: usize = 1 << 20;

/// The rows of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Slots of [`Rows`], in order; at least one.
    pub slots: Vec<usize>,
}

/// One UpdateItem.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Update {
    /// `None` where it sets nothing: the item is made where it is not there.
    pub expression: Option<String>,
    /// Names by placeholder.
    pub names: HashMap<String, String>,
    /// Values by placeholder.
    pub values: HashMap<String, AttributeValue>,
}

/// The items of a call, in the order in which they first come.
pub fn items(rows: &Rows<'_>) -> Vec<Item> {
    let by_key = rows.runs.chunk_by(|a, b| a.key == b.key);
    let slots = by_key.map(|runs| runs.iter().flat_map(|run| run.slots.clone()).collect());
    let mut items: Vec<Item> = slots.map(|slots| Item { slots }).collect();
    items.sort_by_key(|item| item.slots[0]);
    items
}

/// What writes items of one call.
pub struct Writer<'a> {
    rows: &'a Rows<'a>,
    keys: Vec<(&'a str, Values<'a>)>,
    attributes: Vec<Values<'a>>,
}

/// A value that DynamoDB does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unheld {
    /// The row.
    pub row: usize,
    /// Why.
    pub message: NoValue,
}

impl<'a> Writer<'a> {
    pub fn new(upserts: &'a Upserts, rows: &'a Rows<'a>) -> Writer<'a> {
        let keys = upserts.keys.iter().map(|(name, column)| (name.as_str(), Values::new(column)));
        let attributes = upserts.attributes.iter().map(|each| Values::new(&each.values));
        Writer { rows, keys: keys.collect(), attributes: attributes.collect() }
    }

    /// The row of a slot.
    pub fn row(&self, slot: usize) -> usize {
        self.rows.rows[slot]
    }

    /// The key of the item that a slot is of.
    ///
    /// # Errors
    /// It is no key of DynamoDB.
    pub fn key(&self, slot: usize) -> Result<HashMap<String, AttributeValue>, Unheld> {
        let row = self.row(slot);
        let unheld = |message| Unheld { row, message };
        let key = self.keys.iter().map(|(name, values)| Ok(((*name).to_owned(), values.get(row)?)));
        key.collect::<Result<_, NoValue>>().map_err(unheld)
    }

    /// What some slots of one item set: of each name the last, in order of names; and how many
    /// attributes they name in all.
    pub fn wanted(&self, slots: &[usize]) -> (Vec<&'a Wanted<'a>>, usize) {
        let columns = self.attributes.len();
        let wanted: &'a [Wanted<'a>] = &self.rows.wanted;
        let mut last: BTreeMap<&str, &'a Wanted<'a>> = BTreeMap::new();
        for slot in slots {
            for each in &wanted[slot * columns..(slot + 1) * columns] {
                last.insert(each.name, each);
            }
        }
        (last.into_values().collect(), slots.len() * columns)
    }

    /// The updates that set attributes, to be sent one after the other; one where there are none.
    ///
    /// # Errors
    /// The first value that DynamoDB does not hold.
    pub fn updates(&self, wanted: &[&Wanted<'a>]) -> Result<Vec<Update>, Unheld> {
        if wanted.is_empty() {
            return Ok(vec![Update::default()]);
        }
        split(wanted).into_iter().map(|part| self.update(part)).collect()
    }

    fn update(&self, wanted: &[&Wanted<'a>]) -> Result<Update, Unheld> {
        let mut update = Update::default();
        let mut expression = String::from("SET ");
        for (at, each) in wanted.iter().enumerate() {
            let value = self.attributes[each.column].get(each.row);
            let value = value.map_err(|message| Unheld { row: each.row, message })?;
            let comma = if at == 0 { "" } else { "," };
            expression.push_str(&format!("{comma}#{at}=:{at}"));
            update.names.insert(format!("#{at}"), each.name.to_owned());
            update.values.insert(format!(":{at}"), value);
        }
        update.expression = Some(expression);
        Ok(update)
    }
}

fn split<'w, 'a>(wanted: &'w [&'w Wanted<'a>]) -> Vec<&'w [&'w Wanted<'a>]> {
    let (mut parts, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (at, each) in wanted.iter().enumerate() {
        if at > start && (at - start >= SET_MAX || bytes + each.bytes > SET_BYTES_MAX) {
            parts.push(&wanted[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += each.bytes;
    }
    parts.push(&wanted[start..]);
    parts
}

/// The code of a table.upsert for what DynamoDB refuses about one row; `None` where it is about
/// the table or the request.
pub fn refusal(message: &str) -> Option<&'static str> {
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    match () {
        () if says(&["Item size", "item size"]) => Some("item_too_large"),
        () if says(&["Size of hashkey", "Size of rangekey"]) => Some("key_too_long"),
        () if says(&["cannot contain an empty string value", "empty string value. Key"]) => {
            Some("key_empty")
        }
        () if says(&["Number overflow", "Number underflow", "38 significant digits"]) => {
            Some("number_range")
        }
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::items::rows::{gather, keys};
    use crate::service::items::size::Limits;
    use crate::service::{Attribute, AttributeName};
    use arrow_array::{ArrayRef, Float64Array, StringArray};
    use std::sync::Arc;

    fn upserts(lines: &[(&str, &str, f64)]) -> Upserts {
        let ids: StringArray = lines.iter().map(|line| Some(line.0)).collect();
        let names: StringArray = lines.iter().map(|line| Some(line.1)).collect();
        let values: Float64Array = lines.iter().map(|line| Some(line.2)).collect();
        Upserts {
            keys: vec![("id".into(), Arc::new(ids) as ArrayRef)],
            attributes: vec![Attribute {
                name: AttributeName::Each(names),
                values: Arc::new(values),
            }],
        }
    }

    fn with<T>(upserts: &Upserts, test: impl FnOnce(&Writer<'_>, Vec<Item>) -> T) -> T {
        let keys = keys(upserts, Limits::aws());
        let (rows, _) = gather(upserts, &keys);
        let items = items(&rows);
        test(&Writer::new(upserts, &rows), items)
    }

    #[test]
    fn rows_of_one_key_become_one_update_and_the_later_wins() {
        let lines = [("b", "x", 1.5), ("a", "y", 2.5), ("b", "x", 3.5), ("b", "name", 4.5)];
        with(&upserts(&lines), |writer, items| {
            let slots: Vec<_> = items.iter().map(|item| item.slots.clone()).collect();
            assert_eq!(slots, [vec![0, 2, 3], vec![1]]);
            let (wanted, all) = writer.wanted(&items[0].slots);
            assert_eq!((wanted.len(), all), (2, 3));
            let updates = writer.updates(&wanted).unwrap();
            assert_eq!(updates.len(), 1);
            assert_eq!(updates[0].expression.as_deref(), Some("SET #0=:0,#1=:1"));
            assert_eq!((&*updates[0].names["#0"], &*updates[0].names["#1"]), ("name", "x"));
            assert_eq!(updates[0].values[":1"], AttributeValue::N("3.5".into()));
            let key = [("id".to_owned(), AttributeValue::S("b".into()))];
            assert_eq!(writer.key(0).unwrap(), key.into());
        });
    }

    #[test]
    fn long_expressions_are_split() {
        let names: Vec<String> = (0..601).map(|n| format!("{n:03}")).collect();
        let lines: Vec<_> = names.iter().map(|name| ("a", name.as_str(), 1.0)).collect();
        with(&upserts(&lines), |writer, items| {
            let (wanted, _) = writer.wanted(&items[0].slots);
            let updates = writer.updates(&wanted).unwrap();
            let sizes: Vec<usize> = updates.iter().map(|update| update.names.len()).collect();
            assert_eq!(sizes, [100, 100, 100, 100, 100, 100, 1]);
            assert!(updates.iter().all(|u| u.expression.as_ref().unwrap().len() <= 4096));
            assert_eq!(updates[6].names["#0"], "600");
        });
    }

    #[test]
    fn an_item_without_attributes_is_made_and_a_value_that_is_none_is_named() {
        with(&upserts(&[("a", "x", f64::INFINITY)]), |writer, items| {
            assert_eq!(writer.updates(&[]).unwrap(), [Update::default()]);
            let (wanted, _) = writer.wanted(&items[0].slots);
            assert_eq!(writer.updates(&wanted).unwrap_err().row, 0);
        });
    }

    #[test]
    fn refusals_are_about_rows_or_not() {
        let item = "Item size to update has exceeded the maximum allowed size";
        assert_eq!(refusal(item), Some("item_too_large"));
        let key = "One or more parameter values were invalid: Size of hashkey has exceeded the \
                   maximum size limit of2048 bytes";
        assert_eq!(refusal(key), Some("key_too_long"));
        assert_eq!(refusal("The provided key element does not match the schema"), None);
    }
}
