//! TransactWriteItems and TransactGetItems: all or nothing.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::call::{Call, Capacity, Token};
use super::error::{Error, validation};
use super::json::Members;
use super::parser::{Placeholders, projection};
use super::path::Path;
use super::read::kept;
use super::table::Key;
use super::value::item_size_bytes;
use super::write::{Change, Outcome, Write};

/// The most actions of a transaction.
const ACTIONS_MAX: usize = 100;
/// What a transaction may write, in bytes.
const TRANSACTION_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// How long a token is known.
const TOKEN_MS: i64 = 10 * 60 * 1_000;

/// An action's member and the write that it is.
const ACTIONS: [(&str, &str); 4] = [
    ("ConditionCheck", "ConditionCheck"),
    ("Put", "PutItem"),
    ("Delete", "DeleteItem"),
    ("Update", "UpdateItem"),
];

/// A write with its key, or why it has none.
type Keyed = (Write, Result<Key, Error>);

/// Reads the list of actions.
fn actions<'a>(members: &mut Members<'a>) -> Result<&'a Vec<Json>, Error> {
    let Some(list) = members.list("TransactItems")? else {
        members.missing("TransactItems");
        return Err(members.check().err().unwrap_or_else(|| validation("TransactItems")));
    };
    let of = "Value '[…]' at 'transactItems' failed to satisfy constraint: Member must have length";
    if list.is_empty() {
        members.broke(format!("{of} greater than or equal to 1"));
    }
    if list.len() > ACTIONS_MAX {
        members.broke(format!("{of} less than or equal to {ACTIONS_MAX}"));
    }
    members.check()?;
    Ok(list)
}

/// The action of an entry, which must have exactly one.
fn action(json: &Json) -> Result<(&'static str, Write), Error> {
    let members = Members::of(json)?;
    let mut found = ACTIONS.iter().filter_map(|(name, of)| Some((*of, members.get(name)?)));
    let (Some((operation, json)), None) = (found.next(), found.next()) else {
        return Err(validation(
            "TransactItems can only contain one of Check, Put, Update or Delete",
        ));
    };
    let mut members = Members::of(json)?;
    let write = Write::read(operation, &mut members)?;
    if operation == "ConditionCheck" && write.condition.is_none() {
        members.missing("ConditionExpression");
    }
    if operation == "UpdateItem" && matches!(write.change, Change::Update(_, None)) {
        members.missing("UpdateExpression");
    }
    members.check()?;
    Ok((operation, write))
}

/// A refusal that names each action's reason.
fn cancelled(reasons: Vec<Json>) -> Error {
    let codes: Vec<&str> = reasons.iter().map(|one| one["Code"].as_str().unwrap_or("")).collect();
    let mut error = Error::new(
        "TransactionCanceledException",
        format!(
            "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
            codes.join(", ")
        ),
    );
    error.more.push(("CancellationReasons", Json::Array(reasons)));
    error
}

fn reason(error: Option<&Error>) -> Json {
    let Some(error) = error else { return json!({ "Code": "None" }) };
    let code = match error.code {
        "ConditionalCheckFailedException" => "ConditionalCheckFailed",
        _ => "ValidationError",
    };
    let mut reason = json!({ "Code": code, "Message": error.message });
    for (name, value) in &error.more {
        reason[*name] = value.clone();
    }
    reason
}

