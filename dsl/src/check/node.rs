//! A node of the language in a chain: its options, its record, what it takes and what it sends.

use super::draft::{Note, Sender, Tap, unbatched, whole};
use super::flow::{Builder, End, Place};
use super::node_name::Meaning;
use super::options::{self, Given, Owner};
use super::scope::Scope;
use super::signature::{self, Fit, Pattern};
use super::{expr, node_wire, record, types};
use crate::ast::NodeUse;
use crate::plan::{self, PlanEdge, PlanNode, Port};
use crate::problem::Problem;
use crate::span::Span;
use crate::spec::{BodySpec, ClaimSpec, NodeKind, NodeSpec};
use crate::ty::Ty;
use petgraph::graph::NodeIndex;
use std::collections::BTreeMap;

/// A use of a node of the language while it is checked.
pub(crate) struct Use<'a> {
    pub spec: &'static NodeSpec,
    pub node: &'a NodeUse,
    /// The resource whose verb it is.
    pub resource: Option<&'a str>,
    /// What the resource holds.
    pub held: Option<Ty>,
    /// The type of `as T`.
    pub claim: Option<Ty>,
    pub place: Place<'a>,
}

impl Use<'_> {
    /// The node's words: `orders.read`.
    pub fn words(&self) -> Span {
        self.node.call.path_span()
    }
}

