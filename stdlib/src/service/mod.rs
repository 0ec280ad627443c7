//! The services that resources are bound to.

pub mod local;

/// The services of a run, opened; shared by all nodes.
#[derive(Debug, Default)]
pub struct Services;
