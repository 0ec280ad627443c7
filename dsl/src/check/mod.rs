//! AST to plan: names, types, wires, graph, keys, quotas; every problem, one per cause.

mod consts;
mod cx;
mod expr;
mod expr_call;
mod expr_fit;
mod expr_name;
mod expr_op;
mod fold;
pub mod functions;
mod narrow;
mod record;
mod record_fit;
mod scope;
mod signature;
pub(crate) mod suggest;
mod template;
#[cfg(test)]
mod tests;
mod types;
mod words;

use crate::plan::Plan;
use crate::problem::Problem;
use crate::span::{FileId, SourceMap};
use crate::spec::NodeSpec;
use std::collections::BTreeMap;

/// What the user asked for on the command line.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The profile to lower for; `None` = `local`, or the only one.
    pub profile: Option<String>,
    /// `--param` and environment values, by parameter.
    pub params: BTreeMap<String, String>,
    /// The flows to run; empty = all.
    pub flows: Vec<String>,
    /// True for a run: a required parameter without a value is then a problem.
    pub run: bool,
}

/// Parses, checks (against all profiles) and lowers a file. The plan is there when no problem is an
/// error.
pub fn compile(
    files: &SourceMap,
    root: FileId,
    specs: &[&'static NodeSpec],
    request: &Request,
) -> (Option<Plan>, Vec<Problem>) {
    let _ = (files, root, specs, request);
    (None, Vec::new())
}
