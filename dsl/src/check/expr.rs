//! Typing of expressions.

use super::cx::Cx;
use super::scope::Scope;
use crate::ast;
use crate::plan;
use crate::ty::Ty;
use crate::value::Value;

/// Types an expression. With `expected` the result has that type (casts are inserted), or the
/// mismatch is reported. What is wrong is reported once and becomes an expression of type
/// [`Ty::Unknown`].
pub(crate) fn check(
    cx: &mut Cx,
    expr: &ast::Expr,
    scope: &Scope,
    expected: Option<&Ty>,
) -> plan::Expr {
    let _ = (cx, scope, expected);
    plan::Expr { kind: plan::ExprKind::Const(Value::Null), ty: Ty::Unknown, span: expr.span }
}

/// Why an expression can fail for a record and so makes its node fallible ("completes `can fail:
/// …`"); `None` where it cannot. A fallible call, a division whose divisor is not a non-zero
/// constant, and a conversion that can drop digits count; an overflow of `+ - *` is a fault that
/// leaves by `.errors` where the node has that port, but does not by itself give it one.
pub(crate) fn fallible(expr: &plan::Expr) -> Option<&'static str> {
    let _ = expr;
    None
}
