//! The flowc program.
fn main() {}
