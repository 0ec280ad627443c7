//! Tables and their items, in the order in which they are read.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::error::{Error, invalid_parameter, validation};
use super::number::Number;
use super::value::{Item, Value};

/// The largest partition key, in bytes.
const PARTITION_KEY_BYTES_MAX: usize = 2_048;
/// The largest sort key, in bytes.
const SORT_KEY_BYTES_MAX: usize = 1_024;

/// A key's value, in the order of its type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Scalar {
    S(String),
    N(Number),
    B(Vec<u8>),
}

impl Scalar {
    fn of(value: &Value) -> Option<Scalar> {
        match value {
            Value::S(text) => Some(Scalar::S(text.clone())),
            Value::N(number) => Some(Scalar::N(number.clone())),
            Value::B(bytes) => Some(Scalar::B(bytes.clone())),
            _ => None,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Scalar::S(text) => text.len(),
            Scalar::N(number) => number.size_bytes(),
            Scalar::B(bytes) => bytes.len(),
        }
    }
}

/// Where an item lies: partitions by hash, in a partition by sort key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    /// The hash of the partition key.
    pub(super) hash: u64,
    pub(super) partition: Scalar,
    pub(super) sort: Option<Scalar>,
}

/// The name and type of a key attribute.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct KeyAttribute {
    pub(super) name: String,
    /// `S`, `N` or `B`
    pub(super) type_name: String,
}

/// A table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) id: String,
    pub(super) partition: KeyAttribute,
    pub(super) sort: Option<KeyAttribute>,
    /// The parameters of its creation that DescribeTable repeats.
    pub(super) declared: Json,
    /// By the front's clock.
    pub(super) created_ms: i64,
    /// ACTIVE from here on.
    pub(super) active_ms: i64,
    /// Gone from here on.
    pub(super) gone_ms: Option<i64>,
    /// The attribute of `TimeToLive`.
    pub(super) time_to_live: Option<String>,
    pub(super) items: BTreeMap<Key, Arc<Item>>,
}

