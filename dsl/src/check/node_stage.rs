//! The stages that are words of the language: `where`, `map`, `route`.

use super::draft::{Sender, Tap, in_batch, unbatched};
use super::flow::{Builder, End, Place, words};
use super::{expr, narrow, record};
use crate::ast::{self, Chain};
use crate::plan::{self, Port};
use crate::problem::Problem;
use crate::span::Span;
use crate::spec::NodeSpec;
use crate::ty::Ty;

/// Arms of one `route`, `else` included.
const ROUTE_ARMS_MAX: usize = 33;

impl<'a> Builder<'_, 'a> {
    /// `where cond`
    pub fn where_stage(
        &mut self,
        place: Place<'a>,
        cond: &'a ast::Expr,
        incoming: Option<Vec<Tap>>,
    ) -> End {
        let at = words(place.stage());
        let Some((taps, spec)) = self.records(place, "where", incoming) else {
            return self.wrong_stage(at, cond);
        };
        let tap = taps[0].clone();
        let cond = expr::condition(self.cx, cond, &self.scope(Some(&tap)));
        let narrowed = in_batch(&tap.ty, |ty| narrow::by(ty, &cond));
        let mut node = self.blank_node("where", spec, at);
        (node.input, node.output) = (Some(tap.ty.clone()), Some(narrowed.clone()));
        let reasons = expr::fallible(&cond).map(str::to_string).into_iter().collect();
        node.condition = Some(cond);
        let index = self.add(node, spec, reasons);
        self.connect(&taps, index);
        let sender = Sender::Node(index, Port::Out);
        End::open(vec![Tap { sender, ty: narrowed, at, batch: tap.batch }], vec![index])
    }

    /// Names in the condition of a `where` behind something wrong are still looked up.
    fn wrong_stage(&mut self, at: Span, cond: &'a ast::Expr) -> End {
        let tap = Tap::poison(at);
        let scope = self.scope(Some(&tap));
        expr::check(self.cx, cond, &scope, None);
        End::poison(at)
    }

    /// `map { … }`
    pub fn map_stage(
        &mut self,
        place: Place<'a>,
        written: &'a ast::Record,
        incoming: Option<Vec<Tap>>,
    ) -> End {
        let at = words(place.stage());
        let Some((taps, spec)) = self.records(place, "map", incoming) else {
            let tap = Tap::poison(at);
            let scope = self.scope(Some(&tap));
            record::check(self.cx, written, &scope, None);
            return End::poison(at);
        };
        let tap = taps[0].clone();
        let made = record::check(self.cx, written, &self.scope(Some(&tap)), None);
        let output = in_batch(&tap.ty, |_| made.ty.clone());
        self.carried(&output, at);
        let mut node = self.blank_node("map", spec, at);
        (node.input, node.output) = (Some(tap.ty.clone()), Some(output.clone()));
        let reasons = expr::fallible(&made).map(str::to_string).into_iter().collect();
        node.record = Some(made);
        let index = self.add(node, spec, reasons);
        self.connect(&taps, index);
        let sender = Sender::Node(index, Port::Out);
        End::open(vec![Tap { sender, ty: output, at, batch: tap.batch }], vec![index])
    }

    /// `route { cond -> chain … else -> chain }`: each record goes to the first arm that holds.
    pub fn route_stage(
        &mut self,
        place: Place<'a>,
        arms: &'a [(Option<ast::Expr>, Chain)],
        incoming: Option<Vec<Tap>>,
    ) -> End {
        let at = words(place.stage());
        self.route_arms(at, arms);
        let Some((taps, spec)) = self.records(place, "route", incoming) else {
            let poison = || Some(vec![Tap::poison(at)]);
            let ends = arms.iter().map(|(_, chain)| self.chain(chain, poison())).collect();
            return End::union(ends, at);
        };
        let tap = taps[0].clone();
        let scope = self.scope(Some(&tap));
        let (mut conditions, mut types) = (Vec::new(), Vec::new());
        for (cond, _) in arms {
            let cond = cond.as_ref().map(|cond| expr::condition(self.cx, cond, &scope));
            types.push(match &cond {
                Some(cond) => in_batch(&tap.ty, |ty| narrow::by(ty, cond)),
                None => tap.ty.clone(),
            });
            conditions.extend(cond);
        }
        let reasons: Vec<String> =
            conditions.iter().filter_map(expr::fallible).map(str::to_string).collect();
        let mut node = self.blank_node("route", spec, at);
        (node.input, node.output) = (Some(tap.ty.clone()), Some(tap.ty.clone()));
        node.conditions = conditions;
        let index = self.add(node, spec, reasons);
        self.connect(&taps, index);
        let mut ends = Vec::new();
        for (number, ((_, chain), ty)) in arms.iter().zip(types).enumerate() {
            let sender = Sender::Node(index, Port::Named(number.to_string()));
            let arm = Tap { sender, ty, at, batch: tap.batch };
            ends.push(self.chain(chain, Some(vec![arm])));
        }
        let mut end = End::union(ends, at);
        end.nodes.insert(0, index);
        end
    }

    /// E0507: the last arm, and no other, is `else`.
    fn route_arms(&mut self, at: Span, arms: &'a [(Option<ast::Expr>, Chain)]) {
        if arms.len() > ROUTE_ARMS_MAX {
            let what = format!("route with {} arms", arms.len());
            let instead = format!("at most {ROUTE_ARMS_MAX}: put a second `route` behind `else`");
            self.cx.unsupported(at, &what, &instead);
        }
        match arms.iter().position(|(cond, _)| cond.is_none()) {
            None => {
                let message = "`route` does not say where the other records go";
                let problem = Problem::error("E0507", message, at, "`else` is missing");
                self.cx.report(problem.help("add `else -> …`, or say you mean it: `else -> drop`"));
            }
            Some(last) if last + 1 < arms.len() => {
                let message = "nothing reaches the arms behind `else`";
                let span = arms[last + 1].1.span;
                let problem = Problem::error("E0507", message, span, "never reached");
                self.cx.report(problem.help("put `else` last"));
            }
            Some(_) => {}
        }
    }

    /// What arrives at a stage that needs records, and the stage's spec; `None` when it is wrong,
    /// which is reported.
    fn records(
        &mut self,
        place: Place<'a>,
        word: &'static str,
        incoming: Option<Vec<Tap>>,
    ) -> Option<(Vec<Tap>, &'static NodeSpec)> {
        let at = words(place.stage());
        let Some(taps) = incoming else {
            self.needs_input(at);
            return None;
        };
        let Some(spec) = self.cx.specs.get(word).copied() else {
            let instead = "write one chain for each case: `x -> where … -> …`";
            self.cx.unsupported(at, word, instead);
            return None;
        };
        let taps = self.join(taps, at);
        let tap = taps[0].clone();
        if !matches!(unbatched(&tap.ty), Ty::Record(_)) {
            if tap.ty != Ty::Unknown {
                self.encoded_fields(place, at, word, &tap);
            }
            return None;
        }
        Some((taps, spec))
    }
}

/// A record that takes fields over as they are, converted where `to` declares another type.
pub(crate) fn projection(
    from: &crate::ty::RecordTy,
    to: &crate::ty::RecordTy,
    at: Span,
) -> plan::Expr {
    let mut entries = Vec::new();
    for wanted in &to.fields {
        let Some(found) = from.field(&wanted.name) else { continue };
        let field = plan::ExprKind::Field(wanted.name.clone());
        let field = plan::Expr { kind: field, ty: found.ty.clone(), span: at };
        let value = match found.ty == wanted.ty {
            true => field,
            false => {
                let kind = plan::ExprKind::Cast(Box::new(field));
                plan::Expr { kind, ty: wanted.ty.clone(), span: at }
            }
        };
        entries.push(plan::Entry::Named(wanted.name.clone(), value));
    }
    plan::Expr { kind: plan::ExprKind::Record(entries), ty: Ty::Record(to.clone()), span: at }
}
