//! Whether an item meets a condition.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::condition::{Condition, Operand};
use super::number::Number;
use super::value::{Item, Value};

impl Condition {
    /// True if the item meets it; an absent item has no attributes.
    pub(super) fn holds(&self, item: &Item) -> bool {
        match self {
            Condition::And(a, b) => a.holds(item) && b.holds(item),
            Condition::Or(a, b) => a.holds(item) || b.holds(item),
            Condition::Not(inner) => !inner.holds(item),
            Condition::Exists(path) => path.find(item).is_some(),
            Condition::NotExists(path) => path.find(item).is_none(),
            Condition::Compare(sign, a, b) => compare(sign, a.value(item), b.value(item)),
            Condition::Between(value, low, high) => {
                let value = value.value(item);
                compare(">=", value.clone(), low.value(item))
                    && compare("<=", value, high.value(item))
            }
            Condition::In(value, list) => {
                let value = value.value(item);
                list.iter().any(|one| compare("=", value.clone(), one.value(item)))
            }
            Condition::Type(value, name) => match (value.value(item), name.value(item)) {
                (Some(value), Some(name)) => Value::S(value.type_name().into()) == *name,
                _ => false,
            },
            Condition::BeginsWith(value, start) => {
                match (value.value(item).as_deref(), start.value(item).as_deref()) {
                    (Some(Value::S(a)), Some(Value::S(b))) => a.starts_with(b.as_str()),
                    (Some(Value::B(a)), Some(Value::B(b))) => a.starts_with(b),
                    _ => false,
                }
            }
            Condition::Contains(value, part) => match (value.value(item), part.value(item)) {
                (Some(value), Some(part)) => contains(&value, &part),
                _ => false,
            },
        }
    }
}

impl Operand {
    /// Its value for an item.
    fn value<'a>(&'a self, item: &'a Item) -> Option<Cow<'a, Value>> {
        match self {
            Operand::Path(path) => path.find(item).map(Cow::Borrowed),
            Operand::Value(value) => Some(Cow::Borrowed(value)),
            Operand::Size(of) => {
                let size = size(of.value(item)?.as_ref())?;
                Some(Cow::Owned(Value::N(Number::from_usize(size))))
            }
        }
    }
}

/// What `size` says; nothing for types without a size.
fn size(value: &Value) -> Option<usize> {
    match value {
        Value::S(text) => Some(text.encode_utf16().count()),
        Value::B(bytes) => Some(bytes.len()),
        Value::L(list) => Some(list.len()),
        Value::M(map) => Some(map.len()),
        Value::Ss(set) => Some(set.len()),
        Value::Ns(set) => Some(set.len()),
        Value::Bs(set) => Some(set.len()),
        Value::N(_) | Value::Bool(_) | Value::Null => None,
    }
}

/// An absent attribute is equal to nothing, and so unequal to everything.
fn compare(sign: &str, a: Option<Cow<'_, Value>>, b: Option<Cow<'_, Value>>) -> bool {
    let (Some(a), Some(b)) = (a, b) else { return sign == "<>" };
    match sign {
        "=" => a == b,
        "<>" => a != b,
        _ => order(&a, &b).is_some_and(|order| match sign {
            "<" => order == Ordering::Less,
            "<=" => order != Ordering::Greater,
            ">" => order == Ordering::Greater,
            _ => order != Ordering::Less,
        }),
    }
}

/// The order of two strings, numbers or binaries; other values have none.
pub(super) fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::S(a), Value::S(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Value::N(a), Value::N(b)) => Some(a.cmp(b)),
        (Value::B(a), Value::B(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn contains(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (Value::S(a), Value::S(b)) => a.contains(b.as_str()),
        (Value::B(a), Value::B(b)) => {
            b.is_empty() || a.windows(b.len()).any(|window| window == b.as_slice())
        }
        (Value::Ss(set), Value::S(one)) => set.contains(one),
        (Value::Ns(set), Value::N(one)) => set.contains(one),
        (Value::Bs(set), Value::B(one)) => set.contains(one),
        (Value::L(list), one) => list.contains(one),
        _ => false,
    }
}
