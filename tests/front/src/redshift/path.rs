//! Paths of a jsonpaths file: `$['InvoiceNo']` or `$.InvoiceNo`, no wildcards.

use std::collections::HashMap;

use serde_json::value::RawValue;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Place(usize),
}

/// A path below an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath(Vec<Step>);

impl JsonPath {
    /// Reads it; brackets and dots must not be mixed.
    pub fn parse(path: &str) -> Result<JsonPath, String> {
        let wrong = || format!("ERROR: Invalid JSONPath format: '{path}'");
        let mut rest = path.strip_prefix('$').ok_or_else(wrong)?;
        let dots = rest.starts_with('.');
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = match rest.strip_prefix('.').filter(|_| dots) {
                Some(after) => {
                    let end = after.find(['.', '[']).unwrap_or(after.len());
                    (Step::Key(after[..end].to_owned()), &after[end..])
                }
                None => bracket(rest, dots).ok_or_else(wrong)?,
            };
            if matches!(&step, Step::Key(key) if key.is_empty() || key == "*") {
                return Err(wrong());
            }
            steps.push(step);
            rest = after;
        }
        if steps.is_empty() { Err(wrong()) } else { Ok(JsonPath(steps)) }
    }

    /// The value in an object.
    pub fn find<'a>(&self, object: &HashMap<String, &'a RawValue>) -> Option<&'a RawValue> {
        let Some((Step::Key(first), rest)) = self.0.split_first() else { return None };
        let mut value = *object.get(first)?;
        for step in rest {
            value = match step {
                Step::Key(key) => serde_json::from_str::<HashMap<String, &RawValue>>(value.get())
                    .ok()?
                    .remove(key)?,
                Step::Place(at) => {
                    let all = serde_json::from_str::<Vec<&RawValue>>(value.get()).ok()?;
                    all.get(*at).copied()?
                }
            };
        }
        Some(value)
    }
}

/// `['key']` or `[0]`; a key in brackets only where there are no dots.
fn bracket(rest: &str, dots: bool) -> Option<(Step, &str)> {
    let inner = rest.strip_prefix('[')?;
    let quote = inner.chars().next().filter(|c| ['\'', '"'].contains(c));
    let Some(quote) = quote else {
        let (place, after) = inner.split_once(']')?;
        return Some((Step::Place(place.parse().ok()?), after));
    };
    if dots {
        return None;
    }
    let (mut key, mut chars) = (String::new(), inner.char_indices().skip(1));
    loop {
        let (at, c) = chars.next()?;
        match c {
            '\\' => key.push(chars.next()?.1),
            c if c == quote => {
                return Some((Step::Key(key), inner[at + 1..].strip_prefix(']')?));
            }
            other => key.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, json: &str) -> Option<String> {
        let object: HashMap<String, &RawValue> = serde_json::from_str(json).expect("an object");
        let path = JsonPath::parse(path).expect("a path");
        path.find(&object).map(|value| value.get().to_owned())
    }

    #[test]
    fn both_notations_find_values() {
        let json = r#"{"a b":{"c.d":[1,{"e":2.50}]},"x":{"y":"z"}}"#;
        assert_eq!(found("$['a b']['c.d'][1]['e']", json).as_deref(), Some("2.50"));
        assert_eq!(found("$.x.y", json).as_deref(), Some("\"z\""));
        assert_eq!(found("$['X']", json), None);
    }

    #[test]
    fn mixed_notations_and_wildcards_are_refused() {
        for path in ["a", "$", "$.a['b']", "$['a'].b", "$.*", "$['*']", "$['a'", "$..a", "$[x]"] {
            assert!(JsonPath::parse(path).is_err(), "{path}");
        }
    }
}
