//! Sizes of attributes as DynamoDB counts them.
//!
//! A name counts its UTF-8 bytes; a text its bytes; a number a byte for two digits and one more; a
//! truth value or null one; a list or map three, and one more for each element. Timestamps and
//! dates are texts there. A float is counted with all 17 digits, which can be some bytes too many.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, DurationNanosecondType, Float64Type, Int64Type, TimestampNanosecondType,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

/// What one item may be, in bytes.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Of an item at most.
    pub item: usize,
    /// Of a key at most.
    pub key: usize,
}

impl Limits {
    /// Those of DynamoDB.
    pub fn aws() -> Limits {
        let max = |id: &str| dsl::quotas::aws().limit(id).max as usize;
        Limits { item: max("dynamodb.item"), key: max("dynamodb.key") }
    }
}

/// Bytes of each value of a column.
pub fn column(array: &ArrayRef) -> Vec<usize> {
    let mut sizes: Vec<usize> = match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().offsets().lengths().collect(),
        DataType::Int64 => {
            let values = array.as_primitive::<Int64Type>().values();
            values.iter().map(|value| number((*value).into())).collect()
        }
        DataType::Decimal128(..) => {
            let values = array.as_primitive::<Decimal128Type>().values();
            values.iter().map(|value| number(*value)).collect()
        }
        DataType::Timestamp(..) => {
            let values = array.as_primitive::<TimestampNanosecondType>().values();
            values.iter().map(|value| timestamp(*value)).collect()
        }
        DataType::Struct(fields) => {
            let mut sizes = vec![3; array.len()];
            for (field, values) in fields.iter().zip(array.as_struct().columns()) {
                for (size, bytes) in sizes.iter_mut().zip(column(values)) {
                    *size += 1 + field.name().len() + bytes;
                }
            }
            sizes
        }
        _ => (0..array.len()).map(|row| value(array, row)).collect(),
    };
    if let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) {
        for (size, is_valid) in sizes.iter_mut().zip(nulls) {
            *size = if is_valid { *size } else { 1 };
        }
    }
    sizes
}

/// Bytes of a value.
pub fn value(array: &ArrayRef, row: usize) -> usize {
    if array.is_null(row) {
        return 1;
    }
    let element = |value_bytes: usize| 1 + value_bytes;
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).len(),
        DataType::Binary => array.as_binary::<i32>().value(row).len(),
        DataType::Int64 => number(array.as_primitive::<Int64Type>().value(row).into()),
        DataType::Decimal128(..) => number(array.as_primitive::<Decimal128Type>().value(row)),
        DataType::Duration(_) => {
            number(array.as_primitive::<DurationNanosecondType>().value(row).into())
        }
        DataType::Float64 if array.as_primitive::<Float64Type>().value(row) == 0.0 => 1,
        DataType::Float64 => 10,
        DataType::Timestamp(..) => {
            timestamp(array.as_primitive::<TimestampNanosecondType>().value(row))
        }
        DataType::Date32 => "2010-12-01".len(),
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let fields = fields.iter().zip(columns);
            3 + fields.map(|(f, c)| element(f.name().len() + value(c, row))).sum::<usize>()
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let items = list.value_offsets()[row] as usize..list.value_offsets()[row + 1] as usize;
            3 + items.map(|item| element(value(list.values(), item))).sum::<usize>()
        }
        DataType::Map(..) => {
            let map = array.as_map();
            let (keys, values) = (map.keys(), map.values());
            let items = map.value_offsets()[row] as usize..map.value_offsets()[row + 1] as usize;
            3 + items.map(|at| element(value(keys, at) + value(values, at))).sum::<usize>()
        }
        _ => 1,
    }
}

fn timestamp(ns: i64) -> usize {
    match ns.rem_euclid(1_000_000_000) {
        0 => "2010-12-01T08:26:00Z".len(),
        part if part % 1_000_000 == 0 => "2010-12-01T08:26:00.000Z".len(),
        part if part % 1_000 == 0 => "2010-12-01T08:26:00.000000Z".len(),
        _ => "2010-12-01T08:26:00.000000000Z".len(),
    }
}

/// Zeros at either end are not stored.
fn number(value: i128) -> usize {
    let sign = usize::from(value < 0);
    let digits = match u64::try_from(value.unsigned_abs()) {
        Ok(0) => return 1,
        Ok(mut small) => {
            while small.is_multiple_of(10) {
                small /= 10;
            }
            small.ilog10()
        }
        Err(_) => {
            let mut large = value.unsigned_abs();
            while large.is_multiple_of(10) {
                large /= 10;
            }
            large.ilog10()
        }
    };
    (digits as usize + 1).div_ceil(2) + 1 + sign
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Int64Array, StringArray, StructArray};
    use arrow_schema::Field;
    use std::sync::Arc;

    #[test]
    fn numbers_take_a_byte_for_two_digits() {
        let sizes: Vec<usize> = [0, 7, 12, 123, 1200, -12, 10i128.pow(30) + 1].map(number).to_vec();
        assert_eq!(sizes, [1, 2, 2, 3, 2, 3, 17]);
    }

    #[test]
    fn a_map_counts_its_elements_and_names() {
        let columns = StructArray::from(vec![
            (
                Arc::new(Field::new("text", DataType::Utf8, true)),
                Arc::new(StringArray::from(vec![Some("£5"), None])) as ArrayRef,
            ),
            (
                Arc::new(Field::new("n", DataType::Int64, false)),
                Arc::new(Int64Array::from(vec![10, 0])) as ArrayRef,
            ),
        ]);
        let array: ArrayRef = Arc::new(columns);
        assert_eq!(column(&array), [value(&array, 0), value(&array, 1)]);
        assert_eq!(value(&array, 0), 3 + (1 + 4 + 3) + (1 + 1 + 2));
        assert_eq!(value(&array, 1), 3 + (1 + 4 + 1) + (1 + 1 + 1));
    }
}