impl Table {
    /// `CREATING`, `ACTIVE` or `DELETING`.
    pub(super) fn status(&self, now_ms: i64) -> &'static str {
        match self.gone_ms {
            Some(_) => "DELETING",
            None if now_ms < self.active_ms => "CREATING",
            None => "ACTIVE",
        }
    }

    /// The names of the key's attributes.
    pub(super) fn key_names(&self) -> Vec<&str> {
        let sort = self.sort.iter().map(|key| key.name.as_str());
        std::iter::once(self.partition.name.as_str()).chain(sort).collect()
    }

    /// The key of an item to write; its attributes must be there, of their types, within limits.
    pub(super) fn key_of_item(&self, item: &Item) -> Result<Key, Error> {
        for key in self.key_attributes() {
            let Some(value) = item.get(&key.name) else {
                return Err(invalid_parameter(format!("Missing the key {} in the item", key.name)));
            };
            if value.type_name() != key.type_name {
                return Err(invalid_parameter(format!(
                    "Type mismatch for key {} expected: {} actual: {}",
                    key.name,
                    key.type_name,
                    value.type_name()
                )));
            }
        }
        self.key_within_limits(item)
    }

    /// The key that a request names: these attributes and no others.
    pub(super) fn key_of(&self, key: &Item) -> Result<Key, Error> {
        let fits = |attribute: &KeyAttribute| {
            key.get(&attribute.name).is_some_and(|value| value.type_name() == attribute.type_name)
        };
        if key.len() != self.key_attributes().count() || !self.key_attributes().all(fits) {
            return Err(validation("The provided key element does not match the schema"));
        }
        self.key_within_limits(key)
    }

    fn key_attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        std::iter::once(&self.partition).chain(&self.sort)
    }

    fn key_within_limits(&self, item: &Item) -> Result<Key, Error> {
        let mut values = Vec::new();
        for (at, key) in self.key_attributes().enumerate() {
            let Some(value) = item.get(&key.name).and_then(Scalar::of) else {
                return Err(validation("The provided key element does not match the schema"));
            };
            let (name, most) = match at {
                0 => ("hashkey", PARTITION_KEY_BYTES_MAX),
                _ => ("aggregated range", SORT_KEY_BYTES_MAX),
            };
            let value_bytes = value.bytes();
            if value_bytes == 0 {
                let kind = if key.type_name == "B" { "binary" } else { "string" };
                return Err(validation(format!(
                    "One or more parameter values are not valid. The AttributeValue for a key \
                     attribute cannot contain an empty {kind} value. Key: {}",
                    key.name
                )));
            }
            if value_bytes > most {
                let said = format!("Size of {name} has exceeded the maximum size limit of");
                return Err(invalid_parameter(format!("{said} {most} bytes")));
            }
            values.push(value);
        }
        let sort = (values.len() > 1).then(|| values.remove(1));
        Ok(Key::new(values.remove(0), sort))
    }

    /// The attributes of an item that are its key.
    pub(super) fn key_item(&self, item: &Item) -> Item {
        let names = self.key_names();
        let of = item.iter().filter(|(name, _)| names.contains(&name.as_str()));
        of.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The description that several operations answer.
    pub(super) fn description(&self, now_ms: i64) -> Json {
        let mut description = self.declared.clone();
        let bytes = self.items.values().map(|item| super::value::item_size_bytes(item));
        let more = json!({
            "TableName": self.name,
            "TableArn": self.arn,
            "TableId": self.id,
            "TableStatus": self.status(now_ms),
            "CreationDateTime": self.created_ms as f64 / 1_000.0,
            "ItemCount": self.items.len(),
            "TableSizeBytes": bytes.sum::<usize>(),
        });
        if let (Json::Object(all), Json::Object(more)) = (&mut description, more) {
            all.extend(more);
        }
        description
    }

    /// The items after (or before, if backwards) a key.
    pub(super) fn walk<'a>(
        &'a self,
        after: Option<&Key>,
        forward: bool,
    ) -> Box<dyn Iterator<Item = (&'a Key, &'a Arc<Item>)> + 'a> {
        let bound = after.map_or(Bound::Unbounded, |key| Bound::Excluded(key.clone()));
        match forward {
            true => Box::new(self.items.range((bound, Bound::Unbounded))),
            false => Box::new(self.items.range((Bound::Unbounded, bound)).rev()),
        }
    }

    /// The items of a partition after (or before) a key.
    pub(super) fn walk_partition<'a>(
        &'a self,
        partition: &'a Scalar,
        after: Option<&Key>,
        forward: bool,
    ) -> Box<dyn Iterator<Item = (&'a Key, &'a Arc<Item>)> + 'a> {
        let lowest = Key::new(partition.clone(), None);
        if forward {
            let start = match after {
                Some(key) => Bound::Excluded(key.clone()),
                None => Bound::Included(lowest),
            };
            let walk = self.items.range((start, Bound::Unbounded));
            return Box::new(walk.take_while(move |(key, _)| key.partition == *partition));
        }
        let walk = self.items.range((Bound::Included(lowest), Bound::Unbounded));
        let all = walk.take_while(|(key, _)| key.partition == *partition);
        let before = all.take_while(|(key, _)| after.is_none_or(|after| *key < after));
        Box::new(before.collect::<Vec<_>>().into_iter().rev())
    }
}

impl Key {
    /// With its hash.
    pub(super) fn new(partition: Scalar, sort: Option<Scalar>) -> Key {
        let mut hasher = DefaultHasher::new();
        partition.hash(&mut hasher);
        Key { hash: hasher.finish(), partition, sort }
    }
}

/// A value that a key condition compares a key with.
pub(super) fn scalar(value: &Value, attribute: &KeyAttribute) -> Result<Scalar, Error> {
    match Scalar::of(value).filter(|_| value.type_name() == attribute.type_name) {
        Some(scalar) => Ok(scalar),
        None => Err(invalid_parameter("Condition parameter type does not match schema type")),
    }
}
