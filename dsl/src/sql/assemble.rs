//! The SQL of a `query` declaration: holes replaced by tables' names, places kept.

use crate::ast::{ExprKind, Template, TemplatePart};
use crate::span::{Name, Span, Spanned};
use std::ops::Range;

/// SQL text, and where each piece of it stands in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assembled {
    /// The text.
    pub sql: String,
    /// The names in holes, in order: tables.
    pub tables: Vec<Name>,
    /// Pieces in order: where one begins in the text, its place in the file, and whether its bytes
    /// are those of the file.
    pieces: Vec<(usize, Span, bool)>,
}

impl Assembled {
    /// The place in the file of a range of the text.
    pub fn span(&self, at: &Range<usize>) -> Span {
        let start = self.place(at.start, false);
        let end = self.place(at.end.max(at.start), true);
        if start.file == end.file && end.end >= start.start { start.to(end) } else { start }
    }

    /// The place of one byte; `last` for one past the last of a range.
    fn place(&self, byte: usize, last: bool) -> Span {
        let before = |start: usize| if last { start < byte } else { start <= byte };
        let found = self.pieces.iter().rev().find(|(start, ..)| before(*start));
        let Some((start, span, exact)) = found.or(self.pieces.first()) else {
            return Span::default();
        };
        if !exact {
            return *span;
        }
        let at = (span.start + (byte - (*start).min(byte)) as u32).min(span.end);
        Span { start: at, end: at, ..*span }
    }
}

/// Puts the SQL of a query together. A hole holds a table's name alone; the place of any other is
/// the error.
pub fn assemble(template: &Template) -> Result<Assembled, Span> {
    let mut assembled = Assembled::default();
    for part in &template.parts {
        let at = assembled.sql.len();
        match part {
            TemplatePart::Text(Spanned { node, span }) => {
                assembled.pieces.push((at, *span, node.len() == span.len()));
                assembled.sql.push_str(node);
            }
            TemplatePart::Hole { expr, format: None } => {
                let ExprKind::Ident(name) = &expr.kind else { return Err(expr.span) };
                assembled.pieces.push((at, expr.span, name.len() == expr.span.len()));
                assembled.sql.push_str(name);
                assembled.tables.push(Spanned { node: name.clone(), span: expr.span });
            }
            TemplatePart::Hole { expr, .. } => return Err(expr.span),
        }
    }
    Ok(assembled)
}
