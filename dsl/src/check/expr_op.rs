//! Typing of operators: arithmetic, comparison, logic.

use super::cx::Cx;
use super::expr::{self, poison, whole};
use super::expr_fit::{cast, common, digits, present};
use super::narrow;
use super::scope::Scope;
use super::words::{a, brief, shown};
use crate::ast::{self, BinaryOp, UnaryOp};
use crate::plan::{self, Expr, ExprKind};
use crate::problem::Problem;
use crate::span::{Span, Spanned};
use crate::ty::Ty;
use crate::value::Value;

/// `-a`, `not a`
pub(crate) fn unary(
    cx: &mut Cx,
    op: &Spanned<UnaryOp>,
    inner: &ast::Expr,
    span: Span,
    scope: &Scope,
) -> Expr {
    match op.node {
        UnaryOp::Not => {
            let inner = operand(cx, inner, scope, "not");
            match inner.ty {
                Ty::Unknown => poison(span),
                Ty::Bool => whole(ExprKind::Not(Box::new(inner)), Ty::Bool, span),
                _ => {
                    let found = a(&inner.ty);
                    let message = format!("`not` turns true and false round, and this is {found}");
                    let problem = Problem::error("E0306", message, op.span, "");
                    cx.report(problem.label(inner.span, format!("`{}`", inner.ty)));
                    poison(span)
                }
            }
        }
        UnaryOp::Neg => {
            let inner = operand(cx, inner, scope, "-");
            match &inner.ty {
                Ty::Unknown => poison(span),
                Ty::Int | Ty::Decimal { .. } | Ty::Float | Ty::Duration => {
                    let ty = inner.ty.clone();
                    whole(ExprKind::Neg(Box::new(inner)), ty, span)
                }
                _ => {
                    let message = format!("`-` needs a number, and this is {}", a(&inner.ty));
                    let problem = Problem::error("E0306", message, op.span, "");
                    cx.report(problem.label(inner.span, format!("`{}`", inner.ty)));
                    poison(span)
                }
            }
        }
    }
}

/// `not cond`, typed: what holds where `cond` does not.
pub(crate) fn negated(cond: Expr) -> Expr {
    let (ty, span) = (Ty::Bool, cond.span);
    Expr { kind: ExprKind::Not(Box::new(cond)), ty, span }
}

/// Every operator that needs both sides, without `??`, `catch` and `has`.
pub(crate) fn binary(
    cx: &mut Cx,
    op: &Spanned<BinaryOp>,
    left: &ast::Expr,
    right: &ast::Expr,
    span: Span,
    scope: &Scope,
) -> Expr {
    use BinaryOp::*;
    match op.node {
        And | Or => logic(cx, op, left, right, span, scope),
        Eq | Ne => equality(cx, op, left, right, span, scope),
        _ => {
            let left = operand(cx, left, scope, op.node.word());
            let right = operand(cx, right, scope, op.node.word());
            if left.ty == Ty::Unknown || right.ty == Ty::Unknown {
                return poison(span);
            }
            match op.node {
                Lt | Le | Gt | Ge => order(cx, op, left, right, span),
                _ => arithmetic(cx, op, left, right, span),
            }
        }
    }
}

/// A side of an operator: never null.
fn operand(cx: &mut Cx, side: &ast::Expr, scope: &Scope, word: &str) -> Expr {
    let typed = expr::check(cx, side, scope, None);
    present(cx, typed, scope, word)
}

/// `and`, `or`: the right side sees what the left side proves.
fn logic(
    cx: &mut Cx,
    op: &Spanned<BinaryOp>,
    left: &ast::Expr,
    right: &ast::Expr,
    span: Span,
    scope: &Scope,
) -> Expr {
    let left = operand(cx, left, scope, op.node.word());
    let known = match op.node {
        BinaryOp::And => left.clone(),
        _ => negated(left.clone()),
    };
    let narrowed = match &scope.record {
        Some(record) => scope.with_type(narrow::by(&record.ty, &known)),
        None => scope.clone(),
    };
    let right = operand(cx, right, &narrowed, op.node.word());
    if left.ty == Ty::Unknown || right.ty == Ty::Unknown {
        return poison(span);
    }
    if left.ty != Ty::Bool || right.ty != Ty::Bool {
        return refused(cx, op, &left, &right, "two conditions", span);
    }
    let plan_op = plan_op(op.node);
    whole(ExprKind::Binary(plan_op, Box::new(left), Box::new(right)), Ty::Bool, span)
}

