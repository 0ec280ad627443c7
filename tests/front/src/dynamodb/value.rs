//! Typed attribute values: their JSON, their refusals, their sizes.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value as Json, json};

use super::error::{Error, invalid_parameter, serialization, validation};
use super::json::kind;
use super::number::Number;

/// Levels of lists and maps that AWS accepts.
const DEPTH_MAX: usize = 32;

/// An item: attributes by name.
pub(crate) type Item = BTreeMap<String, Value>;

/// An attribute value; sets are sorted and without duplicates.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// `S`
    S(String),
    /// `N`
    N(Number),
    /// `B`
    B(Vec<u8>),
    /// `BOOL`
    Bool(bool),
    /// `NULL`
    Null,
    /// `L`
    L(Vec<Value>),
    /// `M`
    M(Item),
    /// `SS`
    Ss(Vec<String>),
    /// `NS`
    Ns(Vec<Number>),
    /// `BS`
    Bs(Vec<Vec<u8>>),
}

impl Value {
    /// The type's name on the wire.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Value::S(_) => "S",
            Value::N(_) => "N",
            Value::B(_) => "B",
            Value::Bool(_) => "BOOL",
            Value::Null => "NULL",
            Value::L(_) => "L",
            Value::M(_) => "M",
            Value::Ss(_) => "SS",
            Value::Ns(_) => "NS",
            Value::Bs(_) => "BS",
        }
    }

    /// The type's name in the refusals of ADD and DELETE.
    pub(crate) fn long_type_name(&self) -> &'static str {
        match self {
            Value::S(_) => "STRING",
            Value::N(_) => "NUMBER",
            Value::B(_) => "BINARY",
            Value::Bool(_) => "BOOLEAN",
            Value::Null => "NULL",
            Value::L(_) => "LIST",
            Value::M(_) => "MAP",
            Value::Ss(_) => "STRING_SET",
            Value::Ns(_) => "NUMBER_SET",
            Value::Bs(_) => "BINARY_SET",
        }
    }

    /// The value's size as AWS counts it, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        match self {
            Value::S(text) => text.len(),
            Value::N(number) => number.size_bytes(),
            Value::B(bytes) => bytes.len(),
            Value::Bool(_) | Value::Null => 1,
            Value::L(list) => 3 + list.iter().map(|value| value.size_bytes() + 1).sum::<usize>(),
            Value::M(map) => 3 + item_size_bytes(map) + map.len(),
            Value::Ss(set) => set.iter().map(String::len).sum(),
            Value::Ns(set) => set.iter().map(Number::size_bytes).sum(),
            Value::Bs(set) => set.iter().map(Vec::len).sum(),
        }
    }

    /// Levels of lists and maps in it.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Value::L(list) => 1 + list.iter().map(Value::depth).max().unwrap_or(0),
            Value::M(map) => 1 + map.values().map(Value::depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// Reads one from JSON.
    pub(crate) fn from_json(json: &Json) -> Result<Value, Error> {
        Value::read(json, 0)
    }

    fn read(json: &Json, depth: usize) -> Result<Value, Error> {
        let Json::Object(members) = json else { return Err(not_a_value(json)) };
        let known = members.iter().filter(|(name, value)| is_type(name) && !value.is_null());
        let known: Vec<(&String, &Json)> = known.collect();
        let mut values = Vec::new();
        for (name, json) in known {
            values.push(Value::of_type(name, json, depth)?);
        }
        match values.len() {
            0 => Err(validation(
                "Supplied AttributeValue is empty, must contain exactly one of the supported \
                 datatypes",
            )),
            1 => Ok(values.remove(0)),
            _ => Err(validation(
                "Supplied AttributeValue has more than one datatypes set, must contain exactly \
                 one of the supported datatypes",
            )),
        }
    }

    fn of_type(name: &str, json: &Json, depth: usize) -> Result<Value, Error> {
        Ok(match name {
            "S" => Value::S(string(json)?.to_owned()),
            "N" => Value::N(Number::parse(string(json)?)?),
            "B" => Value::B(binary(json)?),
            "BOOL" => Value::Bool(boolean(json)?),
            "NULL" => match boolean(json)? {
                true => Value::Null,
                false => {
                    let said = "Null attribute value types must have the value of true";
                    return Err(invalid_parameter(said));
                }
            },
            "L" => {
                let list = list(json)?.iter().map(|json| Value::read(json, deeper(depth)?));
                Value::L(list.collect::<Result<_, Error>>()?)
            }
            "M" => {
                let Json::Object(members) = json else { return Err(not_a_value(json)) };
                Value::M(members_of(members, deeper(depth)?)?)
            }
            "SS" => Value::Ss(string_set(json)?),
            "NS" => Value::Ns(number_set(json)?),
            _ => Value::Bs(binary_set(json)?),
        })
    }

    /// The value's JSON.
    pub(crate) fn to_json(&self) -> Json {
        match self {
            Value::S(text) => json!({ "S": text }),
            Value::N(number) => json!({ "N": number.to_string() }),
            Value::B(bytes) => json!({ "B": BASE64.encode(bytes) }),
            Value::Bool(value) => json!({ "BOOL": value }),
            Value::Null => json!({ "NULL": true }),
            Value::L(list) => json!({ "L": list.iter().map(Value::to_json).collect::<Vec<_>>() }),
            Value::M(map) => json!({ "M": item_json(map) }),
            Value::Ss(set) => json!({ "SS": set }),
            Value::Ns(set) => {
                json!({ "NS": set.iter().map(Number::to_string).collect::<Vec<_>>() })
            }
            Value::Bs(set) => {
                json!({ "BS": set.iter().map(|one| BASE64.encode(one)).collect::<Vec<_>>() })
            }
        }
    }
}

