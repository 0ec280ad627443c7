//! Which records pass, which do not, and which fail.

use super::*;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use dsl::plan::{BinaryOp, Expr, ExprKind, PlanEdge, Port};
use dsl::span::Span;
use dsl::ty::{Field, RecordTy, Ty};
use dsl::value::Value;
use engine::testing;
use std::sync::Arc;

fn expr(kind: ExprKind, ty: Ty) -> Expr {
    Expr { kind, ty, span: Span::default() }
}

fn record(n: Ty) -> Ty {
    let field = |name: &str, ty| Field { name: name.into(), ty, span: None };
    let fields = vec![field("n", n), field("t", Ty::Text)];
    Ty::Record(RecordTy { fields, ..RecordTy::default() })
}

fn rows() -> Rows {
    let n: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(-1), Some(2)]));
    let t: ArrayRef = Arc::new(StringArray::from(vec!["1", "2", "x", "y"]));
    let columns =
        RecordBatch::try_from_iter_with_nullable([("n", n, true), ("t", t, false)]).unwrap();
    testing::rows(columns)
}

/// `where` with a condition and perhaps something at `rejected`.
fn node(condition: Expr, output: Ty, rejected: bool) -> Where {
    let mut plan = testing::plan(vec![]);
    let ty = record(Ty::Int.nullable());
    let input = Some(ty.clone());
    let mut node = testing::plan_node("where", NodeKind::Transform, input.clone(), Some(output));
    node.condition = Some(condition);
    let this = plan.graph.add_node(node);
    let sink = plan.graph.add_node(testing::plan_node("drop", NodeKind::Sink, input, None));
    let port = if rejected { Port::Named("rejected".into()) } else { Port::Out };
    plan.graph.add_edge(this, sink, PlanEdge { port, ty });
    Where::new(&testing::node_ctx_in(&testing::ctx(), &Arc::new(plan), this))
}

fn not_null() -> Expr {
    let n = expr(ExprKind::Field("n".into()), Ty::Int.nullable());
    let null = expr(ExprKind::IsNull(Box::new(n)), Ty::Bool);
    expr(ExprKind::Not(Box::new(null)), Ty::Bool)
}

#[test]
fn behind_not_null_the_field_is_not_null() {
    let mut node = node(not_null(), record(Ty::Int), false);
    let seen = testing::apply(&mut node, rows()).unwrap();
    let sent = seen.rows(None).unwrap();
    assert_eq!(sent.columns.schema(), engine::schema::arrow_schema(&record(Ty::Int)));
    assert_eq!(sent.columns.column(0).as_primitive::<Int64Type>().values(), &[1, -1, 2]);
    assert_eq!(sent.ids.seqs().collect::<Vec<_>>(), [0, 2, 3]);
    assert_eq!(seen.filtered, 1);
    let again = testing::apply(&mut node, rows().slice(2..4)).unwrap();
    assert_eq!(again.rows(None).unwrap().columns.schema(), sent.columns.schema());
}

#[test]
fn others_are_rejected_or_fail() {
    let t = expr(ExprKind::Field("t".into()), Ty::Text);
    let parsed = expr(ExprKind::Call("int", vec![t]), Ty::Int);
    let one = expr(ExprKind::Const(Value::Int(1)), Ty::Int);
    let big = ExprKind::Binary(BinaryOp::Gt, Box::new(parsed), Box::new(one));
    let mut node = node(expr(big, Ty::Bool), record(Ty::Int.nullable()), true);
    let seen = testing::apply(&mut node, rows()).unwrap();
    let ids = |port| seen.rows(port).unwrap().ids.seqs().collect::<Vec<_>>();
    assert_eq!((ids(None), ids(Some("rejected"))), (vec![1], vec![0]));
    assert_eq!(seen.failed.iter().map(|fault| fault.row).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(seen.failed[0].payload, br#"{"n":-1,"t":"x"}"#);
    assert_eq!(seen.filtered, 0);
}