/// `==`, `!=`: one type on both sides, null allowed.
fn equality(
    cx: &mut Cx,
    op: &Spanned<BinaryOp>,
    left: &ast::Expr,
    right: &ast::Expr,
    span: Span,
    scope: &Scope,
) -> Expr {
    let left = expr::check(cx, left, scope, None);
    let right = expr::check(cx, right, scope, None);
    if left.ty == Ty::Unknown || right.ty == Ty::Unknown {
        return poison(span);
    }
    let tested = match (&left.ty, &right.ty) {
        (Ty::Null, _) => Some(right.clone()),
        (_, Ty::Null) => Some(left.clone()),
        _ => None,
    };
    if let Some(tested) = tested {
        never_null(cx, &tested, op);
        let test = whole(ExprKind::IsNull(Box::new(tested)), Ty::Bool, span);
        return match op.node {
            BinaryOp::Eq => test,
            _ => whole(ExprKind::Not(Box::new(test)), Ty::Bool, span),
        };
    }
    let Some((left, right)) = same_type(&left, &right, comparable) else {
        return refused(cx, op, &left, &right, "two values of one type", span);
    };
    let kind = ExprKind::Binary(plan_op(op.node), Box::new(left), Box::new(right));
    whole(kind, Ty::Bool, span)
}

/// A comparison with null of what is never null.
fn never_null(cx: &mut Cx, tested: &Expr, op: &Spanned<BinaryOp>) {
    if tested.ty.is_nullable() {
        return;
    }
    let always = if op.node == BinaryOp::Eq { "false" } else { "true" };
    let message = format!("`{}` is never null, so this is always {always}", shown(cx, tested));
    let problem = Problem::warning("W0907", message, tested.span, format!("`{}`", tested.ty));
    cx.report(problem.help("leave the comparison out"));
}

/// `< <= > >=`
fn order(cx: &mut Cx, op: &Spanned<BinaryOp>, left: Expr, right: Expr, span: Span) -> Expr {
    let ordered = |ty: &Ty| !matches!(ty, Ty::Bool | Ty::Url | Ty::Uuid) && comparable(ty);
    let Some((left, right)) = same_type(&left, &right, ordered) else {
        let needs = "two numbers, texts, times, durations or sizes";
        return refused(cx, op, &left, &right, needs, span);
    };
    let kind = ExprKind::Binary(plan_op(op.node), Box::new(left), Box::new(right));
    whole(kind, Ty::Bool, span)
}

/// True for types whose values can be compared.
fn comparable(ty: &Ty) -> bool {
    use Ty::*;
    matches!(
        ty.non_null(),
        Text | Int
            | Float
            | Decimal { .. }
            | Bool
            | Timestamp
            | Date
            | Duration
            | Size
            | Url
            | Uuid
            | Path
            | Literal(_)
    )
}

/// Both sides as their common type, when it passes; a literal text takes the other side's type.
fn same_type(left: &Expr, right: &Expr, passes: impl Fn(&Ty) -> bool) -> Option<(Expr, Expr)> {
    let textual = |ty: &Ty| matches!(ty.non_null(), Ty::Url | Ty::Uuid | Ty::Path);
    let constant = |expr: &Expr| matches!(expr.kind, ExprKind::Const(Value::Text(_)));
    if textual(&left.ty) && constant(right) {
        let right = Expr { ty: left.ty.non_null().clone(), ..right.clone() };
        return passes(&left.ty).then(|| (left.clone(), right));
    }
    if textual(&right.ty) && constant(left) {
        let left = Expr { ty: right.ty.non_null().clone(), ..left.clone() };
        return passes(&right.ty).then(|| (left, right.clone()));
    }
    let both = |left: &Ty, right: &Ty| match (left, right) {
        (Ty::Literal(_), Ty::Literal(_)) => Some(Ty::Text),
        _ => common(left, right),
    };
    let ty = both(left.ty.non_null(), right.ty.non_null())?;
    if !passes(&ty) {
        return None;
    }
    let nullable = |side: &Expr| match side.ty.is_nullable() {
        true => ty.clone().nullable(),
        false => ty.clone(),
    };
    Some((cast(left.clone(), &nullable(left)), cast(right.clone(), &nullable(right))))
}

