//! Values of columns as DynamoDB's attribute values: what the local tables keep as JSON.
//!
//! Numbers are texts of up to 38 digits, decimals exact; times and dates are ISO texts; records and
//! maps are maps, lists are lists, bytes are bytes, null is null.

use crate::json::encode::ValueWriter;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, StringArray};
use arrow_schema::DataType;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::HashMap;

/// Numbers are smaller.
const FLOAT_END: f64 = 1e126;
/// The smallest number over zero that it holds.
const FLOAT_MIN: f64 = 1e-130;

/// Why a value is none of DynamoDB's.
pub type NoValue = String;

/// A column, looked at once.
pub struct Values<'a> {
    column: &'a ArrayRef,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Null,
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
    Bool(&'a BooleanArray),
    /// As JSON writes it.
    Number(ValueWriter<'a>),
    Float(ValueWriter<'a>, &'a [f64]),
    /// As JSON writes it, without the quotes.
    Quoted(ValueWriter<'a>),
    Record(Vec<(&'a str, Values<'a>)>),
    List(&'a [i32], Box<Values<'a>>),
    Map(&'a [i32], &'a StringArray, Box<Values<'a>>),
}

impl<'a> Values<'a> {
    /// Looks at a column.
    pub fn new(column: &'a ArrayRef) -> Values<'a> {
        let writer = || ValueWriter::new(column.as_ref());
        let kind = match column.data_type() {
            DataType::Null => Kind::Null,
            DataType::Utf8 => Kind::Text(column.as_string()),
            DataType::Binary => Kind::Bytes(column.as_binary()),
            DataType::Boolean => Kind::Bool(column.as_boolean()),
            DataType::Timestamp(..) | DataType::Date32 => Kind::Quoted(writer()),
            DataType::Float64 => {
                let floats = column.as_primitive::<arrow_array::types::Float64Type>();
                Kind::Float(writer(), floats.values())
            }
            DataType::Struct(fields) => {
                let columns = column.as_struct().columns().iter().map(Values::new);
                let names = fields.iter().map(|field| field.name().as_str());
                Kind::Record(names.zip(columns).collect())
            }
            DataType::List(_) => {
                let list = column.as_list::<i32>();
                Kind::List(list.value_offsets(), Box::new(Values::new(list.values())))
            }
            DataType::Map(..) => {
                let map = column.as_map();
                let values = Box::new(Values::new(map.values()));
                Kind::Map(map.value_offsets(), map.keys().as_string(), values)
            }
            _ => Kind::Number(writer()),
        };
        Values { column, kind }
    }

    /// The value of a row.
    ///
    /// # Errors
    /// It is a number outside of what DynamoDB holds.
    pub fn get(&self, row: usize) -> Result<AttributeValue, NoValue> {
        if self.column.is_null(row) || matches!(self.kind, Kind::Null) {
            return Ok(AttributeValue::Null(true));
        }
        let items = |offsets: &[i32]| offsets[row] as usize..offsets[row + 1] as usize;
        Ok(match &self.kind {
            Kind::Null => AttributeValue::Null(true),
            Kind::Text(texts) => AttributeValue::S(texts.value(row).to_owned()),
            Kind::Bytes(bytes) => AttributeValue::B(Blob::new(bytes.value(row))),
            Kind::Bool(values) => AttributeValue::Bool(values.value(row)),
            Kind::Number(writer) => AttributeValue::N(json(writer, row)),
            Kind::Float(writer, values) => {
                let size = values[row].abs();
                if !size.is_finite() || size >= FLOAT_END || (size != 0.0 && size < FLOAT_MIN) {
                    return Err(format!("Number overflow: {:e} is out of range", values[row]));
                }
                AttributeValue::N(json(writer, row))
            }
            Kind::Quoted(writer) => {
                let quoted = json(writer, row);
                AttributeValue::S(quoted.trim_matches('"').to_owned())
            }
            Kind::Record(fields) => {
                let mut map = HashMap::with_capacity(fields.len());
                for (name, values) in fields {
                    map.insert((*name).to_owned(), values.get(row)?);
                }
                AttributeValue::M(map)
            }
            Kind::List(offsets, values) => {
                let items = items(offsets).map(|item| values.get(item));
                AttributeValue::L(items.collect::<Result<_, _>>()?)
            }
            Kind::Map(offsets, keys, values) => {
                let mut map = HashMap::new();
                for item in items(offsets) {
                    map.insert(keys.value(item).to_owned(), values.get(item)?);
                }
                AttributeValue::M(map)
            }
        })
    }
}

fn json(writer: &ValueWriter<'_>, row: usize) -> String {
    let mut text = Vec::new();
    writer.write(row, &mut text);
    String::from_utf8(text).expect("JSON is UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::builder::{Int64Builder, ListBuilder, MapBuilder, StringBuilder};
    use arrow_array::{
        Date32Array, Decimal128Array, Float64Array, Int64Array, StructArray,
        TimestampNanosecondArray,
    };
    use arrow_schema::Field;
    use std::sync::Arc;

    fn all(column: impl Array + 'static) -> Vec<Result<AttributeValue, NoValue>> {
        let column: ArrayRef = Arc::new(column);
        let values = Values::new(&column);
        (0..column.len()).map(|row| values.get(row)).collect()
    }

    fn number(text: &str) -> Result<AttributeValue, NoValue> {
        Ok(AttributeValue::N(text.into()))
    }

    #[test]
    fn numbers_are_exact_texts() {
        let big = 10i128.pow(38) - 1;
        let decimals = Decimal128Array::from(vec![Some(2550), Some(-1), Some(big), None]);
        let decimals = decimals.with_precision_and_scale(38, 3).unwrap();
        let digits = format!("{}.999", "9".repeat(35));
        let null = Ok(AttributeValue::Null(true));
        assert_eq!(all(decimals), [number("2.55"), number("-0.001"), number(&digits), null]);
        let ints = Int64Array::from(vec![i64::MIN, 0]);
        assert_eq!(all(ints), [number("-9223372036854775808"), number("0")]);
        let floats = all(Float64Array::from(vec![0.1, 2.0, 1e125, 1e126, -1e-131, f64::NAN]));
        assert_eq!(floats[..2], [number("0.1"), number("2.0")]);
        assert!(floats[2].is_ok() && floats[3..].iter().all(Result::is_err), "{floats:?}");
    }

    #[test]
    fn times_are_texts() {
        let times = TimestampNanosecondArray::from(vec![1_291_191_960_000_000_000]);
        let text = |text: &str| [Ok(AttributeValue::S(text.into()))];
        assert_eq!(all(times.with_timezone("UTC")), text("2010-12-01T08:26:00Z"));
        assert_eq!(all(Date32Array::from(vec![14_944])), text("2010-12-01"));
        assert_eq!(all(StringArray::from(vec!["\"ü\""])), text("\"ü\""));
    }

    #[test]
    fn nested_values_keep_their_shape() {
        let mut list = ListBuilder::new(Int64Builder::new());
        list.append_value([Some(1), None]);
        let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
        map.keys().append_value("k");
        map.values().append_value(7);
        map.append(true).unwrap();
        let (list, map): (ArrayRef, ArrayRef) = (Arc::new(list.finish()), Arc::new(map.finish()));
        let field = |name: &str, array: &ArrayRef| {
            (Arc::new(Field::new(name, array.data_type().clone(), true)), array.clone())
        };
        let record = StructArray::from(vec![field("l", &list), field("m", &map)]);
        let Ok(AttributeValue::M(seen)) = all(record).remove(0) else { panic!("a map") };
        let one = AttributeValue::N("1".into());
        assert_eq!(seen["l"], AttributeValue::L(vec![one, AttributeValue::Null(true)]));
        let inner = [("k".to_owned(), AttributeValue::N("7".into()))];
        assert_eq!(seen["m"], AttributeValue::M(inner.into()));
    }
}
