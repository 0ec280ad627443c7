//! A declared node in a chain: its body is built in the place of its use.

use super::cx::{Cx, NodeDecl};
use super::draft::{Sender, Tap, unbatched};
use super::flow::{Body, Builder, End, Place};
use super::record::{self, Want};
use super::scope::{Local, Scope};
use super::template::literal;
use super::{consts, decls, signature, suggest, types};
use crate::ast::{Arg, Formal, NodeUse};
use crate::problem::Problem;
use crate::span::Span;
use crate::ty::{Field, RecordTy, Ty};
use petgraph::graph::NodeIndex;
use std::collections::BTreeMap;

impl<'a> Builder<'_, 'a> {
    /// `lines()`
    pub fn declared_stage(
        &mut self,
        place: Place<'a>,
        node: &'a NodeUse,
        name: &'a str,
        incoming: Option<Vec<Tap>>,
    ) -> End {
        let words = node.call.path_span();
        if self.inlined.iter().any(|(outer, _)| *outer == name) {
            self.cycle_of_nodes(name, words);
            return End::poison(words);
        }
        self.no_extras(node);
        let Some(decl) = self.cx.decls.nodes.get_mut(name) else { return End::poison(words) };
        decl.used = true;
        let (formals, input) = (decl.formals, decl.input);
        let locals = self.arguments(node, name, formals);
        let input = match (input, incoming) {
            (None, Some(taps)) if !self.is_poison(&taps) => {
                return self.source_as_sink(words, place);
            }
            (None, _) => None,
            (Some(_), None) => return self.needs_input(words),
            (Some(_), Some(taps)) => Some(self.join(taps, words)),
        };
        let first = self.draft.graph.node_count();
        self.inlined.push((name, words));
        let out = self.body_of_node(name, input, locals);
        self.inlined.pop();
        let nodes = (first..self.draft.graph.node_count()).map(NodeIndex::new).collect();
        let taps = out.into_iter().map(|tap| Tap { at: words, ..tap }).collect();
        End::open(taps, nodes)
    }

    /// Checks a declared node that no flow uses, with its input as declared.
    pub fn check_unused_node(&mut self, name: &'a str) {
        let Some(decl) = self.cx.decls.nodes.get(name) else { return };
        let (formals, input, words) = (decl.formals, decl.input, decl.name.span);
        let mut locals = BTreeMap::new();
        for formal in formals {
            let ty = types::resolve(self.cx, &formal.ty);
            if let Some(default) = &formal.default {
                consts::value(self.cx, default, &Scope::empty(), Some(&ty));
            }
            locals.insert(formal.name.node.clone(), Local { ty, value: None, literal: false });
        }
        let input = input.map(|ty| {
            let ty = closed(types::resolve_signature(self.cx, ty));
            vec![Tap { sender: Sender::Nothing, ty, at: words, batch: false }]
        });
        self.inlined.push((name, words));
        self.body_of_node(name, input, locals);
        self.inlined.pop();
    }

    /// Builds the body of a declared node; gives what reaches `out`.
    fn body_of_node(
        &mut self,
        name: &'a str,
        input: Option<Vec<Tap>>,
        locals: BTreeMap<String, Local>,
    ) -> Vec<Tap> {
        let NodeDecl { name: declared, input: takes, output, body, .. } =
            &self.cx.decls.nodes[name];
        let (declared, takes, output, body) = (declared.span, *takes, *output, *body);
        let wants = takes.map(|ty| (types::resolve_signature(self.cx, ty), ty.span));
        let sends = types::resolve_signature(self.cx, output);
        let mut rest = None;
        let input = match (input, &wants) {
            (Some(taps), Some((wanted, span))) => {
                rest = passed_through(wanted, &taps);
                let mut fitted = Vec::new();
                for tap in taps {
                    fitted.push(self.fitted(tap, wanted, (name, *span), None));
                }
                Some(fitted)
            }
            _ => None,
        };
        let inner = Body { input, locals, ..Body::default() };
        let outer = std::mem::replace(&mut self.body, inner);
        self.statements(body);
        let inner = std::mem::replace(&mut self.body, outer);
        if takes.is_some() && !inner.used.contains("in") {
            let message = format!("node `{name}` never reads `in`");
            let problem = Problem::error("E0506", message, declared, "what arrives goes nowhere");
            self.cx.report(problem.help("begin a chain with `in -> …`"));
        }
        if !inner.used.contains("out") {
            let message = format!("node `{name}` never sends to `out`");
            let problem = Problem::error("E0505", message, declared, "sends nothing");
            self.cx.report(problem.help("end a chain with `… -> out`"));
            return vec![Tap::poison(declared)];
        }
        let out = self.join(inner.out, declared);
        let mut sent = Vec::new();
        for tap in out {
            sent.push(self.fitted(tap, &sends, (name, output.span), rest.as_ref()));
        }
        sent
    }

    /// `tap` as the type that a signature declares; reports where it does not fit (E0301). `...`
    /// in the declared record lets the other fields through.
    fn fitted(
        &mut self,
        tap: Tap,
        wanted: &Ty,
        (name, declared): (&str, Span),
        rest: Option<&RecordTy>,
    ) -> Tap {
        if tap.ty == Ty::Unknown || *wanted == Ty::Unknown {
            return tap;
        }
        match (tap.record(), wanted) {
            (Ty::Record(found), Ty::Record(record)) => {
                let owner = format!("node `{name}`");
                let declared = Some(declared);
                let want =
                    Want { ty: record, exact: false, partial: false, key: None, owner, declared };
                let (found, whole) = (found.clone(), tap.record().clone());
                if !record::conforms(self.cx, &whole, &want, tap.at, tap.at) {
                    return Tap::poison(tap.at);
                }
                let target = Ty::Record(target(record, rest.unwrap_or(&found), &found));
                let target = super::draft::in_batch(&tap.ty, |_| target);
                self.project(tap, &target)
            }
            (found, wanted) if found == wanted || signature::is_subtype(found, wanted) => {
                let ty = super::draft::in_batch(&tap.ty, |_| wanted.clone());
                Tap { ty, ..tap }
            }
            _ if tap.ty == *wanted => tap,
            _ => {
                let message = format!("node `{name}` declares {wanted}, and this is {}", tap.ty);
                let problem =
                    Problem::error("E0301", message, tap.at, format!("sends  {}", tap.ty));
                let problem = problem.label(declared, format!("declared as  {wanted}"));
                self.cx.report(problem.help("change the declaration, or what is sent"));
                Tap::poison(tap.at)
            }
        }
    }

    /// The values of the parameters in one use.
    fn arguments(
        &mut self,
        node: &'a NodeUse,
        name: &str,
        formals: &'a [Formal],
    ) -> BTreeMap<String, Local> {
        let mut locals = BTreeMap::new();
        let mut given: BTreeMap<&str, &'a Arg> = BTreeMap::new();
        let mut unnamed = formals.iter();
        for arg in node.call.args.as_deref().unwrap_or_default() {
            let formal = match &arg.name {
                Some(word) => formals.iter().find(|formal| formal.name.node == word.node),
                None => unnamed.next(),
            };
            match formal {
                None => unknown_argument(self.cx, node, name, arg, formals),
                Some(formal) => {
                    if let Some(first) = given.insert(&formal.name.node, arg) {
                        let again = arg.name.as_ref().map_or(arg.value.span, |name| name.span);
                        let again =
                            crate::span::Spanned { node: formal.name.node.clone(), span: again };
                        decls::duplicate(self.cx, &again, first.value.span);
                    }
                }
            }
        }
        let empty = Scope::empty();
        let outer = Scope { locals: self.body.locals.clone(), ..Scope::empty() };
        for formal in formals {
            let ty = types::resolve(self.cx, &formal.ty);
            let word = formal.name.node.as_str();
            let written = match given.get(word) {
                Some(arg) => Some((&arg.value, &outer)),
                None => formal.default.as_ref().map(|default| (default, &empty)),
            };
            let literal = written.is_some_and(|(expr, scope)| literal(self.cx, expr, scope));
            let value = match written {
                Some((expr, scope)) => consts::value(self.cx, expr, scope, Some(&ty)),
                None => {
                    let message = format!("`{name}` needs `{word}`");
                    let label = format!("`{word}: {ty}` is missing");
                    let problem = Problem::error("E0204", message, node.call.path_span(), label);
                    self.cx.report(problem.help(format!("write `{name}({word}: …)`")));
                    None
                }
            };
            let value = value.map(|(value, _)| value);
            locals.insert(word.to_string(), Local { ty, value, literal });
        }
        locals
    }

    /// A declared node takes no record and no claim.
    fn no_extras(&mut self, node: &'a NodeUse) {
        let record = node.record.as_ref().map(|record| record.span);
        let extra = record.or(node.claim.as_ref().map(|claim| claim.span));
        if let Some(span) = extra {
            let message = format!("`{}` takes only arguments in parentheses", node.call.dotted());
            let problem = Problem::error("E0203", message, span, "this cannot stand here");
            self.cx.report(problem.help("pass values as parameters"));
        }
    }

    /// E0504: a declared node that uses itself.
    fn cycle_of_nodes(&mut self, name: &str, words: Span) {
        let message = format!("node `{name}` uses itself");
        let mut problem = Problem::error("E0504", message, words, "this closes the cycle");
        let start = self.inlined.iter().position(|(outer, _)| *outer == name).unwrap_or(0);
        for (inner, at) in self.inlined[start..].iter().skip(1) {
            problem = problem.label(*at, format!("by way of `{inner}`"));
        }
        let declared = self.cx.decls.nodes[name].name.span;
        let help = "write the records to a stream and read them from there";
        self.cx.report(problem.label(declared, "declared here").help(help));
    }
}