/// `+ - * / %`
fn arithmetic(cx: &mut Cx, op: &Spanned<BinaryOp>, left: Expr, right: Expr, span: Span) -> Expr {
    use BinaryOp::{Add, Div, Mul, Rem, Sub};
    let plan_op = plan_op(op.node);
    let made = |left: Expr, right: Expr, ty: Ty| {
        whole(ExprKind::Binary(plan_op, Box::new(left), Box::new(right)), ty, span)
    };
    if matches!(op.node, Div | Rem) && is_zero(&right) {
        let message = format!("`{}` divides by zero", brief(cx.files.text(span)));
        cx.report(Problem::error("E0311", message, right.span, "always zero"));
        return poison(span);
    }
    match (&left.ty, op.node, &right.ty) {
        (Ty::Float, _, Ty::Float) => made(left, right, Ty::Float),
        (Ty::Int, Add | Sub | Mul | Rem, Ty::Int) => made(left, right, Ty::Int),
        (Ty::Int | Ty::Decimal { .. }, _, Ty::Int | Ty::Decimal { .. }) => {
            decimals(cx, op, left, right, span)
        }
        (Ty::Timestamp, Sub, Ty::Timestamp) => made(left, right, Ty::Duration),
        (Ty::Timestamp, Add | Sub, Ty::Duration) => made(left, right, Ty::Timestamp),
        (Ty::Duration, Add, Ty::Timestamp) => made(right, left, Ty::Timestamp),
        (Ty::Duration, Add | Sub, Ty::Duration) => made(left, right, Ty::Duration),
        (Ty::Size, Add | Sub, Ty::Size) => made(left, right, Ty::Size),
        (_, Add, _) => refused(cx, op, &left, &right, "two numbers", span),
        (_, Sub | Mul | Div | Rem, _) => refused(cx, op, &left, &right, "two numbers", span),
        _ => poison(span),
    }
}

fn is_zero(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Const(Value::Int(int)) => *int == 0,
        ExprKind::Const(Value::Decimal { unscaled, .. }) => *unscaled == 0,
        ExprKind::Const(Value::Float(float)) => *float == 0.0,
        _ => false,
    }
}

/// Arithmetic with a decimal on a side, and `/` of ints: the Hive rules, capped at 38 digits.
fn decimals(cx: &mut Cx, op: &Spanned<BinaryOp>, left: Expr, right: Expr, span: Span) -> Expr {
    let ((p1, s1), (p2, s2)) = (digits(&left.ty), digits(&right.ty));
    let decimal = |precision: u8, scale: u8| Ty::Decimal { precision: precision.min(38), scale };
    let (left_ty, right_ty, ty) = match op.node {
        BinaryOp::Mul => (decimal(p1, s1), decimal(p2, s2), decimal(p1 + p2 + 1, s1 + s2)),
        BinaryOp::Div => (decimal(p1, s1), decimal(p2, s2), decimal(p1 + s2 + 4, s1 + 4)),
        _ => {
            let scale = s1.max(s2);
            let precision = ((p1 - s1).max(p2 - s2) + scale).min(38);
            let grown = if op.node == BinaryOp::Rem { precision } else { precision + 1 };
            let both = decimal(precision, scale);
            (both.clone(), both, decimal(grown, scale))
        }
    };
    if let Ty::Decimal { scale, .. } = ty
        && scale > 38
    {
        let word = op.node.word();
        let message =
            format!("`{word}` would need {scale} digits behind the point; 38 is the most");
        let problem = Problem::error("E0309", message, op.span, "")
            .label(left.span, format!("`{}`", left.ty))
            .label(right.span, format!("`{}`", right.ty))
            .help(format!("round one side first:  round({}, 6)", shown(cx, &left)));
        cx.report(problem);
        return poison(span);
    }
    let (left, right) = (Box::new(cast(left, &left_ty)), Box::new(cast(right, &right_ty)));
    whole(ExprKind::Binary(plan_op(op.node), left, right), ty, span)
}

/// E0306: the operator does not take these types.
fn refused(
    cx: &mut Cx,
    op: &Spanned<BinaryOp>,
    left: &Expr,
    right: &Expr,
    needs: &str,
    span: Span,
) -> Expr {
    let word = op.node.word();
    let message = format!("`{word}` needs {needs}, and this is `{} {word} {}`", left.ty, right.ty);
    let mut problem = Problem::error("E0306", message, op.span, "")
        .label(left.span, a(&left.ty))
        .label(right.span, a(&right.ty));
    let text = |ty: &Ty| matches!(ty, Ty::Text | Ty::Literal(_));
    let help = match op.node {
        BinaryOp::Add if text(&left.ty) || text(&right.ty) => joined_text(cx, left, right),
        BinaryOp::And | BinaryOp::Or => String::new(),
        _ => conversion(cx, left, right),
    };
    if !help.is_empty() {
        problem = problem.help(help);
    }
    cx.report(problem);
    poison(span)
}

