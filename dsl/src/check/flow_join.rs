//! Fan-in: what comes from several senders is of one type.

use super::draft::{Sender, Tap, unbatched};
use super::flow::Builder;
use super::node_stage::projection;
use crate::plan::Port;
use crate::problem::Problem;
use crate::span::Span;
use crate::ty::{RecordTy, Ty};

impl<'a> Builder<'_, 'a> {
    /// The senders of a node, all of the type of the first; reports those that are not (E0307).
    /// Records with the same fields in another order are put in the order of the first.
    pub fn join(&mut self, taps: Vec<Tap>, words: Span) -> Vec<Tap> {
        let Some(first) = taps.iter().find(|tap| tap.ty != Ty::Unknown).cloned() else {
            return vec![taps.first().cloned().unwrap_or_else(|| Tap::poison(words))];
        };
        let batch = taps.iter().all(|tap| tap.batch);
        let mut joined = Vec::new();
        for tap in taps {
            if tap.ty == Ty::Unknown {
                continue;
            }
            let tap = Tap { batch, ..tap };
            if tap.ty != first.ty {
                self.unequal(&first, &tap, words);
            } else if same_layout(&tap.ty, &first.ty) {
                joined.push(tap);
            } else {
                joined.push(self.project(tap, &first.ty));
            }
        }
        joined
    }

    /// E0307
    fn unequal(&mut self, first: &Tap, odd: &Tap, words: Span) {
        let name = self.cx.files.text(words).to_string();
        let message = format!("what arrives at `{name}` is of two types");
        let problem = Problem::error("E0307", message, odd.at, format!("sends  {}", odd.ty));
        let mut problem = problem.label(first.at, format!("sends  {}", first.ty));
        if words != odd.at && words != first.at {
            problem = problem.label(words, "takes both");
        }
        let fields = match (unbatched(&first.ty), unbatched(&odd.ty)) {
            (Ty::Record(first), Ty::Record(odd)) => difference(first, odd),
            _ => String::new(),
        };
        let help = format!("make them equal with a `map {{ … }}` before it{fields}");
        self.cx.report(problem.help(help));
    }

    /// Inserts a `map` that takes the fields of `to` over, where the records are not laid out like
    /// that already.
    pub fn project(&mut self, tap: Tap, to: &Ty) -> Tap {
        if same_layout(&tap.ty, to) {
            return Tap { ty: to.clone(), ..tap };
        }
        let spec = self.cx.specs.get("map").copied();
        let (Some(from), Some(wanted), Some(spec)) =
            (unbatched(&tap.ty).record(), unbatched(to).record(), spec)
        else {
            return Tap { ty: to.clone(), ..tap };
        };
        let mut node = self.blank_node("map", spec, tap.at);
        node.record = Some(projection(from, wanted, tap.at));
        (node.input, node.output) = (Some(tap.ty.clone()), Some(to.clone()));
        node.inserted = true;
        let index = self.add(node, spec, Vec::new());
        self.connect(std::slice::from_ref(&tap), index);
        Tap { sender: Sender::Node(index, Port::Out), ty: to.clone(), ..tap }
    }
}

/// Two equal types whose fields also stand in the same order.
fn same_layout(left: &Ty, right: &Ty) -> bool {
    match (left, right) {
        (Ty::Record(left), Ty::Record(right)) => {
            left.fields.len() == right.fields.len()
                && left
                    .fields
                    .iter()
                    .zip(&right.fields)
                    .all(|(l, r)| l.name == r.name && same_layout(&l.ty, &r.ty))
        }
        (Ty::Batch(left), Ty::Batch(right)) | (Ty::Nullable(left), Ty::Nullable(right)) => {
            same_layout(left, right)
        }
        _ => left == right,
    }
}

/// The fields in which two records differ, as an addition to a help text.
fn difference(first: &RecordTy, odd: &RecordTy) -> String {
    let mut lines = Vec::new();
    for field in &first.fields {
        match odd.field(&field.name) {
            None => lines.push(format!("{}: only in the first", field.name)),
            Some(other) if other.ty != field.ty => {
                lines.push(format!("{}: {} and {}", field.name, field.ty, other.ty));
            }
            Some(_) => {}
        }
    }
    let only = |field: &&crate::ty::Field| first.field(&field.name).is_none();
    lines.extend(odd.fields.iter().filter(only).map(|f| format!("{}: only in the other", f.name)));
    match lines.is_empty() {
        true => String::new(),
        false => format!("; they differ in\n\n    {}\n", lines.join("\n    ")),
    }
}
