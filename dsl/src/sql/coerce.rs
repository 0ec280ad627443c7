//! Types that meet: the common type, implicit casts, and literals that become what they meet.

use super::check::Checker;
use super::decimal::Shape;
use super::problem::SqlProblem;
use super::typed::{At, Expr, ExprKind};
use super::{decimal, literal};
use crate::ty::Ty;
use crate::value::Value;

/// The type that two values become when they meet; `None` where they do not fit.
pub(super) fn common(left: &Ty, right: &Ty) -> Option<Ty> {
    use Ty::*;
    Some(match (left.non_null(), right.non_null()) {
        (Unknown, _) | (_, Unknown) => Unknown,
        (Null, other) | (other, Null) => other.clone(),
        (left, right) if left == right => left.clone(),
        (Int | Decimal { .. }, Int | Decimal { .. }) => {
            let (left, right) = (shape(left.non_null())?, shape(right.non_null())?);
            left.common(right).ty()
        }
        (Float, Int | Decimal { .. }) | (Int | Decimal { .. }, Float) => Float,
        (Date, Timestamp) | (Timestamp, Date) => Timestamp,
        _ => return None,
    })
}

fn shape(ty: &Ty) -> Option<Shape> {
    match ty {
        Ty::Int => Some(Shape { precision: 19, scale: 0 }),
        Ty::Decimal { precision, scale } => Some(Shape { precision: *precision, scale: *scale }),
        _ => None,
    }
}

/// The common type of two expressions; a text literal becomes what it meets.
pub(super) fn common_of(left: &Expr, right: &Expr) -> Option<Ty> {
    let numbers = |expr: &Expr| matches!(expr.ty, Ty::Int | Ty::Decimal { .. });
    if left.ty != right.ty && numbers(left) && numbers(right) {
        return Some(Shape::of(left)?.common(Shape::of(right)?).ty());
    }
    common(&left.ty, &right.ty).or_else(|| match (is_text(left), is_text(right)) {
        (true, false) => Some(right.ty.clone()),
        (false, true) => Some(left.ty.clone()),
        _ => None,
    })
}

/// A text literal.
pub(super) fn is_text(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Literal(Value::Text(_)))
}

/// Makes `expr` a value of `ty`.
pub(super) fn cast(expr: &mut Expr, ty: &Ty) {
    if expr.ty == *ty || expr.ty == Ty::Unknown || *ty == Ty::Unknown {
        return;
    }
    if let ExprKind::Literal(value) = &expr.kind
        && let Some(value) = fold(value, ty)
    {
        expr.kind = ExprKind::Literal(value);
        expr.ty = ty.clone();
        return;
    }
    let nothing = ExprKind::Literal(Value::Null);
    let inner = Expr { kind: std::mem::replace(&mut expr.kind, nothing), ..expr.clone() };
    expr.kind = ExprKind::Cast(Box::new(inner));
    expr.ty = ty.clone();
}

/// The value of a literal as another type; `None` where that is left to the run.
pub(super) fn fold(value: &Value, ty: &Ty) -> Option<Value> {
    Some(match (value, ty) {
        (Value::Null, _) => Value::Null,
        (Value::Int(int), Ty::Decimal { precision, scale }) => {
            decimal_of(i128::from(*int), 0, *precision, *scale)?
        }
        (Value::Decimal { unscaled, scale: from }, Ty::Decimal { precision, scale }) => {
            decimal_of(*unscaled, *from, *precision, *scale)?
        }
        (Value::Text(text), Ty::Decimal { precision, scale }) => {
            let (unscaled, from) = literal::decimal(text)?;
            decimal_of(unscaled, from, *precision, *scale)?
        }
        (Value::Int(int), Ty::Float) => Value::Float(*int as f64),
        (Value::Decimal { unscaled, scale }, Ty::Float) => {
            Value::Float(crate::value::decimal_text(*unscaled, *scale).parse().ok()?)
        }
        (Value::Text(text), Ty::Int) => Value::Int(text.trim().parse().ok()?),
        (Value::Text(text), Ty::Float) => Value::Float(text.trim().parse().ok()?),
        (Value::Text(text), Ty::Bool) => Value::Bool(literal::bool(text)?),
        (Value::Text(text), Ty::Date) => Value::Date(literal::date_days(text)?),
        (Value::Text(text), Ty::Timestamp) => {
            Value::Timestamp(literal::timestamp_us(text)?.checked_mul(1_000)?)
        }
        (Value::Date(days), Ty::Timestamp) => {
            Value::Timestamp(i64::from(*days).checked_mul(86_400_000_000_000)?)
        }
        _ => return None,
    })
}

