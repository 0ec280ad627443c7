//! What the words of a node mean: a `let`, a port, a declared node, a resource's verb, a node of
//! the language.

use super::decls;
use super::flow::Builder;
use super::suggest;
use crate::ast::{NodeUse, ResourceKind};
use crate::problem::Problem;
use crate::span::Name;
use crate::spec::NodeSpec;

/// The meaning of a node's words.
pub(crate) enum Meaning<'a> {
    /// The name of a `let`, or a port of it.
    Let(&'a str, Option<&'a Name>),
    /// `in`, `out`, `errors` or `done`.
    Port(&'static str),
    /// A `node` of this file.
    Declared(&'a str),
    /// A node of the language, or the verb of a resource of this file.
    Spec(&'static NodeSpec, Option<&'a str>),
    /// Nothing; reported.
    Wrong,
}

/// What the language names and this release does not run: the first words, and what to use
/// instead.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("window", "batch the records and aggregate them in a `query` over a table"),
    ("dedupe", "write to a table with a key: `upsert` merges records of one key"),
    ("sample", "use `where` with a condition on a field"),
    ("buffer", "write to a stream and read it: a stream is a durable buffer"),
    ("merge", "send both to the next node: `[a, b] -> x`"),
    ("unbatch", "read the records before the `batch`"),
    ("avro", "use `json.encode` and `json.decode`"),
    ("parquet", "use `json.encode` and `json.decode`"),
];

/// Verbs of resources that this release does not run.
const UNSUPPORTED_VERBS: &[(ResourceKind, &str, &str)] = &[
    (ResourceKind::Queue, "read", "use a `stream`"),
    (ResourceKind::Queue, "write", "use a `stream`"),
    (ResourceKind::Table, "get", "keep what is needed in the record"),
    (ResourceKind::Table, "scan", "use a `query`"),
    (ResourceKind::Stream, "replay", "read the stream: it begins where this flow left off"),
    (ResourceKind::Bucket, "replay", "read the bucket with `read`"),
];

