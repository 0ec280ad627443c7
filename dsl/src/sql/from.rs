//! `from`: tables, common table expressions, subqueries, joins.

use super::check::{Checker, Grouping};
use super::names::{Relation, RelationColumn, Scope, same};
use super::problem::SqlProblem;
use super::typed::{CompareOp, Expr, ExprKind, From, JoinKind, Source};
use super::{Column, typed};
use crate::check::suggest::nearest;
use sqlparser::ast;
use std::ops::Range;

impl Checker<'_> {
    /// All of a `from`; the relations are added to the scope.
    pub(super) fn from(&mut self, from: &[ast::TableWithJoins], scope: &mut Scope) -> Option<From> {
        let mut whole: Option<From> = None;
        for table in from {
            let first = scope.relations.len();
            let mut side = self.relation(&table.relation, scope)?;
            for join in &table.joins {
                side = self.join(side, join, first, scope)?;
            }
            whole = Some(match whole {
                None => side,
                Some(left) => joined(JoinKind::Cross, left, side, None),
            });
        }
        whole
    }

    fn relation(&mut self, factor: &ast::TableFactor, scope: &mut Scope) -> Option<From> {
        let (at, here) = (self.at(factor), self.here.clone());
        match factor {
            ast::TableFactor::Table { name, alias, args: None, .. } => {
                let (source, own, columns) = self.named(name, at)?;
                let columns = match alias {
                    Some(alias) => self.renamed_relation(columns, alias),
                    None => columns,
                };
                let name = alias.as_ref().map_or(own, |alias| alias.name.value.clone());
                self.add(name, columns, source, scope)
            }
            ast::TableFactor::Derived { lateral: false, subquery, alias, .. } => {
                let query = self.query(subquery, scope.outer);
                let Some(alias) = alias else {
                    let problem = SqlProblem::new("E0102", "a subquery needs a name", at, "");
                    self.report(problem.help("write `(select …) as t`"));
                    return None;
                };
                let columns = self.renamed(&query.columns, alias);
                let source = Source::Query(Box::new(query));
                self.add(alias.name.value.clone(), numbered(&columns), source, scope)
            }
            ast::TableFactor::NestedJoin { table_with_joins, alias: None } => {
                self.from(std::slice::from_ref(table_with_joins), scope)
            }
            _ => {
                let at = if at == here { 0..self.sql.len() } else { at };
                self.unsupported("this kind of table", &at, "name a declared table or a subquery");
                None
            }
        }
    }

    fn renamed_relation(
        &mut self,
        columns: Vec<RelationColumn>,
        alias: &ast::TableAlias,
    ) -> Vec<RelationColumn> {
        let plain = columns.iter();
        let plain = plain.map(|column| Column { name: column.name.clone(), ty: column.ty.clone() });
        let renamed = self.renamed(&plain.collect::<Vec<_>>(), alias);
        let named = columns.into_iter().zip(renamed);
        named.map(|(column, new)| RelationColumn { name: new.name, ..column }).collect()
    }

    /// A declared table or a common table expression, by name.
    fn named(
        &mut self,
        name: &ast::ObjectName,
        at: Range<usize>,
    ) -> Option<(Source, String, Vec<RelationColumn>)> {
        let parts: Vec<&ast::Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
        let word = match parts.as_slice() {
            [word] => *word,
            [schema, word] if same(&schema.value, "public") => *word,
            _ => {
                self.unsupported("a schema before a table", &at, "write the table's name alone");
                return None;
            }
        };
        let cte = self.ctes.iter().rev().find(|(name, ..)| same(name, &word.value));
        if let Some((name, id, columns)) = cte {
            return Some((Source::Cte(*id), name.clone(), numbered(columns)));
        }
        let table = self.tables.iter().find(|table| same(table.name, &word.value));
        let Some(table) = table else {
            self.unknown_table(word);
            // it stands in the scope without columns, so that its columns are no further problems
            let name = word.value.clone();
            return Some((Source::Table(name.clone()), name, Vec::new()));
        };
        let columns = table.record.fields.iter().map(|field| RelationColumn {
            name: field.name.clone(),
            source: field.name.clone(),
            ty: match super::names::sql_type(&field.ty) {
                Some(ty) if field.ty.is_nullable() => ty.nullable(),
                Some(ty) => ty,
                None => field.ty.clone(),
            },
            hidden: false,
        });
        Some((Source::Table(table.name.into()), table.name.into(), columns.collect()))
    }

    fn unknown_table(&mut self, word: &ast::Ident) {
        let at = self.place(word);
        let names: Vec<&str> = self
            .tables
            .iter()
            .map(|table| table.name)
            .chain(self.ctes.iter().map(|(name, ..)| name.as_str()))
            .collect();
        let message = format!("no table `{}`", word.value);
        let problem = SqlProblem::new("E0201", message, at, "not declared");
        let problem = match nearest(&word.value, names.iter().copied()) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None if names.is_empty() => problem.help("declare a `table` and bind it to redshift"),
            None => problem.help(format!("the tables: {}", names.join(", "))),
        };
        self.report(problem);
    }

    fn add(
        &mut self,
        name: String,
        columns: Vec<RelationColumn>,
        source: Source,
        scope: &mut Scope,
    ) -> Option<From> {
        if scope.relations.iter().any(|relation| same(&relation.name, &name)) {
            let message = format!("`{name}` stands twice in `from`");
            let at = self.here.clone();
            let problem = SqlProblem::new("E0202", message, at, "");
            self.report(problem.help(format!("name one of them: `{name} as other`")));
        }
        self.relations += 1;
        let id = self.relations;
        scope.relations.push(Relation { id, name, columns, nullable: false });
        Some(From::Relation(id, source))
    }

    /// `left join right on …`; `first` is the first relation of this entry of the `from`.
    fn join(
        &mut self,
        left: From,
        join: &ast::Join,
        first: usize,
        scope: &mut Scope,
    ) -> Option<From> {
        use ast::JoinOperator as Op;
        let middle = scope.relations.len();
        let right = self.relation(&join.relation, scope)?;
        let (kind, constraint) = match &join.join_operator {
            Op::Join(on) | Op::Inner(on) => (JoinKind::Inner, on),
            Op::Left(on) | Op::LeftOuter(on) => (JoinKind::Left, on),
            Op::Right(on) | Op::RightOuter(on) => (JoinKind::Right, on),
            Op::FullOuter(on) => (JoinKind::Full, on),
            Op::CrossJoin(on) => (JoinKind::Cross, on),
            _ => {
                let at = self.at(join);
                self.unsupported("this join", &at, "write `join`, `left join` or `cross join`");
                return None;
            }
        };
        let on = self.constraint(constraint, kind, (first, middle), scope);
        if on.is_none() && kind != JoinKind::Cross {
            let at = self.at(&join.relation);
            let problem = SqlProblem::new("E0102", "this join has no condition", at, "joined here");
            self.report(problem.help("write `on a.id = b.id`, or `cross join`"));
        }
        let (lefts, rights) = scope.relations[first..].split_at_mut(middle - first);
        if matches!(kind, JoinKind::Right | JoinKind::Full) {
            lefts.iter_mut().for_each(|relation| relation.nullable = true);
        }
        if matches!(kind, JoinKind::Left | JoinKind::Full) {
            rights.iter_mut().for_each(|relation| relation.nullable = true);
        }
        Some(joined(kind, left, right, on))
    }

    fn constraint(
        &mut self,
        constraint: &ast::JoinConstraint,
        kind: JoinKind,
        (first, middle): (usize, usize),
        scope: &mut Scope,
    ) -> Option<Expr> {
        match constraint {
            ast::JoinConstraint::None => None,
            ast::JoinConstraint::On(expr) => {
                self.grouping = Grouping::Forbidden("in `on`");
                Some(self.condition(expr, scope, "on"))
            }
            ast::JoinConstraint::Using(names) => {
                if matches!(kind, JoinKind::Right | JoinKind::Full) {
                    let at = self.here.clone();
                    self.unsupported("`using` in this join", &at, "write `on a.id = b.id`");
                    return None;
                }
                let idents = names.iter().filter_map(|name| name.0.last()?.as_ident().cloned());
                let conditions: Vec<Expr> =
                    idents.map(|ident| self.using(&ident, (first, middle), scope)).collect();
                conditions.into_iter().reduce(|left, right| {
                    let at = left.at.clone();
                    let (nullable, ty) = (left.nullable || right.nullable, left.ty.clone());
                    let kind = ExprKind::And(Box::new(left), Box::new(right));
                    Expr { kind, ty, nullable, at }
                })
            }
            ast::JoinConstraint::Natural => {
                let at = self.here.clone();
                self.unsupported("`natural join`", &at, "write `on a.id = b.id`");
                None
            }
        }
    }

    /// `using (a)`: equal on both sides, and only the left one is called `a`.
    fn using(
        &mut self,
        ident: &ast::Ident,
        (first, middle): (usize, usize),
        scope: &mut Scope,
    ) -> Expr {
        let part = |range: &[Relation]| Scope { relations: range.to_vec(), ..Scope::default() };
        let left = self.name(ident, &part(&scope.relations[first..middle]));
        let right = self.name(ident, &part(&scope.relations[middle..]));
        for relation in &mut scope.relations[middle..] {
            for column in &mut relation.columns {
                column.hidden |= same(&column.name, &ident.value);
            }
        }
        self.compare(CompareOp::Eq, left, right, ("=", self.place(ident)))
    }
}

fn joined(kind: JoinKind, left: From, right: From, on: Option<Expr>) -> From {
    From::Join { kind, left: Box::new(left), right: Box::new(right), on }
}

/// The columns of a query in `from`: known by their numbers.
fn numbered(columns: &[typed::Column]) -> Vec<RelationColumn> {
    let numbered = columns.iter().enumerate().map(|(index, column)| RelationColumn {
        name: column.name.clone(),
        source: format!("c{index}"),
        ty: column.ty.clone(),
        hidden: false,
    });
    numbered.collect()
}
