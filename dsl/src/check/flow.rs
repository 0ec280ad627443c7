//! Bodies of flows and nodes: statements, chains, names of `let`, fan-out and fan-in.

use super::cx::{Cx, Lazy};
use super::decls;
use super::draft::{Draft, Sender, Tap};
use super::scope::Local;
use super::words::brief;
use crate::ast::{self, Chain, Stage, StageKind, Stmt};
use crate::problem::Problem;
use crate::span::{Name, Span};
use petgraph::graph::NodeIndex;
use std::collections::{BTreeMap, BTreeSet};

/// Builds the graph of one flow after the other into a [`Draft`].
pub(crate) struct Builder<'c, 'a> {
    pub cx: &'c mut Cx<'a>,
    pub draft: &'c mut Draft,
    /// The flow: index into the plan's flows.
    pub flow: usize,
    /// Its name, the first part of the ids of its nodes.
    pub flow_name: &'a str,
    /// How often a label was used in this flow.
    pub labels: BTreeMap<String, usize>,
    /// Connections to the flow's `errors` and `done`, made when all nodes are there.
    pub pending: Vec<(Sender, NodeIndex)>,
    /// The body that is being built.
    pub body: Body<'a>,
    /// The declared nodes around it, outermost first, with the places of their uses.
    pub inlined: Vec<(&'a str, Span)>,
}

/// The names of one body.
#[derive(Default)]
pub(crate) struct Body<'a> {
    /// Its `let` names.
    pub lets: BTreeMap<&'a str, Let<'a>>,
    /// The `let`s that are being worked out, outermost first.
    pub open: Vec<&'a str>,
    /// True in a flow, false in a declared node.
    pub is_flow: bool,
    /// What `in` stands for in a declared node.
    pub input: Option<Vec<Tap>>,
    /// What reached `out`.
    pub out: Vec<Tap>,
    /// The parameters of a declared node.
    pub locals: BTreeMap<String, Local>,
    /// The words `in`, `out`, `errors` and `done` that were used.
    pub used: BTreeSet<&'static str>,
}

/// `let name = chain`
pub(crate) struct Let<'a> {
    pub name: &'a Name,
    pub chain: &'a Chain,
    pub end: Lazy<End>,
    /// Something uses it.
    pub used: bool,
    /// Something takes what leaves it.
    pub taken: bool,
}

/// Where a chain has come to.
#[derive(Clone, Debug, Default)]
pub(crate) struct End {
    /// What leaves the last stage.
    pub taps: Vec<Tap>,
    /// The nodes of the last stage.
    pub nodes: Vec<NodeIndex>,
    /// The last stage is a sink, and these are its words.
    pub sink: Option<Span>,
}

/// A stage in its chain.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub chain: &'a Chain,
    pub index: usize,
}

impl<'a> Place<'a> {
    /// The stage.
    pub fn stage(&self) -> &'a Stage {
        &self.chain.stages[self.index]
    }
}

impl End {
    /// Something is wrong here, and was reported.
    pub fn poison(at: Span) -> End {
        End { taps: vec![Tap::poison(at)], ..End::default() }
    }

    /// What leaves, and the nodes that send it.
    pub fn open(taps: Vec<Tap>, nodes: Vec<NodeIndex>) -> End {
        End { taps, nodes, sink: None }
    }

    /// A sink.
    pub fn sink(node: NodeIndex, words: Span) -> End {
        End { taps: Vec::new(), nodes: vec![node], sink: Some(words) }
    }

    /// Several ends as one: what a fan or a route leaves.
    pub fn union(ends: Vec<End>, words: Span) -> End {
        let mut all = End::default();
        for end in ends {
            all.taps.extend(end.taps);
            all.nodes.extend(end.nodes);
        }
        all.sink = all.taps.is_empty().then_some(words);
        all
    }
}

impl<'c, 'a> Builder<'c, 'a> {
    /// A builder of the flow `flow`.
    pub fn new(
        cx: &'c mut Cx<'a>,
        draft: &'c mut Draft,
        flow: usize,
        flow_name: &'a str,
    ) -> Builder<'c, 'a> {
        Builder {
            cx,
            draft,
            flow,
            flow_name,
            labels: BTreeMap::new(),
            pending: Vec::new(),
            body: Body::default(),
            inlined: Vec::new(),
        }
    }

