//! Tests of the checker on pieces of text.

mod exprs;
mod harness;
mod records;
mod types;
