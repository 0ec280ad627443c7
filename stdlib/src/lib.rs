//! The nodes that flowc knows, one file each, and the services behind them.

pub mod json;
pub mod http;
pub mod nodes;
pub mod registry;
pub mod service;
