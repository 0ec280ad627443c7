//! Columns into rows of a base table.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, DurationNanosecondType, Float64Type, Int64Type,
    TimestampNanosecondType,
};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, RecordBatch, StringArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use rusqlite::Statement;

/// A column, ready to be bound.
struct Column<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

enum Values<'a> {
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
    Bool(&'a BooleanArray),
    Int(&'a [i64]),
    Decimal(&'a [i128]),
    Float(&'a [f64]),
    /// Nanoseconds, kept as microseconds.
    Timestamp(&'a [i64]),
    Date(&'a [i32]),
}

/// Inserts all rows by a statement with one place for each column.
pub fn insert(statement: &mut Statement<'_>, rows: &RecordBatch) -> rusqlite::Result<()> {
    let columns: Vec<Column<'_>> = rows.columns().iter().map(Column::new).collect();
    for row in 0..rows.num_rows() {
        for (place, column) in columns.iter().enumerate() {
            column.bind(statement, place + 1, row)?;
        }
        statement.raw_execute()?;
    }
    Ok(())
}

impl<'a> Column<'a> {
    fn new(column: &'a ArrayRef) -> Column<'a> {
        let values = match column.data_type() {
            DataType::Utf8 => Values::Text(column.as_string()),
            DataType::Binary => Values::Bytes(column.as_binary()),
            DataType::Boolean => Values::Bool(column.as_boolean()),
            DataType::Int64 => Values::Int(column.as_primitive::<Int64Type>().values()),
            DataType::Duration(_) => {
                Values::Int(column.as_primitive::<DurationNanosecondType>().values())
            }
            DataType::Decimal128(..) => {
                Values::Decimal(column.as_primitive::<Decimal128Type>().values())
            }
            DataType::Float64 => Values::Float(column.as_primitive::<Float64Type>().values()),
            DataType::Timestamp(..) => {
                Values::Timestamp(column.as_primitive::<TimestampNanosecondType>().values())
            }
            DataType::Date32 => Values::Date(column.as_primitive::<Date32Type>().values()),
            other => unreachable!("a table with a column of {other} is not opened"),
        };
        Column { nulls: column.nulls(), values }
    }

    fn bind(&self, to: &mut Statement<'_>, place: usize, row: usize) -> rusqlite::Result<()> {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return to.raw_bind_parameter(place, rusqlite::types::Null);
        }
        match &self.values {
            Values::Text(values) => to.raw_bind_parameter(place, values.value(row)),
            Values::Bytes(values) => to.raw_bind_parameter(place, values.value(row)),
            Values::Bool(values) => to.raw_bind_parameter(place, values.value(row)),
            Values::Int(values) => to.raw_bind_parameter(place, values[row]),
            Values::Decimal(values) => {
                let digits = i64::try_from(values[row]);
                to.raw_bind_parameter(place, digits.expect("a column of up to 18 digits"))
            }
            Values::Float(values) => to.raw_bind_parameter(place, values[row]),
            Values::Timestamp(values) => {
                to.raw_bind_parameter(place, values[row].div_euclid(1_000))
            }
            Values::Date(values) => to.raw_bind_parameter(place, values[row]),
        }
    }
}
