//! Whether the state that earlier runs have left fits the graph.
//!
//! Of each flow a run keeps the facts that its state depends on: which sources keep positions and
//! of what, which decoder says where they resume, which way rows get their ids, and the keys of
//! streams. A run refuses to start where a fact has changed; what may change freely (sinks, flows,
//! formats, limits of batches) is no fact. A flow that is not run is not compared.

use crate::ctx::{Ctx, GraphChange};
use crate::fault::Fault;
use crate::registry::Registry;
use crate::retry::Retry;
use crate::run::RunError;
use crate::run::edge::Edge;
use dsl::ast::ResourceKind;
use dsl::plan::{Plan, Port};
use dsl::spec::NodeKind;
use dsl::value::Value;
use petgraph::Direction::{Incoming, Outgoing};
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What has changed, and what that means for the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// `flow`
    pub flow: String,
    /// What has changed, as a sentence without its end: ``source `a/b` is gone``.
    pub what: String,
    /// What it would mean to go on.
    pub means: String,
}

/// By kind and name, a value that must stay.
type Facts = BTreeMap<(Kind, String), String>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A source with positions: what it reads.
    Source,
    /// The decoder behind a source, which says where to resume.
    Decoder,
    /// An edge: the name that its rows' ids get, empty for the only edge into a node.
    Edge,
    /// A stream that is written: its key fields.
    Key,
    /// A buffer on disk: the sinks behind it.
    Buffer,
}

const KINDS: [(Kind, &str); 5] = [
    (Kind::Source, "source"),
    (Kind::Decoder, "decoder"),
    (Kind::Edge, "edge"),
    (Kind::Key, "key"),
    (Kind::Buffer, "buffer"),
];

/// The option of sources that empty a buffer of an earlier run: its name.
const BUFFER: &str = "buffer";

/// Refuses a plan that the state of earlier runs does not fit, unless the run was told to take it.
///
/// # Errors
/// What has changed, or why it cannot be known.
pub(crate) async fn check(
    plan: &Plan,
    edges: &[Arc<Edge>],
    registry: &Registry,
    ctx: &Ctx,
) -> Result<(), RunError> {
    if ctx.graph_change != GraphChange::Refused {
        return Ok(());
    }
    match changes(plan, edges, registry, ctx).await {
        Ok(changes) if changes.is_empty() => Ok(()),
        Ok(changes) => Err(RunError::StateChanged { changes }),
        Err(fault) => Err(RunError::State { fault }),
    }
}

/// Compares the plan with what the state was made by.
async fn changes(
    plan: &Plan,
    edges: &[Arc<Edge>],
    registry: &Registry,
    ctx: &Ctx,
) -> Result<Vec<StateChange>, Fault> {
    let mut changes = Vec::new();
    for (flow, now) in facts(plan, edges, registry) {
        if let Some(before) = load(&key(&flow), ctx).await? {
            changes.extend(compare(&flow, &parse(&before), &now));
        }
    }
    Ok(changes)
}

/// Remembers what the state is made by from now on.
///
/// # Errors
/// The checkpoints cannot be written.
pub(crate) async fn remember(
    plan: &Plan,
    edges: &[Arc<Edge>],
    registry: &Registry,
    ctx: &Ctx,
) -> Result<(), Fault> {
    if ctx.graph_change == GraphChange::Unseen {
        return Ok(());
    }
    let mut pairs = Vec::new();
    for (flow, now) in facts(plan, edges, registry) {
        let (key, text) = (key(&flow), text(&now).into_bytes());
        if load(&key, ctx).await?.as_ref() != Some(&text) {
            pairs.push((key, Some(text)));
        }
    }
    let mut retry = Retry::new(ctx, ctx.seed);
    while !pairs.is_empty() {
        match ctx.checkpoints.store(pairs.clone()).await {
            Ok(()) => break,
            Err(fault) => retry.wait(fault).await?,
        }
    }
    Ok(())
}

async fn load(key: &str, ctx: &Ctx) -> Result<Option<Vec<u8>>, Fault> {
    let mut retry = Retry::new(ctx, ctx.seed);
    loop {
        match ctx.checkpoints.load(key).await {
            Err(fault) => retry.wait(fault).await?,
            loaded => return loaded,
        }
    }
}

fn key(flow: &str) -> String {
    format!("graph {flow}")
}

