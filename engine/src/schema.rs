//! The Arrow schema of an edge's type.

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use dsl::ty::{RecordTy, Ty};
use std::sync::Arc;

/// The schema of an edge that carries `ty`. `batch<T>` has the schema of T; a wire type has the one
/// column [`crate::batch::PAYLOAD`]; `object<W>` has `key` (Utf8), `size` (Int64) and `etag`
/// (Utf8); `Done` has no column, only rows.
pub fn arrow_schema(ty: &Ty) -> SchemaRef {
    let fields = match ty {
        Ty::Batch(inner) => return arrow_schema(inner),
        Ty::Record(record) => record_fields(record),
        Ty::Object(_) => vec![
            Field::new("key", DataType::Utf8, false),
            Field::new("size", DataType::Int64, false),
            Field::new("etag", DataType::Utf8, false),
        ],
        Ty::Done => Vec::new(),
        ty if ty.is_wire() => vec![Field::new(crate::batch::PAYLOAD, DataType::Binary, false)],
        other => unreachable!("no edge carries `{other}`"),
    };
    Arc::new(Schema::new(fields))
}

/// The Arrow type of a value inside a record. text, path, url, uuid and literals are Utf8; int and
/// size Int64; decimal(p, s) Decimal128(p, s); timestamp Timestamp(ns, UTC); date Date32; duration
/// Duration(ns); bytes Binary; list List; map Map; a record Struct.
pub fn data_type(ty: &Ty) -> DataType {
    match ty.non_null() {
        Ty::Int | Ty::Size => DataType::Int64,
        Ty::Float => DataType::Float64,
        Ty::Decimal { precision, scale } => DataType::Decimal128(*precision, *scale as i8),
        Ty::Bool => DataType::Boolean,
        Ty::Timestamp => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        Ty::Date => DataType::Date32,
        Ty::Duration => DataType::Duration(TimeUnit::Nanosecond),
        Ty::Bytes => DataType::Binary,
        Ty::Null | Ty::Unknown => DataType::Null,
        Ty::List(item) => DataType::List(Arc::new(field("item", item))),
        Ty::Map(key, value) => {
            let entries = vec![Field::new("keys", data_type(key), false), field("values", value)];
            DataType::Map(
                Arc::new(Field::new("entries", DataType::Struct(entries.into()), false)),
                false,
            )
        }
        Ty::Record(record) => DataType::Struct(record_fields(record).into()),
        _ => DataType::Utf8,
    }
}

/// Bytes of a value in a column, beside its text and the items of its list or map.
pub fn widths(ty: &DataType) -> u64 {
    match ty {
        DataType::Struct(fields) => fields.iter().map(|field| widths(field.data_type())).sum(),
        DataType::Binary | DataType::Utf8 | DataType::List(_) | DataType::Map(_, _) => 5,
        DataType::Boolean => 1,
        other => other.primitive_width().unwrap_or(0) as u64 + 1,
    }
}

fn record_fields(record: &RecordTy) -> Vec<Field> {
    assert!(record.dynamic.is_none(), "the checker keeps dynamic records off edges");
    record.fields.iter().map(|each| field(&each.name, &each.ty)).collect()
}

fn field(name: &str, ty: &Ty) -> Field {
    Field::new(name, data_type(ty), ty.is_nullable())
}
