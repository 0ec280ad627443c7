//! Functions over windows: `f(…) over (partition by … order by … rows …)`.

use super::aggregate::by_name;
use super::check::{Checker, Grouping, poison};
use super::names::Scope;
use super::problem::SqlProblem;
use super::typed::*;
use crate::ty::Ty;
use crate::value::Value;
use sqlparser::ast;
use std::ops::Range;

impl Checker<'_> {
    pub(super) fn window(
        &mut self,
        function: &ast::Function,
        name: &str,
        scope: &Scope,
        at: Range<usize>,
    ) -> Expr {
        if let Grouping::Forbidden(place) = self.grouping {
            let message = format!("`{name} … over` cannot stand {place}");
            let problem = SqlProblem::new("E0306", message, at.clone(), "computed over the result");
            self.report(problem.help("compute it in a subquery and use its column"));
            return poison(at);
        }
        let Some(ast::WindowType::WindowSpec(spec)) = &function.over else {
            self.unsupported("a named window", &at, "write the window after `over`");
            return poison(at);
        };
        let Some((func, args)) = self.window_args(function, name, scope, &at) else {
            return poison(at);
        };
        let mut partition_by = Vec::new();
        for expr in &spec.partition_by {
            partition_by.push(self.expr(expr, scope));
        }
        let mut order_by = Vec::new();
        for entry in &spec.order_by {
            let key = self.expr(&entry.expr, scope);
            let order = self.direction(entry);
            order_by.push(Order { key: OrderKey::Expr(key), ..order });
        }
        let ranking = !matches!(func, WindowFunc::Agg(_));
        let framed = matches!(func, WindowFunc::FirstValue | WindowFunc::LastValue);
        if ranking && order_by.is_empty() {
            let message = format!("`{name}` needs an order");
            let problem = SqlProblem::new("E0306", message, at.clone(), "");
            self.report(problem.help("add `order by` after `over (`"));
            return poison(at);
        }
        if spec.window_frame.is_none() && !order_by.is_empty() && (!ranking || framed) {
            let message = format!("`{name}` over an ordered window needs its frame");
            let problem = SqlProblem::new("E0306", message, at.clone(), "which rows?");
            self.report(problem.help("add `rows unbounded preceding` after the order"));
            return poison(at);
        }
        let rows = match &spec.window_frame {
            None => None,
            Some(_) if ranking && !framed => {
                let what = format!("a frame for `{name}`");
                self.unsupported(&what, &at, "remove it: the function looks at whole partitions");
                return poison(at);
            }
            Some(frame) => match self.frame(frame, &at) {
                Some(rows) => Some(rows),
                None => return poison(at),
            },
        };
        let (ty, nullable) = window_result(func, &args);
        let window = Window { func, args, partition_by, order_by, rows };
        Expr { kind: ExprKind::Window(Box::new(window)), ty, nullable, at: At(at) }
    }

    fn window_args(
        &mut self,
        function: &ast::Function,
        name: &str,
        scope: &Scope,
        at: &Range<usize>,
    ) -> Option<(WindowFunc, Vec<Expr>)> {
        if by_name(name).is_some() {
            let (agg, args, distinct) = self.aggregate_args(function, name, scope, at)?;
            if distinct || agg == Agg::ListAgg {
                self.unsupported(&format!("this form of `{name}` over a window"), at, "");
                return None;
            }
            return Some((WindowFunc::Agg(agg), args));
        }
        let func = match name {
            "row_number" => WindowFunc::RowNumber,
            "rank" => WindowFunc::Rank,
            "dense_rank" => WindowFunc::DenseRank,
            "lag" => WindowFunc::Lag,
            "lead" => WindowFunc::Lead,
            "first_value" => WindowFunc::FirstValue,
            "last_value" => WindowFunc::LastValue,
            _ => {
                self.unsupported(&format!("`{name}` over a window"), at, "");
                return None;
            }
        };
        if function.null_treatment.is_some() {
            self.unsupported("`ignore nulls`", at, "");
            return None;
        }
        let exprs = self.plain_args(function, name)?;
        let (least, most) = match func {
            WindowFunc::RowNumber | WindowFunc::Rank | WindowFunc::DenseRank => (0, 0),
            WindowFunc::Lag | WindowFunc::Lead => (1, 2),
            _ => (1, 1),
        };
        if exprs.len() < least || exprs.len() > most {
            let message = format!("`{name}` cannot take {} arguments", exprs.len());
            self.report(SqlProblem::new("E0306", message, at.clone(), ""));
            return None;
        }
        let mut args = Vec::new();
        for expr in exprs {
            args.push(self.expr(expr, scope));
        }
        let constant = |arg: &Expr| matches!(arg.kind, ExprKind::Literal(Value::Int(n)) if n >= 0);
        if let Some(offset) = args.get(1).filter(|offset| !constant(offset)) {
            let place = offset.at.0.clone();
            let message = format!("the offset of `{name}` is a whole number");
            self.report(SqlProblem::new("E0306", message, place, ""));
            return None;
        }
        Some((func, args))
    }

    fn frame(&mut self, frame: &ast::WindowFrame, at: &Range<usize>) -> Option<(Bound, Bound)> {
        if frame.units != ast::WindowFrameUnits::Rows {
            self.unsupported("a frame by `range` or `groups`", at, "write `rows between … and …`");
            return None;
        }
        let start = self.bound(&frame.start_bound);
        let end = frame.end_bound.as_ref().map_or(Bound::Current, |bound| self.bound(bound));
        Some((start, end))
    }

    fn bound(&mut self, bound: &ast::WindowFrameBound) -> Bound {
        let mut rows = |expr: &Option<Box<ast::Expr>>| {
            expr.as_ref().map(|expr| self.count(expr, "rows").unwrap_or(0))
        };
        match bound {
            ast::WindowFrameBound::CurrentRow => Bound::Current,
            ast::WindowFrameBound::Preceding(expr) => Bound::Preceding(rows(expr)),
            ast::WindowFrameBound::Following(expr) => Bound::Following(rows(expr)),
        }
    }
}

fn window_result(func: WindowFunc, args: &[Expr]) -> (Ty, bool) {
    match func {
        WindowFunc::Agg(agg) => super::aggregate::result(agg, args.first()),
        WindowFunc::RowNumber | WindowFunc::Rank | WindowFunc::DenseRank => (Ty::Int, false),
        _ => (args.first().map_or(Ty::Null, |arg| arg.ty.clone()), true),
    }
}
