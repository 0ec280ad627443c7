//! What a decoder makes of each field: the types of a record, laid out for decoding.

use super::scan::Key;
use arrow_schema::{DataType, Field, Fields};
use dsl::ty::{RecordTy, Ty};
use engine::schema::data_type;
use std::sync::Arc;

/// A field of a record, an item of a list, a value of a map.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The field's name, for its key and for messages; that of the list for its items.
    pub name: String,
    /// The name as a key.
    pub key: Key,
    /// May be null or missing.
    pub nullable: bool,
    /// The type without `?`, for messages and the values of text types.
    pub ty: Ty,
    /// Its Arrow type.
    pub data_type: DataType,
    /// What it holds inside.
    pub inner: Inner,
}

/// What a value is made of.
#[derive(Clone, Debug)]
pub enum Inner {
    /// Nothing: text, a number, a time, …
    Plain,
    /// Fields.
    Record(Vec<Shape>),
    /// Items.
    List(Box<Shape>),
    /// Values by text.
    Map(Box<Shape>),
}

impl Shape {
    /// The fields of a record, in order.
    pub fn fields(record: &RecordTy) -> Vec<Shape> {
        record.fields.iter().map(|field| Shape::new(&field.name, &field.ty)).collect()
    }

    fn new(name: &str, ty: &Ty) -> Shape {
        let inner = match ty.non_null() {
            Ty::Record(record) => Inner::Record(Shape::fields(record)),
            Ty::List(item) => Inner::List(Box::new(Shape::new(name, item))),
            Ty::Map(_, value) => Inner::Map(Box::new(Shape::new(name, value))),
            _ => Inner::Plain,
        };
        Shape {
            name: name.into(),
            key: Key::new(name),
            nullable: ty.is_nullable(),
            ty: ty.non_null().clone(),
            data_type: data_type(ty),
            inner,
        }
    }

    /// The Arrow fields of some fields.
    pub fn arrow(fields: &[Shape]) -> Fields {
        let field = |shape: &Shape| {
            Arc::new(Field::new(&shape.name, shape.data_type.clone(), shape.nullable))
        };
        fields.iter().map(field).collect()
    }

    /// True for the types that are text, with or without a form of their own.
    pub fn is_text(&self) -> bool {
        self.data_type == DataType::Utf8
    }

    /// True for a text that the type takes.
    pub fn takes(&self, text: &str) -> bool {
        match &self.ty {
            Ty::Literal(literal) => text == literal,
            Ty::Url => engine::expr::is_url(text),
            Ty::Uuid => engine::expr::is_uuid(text),
            _ => true,
        }
    }
}
