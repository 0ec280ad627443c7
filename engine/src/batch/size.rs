//! How many bytes rows hold: the same for a row, whatever batch it travels in.

use super::{Rows, Run};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use std::ops::Range;

/// The bytes of each row's values: the length of texts and bytes, the width of other types, nothing
/// for null; lists, maps and records the sum of their parts.
pub fn row_bytes(rows: &Rows) -> Vec<u64> {
    let mut sizes = vec![0; rows.len()];
    for column in rows.columns.columns() {
        add_sizes(column, &mut sizes);
    }
    sizes
}

/// The bytes of all rows: the sum of [`row_bytes`], without making the list where all columns are
/// texts, bytes or numbers without null.
pub fn rows_bytes(rows: &Rows) -> u64 {
    let column_bytes = |column: &ArrayRef| -> u64 {
        match quick_bytes(column) {
            Some(bytes) => bytes,
            None => {
                let mut sizes = vec![0; column.len()];
                add_sizes(column, &mut sizes);
                sizes.iter().sum()
            }
        }
    };
    rows.columns.columns().iter().map(column_bytes).sum()
}

/// Bytes that rows take in memory, about: values, offsets and null flags of these rows alone, also
/// where they share buffers with others. Looks at columns, not at rows.
pub(crate) fn held_bytes(rows: &Rows) -> u64 {
    batch_bytes(&rows.columns) + (rows.ids.runs.len() * size_of::<Run>()) as u64
}

/// The same, without the ids.
pub(crate) fn batch_bytes(columns: &RecordBatch) -> u64 {
    columns.columns().iter().map(|column| array_bytes(column, 0..column.len())).sum()
}

fn array_bytes(column: &dyn Array, rows: Range<usize>) -> u64 {
    let len = rows.len() as u64;
    let flags = if column.null_count() > 0 { len.div_ceil(8) } else { 0 };
    let span = |offsets: &[i32]| offsets[rows.start] as usize..offsets[rows.end] as usize;
    let offsets_bytes = (len + 1) * 4;
    flags
        + match column.data_type() {
            DataType::Binary => {
                span(column.as_binary::<i32>().value_offsets()).len() as u64 + offsets_bytes
            }
            DataType::Utf8 => {
                span(column.as_string::<i32>().value_offsets()).len() as u64 + offsets_bytes
            }
            DataType::Struct(_) => {
                let fields = column.as_struct().columns().iter();
                fields.map(|field| array_bytes(field, rows.clone())).sum()
            }
            DataType::List(_) => {
                let list = column.as_list::<i32>();
                array_bytes(list.values(), span(list.value_offsets())) + offsets_bytes
            }
            DataType::Map(_, _) => {
                let map = column.as_map();
                array_bytes(map.entries(), span(map.value_offsets())) + offsets_bytes
            }
            DataType::Boolean => len.div_ceil(8),
            other => other.primitive_width().unwrap_or(0) as u64 * len,
        }
}

fn quick_bytes(column: &ArrayRef) -> Option<u64> {
    if column.null_count() > 0 {
        return None;
    }
    let span = |offsets: &[i32]| (offsets[offsets.len() - 1] - offsets[0]) as u64;
    match column.data_type() {
        DataType::Binary => Some(span(column.as_binary::<i32>().value_offsets())),
        DataType::Utf8 => Some(span(column.as_string::<i32>().value_offsets())),
        other => Some(other.primitive_width()? as u64 * column.len() as u64),
    }
}

fn add_sizes(column: &ArrayRef, sizes: &mut [u64]) {
    match column.data_type() {
        DataType::Binary => {
            add_each(column, sizes, |row| column.as_binary::<i32>().value(row).len() as u64)
        }
        DataType::Utf8 => {
            add_each(column, sizes, |row| column.as_string::<i32>().value(row).len() as u64)
        }
        DataType::Struct(_) => {
            let fields = column.as_struct();
            let mut parts = vec![0; sizes.len()];
            fields.columns().iter().for_each(|field| add_sizes(field, &mut parts));
            add_each(column, sizes, |row| parts[row]);
        }
        DataType::List(_) => {
            let list = column.as_list::<i32>();
            add_spans(column, list.values(), list.value_offsets(), sizes);
        }
        DataType::Map(_, _) => {
            let map = column.as_map();
            let entries: ArrayRef = std::sync::Arc::new(map.entries().clone());
            add_spans(column, &entries, map.value_offsets(), sizes);
        }
        DataType::Boolean => add_each(column, sizes, |_| 1),
        other => {
            let width = other.primitive_width().unwrap_or(0) as u64;
            add_each(column, sizes, |_| width);
        }
    }
}

fn add_each(column: &ArrayRef, sizes: &mut [u64], size: impl Fn(usize) -> u64) {
    for (row, sum) in sizes.iter_mut().enumerate() {
        if column.is_valid(row) {
            *sum += size(row);
        }
    }
}

fn add_spans(column: &ArrayRef, values: &ArrayRef, offsets: &[i32], sizes: &mut [u64]) {
    let mut parts = vec![0; values.len()];
    add_sizes(values, &mut parts);
    add_each(column, sizes, |row| {
        let span = offsets[row] as usize..offsets[row + 1] as usize;
        parts[span].iter().sum()
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use arrow_array::builder::{MapBuilder, StringBuilder};
    use arrow_array::types::Int32Type;
    use arrow_array::{ListArray, StringArray};
    use std::sync::Arc;

    fn rows(columns: Vec<(&str, ArrayRef)>) -> Rows {
        let columns = RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, column)| (name, column, true)),
        );
        let columns = columns.expect("columns of one length");
        let ids = testing::ids("p", 0, columns.num_rows());
        Rows { columns, ids, group: None, resumed: None }
    }

    #[test]
    fn a_row_is_as_large_in_any_slice() {
        let text: ArrayRef = Arc::new(StringArray::from(vec![Some("ab"), None, Some("c")]));
        let list = vec![Some(vec![Some(1), Some(2)]), None, Some(vec![])];
        let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(list));
        let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        for value in ["xy", "", "z"] {
            map.keys().append_value("k");
            map.values().append_value(value);
            map.append(true).expect("as many keys as values");
        }
        let rows = rows(vec![("t", text), ("l", list), ("m", Arc::new(map.finish()))]);
        // Values, offsets and the flags of the columns that have nulls.
        assert_eq!(batch_bytes(&rows.columns), (3 + 16 + 1) + (8 + 16 + 1) + (3 + 3 + 32 + 16));
        let part: u64 = (0..3).map(|row| batch_bytes(&rows.slice(row..row + 1).columns)).sum();
        assert!(part <= batch_bytes(&rows.columns) + 3 * 24, "only its own rows count");
        assert_eq!(row_bytes(&rows), [2 + 8 + 3, 1, 1 + 2]);
        assert_eq!(rows_bytes(&rows), 17);
        for start in 0..3 {
            let part = rows.slice(start..3);
            assert_eq!(row_bytes(&part), row_bytes(&rows)[start..]);
            assert_eq!(rows_bytes(&part), row_bytes(&rows)[start..].iter().sum::<u64>());
        }
    }
}
