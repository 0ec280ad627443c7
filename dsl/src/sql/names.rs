//! Names in a query: relations, their columns, aliases.

use super::check::{Checker, poison};
use super::problem::SqlProblem;
use super::typed::{At, Expr, ExprKind};
use crate::check::suggest::nearest;
use crate::ty::Ty;
use sqlparser::ast::Ident;
use std::ops::Range;

/// A relation of a `from`.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    /// Its number, unique in the whole query.
    pub id: usize,
    /// What the query calls it.
    pub name: String,
    pub columns: Vec<RelationColumn>,
    /// True on the outer side of an outer join: every column may be null.
    pub nullable: bool,
}

/// A column of a relation.
#[derive(Clone, Debug)]
pub(super) struct RelationColumn {
    /// What the query calls it.
    pub name: String,
    /// What the relation calls it: the field, or `c0`, `c1`, …
    pub source: String,
    pub ty: Ty,
    /// Joined by `using`: only the other side's column is meant by the bare name.
    pub hidden: bool,
}

/// What names mean in a place.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope<'s> {
    pub relations: Vec<Relation>,
    /// Aliases of the select list, usable where no column has the name.
    pub aliases: Vec<(String, Expr)>,
    /// The query around a subquery.
    pub outer: Option<&'s Scope<'s>>,
}

impl Relation {
    /// The column as an expression.
    pub(super) fn column(&self, column: &RelationColumn, at: Range<usize>) -> Expr {
        Expr {
            kind: ExprKind::Column(self.id, column.source.clone()),
            ty: column.ty.non_null().clone(),
            nullable: self.nullable || column.ty.is_nullable(),
            at: At(at),
        }
    }

    fn find(&self, name: &str) -> Option<&RelationColumn> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }
}

impl Checker<'_> {
    /// A bare name.
    pub(super) fn name(&mut self, ident: &Ident, scope: &Scope) -> Expr {
        let at = self.place(ident);
        let name = ident.value.as_str();
        let mut level = Some(scope);
        while let Some(scope) = level {
            let found: Vec<_> = scope
                .relations
                .iter()
                .filter_map(|relation| relation.find(name).map(|column| (relation, column)))
                .filter(|(_, column)| !column.hidden)
                .collect();
            match found.as_slice() {
                [] => {}
                [(relation, column)] => return self.usable(relation, column, at),
                [(first, _), (second, _), ..] => {
                    let message = format!("`{name}` may mean two columns");
                    let label = format!("in `{}` and in `{}`", first.name, second.name);
                    let help = format!("write `{}.{name}`", first.name);
                    self.report(SqlProblem::new("E0302", message, at.clone(), label).help(help));
                    return poison(at);
                }
            }
            if let Some((_, expr)) = scope.aliases.iter().find(|(alias, _)| same(alias, name)) {
                return Expr { at: At(at), ..expr.clone() };
            }
            level = scope.outer;
        }
        self.unknown_column(name, at, scope)
    }

    pub(super) fn usable(
        &mut self,
        relation: &Relation,
        column: &RelationColumn,
        at: Range<usize>,
    ) -> Expr {
        if sql_type(&column.ty).is_none() {
            let what = format!("a column of type {} in SQL", column.ty);
            self.unsupported(&what, &at, "leave the column out of the query");
            return poison(at);
        }
        relation.column(column, at)
    }

    fn unknown_column(&mut self, name: &str, at: Range<usize>, scope: &Scope) -> Expr {
        let columns: Vec<&str> = scope
            .relations
            .iter()
            .flat_map(|relation| relation.columns.iter().map(|column| column.name.as_str()))
            .chain(scope.aliases.iter().map(|(alias, _)| alias.as_str()))
            .collect();
        // a relation that is already wrong has no columns: silence
        if scope.relations.iter().any(|relation| relation.columns.is_empty()) {
            return poison(at);
        }
        let label = match scope.relations.as_slice() {
            [] => "there is no `from`".to_string(),
            [relation] => format!("not a column of `{}`", relation.name),
            _ => "not a column of any table here".to_string(),
        };
        let problem = SqlProblem::new("E0302", format!("no column `{name}`"), at.clone(), label);
        let quoted = self.sql[at.clone()].starts_with('"');
        self.report(match nearest(name, columns.iter().copied()) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None if quoted => problem.help(format!("text is written in single quotes: `'{name}'`")),
            None if columns.is_empty() => problem,
            None => problem.help(format!("its columns: {}", columns.join(", "))),
        });
        poison(at)
    }

    /// `relation.column`
    pub(super) fn qualified(&mut self, idents: &[Ident], scope: &Scope) -> Expr {
        let whole = match (idents.first(), idents.last()) {
            (Some(first), Some(last)) => self.place(first).start..self.place(last).end,
            _ => self.here.clone(),
        };
        let [relation, column] = idents else {
            self.unsupported("a name of three parts", &whole, "write `table.column`");
            return poison(whole);
        };
        let mut level = Some(scope);
        while let Some(scope) = level {
            let found = scope.relations.iter().find(|found| same(&found.name, &relation.value));
            let Some(found) = found else {
                level = scope.outer;
                continue;
            };
            let at = self.place(column);
            return match found.find(&column.value) {
                Some(column) => self.usable(found, column, whole),
                None => {
                    let only = Scope { relations: vec![found.clone()], ..Scope::default() };
                    self.unknown_column(&column.value, at, &only)
                }
            };
        }
        let at = self.place(relation);
        let message = format!("no table `{}` in this query", relation.value);
        let names = scope.relations.iter().map(|relation| relation.name.as_str());
        let problem = SqlProblem::new("E0201", message, at, "not in `from`");
        self.report(match nearest(&relation.value, names) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem,
        });
        poison(whole)
    }
}

/// Names of SQL are equal without regard to case.
pub(super) fn same(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
}

/// The SQL type of a declared one; `None` where SQL has none for it.
pub(super) fn sql_type(ty: &Ty) -> Option<Ty> {
    Some(match ty.non_null() {
        Ty::Text | Ty::Path | Ty::Url | Ty::Uuid | Ty::Literal(_) => Ty::Text,
        Ty::Int | Ty::Size => Ty::Int,
        Ty::Float => Ty::Float,
        Ty::Bool => Ty::Bool,
        Ty::Timestamp => Ty::Timestamp,
        Ty::Date => Ty::Date,
        decimal @ Ty::Decimal { .. } => decimal.clone(),
        Ty::Unknown => Ty::Unknown,
        Ty::Null => Ty::Null,
        _ => return None,
    })
}
