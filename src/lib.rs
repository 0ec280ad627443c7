//! The `flowc` program as a library: arguments, one file per command, and how problems, tables and
//! runs look on a terminal. `main.rs` only calls [`render`] and its neighbours.

pub mod render;
