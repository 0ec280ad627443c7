//! Fields to the columns of a record type: numbers and times.

use super::fields::{Field, Fields, Nulls};
use super::numbers::Short;
use crate::json::shape::Shape;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, DurationNanosecondType, Float64Type, Int64Type,
    TimestampNanosecondType,
};
use arrow_array::{ArrayRef, BooleanArray, PrimitiveArray};
use arrow_schema::DataType;
use engine::expr::time::{self, TimeError, TimeFormat};
use engine::expr::{decimal, parse_bool, parse_float};
use std::sync::Arc;

const NO_INT: &str = "is not a whole number of 64 bits";

impl<'a> Fields<'a> {
    /// The columns of the fields; without meaning in the rows that are `bad`.
    pub fn columns(&mut self, shapes: &[Shape]) -> Vec<ArrayRef> {
        let columns = shapes.iter().zip(&self.header.columns);
        columns.map(|(shape, &column)| self.one(shape, column)).collect()
    }

    fn one(&mut self, shape: &Shape, column: usize) -> ArrayRef {
        match &shape.data_type {
            DataType::Utf8 => self.texts(shape, column),
            DataType::Binary => self.bytes(shape, column),
            DataType::Int64 => {
                let short = |field: &Field<'_>| short(field)?.int();
                let long = |text: &[u8]| decimal::parse_int(text).ok_or(());
                Arc::new(
                    self.numbers::<Int64Type, _>(shape, column, short, long, |()| NO_INT.into()),
                )
            }
            DataType::Float64 => {
                let short = |field: &Field<'_>| Some(short(field)?.float());
                let long = |text: &[u8]| parse_float(text).ok_or(());
                let what = |()| "is not a finite number".to_string();
                Arc::new(self.numbers::<Float64Type, _>(shape, column, short, long, what))
            }
            DataType::Decimal128(precision, scale) => {
                self.decimals(shape, column, *precision, *scale)
            }
            DataType::Boolean => {
                let long = |text: &[u8]| parse_bool(text).map(i64::from).ok_or(());
                let what = |()| "is neither true nor false".to_string();
                let bits = self.numbers::<Int64Type, _>(shape, column, |_| None, long, what);
                let values = bits.values().iter().map(|&bit| bit != 0).collect();
                let (_, _, nulls) = bits.into_parts();
                Arc::new(BooleanArray::new(values, nulls))
            }
            DataType::Timestamp(..) => self.timestamps(shape, column),
            DataType::Date32 => {
                let long = |text: &[u8]| time::parse_date(text).ok_or(());
                let what = |()| "is not a date like 2010-12-01".to_string();
                Arc::new(self.numbers::<Date32Type, _>(shape, column, |_| None, long, what))
            }
            DataType::Duration(_) => {
                let short = |field: &Field<'_>| short(field)?.int();
                let long = |text: &[u8]| decimal::parse_int(text).ok_or(());
                let what = |()| "is not a number of nanoseconds".to_string();
                Arc::new(
                    self.numbers::<DurationNanosecondType, _>(shape, column, short, long, what),
                )
            }
            other => unreachable!("`{}` ({other}) is refused when the node is opened", shape.ty),
        }
    }

    /// Numbers and times: blanks around them do not count, and the null text is null, quoted or
    /// not. `short` reads the common shapes; what it leaves goes to `long`, and `what` says what
    /// is wrong with a text.
    fn numbers<T: ArrowPrimitiveType, E>(
        &mut self,
        shape: &Shape,
        column: usize,
        short: impl Fn(&Field<'_>) -> Option<T::Native>,
        mut long: impl FnMut(&'a [u8]) -> Result<T::Native, E>,
        what: impl Fn(E) -> String,
    ) -> PrimitiveArray<T> {
        let mut nulls = Nulls::new(self.len());
        let options = self.options;
        let empty_is_null = shape.nullable && options.null.is_empty();
        let fields = self.column(column).enumerate();
        let mut other = |row: usize, field: Field<'a>| {
            let text = field.text().trim_ascii();
            if empty_is_null && text.is_empty() {
                nulls.set(row);
                return T::Native::default();
            }
            long(text).unwrap_or_else(|error| {
                if shape.nullable && text == options.null {
                    nulls.set(row);
                } else {
                    self.unfit(shape, row, text, &what(error));
                }
                T::Native::default()
            })
        };
        let values: Vec<T::Native> =
            fields.map(|(row, field)| short(&field).unwrap_or_else(|| other(row, field))).collect();
        PrimitiveArray::new(values.into(), nulls.finish())
    }

    fn decimals(&mut self, shape: &Shape, column: usize, precision: u8, scale: i8) -> ArrayRef {
        // What 18 digits cannot hold goes the long way.
        let max = i64::try_from(decimal::max(precision.min(18))).unwrap_or(i64::MAX);
        let places = scale as u32;
        let array = self.numbers::<Decimal128Type, _>(
            shape,
            column,
            |field| Some(i128::from(short(field)?.decimal(places, max)?)),
            |text| decimal::parse(text, precision, scale as u8),
            |error| error.what().into(),
        );
        let array = array.with_precision_and_scale(precision, scale);
        Arc::new(array.expect("a scale fits its precision"))
    }

    fn timestamps(&mut self, shape: &Shape, column: usize) -> ArrayRef {
        let options = self.options;
        let mut format = options.timestamp.clone();
        let mut last: (&[u8], i64) = (&[], 0);
        let array = self.numbers::<TimestampNanosecondType, _>(
            shape,
            column,
            |_| None,
            |text| {
                // Neighbours are often equal.
                if !text.is_empty() && text == last.0 {
                    return Ok(last.1);
                }
                let ns = match &mut format {
                    Some(format) => format.parse(text),
                    None => time::parse_rfc3339(text),
                }?;
                last = (text, ns);
                Ok(ns)
            },
            |error| unlike(error, options.timestamp.as_ref()),
        );
        Arc::new(array.with_timezone("UTC"))
    }
}

#[inline(always)]
fn short(field: &Field<'_>) -> Option<Short> {
    Short::read(field.source, field.start, field.end)
}

fn unlike(error: TimeError, format: Option<&TimeFormat>) -> String {
    match (&error, format) {
        (TimeError::Format, Some(format)) => format!("does not fit `{}`", format.format()),
        (TimeError::Format, None) => "is not like 2010-12-01T08:26:00Z".into(),
        _ => error.to_string(),
    }
}
