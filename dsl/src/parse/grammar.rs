//! The parser that pest makes of `flow.pest`.

#![allow(missing_docs)] // the rules are named in the grammar

use pest_derive::Parser;

#[derive(Parser)]
#[grammar = "parse/flow.pest"]
pub(super) struct FlowParser;
