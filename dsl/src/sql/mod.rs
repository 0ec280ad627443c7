//! Redshift SQL: parsed, checked against the declared types, and typed.
//!
//! Only `select` is accepted. Names are case-insensitive. An `int` is Redshift's `bigint`, a text
//! is a `varchar` of any length, a timestamp has no zone. What Redshift has and this does not is
//! a problem that says so.

mod aggregate;
mod assemble;
mod cast;
mod check;
mod coerce;
pub mod decimal;
pub mod format;
mod from;
mod functions;
pub mod literal;
mod names;
mod operators;
mod order;
mod problem;
mod query;
mod rename;
mod scalar;
mod special;
#[cfg(test)]
mod tests;
pub mod typed;
mod window;

pub use assemble::{Assembled, assemble};
pub use check::check;
pub use problem::SqlProblem;
pub use rename::{Renamed, rename};
pub use typed::Column;

use crate::ty::{RecordTy, Ty};

/// A declared table that a query may name.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    /// Its name in the file.
    pub name: &'a str,
    /// Its columns.
    pub record: &'a RecordTy,
}

/// A query without problems.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The typed query.
    pub query: typed::Query,
    /// The names and types of the result's columns; a type is nullable where a null can come out.
    pub columns: Vec<(String, Ty)>,
}

/// The parts of a date that `date_trunc`, `date_part`, `dateadd` and `datediff` take, by their
/// canonical names; `date_part` also takes `dow`, `doy` and `epoch`.
pub const PARTS: [&str; 13] = [
    "microsecond",
    "millisecond",
    "second",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "quarter",
    "year",
    "decade",
    "century",
    "millennium",
];
