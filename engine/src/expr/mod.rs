//! Typed expressions, compiled once to column kernels.
