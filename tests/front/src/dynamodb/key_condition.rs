//! Key conditions: one partition, and a range of its sort keys.

use super::condition::{Condition, Operand};
use super::error::{Error, invalid_parameter, validation};
use super::path::{Path, Step};
use super::table::{KeyAttribute, Scalar, Table, scalar};
use super::value::Value;

/// What a Query reads.
#[derive(Debug)]
pub(super) struct KeyCondition {
    pub(super) partition: Scalar,
    range: Option<Range>,
}

#[derive(Debug)]
enum Range {
    Compare(String, Scalar),
    Between(Scalar, Scalar),
    BeginsWith(Scalar),
}

/// One part of a key condition.
struct Part<'a> {
    attribute: &'a str,
    sign: &'a str,
    values: Vec<&'a Value>,
}

impl KeyCondition {
    /// Of a condition whose form fits the table's key.
    pub(super) fn of(condition: &Condition, table: &Table) -> Result<KeyCondition, Error> {
        let mut parts = Vec::new();
        split(condition, &mut parts)?;
        if parts.len() > 2 {
            return Err(validation("Conditions can be of length 1 or 2 only"));
        }
        for (at, part) in parts.iter().enumerate() {
            if parts[..at].iter().any(|other| other.attribute == part.attribute) {
                return Err(validation(
                    "KeyConditionExpressions must only contain one condition per key",
                ));
            }
        }
        let of = |key: &KeyAttribute| parts.iter().find(|part| part.attribute == key.name);
        let missed = |key: &KeyAttribute| {
            validation(format!("Query condition missed key schema element: {}", key.name))
        };
        let partition = of(&table.partition).ok_or_else(|| missed(&table.partition))?;
        if partition.sign != "=" {
            return Err(validation("Query key condition not supported"));
        }
        let range = match (&table.sort, parts.len()) {
            (_, 1) => None,
            (Some(sort), _) => {
                let part = of(sort).ok_or_else(|| missed(sort))?;
                Some(range(part, sort)?)
            }
            (None, _) => return Err(validation("Query key condition not supported")),
        };
        let partition = scalar(partition.values[0], &table.partition)?;
        Ok(KeyCondition { partition, range })
    }

    /// True for a sort key within the range.
    pub(super) fn has(&self, sort: Option<&Scalar>) -> bool {
        let (Some(range), Some(sort)) = (&self.range, sort) else { return true };
        match range {
            Range::Compare(sign, value) => match sign.as_str() {
                "=" => sort == value,
                "<" => sort < value,
                "<=" => sort <= value,
                ">" => sort > value,
                _ => sort >= value,
            },
            Range::Between(low, high) => low <= sort && sort <= high,
            Range::BeginsWith(start) => match (sort, start) {
                (Scalar::S(text), Scalar::S(start)) => text.starts_with(start.as_str()),
                (Scalar::B(bytes), Scalar::B(start)) => bytes.starts_with(start),
                _ => false,
            },
        }
    }
}

fn range(part: &Part<'_>, sort: &KeyAttribute) -> Result<Range, Error> {
    let value = |at: usize| -> Result<Scalar, Error> {
        let Some(value) = part.values.get(at) else {
            return Err(validation("Query key condition not supported"));
        };
        scalar(value, sort)
    };
    Ok(match part.sign {
        "BETWEEN" => Range::Between(value(0)?, value(1)?),
        "begins_with" => {
            if sort.type_name == "N" {
                return Err(invalid_parameter(
                    "Condition parameter type does not match schema type",
                ));
            }
            Range::BeginsWith(value(0)?)
        }
        sign => Range::Compare(sign.to_owned(), value(0)?),
    })
}

/// The parts that AND joins; whatever else a condition may be is refused.
fn split<'a>(condition: &'a Condition, parts: &mut Vec<Part<'a>>) -> Result<(), Error> {
    let operator = |name: &str| {
        Err(validation(format!("Invalid operator used in KeyConditionExpression: {name}")))
    };
    match condition {
        Condition::And(a, b) => {
            split(a, parts)?;
            split(b, parts)
        }
        Condition::Or(..) => operator("OR"),
        Condition::Not(_) => operator("NOT"),
        Condition::In(..) => operator("IN"),
        Condition::Exists(_) => operator("attribute_exists"),
        Condition::NotExists(_) => operator("attribute_not_exists"),
        Condition::Type(..) => operator("attribute_type"),
        Condition::Contains(..) => operator("contains"),
        Condition::Compare(sign, ..) if sign == "<>" => operator("<>"),
        Condition::Compare(sign, a, b) => {
            let (a, sign, b) = match (a, b) {
                (Operand::Value(_), Operand::Path(_)) => (b, turned(sign), a),
                _ => (a, sign.as_str(), b),
            };
            push(parts, a, sign, &[b])
        }
        Condition::Between(a, low, high) => push(parts, a, "BETWEEN", &[low, high]),
        Condition::BeginsWith(a, start) => push(parts, a, "begins_with", &[start]),
    }
}

/// The comparator with its sides changed.
fn turned(sign: &str) -> &str {
    match sign {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        other => other,
    }
}

fn push<'a>(
    parts: &mut Vec<Part<'a>>,
    path: &'a Operand,
    sign: &'a str,
    operands: &[&'a Operand],
) -> Result<(), Error> {
    let attribute = match path {
        Operand::Path(Path(steps)) => match steps.as_slice() {
            [Step::Name(name)] => name,
            _ => {
                return Err(validation(
                    "KeyConditionExpressions cannot have conditions on nested attributes",
                ));
            }
        },
        Operand::Size(_) => {
            return Err(validation("KeyConditionExpressions cannot contain nested operations"));
        }
        Operand::Value(_) => {
            return Err(validation("No key attribute is named in a condition"));
        }
    };
    let value = |operand: &&'a Operand| match operand {
        Operand::Value(value) => Ok(value),
        Operand::Path(_) => Err(validation("Multiple attribute names used in one condition")),
        Operand::Size(_) => {
            Err(validation("KeyConditionExpressions cannot contain nested operations"))
        }
    };
    let values = operands.iter().map(value).collect::<Result<Vec<&Value>, Error>>()?;
    parts.push(Part { attribute, sign, values });
    Ok(())
}

/// The attributes that a condition looks at.
pub(super) fn attributes(condition: &Condition) -> Vec<&str> {
    let mut found = Vec::new();
    gather(condition, &mut found);
    found
}

fn first(operand: &Operand) -> Option<&str> {
    match operand {
        Operand::Path(path) => Some(path.attribute()),
        Operand::Size(inner) => first(inner),
        Operand::Value(_) => None,
    }
}

fn gather<'a>(condition: &'a Condition, found: &mut Vec<&'a str>) {
    match condition {
        Condition::And(a, b) | Condition::Or(a, b) => {
            gather(a, found);
            gather(b, found);
        }
        Condition::Not(inner) => gather(inner, found),
        Condition::Exists(path) | Condition::NotExists(path) => found.push(path.attribute()),
        Condition::Compare(_, a, b)
        | Condition::Type(a, b)
        | Condition::BeginsWith(a, b)
        | Condition::Contains(a, b) => found.extend([a, b].into_iter().filter_map(first)),
        Condition::Between(a, b, c) => found.extend([a, b, c].into_iter().filter_map(first)),
        Condition::In(a, list) => {
            found.extend(std::iter::once(a).chain(list).filter_map(first));
        }
    }
}
