//! Text: escapes, holes, blocks.

use super::{Builder, Built, Pair, next, only, parts};
use crate::ast::{ExprKind, Template, TemplatePart};
use crate::parse::grammar::Rule;
use crate::span::{Span, Spanned};
use crate::value::Value;

impl Builder<'_> {
    /// `"…"` as a value: a literal when it has no hole.
    pub(super) fn text(&mut self, pair: Pair) -> Built<ExprKind> {
        let template = self.template(pair)?;
        Ok(match literal(&template) {
            Some(text) => ExprKind::Literal(Value::Text(text)),
            None => ExprKind::Template(template),
        })
    }

    /// `"…"` where no hole can be.
    pub(super) fn plain_text(&mut self, pair: Pair) -> Built<Spanned<String>> {
        let template = self.template(pair)?;
        let span = template.span;
        let node = literal(&template).unwrap_or_else(|| {
            let help = "write the braces as `\\{` and `\\}`".into();
            self.mistake("this text cannot have holes", span, "has a `{…}` in it", help);
            String::new()
        });
        Ok(Spanned { node, span })
    }

    /// `"…"` or `"""…"""`, in pieces. In a block each escape is a piece of its own, so that a
    /// piece without escapes is as long as its span.
    pub(super) fn template(&mut self, pair: Pair) -> Built<Template> {
        let span = self.exact(&pair);
        let mut pieces: Vec<TemplatePart> = Vec::new();
        for part in parts(pair) {
            let at = self.exact(&part);
            match part.as_rule() {
                Rule::interp => pieces.push(self.hole(part)?),
                Rule::text => join(&mut pieces, part.as_str(), at),
                Rule::esc => {
                    let text = self.escape(part.as_str(), at);
                    join(&mut pieces, &text, at);
                }
                Rule::block_text | Rule::block_esc => {
                    let node = part.as_str().trim_start_matches(match part.as_rule() {
                        Rule::block_esc => "\\",
                        _ => "",
                    });
                    let text = Spanned { node: node.to_string(), span: at };
                    pieces.push(TemplatePart::Text(text));
                }
                _ => {}
            }
        }
        Ok(Template { parts: pieces, span })
    }

    fn hole(&mut self, pair: Pair) -> Built<TemplatePart> {
        let mut parts = parts(pair);
        let expr = self.expr(only(next(&mut parts)))?;
        let format = parts.next().map(|part| self.name(&part));
        Ok(TemplatePart::Hole { expr, format })
    }

    fn escape(&mut self, written: &str, span: Span) -> String {
        match &written[1..] {
            "n" => "\n".into(),
            "t" => "\t".into(),
            plain @ ("\"" | "\\" | "{" | "}") => plain.into(),
            other => {
                let message = format!("`\\{other}` is not an escape");
                let help = "escapes are `\\n`, `\\t`, `\\\"`, `\\\\`, `\\{` and `\\}`; \
                            a plain backslash is `\\\\`";
                self.mistake(&message, span, "", help.into());
                other.into()
            }
        }
    }
}

/// Appends to the last piece of text.
fn join(pieces: &mut Vec<TemplatePart>, text: &str, at: Span) {
    if let Some(TemplatePart::Text(last)) = pieces.last_mut() {
        last.node.push_str(text);
        last.span = last.span.to(at);
        return;
    }
    pieces.push(TemplatePart::Text(Spanned { node: text.to_string(), span: at }));
}

/// The text of a template without holes.
fn literal(template: &Template) -> Option<String> {
    let mut text = String::new();
    for part in &template.parts {
        match part {
            TemplatePart::Text(piece) => text.push_str(&piece.node),
            TemplatePart::Hole { .. } => return None,
        }
    }
    Some(text)
}
