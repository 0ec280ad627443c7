//! Ports by name: `x.errors`, `x.rejected`, `in`, `out`, `errors`, `done`.

use super::draft::{Sender, Tap};
use super::flow::{Builder, End, Place};
use super::suggest;
use crate::ast::NodeUse;
use crate::plan::Port;
use crate::problem::Problem;
use crate::span::{Name, Span};
use crate::ty::Ty;
use petgraph::graph::NodeIndex;

impl<'a> Builder<'_, 'a> {
    /// A use of the name of a `let`, or of a port of it.
    pub fn let_stage(
        &mut self,
        node: &'a NodeUse,
        (name, port): (&'a str, Option<&'a Name>),
        place: Place<'a>,
        incoming: Option<Vec<Tap>>,
    ) -> End {
        let words = node.call.path_span();
        if incoming.is_some() {
            return self.source_as_sink(words, place);
        }
        self.plain(node, words);
        let end = self.let_end(name, words);
        let port = port.filter(|port| port.node != "out");
        if let Some(used) = self.body.lets.get_mut(name) {
            used.used = true;
            used.taken |= port.is_none();
        }
        match port {
            Some(port) => self.port(&end, name, port, words),
            None if end.sink.is_some() => self.let_of_sink(name, words),
            None => {
                let taps = end.taps.into_iter().map(|tap| Tap { at: words, ..tap }).collect();
                End::open(taps, end.nodes)
            }
        }
    }

    /// E0502 at a `let` whose chain ends in a sink.
    fn let_of_sink(&mut self, name: &str, words: Span) -> End {
        let declared = self.body.lets[name].name.span;
        let message = format!("`{name}` ends in a sink: nothing leaves it");
        let problem = Problem::error("E0502", message, words, "nothing comes from here");
        let help = "end the `let` before the sink";
        self.cx.report(problem.label(declared, "its chain ends in a sink").help(help));
        End::poison(words)
    }

    /// `x.errors`, `x.rejected`
    fn port(&mut self, end: &End, name: &str, port: &Name, words: Span) -> End {
        if end.taps.iter().any(|tap| tap.sender == Sender::Nothing) {
            return End::poison(words);
        }
        if port.node == "errors"
            && let Some(end) = self.errors_of(&end.nodes, words)
        {
            return end;
        }
        if let [node] = end.nodes[..]
            && self.draft.note(node).spec.ports.iter().any(|known| known.name == port.node)
        {
            let ty = self.draft.graph[node].input.clone().unwrap_or(Ty::Unknown);
            let batch = matches!(ty, Ty::Batch(_));
            let sender = Sender::Node(node, Port::Named(port.node.clone()));
            return End::open(vec![Tap { sender, ty, at: words, batch }], vec![node]);
        }
        let mut known: Vec<String> = Vec::new();
        known.extend(end.sink.is_none().then(|| "`out`".to_string()));
        for node in &end.nodes {
            let note = self.draft.note(*node);
            known.extend(note.spec.ports.iter().map(|port| format!("`{}`", port.name)));
            known.extend((!note.fails.is_empty()).then(|| "`errors`".to_string()));
        }
        known.sort();
        known.dedup();
        if let Some(used) = self.body.lets.get_mut(name) {
            used.taken = true;
        }
        let declared = self.body.lets[name].name.span;
        let message = format!("`{name}` has no port `{}`", port.node);
        let problem = Problem::error("E0205", message, port.span, "not a port of it");
        let problem = problem.label(declared, "this node");
        let near = suggest::nearest(&port.node, known.iter().map(|port| port.trim_matches('`')));
        let help = match near {
            Some(near) => format!("did you mean `{name}.{near}`?"),
            None if known.is_empty() => "it has no port: it is a sink that cannot fail".into(),
            None => format!("its ports: {}", known.join(", ")),
        };
        self.cx.report(problem.help(help));
        End::poison(words)
    }

    /// The failures of `nodes`, which are then connected; `None` where none of them can fail.
    pub fn errors_of(&mut self, nodes: &[NodeIndex], at: Span) -> Option<End> {
        let failing: Vec<NodeIndex> =
            nodes.iter().copied().filter(|node| !self.draft.note(*node).fails.is_empty()).collect();
        let tap = |node: NodeIndex| {
            let sender = Sender::Node(node, Port::Errors);
            Tap { sender, ty: Ty::failure(), at, batch: false }
        };
        let taps: Vec<Tap> = failing.iter().map(|node| tap(*node)).collect();
        for node in &failing {
            self.draft.note_mut(*node).caught = true;
        }
        (!taps.is_empty()).then(|| End::open(taps, failing))
    }

    /// `in`, `out`, `errors`, `done`
    pub fn port_stage(
        &mut self,
        node: &'a NodeUse,
        port: &'static str,
        place: Place<'a>,
        incoming: Option<Vec<Tap>>,
    ) -> End {
        let words = node.call.path_span();
        self.plain(node, words);
        self.body.used.insert(port);
        match (port, incoming) {
            ("out", None) => self.needs_input(words),
            ("out", Some(taps)) => {
                self.body.out.extend(taps);
                End { sink: Some(words), ..End::default() }
            }
            (_, Some(_)) => self.source_as_sink(words, place),
            ("in", None) => match self.body.input.clone() {
                Some(taps) => {
                    let taps = taps.into_iter().map(|tap| Tap { at: words, ..tap }).collect();
                    End::open(taps, Vec::new())
                }
                None => self.no_input(words),
            },
            (_, None) => {
                let (sender, ty) = match port {
                    "errors" => (Sender::Errors, Ty::failure()),
                    _ => (Sender::Done, Ty::Done),
                };
                End::open(vec![Tap { sender, ty, at: words, batch: false }], Vec::new())
            }
        }
    }

    /// E0205: `in` of a node that takes nothing.
    fn no_input(&mut self, words: Span) -> End {
        let message = "this node has no `in`: its declaration names no input";
        let problem = Problem::error("E0205", message, words, "nothing arrives here");
        self.cx.report(problem.help("declare it: `node name() : In -> Out { … }`"));
        End::poison(words)
    }

    /// A name takes no arguments, no record, no claim and no `catch` (E0203).
    fn plain(&mut self, node: &'a NodeUse, words: Span) {
        let extra = node.call.args.is_some()
            || node.record.is_some()
            || node.claim.is_some()
            || node.catch.is_some();
        if extra {
            let name = node.call.dotted();
            let message = format!("`{name}` is a name, and takes nothing behind it");
            let rest = Span { start: words.end, ..node.span };
            let problem = Problem::error("E0203", message, rest, "this cannot stand here");
            self.cx.report(problem.help(format!("write `{name} -> …`")));
        }
    }
}
