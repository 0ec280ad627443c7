//! Conditions, filters and key conditions: from text to a tree.

use super::error::Error;
use super::lexer::Kind;
use super::parser::{Check, Parser, Placeholders};
use super::path::Path;
use super::value::Value;

/// The most operands of IN.
const IN_MAX: usize = 100;

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    /// An attribute, or a part of one.
    Path(Path),
    /// A placeholder's value.
    Value(Value),
    /// `size(…)`
    Size(Box<Operand>),
}

impl Operand {
    /// The type, where the text alone tells it.
    fn known_type(&self) -> Option<&'static str> {
        match self {
            Operand::Path(_) => None,
            Operand::Value(value) => Some(value.type_name()),
            Operand::Size(_) => Some("N"),
        }
    }
}

/// A condition; the tree is as deep as its parentheses.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    /// `=`, `<>`, `<`, `<=`, `>`, `>=`
    Compare(String, Operand, Operand),
    /// Lower and upper bound, both inclusive.
    Between(Operand, Operand, Operand),
    /// Equal to one of them.
    In(Operand, Vec<Operand>),
    /// Both.
    And(Box<Condition>, Box<Condition>),
    /// One or both.
    Or(Box<Condition>, Box<Condition>),
    /// The contrary.
    Not(Box<Condition>),
    /// `attribute_exists`
    Exists(Path),
    /// `attribute_not_exists`
    NotExists(Path),
    /// `attribute_type`
    Type(Operand, Operand),
    /// `begins_with`
    BeginsWith(Operand, Operand),
    /// `contains`
    Contains(Operand, Operand),
}

/// What parentheses may hold, before it is known which it is.
enum Node {
    Condition(Condition),
    Operand(Operand),
    /// A condition's function with its name, for the refusal where an operand must stand.
    Function(String, Condition),
    /// `size(…)` alone is no condition.
    Size(Operand),
}

/// Reads the expression of the parameter `which`.
pub(super) fn condition(
    which: &'static str,
    text: &str,
    placeholders: &Placeholders,
) -> Result<Condition, Error> {
    let mut parser = Parser::new(which, text, placeholders)?;
    let node = parser.any(0)?;
    let condition = parser.as_condition(node)?;
    parser.end()?;
    Ok(condition)
}

