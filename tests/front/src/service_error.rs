//! What a service of the JSON protocol refuses, and its input, member by member.

use serde_json::{Map, Value};

use crate::request::{Request, Response};
use crate::wire;

/// A refusal: status, code and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceError {
    /// The HTTP status.
    pub status: u16,
    /// As AWS names it: `ResourceNotFoundException`.
    pub code: String,
    /// What is wrong.
    pub message: String,
}

impl ServiceError {
    /// A refusal with status 400.
    pub fn new(code: &str, message: impl Into<String>) -> ServiceError {
        ServiceError { status: 400, code: code.to_owned(), message: message.into() }
    }

    /// `InvalidArgumentException`.
    pub fn argument(message: impl Into<String>) -> ServiceError {
        ServiceError::new("InvalidArgumentException", message)
    }

    /// `ResourceNotFoundException`.
    pub fn not_found(message: impl Into<String>) -> ServiceError {
        ServiceError::new("ResourceNotFoundException", message)
    }

    /// `ResourceInUseException`.
    pub fn in_use(message: impl Into<String>) -> ServiceError {
        ServiceError::new("ResourceInUseException", message)
    }

    /// `LimitExceededException`.
    pub fn limit(message: impl Into<String>) -> ServiceError {
        ServiceError::new("LimitExceededException", message)
    }

    /// `SerializationException`: the JSON has another shape.
    pub fn shape(message: impl Into<String>) -> ServiceError {
        ServiceError::new("SerializationException", message)
    }

    /// The answer it is.
    pub fn reply(&self, request: &Request) -> Response {
        let reply = wire::error(request, self.status, &self.code, &self.message);
        let mut tally = reply.tally;
        tally.throttled = u64::from(self.code.contains("Throughput"));
        reply.tallied(tally)
    }
}

/// The members of a request; what is wrong with them is gathered, as AWS does.
pub struct Input {
    members: Map<String, Value>,
    wrong: Vec<String>,
}

/// A name as AWS writes it in a validation error: with a small letter.
fn small(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or(String::new(), |c| c.to_ascii_lowercase().to_string() + chars.as_str())
}

/// The text of `ValidationException`.
pub fn validation(wrong: &[String]) -> ServiceError {
    let (count, s) = (wrong.len(), if wrong.len() == 1 { "" } else { "s" });
    let text = format!("{count} validation error{s} detected: {}", wrong.join("; "));
    ServiceError::new("ValidationException", text)
}

/// One violation: the value at a place and the rule it breaks.
pub fn violation(value: Option<&str>, place: &str, rule: &str) -> String {
    let value = value.map_or("null".into(), |value| format!("'{value}'"));
    format!("Value {value} at '{place}' failed to satisfy constraint: Member must {rule}")
}

/// True for the names of streams, shards and consumers: `[a-zA-Z0-9_.-]+`.
pub fn is_name(text: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    !text.is_empty() && text.chars().all(known)
}