/// The facts of each flow that keeps state.
fn facts(plan: &Plan, edges: &[Arc<Edge>], registry: &Registry) -> BTreeMap<String, Facts> {
    let mut all: BTreeMap<String, Facts> = BTreeMap::new();
    for index in plan.graph.node_indices() {
        let node = &plan.graph[index];
        let facts = all.entry(plan.flow_of(index).name.clone()).or_default();
        let replays = registry.get(&node.op).is_some_and(|entry| entry.spec.delivery.replays);
        if node.kind == NodeKind::Source && replays {
            let of = node.resource.map_or(String::new(), |resource| bound(plan, resource));
            facts.insert((Kind::Source, node.id.clone()), format!("{}{of}", node.op));
            if let (None, Some(decoder)) = (node.resource, decoder(plan, index)) {
                facts.insert((Kind::Decoder, node.id.clone()), decoder);
            }
            if let Some(buffer) = node.options.get(BUFFER).and_then(Value::as_text) {
                facts.insert((Kind::Buffer, buffer.to_owned()), sinks(plan, index));
            }
        }
        let stream = node.resource.map(|resource| &plan.resources[resource]);
        let stream = stream.filter(|resource| resource.kind == ResourceKind::Stream);
        if let (NodeKind::Sink, Some(stream)) = (node.kind, stream) {
            facts.insert((Kind::Key, stream.name.clone()), stream.key.join(", "));
        }
        for edge in plan.graph.edges_directed(index, Incoming) {
            if !matches!(edge.weight().port, Port::Errors | Port::Done) {
                let from = &plan.graph[edge.source()].id;
                let lane = edges[edge.id().index()].lane.clone().unwrap_or_default();
                facts.insert((Kind::Edge, format!("{from} -> {}", node.id)), lane);
            }
        }
    }
    all.retain(|_, facts| !facts.is_empty());
    all
}

/// ` kinesis APIData`
fn bound(plan: &Plan, resource: usize) -> String {
    let binding = plan.resources[resource].binding.as_ref();
    binding.map_or(String::new(), |binding| format!(" {} {}", binding.service, binding.name))
}

/// All that rows of a source end at, with what they are given in the text: another sink of the
/// same name is another one.
fn sinks(plan: &Plan, source: NodeIndex) -> String {
    let (mut open, mut seen, mut sinks) = (vec![source], BTreeSet::new(), BTreeSet::new());
    while let Some(index) = open.pop() {
        if !seen.insert(index) {
            continue;
        }
        let node = &plan.graph[index];
        if node.kind == NodeKind::Sink {
            let of = node.resource.map_or(String::new(), |resource| bound(plan, resource));
            let texts = node.options.values().filter_map(Value::as_text);
            let texts: String = texts.map(|text| format!(" {text:?}")).collect();
            sinks.insert(format!("{}{of}{texts}", node.op));
        }
        let data = plan.graph.edges_directed(index, Outgoing);
        let data = data.filter(|edge| !matches!(edge.weight().port, Port::Errors | Port::Done));
        open.extend(data.map(|edge| edge.target()));
    }
    sinks.into_iter().collect::<Vec<_>>().join(" + ")
}

/// The node that takes the bytes of a source apart.
fn decoder(plan: &Plan, source: NodeIndex) -> Option<String> {
    let out = plan.graph.edges_directed(source, Outgoing);
    let mut out: Vec<NodeIndex> =
        out.filter(|edge| edge.weight().port == Port::Out).map(|edge| edge.target()).collect();
    out.sort();
    let ops: Vec<&str> = out.iter().map(|node| plan.graph[*node].op.as_str()).collect();
    let decodes = |op: &str| op.ends_with(".decode") || op.ends_with(".lines");
    let ops: Vec<&str> = ops.into_iter().filter(|op| decodes(op)).collect();
    (!ops.is_empty()).then(|| ops.join(", "))
}

fn compare(flow: &str, before: &Facts, now: &Facts) -> Vec<StateChange> {
    let change = |what: String, means: &str| StateChange {
        flow: flow.to_owned(),
        what,
        means: means.to_owned(),
    };
    let changed = |((kind, name), was): (&(Kind, String), &String)| {
        let is = now.get(&(*kind, name.clone()));
        match (kind, is) {
            (_, Some(is)) if is == was => None,
            (Kind::Source, None) => Some(change(
                format!("source `{name}` ({was}) is gone, or has another name"),
                "what it has not delivered yet is not sent any more, and under another name it \
                 begins anew",
            )),
            (Kind::Source, Some(is)) => Some(change(
                format!("source `{name}` reads {is}, and read {was} before"),
                "its position is one of what it read before",
            )),
            (Kind::Decoder, Some(is)) => Some(change(
                format!("`{is}` takes apart what `{name}` reads, and `{was}` did before"),
                "where the file is read on was said by the other decoder",
            )),
            (Kind::Edge, Some(is)) => Some(change(
                format!("rows of `{name}` have {}, and had {} before", ids(is), ids(was)),
                "rows that are sent again get other ids, so they may be stored twice",
            )),
            (Kind::Key, Some(is)) => Some(change(
                format!("stream `{name}` has the key {}, and had {} before", list(is), list(was)),
                "rows of one key that are on the stream already may be on another shard, so their \
                 order does not hold",
            )),
            (Kind::Buffer, None) => Some(change(
                format!("buffer `{name}` (to {was}) is gone, or has another name"),
                "rows that wait in it are not sent any more",
            )),
            // Its sink may change as any; but rows must not go to the sinks of another branch.
            (Kind::Buffer, Some(_)) if !moved(name, was, now) => None,
            (Kind::Buffer, Some(is)) => Some(change(
                format!("buffer `{name}` is that of {is}, and was that of {was} before"),
                "rows that wait in it are sent to the sinks of the other branch",
            )),
            // Nothing arrives by that way any more.
            (Kind::Decoder | Kind::Edge | Kind::Key, None) => None,
        }
    };
    before.iter().filter_map(changed).collect()
}

