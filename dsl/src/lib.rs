//! The `.flow` language: text in, a checked plan and problems out.
//!
//! This crate is pure. It reads no file, no clock, no environment and no network; the caller hands
//! it the text of
//! every file, the specifications of the nodes and the request, and gets a [`plan::Plan`] and
//! [`problem::Problem`]s.

pub mod ast;
pub mod check;
pub mod draw;
pub mod parse;
pub mod percent;
pub mod plan;
pub mod problem;
pub mod quotas;
pub mod span;
pub mod spec;
pub mod sql;
pub mod ty;
pub mod value;
