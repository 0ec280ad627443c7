//! What a condition says of nulls: after `where .x != null`, `.x` is there.

use crate::plan::{BinaryOp, Expr, ExprKind};
use crate::ty::{RecordTy, Ty};

/// The type of a record for which `cond` holds: the fields it proves present are no longer
/// nullable.
pub(crate) fn by(ty: &Ty, cond: &Expr) -> Ty {
    let mut proved = Vec::new();
    proves(cond, true, &mut proved);
    let mut ty = ty.clone();
    if let (Ty::Record(record), Ty::Unknown) = (&mut ty, &cond.ty) {
        // The condition is wrong: who knows what it was to prove.
        for field in record.fields.iter_mut().filter(|field| field.ty.is_nullable()) {
            field.ty = Ty::Unknown;
        }
    }
    if let Ty::Record(record) = &mut ty {
        for path in &proved {
            make_present(record, path);
        }
    }
    ty
}

/// Gathers the fields that are there when `cond` has the value `holds`; a path names a field of a
/// field.
fn proves(cond: &Expr, holds: bool, proved: &mut Vec<Vec<String>>) {
    match (&cond.kind, holds) {
        (ExprKind::Not(inner), _) => proves(inner, !holds, proved),
        (ExprKind::IsNull(inner), false) => proved.extend(path(inner)),
        (ExprKind::Binary(BinaryOp::And, left, right), true)
        | (ExprKind::Binary(BinaryOp::Or, left, right), false) => {
            proves(left, holds, proved);
            proves(right, holds, proved);
        }
        // Null equals only null, so a field that equals what is never null is there.
        (ExprKind::Binary(BinaryOp::Eq, left, right), true)
        | (ExprKind::Binary(BinaryOp::Ne, left, right), false) => {
            if !right.ty.is_nullable() || is_cast_of_present(right) {
                proved.extend(path(left));
            }
            if !left.ty.is_nullable() || is_cast_of_present(left) {
                proved.extend(path(right));
            }
        }
        _ => {}
    }
}

/// True for a value that was never null before it was made nullable to fit the other side.
fn is_cast_of_present(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Cast(inner) if !inner.ty.is_nullable())
}

/// The path of a field, or of a field of a field.
fn path(expr: &Expr) -> Option<Vec<String>> {
    match &expr.kind {
        ExprKind::Field(name) => Some(vec![name.clone()]),
        ExprKind::Get(of, name) => {
            let mut path = path(of)?;
            path.push(name.clone());
            Some(path)
        }
        ExprKind::Cast(inner) => path(inner),
        _ => None,
    }
}

/// Every field on the path is there.
fn make_present(record: &mut RecordTy, path: &[String]) {
    let Some((first, rest)) = path.split_first() else { return };
    let Some(field) = record.fields.iter_mut().find(|field| field.name == *first) else { return };
    if field.ty.is_nullable() {
        field.ty = field.ty.non_null().clone();
    }
    if let Ty::Record(inner) = &mut field.ty {
        make_present(inner, rest);
    }
}
