//! What the parsers of all expressions share: placeholders, paths, refusals in AWS's order.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::error::{Error, validation};
use super::lexer::{Kind, Token, syntax_error, tokens};
use super::path::{Path, Step};
use super::reserved::is_reserved;
use super::value::Value;

/// The longest expression, in bytes.
const EXPRESSION_BYTES_MAX: usize = 4_096;
/// The most operators and functions of an expression.
const OPERATORS_MAX: usize = 300;
/// The most that all placeholders of a request may take, in bytes.
const PLACEHOLDERS_BYTES_MAX: usize = 2 * 1024 * 1024;

/// `ExpressionAttributeNames` and `ExpressionAttributeValues` of a request, and which were used.
#[derive(Debug, Default)]
pub(super) struct Placeholders {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, Value>,
    used: RefCell<BTreeSet<String>>,
}

impl Placeholders {
    /// Reads both, refusing what no expression could use.
    pub(super) fn read(
        names: Option<&Map<String, Json>>,
        values: Option<&Map<String, Json>>,
        any_expression: bool,
    ) -> Result<Placeholders, Error> {
        let mut read = Placeholders::default();
        for (members, which) in
            [(names, "ExpressionAttributeNames"), (values, "ExpressionAttributeValues")]
        {
            let Some(members) = members else { continue };
            if !any_expression {
                let said = "can only be specified when using expressions";
                return Err(validation(format!("{which} {said}")));
            }
            if members.is_empty() {
                return Err(validation(format!("{which} must not be empty")));
            }
            let first = if which.ends_with("Names") { '#' } else { ':' };
            if let Some(key) = members.keys().find(|key| !is_placeholder(key, first)) {
                let said = format!("contains invalid key: Syntax error; key: \"{key}\"");
                return Err(validation(format!("{which} {said}")));
            }
        }
        for (key, name) in names.into_iter().flatten() {
            read.names.insert(key.clone(), attribute_name(key, name)?);
        }
        for (key, value) in values.into_iter().flatten() {
            let value = Value::from_json(value).map_err(|error| match error.code {
                "ValidationException" => validation(format!(
                    "ExpressionAttributeValues contains invalid value: {} for key {key}",
                    error.message
                )),
                _ => error,
            })?;
            read.values.insert(key.clone(), value);
        }
        let names = read.names.iter().map(|(key, name)| key.len() + name.len()).sum::<usize>();
        let values = read.values.iter().map(|(key, value)| key.len() + value.size_bytes());
        if names + values.sum::<usize>() > PLACEHOLDERS_BYTES_MAX {
            return Err(validation(
                "Substitution variables of the expressions exceed the maximum length of 2 MB",
            ));
        }
        Ok(read)
    }

    /// Refuses placeholders that no expression has used.
    pub(super) fn check_used(&self) -> Result<(), Error> {
        let used = self.used.borrow();
        let unused = |keys: Vec<&String>, which: &str| {
            let left: Vec<&str> =
                keys.into_iter().filter(|key| !used.contains(*key)).map(String::as_str).collect();
            match left.is_empty() {
                true => Ok(()),
                false => Err(validation(format!(
                    "Value provided in {which} unused in expressions: keys: {{{}}}",
                    left.join(", ")
                ))),
            }
        };
        unused(self.names.keys().collect(), "ExpressionAttributeNames")?;
        unused(self.values.keys().collect(), "ExpressionAttributeValues")
    }
}

fn is_placeholder(key: &str, first: char) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    key.strip_prefix(first).is_some_and(|rest| !rest.is_empty() && rest.chars().all(part))
}

fn attribute_name(key: &str, name: &Json) -> Result<String, Error> {
    let wrong = |json: &Json| {
        let kind = super::json::kind(json);
        super::error::serialization(format!("{kind} cannot be converted to String"))
    };
    let name = name.as_str().ok_or_else(|| wrong(name))?;
    match name.len() {
        0 => Err(validation(format!(
            "ExpressionAttributeNames contains invalid value: Empty attribute name for key {key}"
        ))),
        1..=65_535 => Ok(name.to_owned()),
        _ => Err(validation(format!(
            "ExpressionAttributeNames contains invalid value: Attribute name is too large, must \
             be less than 65536 bytes for key {key}"
        ))),
    }
}

