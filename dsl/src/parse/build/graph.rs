//! Statements, chains, stages and uses of nodes.

use super::{Builder, Built, Pair, next, only, parts};
use crate::ast::*;
use crate::parse::grammar::Rule;
use crate::problem::Problem;
use crate::span::{Name, Span, Spanned};

impl Builder<'_> {
    pub(super) fn body(&mut self, pair: Pair) -> Built<Body> {
        let span = self.span(&pair);
        let mut stmts = Vec::new();
        let mut before: Option<Span> = None;
        for stmt in parts(pair) {
            let here = self.span(&stmt);
            if let Some(before) = before {
                self.check_line(before, here);
            }
            before = Some(here);
            stmts.push(self.stmt(only(stmt))?);
        }
        Ok(Body { stmts, span })
    }

    /// Two statements in one line: an arrow was forgotten.
    fn check_line(&mut self, left: Span, right: Span) {
        let between = &self.text[left.end as usize..right.start as usize];
        let comma = self.text[..left.end as usize].ends_with(','); // already noted
        if comma || between.contains('\n') {
            return;
        }
        let last = self.text[left.start as usize..left.end as usize].lines().last().unwrap_or("");
        let next = &self.text[right.start as usize..right.end as usize];
        let next = next.lines().next().unwrap_or("");
        let label = "an arrow is missing before this";
        let at = self.first_word(right);
        let problem = Problem::error("E0102", "expected `->` or a line break", at, label);
        self.problem(problem.help(format!("write `{} -> {next}`", last.trim())));
    }

    fn stmt(&mut self, pair: Pair) -> Built<Stmt> {
        if pair.as_rule() == Rule::chain {
            return Ok(Stmt::Chain(self.chain(pair)?));
        }
        let mut parts = parts(pair);
        let name = self.name(&next(&mut parts));
        Ok(Stmt::Let { name, chain: self.chain(next(&mut parts))? })
    }

    fn chain(&mut self, pair: Pair) -> Built<Chain> {
        let span = self.span(&pair);
        self.deeper(1, span, |builder| {
            let stages = parts(pair).map(|part| builder.stage(part)).collect::<Built<_>>()?;
            Ok(Chain { stages, span })
        })
    }

    fn stage(&mut self, pair: Pair) -> Built<Stage> {
        let span = self.span(&pair);
        let pair = only(pair);
        let kind = match pair.as_rule() {
            Rule::fan => {
                let chains = parts(pair).map(|part| self.chain(part));
                StageKind::Fan(chains.collect::<Built<_>>()?)
            }
            Rule::where_s => {
                let cond = self.expr(only(pair))?;
                self.check_arrow(&cond);
                StageKind::Where(cond)
            }
            Rule::map_s => StageKind::Map(self.record(only(pair))?),
            Rule::route_s => StageKind::Route(self.route(pair)?),
            _ => StageKind::Node(Box::new(self.node(pair)?)),
        };
        Ok(Stage { kind, span })
    }

    /// `where .a > 0 > b`: the last `>` was meant as an arrow.
    fn check_arrow(&mut self, cond: &Expr) {
        use BinaryOp::{Eq, Ge, Gt, Le, Lt, Ne};
        let ExprKind::Binary { op, left, right } = &cond.kind else { return };
        let compares = matches!(&left.kind, ExprKind::Binary { op, .. }
            if matches!(op.node, Eq | Ne | Lt | Le | Gt | Ge));
        if op.node != Gt || !compares {
            return;
        }
        let text = &self.text[right.span.start as usize..right.span.end as usize];
        let help = format!("edges are written `->`: `-> {text}`");
        let problem = Problem::error("E0104", "`>` is not an arrow", op.span, "not an edge");
        self.problem(problem.help(help));
    }

    fn route(&mut self, pair: Pair) -> Built<Vec<(Option<Expr>, Chain)>> {
        let mut arms = Vec::new();
        for arm in parts(pair) {
            let mut parts = parts(arm);
            let cond = next(&mut parts);
            let cond = match cond.as_rule() {
                Rule::kw_else => None,
                _ => Some(self.expr(cond)?),
            };
            arms.push((cond, self.chain(next(&mut parts))?));
        }
        Ok(arms)
    }

    fn node(&mut self, pair: Pair) -> Built<NodeUse> {
        let span = self.span(&pair);
        self.deeper(1, span, |builder| {
            let mut parts = parts(pair);
            let call = builder.call(next(&mut parts))?;
            let mut node = NodeUse { call, record: None, claim: None, catch: None, span };
            for part in parts {
                match part.as_rule() {
                    Rule::record => node.record = Some(builder.record(part)?),
                    Rule::claim => node.claim = Some(builder.ty(only(part))?),
                    _ => node.catch = Some(Box::new(builder.node(only(part))?)),
                }
            }
            Ok(node)
        })
    }

    pub(super) fn call(&mut self, pair: Pair) -> Built<Call> {
        let span = self.span(&pair);
        let mut parts = parts(pair);
        let path = self.path(&next(&mut parts));
        let args = parts.next().map(|part| self.args(part)).transpose()?;
        Ok(Call { path, args, span })
    }

    /// `a.b.c`; the parts touch each other.
    pub(super) fn path(&self, pair: &Pair) -> Vec<Name> {
        let mut start = self.exact(pair).start as usize;
        let words = pair.as_str().split('.').map(|word| {
            let span = Span::new(self.file, start, start + word.len());
            start += word.len() + 1;
            Spanned { node: word.to_string(), span }
        });
        words.collect()
    }

    pub(super) fn args(&mut self, pair: Pair) -> Built<Vec<Arg>> {
        let mut args = Vec::new();
        for arg in parts(pair) {
            self.check_separator(&arg, "an option");
            let mut parts = parts(arg).peekable();
            let name = parts.next_if(|part| part.as_rule() == Rule::name);
            let name = name.map(|part| self.name(&part));
            let value = next(&mut parts);
            let value = match value.as_rule() {
                Rule::lambda => self.lambda(value)?,
                _ => self.expr(value)?,
            };
            args.push(Arg { name, value });
        }
        Ok(args)
    }
}
