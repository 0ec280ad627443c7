//! Queries as SQLite's SQL: clauses, joins, order.

use super::super::sqlite::quoted;
use super::exprs::Exprs;
use dsl::sql::typed::{
    Body, Expr, ExprKind, From, JoinKind, Order, OrderKey, Query, Select, SetOp, Source,
};

/// The whole statement; its columns are `c0`, `c1`, …
pub(super) fn translate(query: &Query, base: &dyn Fn(&str) -> String) -> String {
    Exprs { base }.query(query)
}

impl Exprs<'_> {
    pub(super) fn query(&self, query: &Query) -> String {
        let mut sql = String::new();
        for (index, cte) in query.ctes.iter().enumerate() {
            let word = if index == 0 { "WITH" } else { "," };
            sql += &format!("{word} q{} AS ({})", cte.id, self.query(&cte.query));
        }
        sql = format!("{sql} {}", self.body(&query.body));
        if !query.order_by.is_empty() {
            sql += &format!(" ORDER BY {}", self.orders(&query.order_by));
        }
        if query.limit.is_some() || query.offset.is_some() {
            // a limit over 2^63 is none
            let limit = query.limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(-1);
            sql += &format!(" LIMIT {limit}");
        }
        if let Some(offset) = query.offset {
            sql += &format!(" OFFSET {}", i64::try_from(offset).unwrap_or(i64::MAX));
        }
        sql
    }

    fn body(&self, body: &Body) -> String {
        match body {
            Body::Select(select) => self.select(select),
            Body::Query(query) => format!("SELECT * FROM ({})", self.query(query)),
            Body::Set(op, left, right) => {
                let word = match op {
                    SetOp::UnionAll => "UNION ALL",
                    SetOp::Union => "UNION",
                    SetOp::Intersect => "INTERSECT",
                    SetOp::Except => "EXCEPT",
                };
                // SQLite works from left to right: the right side stays together by itself
                let right = match right.as_ref() {
                    Body::Set(..) => format!("SELECT * FROM ({})", self.body(right)),
                    _ => self.body(right),
                };
                format!("{} {word} {right}", self.body(left))
            }
        }
    }

    fn select(&self, select: &Select) -> String {
        let distinct = if select.distinct { "DISTINCT " } else { "" };
        let items = select.items.iter().enumerate();
        let items = items.map(|(index, item)| format!("{} AS c{index}", self.expr(item)));
        let mut sql = format!("SELECT {distinct}{}", items.collect::<Vec<_>>().join(", "));
        if let Some(from) = &select.from {
            sql += &format!(" FROM {}", self.from(from));
        }
        if let Some(filter) = &select.filter {
            sql += &format!(" WHERE {}", self.expr(filter));
        }
        if !select.group_by.is_empty() {
            let keys: Vec<String> = select.group_by.iter().map(|key| self.key(key)).collect();
            sql += &format!(" GROUP BY {}", keys.join(", "));
        }
        if let Some(having) = &select.having {
            sql += &format!(" HAVING {}", self.expr(having));
        }
        sql
    }

    fn from(&self, from: &From) -> String {
        match from {
            From::Relation(id, source) => {
                let source = match source {
                    Source::Table(name) => quoted(&(self.base)(name)),
                    Source::Cte(id) => format!("q{id}"),
                    Source::Query(query) => format!("({})", self.query(query)),
                };
                format!("{source} AS t{id}")
            }
            From::Join { kind, left, right, on } => {
                let word = match kind {
                    JoinKind::Inner => "JOIN",
                    JoinKind::Left => "LEFT JOIN",
                    JoinKind::Right => "RIGHT JOIN",
                    JoinKind::Full => "FULL JOIN",
                    JoinKind::Cross => "CROSS JOIN",
                };
                let right = match right.as_ref() {
                    From::Join { .. } => format!("({})", self.from(right)),
                    From::Relation(..) => self.from(right),
                };
                let on = on.as_ref().map(|on| format!(" ON {}", self.expr(on)));
                format!("{} {word} {right}{}", self.from(left), on.unwrap_or_default())
            }
        }
    }

    /// What rows are grouped or ordered by. A constant is the same for all rows, and a number would
    /// be taken for a column's ordinal.
    fn key(&self, key: &Expr) -> String {
        match key.kind {
            ExprKind::Literal(_) => "NULL".into(),
            _ => self.expr(key),
        }
    }

    pub(super) fn orders(&self, orders: &[Order]) -> String {
        let order = |order: &Order| {
            let key = match &order.key {
                OrderKey::Output(index) => (index + 1).to_string(),
                OrderKey::Expr(key) => self.key(key),
            };
            let direction = if order.descending { "DESC" } else { "ASC" };
            let nulls = if order.nulls_first { "FIRST" } else { "LAST" };
            format!("{key} {direction} NULLS {nulls}")
        };
        orders.iter().map(order).collect::<Vec<_>>().join(", ")
    }
}