/// The help for `text + …`: a template, and the conversion to a number where that could be meant.
fn joined_text(cx: &Cx, left: &Expr, right: &Expr) -> String {
    let part = |side: &Expr| {
        let text = shown(cx, side);
        match &side.kind {
            ExprKind::Const(Value::Text(_)) => text.trim_matches('"').to_string(),
            _ => format!("{{{text}}}"),
        }
    };
    let template = format!("to join texts:   \"{}{}\"", part(left), part(right));
    let number = |ty: &Ty| matches!(ty, Ty::Int | Ty::Decimal { .. });
    let (text, other) = if number(&left.ty) { (right, left) } else { (left, right) };
    if !number(&other.ty) {
        return template;
    }
    let function = if other.ty == Ty::Int { "int" } else { "decimal" };
    let converted = format!("{function}({})", shown(cx, text));
    let sum = match number(&left.ty) {
        true => format!("{} + {converted}", shown(cx, left)),
        false => format!("{converted} + {}", shown(cx, right)),
    };
    format!("{template}\nto add numbers:  {sum}")
}

/// The conversion that would make two sides fit, or nothing.
pub(crate) fn conversion(cx: &Cx, left: &Expr, right: &Expr) -> String {
    let number = |ty: &Ty| matches!(ty.non_null(), Ty::Int | Ty::Decimal { .. });
    let text = |ty: &Ty| matches!(ty.non_null(), Ty::Text | Ty::Literal(_));
    let float = |ty: &Ty| *ty.non_null() == Ty::Float;
    let (from, to) = match (left, right) {
        (text_side, other) if text(&text_side.ty) && !text(&other.ty) => (text_side, other),
        (other, text_side) if text(&text_side.ty) && !text(&other.ty) => (text_side, other),
        (side, other) | (other, side) if float(&side.ty) && number(&other.ty) => (other, side),
        _ => return String::new(),
    };
    let name = shown(cx, from);
    match (to.ty.non_null(), &to.kind) {
        (Ty::Int | Ty::Decimal { .. }, ExprKind::Const(_)) if text(&from.ty) => {
            let quoted = format!("\"{}\"", shown(cx, to));
            let function = if to.ty == Ty::Int { "int" } else { "decimal" };
            format!("compare texts:  {quoted}\nor numbers:     {function}({name})")
        }
        (Ty::Int, _) => format!("convert it:  int({name})"),
        (Ty::Decimal { .. }, _) => format!("convert it:  decimal({name})"),
        (Ty::Float, _) => format!("float never mixes silently; convert it:  float({name})"),
        (Ty::Bool, _) => format!("convert it:  bool({name})"),
        (Ty::Timestamp, _) => format!("convert it:  timestamp({name})"),
        (Ty::Date, _) => format!("convert it:  date({name})"),
        _ => String::new(),
    }
}

fn plan_op(op: BinaryOp) -> plan::BinaryOp {
    match op {
        BinaryOp::Or => plan::BinaryOp::Or,
        BinaryOp::And => plan::BinaryOp::And,
        BinaryOp::Eq => plan::BinaryOp::Eq,
        BinaryOp::Ne => plan::BinaryOp::Ne,
        BinaryOp::Lt => plan::BinaryOp::Lt,
        BinaryOp::Le => plan::BinaryOp::Le,
        BinaryOp::Gt => plan::BinaryOp::Gt,
        BinaryOp::Ge => plan::BinaryOp::Ge,
        BinaryOp::Add => plan::BinaryOp::Add,
        BinaryOp::Sub => plan::BinaryOp::Sub,
        BinaryOp::Mul => plan::BinaryOp::Mul,
        BinaryOp::Div => plan::BinaryOp::Div,
        BinaryOp::Rem => plan::BinaryOp::Rem,
        BinaryOp::Catch | BinaryOp::Has | BinaryOp::Coalesce => {
            unreachable!("typed on their own")
        }
    }
}