impl Call<'_> {
    pub(super) fn transact_write_items(&mut self, body: &Json) -> Result<Json, Error> {
        let mut members = Members::of(body)?;
        let mut capacity = Capacity::of(&mut members)?;
        members.one_of("ReturnItemCollectionMetrics", &["SIZE", "NONE"], "NONE")?;
        let token = members.string("ClientRequestToken")?;
        if let Some(token) = token
            && !(1..=36).contains(&token.chars().count())
        {
            members.broke(format!(
                "Value '{token}' at 'clientRequestToken' failed to satisfy constraint: Member must \
                 have length less than or equal to 36, and greater than or equal to 1"
            ));
        }
        let list = actions(&mut members)?;
        self.tally.entries = list.len() as u64;
        if let Some(answered) = self.answered(token, body)? {
            return Ok(answered);
        }
        let writes = self.writes(list)?;
        let (mut outcomes, mut reasons) = (Vec::new(), Vec::new());
        for (write, key) in writes {
            let outcome = match key {
                Ok(key) => {
                    let table = self.table(&write.table)?;
                    write.outcome(table, &key).map(|outcome| (write, key, outcome))
                }
                Err(error) => Err(error),
            };
            reasons.push(reason(outcome.as_ref().err()));
            outcomes.extend(outcome);
        }
        if reasons.iter().any(|one| one["Code"] != "None") {
            return Err(cancelled(reasons));
        }
        self.store_all(outcomes, &mut capacity)?;
        let mut answer = Map::new();
        capacity.add_all(&mut answer);
        let answer = Json::Object(answer);
        if let Some(token) = token {
            let until_ms = self.now_ms + TOKEN_MS;
            let done = Token { until_ms, asked: asked(body), answered: answer.clone() };
            self.state.tokens.insert((self.region.to_owned(), token.to_owned()), done);
        }
        Ok(answer)
    }

    /// The answer of the transaction that had the same token.
    fn answered(&self, token: Option<&str>, body: &Json) -> Result<Option<Json>, Error> {
        let Some(token) = token else { return Ok(None) };
        let at = (self.region.to_owned(), token.to_owned());
        match self.state.tokens.get(&at) {
            None => Ok(None),
            Some(done) if done.asked == asked(body) => Ok(Some(done.answered.clone())),
            Some(_) => Err(Error::new(
                "IdempotentParameterMismatchException",
                "ClientRequestToken was used with other parameters within 10 minutes",
            )),
        }
    }

    /// All writes with their keys; a key that is wrong cancels, other faults refuse.
    fn writes(&mut self, list: &[Json]) -> Result<Vec<Keyed>, Error> {
        let mut seen: BTreeSet<(String, Key)> = BTreeSet::new();
        let (mut writes, mut bytes) = (Vec::new(), 0);
        for json in list {
            let (_, write) = action(json)?;
            let key = write.key(self.table(&write.table)?);
            if let Ok(key) = &key
                && !seen.insert((write.table.clone(), key.clone()))
            {
                return Err(validation(
                    "Transaction request cannot include multiple operations on one item",
                ));
            }
            bytes += match &write.change {
                Change::Put(item) | Change::Delete(item) | Change::Check(item) => {
                    item_size_bytes(item)
                }
                Change::Update(..) => json.to_string().len(),
            };
            writes.push((write, key));
        }
        if bytes > TRANSACTION_BYTES_MAX {
            return Err(validation(
                "Transaction size has exceeded the maximum allowed size of 4 MB",
            ));
        }
        Ok(writes)
    }

    fn store_all(
        &mut self,
        outcomes: Vec<(Write, Key, Outcome)>,
        capacity: &mut Capacity,
    ) -> Result<(), Error> {
        let touched: usize = outcomes.iter().map(|(.., outcome)| outcome.size_bytes()).sum();
        if touched > TRANSACTION_BYTES_MAX {
            return Err(validation(
                "Transaction size has exceeded the maximum allowed size of 4 MB",
            ));
        }
        for (write, key, outcome) in outcomes {
            capacity.write(&write.table, outcome.size_bytes(), 2.0);
            if !matches!(write.change, Change::Check(_)) {
                outcome.store(self.table(&write.table)?, key);
            }
        }
        Ok(())
    }

    pub(super) fn transact_get_items(&mut self, body: &Json) -> Result<Json, Error> {
        let mut members = Members::of(body)?;
        let mut capacity = Capacity::of(&mut members)?;
        let list = actions(&mut members)?;
        self.tally.entries = list.len() as u64;
        let mut responses = Vec::new();
        let mut bytes = 0;
        for json in list {
            let (name, key, paths) = self.get_of(json)?;
            let item = self.table(&name)?.items.get(&key).cloned();
            let size = item.as_ref().map_or(0, |item| item_size_bytes(item));
            bytes += size;
            capacity.read(&name, size, 2.0);
            responses.push(match item {
                Some(item) => json!({ "Item": kept(&item, &paths) }),
                None => json!({}),
            });
        }
        if bytes > TRANSACTION_BYTES_MAX {
            return Err(validation(
                "Transaction size has exceeded the maximum allowed size of 4 MB",
            ));
        }
        let mut answer = Map::new();
        answer.insert("Responses".into(), Json::Array(responses));
        capacity.add_all(&mut answer);
        Ok(Json::Object(answer))
    }

    /// Table, key and projection of a `Get`.
    fn get_of(&mut self, json: &Json) -> Result<(String, Key, Option<Vec<Path>>), Error> {
        let Some(json) = Members::of(json)?.get("Get") else {
            return Err(validation("TransactItems can only contain Get"));
        };
        let mut members = Members::of(json)?;
        let name = members.table_name()?;
        let key = members.item("Key")?;
        if key.is_none() {
            members.missing("Key");
        }
        members.check()?;
        let text = members.string("ProjectionExpression")?;
        let names = members.object("ExpressionAttributeNames")?;
        let placeholders = Placeholders::read(names, None, text.is_some())?;
        let paths = text.map(|text| projection(text, &placeholders)).transpose()?;
        placeholders.check_used()?;
        let key = self.table(&name)?.key_of(&key.unwrap_or_default())?;
        Ok((name, key, paths))
    }
}

/// What a token stands for: all but itself and what only the answer differs by.
fn asked(body: &Json) -> Json {
    body["TransactItems"].clone()
}
