//! Rows that an expression could not work out.

use super::all_true;
use arrow_array::BooleanArray;
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};

/// Why one row has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExprFault {
    /// Index of the row.
    pub row: usize,
    /// `overflow`, `division_by_zero` or `conversion`.
    pub code: &'static str,
    /// What is wrong, in one sentence.
    pub message: String,
}

/// The rows that failed, one fault each, in row order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(Vec<ExprFault>);

impl Faults {
    /// True when every row has a result.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many rows failed.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The faults.
    pub fn iter(&self) -> impl Iterator<Item = &ExprFault> {
        self.0.iter()
    }

    /// True for the rows that have a result.
    pub fn good(&self, rows: usize) -> BooleanArray {
        if self.0.is_empty() {
            return BooleanArray::new(all_true(rows), None);
        }
        let mut good = BooleanBufferBuilder::new(rows);
        good.append_n(rows, true);
        for fault in &self.0 {
            good.set_bit(fault.row, false);
        }
        BooleanArray::new(good.finish(), None)
    }

    /// Adds a fault; the first of a row is the one that is kept.
    pub(super) fn add(&mut self, row: usize, code: &'static str, message: String) {
        self.0.push(ExprFault { row, code, message });
    }

    /// Adds the faults of the rows for which `wanted` is true.
    pub(super) fn add_where(&mut self, other: Faults, wanted: &BooleanBuffer) {
        self.0.extend(other.0.into_iter().filter(|fault| wanted.value(fault.row)));
    }

    /// In row order, the first of each row.
    pub(super) fn sorted(mut self) -> Faults {
        self.0.sort_by_key(|fault| fault.row);
        self.0.dedup_by_key(|fault| fault.row);
        self
    }
}

impl IntoIterator for Faults {
    type Item = ExprFault;
    type IntoIter = std::vec::IntoIter<ExprFault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