/// The fields that `...` in the input passes through.
fn passed_through(wanted: &Ty, taps: &[Tap]) -> Option<RecordTy> {
    let wanted = wanted.record().filter(|record| record.open)?;
    let mut found = taps.first().and_then(|tap| unbatched(&tap.ty).record()).cloned()?;
    found.fields.retain(|field| wanted.field(&field.name).is_none());
    Some(found)
}

/// The declared fields, then those of `rest` that were found, where the declaration is open.
fn target(declared: &RecordTy, rest: &RecordTy, found: &RecordTy) -> RecordTy {
    let mut target = RecordTy { open: false, ..declared.clone() };
    if declared.open {
        target.name = None;
        let further = |field: &&Field| {
            declared.field(&field.name).is_none() && found.field(&field.name).is_some()
        };
        let further: Vec<Field> = rest.fields.iter().filter(further).cloned().collect();
        target.fields.extend(further);
    }
    target
}

/// A signature's record without its `...`.
fn closed(ty: Ty) -> Ty {
    match ty {
        Ty::Record(record) => Ty::Record(RecordTy { open: false, ..record }),
        other => other,
    }
}

/// E0203
fn unknown_argument(cx: &mut Cx, node: &NodeUse, name: &str, arg: &Arg, formals: &[Formal]) {
    let all: Vec<&str> = formals.iter().map(|formal| formal.name.node.as_str()).collect();
    let list = match all.is_empty() {
        true => format!("`{name}` takes no arguments"),
        false => format!("its parameters: `{}`", all.join("`, `")),
    };
    let (span, word) = match &arg.name {
        Some(word) => (word.span, word.node.as_str()),
        None => (arg.value.span, ""),
    };
    let near = suggest::nearest(word, all);
    let help = near.map_or(list.clone(), |near| format!("did you mean `{near}`? {list}"));
    let message = format!("`{name}` has no such parameter");
    let problem = Problem::error("E0203", message, span, "not a parameter");
    cx.report(problem.label(node.call.path_span(), "of this").help(help));
}
