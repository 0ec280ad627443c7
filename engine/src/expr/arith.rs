//! Arithmetic: exact for integers and decimals, checked everywhere.

use super::column::Column;
use super::decimal;
use super::fault::Faults;
use super::tree::Tree;
use arrow_array::types::{
    Decimal128Type, DurationNanosecondType, Float64Type, Int64Type, TimestampNanosecondType,
};
use arrow_array::{ArrayRef, Decimal128Array, Float64Array, PrimitiveArray};
use arrow_buffer::{ArrowNativeType, NullBuffer, i256};
use arrow_schema::{DataType, TimeUnit};
use dsl::plan::BinaryOp;
use std::sync::Arc;

/// `a + b` and its like. Null where either side is null.
pub(super) fn arith(
    tree: &Tree,
    op: BinaryOp,
    left: Column,
    right: Column,
    rows: usize,
    faults: &mut Faults,
) -> Column {
    let cx = Arith { tree, op, rows, nulls: nulls(&left, &right, rows) };
    let array = match (left.data_type(), right.data_type()) {
        (DataType::Null, _) | (_, DataType::Null) => {
            arrow_array::new_null_array(&tree.data_type, rows)
        }
        (DataType::Decimal128(..), DataType::Decimal128(..)) => cx.decimals(&left, &right, faults),
        (DataType::Float64, DataType::Float64) => {
            let (left, right) = (left.values::<Float64Type>(), right.values::<Float64Type>());
            let result = |row| float(op, left.at(row), right.at(row));
            let values = cx.values(faults, result, |row| right.at(row) == 0.0);
            Arc::new(Float64Array::new(values.into(), cx.nulls)) as ArrayRef
        }
        _ => {
            let (left, right) = (whole(&left), whole(&right));
            let result = |row| integer(op, left(row), right(row));
            let values = cx.values(faults, result, |row| right(row) == 0);
            from_whole(values, cx.nulls, &tree.data_type)
        }
    };
    Column::Rows(array)
}

/// `-a`
pub(super) fn negate(tree: &Tree, operand: Column, rows: usize, faults: &mut Faults) -> Column {
    let nulls = operand.nulls(rows);
    let cx = Arith { tree, op: BinaryOp::Sub, rows, nulls };
    let array = match operand.data_type() {
        DataType::Decimal128(precision, scale) => {
            let operand = operand.values::<Decimal128Type>();
            let values: Vec<i128> = (0..rows).map(|row| -operand.at(row)).collect();
            decimals(values, cx.nulls, *precision, *scale)
        }
        DataType::Float64 => {
            let operand = operand.values::<Float64Type>();
            let values: Vec<f64> = (0..rows).map(|row| -operand.at(row)).collect();
            Arc::new(Float64Array::new(values.into(), cx.nulls))
        }
        _ => {
            let operand = whole(&operand);
            let values = cx.values(faults, |row| operand(row).checked_neg(), |_| false);
            from_whole(values, cx.nulls, &tree.data_type)
        }
    };
    Column::Rows(array)
}

/// One operation on all rows.
struct Arith<'a> {
    tree: &'a Tree,
    op: BinaryOp,
    rows: usize,
    nulls: Option<NullBuffer>,
}

