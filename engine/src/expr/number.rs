//! Functions on numbers.

use super::arith::type_name;
use super::column::Column;
use super::decimal;
use super::fault::Faults;
use super::tree::Tree;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrowPrimitiveType, Decimal128Array, Float64Array, PrimitiveArray};
use arrow_schema::DataType;
use std::sync::Arc;

/// `round(x, digits)`: halves away from zero. A decimal gets the scale of the result's type, a
/// float is rounded to `digits`.
pub(super) fn round(tree: &Tree, x: &Column, digits: i64, faults: &mut Faults) -> Column {
    match (x.data_type(), &tree.data_type) {
        (DataType::Decimal128(_, from), DataType::Decimal128(precision, to)) => {
            let (from, to) = (*from as u8, *to as u8);
            // Fewer digits than the new scale (`round(x, -2)`): round there first.
            let coarse = i64::from(from) - digits;
            let rounded = |value: i128| {
                let unit = 10i128.checked_pow(u32::try_from(coarse.max(0)).ok()?);
                let rounded = match unit {
                    Some(unit) => decimal::divide_round(value, unit)?.checked_mul(unit)?,
                    None => 0,
                };
                let max = decimal::max(*precision);
                let value = decimal::rescale(rounded, from, to)?;
                (-max <= value && value <= max).then_some(value)
            };
            let values = x.raw().as_primitive::<Decimal128Type>();
            let array: Decimal128Array = checked(tree, x, values, rounded, faults);
            let array = array.with_precision_and_scale(*precision, to as i8);
            x.with(Arc::new(array.expect("a scale fits its precision")))
        }
        (DataType::Float64, _) => {
            let factor = 10f64.powi(i32::try_from(digits).unwrap_or(i32::MAX));
            let array: Float64Array = x.raw().as_primitive::<Float64Type>().unary(|value| {
                let scaled = value * factor;
                // `f64::round` takes halves away from zero too.
                let rounded = scaled.round() / factor;
                if scaled.is_finite() && rounded.is_finite() { rounded } else { value }
            });
            x.with(Arc::new(array))
        }
        _ => x.clone(),
    }
}

/// `floor(x)`, `ceil(x)`: a whole number.
pub(super) fn whole(tree: &Tree, x: &Column, up: bool, faults: &mut Faults) -> Column {
    let array: PrimitiveArray<Int64Type> = match x.data_type() {
        DataType::Decimal128(_, scale) => {
            let unit = decimal::power(*scale as u8);
            let values = x.raw().as_primitive::<Decimal128Type>();
            let convert = |value: i128| {
                let down = value.div_euclid(unit);
                let whole = if up && value.rem_euclid(unit) != 0 { down + 1 } else { down };
                i64::try_from(whole).ok()
            };
            checked(tree, x, values, convert, faults)
        }
        DataType::Float64 => {
            let values = x.raw().as_primitive::<Float64Type>();
            let convert = |value: f64| to_int(if up { value.ceil() } else { value.floor() });
            checked(tree, x, values, convert, faults)
        }
        _ => return x.clone(),
    };
    x.with(Arc::new(array))
}

/// `abs(x)`
pub(super) fn abs(tree: &Tree, x: &Column, faults: &mut Faults) -> Column {
    match x.data_type() {
        DataType::Decimal128(precision, scale) => {
            let values = x.raw().as_primitive::<Decimal128Type>();
            let array: Decimal128Array = values.unary(i128::abs);
            let array = array.with_precision_and_scale(*precision, *scale);
            x.with(Arc::new(array.expect("a scale fits its precision")))
        }
        DataType::Float64 => {
            let array: Float64Array = x.raw().as_primitive::<Float64Type>().unary(f64::abs);
            x.with(Arc::new(array))
        }
        _ => {
            let values = x.raw().as_primitive::<Int64Type>();
            let array: PrimitiveArray<Int64Type> =
                checked(tree, x, values, i64::checked_abs, faults);
            x.with(Arc::new(array))
        }
    }
}

/// A float without a fraction as a 64-bit integer.
pub(super) fn to_int(value: f64) -> Option<i64> {
    // 2^63 is a float, the largest integer is not.
    let fits = value.fract() == 0.0
        && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value);
    fits.then_some(value as i64)
}

/// A number for each number; what does not fit the result's type is an overflow.
fn checked<I: ArrowPrimitiveType, O: ArrowPrimitiveType>(
    tree: &Tree,
    x: &Column,
    values: &PrimitiveArray<I>,
    convert: impl Fn(I::Native) -> Option<O::Native>,
    faults: &mut Faults,
) -> PrimitiveArray<O> {
    debug_assert!(!x.is_one() || values.len() == 1, "a constant is one value");
    let mut out = Vec::with_capacity(values.len());
    for (row, &value) in values.values().iter().enumerate() {
        out.push(convert(value).unwrap_or_else(|| {
            if values.is_valid(row) {
                let message =
                    format!("`{}` is too large for {}", tree.text, type_name(&tree.data_type));
                faults.add(row, "overflow", message);
            }
            O::Native::default()
        }));
    }
    PrimitiveArray::new(out.into(), values.nulls().cloned())
}
