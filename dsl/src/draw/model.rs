//! What a drawing shows, whatever its format: the plan's nodes in their flows, the resources
//! between the flows, once each, and the codecs that the plan leaves unsaid.

use crate::ast::{Guarantee, ResourceKind};
use crate::plan::{Plan, PlanNode, PlanResource, Port};
use crate::spec::NodeKind;
use crate::ty::Ty;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;
use std::collections::{BTreeMap, BTreeSet};
use unicode_width::UnicodeWidthStr;

/// Columns of a type on an edge, at most.
const TYPE_COLUMNS: usize = 30;
/// Columns of the second line of a node, at most.
const DETAIL_COLUMNS: usize = 24;

/// A drawing.
#[derive(Clone, Debug, Default)]
pub struct Drawing {
    /// The file's name, without directories.
    pub title: String,
    /// The profile.
    pub profile: String,
    /// The flows, in the order of the file.
    pub clusters: Vec<Cluster>,
    /// The nodes of the flows, then the resources.
    pub nodes: Vec<Node>,
    /// What travels between them.
    pub edges: Vec<Edge>,
}

/// A flow.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Its `##` comment.
    pub doc: Option<String>,
    /// `at least once`
    pub guarantee: &'static str,
}

/// A box.
#[derive(Clone, Debug)]
pub struct Node {
    /// Unique: `ingest/csv.decode`, or the resource's name.
    pub id: String,
    /// The line in it.
    pub label: String,
    /// A second, smaller line.
    pub detail: Option<String>,
    /// What else is to be known, a fact a line.
    pub facts: Vec<String>,
    /// Its outline.
    pub shape: Shape,
    /// The flow it is in: index into [`Drawing::clusters`]; none for a resource.
    pub cluster: Option<usize>,
    /// Implied, not written, or at no cost: drawn dotted.
    pub dotted: bool,
    /// Only failures or `done` events come here.
    pub side: bool,
}

/// The outlines, by what a box is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// Sends records that come from outside.
    Source,
    /// Receives and sends.
    Transform,
    /// Writes records.
    Sink,
    /// Stands between flows.
    Resource(ResourceKind),
}

/// A line between two boxes.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// Index into [`Drawing::nodes`].
    pub from: usize,
    /// Index into [`Drawing::nodes`].
    pub to: usize,
    /// The type of what travels, with the port where it is not `out`.
    pub label: String,
    /// What travels.
    pub kind: EdgeKind,
}

/// What travels on an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EdgeKind {
    /// Records.
    Data,
    /// Failures.
    Errors,
    /// One event for each acknowledged record.
    Done,
    /// Records, over the network.
    Network,
}

/// The drawing of a plan. Flows that a provider has added for its own work are left out.
pub fn drawing(plan: &Plan) -> Drawing {
    let mut maker = Maker::new(plan);
    let shown: Vec<NodeIndex> = plan
        .graph
        .node_indices()
        .filter(|&node| maker.cluster_of.contains_key(&plan.graph[node].flow))
        .collect();
    for &node in &shown {
        maker.add_node(node);
    }
    maker.add_resources(&shown);
    for &node in &shown {
        maker.add_edges(node);
    }
    maker.drawing
}

struct Maker<'a> {
    plan: &'a Plan,
    drawing: Drawing,
    main: BTreeSet<NodeIndex>,
    cluster_of: BTreeMap<usize, usize>,
    /// Where edges to a node arrive: itself, or the codec before it.
    entry: BTreeMap<NodeIndex, usize>,
    boxes: BTreeMap<NodeIndex, usize>,
    resources: BTreeMap<usize, usize>,
}

