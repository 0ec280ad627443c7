//! The parts of a typed expression.

use crate::plan::{Entry, Expr, ExprKind, TemplatePart};

/// The expressions that an expression is made of, in the order written.
pub(crate) fn parts(expr: &Expr) -> Vec<&Expr> {
    use ExprKind::*;
    match &expr.kind {
        Const(_) | Field(_) | Batch(_) => Vec::new(),
        Get(inner, _) | Neg(inner) | Not(inner) | IsNull(inner) | Cast(inner) => vec![inner],
        Binary(_, left, right) | Coalesce(left, right) | Catch(left, right) => vec![left, right],
        If(cond, then, other) => vec![cond, then, other],
        Call(_, items) | List(items) => items.iter().collect(),
        Record(entries) => entries
            .iter()
            .flat_map(|entry| match entry {
                Entry::Named(_, value) => vec![value],
                Entry::Computed(name, value) => vec![name, value],
            })
            .collect(),
        Template(parts) => parts
            .iter()
            .filter_map(|part| match part {
                TemplatePart::Text(_) => None,
                TemplatePart::Hole(hole, _) | TemplatePart::Encoded(hole) => Some(hole),
            })
            .collect(),
    }
}

/// The first expression in `expr`, itself included, that passes.
pub(crate) fn find<'e>(expr: &'e Expr, passes: &dyn Fn(&Expr) -> bool) -> Option<&'e Expr> {
    if passes(expr) {
        return Some(expr);
    }
    parts(expr).into_iter().find_map(|part| find(part, passes))
}
