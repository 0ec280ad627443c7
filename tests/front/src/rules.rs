//! Faults on request: which calls are hit, and by what.

use std::sync::{Mutex, PoisonError};

use regex_lite::Regex;
use serde::{Deserialize, Serialize};

use crate::request::Request;

/// A rule as it is sent to `/_front/rules`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// A service (`kinesis`), or `*`.
    pub service: String,
    /// An operation (`PutRecords`), or `*`.
    #[serde(default = "any")]
    pub operation: String,
    /// The first call that is hit, from 1; with `count` the calls from there.
    pub nth: Option<u64>,
    /// How many calls are hit at most; with `nth` one when it is not said.
    pub count: Option<u64>,
    /// The chance of each call, 0 to 1.
    pub probability: Option<f64>,
    /// What chance goes by: the same seed, the same calls.
    #[serde(default)]
    pub seed: u64,
    /// A regular expression, or a part, of the path (S3), the body (the others) or the entry's key
    /// (with `entries`).
    pub key: Option<String>,
    /// What happens.
    pub action: Action,
}

fn any() -> String {
    "*".into()
}

/// What a rule does to a call.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Action {
    /// One of the faults of a connection.
    Connection(Cut),
    /// The others, by their fields.
    Answer(Answer),
}

/// How a connection is cut.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// The call is done, and its answer never sent.
    LoseReply,
    /// Closed before anything is done.
    DropRequest,
    /// The call is done, half of its body sent.
    Truncate,
    /// Reset before anything is done.
    Reset,
}

/// An error, a delay, or failing entries.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The HTTP status of an error that is answered instead of doing anything; 200 where S3 puts
    /// an error into the body of a success.
    pub status: Option<u16>,
    /// The error's code, or that of the failing entries.
    pub code: Option<String>,
    /// The error's text.
    pub message: Option<String>,
    /// How long the call waits first.
    pub delay_ms: Option<u64>,
    /// The chance of each entry to fail, 0 to 1.
    pub entries: Option<f64>,
}

/// What a rule in force has done, in calls.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
pub struct Hits {
    /// Calls that it names.
    pub seen: u64,
    /// Those that it hit.
    pub fired: u64,
}

#[derive(Debug)]
struct Armed {
    rule: Rule,
    key: Option<Key>,
    seen: u64,
    fired: u64,
    chance: fastrand::Rng,
}

#[derive(Clone, Debug)]
enum Key {
    Expression(Regex),
    Part(String),
}

impl Key {
    fn of(text: &str) -> Key {
        Regex::new(text).map_or_else(|_| Key::Part(text.to_owned()), Key::Expression)
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Key::Expression(expression) => expression.is_match(text),
            Key::Part(part) => text.contains(part),
        }
    }
}

/// The rules in force.
#[derive(Debug, Default)]
pub struct Rules(Mutex<Vec<Armed>>);

impl Rules {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Armed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts these rules in the place of all others. The error says what is wrong with them.
    pub fn set(&self, json: &[u8]) -> Result<usize, String> {
        let rules: Vec<Rule> = serde_json::from_slice(json)
            .map_err(|error| format!("the rules are not a JSON list of rules: {error}"))?;
        for (at, rule) in rules.iter().enumerate() {
            check(rule).map_err(|what| format!("rule {}: {what}", at + 1))?;
        }
        let armed = rules.into_iter().map(|rule| Armed {
            key: rule.key.as_deref().map(Key::of),
            chance: fastrand::Rng::with_seed(rule.seed),
            seen: 0,
            fired: 0,
            rule,
        });
        let mut all = self.lock();
        *all = armed.collect();
        Ok(all.len())
    }

    /// How many calls each rule was asked for, and how many it hit: as `/_front/rules` answers.
    pub fn hits(&self) -> Vec<Hits> {
        self.lock().iter().map(|armed| Hits { seen: armed.seen, fired: armed.fired }).collect()
    }

    /// No rules.
    pub fn reset(&self) {
        self.lock().clear();
    }

    /// What hits this request; it counts as one call for every rule that names it.
    pub fn faults(&self, request: &Request) -> Faults {
        let mut faults = Faults::default();
        let mut all = self.lock();
        let mut text = None;
        for armed in all.iter_mut() {
            let Armed { rule, key, .. } = &*armed;
            let named = |pattern: &str, name: &str| pattern == "*" || pattern == name;
            if !named(&rule.service, &request.service)
                || !named(&rule.operation, &request.operation)
            {
                continue;
            }
            let by_entry =
                matches!(&rule.action, Action::Answer(answer) if answer.entries.is_some());
            if let Some(key) = key.as_ref().filter(|_| !by_entry)
                && !key.matches(text.get_or_insert_with(|| request.key_text()))
            {
                continue;
            }
            if armed.fires() {
                armed.hit(&mut faults);
            }
        }
        faults
    }
}

fn check(rule: &Rule) -> Result<(), String> {
    let share = |name: &str, value: Option<f64>| match value {
        Some(value) if !(0.0..=1.0).contains(&value) => Err(format!("`{name}` is not 0 to 1")),
        _ => Ok(()),
    };
    share("probability", rule.probability)?;
    let Action::Answer(answer) = &rule.action else { return Ok(()) };
    share("entries", answer.entries)?;
    match answer.status {
        Some(status) if !(200..600).contains(&status) => Err("`status` is not 200 to 599".into()),
        None if answer.delay_ms.is_none() && answer.entries.is_none() => {
            Err("`action` needs `status`, `delay_ms` or `entries`".into())
        }
        _ => Ok(()),
    }
}

