//! Aggregates, and what may stand beside them.

use super::check::{Checker, Grouping, poison};
use super::coerce::{a, cast};
use super::names::Scope;
use super::problem::SqlProblem;
use super::typed::*;
use crate::ty::Ty;
use crate::value::Value;
use sqlparser::ast;
use std::ops::Range;

/// The aggregates.
pub(super) const NAMES: [&str; 6] = ["count", "sum", "avg", "min", "max", "listagg"];

/// The aggregate of that name.
pub(super) fn by_name(name: &str) -> Option<Agg> {
    Some(match name {
        "count" => Agg::Count,
        "sum" => Agg::Sum,
        "avg" => Agg::Avg,
        "min" => Agg::Min,
        "max" => Agg::Max,
        "listagg" => Agg::ListAgg,
        _ => return None,
    })
}

/// True when an aggregate of this query stands in the expression.
pub(super) fn has_aggregate(expr: &Expr) -> bool {
    let mut found = matches!(expr.kind, ExprKind::Aggregate(_));
    expr.each_part(&mut |part| found |= has_aggregate(part));
    found
}

/// Every column of the select's own relations must be grouped, or stand in an aggregate.
pub(super) fn check_grouped(checker: &mut Checker, expr: &Expr, keys: &[Expr], own: &[usize]) {
    if keys.contains(expr) {
        return;
    }
    match &expr.kind {
        ExprKind::Aggregate(_) => {}
        ExprKind::Column(relation, _) if own.contains(relation) => {
            let name = checker.text(expr).to_string();
            let message = format!("`{name}` is neither grouped nor aggregated");
            let at = expr.at.0.clone();
            let problem = SqlProblem::new("E0306", message, at, "which row's value?");
            let help = format!("add it to `group by`, or take `max({name})`");
            checker.report(problem.help(help));
        }
        _ => expr.each_part(&mut |part| check_grouped(checker, part, keys, own)),
    }
}

impl Checker<'_> {
    pub(super) fn aggregate(
        &mut self,
        function: &ast::Function,
        name: &str,
        scope: &Scope,
        at: Range<usize>,
    ) -> Expr {
        if let Grouping::Forbidden(place) = self.grouping {
            let message = format!("`{name}` cannot stand {place}");
            let problem = SqlProblem::new("E0306", message, at.clone(), "an aggregate");
            self.report(match place {
                "in `where`" => problem.help("filter groups with `having`"),
                _ => problem,
            });
            return poison(at);
        }
        if function.filter.is_some() {
            let help = format!("write `{name}(case when … then x end)`");
            self.unsupported("`filter`", &at, &help);
        }
        self.grouping = Grouping::Forbidden("inside another aggregate");
        let typed = self.aggregate_args(function, name, scope, &at);
        self.grouping = Grouping::Allowed;
        let Some((func, args, distinct)) = typed else { return poison(at) };
        let order_by = self.within_group(function, func, scope);
        let (ty, nullable) = result(func, args.first());
        let mut args = args.into_iter();
        let (arg, delimiter) = (args.next(), args.next());
        let kind = Aggregate { func, distinct, arg, delimiter, order_by };
        Expr { kind: ExprKind::Aggregate(Box::new(kind)), ty, nullable, at: At(at) }
    }

    /// The arguments of an aggregate, checked, and whether it is `distinct`.
    pub(super) fn aggregate_args(
        &mut self,
        function: &ast::Function,
        name: &str,
        scope: &Scope,
        at: &Range<usize>,
    ) -> Option<(Agg, Vec<Expr>, bool)> {
        let func = by_name(name)?;
        let list = match &function.args {
            ast::FunctionArguments::List(list) => list,
            _ => {
                let problem =
                    SqlProblem::new("E0306", format!("`{name}` of what?"), at.clone(), "");
                self.report(problem.help(format!("write `{name}(x)`")));
                return None;
            }
        };
        let distinct = list.duplicate_treatment == Some(ast::DuplicateTreatment::Distinct);
        if let [ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Wildcard)] = list.args.as_slice() {
            if func == Agg::Count && !distinct {
                return Some((func, Vec::new(), false));
            }
            let problem =
                SqlProblem::new("E0306", format!("`{name}(*)` has no meaning"), at.clone(), "");
            self.report(problem.help("only `count(*)` takes `*`"));
            return None;
        }
        if func == Agg::ListAgg && distinct {
            self.unsupported("`listagg(distinct …)`", at, "select the distinct values first");
            return None;
        }
        let exprs = self.plain_args(function, name)?;
        let most = if func == Agg::ListAgg { 2 } else { 1 };
        if exprs.is_empty() || exprs.len() > most {
            let message = format!("`{name}` cannot take {} arguments", exprs.len());
            self.report(SqlProblem::new("E0306", message, at.clone(), ""));
            return None;
        }
        let mut args = Vec::new();
        for expr in exprs {
            args.push(self.expr(expr, scope));
        }
        if args.iter().any(|arg| arg.ty == Ty::Unknown) || !self.fits(func, name, &mut args) {
            return None;
        }
        Some((func, args, distinct))
    }

    fn fits(&mut self, func: Agg, name: &str, args: &mut [Expr]) -> bool {
        let arg = &mut args[0];
        match func {
            Agg::Count => true,
            Agg::Sum | Agg::Avg => self.number(arg, &format!("the argument of `{name}`")),
            Agg::Min | Agg::Max if arg.ty == Ty::Bool => {
                let message = format!("`{name}` cannot compare {}", a(&arg.ty));
                let problem = SqlProblem::new("E0306", message, arg.at.0.clone(), a(&arg.ty));
                self.report(problem.help(format!("write `{name}(x::int)`")));
                false
            }
            Agg::Min | Agg::Max => true,
            Agg::ListAgg => {
                cast(arg, &Ty::Text);
                let delimiter = args.get(1).map(|delimiter| &delimiter.kind);
                let constant = matches!(delimiter, None | Some(ExprKind::Literal(Value::Text(_))));
                if !constant {
                    let at = args[1].at.0.clone();
                    self.unsupported("a computed delimiter", &at, "write `', '`");
                }
                constant
            }
        }
    }

    /// `listagg(x) within group (order by y)`
    fn within_group(&mut self, function: &ast::Function, func: Agg, scope: &Scope) -> Vec<Order> {
        let mut keys = Vec::new();
        for entry in &function.within_group {
            let at = self.at(&entry.expr);
            if func != Agg::ListAgg {
                self.unsupported("`within group` here", &at, "");
                continue;
            }
            self.grouping = Grouping::Forbidden("inside another aggregate");
            let key = self.expr(&entry.expr, scope);
            self.grouping = Grouping::Allowed;
            let order = self.direction(entry);
            keys.push(Order { key: OrderKey::Expr(key), ..order });
        }
        keys
    }
}

/// The type of an aggregate, and whether it may be null: over no rows all but `count` are.
pub(super) fn result(func: Agg, arg: Option<&Expr>) -> (Ty, bool) {
    let ty = arg.map_or(Ty::Int, |arg| arg.ty.clone());
    match func {
        Agg::Count => (Ty::Int, false),
        Agg::Sum | Agg::Avg => match ty {
            Ty::Decimal { scale, .. } => (Ty::Decimal { precision: 38, scale }, true),
            other => (other, true),
        },
        Agg::Min | Agg::Max => (ty, true),
        Agg::ListAgg => (Ty::Text, true),
    }
}
