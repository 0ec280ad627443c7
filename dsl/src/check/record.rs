//! Records as values, and whether a record fits a declared type.

use super::cx::Cx;
use super::scope::Scope;
use crate::ast;
use crate::plan;
use crate::span::Span;
use crate::ty::{RecordTy, Ty};
use crate::value::Value;

/// A declared record type that a record must fit.
#[derive(Clone, Debug)]
pub(crate) struct Want<'t> {
    /// The type.
    pub ty: &'t RecordTy,
    /// Fields beside the declared ones are a problem (a resource is exact, an edge is not).
    pub exact: bool,
    /// Declared fields may be left out (`upsert` merges).
    pub partial: bool,
    /// The key of the resource: its fields must be there and never null (E0602, E0601).
    pub key: Option<&'t ast::Key>,
    /// What wants it, as a problem says it: "table `sales`".
    pub owner: String,
    /// Where its type is declared (the type of the resource).
    pub declared: Option<Span>,
}

/// Types `{ … }`. The result is an [`plan::ExprKind::Record`] whose type has one field per named
/// entry, and `dynamic` where entries have computed names; spreads and shorthands are expanded.
/// With `want` every value takes its field's type, and E0304, E0305 are reported at the entry.
pub(crate) fn check(
    cx: &mut Cx,
    record: &ast::Record,
    scope: &Scope,
    want: Option<&Want>,
) -> plan::Expr {
    let _ = (cx, scope, want);
    let kind = plan::ExprKind::Const(Value::Null);
    plan::Expr { kind, ty: Ty::Unknown, span: record.span }
}

/// Whether a whole record of type `found` fits `want`, deep; what does not is reported, the
/// primary label at `at` (the receiving node's words), the secondary labels at `from` (the
/// sender's words), at the fields and at the declaration.
pub(crate) fn conforms(cx: &mut Cx, found: &Ty, want: &Want, at: Span, from: Span) -> bool {
    let _ = (cx, found, want, at, from);
    true
}

/// Whether a value of type `found` can go where `wanted` is declared, with the implicit
/// conversions (int to decimal, decimal to a larger scale, T to T?); records by the minimum rule
/// (further fields are allowed).
pub(crate) fn fits(found: &Ty, wanted: &Ty) -> bool {
    let _ = (found, wanted);
    true
}
