//! The services that resources are bound to.

pub mod local;