impl<'a> Builder<'_, 'a> {
    /// A stage that is a node, a port or a name, with its `catch`.
    pub fn node_stage(
        &mut self,
        place: Place<'a>,
        node: &'a NodeUse,
        incoming: Option<Vec<Tap>>,
    ) -> End {
        let end = match self.meaning(node) {
            Meaning::Let(name, port) => return self.let_stage(node, (name, port), place, incoming),
            Meaning::Port(port) => return self.port_stage(node, port, place, incoming),
            Meaning::Wrong => End::poison(node.call.path_span()),
            Meaning::Declared(name) => self.declared_stage(place, node, name, incoming),
            Meaning::Spec(spec, resource) => {
                self.spec_stage(place, node, (spec, resource), incoming)
            }
        };
        if let Some(target) = &node.catch {
            self.catch(place, node, target, &end);
        }
        end
    }

    /// `node catch target`
    fn catch(&mut self, place: Place<'a>, node: &'a NodeUse, target: &'a NodeUse, end: &End) {
        let words = node.call.path_span();
        let wrong = end.taps.iter().any(|tap| tap.sender == Sender::Nothing);
        let errors = match self.errors_of(&end.nodes, words) {
            Some(errors) => errors,
            None => {
                if !wrong {
                    let name = node.call.dotted();
                    let message = format!("`{name}` cannot fail, so there is nothing to catch");
                    let at = target.span;
                    let problem = Problem::error("E0205", message, at, "nothing comes here");
                    self.cx.report(problem.label(words, "has no port `errors`").help("remove it"));
                }
                End::poison(words)
            }
        };
        let caught = self.node_stage(place, target, Some(errors.taps));
        if caught.taps.iter().any(|tap| tap.sender != Sender::Nothing) {
            let name = target.call.dotted();
            let message = format!("what `{name}` sends goes nowhere");
            let at = target.call.path_span();
            let problem = Problem::error("E0505", message, at, "`catch` needs a sink");
            self.cx
                .report(problem.help("name the node with `let x = …` and connect `x.errors -> …`"));
        }
    }

    /// A node of the language, or the verb of a resource.
    fn spec_stage(
        &mut self,
        place: Place<'a>,
        node: &'a NodeUse,
        (spec, resource): (&'static NodeSpec, Option<&'a str>),
        incoming: Option<Vec<Tap>>,
    ) -> End {
        let words = node.call.path_span();
        let held = resource.map(|name| types::of_resource(self.cx, name));
        let claim = node.claim.as_ref().map(|ty| types::resolve(self.cx, ty));
        let used = Use { spec, node, resource, held, claim, place };
        match (spec.kind, incoming) {
            (NodeKind::Source, Some(taps)) if !self.is_poison(&taps) => {
                self.source_as_sink(words, place)
            }
            (NodeKind::Source, _) => self.source(&used),
            (_, None)
                if spec.kind == NodeKind::Sink && place.index + 1 < place.chain.stages.len() =>
            {
                End { sink: Some(words), ..End::default() }
            }
            (_, None) => self.needs_input(words),
            (_, Some(taps)) => self.receiver(&used, taps),
        }
    }

    /// True where what arrives is wrong already.
    pub fn is_poison(&self, taps: &[Tap]) -> bool {
        taps.iter().all(|tap| tap.ty == Ty::Unknown && tap.sender == Sender::Nothing)
    }

    fn source(&mut self, used: &Use<'a>) -> End {
        let scope = self.scope(None);
        let given = self.options(used, &scope);
        self.no_body(used);
        self.no_claim(used);
        let binds = signature::Binds { held: used.held.clone(), ..Default::default() };
        let rules = signature::rules(used.spec);
        let output = rules.first().and_then(|rule| rule.output.as_ref()).map(|out| out.ty(&binds));
        let mut node = self.blank(used);
        node.output = output.clone();
        (node.options, node.templates) = (given.values, given.templates);
        let index = self.add(node, used.spec, Vec::new());
        let (sender, at) = (Sender::Node(index, Port::Out), used.words());
        let ty = whole(output.unwrap_or(Ty::Unknown));
        End::open(vec![Tap { sender, ty, at, batch: false }], vec![index])
    }

    /// A transform or a sink behind `taps`.
    fn receiver(&mut self, used: &Use<'a>, taps: Vec<Tap>) -> End {
        let words = used.words();
        let taps = self.join(taps, words);
        let tap = taps[0].clone();
        let scope = self.scope(Some(&tap));
        let given = self.options(used, &scope);
        let Some(fit) = self.typed(used, &tap) else {
            self.untyped_body(used, &scope);
            return match used.spec.kind {
                NodeKind::Sink => End { sink: Some(words), ..End::default() },
                _ => End::poison(words),
            };
        };
        let mut node = self.blank(used);
        node.input = Some(tap.ty.clone());
        node.output = fit.output();
        let mut reasons = fallible_templates(&given);
        (node.options, node.templates) = (given.values, given.templates);
        if let Some(body) = self.body_of(used, &scope) {
            reasons.extend(expr::fallible(&body).map(str::to_string));
            node.record = Some(body);
        } else {
            node.encodes = self.stored(used, &tap, &fit);
        }
        let index = self.add(node, used.spec, reasons);
        self.connect(&taps, index);
        match self.draft.graph[index].output.clone() {
            None => End::sink(index, words),
            Some(ty) => {
                self.carried(&ty, words);
                let batch =
                    matches!(ty, Ty::Batch(_)) || (tap.batch && used.spec.path != "text.lines");
                let (sender, ty) = (Sender::Node(index, Port::Out), whole(ty));
                End::open(vec![Tap { sender, ty, at: words, batch }], vec![index])
            }
        }
    }

    /// What an expression of a node behind `tap` can see.
    pub fn scope(&self, tap: Option<&Tap>) -> Scope {
        let mut scope = match tap {
            Some(tap) => Scope::of(self.cx, tap.record().clone(), tap.at),
            None => Scope::empty(),
        };
        scope.batch = tap.is_some_and(|tap| tap.batch);
        scope.locals = self.body.locals.clone();
        scope
    }

    fn options(&mut self, used: &Use<'a>, scope: &Scope) -> Given {
        let name = used.node.call.dotted();
        let owner =
            Owner { name: &name, span: used.words(), options: used.spec.options, limits: &[] };
        options::check(self.cx, owner, used.node.call.args.as_deref(), scope)
    }

    /// The rule that fits what arrives; what does not fit is reported.
    fn typed(&mut self, used: &Use<'a>, tap: &Tap) -> Option<Fit> {
        self.no_claim(used);
        if used.spec.body == BodySpec::None {
            self.no_body(used);
        }
        let mut rules = signature::rules(used.spec);
        if used.node.record.is_some() && used.spec.body == BodySpec::Record {
            // The record in braces is what the resource gets; it is checked by itself.
            let any_record = |pattern| match pattern {
                Pattern::Held => Pattern::Record,
                other => other,
            };
            for rule in &mut rules {
                rule.input = rule.input.take().map(any_record);
            }
        }
        let Some(fit) = node_wire::fit(used, &rules, &tap.ty, used.claim.as_ref()) else {
            self.misfit(used, tap, &rules);
            return None;
        };
        if used.claim.is_some()
            && used.spec.claim != ClaimSpec::No
            && fit.rule.output != Some(Pattern::Claim)
        {
            self.claimed_twice(used, tap);
        }
        Some(fit)
    }

    /// The record in braces behind a sink (`upsert`), against what the resource holds.
    fn body_of(&mut self, used: &Use<'a>, scope: &Scope) -> Option<plan::Expr> {
        let written = used.node.record.as_ref().filter(|_| used.spec.body == BodySpec::Record)?;
        let held = used.held.clone().unwrap_or(Ty::Unknown);
        let want = self.want(used, &held, true);
        Some(record::check(self.cx, written, scope, want.as_ref()))
    }

    /// Names in braces behind a node that does not fit are still looked up.
    fn untyped_body(&mut self, used: &Use<'a>, scope: &Scope) {
        if let Some(written) = &used.node.record
            && used.spec.body == BodySpec::Record
        {
            record::check(self.cx, written, &scope.with_type(Ty::Unknown), None);
        }
    }

    /// E0203: a record in braces where the node takes none.
    fn no_body(&mut self, used: &Use<'a>) {
        if let Some(written) = &used.node.record {
            let name = used.node.call.dotted();
            let message = format!("`{name}` takes no record");
            let problem = Problem::error("E0203", message, written.span, "this cannot stand here");
            let problem = problem.label(used.words(), "of this");
            self.cx.report(
                problem.help(format!("make the record before it: `map {{ … }} -> {name}`")),
            );
        }
    }

    /// E0310: `as T` where the node claims nothing. E0204: where it must be, and is not.
    fn no_claim(&mut self, used: &Use<'a>) {
        let name = used.node.call.dotted();
        match (&used.node.claim, used.spec.claim) {
            (Some(claim), ClaimSpec::No) => {
                let message = format!("`{name}` already knows its type");
                let problem = Problem::error("E0310", message, claim.span, "claims another");
                self.cx.report(problem.label(used.words(), "of this").help("remove the `as`"));
            }
            (None, ClaimSpec::Required) => self.claim_missing(used),
            _ => {}
        }
    }

    /// E0204: `as T` is missing.
    pub fn claim_missing(&mut self, used: &Use<'a>) {
        let name = used.node.call.dotted();
        let message = format!("`{name}` does not say what is in these bytes");
        let problem = Problem::error("E0204", message, used.words(), "`as` and a type are missing");
        let ty = self.cx.decls.types.keys().next().copied().unwrap_or("Line");
        self.cx.report(problem.help(format!("write `{name} as {ty}`")));
    }

    /// A node with nothing but its name.
    fn blank(&mut self, used: &Use<'a>) -> PlanNode {
        let label = used.node.call.dotted();
        let mut node = self.blank_node(&label, used.spec, used.words());
        node.resource =
            used.resource.and_then(|name| self.cx.decls.resources.get(name)).map(|decl| decl.index);
        node
    }

    /// A node of `spec` with nothing but its name and a new id.
    pub fn blank_node(&mut self, label: &str, spec: &'static NodeSpec, span: Span) -> PlanNode {
        let count = self.labels.entry(label.to_string()).or_default();
        *count += 1;
        let number = if *count > 1 { format!("#{count}") } else { String::new() };
        PlanNode {
            id: format!("{}/{label}{number}", self.flow_name),
            label: label.to_string(),
            op: spec.path.to_string(),
            kind: spec.kind,
            flow: self.flow,
            resource: None,
            input: None,
            output: None,
            options: BTreeMap::new(),
            templates: BTreeMap::new(),
            record: None,
            condition: None,
            conditions: Vec::new(),
            encodes: None,
            inserted: false,
            elided: false,
            fed_by: Vec::new(),
            span,
        }
    }

    /// Adds a node; `reasons` are why it can fail beside what its spec says.
    pub fn add(
        &mut self,
        node: PlanNode,
        spec: &'static NodeSpec,
        reasons: Vec<String>,
    ) -> NodeIndex {
        let mut fails: Vec<String> = spec.fails.iter().map(|fail| fail.when.to_string()).collect();
        fails.extend(reasons);
        self.draft.add(node, Note { spec, fails, caught: false })
    }

    /// Draws the edges from `taps` to a node.
    pub fn connect(&mut self, taps: &[Tap], node: NodeIndex) {
        for tap in taps {
            match &tap.sender {
                Sender::Node(from, port) => {
                    let edge = PlanEdge { port: port.clone(), ty: tap.ty.clone() };
                    self.draft.graph.add_edge(*from, node, edge);
                }
                Sender::Errors | Sender::Done => self.pending.push((tap.sender.clone(), node)),
                Sender::Nothing => {}
            }
        }
    }

    /// E0001: a record with dynamic or further fields has no columns, so no edge carries it.
    pub fn carried(&mut self, ty: &Ty, words: Span) {
        let Some(record) = unbatched(ty).record() else { return };
        if record.dynamic.is_some() || record.open {
            let what = if record.open { "..." } else { "[text]: T" };
            let instead = "name the fields; computed names are for `upsert { … }`";
            self.cx.unsupported(words, what, instead);
        }
    }
}

/// Why the texts with holes of a node can fail.
fn fallible_templates(given: &Given) -> Vec<String> {
    given.templates.values().filter_map(expr::fallible).map(str::to_string).collect()
}
