//! The way into the checker: text in, a typed query or problems out.

use super::names::Scope;
use super::problem::{Places, SqlProblem};
use super::typed::{At, Column, Expr, ExprKind};
use super::{Checked, Table};
use crate::ty::Ty;
use crate::value::Value;
use sqlparser::ast::{Spanned, Statement};
use sqlparser::dialect::RedshiftSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, Tokenizer};
use std::ops::Range;

/// Bytes of one query.
const SQL_BYTES_MAX: usize = 64 << 10;

/// Operators in one query: what bounds the depth of the syntax tree.
const OPERATORS_MAX: usize = 300;

/// Expressions and queries inside each other.
const LEVELS_MAX: usize = 64;

/// Parses a query in Redshift's dialect and checks it against the declared tables.
pub fn check(sql: &str, tables: &[Table]) -> Result<Checked, Vec<SqlProblem>> {
    let places = Places::new(sql);
    let statement = parse(sql, &places).map_err(|problem| vec![problem])?;
    let Statement::Query(query) = statement else {
        let word = sql.trim_start();
        let start = sql.len() - word.len();
        let end = start + word.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(word.len());
        let message = format!("`{}` is not a query", &sql[start..end]);
        let problem = SqlProblem::new("E0001", message, start..end, "");
        return Err(vec![problem.help("only `select` can be written here")]);
    };
    let mut checker = Checker {
        sql,
        places,
        tables,
        problems: Vec::new(),
        here: 0..sql.len(),
        level: 0,
        relations: 0,
        ctes: Vec::new(),
        cte_count: 0,
        grouping: Grouping::Forbidden("here"),
    };
    let mut query = checker.query(&query, None);
    if !checker.problems.is_empty() {
        return Err(checker.problems);
    }
    // a column of nothing but nulls is a text
    for column in query.columns.iter_mut().filter(|column| column.ty == Ty::Null) {
        column.ty = Ty::Text.nullable();
    }
    let columns = query.columns.iter().map(|column| (column.name.clone(), column.ty.clone()));
    Ok(Checked { columns: columns.collect(), query })
}

pub(super) fn parse(sql: &str, places: &Places) -> Result<Statement, SqlProblem> {
    if sql.len() > SQL_BYTES_MAX {
        return Err(SqlProblem::new("E0105", "this query is over 64 KiB", 0..0, ""));
    }
    let dialect = RedshiftSqlDialect {};
    let tokens = Tokenizer::new(&dialect, sql).tokenize_with_location().map_err(|error| {
        let at = places.byte(error.location).unwrap_or(0);
        let message = error.message.to_lowercase();
        SqlProblem::new("E0102", message, at..sql.len().min(at + 1), "the SQL stops here")
    })?;
    let operators = tokens.iter().filter(|token| is_operator(&token.token));
    if let Some(operator) = operators.clone().nth(OPERATORS_MAX) {
        let at = places.bytes(operator.span).unwrap_or(0..0);
        let message = format!("this query has over {OPERATORS_MAX} operators");
        let problem = SqlProblem::new("E0105", message, at, "one too many");
        return Err(problem.help("write long lists of values as `in (…)`"));
    }
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
    let mut statements = parser.parse_statements().map_err(|error| syntax(error, sql, places))?;
    match statements.len() {
        1 => Ok(statements.remove(0)),
        0 => Err(SqlProblem::new("E0102", "this query is empty", 0..sql.len(), "")
            .help("write `select … from …`")),
        _ => {
            let at = places.bytes(statements[1].span()).unwrap_or(0..0);
            let problem = SqlProblem::new("E0102", "one query, one statement", at, "a second one");
            Err(problem.help("declare a second `query`"))
        }
    }
}

fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => {
            ["and", "or", "not"].iter().any(|name| word.value.eq_ignore_ascii_case(name))
        }
        Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod => true,
        Token::StringConcat | Token::DoubleColon | Token::Eq | Token::Lt | Token::Gt => true,
        Token::Neq | Token::LtEq | Token::GtEq => true,
        _ => false,
    }
}

