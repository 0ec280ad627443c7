//! Expressions: precedence, postfix operators, literals, records.

use super::{Builder, Built, Pair, next, only, parts};
use crate::ast::*;
use crate::parse::grammar::Rule;
use crate::span::{Span, Spanned};
use crate::value::Value;
use pest::pratt_parser::{Assoc, Op, PrattParser};
use std::sync::LazyLock;

/// From loosest to tightest, as [`BinaryOp`] says; `not` binds looser than a comparison.
static PRECEDENCE: LazyLock<PrattParser<Rule>> = LazyLock::new(|| {
    PrattParser::new()
        .op(Op::infix(Rule::catch_op, Assoc::Left))
        .op(Op::infix(Rule::or_op, Assoc::Left))
        .op(Op::infix(Rule::and_op, Assoc::Left))
        .op(Op::prefix(Rule::not_op))
        .op(Op::infix(Rule::cmp_op, Assoc::Left))
        .op(Op::infix(Rule::coalesce_op, Assoc::Left))
        .op(Op::infix(Rule::add_op, Assoc::Left))
        .op(Op::infix(Rule::mul_op, Assoc::Left))
        .op(Op::prefix(Rule::neg_op))
});

impl Builder<'_> {
    pub(super) fn expr(&mut self, pair: Pair) -> Built<Expr> {
        let span = self.span(&pair);
        self.deeper(1, span, |builder| {
            let pair = only(pair);
            match pair.as_rule() {
                Rule::cond => builder.cond(pair, span),
                _ => builder.binary(pair, span),
            }
        })
    }

    fn cond(&mut self, pair: Pair, span: Span) -> Built<Expr> {
        // `else` is no mark, since an arm of a route needs it
        let mut parts = parts(pair).filter(|part| part.as_rule() == Rule::expr);
        let mut part = || Ok(Box::new(self.expr(next(&mut parts))?));
        let (cond, then, other) = (part()?, part()?, part()?);
        Ok(Expr { kind: ExprKind::If { cond, then, other }, span })
    }

    fn binary(&mut self, pair: Pair, span: Span) -> Built<Expr> {
        let ops = parts(pair.clone()).filter(|part| part.as_rule() != Rule::postfix);
        let mut count = 0;
        for op in ops {
            self.check_operator(&op);
            count += 1;
        }
        let (file, base) = (self.file, self.base);
        let at = |op: &Pair| {
            let span = op.as_span();
            Span::new(file, base + span.start(), base + span.end())
        };
        self.deeper(count, span, |builder| {
            PRECEDENCE
                .map_primary(|part| builder.postfix(part))
                .map_prefix(|op, expr| {
                    let span = at(&op);
                    Ok(unary(op, span, expr?))
                })
                .map_infix(|left, op, right| {
                    let (left, right) = (Box::new(left?), Box::new(right?));
                    let op_span = at(&op);
                    let op = Spanned { node: binary_op(op.as_str()), span: op_span };
                    let span = left.span.to(right.span);
                    Ok(Expr { kind: ExprKind::Binary { op, left, right }, span })
                })
                .parse(parts(pair))
        })
    }

    /// Operators of other languages.
    fn check_operator(&mut self, op: &Pair) {
        let ours = match op.as_str() {
            "=" | "===" => "==",
            "<>" => "!=",
            "&&" => "and",
            "||" => "or",
            "!" => "not",
            _ => return,
        };
        let span = self.exact(op);
        let message = format!("`{}` is not an operator here", op.as_str());
        self.mistake(&message, span, "", format!("write `{ours}`"));
    }

    fn postfix(&mut self, pair: Pair) -> Built<Expr> {
        let span = self.span(&pair);
        let mut all: Vec<Pair> = parts(pair).collect();
        let suffixes = all.split_off(1);
        let primary = all.remove(0);
        self.deeper(suffixes.len(), span, |builder| {
            let mut expr = builder.primary(only(primary))?;
            for suffix in suffixes {
                expr = builder.suffix(expr, only(suffix))?;
            }
            Ok(expr)
        })
    }

    fn suffix(&mut self, of: Expr, pair: Pair) -> Built<Expr> {
        let span = of.span.to(self.span(&pair));
        let of = Box::new(of);
        let optional = pair.as_str().starts_with('?');
        let kind = match pair.as_rule() {
            Rule::args => ExprKind::Call { of, args: self.args(pair)? },
            Rule::get => ExprKind::Get { of, name: self.name(&only(pair)), optional },
            _ => {
                let index = Box::new(self.expr(only(only(pair)))?);
                ExprKind::Index { of, index, optional }
            }
        };
        Ok(Expr { kind, span })
    }

    fn primary(&mut self, pair: Pair) -> Built<Expr> {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::quantity => ExprKind::Literal(self.quantity(pair.as_str(), span)),
            Rule::number => ExprKind::Literal(self.number(pair.as_str(), span)),
            Rule::bad_number => ExprKind::Literal(self.bad_number(pair.as_str(), span)),
            Rule::bool => ExprKind::Literal(Value::Bool(pair.as_str() == "true")),
            Rule::null => ExprKind::Literal(Value::Null),
            Rule::string => self.text(pair)?,
            Rule::block_string => ExprKind::Template(self.template(pair)?),
            Rule::field => ExprKind::Field(self.field_name(&pair).node),
            Rule::ident => ExprKind::Ident(pair.as_str().to_string()),
            Rule::list => {
                let items = parts(pair).map(|part| self.expr(part));
                ExprKind::List(items.collect::<Built<_>>()?)
            }
            Rule::record => ExprKind::Record(self.record(pair)?),
            Rule::group => return self.expr(only(pair)),
            other => unreachable!("{other:?} is no value"),
        };
        Ok(Expr { kind, span })
    }

    pub(super) fn lambda(&mut self, pair: Pair) -> Built<Expr> {
        let span = self.span(&pair);
        let mut parts = parts(pair);
        let param = self.name(&next(&mut parts));
        let body = Box::new(self.expr(next(&mut parts))?);
        Ok(Expr { kind: ExprKind::Lambda { param, body }, span })
    }

    pub(super) fn record(&mut self, pair: Pair) -> Built<Record> {
        self.check_parted(&pair, |rule| rule == Rule::entry, "this record");
        let span = self.span(&pair);
        let entries = parts(pair).map(|part| self.entry(only(part))).collect::<Built<_>>()?;
        Ok(Record { entries, span })
    }

    fn entry(&mut self, pair: Pair) -> Built<Entry> {
        let (rule, span) = (pair.as_rule(), self.span(&pair));
        self.check_separator(&pair, "an entry");
        let mut parts = parts(pair);
        if rule == Rule::spread {
            let expr = parts.next().map(|part| self.expr(only(part))).transpose()?;
            return Ok(Entry::Spread { expr, span });
        }
        let first = next(&mut parts);
        if rule == Rule::shorthand {
            return Ok(Entry::Shorthand(self.field_name(&first)));
        }
        if rule == Rule::computed {
            let name = self.expr(first)?;
            return Ok(Entry::Computed { name, value: self.expr(next(&mut parts))? });
        }
        let name = match first.as_rule() {
            Rule::string => self.plain_text(first)?,
            Rule::name => self.name(&first),
            _ => {
                let name = self.field_name(&first);
                let help = format!("write `{}: …`", first.as_str().trim_start_matches('.'));
                let message = "a name before `:` has no dot";
                self.mistake(message, name.span, "the new field's name", help);
                name
            }
        };
        Ok(Entry::Named { name, value: self.expr(next(&mut parts))? })
    }
}

fn unary(op: Pair, at: Span, expr: Expr) -> Expr {
    let node = if op.as_rule() == Rule::neg_op { UnaryOp::Neg } else { UnaryOp::Not };
    let span = at.to(expr.span);
    let op = Spanned { node, span: at };
    Expr { kind: ExprKind::Unary { op, expr: Box::new(expr) }, span }
}

fn binary_op(word: &str) -> BinaryOp {
    match word {
        "catch" => BinaryOp::Catch,
        "or" | "||" => BinaryOp::Or,
        "and" | "&&" => BinaryOp::And,
        "==" | "===" | "=" => BinaryOp::Eq,
        "!=" | "<>" => BinaryOp::Ne,
        "<" => BinaryOp::Lt,
        "<=" => BinaryOp::Le,
        ">" => BinaryOp::Gt,
        ">=" => BinaryOp::Ge,
        "has" => BinaryOp::Has,
        "??" => BinaryOp::Coalesce,
        "+" => BinaryOp::Add,
        "-" => BinaryOp::Sub,
        "*" => BinaryOp::Mul,
        "/" => BinaryOp::Div,
        "%" => BinaryOp::Rem,
        other => unreachable!("{other} is no operator"),
    }
}