impl<'a> Maker<'a> {
    fn new(plan: &'a Plan) -> Maker<'a> {
        let title = plan.file.rsplit(['/', '\\']).next().unwrap_or(&plan.file).to_owned();
        let flows = plan.flows.iter().enumerate().filter(|(_, flow)| !flow.hidden);
        let mut clusters = Vec::new();
        let mut cluster_of = BTreeMap::new();
        for (index, flow) in flows {
            cluster_of.insert(index, clusters.len());
            clusters.push(Cluster {
                name: flow.name.clone(),
                doc: flow.doc.clone(),
                guarantee: guarantee_text(flow.guarantee),
            });
        }
        let profile = plan.profile.clone();
        Maker {
            plan,
            drawing: Drawing { title, profile, clusters, ..Drawing::default() },
            main: fed_by_data(plan),
            cluster_of,
            entry: BTreeMap::new(),
            boxes: BTreeMap::new(),
            resources: BTreeMap::new(),
        }
    }

    fn push(&mut self, node: Node) -> usize {
        self.drawing.nodes.push(node);
        self.drawing.nodes.len() - 1
    }

    fn link(&mut self, from: usize, to: usize, label: String, kind: EdgeKind) {
        let edge = Edge { from, to, label, kind };
        if !self.drawing.edges.contains(&edge) {
            self.drawing.edges.push(edge);
        }
    }

    /// The box of a node and, where a sink encodes what arrives, the codec before it. A sink that
    /// only takes failures is drawn without: its edge to the resource says the type.
    fn add_node(&mut self, index: NodeIndex) {
        let node = &self.plan.graph[index];
        let side = !self.main.contains(&index);
        let cluster = self.cluster_of.get(&node.flow).copied();
        let codec = node.encodes.as_ref().filter(|_| !side).map(|stored| Node {
            id: format!("{}/encode", node.id),
            label: format!("{}.encode", codec_word(stored)),
            detail: None,
            facts: vec!["the resource's type implies it".into()],
            shape: Shape::Transform,
            cluster,
            dotted: true,
            side,
        });
        let codec = codec.map(|codec| self.push(codec));
        let shown = self.push(Node {
            id: node.id.clone(),
            label: node.label.clone(),
            detail: detail(node),
            facts: facts(node),
            shape: match node.kind {
                NodeKind::Source => Shape::Source,
                NodeKind::Transform => Shape::Transform,
                NodeKind::Sink => Shape::Sink,
            },
            cluster,
            // A reader is marked too, when the layer behind it is off already.
            dotted: node.inserted || (node.elided && node.kind == NodeKind::Transform),
            side,
        });
        self.boxes.insert(index, shown);
        self.entry.insert(index, codec.unwrap_or(shown));
        if let (Some(codec), Some(stored)) = (codec, &node.encodes) {
            self.link(codec, shown, type_text(stored), EdgeKind::Data);
        }
    }

    /// The resources that the shown nodes use, and the buckets that deliveries among them fill, in
    /// the order of the file.
    fn add_resources(&mut self, shown: &[NodeIndex]) {
        let plan = self.plan;
        let mut used: BTreeSet<usize> =
            shown.iter().filter_map(|&node| plan.graph[node].resource).collect();
        let filled: Vec<usize> =
            used.iter().filter_map(|&resource| plan.resources[resource].into).collect();
        used.extend(filled);
        for &index in &used {
            let resource = &plan.resources[index];
            let shown = self.push(Node {
                id: resource.name.clone(),
                label: resource.name.clone(),
                detail: resource
                    .binding
                    .as_ref()
                    .filter(|bound| bound.name != resource.name)
                    .map(|bound| clip(&bound.name, DETAIL_COLUMNS)),
                facts: resource_facts(resource),
                shape: Shape::Resource(resource.kind),
                cluster: None,
                dotted: false,
                side: false,
            });
            self.resources.insert(index, shown);
        }
        for &index in &used {
            let Some(into) = plan.resources[index].into else { continue };
            let label = type_text(&plan.resources[index].ty);
            self.link(self.resources[&index], self.resources[&into], label, EdgeKind::Data);
        }
    }

    fn add_edges(&mut self, index: NodeIndex) {
        let plan = self.plan;
        let node = &plan.graph[index];
        let mut edges: Vec<_> = plan.graph.edges(index).collect();
        edges.sort_by_key(|edge| edge.id());
        for edge in edges {
            let Some(&to) = self.entry.get(&edge.target()) else { continue };
            let (label, kind) = edge_text(&edge.weight().port, &edge.weight().ty);
            self.link(self.boxes[&index], to, label, kind);
        }
        if let Some(resource) = node.resource {
            let label = type_text(&plan.resources[resource].ty);
            let (node_box, resource_box) = (self.boxes[&index], self.resources[&resource]);
            let side = !self.main.contains(&index);
            let kind = if side { EdgeKind::Errors } else { EdgeKind::Data };
            match node.kind {
                NodeKind::Source => self.link(resource_box, node_box, label, EdgeKind::Data),
                _ => self.link(node_box, resource_box, label, kind),
            }
        } else if node.kind == NodeKind::Source {
            for feeder in &node.fed_by {
                let Some(&from) = self.boxes.get(feeder) else { continue };
                let sent = plan.graph[*feeder].input.as_ref().map(type_text).unwrap_or_default();
                self.link(from, self.boxes[&index], sent, EdgeKind::Network);
            }
        }
    }
}

/// The nodes that records reach, from sources and not by `errors` or `done`.
fn fed_by_data(plan: &Plan) -> BTreeSet<NodeIndex> {
    let is_source = |node: &NodeIndex| plan.graph[*node].kind == NodeKind::Source;
    let mut open: Vec<NodeIndex> = plan.graph.node_indices().filter(is_source).collect();
    let mut main = BTreeSet::new();
    while let Some(node) = open.pop() {
        if main.insert(node) {
            let data = plan
                .graph
                .edges(node)
                .filter(|edge| matches!(edge.weight().port, Port::Out | Port::Named(_)));
            open.extend(data.map(|edge| edge.target()));
        }
    }
    main
}

fn edge_text(port: &Port, ty: &Ty) -> (String, EdgeKind) {
    match port {
        Port::Out => (type_text(ty), EdgeKind::Data),
        Port::Errors => (type_text(ty), EdgeKind::Errors),
        Port::Done => (type_text(ty), EdgeKind::Done),
        Port::Named(name) => {
            let port = match name.parse::<usize>() {
                Ok(arm) => format!("arm {}", arm + 1),
                Err(_) => name.clone(),
            };
            (format!("{port}: {}", type_text(ty)), EdgeKind::Data)
        }
    }
}

/// The type as on an edge: a record without a name by its first fields.
fn type_text(ty: &Ty) -> String {
    let whole = ty.to_string();
    if whole.width() <= TYPE_COLUMNS {
        return whole;
    }
    match ty {
        Ty::Record(record) => {
            let names: Vec<&str> =
                record.fields.iter().take(2).map(|field| field.name.as_str()).collect();
            clip(&format!("{{ {}, … }}", names.join(", ")), TYPE_COLUMNS)
        }
        _ => clip(&whole, TYPE_COLUMNS),
    }
}

fn clip(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut clipped = String::new();
    for c in text.chars() {
        if clipped.width() + 2 > columns {
            break;
        }
        clipped.push(c);
    }
    clipped + "…"
}

fn codec_word(stored: &Ty) -> &'static str {
    match stored {
        Ty::Csv(_) => "csv",
        _ => "json",
    }
}

