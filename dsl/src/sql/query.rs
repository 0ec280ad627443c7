//! Queries: `with`, `select`, set operators, `order by`, `limit`.

use super::aggregate::{check_grouped, has_aggregate};
use super::check::{Checker, Grouping};
use super::names::{Scope, same};
use super::problem::SqlProblem;
use super::typed::*;
use crate::ty::Ty;
use sqlparser::ast;
use std::ops::Range;

impl Checker<'_> {
    /// A whole query; `outer` is what the query around a subquery sees.
    pub(super) fn query(&mut self, query: &ast::Query, outer: Option<&Scope>) -> Query {
        let at = self.at(query);
        let here = std::mem::replace(&mut self.here, at);
        let grouping = std::mem::replace(&mut self.grouping, Grouping::Forbidden("here"));
        let known = self.ctes.len();
        let checked = self.deeper(|checker| checker.query_in(query, outer));
        self.ctes.truncate(known);
        (self.here, self.grouping) = (here, grouping);
        checked.unwrap_or_else(|| nothing(Vec::new()))
    }

    fn query_in(&mut self, query: &ast::Query, outer: Option<&Scope>) -> Query {
        self.odd_clauses(query);
        let ctes = query.with.as_ref().map(|with| self.with(with, outer)).unwrap_or_default();
        let mut checked = match query.body.as_ref() {
            ast::SetExpr::Select(select) => self.select(select, query.order_by.as_ref(), outer),
            body => {
                let (body, columns) = self.body(body, outer);
                let mut set = Query { body, ..nothing(columns) };
                set.order_by = self.order_of_set(query.order_by.as_ref(), &set.columns);
                set
            }
        };
        checked.ctes = ctes;
        self.limits(query, &mut checked);
        checked
    }

    fn odd_clauses(&mut self, query: &ast::Query) {
        let odd = [
            (query.fetch.is_some(), "`fetch`", "write `limit n`"),
            (!query.locks.is_empty(), "`for update`", "remove it"),
            (query.for_clause.is_some(), "`for`", "remove it"),
            (query.settings.is_some(), "`settings`", "remove it"),
            (query.format_clause.is_some(), "`format`", "remove it"),
            (!query.pipe_operators.is_empty(), "`|>`", "write plain `select`"),
        ];
        let here = self.here.clone();
        for (_, what, help) in odd.iter().filter(|(is, ..)| *is) {
            self.unsupported(what, &here, help);
        }
    }

    fn with(&mut self, with: &ast::With, outer: Option<&Scope>) -> Vec<Cte> {
        let mut ctes = Vec::new();
        if with.recursive {
            let at = self.here.clone();
            self.unsupported("`with recursive`", &at, "write the steps as queries of their own");
        }
        for cte in &with.cte_tables {
            let query = self.query(&cte.query, outer);
            let columns = self.renamed(&query.columns, &cte.alias);
            self.cte_count += 1;
            self.ctes.push((cte.alias.name.value.clone(), self.cte_count, columns));
            ctes.push(Cte { id: self.cte_count, query });
        }
        ctes
    }

    /// The columns under the names of `as t(a, b)`.
    pub(super) fn renamed(&mut self, columns: &[Column], alias: &ast::TableAlias) -> Vec<Column> {
        if alias.columns.len() > columns.len() {
            let at = self.place(&alias.name);
            let message = format!("`{}` names too many columns", alias.name.value);
            let label = format!("the query has {}", columns.len());
            self.report(SqlProblem::new("E0302", message, at, label));
        }
        let names = alias.columns.iter().map(|column| Some(&column.name.value));
        let names = names.chain(std::iter::repeat(None));
        let named = columns.iter().zip(names).map(|(column, name)| Column {
            name: name.unwrap_or(&column.name).clone(),
            ty: column.ty.clone(),
        });
        named.collect()
    }

    fn body(&mut self, body: &ast::SetExpr, outer: Option<&Scope>) -> (Body, Vec<Column>) {
        let checked = self.deeper(|checker| match body {
            ast::SetExpr::Select(select) => {
                let query = checker.select(select, None, outer);
                (query.body, query.columns)
            }
            ast::SetExpr::Query(query) => {
                let query = checker.query(query, outer);
                let columns = query.columns.clone();
                (Body::Query(Box::new(query)), columns)
            }
            ast::SetExpr::SetOperation { op, set_quantifier, left, right } => {
                checker.set(*op, *set_quantifier, (left, right), outer)
            }
            other => {
                let at = checker.at(other);
                checker.unsupported("this statement", &at, "only `select` can be written here");
                (nothing(Vec::new()).body, Vec::new())
            }
        });
        checked.unwrap_or_else(|| (nothing(Vec::new()).body, Vec::new()))
    }

    fn set(
        &mut self,
        op: ast::SetOperator,
        quantifier: ast::SetQuantifier,
        (left, right): (&ast::SetExpr, &ast::SetExpr),
        outer: Option<&Scope>,
    ) -> (Body, Vec<Column>) {
        use ast::{SetOperator, SetQuantifier};
        let at = self.at(right);
        let op = match (op, quantifier) {
            (SetOperator::Union, SetQuantifier::All) => SetOp::UnionAll,
            (SetOperator::Union, SetQuantifier::None | SetQuantifier::Distinct) => SetOp::Union,
            (SetOperator::Intersect, SetQuantifier::None) => SetOp::Intersect,
            (SetOperator::Except | SetOperator::Minus, SetQuantifier::None) => SetOp::Except,
            _ => {
                self.unsupported("this set operator", &at, "write `union all` or `union`");
                SetOp::Union
            }
        };
        let (mut first, left_columns) = self.body(left, outer);
        let (mut second, right_columns) = self.body(right, outer);
        if left_columns.len() != right_columns.len() {
            let message = "both sides need the same number of columns";
            let label = format!("{} here, {} before", right_columns.len(), left_columns.len());
            self.report(SqlProblem::new("E0306", message, at, label));
            return (first, left_columns);
        }
        let mut columns = Vec::new();
        for (index, (left, right)) in left_columns.iter().zip(&right_columns).enumerate() {
            let Some(ty) = super::coerce::common(&left.ty, &right.ty) else {
                let message = format!("column `{}` has two types", left.name);
                let label = format!("{} here, {} before", right.ty, left.ty);
                let problem = SqlProblem::new("E0306", message, at.clone(), label);
                self.report(problem.help("cast one of them"));
                return (first, left_columns);
            };
            cast_column(&mut first, index, &ty);
            cast_column(&mut second, index, &ty);
            let nullable = left.ty.is_nullable() || right.ty.is_nullable();
            let ty = if nullable { ty.nullable() } else { ty };
            columns.push(Column { name: left.name.clone(), ty });
        }
        (Body::Set(op, Box::new(first), Box::new(second)), columns)
    }

    fn select(
        &mut self,
        select: &ast::Select,
        order: Option<&ast::OrderBy>,
        outer: Option<&Scope>,
    ) -> Query {
        self.odd_select(select);
        let mut scope = Scope { outer, ..Scope::default() };
        let from = self.from(&select.from, &mut scope);
        self.grouping = Grouping::Forbidden("in `where`");
        let filter = select.selection.as_ref().map(|expr| self.condition(expr, &scope, "where"));
        self.grouping = Grouping::Allowed;
        let (items, names) = self.items(&select.projection, &mut scope);
        self.grouping = Grouping::Forbidden("in `group by`");
        let group_by = self.group_by(&select.group_by, &items, &names, &scope);
        self.grouping = Grouping::Allowed;
        let columns_only = Scope { aliases: Vec::new(), ..scope.clone() };
        let having = select.having.as_ref();
        let having = having.map(|expr| self.condition(expr, &columns_only, "having"));
        let order_by = self.order_of_select(order, &items, &names, &scope);
        let distinct = matches!(select.distinct, Some(ast::Distinct::Distinct));
        let keys = order_by.iter().filter_map(|(order, at)| match &order.key {
            OrderKey::Expr(key) => Some((key, at)),
            OrderKey::Output(_) => None,
        });
        let keys: Vec<(&Expr, &Range<usize>)> = keys.collect();
        if let Some((_, at)) = keys.first().filter(|_| distinct) {
            let message = "with `distinct`, rows are ordered by columns of the result";
            let problem = SqlProblem::new("E0302", message, (*at).clone(), "not in the result");
            self.report(problem.help("add it to the select list"));
        }
        let all = || items.iter().chain(having.as_ref()).chain(keys.iter().map(|(key, _)| *key));
        let grouped = !group_by.is_empty() || having.is_some() || all().any(has_aggregate);
        // an unknown key may be the one that is missed
        if grouped && group_by.iter().all(|key| key.ty != Ty::Unknown) {
            let own: Vec<usize> = scope.relations.iter().map(|relation| relation.id).collect();
            all().for_each(|expr| check_grouped(self, expr, &group_by, &own));
        }
        let columns = items
            .iter()
            .zip(&names)
            .map(|(item, name)| Column { name: name.clone(), ty: item.full_ty() });
        let columns = columns.collect();
        let limit = self.top(select);
        let order_by = order_by.into_iter().map(|(order, _)| order).collect();
        let select = Select { distinct, items, from, filter, group_by, having };
        let body = Body::Select(Box::new(select));
        Query { body, order_by, limit, ..nothing(columns) }
    }

    fn odd_select(&mut self, select: &ast::Select) {
        let at = self.at(select);
        let on = matches!(select.distinct, Some(ast::Distinct::On(_)));
        let odd = [
            (on, "`distinct on`", "use `row_number() over (…)` in a subquery"),
            (select.into.is_some(), "`select into`", "remove `into`"),
            (select.qualify.is_some(), "`qualify`", "filter in a query around this one"),
            (!select.named_window.is_empty(), "`window`", "write the window after `over`"),
            (!select.connect_by.is_empty(), "`connect by`", ""),
            (!select.lateral_views.is_empty(), "`lateral view`", ""),
            (select.exclude.is_some(), "`exclude`", "name the columns"),
            (!select.cluster_by.is_empty(), "`cluster by`", ""),
            (!select.distribute_by.is_empty(), "`distribute by`", ""),
            (!select.sort_by.is_empty(), "`sort by`", "write `order by`"),
            (select.prewhere.is_some(), "`prewhere`", "write `where`"),
        ];
        for (_, what, help) in odd.iter().filter(|(is, ..)| *is) {
            self.unsupported(what, &at, help);
        }
    }

    /// The select list: typed, with the name of each column.
    fn items(&mut self, items: &[ast::SelectItem], scope: &mut Scope) -> (Vec<Expr>, Vec<String>) {
        let (mut exprs, mut names) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                ast::SelectItem::UnnamedExpr(expr) => {
                    let typed = self.expr(expr, scope);
                    names.push(default_name(expr, &typed, scope));
                    exprs.push(typed);
                }
                ast::SelectItem::ExprWithAlias { expr, alias } => {
                    let typed = self.expr(expr, scope);
                    scope.aliases.push((alias.value.clone(), typed.clone()));
                    names.push(alias.value.clone());
                    exprs.push(typed);
                }
                ast::SelectItem::Wildcard(_) => {
                    self.star(None, item, scope, &mut exprs, &mut names)
                }
                ast::SelectItem::QualifiedWildcard(kind, _) => {
                    let name = kind.to_string();
                    let name = name.trim_end_matches(".*").trim_matches('"').to_string();
                    self.star(Some(&name), item, scope, &mut exprs, &mut names);
                }
                other => {
                    let at = self.at(other);
                    self.unsupported("this item", &at, "write `expr as name`");
                }
            }
        }
        (exprs, names)
    }

    /// `*` and `t.*`
    fn star(
        &mut self,
        of: Option<&str>,
        item: &ast::SelectItem,
        scope: &Scope,
        exprs: &mut Vec<Expr>,
        names: &mut Vec<String>,
    ) {
        let at = self.at(item);
        let meant = |name: &str| of.is_none_or(|of| same(of, name));
        let relations = scope.relations.iter().filter(|relation| meant(&relation.name));
        let before = exprs.len();
        for relation in relations {
            for column in relation.columns.iter().filter(|column| of.is_some() || !column.hidden) {
                names.push(column.name.clone());
                exprs.push(self.usable(relation, column, at.clone()));
            }
        }
        let unknown = of.filter(|_| before == exprs.len());
        if let Some(name) = unknown {
            let message = format!("no table `{name}` in this query");
            self.report(SqlProblem::new("E0201", message, at, "not in `from`"));
        } else if scope.relations.is_empty() {
            self.report(SqlProblem::new("E0302", "`*` needs a table", at, "there is no `from`"));
        }
    }
}