impl Arith<'_> {
    /// The result of each row; a fault where there is none, unless an operand is null.
    fn values<N: ArrowNativeType>(
        &self,
        faults: &mut Faults,
        result: impl Fn(usize) -> Option<N>,
        zero: impl Fn(usize) -> bool,
    ) -> Vec<N> {
        let mut values = Vec::with_capacity(self.rows);
        for row in 0..self.rows {
            values.push(match result(row) {
                Some(value) => value,
                None => {
                    if self.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
                        self.fault(row, zero(row), faults);
                    }
                    N::default()
                }
            });
        }
        values
    }

    #[cold]
    fn fault(&self, row: usize, zero: bool, faults: &mut Faults) {
        let text = &self.tree.text;
        if zero && matches!(self.op, BinaryOp::Div | BinaryOp::Rem) {
            faults.add(row, "division_by_zero", format!("`{text}` divides by zero"));
        } else {
            let ty = type_name(&self.tree.data_type);
            faults.add(row, "overflow", format!("`{text}` is too large for {ty}"));
        }
    }

    fn decimals(&self, left: &Column, right: &Column, faults: &mut Faults) -> ArrayRef {
        let scale = |column: &Column| match column.data_type() {
            DataType::Decimal128(_, scale) => *scale as u8,
            other => unreachable!("a decimal is not {other}"),
        };
        let DataType::Decimal128(precision, result) = self.tree.data_type else {
            unreachable!("decimals give a decimal, not {}", self.tree.data_type)
        };
        let scales = Scales { left: scale(left), right: scale(right), result: result as u8 };
        let max = decimal::max(precision);
        let (left, right) = (left.values::<Decimal128Type>(), right.values::<Decimal128Type>());
        let value = |row| {
            let (a, b) = (left.at(row), right.at(row));
            let value = scales.narrow(self.op, a, b).or_else(|| scales.wide(self.op, a, b));
            value.filter(|value| -max <= *value && *value <= max)
        };
        let values = self.values(faults, value, |row| right.at(row) == 0);
        decimals(values, self.nulls.clone(), precision, result)
    }
}

/// The scales of an operation on decimals.
#[derive(Clone, Copy)]
struct Scales {
    left: u8,
    right: u8,
    result: u8,
}

impl Scales {
    /// In 128 bits; `None` where they do not reach, or for a zero divisor.
    fn narrow(self, op: BinaryOp, a: i128, b: i128) -> Option<i128> {
        let common = self.left.max(self.right);
        let (value, scale) = match op {
            BinaryOp::Mul => (a.checked_mul(b)?, self.left + self.right),
            BinaryOp::Div => {
                let up = i16::from(self.result) + i16::from(self.right) - i16::from(self.left);
                let factor = 10i128.checked_pow(u32::from(up.unsigned_abs()))?;
                return if up >= 0 {
                    decimal::divide_round(a.checked_mul(factor)?, b)
                } else {
                    decimal::divide_round(a, b.checked_mul(factor)?)
                };
            }
            _ => {
                let a = a.checked_mul(decimal::power(common - self.left))?;
                let b = b.checked_mul(decimal::power(common - self.right))?;
                (integer(op, a, b)?, common)
            }
        };
        if scale == self.result { Some(value) } else { decimal::rescale(value, scale, self.result) }
    }

    /// The same in 256 bits, for operands whose common scale needs more than 38 digits.
    fn wide(self, op: BinaryOp, a: i128, b: i128) -> Option<i128> {
        let power = |exponent: u8| i256::from_i128(10).checked_pow(u32::from(exponent));
        let (a, b) = (i256::from_i128(a), i256::from_i128(b));
        let common = self.left.max(self.right);
        let (dividend, divisor) = match op {
            BinaryOp::Mul => {
                let scale = self.left + self.right;
                let product = a.checked_mul(b)?;
                if scale >= self.result {
                    (product, power(scale - self.result)?)
                } else {
                    (product.checked_mul(power(self.result - scale)?)?, i256::ONE)
                }
            }
            BinaryOp::Div => (
                a.checked_mul(power(self.result)?)?.checked_mul(power(self.right)?)?,
                b.checked_mul(power(self.left)?)?,
            ),
            _ => {
                let a = a.checked_mul(power(common - self.left)?)?;
                let b = b.checked_mul(power(common - self.right)?)?;
                let value = match op {
                    BinaryOp::Add => a.checked_add(b)?,
                    BinaryOp::Sub => a.checked_sub(b)?,
                    _ => a.checked_rem(b)?,
                };
                if common >= self.result {
                    (value, power(common - self.result)?)
                } else {
                    (value.checked_mul(power(self.result - common)?)?, i256::ONE)
                }
            }
        };
        divide_round_wide(dividend, divisor)?.to_i128()
    }
}

fn divide_round_wide(dividend: i256, divisor: i256) -> Option<i256> {
    let quotient = dividend.checked_div(divisor)?;
    let rest = dividend.checked_rem(divisor)?.wrapping_abs();
    if rest >= divisor.wrapping_abs().checked_sub(rest)? {
        let away = if dividend.is_negative() == divisor.is_negative() { 1 } else { -1 };
        return quotient.checked_add(i256::from_i128(away));
    }
    Some(quotient)
}