/// Options that say what a node is about, by node.
const DETAILS: &[(&str, &[&str])] = &[
    ("file.read", &["path"]),
    ("file.write", &["path"]),
    ("http.serve", &["listen", "path"]),
    ("http.post", &["url"]),
    ("batch", &["max", "size", "wait"]),
    ("count", &["name"]),
    ("spill", &["size"]),
];

fn detail(node: &PlanNode) -> Option<String> {
    let (_, names) = DETAILS.iter().find(|(op, _)| *op == node.op)?;
    let values: Vec<String> = names
        .iter()
        .filter_map(|name| node.options.get(*name))
        .map(|value| match value.as_text() {
            Some(text) => text.to_owned(),
            None => value.to_string(),
        })
        .collect();
    let text = match node.op.as_str() {
        "file.read" => values.first()?.rsplit('/').next()?.to_owned(),
        "http.serve" => values.concat(),
        "http.post" => values.first()?.trim_start_matches("http://").to_owned(),
        _ => values.join(" · "),
    };
    (!text.is_empty()).then(|| clip(&text, DETAIL_COLUMNS))
}

fn facts(node: &PlanNode) -> Vec<String> {
    let mut facts = vec![node.id.clone()];
    facts.extend(node.input.iter().map(|ty| format!("accepts {ty}")));
    facts.extend(node.output.iter().map(|ty| format!("sends {ty}")));
    facts.extend(node.options.iter().map(|(name, value)| format!("{name}: {value}")));
    if node.elided && node.kind == NodeKind::Transform {
        facts.push("at no cost: its reader hands over the raw bytes".into());
    }
    facts
}

fn resource_facts(resource: &PlanResource) -> Vec<String> {
    let mut fact = format!("{} {} : {}", resource.kind.word(), resource.name, resource.ty);
    for (at, key) in resource.key.iter().enumerate() {
        fact.push_str(if at == 0 { " key ." } else { ", ." });
        fact.push_str(key);
    }
    let mut facts = vec![fact];
    if let Some(bound) = &resource.binding {
        let options: Vec<String> =
            bound.options.iter().map(|(name, value)| format!(", {name}: {value}")).collect();
        facts.push(format!("{}({:?}{})", bound.service, bound.name, options.concat()));
    }
    facts
}

fn guarantee_text(guarantee: Guarantee) -> &'static str {
    match guarantee {
        Guarantee::AtLeastOnce => "at least once",
        Guarantee::AtMostOnce => "at most once",
        Guarantee::ExactlyOnce => "exactly once",
    }
}