impl Armed {
    fn fires(&mut self) -> bool {
        self.seen += 1;
        let in_turn = match (self.rule.nth, self.rule.count) {
            (Some(nth), count) => (nth..nth + count.unwrap_or(1)).contains(&self.seen),
            (None, Some(count)) => self.fired < count,
            (None, None) => true,
        };
        let fires = in_turn && self.rule.probability.is_none_or(|p| self.chance.f64() < p);
        self.fired += u64::from(fires);
        fires
    }

    fn hit(&mut self, faults: &mut Faults) {
        match &self.rule.action {
            Action::Connection(cut) => faults.cut = faults.cut.or(Some(*cut)),
            Action::Answer(answer) => {
                faults.delay_ms += answer.delay_ms.unwrap_or(0);
                let code = answer.code.clone();
                if let Some(share) = answer.entries {
                    let code = code.unwrap_or_else(|| "InternalFailure".into());
                    let chance = Mutex::new(self.chance.fork());
                    faults.entries.push(Entries { share, code, key: self.key.clone(), chance });
                } else if let (Some(status), None) = (answer.status, &faults.error) {
                    let code = code.unwrap_or_else(|| "InternalFailure".into());
                    let message = answer.message.clone();
                    let message =
                        message.unwrap_or_else(|| "A rule of the front asks for it.".into());
                    faults.error = Some((status, code, message));
                }
            }
        }
    }
}

#[derive(Debug)]
struct Entries {
    share: f64,
    code: String,
    key: Option<Key>,
    chance: Mutex<fastrand::Rng>,
}

/// What hits one call.
#[derive(Debug, Default)]
pub struct Faults {
    /// Waits so long before anything else.
    pub delay_ms: u64,
    /// Answers status, code and message, and does nothing.
    pub error: Option<(u16, String, String)>,
    /// Cuts the connection.
    pub cut: Option<Cut>,
    entries: Vec<Entries>,
}

impl Faults {
    /// The code this entry fails with, if it does; to be asked once for each entry, with its key
    /// (the partition key, the item's key as JSON; empty where it has none).
    pub fn entry_fails(&self, key: &str) -> Option<&str> {
        let hit = self.entries.iter().find(|entries| {
            entries.key.as_ref().is_none_or(|wanted| wanted.matches(key))
                && entries.chance.lock().unwrap_or_else(PoisonError::into_inner).f64()
                    < entries.share
        });
        hit.map(|entries| entries.code.as_str())
    }

    /// True where an entry could fail, so that others need not ask.
    pub fn any_entry(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Entries that fail, for tests of services.
    pub fn entries(share: f64, code: &str) -> Faults {
        let chance = Mutex::new(fastrand::Rng::with_seed(1));
        let entries = vec![Entries { share, code: code.into(), key: None, chance }];
        Faults { entries, ..Faults::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(operation: &str, body: &str) -> Request {
        let (service, operation) = ("kinesis".into(), operation.into());
        Request { service, operation, body: body.to_owned().into(), ..Request::default() }
    }

    fn rules(json: &str) -> Rules {
        let rules = Rules::default();
        rules.set(json.as_bytes()).expect("rules");
        rules
    }

    fn hits(rules: &Rules, calls: usize) -> Vec<bool> {
        (0..calls).map(|_| rules.faults(&request("PutRecords", "")).cut.is_some()).collect()
    }

    #[test]
    fn calls_are_hit_by_turn() {
        let one = |more: &str| {
            rules(&format!(
                r#"[{{"service":"kinesis","operation":"PutRecords","action":"lose_reply"{more}}}]"#
            ))
        };
        assert_eq!(hits(&one(r#","nth":2"#), 4), [false, true, false, false]);
        assert_eq!(hits(&one(r#","nth":2,"count":2"#), 4), [false, true, true, false]);
        assert_eq!(hits(&one(r#","count":1"#), 3), [true, false, false]);
        assert_eq!(hits(&one(""), 2), [true, true]);
        let all = one("");
        assert!(all.faults(&request("GetRecords", "")).cut.is_none());
        assert_eq!(all.hits(), [Hits { seen: 0, fired: 0 }]);
        let third = one(r#","nth":3"#);
        hits(&third, 5);
        assert_eq!(third.hits(), [Hits { seen: 5, fired: 1 }]);
    }

    #[test]
    fn chance_is_the_same_for_a_seed() {
        let text = r#"[{"service":"*","probability":0.3,"seed":7,"action":"reset"}]"#;
        let (a, b) = (hits(&rules(text), 1_000), hits(&rules(text), 1_000));
        assert_eq!(a, b);
        let share = a.iter().filter(|hit| **hit).count();
        assert!((250..350).contains(&share), "{share}");
    }

    #[test]
    fn a_key_picks_requests_and_entries() {
        let text = r#"[{"service":"kinesis","key":"blue|red","action":{"status":500}}]"#;
        let rules = rules(text);
        assert!(rules.faults(&request("PutRecord", "a red one")).error.is_some());
        assert!(rules.faults(&request("PutRecord", "a green one")).error.is_none());
        let text = r#"[{"service":"kinesis","key":"^a$","action":{"entries":1,"code":"X"}}]"#;
        rules.set(text.as_bytes()).expect("rules");
        let faults = rules.faults(&request("PutRecords", ""));
        assert_eq!((faults.entry_fails("a"), faults.entry_fails("b")), (Some("X"), None));
    }

    #[test]
    fn wrong_rules_are_refused() {
        let refused = |json: &str| Rules::default().set(json.as_bytes()).is_err();
        assert!(refused(r#"{"service":"s3"}"#));
        assert!(refused(r#"[{"service":"s3","action":"explode"}]"#));
        assert!(refused(r#"[{"service":"s3","action":{"code":"X"}}]"#));
        assert!(refused(r#"[{"service":"s3","action":{"entries":30}}]"#));
        assert!(refused(r#"[{"service":"s3","proability":1,"action":"reset"}]"#));
    }
}
