//! Typed expressions, compiled once to column kernels.

pub mod decimal;
pub mod time;
