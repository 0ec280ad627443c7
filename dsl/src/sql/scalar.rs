//! Expressions: one arm for each kind of the syntax tree.

use super::check::{Checker, poison};
use super::coerce::{a, cast, common_of};
use super::decimal::PRECISION_MAX;
use super::names::Scope;
use super::problem::SqlProblem;
use super::typed::*;
use crate::ty::Ty;
use crate::value::Value;
use sqlparser::ast::{self, Spanned};
use std::ops::Range;

impl Checker<'_> {
    /// Types an expression.
    pub(super) fn expr(&mut self, expr: &ast::Expr, scope: &Scope) -> Expr {
        let at = self.at(expr);
        let here = std::mem::replace(&mut self.here, at.clone());
        let typed = self.deeper(|checker| checker.expr_in(expr, scope, at.clone()));
        self.here = here;
        typed.unwrap_or_else(|| poison(at))
    }

    /// A condition: `where`, `on`, `having`.
    pub(super) fn condition(&mut self, expr: &ast::Expr, scope: &Scope, word: &str) -> Expr {
        let condition = self.expr(expr, scope);
        self.coerced(condition, &Ty::Bool, &format!("the condition of `{word}`"))
    }

    fn expr_in(&mut self, expr: &ast::Expr, scope: &Scope, at: Range<usize>) -> Expr {
        use ast::Expr as E;
        match expr {
            E::Identifier(ident) => self.identifier(ident, scope, at),
            E::CompoundIdentifier(idents) => self.qualified(idents, scope),
            E::Nested(inner) => self.expr(inner, scope),
            E::Value(value) => self.value(&value.value, at),
            E::TypedString(string) => self.typed_string(string, at),
            E::UnaryOp { op, expr } => self.unary(*op, expr, scope, at),
            E::BinaryOp { .. } => self.chain(expr, scope),
            E::IsNull(inner) => self.is_null(inner, false, scope, at),
            E::IsNotNull(inner) => self.is_null(inner, true, scope, at),
            E::IsTrue(inner) => self.is_bool(inner, (true, false), scope, at),
            E::IsNotTrue(inner) => self.is_bool(inner, (true, true), scope, at),
            E::IsFalse(inner) => self.is_bool(inner, (false, false), scope, at),
            E::IsNotFalse(inner) => self.is_bool(inner, (false, true), scope, at),
            E::IsUnknown(inner) => self.is_null(inner, false, scope, at),
            E::IsNotUnknown(inner) => self.is_null(inner, true, scope, at),
            E::InList { .. } | E::InSubquery { .. } | E::Exists { .. } | E::Subquery(_) => {
                self.membership(expr, scope, at)
            }
            E::Between { expr, negated, low, high } => {
                self.between(expr, (low, high), *negated, scope, at)
            }
            E::Like { .. } | E::ILike { .. } => self.like(expr, scope, at),
            E::Cast { kind, expr, data_type, .. } => {
                if matches!(kind, ast::CastKind::TryCast | ast::CastKind::SafeCast) {
                    self.unsupported("`try_cast`", &at, "write `x::int`");
                }
                self.cast_to(expr, data_type, scope, at)
            }
            E::Convert { expr, data_type: Some(data_type), .. } => {
                self.cast_to(expr, data_type, scope, at)
            }
            E::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), scope, at)
            }
            E::Function(function) => self.function(function, scope, at),
            E::Extract { .. } | E::Ceil { .. } | E::Floor { .. } | E::Position { .. } => {
                self.keyword_function(expr, scope, at)
            }
            E::Substring { .. } | E::Trim { .. } => self.keyword_function(expr, scope, at),
            other => {
                let text = other.to_string();
                let word = text.split([' ', '(']).next().unwrap_or("").to_lowercase();
                self.unsupported(&format!("`{word} …`"), &at, "");
                poison(at)
            }
        }
    }

    fn identifier(&mut self, ident: &ast::Ident, scope: &Scope, at: Range<usize>) -> Expr {
        let clocks = ["current_date", "current_timestamp", "sysdate", "localtimestamp"];
        let plain = ident.quote_style.is_none();
        if plain && clocks.iter().any(|clock| ident.value.eq_ignore_ascii_case(clock)) {
            let what = format!("`{}`", ident.value.to_lowercase());
            self.unsupported(&what, &at, "write a date: `'2011-12-09'`");
            return poison(at);
        }
        self.name(ident, scope)
    }

    fn value(&mut self, value: &ast::Value, at: Range<usize>) -> Expr {
        let (value, ty) = match value {
            ast::Value::Number(text, _) => match number(text) {
                Some(number) => number,
                None => {
                    let message = format!("`{text}` has more than {PRECISION_MAX} digits");
                    self.report(SqlProblem::new("E0306", message, at.clone(), "too large"));
                    return poison(at);
                }
            },
            ast::Value::SingleQuotedString(text)
            | ast::Value::EscapedStringLiteral(text)
            | ast::Value::NationalStringLiteral(text) => (Value::Text(text.clone()), Ty::Text),
            ast::Value::Boolean(value) => (Value::Bool(*value), Ty::Bool),
            ast::Value::Null => (Value::Null, Ty::Null),
            ast::Value::Placeholder(name) => {
                self.unsupported(&format!("the placeholder `{name}`"), &at, "write the value");
                return poison(at);
            }
            other => {
                self.unsupported(&format!("the literal `{other}`"), &at, "write `'text'`");
                return poison(at);
            }
        };
        let nullable = value == Value::Null;
        Expr { kind: ExprKind::Literal(value), ty, nullable, at: At(at) }
    }

    /// `date '2010-12-01'`
    fn typed_string(&mut self, string: &ast::TypedString, at: Range<usize>) -> Expr {
        let expr = self.value(&string.value.value, at.clone());
        if expr.ty != Ty::Text {
            let message = "a text in single quotes follows a type";
            self.report(SqlProblem::new("E0306", message, at.clone(), a(&expr.ty)));
            return poison(at);
        }
        match self.data_type(&string.data_type, &at) {
            Some((ty, _)) => {
                self.readable(&expr, &ty);
                let mut expr = expr;
                cast(&mut expr, &ty);
                expr
            }
            None => poison(at),
        }
    }

    fn unary(
        &mut self,
        op: ast::UnaryOperator,
        inner: &ast::Expr,
        scope: &Scope,
        at: Range<usize>,
    ) -> Expr {
        let expr = self.expr(inner, scope);
        match op {
            ast::UnaryOperator::Not => {
                let expr = self.coerced(expr, &Ty::Bool, "what follows `not`");
                negated(expr, true, at)
            }
            ast::UnaryOperator::Minus | ast::UnaryOperator::Plus => {
                let number = matches!(expr.ty, Ty::Int | Ty::Decimal { .. } | Ty::Float);
                if !number && !matches!(expr.ty, Ty::Unknown | Ty::Null) {
                    let message = format!("`{op}` needs a number");
                    self.report(SqlProblem::new("E0306", message, at.clone(), a(&expr.ty)));
                    return poison(at);
                }
                if op == ast::UnaryOperator::Plus {
                    return Expr { at: At(at), ..expr };
                }
                minus(expr, at)
            }
            other => {
                self.unsupported(&format!("the operator `{other}`"), &at, "");
                poison(at)
            }
        }
    }

    fn is_null(&mut self, inner: &ast::Expr, not: bool, scope: &Scope, at: Range<usize>) -> Expr {
        let inner = Box::new(self.expr(inner, scope));
        let kind = ExprKind::IsNull(inner);
        negated(Expr { kind, ty: Ty::Bool, nullable: false, at: At(at.clone()) }, not, at)
    }

    /// `a is [not] true`: as `a is not distinct from true`.
    fn is_bool(
        &mut self,
        inner: &ast::Expr,
        (value, not): (bool, bool),
        scope: &Scope,
        at: Range<usize>,
    ) -> Expr {
        let inner = self.expr(inner, scope);
        let inner = self.coerced(inner, &Ty::Bool, "what is tested");
        let value = self.value(&ast::Value::Boolean(value), at.clone());
        let same = self.compare(CompareOp::Same, inner, value, ("is", at.clone()));
        negated(same, not, at)
    }

    fn membership(&mut self, expr: &ast::Expr, scope: &Scope, at: Range<usize>) -> Expr {
        match expr {
            ast::Expr::InList { expr, list, negated: not } => {
                let typed = self.in_list(expr, list, scope, &at);
                negated(typed, *not, at)
            }
            ast::Expr::InSubquery { expr, subquery, negated: not } => {
                let expr = self.expr(expr, scope);
                let Some((query, ty)) = self.one_column(subquery, scope, &at) else {
                    return poison(at);
                };
                if ty.non_null() != &expr.ty && expr.ty != Ty::Unknown && ty != Ty::Unknown {
                    let message = format!("`in` compares {} with {}", a(&expr.ty), a(&ty));
                    let problem = SqlProblem::new("E0306", message, at.clone(), "");
                    self.report(problem.help("cast one side to the type of the other"));
                    return poison(at);
                }
                let nullable = expr.nullable || ty.is_nullable();
                let kind = ExprKind::InQuery(Box::new(expr), Box::new(query));
                negated(Expr { kind, ty: Ty::Bool, nullable, at: At(at.clone()) }, *not, at)
            }
            ast::Expr::Exists { subquery, negated: not } => {
                let query = self.query(subquery, Some(scope));
                let kind = ExprKind::Exists(Box::new(query));
                negated(Expr { kind, ty: Ty::Bool, nullable: false, at: At(at.clone()) }, *not, at)
            }
            ast::Expr::Subquery(query) => match self.one_column(query, scope, &at) {
                Some((query, ty)) => {
                    let kind = ExprKind::Scalar(Box::new(query));
                    Expr { kind, ty: ty.non_null().clone(), nullable: true, at: At(at) }
                }
                None => poison(at),
            },
            _ => poison(at),
        }
    }

    fn in_list(
        &mut self,
        expr: &ast::Expr,
        list: &[ast::Expr],
        scope: &Scope,
        at: &Range<usize>,
    ) -> Expr {
        let mut all = vec![self.expr(expr, scope)];
        for item in list {
            all.push(self.expr(item, scope));
        }
        if !self.unified(&mut all, "`in`") {
            return poison(at.clone());
        }
        let nullable = all.iter().any(|item| item.nullable);
        let first = Box::new(all.remove(0));
        let kind = ExprKind::InList(first, all);
        Expr { kind, ty: Ty::Bool, nullable, at: At(at.clone()) }
    }

    /// Makes all of them one type; false, with a problem, where they do not fit.
    pub(super) fn unified(&mut self, exprs: &mut [Expr], what: &str) -> bool {
        let Some((first, rest)) = exprs.split_first() else { return true };
        let mut merged = first.clone();
        for expr in rest {
            match common_of(&merged, expr) {
                Some(Ty::Unknown) => return false,
                Some(ty) => {
                    let literal = merged.ty == Ty::Null || super::coerce::is_text(&merged);
                    let kind = if literal { expr.kind.clone() } else { merged.kind.clone() };
                    merged = Expr { ty, kind, ..merged };
                }
                None => {
                    let message = format!("{what} mixes {} with {}", a(&merged.ty), a(&expr.ty));
                    let problem = SqlProblem::new("E0306", message, expr.at.0.clone(), a(&expr.ty));
                    self.report(problem.help("cast one to the type of the other"));
                    return false;
                }
            }
        }
        for expr in exprs {
            self.readable(expr, &merged.ty);
            cast(expr, &merged.ty);
        }
        true
    }

    fn between(
        &mut self,
        expr: &ast::Expr,
        (low, high): (&ast::Expr, &ast::Expr),
        not: bool,
        scope: &Scope,
        at: Range<usize>,
    ) -> Expr {
        let expr = self.expr(expr, scope);
        let (low, high) = (self.expr(low, scope), self.expr(high, scope));
        let word = ("between", at.clone());
        let left = self.compare(CompareOp::Ge, expr.clone(), low, word.clone());
        let right = self.compare(CompareOp::Le, expr, high, word);
        if left.ty == Ty::Unknown || right.ty == Ty::Unknown {
            return poison(at);
        }
        let nullable = left.nullable || right.nullable;
        let kind = ExprKind::And(Box::new(left), Box::new(right));
        negated(Expr { kind, ty: Ty::Bool, nullable, at: At(at.clone()) }, not, at)
    }

    fn like(&mut self, expr: &ast::Expr, scope: &Scope, at: Range<usize>) -> Expr {
        let (text, pattern, escape, not, ignore_case) = match expr {
            ast::Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                (expr, pattern, escape_char, *negated, false)
            }
            ast::Expr::ILike { negated, any: false, expr, pattern, escape_char } => {
                (expr, pattern, escape_char, *negated, true)
            }
            _ => {
                self.unsupported("`like any`", &at, "write several `like` with `or`");
                return poison(at);
            }
        };
        let text = self.expr(text, scope);
        let text = Box::new(self.coerced(text, &Ty::Text, "the left side of `like`"));
        let pattern = self.expr(pattern, scope);
        let pattern = Box::new(self.coerced(pattern, &Ty::Text, "the pattern of `like`"));
        let escape = escape.as_ref().map(|escape| self.expr(escape, scope).kind);
        let escape = match escape {
            None => '\\',
            Some(ExprKind::Literal(Value::Text(text))) if text.chars().count() == 1 => {
                text.chars().next().unwrap_or('\\')
            }
            Some(_) => {
                let message = "`escape` takes one character";
                self.report(SqlProblem::new("E0306", message, at.clone(), ""));
                '\\'
            }
        };
        let nullable = text.nullable || pattern.nullable;
        let kind = ExprKind::Like { text, pattern, escape, ignore_case };
        negated(Expr { kind, ty: Ty::Bool, nullable, at: At(at.clone()) }, not, at)
    }

    fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        arms: &[ast::CaseWhen],
        other: Option<&ast::Expr>,
        scope: &Scope,
        at: Range<usize>,
    ) -> Expr {
        let operand = operand.map(|operand| self.expr(operand, scope));
        let (mut conditions, mut results) = (Vec::new(), Vec::new());
        for arm in arms {
            let condition = self.expr(&arm.condition, scope);
            let place = self.places.bytes(arm.condition.span()).unwrap_or_else(|| at.clone());
            conditions.push(match &operand {
                Some(operand) => {
                    self.compare(CompareOp::Eq, operand.clone(), condition, ("when", place))
                }
                None => self.coerced(condition, &Ty::Bool, "the condition of `when`"),
            });
            results.push(self.expr(&arm.result, scope));
        }
        results.extend(other.map(|other| self.expr(other, scope)));
        self.cases(conditions, results, at)
    }

    /// `case` of typed parts: one result for each condition, and perhaps one more.
    pub(super) fn cases(
        &mut self,
        conditions: Vec<Expr>,
        mut results: Vec<Expr>,
        at: Range<usize>,
    ) -> Expr {
        if !self.unified(&mut results, "`case`") {
            return poison(at);
        }
        let other = (results.len() > conditions.len()).then(|| results.pop()).flatten();
        let nullable = results.iter().chain(&other).any(|result| result.nullable);
        let ty = results.first().map_or(Ty::Null, |result| result.ty.clone());
        let nullable = nullable || other.is_none();
        let arms = conditions.into_iter().zip(results).collect();
        let kind = ExprKind::Case(arms, other.map(Box::new));
        Expr { kind, ty, nullable, at: At(at) }
    }
}

