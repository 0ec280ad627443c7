//! Requests of the Data API, checked as AWS checks them.

use serde_json::{Map, Value};

/// A statement's text.
const SQL_MAX_BYTES: usize = 100 * 1024;
/// Statements of a batch.
const BATCH_MAX: usize = 40;

/// Why a request is refused: the error's code and words.
pub type Refusal = (&'static str, String);

/// A ValidationException.
pub fn invalid<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(("ValidationException", message.into()))
}

/// The members of a request.
pub struct Ask(Map<String, Value>);

/// What ExecuteStatement and BatchExecuteStatement ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// One, or those of a batch.
    pub sqls: Vec<String>,
    /// Values of `:name`.
    pub parameters: Vec<(String, String)>,
    /// The database; of a session it is known.
    pub database: Option<String>,
    /// A session to go on with.
    pub session: Option<String>,
    /// How long the session shall stay.
    pub keep_s: u64,
    /// Makes the request the same as one before.
    pub token: Option<String>,
    /// How long the answer may wait.
    pub wait_s: u64,
    /// Each statement of a batch by itself.
    pub auto_commit: bool,
    /// What answers repeat.
    pub echo: Map<String, Value>,
}

impl Ask {
    /// Reads the body.
    pub fn read(body: &[u8]) -> Result<Ask, Refusal> {
        match serde_json::from_slice::<Value>(body) {
            Ok(Value::Object(members)) => Ok(Ask(members)),
            _ => Err(("SerializationException", "The body is not a JSON object.".into())),
        }
    }

