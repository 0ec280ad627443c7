//! A request's members, taken with the types of AWS's model: another type is a
//! `SerializationException`, a value out of its constraint one of the counted validation errors.

use serde_json::{Map, Value as Json};

use super::error::{Error, serialization, validation};
use super::value::{Item, item_from_json};

/// What AWS calls the JSON that it met.
pub(crate) fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "NULL_VALUE",
        Json::Bool(true) => "TRUE_VALUE",
        Json::Bool(false) => "FALSE_VALUE",
        Json::Number(number) if number.is_f64() => "DECIMAL_VALUE",
        Json::Number(_) => "NUMBER_VALUE",
        Json::String(_) => "STRING_VALUE",
        Json::Array(_) => "START_ARRAY",
        Json::Object(_) => "START_OBJECT",
    }
}

/// A JSON object and the constraints that its members broke.
pub(crate) struct Members<'a> {
    members: &'a Map<String, Json>,
    broken: Vec<String>,
}

impl<'a> Members<'a> {
    /// Of a structure.
    pub(crate) fn of(json: &'a Json) -> Result<Members<'a>, Error> {
        let members = json.as_object().ok_or_else(|| wrong_collection(json))?;
        Ok(Members { members, broken: Vec::new() })
    }

    /// The member, absent when it is null.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Json> {
        self.members.get(name).filter(|json| !json.is_null())
    }

    /// A string.
    pub(crate) fn string(&self, name: &str) -> Result<Option<&'a str>, Error> {
        let read = |json: &'a Json| match json {
            Json::String(text) => Ok(text.as_str()),
            Json::Array(_) => {
                Err(serialization("Unrecognized collection type class java.lang.String"))
            }
            Json::Object(_) => {
                Err(serialization("Start of structure or map found where not expected."))
            }
            other => Err(serialization(format!("{} cannot be converted to String", kind(other)))),
        };
        self.get(name).map(read).transpose()
    }

    /// A boolean.
    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, Error> {
        let wrong =
            |json: &Json| serialization(format!("{} cannot be converted to Boolean", kind(json)));
        let read = |json: &Json| json.as_bool().ok_or_else(|| wrong(json));
        self.get(name).map(read).transpose()
    }

    /// A whole number.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, Error> {
        let wrong =
            |json: &Json| serialization(format!("{} cannot be converted to Integer", kind(json)));
        let read = |json: &Json| json.as_i64().ok_or_else(|| wrong(json));
        self.get(name).map(read).transpose()
    }

    /// A map or structure.
    pub(crate) fn object(&self, name: &str) -> Result<Option<&'a Map<String, Json>>, Error> {
        let read = |json: &'a Json| json.as_object().ok_or_else(|| wrong_collection(json));
        self.get(name).map(read).transpose()
    }

    /// A list.
    pub(crate) fn list(&self, name: &str) -> Result<Option<&'a Vec<Json>>, Error> {
        let read = |json: &'a Json| json.as_array().ok_or_else(|| wrong_collection(json));
        self.get(name).map(read).transpose()
    }

    /// An item or a key.
    pub(crate) fn item(&self, name: &str) -> Result<Option<Item>, Error> {
        self.object(name)?.map(item_from_json).transpose()
    }

    /// A string that must be there; its absence is a broken constraint.
    pub(crate) fn required(&mut self, name: &str) -> Result<&'a str, Error> {
        let found = self.string(name)?;
        if found.is_none() {
            self.missing(name);
        }
        Ok(found.unwrap_or_default())
    }

    /// Notes that a member must not be null.
    pub(crate) fn missing(&mut self, name: &str) {
        let at = camel(name);
        self.broken.push(format!(
            "Value null at '{at}' failed to satisfy constraint: Member must not be null"
        ));
    }

    /// A table's name: 3–255 of `[a-zA-Z0-9_.-]`, or 1–1,024 where an ARN may stand.
    pub(crate) fn table_name(&mut self) -> Result<String, Error> {
        let name = self.required("TableName")?;
        self.constrain_name("tableName", name);
        Ok(name.to_owned())
    }

    /// Notes what a table's name breaks.
    pub(crate) fn constrain_name(&mut self, at: &str, name: &str) {
        if self.broken.iter().any(|said| said.contains(&format!("null at '{at}'"))) {
            return;
        }
        let of = format!("Value '{name}' at '{at}' failed to satisfy constraint: Member must");
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if name.is_empty() || !name.chars().all(plain) {
            let pattern = "satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
            self.broken.push(format!("{of} {pattern}"));
        }
        if name.len() < 3 {
            self.broken.push(format!("{of} have length greater than or equal to 3"));
        }
        if name.len() > 255 {
            self.broken.push(format!("{of} have length less than or equal to 255"));
        }
    }

    /// A string of an enumeration, or its default.
    pub(crate) fn one_of(
        &mut self,
        name: &str,
        values: &[&'static str],
        default: &'static str,
    ) -> Result<&'static str, Error> {
        let Some(given) = self.string(name)? else { return Ok(default) };
        if let Some(value) = values.iter().find(|value| **value == given) {
            return Ok(value);
        }
        self.broken.push(format!(
            "Value '{given}' at '{}' failed to satisfy constraint: Member must satisfy enum value \
             set: [{}]",
            camel(name),
            values.join(", ")
        ));
        Ok(default)
    }

    /// A whole number within bounds.
    pub(crate) fn bounded(
        &mut self,
        name: &str,
        least: i64,
        most: i64,
    ) -> Result<Option<usize>, Error> {
        let Some(given) = self.integer(name)? else { return Ok(None) };
        let of = format!(
            "Value '{given}' at '{}' failed to satisfy constraint: Member must",
            camel(name)
        );
        if given < least {
            self.broken.push(format!("{of} have value greater than or equal to {least}"));
        } else if given > most {
            self.broken.push(format!("{of} have value less than or equal to {most}"));
        }
        Ok(usize::try_from(given).ok())
    }

    /// Notes another broken constraint.
    pub(crate) fn broke(&mut self, said: String) {
        self.broken.push(said);
    }

    /// Refuses, if a constraint was broken, with all of them.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let errors = match self.broken.len() {
            0 => return Ok(()),
            1 => "error",
            _ => "errors",
        };
        let said = self.broken.join("; ");
        Err(validation(format!("{} validation {errors} detected: {said}", self.broken.len())))
    }

    /// Refuses the parameters that expressions replaced in 2014: this front does not serve them.
    pub(crate) fn refuse_legacy(&self, names: &[&str]) -> Result<(), Error> {
        match names.iter().find(|name| self.get(name).is_some()) {
            Some(name) => Err(validation(format!(
                "{name} is a legacy parameter that this front does not serve; use an expression"
            ))),
            None => Ok(()),
        }
    }
}

/// `TableName` as `tableName`.
fn camel(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect()
}

fn wrong_collection(json: &Json) -> Error {
    match json {
        Json::Object(_) => serialization("Start of structure or map found where not expected."),
        Json::Array(_) => serialization("Start of list found where not expected"),
        _ => serialization("Unexpected field type"),
    }
}