/// Reads an item, a key, or another map of attribute values.
pub(crate) fn item_from_json(members: &Map<String, Json>) -> Result<Item, Error> {
    members_of(members, 0)
}

fn members_of(members: &Map<String, Json>, depth: usize) -> Result<Item, Error> {
    let read = |(name, json): (&String, &Json)| Ok((name.clone(), Value::read(json, depth)?));
    members.iter().map(read).collect()
}

/// The JSON of an item.
pub(crate) fn item_json(item: &Item) -> Json {
    Json::Object(item.iter().map(|(name, value)| (name.clone(), value.to_json())).collect())
}

/// The size of an item as AWS counts it, names included, in bytes.
pub(crate) fn item_size_bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.size_bytes()).sum()
}

/// Refuses an item whose lists and maps are nested too deeply (after an update).
pub(crate) fn check_depth(item: &Item) -> Result<(), Error> {
    match item.values().any(|value| value.depth() > DEPTH_MAX) {
        true => Err(too_deep()),
        false => Ok(()),
    }
}

fn deeper(depth: usize) -> Result<usize, Error> {
    if depth + 1 > DEPTH_MAX { Err(too_deep()) } else { Ok(depth + 1) }
}

fn too_deep() -> Error {
    validation(
        "Nesting Levels have exceeded supported limits: Attributes in the item have nested \
                levels beyond supported limit",
    )
}

fn is_type(name: &str) -> bool {
    ["S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS"].contains(&name)
}

fn not_a_value(json: &Json) -> Error {
    match json {
        Json::Array(_) => serialization("Unrecognized collection type class AttributeValue"),
        _ => serialization("Unexpected value type in payload"),
    }
}

fn string(json: &Json) -> Result<&str, Error> {
    json.as_str()
        .ok_or_else(|| serialization(format!("{} cannot be converted to String", kind(json))))
}

fn boolean(json: &Json) -> Result<bool, Error> {
    let wrong = || serialization(format!("{} cannot be converted to Boolean", kind(json)));
    json.as_bool().ok_or_else(wrong)
}

fn list(json: &Json) -> Result<&Vec<Json>, Error> {
    json.as_array().ok_or_else(|| serialization("Unexpected field type"))
}

fn binary(json: &Json) -> Result<Vec<u8>, Error> {
    let wrong = |_| serialization("Base64 encoded value has invalid length or characters");
    BASE64.decode(string(json)?).map_err(wrong)
}

fn string_set(json: &Json) -> Result<Vec<String>, Error> {
    let set = list(json)?.iter().map(|one| Ok(string(one)?.to_owned()));
    let set = set.collect::<Result<Vec<String>, Error>>()?;
    if set.is_empty() {
        return Err(invalid_parameter("An string set  may not be empty"));
    }
    let shown = set.join(", ");
    let said = format!("Input collection [{shown}] contains duplicates.");
    distinct(set, || invalid_parameter(said))
}

fn number_set(json: &Json) -> Result<Vec<Number>, Error> {
    let set = list(json)?.iter().map(|one| Number::parse(string(one)?));
    let set = set.collect::<Result<Vec<Number>, Error>>()?;
    if set.is_empty() {
        return Err(invalid_parameter("An number set  may not be empty"));
    }
    distinct(set, || validation("Input collection contains duplicates"))
}

fn binary_set(json: &Json) -> Result<Vec<Vec<u8>>, Error> {
    let set = list(json)?.iter().map(binary).collect::<Result<Vec<Vec<u8>>, Error>>()?;
    if set.is_empty() {
        return Err(invalid_parameter("Binary sets should not be empty"));
    }
    let shown: Vec<String> = set.iter().map(|one| BASE64.encode(one)).collect();
    let said = format!("Input collection [{}]of type BS contains duplicates.", shown.join(", "));
    distinct(set, || invalid_parameter(said))
}

fn distinct<T: Ord>(mut set: Vec<T>, error: impl FnOnce() -> Error) -> Result<Vec<T>, Error> {
    set.sort();
    match set.windows(2).any(|pair| pair[0] == pair[1]) {
        true => Err(error()),
        false => Ok(set),
    }
}
