//! Typing of expressions: the way in, literals, lists, `if`, `??`, `catch`, and what can fail.

use super::cx::Cx;
use super::expr_fit::{self, Place};
use super::scope::Scope;
use super::{expr_call, expr_name, expr_op, fold, narrow, record, template, walk};
use crate::ast::{self, BinaryOp, ExprKind as Ast};
use crate::plan::{self, Expr, ExprKind};
use crate::problem::Problem;
use crate::span::Span;
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
    check_for(cx, expr, scope, &Place { ty: expected, ..Place::default() })
}

/// The same for a place that problems can name.
pub(crate) fn check_for(cx: &mut Cx, expr: &ast::Expr, scope: &Scope, place: &Place) -> plan::Expr {
    if let Some(fitted) = record_for(cx, expr, scope, place) {
        return match place.ty {
            Some(wanted @ Ty::Nullable(_)) => expr_fit::cast(fitted, wanted),
            _ => fitted,
        };
    }
    let typed = infer(cx, expr, scope, place.ty);
    expr_fit::fit(cx, typed, scope, place)
}

/// Types an expression as its place would want it, but leaves what does not fit as it is.
pub(crate) fn hinted(cx: &mut Cx, expr: &ast::Expr, scope: &Scope, place: &Place) -> plan::Expr {
    match record_for(cx, expr, scope, place) {
        Some(fitted) => fitted,
        None => infer(cx, expr, scope, place.ty),
    }
}

/// A condition: a bool that is never null.
pub(crate) fn condition(cx: &mut Cx, expr: &ast::Expr, scope: &Scope) -> plan::Expr {
    let help = "compare something: `.Quantity > 0`, `.CustomerID != null`".to_string();
    let place =
        Place { ty: Some(&Ty::Bool), name: "a condition", help: Some(help), ..Place::default() };
    check_for(cx, expr, scope, &place)
}

/// An expression of type [`Ty::Unknown`]: something is wrong at `span` and was said.
pub(crate) fn poison(span: Span) -> Expr {
    Expr { kind: ExprKind::Const(Value::Null), ty: Ty::Unknown, span }
}

/// Why an expression can fail for a record and so makes its node fallible (completes "can fail:
/// …"); `None` where it cannot. A fallible call, a division whose divisor is not a non-zero
/// constant, and a conversion to fewer digits before the point count; an overflow of `+ - *` is a
/// fault that leaves by `.errors` where the node has that port, but does not by itself give it one.
pub(crate) fn fallible(expr: &plan::Expr) -> Option<&'static str> {
    if let ExprKind::Catch(_, other) = &expr.kind {
        return fallible(other);
    }
    let of_parts = walk::parts(expr).into_iter().find_map(fallible);
    of_parts.or_else(|| match &expr.kind {
        ExprKind::Cast(inner) => cast_fails(&inner.ty, &expr.ty),
        ExprKind::Call(name, args) => expr_call::fails(name, args),
        ExprKind::Binary(plan::BinaryOp::Div | plan::BinaryOp::Rem, _, right) => {
            (!is_nonzero(right)).then_some("division by zero")
        }
        _ => None,
    })
}

/// Why a cast can fail: the target has fewer digits before the point.
fn cast_fails(from: &Ty, to: &Ty) -> Option<&'static str> {
    let whole = |ty: &Ty| match ty.non_null() {
        Ty::Int => Some(19),
        Ty::Decimal { precision, scale } => Some(precision - scale),
        _ => None,
    };
    match (whole(from), whole(to)) {
        // Integers in a calculation are widened to 19 digits, so only a declared type is smaller.
        (Some(from), Some(to)) if from > to => Some("a number with too many digits"),
        _ => None,
    }
}

fn is_nonzero(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Const(Value::Int(int)) => *int != 0,
        ExprKind::Const(Value::Decimal { unscaled, .. }) => *unscaled != 0,
        ExprKind::Const(Value::Float(float)) => *float != 0.0,
        ExprKind::Cast(inner) => is_nonzero(inner),
        _ => false,
    }
}

/// A record literal where a record is wanted: each entry is checked against its own field.
fn record_for(cx: &mut Cx, expr: &ast::Expr, scope: &Scope, place: &Place) -> Option<Expr> {
    let Ast::Record(literal) = &expr.kind else { return None };
    let Ty::Record(wanted) = place.ty?.non_null() else { return None };
    let owner = match (&wanted.name, place.name) {
        (Some(name), _) => format!("type `{name}`"),
        (None, "") => "this record".into(),
        (None, name) => format!("`{name}`"),
    };
    let want = record::Want {
        ty: wanted,
        exact: true,
        partial: false,
        key: None,
        owner,
        declared: place.declared,
    };
    let before = cx.problems.len();
    let mut fitted = record::check(cx, literal, scope, Some(&want));
    if cx.problems.len() > before {
        // What is wrong with it was said: from here on it is what it was meant to be.
        fitted.ty = Ty::Record(wanted.clone());
    }
    Some(fitted)
}