/// A query of no rows' worth of clauses, with these columns.
fn nothing(columns: Vec<Column>) -> Query {
    let select = Select {
        distinct: false,
        items: Vec::new(),
        from: None,
        filter: None,
        group_by: Vec::new(),
        having: None,
    };
    let body = Body::Select(Box::new(select));
    Query { ctes: Vec::new(), body, order_by: Vec::new(), limit: None, offset: None, columns }
}

/// Casts a column of both sides of a set operator.
fn cast_column(body: &mut Body, index: usize, ty: &Ty) {
    match body {
        Body::Select(select) => {
            if let Some(item) = select.items.get_mut(index) {
                super::coerce::cast(item, ty);
            }
        }
        Body::Query(query) => {
            if let Some(column) = query.columns.get_mut(index) {
                column.ty =
                    if column.ty.is_nullable() { ty.clone().nullable() } else { ty.clone() };
            }
            cast_column(&mut query.body, index, ty);
        }
        Body::Set(_, left, right) => {
            cast_column(left, index, ty);
            cast_column(right, index, ty);
        }
    }
}

/// What a column without an alias is called: the column's own name, or the function's.
fn default_name(expr: &ast::Expr, typed: &Expr, scope: &Scope) -> String {
    if let ExprKind::Column(relation, source) = &typed.kind {
        let relation = scope.relations.iter().find(|found| found.id == *relation);
        let column = relation
            .and_then(|relation| relation.columns.iter().find(|column| column.source == *source));
        if let Some(column) = column {
            return column.name.clone();
        }
    }
    match expr {
        ast::Expr::Function(function) => function.name.to_string().to_lowercase(),
        ast::Expr::Identifier(ident) => ident.value.clone(),
        ast::Expr::Nested(inner) => default_name(inner, typed, scope),
        ast::Expr::Cast { expr, .. } => match default_name(expr, typed, scope).as_str() {
            "?column?" => "?column?".into(),
            name => name.into(),
        },
        ast::Expr::Case { .. } => "case".into(),
        _ => "?column?".into(),
    }
}