/// `not expr`, where it is to be negated.
pub(super) fn negated(expr: Expr, not: bool, at: Range<usize>) -> Expr {
    if !not || expr.ty == Ty::Unknown {
        return expr;
    }
    let nullable = expr.nullable;
    Expr { kind: ExprKind::Not(Box::new(expr)), ty: Ty::Bool, nullable, at: At(at) }
}

fn minus(expr: Expr, at: Range<usize>) -> Expr {
    let at = At(at);
    match &expr.kind {
        ExprKind::Literal(Value::Int(int)) if *int != i64::MIN => {
            Expr { kind: ExprKind::Literal(Value::Int(-int)), at, ..expr }
        }
        ExprKind::Literal(Value::Decimal { unscaled, scale: 0 }) if *unscaled == 1 << 63 => {
            // -9223372036854775808 is an int, though its digits alone are not
            Expr { kind: ExprKind::Literal(Value::Int(i64::MIN)), ty: Ty::Int, at, ..expr }
        }
        ExprKind::Literal(Value::Decimal { unscaled, scale }) => {
            let value = Value::Decimal { unscaled: -unscaled, scale: *scale };
            Expr { kind: ExprKind::Literal(value), at, ..expr }
        }
        _ => {
            let (ty, nullable) = (expr.ty.clone(), expr.nullable);
            Expr { kind: ExprKind::Neg(Box::new(expr)), ty, nullable, at }
        }
    }
}

/// The value and type of a number as it is written.
fn number(text: &str) -> Option<(Value, Ty)> {
    if let Ok(int) = text.parse::<i64>() {
        return Some((Value::Int(int), Ty::Int));
    }
    if text.contains(['e', 'E']) {
        return Some((Value::Float(text.parse().ok()?), Ty::Float));
    }
    let value = super::decimal::parse(text)?;
    let Value::Decimal { unscaled, scale } = value else { return None };
    let digits = unscaled.to_string().len().max(usize::from(scale)).max(1) as u8;
    Some((value, Ty::Decimal { precision: digits, scale }))
}