/// Types an expression; `hint` is what its place wants, for literals that can be several types.
fn infer(cx: &mut Cx, expr: &ast::Expr, scope: &Scope, hint: Option<&Ty>) -> Expr {
    let span = expr.span;
    match &expr.kind {
        Ast::Literal(value) => {
            let ty = literal_ty(value);
            Expr { kind: ExprKind::Const(value.clone()), ty, span }
        }
        Ast::Template(text) => Expr { span, ..template::check(cx, text, scope) },
        Ast::Field(name) => expr_name::field(cx, name, span, scope),
        Ast::Ident(name) => expr_name::ident(cx, name, span, scope),
        Ast::Get { of, name, optional } => expr_name::get(cx, of, name, *optional, span, scope),
        Ast::Index { of, .. } => {
            let _ = infer(cx, of, scope, None);
            cx.unsupported(span, "[…]", "name the field: `.field`");
            poison(span)
        }
        Ast::Call { of, args } => expr_call::call(cx, of, args, span, scope, hint),
        Ast::Unary { op, expr: inner } => expr_op::unary(cx, op, inner, span, scope),
        Ast::Binary { op, left, right } => match op.node {
            BinaryOp::Coalesce => coalesce(cx, left, right, span, scope, hint),
            BinaryOp::Catch => catch(cx, left, right, span, scope, hint),
            BinaryOp::Has => {
                cx.unsupported(op.span, "has", "compare the fields: `.Quantity == 6`");
                poison(span)
            }
            _ => expr_op::binary(cx, op, left, right, span, scope),
        },
        Ast::If { cond, then, other } => {
            let typed = condition(cx, cond, scope);
            let narrowed = |cond: &Expr| match &scope.record {
                Some(record) => scope.with_type(narrow::by(&record.ty, cond)),
                None => scope.clone(),
            };
            let negated = expr_op::negated(typed.clone());
            let then = infer(cx, then, &narrowed(&typed), hint);
            let other = infer(cx, other, &narrowed(&negated), hint);
            let (then, other, ty) = joined(cx, then, other, "the two sides of `if`");
            let kind = ExprKind::If(Box::new(typed), Box::new(then), Box::new(other));
            whole(kind, ty, span)
        }
        Ast::Lambda { .. } => {
            let help = "compare whole values: `contains`, `starts_with`, `==`";
            cx.unsupported(span, "=>", help);
            poison(span)
        }
        Ast::List(items) => list(cx, items, span, scope, hint),
        Ast::Record(literal) => record::check(cx, literal, scope, None),
    }
}

/// The type of a literal as it stands.
pub(crate) fn literal_ty(value: &Value) -> Ty {
    match value {
        Value::Null => Ty::Null,
        Value::Bool(_) => Ty::Bool,
        Value::Int(_) => Ty::Int,
        Value::Decimal { unscaled, scale } => {
            let digits = unscaled.unsigned_abs().checked_ilog10().unwrap_or(0) as u8 + 1;
            Ty::Decimal { precision: digits.max(*scale).max(1), scale: *scale }
        }
        Value::Float(_) => Ty::Float,
        Value::Text(_) => Ty::Text,
        Value::Timestamp(_) => Ty::Timestamp,
        Value::Date(_) => Ty::Date,
        Value::Duration(_) => Ty::Duration,
        Value::Size(_) => Ty::Size,
        Value::List(items) => Ty::List(Box::new(items.first().map_or(Ty::Unknown, literal_ty))),
        Value::Record(fields) => {
            let field = |(name, value): &(String, Value)| crate::ty::Field {
                name: name.clone(),
                ty: literal_ty(value),
                span: None,
            };
            let fields = fields.iter().map(field).collect();
            Ty::Record(crate::ty::RecordTy { fields, ..Default::default() })
        }
    }
}

/// An expression, or poison where its type is.
pub(crate) fn whole(kind: ExprKind, ty: Ty, span: Span) -> Expr {
    if ty == Ty::Unknown { poison(span) } else { fold::step(Expr { kind, ty, span }) }
}