    /// All members.
    pub fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// A text with at most so many bytes.
    pub fn text(&self, name: &str, max: usize) -> Result<Option<String>, Refusal> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => {
                invalid(format!("{name} must have length greater than or equal to 1"))
            }
            Some(Value::String(text)) if text.len() > max => {
                invalid(format!("{name} must have length less than or equal to {max}"))
            }
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(("SerializationException", format!("{name} is not a string."))),
        }
    }

    /// A number within these.
    pub fn number(&self, name: &str, min: u64, max: u64) -> Result<Option<u64>, Refusal> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_u64().filter(|number| (min..=max).contains(number)) {
                Some(number) => Ok(Some(number)),
                None => invalid(format!("{name} must be between {min} and {max}")),
            },
        }
    }

    /// The id of a statement, and the number of one in a batch.
    pub fn id(&self) -> Result<(String, Option<usize>), Refusal> {
        let Some(text) = self.text("Id", 64)? else { return invalid("Id is required") };
        let (id, at) = match text.split_once(':') {
            Some((id, at)) => (id, Some(at)),
            None => (text.as_str(), None),
        };
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        let plain = id.bytes().all(|b| b == b'-' || b.is_ascii_digit() || b.is_ascii_lowercase());
        let at = at.map(str::parse::<usize>).transpose();
        match at {
            Ok(at) if plain && lengths == [8, 4, 4, 4, 12] => Ok((id.to_owned(), at)),
            _ => invalid(
                "id must satisfy regex pattern: \
                 [a-z0-9]{8}(-[a-z0-9]{4}){3}-[a-z0-9]{12}(:\\d{0,2})?",
            ),
        }
    }

    /// Where it goes: the database, and which members say so.
    pub fn target(&self, in_session: bool) -> Result<Option<String>, Refusal> {
        let cluster = self.text("ClusterIdentifier", 2_147_483_647)?;
        let workgroup = self.text("WorkgroupName", 128)?;
        let (user, secret) = (self.text("DbUser", 127)?, self.text("SecretArn", 2_048)?);
        let database = self.text("Database", 127)?;
        if in_session {
            if cluster.or(workgroup).or(user).or(secret).or(database).is_some() {
                return invalid("SessionId can't be given with cluster, workgroup or database.");
            }
            return Ok(None);
        }
        match (&cluster, &workgroup) {
            (None, None) => return invalid("Either ClusterIdentifier or WorkgroupName is needed."),
            (Some(_), Some(_)) => {
                return invalid("Only one of ClusterIdentifier and WorkgroupName can be given.");
            }
            _ => {}
        }
        // The front has every workgroup and cluster, but those.
        if cluster.iter().chain(&workgroup).any(|name| name.starts_with("missing")) {
            return invalid("Redshift endpoint doesn't exist in this region.");
        }
        if workgroup.is_some() && user.is_some() {
            return invalid("DbUser can't be given with WorkgroupName.");
        }
        if user.is_some() && secret.is_some() {
            return invalid("Only one of DbUser and SecretArn can be given.");
        }
        match database {
            Some(database) => Ok(Some(database)),
            None => invalid("Database is required."),
        }
    }

    fn sql(text: &Value) -> Result<String, Refusal> {
        match text.as_str() {
            Some("") => invalid("Sql must have length greater than or equal to 1"),
            Some(text) if text.len() > SQL_MAX_BYTES => {
                invalid("The SQL statement exceeds the maximum size of 100 KB.")
            }
            Some(text) => Ok(text.to_owned()),
            None => Err(("SerializationException", "Sql is not a string.".into())),
        }
    }

    fn parameters(&self) -> Result<Vec<(String, String)>, Refusal> {
        let list = match self.0.get("Parameters") {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(list)) if !list.is_empty() => list,
            Some(_) => return invalid("Parameters must have length greater than or equal to 1"),
        };
        let mut found: Vec<(String, String)> = Vec::new();
        for parameter in list {
            let member = |name: &str| parameter.get(name).and_then(Value::as_str);
            let (Some(name), Some(value)) = (member("name"), member("value")) else {
                return invalid("A parameter needs name and value.");
            };
            let plain = |b: u8| b == b'_' || b.is_ascii_alphanumeric();
            if name.is_empty() || !name.bytes().all(plain) || value.is_empty() {
                return invalid(format!("The parameter {name} has a wrong name, or no value."));
            }
            if found.iter().any(|(known, _)| known == name) {
                return invalid(format!("Parameters list contains duplicates: {name}"));
            }
            found.push((name.to_owned(), value.to_owned()));
        }
        Ok(found)
    }

    /// A request to run one statement, or a batch.
    pub fn execution(&self, batch: bool) -> Result<Execution, Refusal> {
        let sqls = match (batch, self.0.get("Sql"), self.0.get("Sqls")) {
            (false, Some(sql), _) => vec![Ask::sql(sql)?],
            (true, _, Some(Value::Array(list))) if (1..=BATCH_MAX).contains(&list.len()) => {
                list.iter().map(Ask::sql).collect::<Result<_, _>>()?
            }
            (true, _, Some(_)) => return invalid("Sqls must have 1 to 40 members"),
            _ => return invalid("The SQL is required."),
        };
        let session = self.text("SessionId", 64)?;
        let database = self.target(session.is_some())?;
        if let Some(format) = self.text("ResultFormat", 16)?.filter(|format| format != "JSON") {
            return invalid(format!("ResultFormat {format} is not in the front"));
        }
        let mode = self.text("ExecutionMode", 32)?;
        if !batch && mode.is_some() {
            return invalid("ExecutionMode is for batches.");
        }
        let auto_commit = match mode.as_deref() {
            None | Some("TRANSACTION") => false,
            Some("AUTO_COMMIT") => true,
            Some(_) => return invalid("ExecutionMode must be one of: TRANSACTION, AUTO_COMMIT"),
        };
        self.text("StatementName", 500)?;
        let repeated =
            ["ClusterIdentifier", "WorkgroupName", "DbUser", "SecretArn", "Database", "SessionId"];
        let members = self.0.iter().filter(|(name, _)| repeated.contains(&name.as_str()));
        Ok(Execution {
            sqls,
            parameters: self.parameters()?,
            database,
            session,
            keep_s: self.number("SessionKeepAliveSeconds", 0, 86_400)?.unwrap_or(0),
            token: self.text("ClientToken", 64)?,
            wait_s: self.number("WaitTimeSeconds", 1, 30)?.unwrap_or(0),
            auto_commit,
            echo: members.map(|(name, value)| (name.clone(), value.clone())).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn execution(batch: bool, body: Value) -> Result<Execution, &'static str> {
        let ask = Ask::read(body.to_string().as_bytes()).map_err(|(code, _)| code)?;
        ask.execution(batch).map_err(|(code, _)| code)
    }

    fn with(member: &str, value: Value) -> Value {
        let mut body = json!({"Sql": "select 1", "WorkgroupName": "w", "Database": "dev"});
        body[member] = value;
        body
    }

    #[test]
    fn limits_are_held() {
        assert!(execution(false, with("ClientToken", json!("x".repeat(64)))).is_ok());
        for (member, value) in [
            ("Sql", json!("x".repeat(102_401))),
            ("Sql", json!("")),
            ("ClientToken", json!("x".repeat(65))),
            ("WaitTimeSeconds", json!(31)),
            ("SessionKeepAliveSeconds", json!(86_401)),
            ("ClusterIdentifier", json!("c")),
            ("DbUser", json!("u")),
            ("Database", Value::Null),
            ("WorkgroupName", json!("missing-1")),
            ("SessionId", json!("0")),
            ("Parameters", json!([])),
            ("Parameters", json!([{"name": "a", "value": ""}])),
            ("Parameters", json!([{"name": "a", "value": "1"}, {"name": "a", "value": "2"}])),
            ("ExecutionMode", json!("TRANSACTION")),
        ] {
            let found = execution(false, with(member, value.clone()));
            assert_eq!(found, Err("ValidationException"), "{member}: {value}");
        }
    }

    #[test]
    fn a_batch_has_forty_statements_at_most() {
        let batch = |count: usize| execution(true, with("Sqls", json!(vec!["select 1"; count])));
        assert_eq!(batch(40).map(|found| found.sqls.len()), Ok(40));
        assert!(batch(41).is_err() && batch(0).is_err());
    }
}
