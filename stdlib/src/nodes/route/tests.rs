//! Each record goes to one arm.

use super::*;
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use dsl::plan::{BinaryOp, Expr, ExprKind};
use dsl::span::Span;
use dsl::ty::Ty;
use dsl::value::Value;
use engine::testing;
use std::sync::Arc;

fn expr(kind: ExprKind, ty: Ty) -> Expr {
    Expr { kind, ty, span: Span::default() }
}

/// `int(.t) > above`
fn above(above: i64) -> Expr {
    let t = expr(ExprKind::Field("t".into()), Ty::Text);
    let parsed = expr(ExprKind::Call("int", vec![t]), Ty::Int);
    let limit = expr(ExprKind::Const(Value::Int(above)), Ty::Int);
    expr(ExprKind::Binary(BinaryOp::Gt, Box::new(parsed), Box::new(limit)), Ty::Bool)
}

fn route(conditions: Vec<Expr>) -> Result<Route, Fault> {
    let mut node = testing::plan_node("route", NodeKind::Transform, None, None);
    node.conditions = conditions;
    Route::new(&testing::node_ctx(node, vec![]))
}

#[test]
fn the_first_arm_takes_it() {
    let mut node = route(vec![above(10), above(5)]).unwrap();
    let t: ArrayRef = Arc::new(StringArray::from(vec!["7", "20", "x", "1", "11"]));
    let rows = testing::rows(RecordBatch::try_from_iter([("t", t)]).unwrap());
    let seen = testing::apply(&mut node, rows).unwrap();
    let ids = |port| seen.rows(Some(port)).unwrap().ids.seqs().collect::<Vec<_>>();
    assert_eq!((ids("0"), ids("1"), ids("2")), (vec![1, 4], vec![0], vec![3]));
    assert_eq!(seen.codes(), ["conversion"]);
    assert_eq!(seen.failed[0].row, 2);
}

#[test]
fn too_many_arms_are_refused() {
    assert!(route(vec![above(0); 32]).is_ok());
    assert_eq!(route(vec![above(0); 33]).err().unwrap().code, "route_arms");
}