/// `left ?? right`
fn coalesce(
    cx: &mut Cx,
    left: &ast::Expr,
    right: &ast::Expr,
    span: Span,
    scope: &Scope,
    hint: Option<&Ty>,
) -> Expr {
    let nullable_hint = hint.map(|hint| hint.clone().nullable());
    let left = infer(cx, left, scope, nullable_hint.as_ref());
    let right = infer(cx, right, scope, hint);
    if left.ty == Ty::Unknown || right.ty == Ty::Unknown {
        return poison(span);
    }
    if !left.ty.is_nullable() {
        let message =
            format!("`{}` is never null, so `??` has no effect", cx.files.text(left.span));
        let label = format!("`{}`", left.ty);
        let help = format!("write `{}` alone", cx.files.text(left.span));
        cx.report(Problem::warning("W0907", message, left.span, label).help(help));
    }
    let present = Expr { ty: left.ty.non_null().clone(), ..left.clone() };
    let (joined_left, right, ty) = joined(cx, present, right, "the two sides of `??`");
    // The left side keeps its null; a cast that `joined` put around it is put around the nullable.
    let left = match joined_left.kind {
        ExprKind::Cast(_) => {
            let ty = joined_left.ty.clone().nullable();
            Expr { kind: ExprKind::Cast(Box::new(left)), ty, span: joined_left.span }
        }
        _ => left,
    };
    whole(ExprKind::Coalesce(Box::new(left), Box::new(right)), ty, span)
}

/// `left catch right`
fn catch(
    cx: &mut Cx,
    left: &ast::Expr,
    right: &ast::Expr,
    span: Span,
    scope: &Scope,
    hint: Option<&Ty>,
) -> Expr {
    let left = infer(cx, left, scope, hint);
    let right = infer(cx, right, scope, hint);
    if left.ty != Ty::Unknown && right.ty != Ty::Unknown && fallible(&left).is_none() {
        let message = format!("`{}` cannot fail", cx.files.text(left.span));
        let help = format!("write `{}` alone", cx.files.text(left.span));
        let label = "nothing to catch";
        cx.report(Problem::warning("W0907", message, left.span, label).help(help));
    }
    let (left, right, ty) = joined(cx, left, right, "the two sides of `catch`");
    whole(ExprKind::Catch(Box::new(left), Box::new(right)), ty, span)
}

/// `[a, b]`
fn list(cx: &mut Cx, items: &[ast::Expr], span: Span, scope: &Scope, hint: Option<&Ty>) -> Expr {
    let wanted = match hint.map(Ty::non_null) {
        Some(Ty::List(item)) => Some((**item).clone()),
        _ => None,
    };
    if let Some(item) = wanted {
        let items: Vec<Expr> =
            items.iter().map(|each| check(cx, each, scope, Some(&item))).collect();
        if items.iter().any(|item| item.ty == Ty::Unknown) {
            return poison(span);
        }
        let ty = Ty::List(Box::new(item));
        return Expr { kind: ExprKind::List(items), ty, span };
    }
    let mut typed: Vec<Expr> = Vec::new();
    for each in items {
        let next = infer(cx, each, scope, None);
        let Some(first) = typed.first().cloned() else {
            typed.push(next);
            continue;
        };
        let (first, next, _) = joined(cx, first, next, "the items of a list");
        let place = Place { ty: Some(&first.ty), ..Place::default() };
        typed = typed.into_iter().map(|old| expr_fit::fit(cx, old, scope, &place)).collect();
        typed.push(next);
    }
    if typed.iter().any(|item| item.ty == Ty::Unknown) {
        return poison(span);
    }
    let item = typed.first().map_or(Ty::Unknown, |item| item.ty.clone());
    Expr { kind: ExprKind::List(typed), ty: Ty::List(Box::new(item)), span }
}

/// Brings two values to one type; E0306 where there is none. `what` names them in the message.
pub(crate) fn joined(cx: &mut Cx, left: Expr, right: Expr, what: &str) -> (Expr, Expr, Ty) {
    if left.ty == Ty::Unknown || right.ty == Ty::Unknown {
        return (left, right, Ty::Unknown);
    }
    let Some(ty) = expr_fit::common(&left.ty, &right.ty) else {
        let message = format!("{what} have no common type: `{}` and `{}`", left.ty, right.ty);
        let problem = Problem::error("E0306", message, right.span, format!("`{}`", right.ty))
            .label(left.span, format!("`{}`", left.ty));
        cx.report(problem.help(expr_op::conversion(cx, &left, &right)));
        let (left, right) = (poison(left.span), poison(right.span));
        return (left, right, Ty::Unknown);
    };
    (expr_fit::cast(left, &ty), expr_fit::cast(right, &ty), ty)
}
