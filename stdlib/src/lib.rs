//! The nodes that flowc knows, one file each, and the services behind them.

mod compress;
pub mod csv;
pub mod failpoints;
pub mod http;
pub mod json;
mod level;
pub mod memory;
pub mod nodes;
pub mod outside;
pub mod registry;
pub mod replay;
mod rows;
pub mod service;
