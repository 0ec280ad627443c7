//! Text to AST: the pest grammar, recovery at declarations, and the problems of syntax.

use crate::ast;
use crate::problem::Problem;
use crate::span::{FileId, SourceMap};

/// Parses one file. Declarations that could not be parsed are left out and have a problem each.
pub fn parse(files: &SourceMap, file: FileId) -> (ast::File, Vec<Problem>) {
    let _ = (files, file);
    (ast::File::default(), Vec::new())
}