    /// Builds the statements of a body. `self.body` holds its names but not yet its `let`s.
    pub fn statements(&mut self, body: &'a ast::Body) {
        for stmt in &body.stmts {
            if let Stmt::Let { name, chain } = stmt {
                self.declare_let(name, chain);
            }
        }
        for stmt in &body.stmts {
            match stmt {
                Stmt::Let { name, .. } => {
                    if self.body.lets.get(name.node.as_str()).is_some_and(|l| l.name == name) {
                        self.let_end(&name.node, name.span);
                    }
                }
                Stmt::Chain(chain) => {
                    let end = self.chain(chain, None);
                    self.goes_somewhere(&end, chain);
                }
            }
        }
        self.unused_lets();
    }

    fn declare_let(&mut self, name: &'a Name, chain: &'a Chain) {
        let word = name.node.as_str();
        let taken = self.body.lets.get(word).map(|first| first.name.span);
        let declared = taken.or_else(|| self.global(word));
        if let Some(first) = declared {
            decls::duplicate(self.cx, name, first);
        }
        if taken.is_none() && !decls::noun(self.cx, name) {
            let end = Lazy::Todo;
            self.body.lets.insert(word, Let { name, chain, end, used: false, taken: false });
        }
    }

    /// Where a name that a `let` may not have is declared.
    fn global(&self, word: &str) -> Option<Span> {
        let decls = &self.cx.decls;
        let resource = decls.resources.get(word).map(|decl| decl.name.span);
        resource.or_else(|| decls.nodes.get(word).map(|decl| decl.name.span))
    }

    /// Where the chain of a `let` ends; built when it is first asked for.
    pub fn let_end(&mut self, word: &str, at: Span) -> End {
        let Some((&key, found)) = self.body.lets.get_key_value(word) else {
            return End::poison(at);
        };
        let chain = found.chain;
        match &found.end {
            Lazy::Done(end) => return end.clone(),
            Lazy::Busy => {
                self.cycle_of_lets(key, at);
                return End::poison(at);
            }
            Lazy::Todo => {}
        }
        self.set_let(key, Lazy::Busy);
        self.body.open.push(key);
        let end = self.chain(chain, None);
        self.body.open.pop();
        self.set_let(key, Lazy::Done(end.clone()));
        end
    }

    fn set_let(&mut self, key: &str, end: Lazy<End>) {
        if let Some(found) = self.body.lets.get_mut(key) {
            found.end = end;
        }
    }

    /// E0504
    fn cycle_of_lets(&mut self, word: &str, at: Span) {
        let start = self.body.open.iter().position(|name| *name == word).unwrap_or(0);
        let names = self.body.open[start..].to_vec();
        let message = format!("`{}` feeds itself", names.join("` → `"));
        let mut problem = Problem::error("E0504", message, at, "this closes the cycle");
        for name in &names {
            let span = self.body.lets[name].name.span;
            problem = problem.label(span, format!("`{name}` is part of it"));
        }
        let help = "write the records to a stream and read them from there: a resource may be fed \
                    by what it feeds";
        self.cx.report(problem.help(help));
    }

    /// E0505 at the end of a statement; E0502 is reported where a sink is followed by something.
    fn goes_somewhere(&mut self, end: &End, chain: &'a Chain) {
        let sent = end.taps.iter().find(|tap| tap.sender != Sender::Nothing);
        let last = chain.stages.last().filter(|_| end.sink.is_none());
        if let (Some(tap), Some(stage)) = (sent, last) {
            let (ty, words) = (tap.ty.clone(), words(stage));
            let name = self.cx.files.text(words).to_string();
            let message = format!("what `{name}` sends goes nowhere");
            let problem = Problem::error("E0505", message, words, format!("sends  {ty}"));
            let whole = brief(self.cx.files.text(stage.span));
            let help = format!("add a sink, or say you mean it:\n\n    {whole} -> drop\n");
            self.cx.report(problem.help(help));
        }
    }

    /// E0506 for a `let` that nothing uses; E0505 for one of which only other ports are used.
    fn unused_lets(&mut self) {
        let lets: Vec<_> =
            self.body.lets.values().map(|l| (l.name, l.chain, l.used, l.taken)).collect();
        for (name, chain, used, taken) in lets {
            let end = self.let_end(&name.node, name.span);
            if !used && !name.node.starts_with('_') && end.sink.is_none() {
                let message = format!("`{}` is never used", name.node);
                let problem = Problem::warning("E0506", message, name.span, "nothing reads it");
                self.cx.report(problem.help("connect it or delete it; it does not run"));
            } else if used && !taken {
                self.goes_somewhere(&end, chain);
            }
        }
    }