/// The sinks of a buffer are behind another one now.
fn moved(name: &str, sinks: &str, now: &Facts) -> bool {
    now.iter().any(|((kind, other), of)| *kind == Kind::Buffer && other != name && of == sinks)
}

fn ids(lane: &str) -> String {
    match lane {
        "" => "the ids of their source".into(),
        lane => format!("ids of their own, as `{lane}`"),
    }
}

fn list(fields: &str) -> String {
    if fields.is_empty() { "of no field".into() } else { format!("`{fields}`") }
}

/// A line a fact: kind, name and value, separated by tabs.
fn text(facts: &Facts) -> String {
    let word = |kind: &Kind| KINDS.iter().find(|(of, _)| of == kind).map_or("", |(_, word)| word);
    let line = |((kind, name), value): (&(Kind, String), &String)| {
        format!("{}\t{name}\t{value}\n", word(kind))
    };
    facts.iter().map(line).collect()
}

/// Lines of a later version that are not known here are no facts.
fn parse(text: &[u8]) -> Facts {
    let text = String::from_utf8_lossy(text);
    let fact = |line: &str| {
        let mut parts = line.splitn(3, '\t');
        let word = parts.next()?;
        let (kind, _) = KINDS.iter().find(|(_, of)| *of == word)?;
        Some(((*kind, parts.next()?.to_owned()), parts.next()?.to_owned()))
    };
    text.lines().filter_map(fact).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts_of(facts: &[(Kind, &str, &str)]) -> Facts {
        let fact = |(kind, name, value): &(Kind, &str, &str)| {
            ((*kind, (*name).to_owned()), (*value).to_owned())
        };
        facts.iter().map(fact).collect()
    }

    #[test]
    fn facts_are_read_as_they_were_written() {
        let facts = facts_of(&[
            (Kind::Source, "a/file.read", "file.read"),
            (Kind::Edge, "a/x -> a/y", ""),
            (Kind::Key, "orders", "id, at"),
        ]);
        assert_eq!(parse(text(&facts).as_bytes()), facts);
        assert_eq!(parse(b"later\ta\tb\nsource\n\xff"), Facts::new());
    }

    #[test]
    fn only_what_the_state_depends_on_is_a_change() {
        let before = facts_of(&[
            (Kind::Source, "a/file.read", "file.read"),
            (Kind::Decoder, "a/file.read", "csv.decode"),
            (Kind::Edge, "a/x -> a/y", ""),
            (Kind::Edge, "a/x -> a/z", ""),
            (Kind::Key, "orders", "id"),
        ]);
        let mut now = before.clone();
        // A new branch, a new source, a sink that is gone.
        now.insert((Kind::Edge, "a/x -> a/new".into()), String::new());
        now.insert((Kind::Source, "a/file.read#2".into()), "file.read".into());
        now.remove(&(Kind::Edge, "a/x -> a/z".into()));
        assert_eq!(compare("a", &before, &now), []);
        now.insert((Kind::Edge, "a/x -> a/y".into()), "a/x.out".into());
        now.insert((Kind::Key, "orders".into()), "at".into());
        now.insert((Kind::Decoder, "a/file.read".into()), "text.lines".into());
        let whats: Vec<String> =
            compare("a", &before, &now).into_iter().map(|change| change.what).collect();
        assert_eq!(
            whats,
            [
                "`text.lines` takes apart what `a/file.read` reads, and `csv.decode` did before",
                "rows of `a/x -> a/y` have ids of their own, as `a/x.out`, and had the ids of \
                 their source before",
                "stream `orders` has the key `at`, and had `id` before",
            ]
        );
        now.remove(&(Kind::Source, "a/file.read".into()));
        assert!(compare("a", &before, &now)[0].what.contains("is gone"));
    }

    #[test]
    fn a_buffer_stays_with_its_branch() {
        let before = facts_of(&[(Kind::Buffer, "copy~http.post", "http.post \"a\"")]);
        let other = facts_of(&[(Kind::Buffer, "copy~http.post", "http.post \"b\"")]);
        assert_eq!(compare("copy", &before, &other), [], "its sink may change");
        let mut now = other;
        now.insert((Kind::Buffer, "copy~http.post#2".into()), "http.post \"a\"".into());
        let whats = |now: &Facts| -> Vec<String> {
            compare("copy", &before, now).into_iter().map(|change| change.what).collect()
        };
        assert_eq!(
            whats(&now),
            ["buffer `copy~http.post` is that of http.post \"b\", and was that of http.post \
              \"a\" before"]
        );
        assert_eq!(
            whats(&Facts::new()),
            ["buffer `copy~http.post` (to http.post \"a\") is gone, or has another name"]
        );
    }
}
