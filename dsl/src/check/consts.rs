//! Values known before a run: constants, parameters, arguments.

use super::cx::Cx;
use super::scope::Scope;
use crate::ast;
use crate::ty::Ty;
use crate::value::Value;

/// The value of an expression that must be known before the run (an argument, a default, a
/// constant); `None` where it is wrong or only known at run time, which is reported. A relative
/// `path` written in the file comes out relative to the current directory.
pub(crate) fn value(
    cx: &mut Cx,
    expr: &ast::Expr,
    scope: &Scope,
    expected: Option<&Ty>,
) -> Option<(Value, Ty)> {
    let _ = (cx, expr, scope, expected);
    None
}

/// The value and type of a parameter: the request's text read as its type (E0803 where it is no
/// such value), else its default, else (E0804 when it is needed for this run) a placeholder of its
/// type. `None` where it is wrong.
pub(crate) fn param(cx: &mut Cx, name: &str) -> Option<(Value, Ty)> {
    let _ = (cx, name);
    None
}