impl<'a> Builder<'_, 'a> {
    /// What the words of `node` mean; reports E0201, E0205 (too many words) and E0206.
    pub fn meaning(&mut self, node: &'a NodeUse) -> Meaning<'a> {
        let path = &node.call.path;
        let first = path[0].node.as_str();
        if let Some((&key, _)) = self.body.lets.get_key_value(first) {
            return match path.len() {
                1 => Meaning::Let(key, None),
                2 => Meaning::Let(key, Some(&path[1])),
                _ => self.unknown(node),
            };
        }
        if path.len() == 1 && node.call.args.is_none() {
            let flow_ports: &[&'static str] =
                if self.body.is_flow { &["errors", "done"] } else { &["in", "out"] };
            if let Some(port) = flow_ports.iter().find(|port| **port == first) {
                return Meaning::Port(port);
            }
        }
        if let Some((&key, _)) = self.cx.decls.nodes.get_key_value(first)
            && path.len() == 1
        {
            return Meaning::Declared(key);
        }
        if let Some((&key, _)) = self.cx.decls.resources.get_key_value(first) {
            return self.verb(node, key);
        }
        match self.cx.specs.get(node.call.dotted().as_str()) {
            Some(spec) if spec.resource.is_none() => Meaning::Spec(spec, None),
            _ => self.unknown(node),
        }
    }

    /// `orders.read`
    fn verb(&mut self, node: &'a NodeUse, resource: &'a str) -> Meaning<'a> {
        let Some(decl) = self.cx.decls.resources.get_mut(resource) else { return Meaning::Wrong };
        decl.used = true;
        let kind = decl.kind.node;
        let declared = decl.kind.span.to(decl.name.span);
        let verbs = self.verbs(kind, resource);
        let path = &node.call.path;
        let Some(verb) = path.get(1).filter(|_| path.len() == 2) else {
            let message = format!(
                "`{}` does not say what to do with the {}",
                node.call.dotted(),
                kind.word()
            );
            let span = node.call.path_span();
            let problem = Problem::error("E0201", message, span, "a verb is missing");
            self.cx.report(problem.help(verbs));
            return Meaning::Wrong;
        };
        let spec = self.cx.specs.get(format!("{}.{}", kind.word(), verb.node).as_str()).copied();
        if let Some(spec) = spec {
            return Meaning::Spec(spec, Some(resource));
        }
        let unsupported =
            |(of, word, _): &&(ResourceKind, &str, &str)| *of == kind && *word == verb.node;
        if let Some((_, _, instead)) = UNSUPPORTED_VERBS.iter().find(unsupported) {
            self.cx.unsupported(node.call.path_span(), &node.call.dotted(), instead);
            return Meaning::Wrong;
        }
        let message = format!("a {} has no `{}`", kind.word(), verb.node);
        let problem =
            Problem::error("E0206", message, verb.span, format!("not a verb of a {}", kind.word()));
        let problem = problem.label(declared, format!("`{resource}` is a {}", kind.word()));
        self.cx.report(problem.help(verbs));
        Meaning::Wrong
    }

    /// "a bucket has `lake.put`, `lake.append`, `lake.read`"
    fn verbs(&self, kind: ResourceKind, resource: &str) -> String {
        let of_kind = self.cx.specs.values().filter(|spec| spec.resource == Some(kind));
        let verbs: Vec<&str> = of_kind.map(|spec| spec.verb()).collect();
        let list: Vec<String> = verbs.iter().map(|verb| format!("`{resource}.{verb}`")).collect();
        format!("a {} has {}", kind.word(), list.join(", "))
    }

    /// E0001, E0201
    fn unknown(&mut self, node: &'a NodeUse) -> Meaning<'a> {
        let dotted = node.call.dotted();
        let first = node.call.path[0].node.as_str();
        let unsupported = UNSUPPORTED.iter().find(|(word, _)| *word == first);
        if let Some((_, instead)) = unsupported {
            self.cx.unsupported(node.call.path_span(), &dotted, instead);
            return Meaning::Wrong;
        }
        if let Some(kind) = self.resource_of(node, &dotted) {
            let name = &node.call.path[0];
            let example = format!("{} {first} : …", kind.word());
            decls::no_resource(self.cx, name, &example);
            return Meaning::Wrong;
        }
        self.port_misspelled(first);
        let message = format!("there is no node `{dotted}`");
        let span = node.call.path_span();
        let problem = Problem::error("E0201", message, span, "not known here");
        self.cx.report(problem.help(self.nearest_node(&dotted, first)));
        Meaning::Wrong
    }

    /// The kind of resource whose verb the second word is, where the first is no noun of a node.
    fn resource_of(&self, node: &NodeUse, dotted: &str) -> Option<ResourceKind> {
        let [noun, verb] = node.call.path.as_slice() else { return None };
        let specs = || self.cx.specs.values();
        let free = specs().filter(|spec| spec.resource.is_none()).map(|spec| spec.path);
        let is_noun = |path: &str| path.split('.').next() == Some(noun.node.as_str());
        if free.clone().any(is_noun) || suggest::nearest(dotted, free).is_some() {
            return None;
        }
        specs().filter(|spec| spec.verb() == verb.node).find_map(|spec| spec.resource)
    }

    /// A misspelled port of the flow: that it is not connected is not said too.
    fn port_misspelled(&mut self, word: &str) {
        let ports: [&'static str; 2] =
            if self.body.is_flow { ["errors", "done"] } else { ["in", "out"] };
        if let Some(near) = ports.into_iter().find(|port| suggest::near(word, port)) {
            self.body.used.insert(near);
        }
    }

    fn nearest_node(&self, dotted: &str, first: &str) -> String {
        if matches!(dotted, "errors" | "done") {
            return format!(
                "`{dotted}` is a port of a flow; in a node, take the port of one `let`: `x.errors`"
            );
        }
        if matches!(dotted, "in" | "out") {
            return format!("`{dotted}` is there in a `node`, not in a flow");
        }
        let names = self.names();
        if let Some(near) = suggest::nearest(dotted, names.iter().map(String::as_str)) {
            return format!("did you mean `{near}`?");
        }
        let prefix = format!("{first}.");
        let of_noun: Vec<String> = names
            .iter()
            .filter(|name| name.starts_with(&prefix))
            .map(|name| format!("`{name}`"))
            .collect();
        match of_noun.is_empty() {
            true => "`flowc nodes` lists every node".to_string(),
            false => format!("there is {}", of_noun.join(", ")),
        }
    }

    /// Everything that may stand in a chain here.
    fn names(&self) -> Vec<String> {
        let decls = &self.cx.decls;
        let mut names: Vec<String> = self.body.lets.keys().map(|name| name.to_string()).collect();
        names.extend(decls.nodes.keys().map(|name| name.to_string()));
        for spec in self.cx.specs.values() {
            match spec.resource {
                None => names.push(spec.path.to_string()),
                Some(kind) => {
                    let of_kind = decls.resources.iter().filter(|(_, decl)| decl.kind.node == kind);
                    names.extend(of_kind.map(|(name, _)| format!("{name}.{}", spec.verb())));
                }
            }
        }
        names
    }
}
