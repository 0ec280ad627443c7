//! What expressions give, column by column.

use super::*;
use crate::batch::{Group, Partition, RowIds, Run};
use crate::schema;
use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{
    Decimal128Array, Float64Array, Int64Array, RecordBatch, TimestampNanosecondArray,
};
use dsl::plan::{BatchField, BinaryOp, TemplatePart};
use dsl::span::Span;
use dsl::ty::{Field, RecordTy, Ty};
use dsl::value::Value;
use futures::future::BoxFuture;
use std::time::Duration;

struct Fixed;

impl Clock for Fixed {
    fn now_ns(&self) -> i64 {
        1_291_191_960_000_000_000
    }
    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

fn rows(columns: Vec<(&str, ArrayRef)>) -> Rows {
    let columns = RecordBatch::try_from_iter(columns).unwrap();
    let partition = Arc::new(Partition { id: [0; 16], name: "test".into() });
    let run = Run { first: 0, len: columns.num_rows() as u32, arrival_ns: 0 };
    let group = Group { id: "00-02".into(), time_ns: Fixed.now_ns() + 1, count: 3, size: 9 };
    Rows {
        columns,
        ids: RowIds { partition, runs: vec![run] },
        group: Some(Arc::new(group)),
        resumed: None,
    }
}

/// Three order lines: the second has no customer.
fn lines() -> Rows {
    let prices = Decimal128Array::from(vec![2550, -1, 0]).with_precision_and_scale(10, 3).unwrap();
    rows(vec![
        ("q", Arc::new(Int64Array::from(vec![6, -1, i64::MAX]))),
        ("price", Arc::new(prices)),
        ("who", Arc::new(StringArray::from(vec![Some("17850"), None, Some("x y")]))),
        ("n", Arc::new(Int64Array::from(vec![Some(2), None, Some(0)]))),
    ])
}

fn expr(kind: ExprKind, ty: Ty) -> Expr {
    Expr { kind, ty, span: Span::default() }
}

fn field(name: &str) -> Expr {
    let ty = match name {
        "q" => Ty::Int,
        "price" => decimal_ty(10, 3),
        "who" => Ty::Text.nullable(),
        _ => Ty::Int.nullable(),
    };
    expr(ExprKind::Field(name.into()), ty)
}

fn decimal_ty(precision: u8, scale: u8) -> Ty {
    Ty::Decimal { precision, scale }
}

fn int(value: i64) -> Expr {
    expr(ExprKind::Const(Value::Int(value)), Ty::Int)
}

fn text(value: &str) -> Expr {
    expr(ExprKind::Const(Value::Text(value.into())), Ty::Text)
}

fn binary(op: BinaryOp, left: Expr, right: Expr, ty: Ty) -> Expr {
    expr(ExprKind::Binary(op, Box::new(left), Box::new(right)), ty)
}

fn call(name: &'static str, args: Vec<Expr>, ty: Ty) -> Expr {
    expr(ExprKind::Call(name, args), ty)
}

fn boxed(expr: Expr) -> Box<Expr> {
    Box::new(expr)
}

fn run(expr: &Expr) -> Evaluated {
    compile(expr).eval(&lines(), &Env::with(Arc::new(Fixed), 1, "test"))
}

fn ints(expr: &Expr) -> Vec<Option<i64>> {
    let evaluated = run(expr);
    assert_eq!(evaluated.faults, Faults::default());
    evaluated.values.as_primitive::<Int64Type>().iter().collect()
}

fn texts(expr: &Expr) -> Vec<Option<String>> {
    let evaluated = run(expr);
    assert_eq!(evaluated.faults, Faults::default());
    evaluated.values.as_string::<i32>().iter().map(|text| text.map(String::from)).collect()
}

fn bools(expr: &Expr) -> Vec<Option<bool>> {
    let evaluated = run(expr);
    assert_eq!(evaluated.faults, Faults::default());
    evaluated.values.as_boolean().iter().collect()
}

fn faults(expr: &Expr) -> Vec<(usize, &'static str, String)> {
    run(expr).faults.into_iter().map(|fault| (fault.row, fault.code, fault.message)).collect()
}

#[test]
fn integers_are_checked() {
    let sum = binary(BinaryOp::Add, field("q"), int(1), Ty::Int);
    let found = faults(&sum);
    let message = "`.q + 1` is too large for an int (64 bits)".to_string();
    assert_eq!(found, [(2, "overflow", message)]);
    assert_eq!(run(&sum).values.as_primitive::<Int64Type>().value(0), 7);
    let product = binary(BinaryOp::Mul, field("n"), int(3), Ty::Int.nullable());
    assert_eq!(ints(&product), [Some(6), None, Some(0)]);
    let rest = binary(BinaryOp::Rem, int(7), field("n"), Ty::Int.nullable());
    assert_eq!(faults(&rest)[0].1, "division_by_zero");
    assert_eq!(faults(&rest).len(), 1);
}

#[test]
fn decimals_are_exact() {
    let amount = decimal_ty(30, 3);
    let wide = expr(ExprKind::Cast(boxed(field("q"))), decimal_ty(19, 0));
    let product = binary(BinaryOp::Mul, wide, field("price"), amount);
    let evaluated = run(&product);
    assert!(evaluated.faults.is_empty());
    let values = evaluated.values.as_primitive::<Decimal128Type>();
    assert_eq!((values.value(0), values.value(1), values.value(2)), (15300, 1, 0));
    assert_eq!(values.data_type(), &arrow_schema::DataType::Decimal128(30, 3));

    let three = expr(ExprKind::Const(Value::Int(3)), decimal_ty(19, 0));
    let third = binary(BinaryOp::Div, field("price"), three, decimal_ty(14, 7));
    let values = run(&third).values;
    let values = values.as_primitive::<Decimal128Type>();
    assert_eq!((values.value(0), values.value(1)), (8_500_000, -3333));

    let small = expr(ExprKind::Cast(boxed(field("q"))), decimal_ty(3, 1));
    let message = "`.q` does not fit decimal(3, 1)".to_string();
    assert_eq!(faults(&small), [(2, "overflow", message)]);
}

#[test]
fn wide_decimals_do_not_lose_digits() {
    let constant = |unscaled, scale| {
        expr(ExprKind::Const(Value::Decimal { unscaled, scale }), decimal_ty(38, scale))
    };
    let big = 10i128.pow(37);
    // 10^37 · 0.000…1 at scale 20 needs more than 128 bits on the way, but not in the end.
    let product =
        binary(BinaryOp::Mul, constant(big, 0), constant(10i128.pow(18), 20), decimal_ty(38, 2));
    let values = run(&product).values;
    assert_eq!(values.as_primitive::<Decimal128Type>().value(0), big);
    let sum = binary(BinaryOp::Add, constant(big, 0), constant(big, 0), decimal_ty(38, 5));
    assert_eq!(faults(&sum).len(), 3);
}

#[test]
fn logic_is_three_valued_and_short_circuits() {
    let is_null = expr(ExprKind::IsNull(boxed(field("n"))), Ty::Bool);
    let known = expr(ExprKind::Not(boxed(is_null)), Ty::Bool);
    let positive = binary(BinaryOp::Gt, field("n"), int(0), Ty::Bool.nullable());
    assert_eq!(bools(&positive), [Some(true), None, Some(false)]);
    let both = binary(BinaryOp::And, known.clone(), positive.clone(), Ty::Bool);
    assert_eq!(bools(&both), [Some(true), Some(false), Some(false)]);
    let either = binary(BinaryOp::Or, positive, known, Ty::Bool.nullable());
    assert_eq!(bools(&either), [Some(true), None, Some(true)]);

    let nonzero = binary(BinaryOp::Ne, field("n"), int(0), Ty::Bool);
    assert_eq!(bools(&nonzero), [Some(true), Some(true), Some(false)]);
    let divides = binary(BinaryOp::Rem, int(6), field("n"), Ty::Int.nullable());
    let even = binary(BinaryOp::Eq, divides, int(0), Ty::Bool);
    let guarded = binary(BinaryOp::And, nonzero, even, Ty::Bool);
    assert_eq!(bools(&guarded), [Some(true), Some(false), Some(false)]);
    let (holds, _) =
        compile(&guarded).eval_condition(&lines(), &Env::with(Arc::new(Fixed), 1, "test"));
    assert_eq!(holds.true_count(), 1);
}

#[test]
fn null_is_a_value_for_equality_only() {
    let other = binary(BinaryOp::Eq, field("who"), text("17850"), Ty::Bool);
    assert_eq!(bools(&other), [Some(true), Some(false), Some(false)]);
    let itself = binary(BinaryOp::Eq, field("who"), field("who"), Ty::Bool);
    assert_eq!(bools(&itself), [Some(true); 3]);
    let less = binary(BinaryOp::Lt, field("who"), text("2"), Ty::Bool.nullable());
    assert_eq!(bools(&less), [Some(true), None, Some(false)]);
}

#[test]
fn only_the_branch_taken_can_fail() {
    let parsed = call("int", vec![field("who")], Ty::Int.nullable());
    let message = "`int(.who)`: \"x y\" is not a whole number of 64 bits".to_string();
    assert_eq!(faults(&parsed), [(2, "conversion", message)]);

    let caught = expr(ExprKind::Catch(boxed(parsed.clone()), boxed(int(-1))), Ty::Int.nullable());
    assert_eq!(ints(&caught), [Some(17850), None, Some(-1)]);
    let filled = expr(ExprKind::Coalesce(boxed(caught), boxed(field("q"))), Ty::Int);
    assert_eq!(ints(&filled), [Some(17850), Some(-1), Some(-1)]);

    let big = binary(BinaryOp::Gt, field("q"), int(100), Ty::Bool);
    let chosen =
        expr(ExprKind::If(boxed(big), boxed(field("n")), boxed(parsed)), Ty::Int.nullable());
    assert_eq!(ints(&chosen), [Some(17850), None, Some(0)]);
}

#[test]
fn templates_print_every_type() {
    let time = expr(ExprKind::Batch(BatchField::Time), Ty::Timestamp);
    let key = expr(
        ExprKind::Template(vec![
            TemplatePart::Hole(time.clone(), Some("%Y-%m-%dT%H-%M-%S%.6f".into())),
            TemplatePart::Text("-".into()),
            TemplatePart::Hole(expr(ExprKind::Batch(BatchField::Id), Ty::Text), None),
        ]),
        Ty::Text,
    );
    let env = Env::with(Arc::new(Fixed), 1, "test");
    assert_eq!(
        eval_text(&compile(&key), &lines(), &env).unwrap(),
        "2010-12-01T08-26-00.000000-00-02"
    );
    let differs = expr(ExprKind::Template(vec![TemplatePart::Hole(field("q"), None)]), Ty::Text);
    let fault = eval_text(&compile(&differs), &lines(), &env).unwrap_err();
    assert_eq!((fault.row, fault.code), (1, "template_differs"));
    let line = expr(
        ExprKind::Template(vec![
            TemplatePart::Hole(field("q"), None),
            TemplatePart::Text(" at ".into()),
            TemplatePart::Hole(field("price"), None),
            TemplatePart::Text(" ".into()),
            TemplatePart::Hole(time, None),
        ]),
        Ty::Text,
    );
    assert_eq!(texts(&line)[0].as_deref(), Some("6 at 2.550 2010-12-01T08:26:00.000000001Z"));
}

#[test]
fn values_in_the_name_of_an_object_are_encoded() {
    let name = |value: Expr| {
        let parts = vec![
            TemplatePart::Text("a/".into()),
            TemplatePart::Encoded(value),
            TemplatePart::Text("/".into()),
            TemplatePart::Hole(expr(ExprKind::Batch(BatchField::Id), Ty::Text), None),
        ];
        expr(ExprKind::Template(parts), Ty::Text)
    };
    let time = expr(ExprKind::Batch(BatchField::Time), Ty::Timestamp);
    assert_eq!(
        texts(&name(time))[0].as_deref(),
        Some("a/2010-12-01T08%3A26%3A00.000000001Z/00-02")
    );
    for (value, part) in [("b/../c", "b%2F..%2Fc"), ("..", "%2E%2E"), ("", "_empty")] {
        let expected = format!("a/{part}/00-02");
        assert_eq!(texts(&name(text(value)))[0].as_deref(), Some(&*expected));
    }
    let rows = texts(&name(field("who")));
    let expected = [Some("a/17850/00-02".to_owned()), None, Some("a/x%20y/00-02".to_owned())];
    assert_eq!(rows, expected);
}

#[test]
fn records_and_lists() {
    let price = Field { name: "price".into(), ty: decimal_ty(12, 3), span: None };
    let who = Field { name: "who".into(), ty: Ty::Text.nullable(), span: None };
    let stock = Ty::Record(RecordTy { fields: vec![price, who], ..RecordTy::default() });
    let price = expr(ExprKind::Cast(boxed(field("price"))), decimal_ty(12, 3));
    let value = expr(
        ExprKind::Record(vec![
            Entry::Named("who".into(), field("who")),
            Entry::Named("price".into(), price),
        ]),
        stock.clone(),
    );
    let whole = expr(
        ExprKind::Record(vec![
            Entry::Named("q".into(), field("q")),
            Entry::Computed(text("a"), value),
        ]),
        Ty::Unknown,
    );
    let record = compile_record(&whole).eval(&lines(), &Env::with(Arc::new(Fixed), 1, "test"));
    assert_eq!(record.columns.len(), 1);
    assert_eq!(record.computed[0].names.value(2), "a");
    let values = &record.computed[0].values;
    assert_eq!(values.data_type(), &schema::data_type(&stock));
    assert!(values.as_struct().column(1).is_null(1));

    let list = expr(ExprKind::List(vec![field("q"), int(7)]), Ty::List(Box::new(Ty::Int)));
    let lists = run(&list).values;
    let second = lists.as_list::<i32>().value(1);
    assert_eq!(second.as_primitive::<Int64Type>().values(), &[-1, 7]);
    assert_eq!(ints(&call("length", vec![list], Ty::Int)), [Some(2); 3]);
}

#[test]
fn functions() {
    let who = || field("who");
    let text_of = |name, args| texts(&call(name, args, Ty::Text.nullable()));
    assert_eq!(text_of("upper", vec![who()])[2].as_deref(), Some("X Y"));
    assert_eq!(text_of("replace", vec![who(), text(" "), text("-")])[2].as_deref(), Some("x-y"));
    assert_eq!(text_of("text", vec![field("price")])[0].as_deref(), Some("2.550"));
    let hash = text_of("sha256", vec![text("")]);
    assert!(hash[0].as_ref().is_some_and(|hash| hash.starts_with("e3b0c44298fc1c14")));
    let starts = call("starts_with", vec![who(), text("178")], Ty::Bool.nullable());
    assert_eq!(bools(&starts), [Some(true), None, Some(false)]);
    let split = call("split", vec![who(), text(" ")], Ty::List(Box::new(Ty::Text)).nullable());
    assert_eq!(ints(&call("length", vec![split], Ty::Int.nullable())), [Some(1), None, Some(2)]);
    let floor = call("floor", vec![field("price")], Ty::Int);
    assert_eq!(ints(&floor), [Some(2), Some(-1), Some(0)]);
    assert_eq!(ints(&call("ceil", vec![field("price")], Ty::Int)), [Some(3), Some(0), Some(0)]);
    let rounded = run(&call("round", vec![field("price"), int(2)], decimal_ty(9, 2))).values;
    assert_eq!(rounded.as_primitive::<Decimal128Type>().values(), &[255, 0, 0]);
    let parsed = call("decimal", vec![text("2.5555")], decimal_ty(10, 3));
    assert_eq!(faults(&parsed).len(), 3);
    let time = call(
        "timestamp",
        vec![text("12/1/2010 8:26"), text("%m/%d/%Y %H:%M"), text("UTC")],
        Ty::Timestamp,
    );
    let now = call("now", vec![], Ty::Timestamp);
    assert_eq!(bools(&binary(BinaryOp::Eq, time, now, Ty::Bool)), [Some(true); 3]);
    let uuids = texts(&call("uuid", vec![], Ty::Uuid));
    assert!(uuids.iter().flatten().all(|uuid| is_uuid(uuid) && uuid.as_bytes()[14] == b'4'));
    assert_ne!(uuids[0], uuids[1]);
}

#[test]
fn floats_stay_finite() {
    let rows = rows(vec![
        ("f", Arc::new(Float64Array::from(vec![1e308, -0.0, 1.5]))),
        ("t", {
            let times = TimestampNanosecondArray::from(vec![0, 1, 2]);
            Arc::new(times.with_timezone("UTC"))
        }),
    ]);
    let env = Env::with(Arc::new(Fixed), 1, "test");
    let f = || expr(ExprKind::Field("f".into()), Ty::Float);
    let sum = compile(&binary(BinaryOp::Add, f(), f(), Ty::Float)).eval(&rows, &env);
    assert_eq!(sum.faults.iter().map(|fault| fault.row).collect::<Vec<_>>(), [0]);
    let zero = expr(ExprKind::Const(Value::Float(0.0)), Ty::Float);
    let same = compile(&binary(BinaryOp::Eq, f(), zero, Ty::Bool)).eval(&rows, &env);
    assert!(same.values.as_boolean().value(1));
    let t = || expr(ExprKind::Field("t".into()), Ty::Timestamp);
    let since = compile(&binary(BinaryOp::Sub, t(), t(), Ty::Duration)).eval(&rows, &env);
    assert_eq!(since.values.data_type(), &schema::data_type(&Ty::Duration));
}
