//! Tests of the checker on pieces of text.

mod exprs;
mod harness;
mod names;
mod records;
mod types;
