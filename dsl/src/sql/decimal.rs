//! Redshift's rules for the precision and scale of computed decimals.
//!
//! With p1, s1 and p2, s2 of the operands:
//! `+ -` scale max(s1, s2), precision max(p1 − s1, p2 − s2) + 1 + scale;
//! `*` scale s1 + s2, precision p1 + p2 + 1;
//! `/` scale max(4, s1 + p2 − s2 + 1), precision p1 − s1 + s2 + scale, and where that is over 38,
//! precision 38 and scale max(38 + scale − precision, 4).
//! Values of one type (`case`, `coalesce`, `union`): scale max(s1, s2), precision
//! max(p1 − s1, p2 − s2) + scale. An int beside a decimal is decimal(19, 0), a literal int that
//! fits 32 bits decimal(10, 0). No precision is over 38, no scale over 37.

use super::typed::{ArithOp, Expr, ExprKind};
use crate::ty::Ty;
use crate::value::Value;

/// The largest precision.
pub const PRECISION_MAX: u8 = 38;

const SCALE_MAX: i32 = 37;

/// Precision and scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub precision: u8,
    pub scale: u8,
}

impl Shape {
    fn new(precision: i32, scale: i32) -> Shape {
        let scale = scale.clamp(0, SCALE_MAX);
        let precision = precision.clamp(scale.max(1), PRECISION_MAX.into());
        Shape { precision: precision as u8, scale: scale as u8 }
    }

    pub(super) fn ty(self) -> Ty {
        Ty::Decimal { precision: self.precision, scale: self.scale }
    }

    /// The shape of a decimal, or of an int that stands beside one.
    pub(super) fn of(expr: &Expr) -> Option<Shape> {
        match (&expr.ty, &expr.kind) {
            (Ty::Decimal { precision, scale }, _) => {
                Some(Shape { precision: *precision, scale: *scale })
            }
            (Ty::Int, ExprKind::Literal(Value::Int(int))) if i32::try_from(*int).is_ok() => {
                Some(Shape { precision: 10, scale: 0 })
            }
            (Ty::Int, _) => Some(Shape { precision: 19, scale: 0 }),
            _ => None,
        }
    }

    /// The one type that holds both.
    pub(super) fn common(self, other: Shape) -> Shape {
        let scale = self.scale.max(other.scale).into();
        Shape::new(self.whole().max(other.whole()) + scale, scale)
    }

    fn whole(self) -> i32 {
        i32::from(self.precision) - i32::from(self.scale)
    }

    /// The result of `self op other`.
    pub(super) fn computed(self, op: ArithOp, other: Shape) -> Shape {
        let (p1, s1) = (i32::from(self.precision), i32::from(self.scale));
        let (p2, s2) = (i32::from(other.precision), i32::from(other.scale));
        match op {
            ArithOp::Add | ArithOp::Sub => {
                let scale = s1.max(s2);
                Shape::new(self.whole().max(other.whole()) + 1 + scale, scale)
            }
            ArithOp::Mul => Shape::new(p1 + p2 + 1, s1 + s2),
            ArithOp::Div => {
                let scale = (s1 + p2 - s2 + 1).max(4);
                let precision = p1 - s1 + s2 + scale;
                match precision > PRECISION_MAX.into() {
                    true => Shape::new(38, (38 + scale - precision).max(4)),
                    false => Shape::new(precision, scale),
                }
            }
            ArithOp::Rem => self.common(other),
        }
    }
}

/// The value of a decimal text such as `-2.50`, without exponent.
pub(super) fn parse(text: &str) -> Option<Value> {
    let (negative, digits) = match text.trim().strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.trim().trim_start_matches('+')),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{part}");
    let plain = !all.is_empty() && all.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || all.trim_start_matches('0').len() > 38 || part.len() > 37 {
        return None;
    }
    let unscaled: i128 = all.parse().ok()?;
    Some(Value::Decimal {
        unscaled: if negative { -unscaled } else { unscaled },
        scale: part.len() as u8,
    })
}

#[cfg(test)]
mod tests {
    use super::{ArithOp, Shape, parse};
    use crate::value::Value;

    fn shape(precision: u8, scale: u8) -> Shape {
        Shape { precision, scale }
    }

    #[test]
    fn computed_shapes_are_redshifts() {
        // the documented example: decimal(8,2) / decimal(8,2)
        assert_eq!(shape(8, 2).computed(ArithOp::Div, shape(8, 2)), shape(17, 9));
        assert_eq!(shape(10, 3).computed(ArithOp::Mul, shape(19, 0)), shape(30, 3));
        assert_eq!(shape(10, 3).computed(ArithOp::Add, shape(8, 2)), shape(11, 3));
        // the reported case: decimal(19,2) / decimal(38,19) falls back to four digits
        assert_eq!(shape(19, 2).computed(ArithOp::Div, shape(38, 19)), shape(38, 4));
        assert_eq!(shape(19, 0).computed(ArithOp::Div, shape(19, 0)), shape(38, 19));
        assert_eq!(shape(19, 2).computed(ArithOp::Mul, shape(38, 19)), shape(38, 21));
        // the documented union
        assert_eq!(shape(7, 2).common(shape(15, 3)), shape(15, 3));
    }

    #[test]
    fn decimal_texts() {
        assert_eq!(parse("-2.50"), Some(Value::Decimal { unscaled: -250, scale: 2 }));
        assert_eq!(parse(".5"), Some(Value::Decimal { unscaled: 5, scale: 1 }));
        assert_eq!(parse("1e3"), None);
        assert_eq!(parse(""), None);
    }
}