/// In which order AWS looks for faults that are not of the syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    Parentheses,
    Function,
    Misuse,
    Reserved,
    Section,
    Name,
    Value,
    Paths,
    Action,
    Count,
    Document,
    Operand,
    Distinct,
}

/// A position in the words of one expression.
pub(super) struct Parser<'a> {
    /// `ConditionExpression`, `UpdateExpression`…
    pub(super) which: &'static str,
    placeholders: &'a Placeholders,
    tokens: Vec<Token>,
    at: usize,
    operators: usize,
    faults: Vec<(Check, String)>,
}

impl<'a> Parser<'a> {
    /// At the beginning.
    pub(super) fn new(
        which: &'static str,
        text: &str,
        placeholders: &'a Placeholders,
    ) -> Result<Parser<'a>, Error> {
        if text.is_empty() {
            return Err(validation(format!("Invalid {which}: The expression can not be empty;")));
        }
        if text.len() > EXPRESSION_BYTES_MAX {
            return Err(validation(format!(
                "Invalid {which}: Expression size has exceeded the maximum allowed size; \
                 expression size: {}",
                text.len()
            )));
        }
        let tokens = tokens(text).map_err(|(at, tokens)| syntax_error(which, &tokens, at))?;
        Ok(Parser { which, placeholders, tokens, at: 0, operators: 0, faults: Vec::new() })
    }

    /// Ends, with the first fault that AWS would name.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        if self.peek().kind != Kind::End {
            return Err(self.unexpected());
        }
        if self.operators > OPERATORS_MAX {
            let count = self.operators;
            let said =
                format!("The expression contains too many operators; operator count: {count}");
            return Err(self.invalid(&said));
        }
        self.faults.sort_by_key(|(check, _)| *check);
        match self.faults.first() {
            Some((_, said)) => Err(self.invalid(said)),
            None => Ok(()),
        }
    }

    /// The refusal of this expression.
    pub(super) fn invalid(&self, said: &str) -> Error {
        validation(format!("Invalid {}: {said}", self.which))
    }

    /// Notes a fault; the syntax comes first.
    pub(super) fn fault(&mut self, check: Check, said: String) {
        self.faults.push((check, said));
    }

    /// Faults noted until now.
    pub(super) fn fault_count(&self) -> usize {
        self.faults.len()
    }

    /// Counts an operator or a function.
    pub(super) fn count_operator(&mut self) {
        self.operators += 1;
    }

    /// The next word.
    pub(super) fn peek(&self) -> &Token {
        &self.tokens[self.at]
    }

    /// The word after the next.
    pub(super) fn peek_after(&self) -> &Token {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)]
    }

    /// Takes the next word.
    pub(super) fn take(&mut self) -> Token {
        let token = self.tokens[self.at].clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    /// Which word is next.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// True if the parenthesis opened at `start` was closed by the word just taken.
    pub(super) fn closes(&self, start: usize) -> bool {
        let mut open = 0;
        for (at, token) in self.tokens.iter().enumerate().skip(start) {
            match token.text.as_str() {
                "(" => open += 1,
                ")" => open -= 1,
                _ => {}
            }
            if open == 0 {
                return at + 1 == self.at;
            }
        }
        false
    }

    /// Takes the sign if it is next.
    pub(super) fn take_sign(&mut self, sign: &str) -> bool {
        let is = self.peek().kind == Kind::Sign && self.peek().text == sign;
        if is {
            self.take();
        }
        is
    }

    /// Takes the keyword if it is next, in any case of letters.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let is = self.at_word(word);
        if is {
            self.take();
        }
        is
    }

    /// True before the keyword.
    pub(super) fn at_word(&self, word: &str) -> bool {
        self.peek().kind == Kind::Word && self.peek().text.eq_ignore_ascii_case(word)
    }

    /// Takes the sign or refuses what is there.
    pub(super) fn expect_sign(&mut self, sign: &str) -> Result<(), Error> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// The refusal of the next word.
    pub(super) fn unexpected(&self) -> Error {
        syntax_error(self.which, &self.tokens, self.at)
    }

    /// A document path.
    pub(super) fn path(&mut self) -> Result<Path, Error> {
        let mut steps = vec![self.step()?];
        loop {
            if self.take_sign(".") {
                steps.push(self.step()?);
            } else if self.take_sign("[") {
                if self.peek().kind != Kind::Index {
                    return Err(self.unexpected());
                }
                let Ok(index) = self.peek().text.parse::<u32>() else {
                    return Err(self.unexpected());
                };
                self.take();
                self.expect_sign("]")?;
                steps.push(Step::Index(index as usize));
            } else {
                return Ok(Path(steps));
            }
        }
    }

    fn step(&mut self) -> Result<Step, Error> {
        let keywords: &[&str] = match self.which {
            "UpdateExpression" => &["SET", "REMOVE", "ADD", "DELETE"],
            "ProjectionExpression" => &[],
            _ => &["AND", "OR", "NOT", "IN", "BETWEEN"],
        };
        if keywords.iter().any(|word| self.at_word(word)) {
            return Err(self.unexpected());
        }
        match self.peek().kind {
            Kind::Word => {
                let word = self.take().text;
                if is_reserved(&word) {
                    let said = "Attribute name is a reserved keyword; reserved keyword:";
                    self.fault(Check::Reserved, format!("{said} {word}"));
                }
                Ok(Step::Name(word))
            }
            Kind::Name => {
                let key = self.take().text;
                let Some(name) = self.placeholders.names.get(&key) else {
                    let said = "An expression attribute name used in the document path is not \
                                defined; attribute name:";
                    self.fault(Check::Name, format!("{said} {key}"));
                    return Ok(Step::Name(key));
                };
                self.placeholders.used.borrow_mut().insert(key);
                Ok(Step::Name(name.clone()))
            }
            _ => Err(self.unexpected()),
        }
    }

    /// The value of a placeholder, which is next.
    pub(super) fn value(&mut self) -> Result<Value, Error> {
        if self.peek().kind != Kind::Value {
            return Err(self.unexpected());
        }
        let key = self.take().text;
        let Some(value) = self.placeholders.values.get(&key) else {
            let said = "An expression attribute value used in expression is not defined; \
                        attribute value:";
            self.fault(Check::Value, format!("{said} {key}"));
            return Ok(Value::Null);
        };
        self.placeholders.used.borrow_mut().insert(key);
        Ok(value.clone())
    }

    /// The wrong type of an operand.
    pub(super) fn wrong_type(&mut self, operator: &str, of: &str) {
        let said = format!(
            "Incorrect operand type for operator or function; operator or function: {operator}, \
             operand type: {of}"
        );
        self.fault(Check::Operand, said);
    }

    /// The wrong number of operands.
    pub(super) fn wrong_count(&mut self, function: &str, count: usize) {
        let said = format!(
            "Incorrect number of operands for operator or function; operator or function: \
             {function}, number of operands: {count}"
        );
        self.fault(Check::Count, said);
    }
}

/// Reads a `ProjectionExpression`.
pub(super) fn projection(text: &str, placeholders: &Placeholders) -> Result<Vec<Path>, Error> {
    let mut parser = Parser::new("ProjectionExpression", text, placeholders)?;
    let mut paths = vec![parser.path()?];
    while parser.take_sign(",") {
        paths.push(parser.path()?);
    }
    parser.end()?;
    match super::path::clash(&paths) {
        Some(said) => Err(parser.invalid(&said)),
        None => Ok(paths),
    }
}