impl Parser<'_> {
    fn any(&mut self, depth: usize) -> Result<Node, Error> {
        let mut left = self.all(depth)?;
        while self.at_word("OR") {
            let first = self.as_condition(left)?;
            self.take();
            self.count_operator();
            let second = self.all(depth)?;
            let second = self.as_condition(second)?;
            left = Node::Condition(Condition::Or(Box::new(first), Box::new(second)));
        }
        Ok(left)
    }

    fn all(&mut self, depth: usize) -> Result<Node, Error> {
        let mut left = self.not(depth)?;
        while self.at_word("AND") {
            let first = self.as_condition(left)?;
            self.take();
            self.count_operator();
            let second = self.not(depth)?;
            let second = self.as_condition(second)?;
            left = Node::Condition(Condition::And(Box::new(first), Box::new(second)));
        }
        Ok(left)
    }

    fn not(&mut self, depth: usize) -> Result<Node, Error> {
        if !self.at_word("NOT") {
            return self.comparison(depth);
        }
        self.deep(depth)?;
        self.take();
        self.count_operator();
        let inner = self.not(depth + 1)?;
        let inner = self.as_condition(inner)?;
        Ok(Node::Condition(Condition::Not(Box::new(inner))))
    }

    fn comparison(&mut self, depth: usize) -> Result<Node, Error> {
        let left = self.primary(depth)?;
        let sign = self.peek().clone();
        let comparators = ["=", "<>", "<", "<=", ">", ">="];
        if sign.kind == Kind::Sign && comparators.contains(&sign.text.as_str()) {
            let left = self.as_operand(left)?;
            self.take();
            let right = self.operand(depth)?;
            return Ok(Node::Condition(self.compare(sign.text, left, right)));
        }
        if self.at_word("BETWEEN") {
            let value = self.as_operand(left)?;
            self.take();
            let low = self.operand(depth)?;
            if !self.take_word("AND") {
                return Err(self.unexpected());
            }
            let high = self.operand(depth)?;
            return Ok(Node::Condition(self.between(value, low, high)));
        }
        if self.at_word("IN") {
            let value = self.as_operand(left)?;
            self.take();
            let list = self.in_list(depth)?;
            return Ok(Node::Condition(Condition::In(value, list)));
        }
        Ok(left)
    }

    fn compare(&mut self, sign: String, left: Operand, right: Operand) -> Condition {
        self.count_operator();
        self.distinct(&sign, &left, &[&right]);
        if !["=", "<>"].contains(&sign.as_str()) {
            self.ordered(&sign, &[&left, &right]);
        }
        Condition::Compare(sign, left, right)
    }

    fn between(&mut self, value: Operand, low: Operand, high: Operand) -> Condition {
        self.count_operator();
        self.ordered("BETWEEN", &[&value, &low, &high]);
        if let (Operand::Value(a), Operand::Value(b)) = (&low, &high) {
            if a.type_name() != b.type_name() {
                let said = "The BETWEEN operator requires same data type for lower and upper \
                            bounds; ";
                self.fault(Check::Distinct, bounds(said, a, b));
            } else if super::eval::order(a, b) == Some(std::cmp::Ordering::Greater) {
                let said = "The BETWEEN operator requires upper bound to be greater than or \
                            equal to lower bound; ";
                self.fault(Check::Distinct, bounds(said, a, b));
            }
        }
        Condition::Between(value, low, high)
    }

    fn in_list(&mut self, depth: usize) -> Result<Vec<Operand>, Error> {
        self.count_operator();
        self.expect_sign("(")?;
        let mut list = vec![self.operand(depth)?];
        while self.take_sign(",") {
            list.push(self.operand(depth)?);
        }
        self.expect_sign(")")?;
        if list.len() > IN_MAX {
            self.wrong_count("IN", list.len() + 1);
        }
        Ok(list)
    }

    /// An ordering takes strings, numbers and binaries only.
    fn ordered(&mut self, operator: &str, operands: &[&Operand]) {
        for operand in operands {
            match operand.known_type() {
                None | Some("S" | "N" | "B") => {}
                Some(other) => self.wrong_type(operator, other),
            }
        }
    }

    fn distinct(&mut self, operator: &str, first: &Operand, others: &[&Operand]) {
        let Operand::Path(path) = first else { return };
        if others.contains(&first) {
            let said = format!(
                "The first operand must be distinct from the remaining operands for this operator \
                 or function; operator: {operator}, first operand: {path}"
            );
            self.fault(Check::Distinct, said);
        }
    }

    fn operand(&mut self, depth: usize) -> Result<Operand, Error> {
        let node = self.primary(depth)?;
        self.as_operand(node)
    }

    fn as_operand(&mut self, node: Node) -> Result<Operand, Error> {
        match node {
            Node::Operand(operand) | Node::Size(operand) => Ok(operand),
            Node::Function(name, _) => {
                self.misuse(&name);
                Ok(Operand::Value(Value::Null))
            }
            Node::Condition(_) => Err(self.unexpected()),
        }
    }

    fn as_condition(&mut self, node: Node) -> Result<Condition, Error> {
        match node {
            Node::Condition(condition) | Node::Function(_, condition) => Ok(condition),
            Node::Size(operand) => {
                self.misuse("size");
                Ok(Condition::Compare("=".into(), operand.clone(), operand))
            }
            Node::Operand(_) => Err(self.unexpected()),
        }
    }

    fn misuse(&mut self, function: &str) {
        let said = "The function is not allowed to be used this way in an expression; function:";
        self.fault(Check::Misuse, format!("{said} {function}"));
    }

    fn deep(&self, depth: usize) -> Result<(), Error> {
        // AWS names no number; an expression of 4 KB that nests deeper is no honest one.
        if depth > 100 { Err(self.unexpected()) } else { Ok(()) }
    }

    fn primary(&mut self, depth: usize) -> Result<Node, Error> {
        self.deep(depth)?;
        if self.take_sign("(") {
            let doubled = self.peek().text == "(" && self.peek().kind == Kind::Sign;
            let start = self.position();
            let node = self.any(depth + 1)?;
            let whole = doubled && self.closes(start);
            self.expect_sign(")")?;
            if whole {
                let said = "The expression has redundant parentheses;";
                self.fault(Check::Parentheses, said.into());
            }
            return Ok(node);
        }
        match self.peek().kind {
            Kind::Value => Ok(Node::Operand(Operand::Value(self.value()?))),
            Kind::Word if self.peek_after().text == "(" => self.function(depth),
            _ => Ok(Node::Operand(Operand::Path(self.path()?))),
        }
    }

    fn function(&mut self, depth: usize) -> Result<Node, Error> {
        let name = self.take().text;
        self.count_operator();
        self.expect_sign("(")?;
        let mut operands = vec![self.operand(depth + 1)?];
        while self.take_sign(",") {
            operands.push(self.operand(depth + 1)?);
        }
        self.expect_sign(")")?;
        let wanted = match name.as_str() {
            "size" | "attribute_exists" | "attribute_not_exists" => 1,
            "attribute_type" | "begins_with" | "contains" => 2,
            _ => {
                self.fault(Check::Function, format!("Invalid function name; function: {name}"));
                let nothing = Operand::Value(Value::Null);
                let nothing = Condition::Compare("=".into(), nothing.clone(), nothing);
                return Ok(Node::Function(name, nothing));
            }
        };
        if operands.len() != wanted {
            self.wrong_count(&name, operands.len());
            operands.resize(wanted, Operand::Value(Value::Null));
        }
        Ok(self.call(name, operands))
    }

    fn call(&mut self, name: String, mut operands: Vec<Operand>) -> Node {
        let last = operands.pop().unwrap_or(Operand::Value(Value::Null));
        let Some(first) = operands.pop() else {
            return self.call_of_one(name, last);
        };
        self.distinct(&name, &first, &[&last]);
        let condition = match name.as_str() {
            "attribute_type" => {
                self.check_type_name(&last);
                Condition::Type(first, last)
            }
            "begins_with" => {
                for operand in [&first, &last] {
                    match operand.known_type() {
                        None | Some("S" | "B") => {}
                        Some(other) => self.wrong_type(&name, other),
                    }
                }
                Condition::BeginsWith(first, last)
            }
            _ => Condition::Contains(first, last),
        };
        Node::Function(name, condition)
    }

    fn call_of_one(&mut self, name: String, operand: Operand) -> Node {
        if name == "size" {
            if let Some(of @ ("N" | "BOOL" | "NULL")) = operand.known_type() {
                self.wrong_type(&name, of);
            }
            return Node::Size(Operand::Size(Box::new(operand)));
        }
        let Operand::Path(path) = operand else {
            let said = "Operator or function requires a document path; operator or function:";
            self.fault(Check::Document, format!("{said} {name}"));
            let nothing = Operand::Value(Value::Null);
            return Node::Function(name, Condition::Compare("=".into(), nothing.clone(), nothing));
        };
        let condition = match name.as_str() {
            "attribute_exists" => Condition::Exists(path),
            _ => Condition::NotExists(path),
        };
        Node::Function(name, condition)
    }

    fn check_type_name(&mut self, operand: &Operand) {
        const TYPES: [&str; 10] = ["B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M"];
        match operand {
            Operand::Value(Value::S(name)) if TYPES.contains(&name.as_str()) => {}
            Operand::Value(Value::S(name)) => {
                let said = format!(
                    "Invalid attribute type name found; type: {name}, valid types: {{{}}}",
                    TYPES.join(",")
                );
                self.fault(Check::Operand, said);
            }
            other => {
                let of = other.known_type().unwrap_or("{NS,SS,L,BS,N,M,B,BOOL,NULL,S}");
                self.wrong_type("attribute_type", of);
            }
        }
    }
}

fn bounds(said: &str, low: &Value, high: &Value) -> String {
    let show = |value: &Value| match value {
        Value::S(text) => format!("AttributeValue: {{S:{text}}}"),
        Value::N(number) => format!("AttributeValue: {{N:{number}}}"),
        other => format!("AttributeValue: {{{}:…}}", other.type_name()),
    };
    format!("{said}lower bound operand: {}, upper bound operand: {}", show(low), show(high))
}
