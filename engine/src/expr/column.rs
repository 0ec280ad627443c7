//! A column of a value for each row, or one value for all rows.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, Datum, StringArray, UInt32Array};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use arrow_select::take::take;

/// The result of a part of an expression.
#[derive(Clone, Debug)]
pub(super) enum Column {
    /// A value for each row.
    Rows(ArrayRef),
    /// One value for all rows: an array of one row.
    One(ArrayRef),
}

impl Column {
    /// The type of the values.
    pub fn data_type(&self) -> &DataType {
        self.raw().data_type()
    }

    /// The array as it is, of one row or of all.
    pub fn raw(&self) -> &ArrayRef {
        match self {
            Column::Rows(array) | Column::One(array) => array,
        }
    }

    /// True for one value for all rows.
    pub fn is_one(&self) -> bool {
        matches!(self, Column::One(_))
    }

    /// A value for each of `rows` rows.
    pub fn array(self, rows: usize) -> ArrayRef {
        match self {
            Column::Rows(array) => array,
            Column::One(array) if rows == 1 => array,
            Column::One(array) => {
                let taken = take(array.as_ref(), &UInt32Array::from(vec![0; rows]), None);
                taken.expect("index 0 is there")
            }
        }
    }

    /// The same kind of column over another array.
    pub fn with(&self, array: ArrayRef) -> Column {
        match self {
            Column::Rows(_) => Column::Rows(array),
            Column::One(_) => Column::One(array),
        }
    }

    /// The values of a primitive type, by row.
    pub fn values<T: ArrowPrimitiveType>(&self) -> Values<'_, T::Native> {
        let mask = if self.is_one() { 0 } else { usize::MAX };
        Values { values: self.raw().as_primitive::<T>().values(), mask }
    }

    /// The texts, by row.
    pub fn texts(&self) -> Texts<'_> {
        let mask = if self.is_one() { 0 } else { usize::MAX };
        Texts { values: self.raw().as_string(), mask }
    }

    /// The index in [`Column::raw`] of a row.
    pub fn index(&self, row: usize) -> usize {
        if self.is_one() { 0 } else { row }
    }

    /// True where the value of a row is null.
    pub fn is_null(&self, row: usize) -> bool {
        self.raw().is_null(self.index(row))
    }

    /// Which of `rows` rows have a value; `None` = all.
    pub fn nulls(&self, rows: usize) -> Option<NullBuffer> {
        match self {
            Column::Rows(array) => array.logical_nulls(),
            Column::One(array) if array.is_null(0) => Some(NullBuffer::new_null(rows)),
            Column::One(_) => None,
        }
    }
}

impl Datum for Column {
    fn get(&self) -> (&dyn Array, bool) {
        (self.raw().as_ref(), self.is_one())
    }
}

/// Numbers by row.
pub(super) struct Values<'a, N> {
    values: &'a [N],
    mask: usize,
}

impl<N: Copy> Values<'_, N> {
    /// The number of a row; without meaning where it is null.
    #[inline]
    pub fn at(&self, row: usize) -> N {
        self.values[row & self.mask]
    }
}

/// Texts by row.
pub(super) struct Texts<'a> {
    values: &'a StringArray,
    mask: usize,
}

impl Texts<'_> {
    /// The text of a row; empty where it is null.
    #[inline]
    pub fn at(&self, row: usize) -> &str {
        self.values.value(row & self.mask)
    }
}