impl Input {
    /// The members of a body; an error when it is not a JSON object.
    pub fn of(body: &[u8]) -> Result<Input, ServiceError> {
        let body = if body.is_empty() { b"{}" } else { body };
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Input { members, wrong: Vec::new() }),
            _ => Err(ServiceError::shape("The body is not a JSON object.")),
        }
    }

    /// The members below one that is a structure; none when it is not there.
    pub fn within(&self, name: &str) -> Result<Option<Input>, ServiceError> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(members)) => {
                Ok(Some(Input { members: members.clone(), wrong: Vec::new() }))
            }
            Some(_) => Err(ServiceError::shape(format!("{name} is not a structure"))),
        }
    }

    /// The member as it came.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// A text.
    pub fn text(&self, name: &str) -> Result<Option<String>, ServiceError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let text = value.as_str().map(|text| Some(text.to_owned()));
        text.ok_or_else(|| ServiceError::shape(format!("{name} is not a string")))
    }

    /// A text that must be there; empty when it is not, which `finish` refuses.
    pub fn required(&mut self, name: &str) -> Result<String, ServiceError> {
        let text = self.text(name)?;
        if text.is_none() {
            self.wrong.push(violation(None, &small(name), "not be null"));
        }
        Ok(text.unwrap_or_default())
    }

    /// A text with the characters of names, of up to 128.
    pub fn name(&mut self, name: &str) -> Result<Option<String>, ServiceError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let place = small(name);
        if text.is_empty() {
            let rule = "have length greater than or equal to 1";
            self.wrong.push(violation(Some(&text), &place, rule));
        } else if text.chars().count() > 128 {
            let rule = "have length less than or equal to 128";
            self.wrong.push(violation(Some(&text), &place, rule));
        } else if !is_name(&text) {
            let rule = "satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
            self.wrong.push(violation(Some(&text), &place, rule));
        }
        Ok(Some(text))
    }

    /// Such a text that must be there.
    pub fn required_name(&mut self, name: &str) -> Result<String, ServiceError> {
        let text = self.name(name)?;
        if text.is_none() {
            self.wrong.push(violation(None, &small(name), "not be null"));
        }
        Ok(text.unwrap_or_default())
    }

    /// A whole number between two.
    pub fn number(&mut self, name: &str, min: i64, max: i64) -> Result<Option<i64>, ServiceError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let number = value.as_i64();
        let number = number.ok_or_else(|| ServiceError::shape(format!("{name} is no integer")))?;
        let text = number.to_string();
        if number < min {
            let rule = format!("have value greater than or equal to {min}");
            self.wrong.push(violation(Some(&text), &small(name), &rule));
        }
        if number > max {
            let rule = format!("have value less than or equal to {max}");
            self.wrong.push(violation(Some(&text), &small(name), &rule));
        }
        Ok(Some(number))
    }

    /// A moment, in milliseconds since 1970.
    pub fn time(&self, name: &str) -> Result<Option<i64>, ServiceError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let seconds = value.as_f64();
        let seconds =
            seconds.ok_or_else(|| ServiceError::shape(format!("{name} is no timestamp")))?;
        Ok(Some((seconds * 1_000.0).round() as i64))
    }

    /// True or false; false when it is not there.
    pub fn flag(&self, name: &str) -> Result<bool, ServiceError> {
        let Some(value) = self.value(name) else { return Ok(false) };
        value.as_bool().ok_or_else(|| ServiceError::shape(format!("{name} is no boolean")))
    }

    /// One of some words.
    pub fn word(&mut self, name: &str, words: &[&str]) -> Result<Option<String>, ServiceError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        if !words.contains(&text.as_str()) {
            let rule = format!("satisfy enum value set: [{}]", words.join(", "));
            self.wrong.push(violation(Some(&text), &small(name), &rule));
        }
        Ok(Some(text))
    }

    /// A violation found elsewhere.
    pub fn wrong(&mut self, name: &str, value: Option<&str>, rule: &str) {
        self.wrong.push(violation(value, &small(name), rule));
    }

    /// The gathered violations, if there are any.
    pub fn finish(&self) -> Result<(), ServiceError> {
        if self.wrong.is_empty() { Ok(()) } else { Err(validation(&self.wrong)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_are_gathered_in_aws_words() {
        let mut input = Input::of(br#"{"StreamName":"a b","Limit":0}"#).expect("an object");
        input.name("StreamName").expect("a string");
        input.number("Limit", 1, 10).expect("a number");
        input.required("ShardId").expect("missing is a violation");
        let error = input.finish().expect_err("three violations");
        assert_eq!(
            error.message,
            "3 validation errors detected: Value 'a b' at 'streamName' failed to satisfy \
             constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; Value \
             '0' at 'limit' failed to satisfy constraint: Member must have value greater than or \
             equal to 1; Value null at 'shardId' failed to satisfy constraint: Member must not \
             be null"
        );
    }

    #[test]
    fn another_shape_is_not_read() {
        assert_eq!(Input::of(b"[]").err().expect("refused").code, "SerializationException");
        let input = Input::of(br#"{"A":1}"#).expect("an object");
        assert_eq!(input.text("A").expect_err("a number").code, "SerializationException");
    }
}
