//! Conversions between column types.

use super::arith::type_name;
use super::column::Column;
use super::decimal;
use super::fault::Faults;
use super::tree::Tree;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, Decimal128Array, ListArray, MapArray, StructArray, make_array, new_null_array,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field};
use std::sync::Arc;

/// The same values as a column of exactly the type `wanted`: records get the wanted fields by name,
/// `null` any type, integers become decimals; nullability, precision and the names of inner fields
/// are those of `wanted`.
///
/// # Panics
/// Where the values are of another kind, or do not fit.
pub fn conform(array: &ArrayRef, wanted: &DataType) -> ArrayRef {
    let mut unfit = Vec::new();
    let array = convert(array, wanted, &mut unfit);
    assert!(unfit.is_empty(), "the checker makes every number fit {wanted}");
    array
}

/// The same; rows with a number that does not fit are added to `unfit`.
fn convert(array: &ArrayRef, wanted: &DataType, unfit: &mut Vec<usize>) -> ArrayRef {
    if array.data_type() == wanted {
        return array.clone();
    }
    match (array.data_type(), wanted) {
        (DataType::Null, wanted) => new_null_array(wanted, array.len()),
        (DataType::Int64, DataType::Decimal128(precision, scale)) => {
            let ints = array.as_primitive::<Int64Type>();
            let (nulls, shape) = (ints.nulls(), (0, *precision, *scale as u8));
            decimals(ints.values().iter().map(|&int| i128::from(int)), nulls, shape, unfit)
        }
        (DataType::Decimal128(_, from), DataType::Decimal128(precision, scale)) => {
            let values = array.as_primitive::<Decimal128Type>();
            let (nulls, shape) = (values.nulls(), (*from as u8, *precision, *scale as u8));
            decimals(values.values().iter().copied(), nulls, shape, unfit)
        }
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let record = array.as_struct();
            let columns = fields.iter().map(|field| {
                let column = record.column_by_name(field.name()).expect("the field is there");
                inner(column, field, unfit)
            });
            let (columns, nulls) = (columns.collect(), record.nulls().cloned());
            let record =
                StructArray::try_new_with_length(fields.clone(), columns, nulls, array.len());
            Arc::new(record.expect("the columns have the types of the fields"))
        }
        (DataType::List(_), DataType::List(field)) => {
            let list = array.as_list::<i32>();
            let mut items = Vec::new();
            let values = inner(list.values(), field, &mut items);
            unfit.extend(items.iter().map(|&item| owner(list.offsets(), item)));
            let nulls = list.nulls().cloned();
            let list = ListArray::try_new(field.clone(), list.offsets().clone(), values, nulls);
            Arc::new(list.expect("the items have the type of the field"))
        }
        (DataType::Map(_, _), DataType::Map(field, sorted)) => {
            let map = array.as_map();
            let mut items = Vec::new();
            let entries: ArrayRef = Arc::new(map.entries().clone());
            let entries = convert(&entries, field.data_type(), &mut items).as_struct().clone();
            unfit.extend(items.iter().map(|&item| owner(map.offsets(), item)));
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            let map = MapArray::try_new(field.clone(), offsets, entries, nulls, *sorted);
            Arc::new(map.expect("the entries have the type of the field"))
        }
        (from, to) => unreachable!("the checker lets no {from} stand for {to}"),
    }
}

fn inner(array: &ArrayRef, field: &Field, unfit: &mut Vec<usize>) -> ArrayRef {
    let array = convert(array, field.data_type(), unfit);
    if field.is_nullable() { array } else { without_nulls(&array) }
}

/// The row of a list that holds an item.
fn owner(offsets: &[i32], item: usize) -> usize {
    offsets.partition_point(|&offset| offset as usize <= item) - 1
}

/// Numbers of scale `from` as decimal(`precision`, `to`): exact, or unfit.
fn decimals(
    values: impl Iterator<Item = i128>,
    nulls: Option<&NullBuffer>,
    (from, precision, to): (u8, u8, u8),
    unfit: &mut Vec<usize>,
) -> ArrayRef {
    let max = decimal::max(precision);
    let fitted = values.enumerate().map(|(row, value)| {
        let fitted = if from <= to {
            decimal::widen(value, from, to)
        } else {
            let unit = decimal::power(from - to);
            (value % unit == 0).then_some(value / unit)
        };
        fitted.filter(|value| -max <= *value && *value <= max).unwrap_or_else(|| {
            if nulls.is_none_or(|nulls| nulls.is_valid(row)) {
                unfit.push(row);
            }
            0
        })
    });
    let fitted: Vec<i128> = fitted.collect();
    let array = Decimal128Array::new(fitted.into(), nulls.cloned());
    let array = array.with_precision_and_scale(precision, to as i8);
    Arc::new(array.expect("a scale fits its precision"))
}

/// The same column with a value, without meaning, where it is null: for rows that another branch
/// or a fault takes.
pub(super) fn without_nulls(array: &ArrayRef) -> ArrayRef {
    if array.null_count() == 0 || array.data_type() == &DataType::Null {
        return array.clone();
    }
    let data = array.to_data().into_builder().nulls(None).build();
    make_array(data.expect("a column without its null mask is a column"))
}

/// An implicit conversion of the plan.
pub(super) fn cast(tree: &Tree, operand: Column, rows: usize, faults: &mut Faults) -> Column {
    let mut unfit = Vec::new();
    let array = convert(operand.raw(), &tree.data_type, &mut unfit);
    let column = operand.with(array);
    let every = if operand.is_one() && !unfit.is_empty() { 0..rows } else { 0..0 };
    let some = if operand.is_one() { Vec::new() } else { unfit };
    for row in some.into_iter().chain(every) {
        let ty = type_name(&tree.data_type);
        faults.add(row, "overflow", format!("`{}` does not fit {ty}", tree.text));
    }
    column
}
