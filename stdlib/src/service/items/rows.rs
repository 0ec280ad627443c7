//! The rows of an upsert, looked at once: keys, names and sizes, and which rows are of one item.

use super::key;
use super::size::{self, Limits};
use crate::service::{AttributeName, Refused, Upserts};
use arrow_array::Array;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

/// The rows that can be merged. Each has a slot, in order.
pub struct Rows<'a> {
    /// The row of each slot.
    pub rows: Vec<usize>,
    /// What each slot wants to set: one attribute for each column of attributes.
    pub wanted: Vec<Wanted<'a>>,
    /// Slots of one key in a row, in order of the key, then of the slots.
    pub runs: Vec<Run<'a>>,
}

/// Slots behind each other that are of one item.
pub struct Run<'a> {
    pub key: &'a str,
    pub slots: Range<usize>,
}

/// An attribute that a row wants to set.
pub struct Wanted<'a> {
    /// The first bytes of the name, to compare by.
    head: u64,
    pub name: &'a str,
    /// Where its value is: a column of the call and a row.
    pub column: usize,
    pub row: usize,
    /// Of name and value.
    pub bytes: usize,
}

impl Wanted<'_> {
    /// The order of names.
    pub fn by_name(&self, other: &Self) -> Ordering {
        self.head.cmp(&other.head).then_with(|| self.name.cmp(other.name))
    }
}

/// The first eight bytes of a text as a number that orders as they do.
fn head(text: &str) -> u64 {
    let mut bytes = [0; 8];
    let len = text.len().min(8);
    bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
    u64::from_be_bytes(bytes)
}

/// The key of each row.
pub fn keys(upserts: &Upserts, limits: Limits) -> Vec<Result<Cow<'_, str>, key::NoKey>> {
    let rows = upserts.keys.first().map_or(0, |(_, column)| column.len());
    (0..rows).map(|row| key::text(&upserts.keys, row, limits.key)).collect()
}

/// The rows that have a key and names for all attributes, and the others with the reason.
pub fn gather<'a>(
    upserts: &'a Upserts,
    keys: &'a [Result<Cow<'a, str>, key::NoKey>],
) -> (Rows<'a>, Vec<Refused>) {
    let columns = upserts.attributes.len();
    let sizes: Vec<Vec<usize>> =
        upserts.attributes.iter().map(|each| size::column(&each.values)).collect();
    let mut wanted = Vec::with_capacity(keys.len() * columns);
    let (mut rows, mut runs, mut refused) = (Vec::new(), Vec::<Run<'a>>::new(), Vec::new());
    for (row, key) in keys.iter().enumerate() {
        let named = key.as_ref().map_err(Clone::clone).and_then(|key| {
            for (column, sizes) in sizes.iter().enumerate() {
                let name = name(upserts, column, row)?;
                let bytes = name.len() + sizes[row];
                wanted.push(Wanted { head: head(name), name, column, row, bytes });
            }
            Ok(key.as_ref())
        });
        let slot = rows.len();
        match named {
            Ok(key) => {
                rows.push(row);
                match runs.last_mut() {
                    Some(run) if run.key == key => run.slots.end = slot + 1,
                    _ => runs.push(Run { key, slots: slot..slot + 1 }),
                }
            }
            Err((code, message)) => {
                wanted.truncate(slot * columns);
                refused.push(Refused { row, code, message });
            }
        }
    }
    // Stable: the runs of one key stay in order.
    runs.sort_by(|a, b| a.key.cmp(b.key));
    (Rows { rows, wanted, runs }, refused)
}

fn name(upserts: &Upserts, column: usize, row: usize) -> Result<&str, key::NoKey> {
    let name = match &upserts.attributes[column].name {
        AttributeName::Same(name) => name,
        AttributeName::Each(names) if names.is_null(row) => "",
        AttributeName::Each(names) => names.value(row),
    };
    if name.is_empty() {
        return Err(("attribute_name", "the name of an attribute is empty or null".into()));
    }
    if upserts.keys.iter().any(|(key, _)| key == name) {
        let message = format!(
            "One or more parameter values were invalid: Cannot update attribute {name}. This \
             attribute is part of the key"
        );
        return Err(("attribute_name", message));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Attribute;
    use arrow_array::{ArrayRef, Int64Array, StringArray};
    use std::sync::Arc;

    #[test]
    fn heads_order_as_texts_do() {
        let texts = ["", "a", "ab", "abcdefgh", "abcdefghi", "b", "ü"];
        for pair in texts.windows(2) {
            assert!(head(pair[0]) <= head(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn runs_of_one_key_come_together_in_order() {
        let keys = StringArray::from(vec![Some("b"), Some("b"), None, Some("a"), Some("b")]);
        let names = StringArray::from(vec!["x", "", "x", "x", "y"]);
        let upserts = Upserts {
            keys: vec![("k".into(), Arc::new(keys) as ArrayRef)],
            attributes: vec![Attribute {
                name: AttributeName::Each(names),
                values: Arc::new(Int64Array::from(vec![1; 5])),
            }],
        };
        let keys = super::keys(&upserts, Limits::aws());
        let (rows, refused) = gather(&upserts, &keys);
        assert_eq!(refused.iter().map(|each| each.row).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(rows.rows, [0, 3, 4]);
        let runs: Vec<_> = rows.runs.iter().map(|run| (run.key, run.slots.clone())).collect();
        assert_eq!(runs, [("a", 1..2), ("b", 0..1), ("b", 2..3)]);
        assert_eq!(rows.wanted.iter().map(|each| each.name).collect::<String>(), "xxy");
    }
}