/// Integers with the checked operations.
trait Checked: Copy {
    fn add(self, other: Self) -> Option<Self>;
    fn sub(self, other: Self) -> Option<Self>;
    fn mul(self, other: Self) -> Option<Self>;
    fn div(self, other: Self) -> Option<Self>;
    fn rem(self, other: Self) -> Option<Self>;
}

macro_rules! checked {
    ($($ty:ty),*) => {$(
        impl Checked for $ty {
            fn add(self, other: Self) -> Option<Self> { self.checked_add(other) }
            fn sub(self, other: Self) -> Option<Self> { self.checked_sub(other) }
            fn mul(self, other: Self) -> Option<Self> { self.checked_mul(other) }
            fn div(self, other: Self) -> Option<Self> { self.checked_div(other) }
            fn rem(self, other: Self) -> Option<Self> {
                // The smallest number % -1 is 0, not an overflow.
                if other == 0 { None } else { Some(self.wrapping_rem(other)) }
            }
        }
    )*};
}
checked!(i64, i128);

#[inline]
fn integer<N: Checked>(op: BinaryOp, a: N, b: N) -> Option<N> {
    match op {
        BinaryOp::Add => a.add(b),
        BinaryOp::Sub => a.sub(b),
        BinaryOp::Mul => a.mul(b),
        BinaryOp::Div => a.div(b),
        BinaryOp::Rem => a.rem(b),
        other => unreachable!("{other:?} is no arithmetic"),
    }
}

/// Floats stay finite: what is not is a fault.
#[inline]
fn float(op: BinaryOp, a: f64, b: f64) -> Option<f64> {
    let value = match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div => a / b,
        BinaryOp::Rem => a % b,
        other => unreachable!("{other:?} is no arithmetic"),
    };
    value.is_finite().then_some(value)
}

/// The numbers of any type that is a whole number underneath.
fn whole(column: &Column) -> impl Fn(usize) -> i64 + '_ {
    let values = match column.data_type() {
        DataType::Int64 => column.values::<Int64Type>(),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => column.values::<TimestampNanosecondType>(),
        DataType::Duration(TimeUnit::Nanosecond) => column.values::<DurationNanosecondType>(),
        other => unreachable!("the checker keeps {other} out of arithmetic"),
    };
    move |row| values.at(row)
}

fn from_whole(values: Vec<i64>, nulls: Option<NullBuffer>, ty: &DataType) -> ArrayRef {
    match ty {
        DataType::Int64 => Arc::new(PrimitiveArray::<Int64Type>::new(values.into(), nulls)),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            let times = PrimitiveArray::<TimestampNanosecondType>::new(values.into(), nulls);
            Arc::new(times.with_timezone("UTC"))
        }
        DataType::Duration(TimeUnit::Nanosecond) => {
            Arc::new(PrimitiveArray::<DurationNanosecondType>::new(values.into(), nulls))
        }
        other => unreachable!("the checker lets no arithmetic give {other}"),
    }
}

fn decimals(values: Vec<i128>, nulls: Option<NullBuffer>, precision: u8, scale: i8) -> ArrayRef {
    let array = Decimal128Array::new(values.into(), nulls);
    let array = array.with_precision_and_scale(precision, scale);
    Arc::new(array.expect("a scale fits its precision"))
}

fn nulls(left: &Column, right: &Column, rows: usize) -> Option<NullBuffer> {
    NullBuffer::union(left.nulls(rows).as_ref(), right.nulls(rows).as_ref())
}

/// The language's word for a type of numbers.
pub(super) fn type_name(ty: &DataType) -> String {
    match ty {
        DataType::Int64 => "an int (64 bits)".into(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision}, {scale})"),
        DataType::Float64 => "a float".into(),
        DataType::Timestamp(..) => "a timestamp (years 1678 to 2261)".into(),
        DataType::Duration(..) => "a duration".into(),
        _ => "its type".into(),
    }
}
