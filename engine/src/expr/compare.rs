//! Comparisons.

use super::cast::conform;
use super::column::Column;
use super::decimal;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array};
use arrow_buffer::i256;
use arrow_ord::cmp;
use arrow_ord::ord::make_comparator;
use arrow_schema::{DataType, SortOptions};
use dsl::plan::BinaryOp;
use std::cmp::Ordering;
use std::sync::Arc;

/// `==` and `!=` take null as a value; the others give null where a side is null.
pub(super) fn compare(op: BinaryOp, left: Column, right: Column, rows: usize) -> Column {
    let (left, right) = alike(left, right);
    let result = match (left.data_type(), right.data_type()) {
        (DataType::Decimal128(_, a), DataType::Decimal128(_, b)) if a != b => {
            let (a, b) = (*a as u8, *b as u8);
            by_row(op, &left, &right, rows, |l, r| {
                let (l, r) = (l.as_primitive::<Decimal128Type>(), r.as_primitive());
                let r: &arrow_array::Decimal128Array = r;
                let (l, r) = (l.clone(), r.clone());
                Box::new(move |i, j| scaled(l.value(i), a, b).cmp(&scaled(r.value(j), b, a)))
            })
        }
        (a, _) if a.is_nested() => by_row(op, &left, &right, rows, |l, r| {
            let compare = make_comparator(l, r, SortOptions::default());
            Box::new(compare.expect("both sides have one type"))
        }),
        _ => kernel(op, &zeros(left), &zeros(right)),
    };
    Column::Rows(Arc::new(expand(result, rows)))
}

/// Both sides with one type, as far as arrays go.
fn alike(left: Column, right: Column) -> (Column, Column) {
    match (left.data_type().clone(), right.data_type().clone()) {
        (a, b) if a == b => (left, right),
        (DataType::Decimal128(_, a), DataType::Decimal128(_, b)) => {
            let whole = |column: Column, scale| {
                let array = conform(column.raw(), &DataType::Decimal128(38, scale));
                column.with(array)
            };
            (whole(left, a), whole(right, b))
        }
        (DataType::Null, wanted) => (left.with(conform(left.raw(), &wanted)), right),
        (wanted, _) => {
            let array = conform(right.raw(), &wanted);
            (left, right.with(array))
        }
    }
}

/// Arrow orders -0.0 before 0.0; for the language they are equal.
fn zeros(column: Column) -> Column {
    match column.data_type() {
        DataType::Float64 => {
            let values = column.raw().as_primitive::<Float64Type>();
            let values: Float64Array = values.unary(|value| value + 0.0);
            column.with(Arc::new(values))
        }
        _ => column,
    }
}

fn kernel(op: BinaryOp, left: &Column, right: &Column) -> BooleanArray {
    let result = match op {
        BinaryOp::Eq => cmp::not_distinct(left, right),
        BinaryOp::Ne => cmp::distinct(left, right),
        BinaryOp::Lt => cmp::lt(left, right),
        BinaryOp::Le => cmp::lt_eq(left, right),
        BinaryOp::Gt => cmp::gt(left, right),
        BinaryOp::Ge => cmp::gt_eq(left, right),
        other => unreachable!("{other:?} is no comparison"),
    };
    result.expect("both sides have one type")
}

type Compare = Box<dyn Fn(usize, usize) -> Ordering>;

/// For types without a kernel.
fn by_row(
    op: BinaryOp,
    left: &Column,
    right: &Column,
    rows: usize,
    comparator: impl Fn(&dyn Array, &dyn Array) -> Compare,
) -> BooleanArray {
    let (l, r): (&ArrayRef, &ArrayRef) = (left.raw(), right.raw());
    let compare = comparator(l.as_ref(), r.as_ref());
    let result = (0..rows).map(|row| {
        let nulls = (left.is_null(row), right.is_null(row));
        match (op, nulls) {
            (BinaryOp::Eq, (true, _) | (_, true)) => return Some(nulls.0 == nulls.1),
            (BinaryOp::Ne, (true, _) | (_, true)) => return Some(nulls.0 != nulls.1),
            (_, (true, _) | (_, true)) => return None,
            _ => {}
        }
        let ordering = compare(left.index(row), right.index(row));
        Some(match op {
            BinaryOp::Eq => ordering.is_eq(),
            BinaryOp::Ne => ordering.is_ne(),
            BinaryOp::Lt => ordering.is_lt(),
            BinaryOp::Le => ordering.is_le(),
            BinaryOp::Gt => ordering.is_gt(),
            BinaryOp::Ge => ordering.is_ge(),
            other => unreachable!("{other:?} is no comparison"),
        })
    });
    result.collect()
}

/// A decimal of scale `own` at the larger of both scales.
fn scaled(value: i128, own: u8, other: u8) -> i256 {
    let factor = decimal::power(other.saturating_sub(own));
    // 38 digits times 10^38 stay within 256 bits.
    i256::from_i128(value).wrapping_mul(i256::from_i128(factor))
}

/// The comparison of two constants, for every row.
fn expand(result: BooleanArray, rows: usize) -> BooleanArray {
    if result.len() == rows {
        return result;
    }
    Column::One(Arc::new(result)).array(rows).as_boolean().clone()
}
