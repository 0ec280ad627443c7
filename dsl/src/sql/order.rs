//! `group by`, `order by`, `limit`: what refers to the columns of the result.

use super::aggregate::has_aggregate;
use super::check::Checker;
use super::names::{Scope, same};
use super::problem::SqlProblem;
use super::typed::*;
use sqlparser::ast;
use std::ops::Range;

impl Checker<'_> {
    pub(super) fn group_by(
        &mut self,
        group: &ast::GroupByExpr,
        items: &[Expr],
        names: &[String],
        scope: &Scope,
    ) -> Vec<Expr> {
        let (exprs, modifiers) = match group {
            ast::GroupByExpr::Expressions(exprs, modifiers) => (exprs.as_slice(), modifiers),
            ast::GroupByExpr::All(modifiers) => {
                let at = self.here.clone();
                self.unsupported("`group by all`", &at, "name the columns");
                (&[] as &[ast::Expr], modifiers)
            }
        };
        if !modifiers.is_empty() {
            let at = self.here.clone();
            self.unsupported("`with rollup`", &at, "group in several queries");
        }
        let columns_only = Scope { aliases: Vec::new(), ..scope.clone() };
        let mut keys = Vec::new();
        for expr in exprs {
            let output = self.output(expr, items.len(), names);
            // a column of a table comes before an alias of the list
            let column = match expr {
                ast::Expr::Identifier(ident) => scope.relations.iter().any(|relation| {
                    relation.columns.iter().any(|column| same(&column.name, &ident.value))
                }),
                _ => false,
            };
            let key = match output.filter(|_| !column) {
                Some(index) => items[index].clone(),
                None => self.expr(expr, &columns_only),
            };
            if has_aggregate(&key) {
                let at = self.at(expr);
                let message = "an aggregate cannot stand in `group by`";
                self.report(SqlProblem::new("E0306", message, at, "computed after grouping"));
            }
            keys.push(key);
        }
        keys
    }

    /// The output column that an ordinal or a name of `order by` or `group by` means.
    fn output(&mut self, expr: &ast::Expr, count: usize, names: &[String]) -> Option<usize> {
        match expr {
            ast::Expr::Value(value) => {
                let ast::Value::Number(number, _) = &value.value else { return None };
                let index = number.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
                if index.is_none_or(|index| index >= count) {
                    let at = self.at(expr);
                    let message = format!("no column number {number}");
                    let label = format!("the result has {count}");
                    self.report(SqlProblem::new("E0302", message, at, label));
                    return None;
                }
                index
            }
            ast::Expr::Identifier(ident) => names.iter().position(|name| same(name, &ident.value)),
            _ => None,
        }
    }

    pub(super) fn order_of_select(
        &mut self,
        order: Option<&ast::OrderBy>,
        items: &[Expr],
        names: &[String],
        scope: &Scope,
    ) -> Vec<(Order, Range<usize>)> {
        let mut keys = Vec::new();
        for (entry, expr) in self.order_exprs(order) {
            let at = self.at(expr);
            let told = self.problems.len();
            let key = match self.output(expr, items.len(), names) {
                Some(index) => OrderKey::Output(index),
                None if self.problems.len() > told => continue,
                None => {
                    let key = self.expr(expr, scope);
                    let same = items.iter().position(|item| *item == key);
                    same.map_or(OrderKey::Expr(key), OrderKey::Output)
                }
            };
            keys.push((Order { key, ..entry }, at));
        }
        keys
    }

    pub(super) fn order_of_set(
        &mut self,
        order: Option<&ast::OrderBy>,
        columns: &[Column],
    ) -> Vec<Order> {
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let mut keys = Vec::new();
        for (entry, expr) in self.order_exprs(order) {
            let told = self.problems.len();
            match self.output(expr, columns.len(), &names) {
                Some(index) => keys.push(Order { key: OrderKey::Output(index), ..entry }),
                None if self.problems.len() > told => {}
                None => {
                    let at = self.at(expr);
                    let message = "the rows of a set operator are ordered by columns of the result";
                    let problem = SqlProblem::new("E0302", message, at, "not such a column");
                    self.report(problem.help(format!("its columns: {}", names.join(", "))));
                }
            }
        }
        keys
    }

    /// The entries of an `order by`, with the direction of each.
    fn order_exprs<'o>(&mut self, order: Option<&'o ast::OrderBy>) -> Vec<(Order, &'o ast::Expr)> {
        match order.map(|order| &order.kind) {
            None => Vec::new(),
            Some(ast::OrderByKind::Expressions(entries)) => {
                entries.iter().map(|entry| (self.direction(entry), &entry.expr)).collect()
            }
            Some(ast::OrderByKind::All(_)) => {
                let at = self.here.clone();
                self.unsupported("`order by all`", &at, "name the columns");
                Vec::new()
            }
        }
    }

    /// Nulls are larger than any value.
    pub(super) fn direction(&mut self, entry: &ast::OrderByExpr) -> Order {
        let descending = match &entry.options.sort {
            None | Some(ast::OrderBySort::Asc) => false,
            Some(ast::OrderBySort::Desc) => true,
            Some(_) => {
                let at = self.at(&entry.expr);
                self.unsupported("`using`", &at, "write `asc` or `desc`");
                false
            }
        };
        let nulls_first = entry.options.nulls_first.unwrap_or(descending);
        Order { key: OrderKey::Output(0), descending, nulls_first }
    }

    pub(super) fn limits(&mut self, query: &ast::Query, checked: &mut Query) {
        match &query.limit_clause {
            None => {}
            Some(ast::LimitClause::LimitOffset { limit, offset, limit_by }) => {
                if !limit_by.is_empty() {
                    let at = self.here.clone();
                    self.unsupported("`limit by`", &at, "");
                }
                if let Some(limit) = limit {
                    checked.limit = self.count(limit, "limit");
                }
                checked.offset =
                    offset.as_ref().and_then(|offset| self.count(&offset.value, "offset"));
            }
            Some(ast::LimitClause::OffsetCommaLimit { offset, limit }) => {
                let at = self.at(limit);
                let help = format!("write `limit {limit} offset {offset}`");
                self.unsupported("`limit` with two numbers", &at, &help);
            }
        }
    }

    /// `select top 10 …`
    pub(super) fn top(&mut self, select: &ast::Select) -> Option<u64> {
        let top = select.top.as_ref()?;
        if top.percent || top.with_ties {
            let at = self.at(select);
            self.unsupported("this `top`", &at, "write `limit n`");
        }
        match top.quantity.as_ref()? {
            ast::TopQuantity::Constant(count) => Some(*count),
            ast::TopQuantity::Expr(expr) => self.count(expr, "top"),
        }
    }

    /// A number of rows.
    pub(super) fn count(&mut self, expr: &ast::Expr, word: &str) -> Option<u64> {
        if let ast::Expr::Value(value) = expr {
            match &value.value {
                ast::Value::Number(number, _) if number.parse::<u64>().is_ok() => {
                    return number.parse().ok();
                }
                ast::Value::Null => return None,
                _ => {}
            }
        }
        let at = self.at(expr);
        let message = format!("`{word}` takes a whole number of rows");
        self.report(SqlProblem::new("E0306", message, at, "not one").help(format!("{word} 10")));
        None
    }
}
