//! Update expressions: from text to actions.

use super::error::Error;
use super::lexer::Kind;
use super::parser::{Check, Parser, Placeholders};
use super::path::{Path, clash};
use super::value::Value;

/// A value that SET writes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Term {
    /// Another attribute.
    Path(Path),
    /// A placeholder's value.
    Value(Value),
    /// `a + b`
    Plus(Box<Term>, Box<Term>),
    /// `a - b`
    Minus(Box<Term>, Box<Term>),
    /// `if_not_exists(path, term)`
    IfNotExists(Path, Box<Term>),
    /// `list_append(a, b)`
    ListAppend(Box<Term>, Box<Term>),
}

/// The four sections of an update.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Update {
    pub(super) set: Vec<(Path, Term)>,
    pub(super) remove: Vec<Path>,
    pub(super) add: Vec<(Path, Value)>,
    pub(super) delete: Vec<(Path, Value)>,
    /// All paths that it writes, in the order of the text.
    pub(super) paths: Vec<Path>,
}

impl Update {
    /// Reads an `UpdateExpression`.
    pub(super) fn parse(text: &str, placeholders: &Placeholders) -> Result<Update, Error> {
        let mut parser = Parser::new("UpdateExpression", text, placeholders)?;
        let mut update = Update::default();
        let mut seen: Vec<String> = Vec::new();
        while seen.is_empty() || parser.peek().kind != Kind::End {
            let section = parser.peek().text.to_ascii_uppercase();
            if !["SET", "REMOVE", "ADD", "DELETE"].contains(&section.as_str())
                || parser.peek().kind != Kind::Word
            {
                return Err(parser.unexpected());
            }
            parser.take();
            if seen.contains(&section) {
                let said = "section can only be used once in an update expression;";
                parser.fault(Check::Section, format!("The \"{section}\" {said}"));
            }
            update.section(&section, &mut parser)?;
            seen.push(section);
        }
        if let Some(said) = clash(&update.paths) {
            parser.fault(Check::Paths, said);
        }
        parser.end()?;
        Ok(update)
    }

    fn section(&mut self, section: &str, parser: &mut Parser<'_>) -> Result<(), Error> {
        loop {
            let path = parser.path()?;
            self.paths.push(path.clone());
            match section {
                "SET" => {
                    parser.expect_sign("=")?;
                    let term = parser.term()?;
                    self.set.push((path, term));
                }
                "REMOVE" => self.remove.push(path),
                "ADD" => {
                    let value = parser.operand_of("ADD")?;
                    self.add.push((path, value));
                }
                _ => {
                    let value = parser.operand_of("DELETE")?;
                    self.delete.push((path, value));
                }
            }
            if !parser.take_sign(",") {
                return Ok(());
            }
        }
    }
}

impl Term {
    fn known_type(&self) -> Option<&'static str> {
        match self {
            Term::Value(value) => Some(value.type_name()),
            Term::ListAppend(..) => Some("L"),
            Term::Plus(..) | Term::Minus(..) => Some("N"),
            Term::Path(_) | Term::IfNotExists(..) => None,
        }
    }
}

impl Parser<'_> {
    /// What ADD and DELETE take: a placeholder of a fitting type.
    fn operand_of(&mut self, operator: &str) -> Result<Value, Error> {
        let known = self.fault_count();
        let value = self.value()?;
        let fits = match &value {
            Value::Ss(_) | Value::Ns(_) | Value::Bs(_) => true,
            Value::N(_) => operator == "ADD",
            _ => false,
        };
        if !fits && self.fault_count() == known {
            let said = format!(
                "Incorrect operand type for operator or function; operator: {operator}, operand \
                 type: {}",
                value.long_type_name()
            );
            self.fault(Check::Action, said);
        }
        Ok(value)
    }

    /// One operand, or the sum or difference of two.
    fn term(&mut self) -> Result<Term, Error> {
        if self.take_sign("(") {
            let term = self.term()?;
            self.expect_sign(")")?;
            return Ok(term);
        }
        let first = self.simple_term(0)?;
        let plus = self.take_sign("+");
        if !plus && !self.take_sign("-") {
            return Ok(first);
        }
        self.count_operator();
        let second = self.simple_term(0)?;
        let sign = if plus { "+" } else { "-" };
        for term in [&first, &second] {
            match term.known_type() {
                None | Some("N") => {}
                Some(other) => self.wrong_type(sign, other),
            }
        }
        let (first, second) = (Box::new(first), Box::new(second));
        Ok(if plus { Term::Plus(first, second) } else { Term::Minus(first, second) })
    }

    fn simple_term(&mut self, depth: usize) -> Result<Term, Error> {
        if depth > 100 {
            return Err(self.unexpected());
        }
        if self.take_sign("(") {
            let term = self.simple_term(depth + 1)?;
            self.expect_sign(")")?;
            return Ok(term);
        }
        match self.peek().kind {
            Kind::Value => Ok(Term::Value(self.value()?)),
            Kind::Word if self.peek_after().text == "(" => self.update_function(depth),
            _ => Ok(Term::Path(self.path()?)),
        }
    }

    fn update_function(&mut self, depth: usize) -> Result<Term, Error> {
        let name = self.take().text;
        self.count_operator();
        self.expect_sign("(")?;
        let mut terms = vec![self.simple_term(depth + 1)?];
        while self.take_sign(",") {
            terms.push(self.simple_term(depth + 1)?);
        }
        self.expect_sign(")")?;
        if !["if_not_exists", "list_append"].contains(&name.as_str()) {
            self.fault(Check::Function, format!("Invalid function name; function: {name}"));
            return Ok(Term::Value(Value::Null));
        }
        if terms.len() != 2 {
            self.wrong_count(&name, terms.len());
            terms.resize(2, Term::Value(Value::L(Vec::new())));
        }
        let (second, first) = (terms.remove(1), terms.remove(0));
        if name == "list_append" {
            for term in [&first, &second] {
                match term.known_type() {
                    None | Some("L") => {}
                    Some(other) => self.wrong_type(&name, other),
                }
            }
            return Ok(Term::ListAppend(Box::new(first), Box::new(second)));
        }
        let Term::Path(path) = first else {
            let said = "Operator or function requires a document path; operator or function:";
            self.fault(Check::Document, format!("{said} {name}"));
            return Ok(second);
        };
        Ok(Term::IfNotExists(path, Box::new(second)))
    }
}
