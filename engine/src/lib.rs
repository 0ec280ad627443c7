//! A checked plan as a running graph: batches, channels, drivers, acknowledgements, checkpoints,
//! retry, metrics.
//!
//! One verb: [`run::run`]. The crate knows no provider, no terminal and no environment; time,
//! randomness and storage come in through [`ctx::Ctx`].

pub mod ack;
pub mod batch;
pub mod ctx;
pub mod expr;
pub mod failpoint;
pub mod fault;
mod ledger;
pub mod memory;
pub mod node;
pub mod registry;
pub mod retry;
pub mod run;
pub mod schema;
pub mod sim;
pub mod summary;
pub mod testing;