    /// Builds a chain behind `incoming`; `None` = the chain begins here.
    pub fn chain(&mut self, chain: &'a Chain, incoming: Option<Vec<Tap>>) -> End {
        let mut incoming = incoming;
        let mut end = End::default();
        for (index, stage) in chain.stages.iter().enumerate() {
            let place = Place { chain, index };
            if let Some(sink) = end.sink.take() {
                self.sink_as_source(sink, place);
                incoming = Some(vec![Tap::poison(stage.span)]);
            }
            end = self.stage(place, incoming.take());
            incoming = Some(end.taps.clone());
        }
        end
    }

    fn stage(&mut self, place: Place<'a>, incoming: Option<Vec<Tap>>) -> End {
        let stage = place.stage();
        match &stage.kind {
            StageKind::Fan(chains) => {
                let ends = chains.iter().map(|chain| self.chain(chain, incoming.clone())).collect();
                End::union(ends, stage.span)
            }
            StageKind::Where(cond) => self.where_stage(place, cond, incoming),
            StageKind::Map(record) => self.map_stage(place, record, incoming),
            StageKind::Route(arms) => self.route_stage(place, arms, incoming),
            StageKind::Node(node) => self.node_stage(place, node, incoming),
        }
    }

    /// E0502
    fn sink_as_source(&mut self, sink: Span, place: Place<'a>) {
        let name = self.cx.files.text(sink).to_string();
        let message = format!("`{name}` is a sink: nothing leaves it");
        let at = self.arrow(place);
        let problem = Problem::error("E0502", message, at, "nothing comes here");
        let help = match self.sibling(&name, "read") {
            Some(read) => format!("to read what was written, begin a chain with `{read}`"),
            None => format!("send a copy to each: `-> [{name}, …]`"),
        };
        self.cx.report(problem.label(sink, "ends the chain").help(help));
    }

    /// E0503
    pub fn source_as_sink(&mut self, words: Span, place: Place<'a>) -> End {
        let name = self.cx.files.text(words).to_string();
        let message = format!("nothing can be sent to `{name}`");
        let at = self.arrow(place);
        let problem = Problem::error("E0503", message, at, "this leads nowhere");
        let help = match ["write", "append", "upsert"].iter().find_map(|v| self.sibling(&name, v)) {
            Some(write) => format!("to write, use `{write}`"),
            None => "begin a chain of its own with it".to_string(),
        };
        self.cx.report(problem.label(words, "begins a chain").help(help));
        End::poison(words)
    }

    /// The same resource with another verb, where it has that verb.
    fn sibling(&self, name: &str, verb: &str) -> Option<String> {
        let noun = name.split('.').next()?;
        let kind = self.cx.decls.resources.get(noun)?.kind.node;
        let path = format!("{}.{verb}", kind.word());
        self.cx.specs.contains_key(path.as_str()).then(|| format!("{noun}.{verb}"))
    }

    /// The `->` before a stage; the stage itself where it is the first.
    fn arrow(&self, place: Place<'a>) -> Span {
        let stage = place.stage().span;
        let Some(before) = place.index.checked_sub(1) else { return stage };
        let start = place.chain.stages[before].span.end;
        let gap = Span { file: stage.file, start, end: stage.start };
        match self.cx.files.text(gap).find("->") {
            Some(at) => Span { start: start + at as u32, end: start + at as u32 + 2, ..gap },
            None => stage,
        }
    }

    /// Reports that nothing arrives at a stage that begins a chain (E0506), once.
    pub fn needs_input(&mut self, words: Span) -> End {
        let name = self.cx.files.text(words).to_string();
        let message = format!("nothing arrives at `{name}`");
        let problem = Problem::error("E0506", message, words, "begins a chain, and is no source");
        self.cx.report(problem.help(format!("put a source before it: `… -> {name}`")));
        End::poison(words)
    }
}

/// The words of a stage, without arguments and records.
pub(crate) fn words(stage: &Stage) -> Span {
    match &stage.kind {
        StageKind::Node(node) => node.call.path_span(),
        StageKind::Fan(_) => stage.span,
        StageKind::Where(_) => Span { end: stage.span.start + 5, ..stage.span },
        StageKind::Map(_) => Span { end: stage.span.start + 3, ..stage.span },
        StageKind::Route(_) => Span { end: stage.span.start + 5, ..stage.span },
    }
}