/// The parser's own message, with its place taken out of it.
fn syntax(error: ParserError, sql: &str, places: &Places) -> SqlProblem {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        ParserError::RecursionLimitExceeded => {
            let message = "this query is nested too deep";
            return SqlProblem::new("E0105", message, 0..sql.len(), "");
        }
    };
    let (text, location) = message.split_once(" at Line: ").unwrap_or((&message, ""));
    let mut numbers = location.split(", Column: ").map(|part| part.trim().parse().unwrap_or(0));
    let (line, column) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let at = places.byte(Location { line, column }).unwrap_or(sql.trim_end().len());
    // the parser's place may be one token too far: the word it found is the place
    let found = text.rsplit_once("found: ").map_or("", |(_, found)| found);
    let at = match sql[at..].starts_with(found) {
        true => at,
        false => sql[..at].rfind(found).unwrap_or(at),
    };
    let rest = &sql[at..];
    let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let first = rest.chars().next().map_or(0, char::len_utf8);
    let text = text.replacen("Expected: ", "expected ", 1).replace(", found: ", " before `");
    let mut text = if text.contains(" before `") { format!("{text}`") } else { text };
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    let first_word = text.starts_with("expected an SQL statement");
    let text = text.replace("`EOF`", "the end");
    let problem = SqlProblem::new("E0102", text, at..at + word.max(first), "");
    if first_word { problem.help("a query begins with `select` or `with`") } else { problem }
}

/// Whether an aggregate may stand here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Grouping {
    /// In the select list, `having`, `order by`.
    Allowed,
    /// Elsewhere; said in the problem.
    Forbidden(&'static str),
}

/// What is known while a query is checked.
pub(super) struct Checker<'a> {
    pub sql: &'a str,
    pub places: Places<'a>,
    pub tables: &'a [Table<'a>],
    pub problems: Vec<SqlProblem>,
    /// The innermost place that is known: where problems go whose own place is not.
    pub here: Range<usize>,
    pub level: usize,
    /// Relations numbered so far.
    pub relations: usize,
    /// The common table expressions in scope: name, number, columns.
    pub ctes: Vec<(String, usize, Vec<Column>)>,
    pub cte_count: usize,
    pub grouping: Grouping,
}

impl Checker<'_> {
    pub(super) fn report(&mut self, problem: SqlProblem) {
        // one cause, one problem: the same place is not told twice
        if !self.problems.iter().any(|told| told.at == problem.at) {
            self.problems.push(problem);
        }
    }

    pub(super) fn unsupported(&mut self, what: &str, at: &Range<usize>, help: &str) {
        self.report(SqlProblem::unsupported(what, at.clone(), help));
    }

    /// The place of a node of the syntax tree.
    pub(super) fn at(&self, node: &impl Spanned) -> Range<usize> {
        let at = self.places.bytes(node.span()).unwrap_or_else(|| self.here.clone());
        self.closed(at)
    }

    /// The parser's places leave out closing brackets.
    fn closed(&self, at: Range<usize>) -> Range<usize> {
        let text = &self.sql[at.clone()];
        let open = text.matches('(').count().saturating_sub(text.matches(')').count());
        let mut end = at.end;
        for _ in 0..open {
            let rest = self.sql[end..].trim_start();
            if !rest.starts_with(')') {
                break;
            }
            end = self.sql.len() - rest.len() + 1;
        }
        at.start..end
    }

    /// The place of a name.
    pub(super) fn place(&self, ident: &sqlparser::ast::Ident) -> Range<usize> {
        self.places.bytes(ident.span).unwrap_or_else(|| self.here.clone())
    }

    /// Runs `check` one level deeper; too deep is a problem and gives `None`.
    pub(super) fn deeper<T>(&mut self, check: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.level >= LEVELS_MAX {
            let message = format!("this query is nested over {LEVELS_MAX} levels deep");
            let at = self.here.clone();
            let problem = SqlProblem::new("E0105", message, at, "one level too many");
            self.report(problem.help("name a part with `with name as (…)`"));
            return None;
        }
        self.level += 1;
        let checked = check(self);
        self.level -= 1;
        Some(checked)
    }

    /// A subquery that must have one column.
    pub(super) fn one_column(
        &mut self,
        query: &sqlparser::ast::Query,
        scope: &Scope,
        at: &Range<usize>,
    ) -> Option<(super::typed::Query, Ty)> {
        let query = self.query(query, Some(scope));
        if query.columns.len() != 1 {
            let message = format!("this subquery has {} columns", query.columns.len());
            self.report(SqlProblem::new("E0306", message, at.clone(), "one column is needed here"));
            return None;
        }
        let ty = query.columns[0].ty.clone();
        Some((query, ty))
    }
}

/// What stands for something that is already wrong; silences what depends on it.
pub(super) fn poison(at: Range<usize>) -> Expr {
    Expr { kind: ExprKind::Literal(Value::Null), ty: Ty::Unknown, nullable: true, at: At(at) }
}
