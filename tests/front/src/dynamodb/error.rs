//! What DynamoDB answers when it refuses.

use serde_json::{Value as Json, json};

/// A refusal: AWS's code and message, and what else its body carries.
#[derive(Clone, Debug)]
pub(crate) struct Error {
    /// The short name, such as `ValidationException`.
    pub(crate) code: &'static str,
    /// The sentence that a person reads.
    pub(crate) message: String,
    /// More members of the body: `Item`, `CancellationReasons`.
    pub(crate) more: Vec<(&'static str, Json)>,
}

impl Error {
    /// A refusal with a code of DynamoDB's own.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Error {
        Error { code, message: message.into(), more: Vec::new() }
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> u16 {
        match self.code {
            "InternalServerError" => 500,
            "ServiceUnavailable" => 503,
            _ => 400,
        }
    }

    /// The body; the type has the namespace that AWS gives it.
    pub(crate) fn body(&self) -> Json {
        let space = match self.code {
            "ValidationException" | "ThrottlingException" => "com.amazon.coral.validate",
            "SerializationException" | "UnknownOperationException" => "com.amazon.coral.service",
            _ => "com.amazonaws.dynamodb.v20120810",
        };
        let mut body = json!({
            "__type": format!("{space}#{}", self.code),
            "message": self.message,
        });
        // SDKs read either spelling; AWS's older layers write the capital one.
        if space == "com.amazon.coral.service" {
            body = json!({ "__type": body["__type"], "Message": self.message });
        }
        for (name, value) in &self.more {
            body[*name] = value.clone();
        }
        body
    }
}

/// A `ValidationException`.
pub(crate) fn validation(message: impl Into<String>) -> Error {
    Error::new("ValidationException", message)
}

/// A `ValidationException` of AWS's common form for parameters.
pub(crate) fn invalid_parameter(message: impl AsRef<str>) -> Error {
    validation(format!("One or more parameter values were invalid: {}", message.as_ref()))
}

/// A `SerializationException`: JSON of another type than the model says.
pub(crate) fn serialization(message: impl Into<String>) -> Error {
    Error::new("SerializationException", message)
}

/// A table that is not there, or not yet.
pub(crate) fn not_found() -> Error {
    Error::new("ResourceNotFoundException", "Requested resource not found")
}