fn decimal_of(unscaled: i128, from: u8, precision: u8, scale: u8) -> Option<Value> {
    let unscaled = literal::rescale(unscaled, from, scale)?;
    let fits = unscaled.unsigned_abs() < 10_u128.checked_pow(precision.into())?;
    debug_assert!(precision <= decimal::PRECISION_MAX);
    fits.then_some(Value::Decimal { unscaled, scale })
}

impl Checker<'_> {
    /// Casts `expr`, which `what` needs as `ty`, where that is implicit; else a problem.
    pub(super) fn coerced(&mut self, mut expr: Expr, ty: &Ty, what: &str) -> Expr {
        if expr.ty == Ty::Unknown {
            return expr;
        }
        let numeric = |ty: &Ty| matches!(ty, Ty::Int | Ty::Decimal { .. } | Ty::Float);
        let implicit = expr.ty == *ty
            || expr.ty == Ty::Null
            || (numeric(&expr.ty) && *ty == Ty::Float)
            || (expr.ty == Ty::Int && matches!(ty, Ty::Decimal { .. }))
            || (expr.ty == Ty::Date && *ty == Ty::Timestamp);
        let literal = is_text(&expr);
        if !implicit && !literal {
            let At(at) = expr.at.clone();
            let message = format!("{what} is {}, not {}", a(ty), a(&expr.ty));
            let problem = SqlProblem::new("E0306", message, at, a(&expr.ty));
            self.report(problem.help(format!("cast it: `{}::{}`", self.text(&expr), word(ty))));
            return super::check::poison(expr.at.0);
        }
        self.readable(&expr, ty);
        cast(&mut expr, ty);
        expr
    }

    /// A text literal that is to be another type must read as one.
    pub(super) fn readable(&mut self, expr: &Expr, ty: &Ty) {
        let ExprKind::Literal(Value::Text(text)) = &expr.kind else { return };
        if *ty == Ty::Text || *ty == Ty::Unknown || fold(&Value::Text(text.clone()), ty).is_some() {
            return;
        }
        let message = format!("`'{text}'` is not {}", a(ty));
        let help = match ty {
            Ty::Timestamp => "write `'2010-12-01 08:26:00'`",
            Ty::Date => "write `'2010-12-01'`",
            Ty::Bool => "write `true` or `false`",
            _ => "write a number",
        };
        self.report(SqlProblem::new("E0306", message, expr.at.0.clone(), "").help(help));
    }

    /// The text of an expression, for a help.
    pub(super) fn text(&self, expr: &Expr) -> &str {
        self.sql.get(expr.at.0.clone()).unwrap_or("x")
    }
}

/// The type with its article.
pub(super) fn a(ty: &Ty) -> String {
    match ty {
        Ty::Int => "an int".into(),
        Ty::Null => "null".into(),
        other => format!("a {}", word(other)),
    }
}

/// The type as it is written in SQL.
pub(super) fn word(ty: &Ty) -> String {
    match ty {
        Ty::Text => "varchar".into(),
        Ty::Decimal { precision, scale } => format!("decimal({precision}, {scale})"),
        other => other.to_string(),
    }
}
