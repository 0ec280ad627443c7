//! Drawings made by chance, to find what the layout cannot do.

use crate::ast::ResourceKind;
use crate::draw::model::{Cluster, Drawing, Edge, EdgeKind, Node, Shape};

/// A small generator of numbers (splitmix64): the same for the same seed.
pub struct Dice(pub u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % below as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.roll(n) == 0
    }
}

const TYPES: [&str; 5] = ["bytes", "Line", "json<Line>", "base64<json<Line>>", "{ a, b, … }"];

/// A drawing: some flows with branches, joins and failures, and resources between them.
pub fn drawing(seed: u64) -> Drawing {
    let mut dice = Dice(seed);
    let mut drawing = Drawing { title: "random.flow".into(), ..Drawing::default() };
    let resources = 1 + dice.roll(5);
    let flows = 1 + dice.roll(4);
    let mut sinks = Vec::new();
    let mut sources = Vec::new();
    for flow in 0..flows {
        let cluster =
            Cluster { name: format!("flow{flow}"), doc: None, guarantee: "at least once" };
        drawing.clusters.push(cluster);
        add_flow(&mut drawing, flow, &mut dice, &mut sources, &mut sinks);
    }
    let first = drawing.nodes.len();
    let kinds = [
        ResourceKind::Stream,
        ResourceKind::Bucket,
        ResourceKind::Table,
        ResourceKind::Delivery,
        ResourceKind::Queue,
    ];
    for resource in 0..resources {
        let shape = Shape::Resource(kinds[dice.roll(5)]);
        push(&mut drawing, &format!("resource{resource}"), shape, None, false);
    }
    for sink in sinks {
        let to = first + dice.roll(resources);
        let kind = if drawing.nodes[sink].side { EdgeKind::Errors } else { EdgeKind::Data };
        link(&mut drawing, sink, to, "json<Line>", kind);
    }
    for source in sources {
        if !dice.one_in(3) {
            let from = first + dice.roll(resources);
            link(&mut drawing, from, source, "json<Line>", EdgeKind::Data);
        }
    }
    drawing
}

fn add_flow(
    drawing: &mut Drawing,
    flow: usize,
    dice: &mut Dice,
    sources: &mut Vec<usize>,
    sinks: &mut Vec<usize>,
) {
    let mut open = Vec::new();
    for _ in 0..1 + dice.roll(2) {
        let source = push(drawing, "orders.read", Shape::Source, Some(flow), false);
        sources.push(source);
        open.push(source);
    }
    let begin = open[0];
    for _ in 0..dice.roll(6) {
        let from = open[dice.roll(open.len())];
        let label = ["map", "base64.decode", "text.join"][dice.roll(3)];
        let node = push(drawing, label, Shape::Transform, Some(flow), false);
        link(drawing, from, node, TYPES[dice.roll(5)], EdgeKind::Data);
        if dice.one_in(4) {
            let other = open[dice.roll(open.len())];
            link(drawing, other, node, TYPES[dice.roll(5)], EdgeKind::Data);
        }
        open.push(node);
    }
    for node in open.clone() {
        let ends = !drawing.edges.iter().any(|edge| edge.from == node);
        if ends || dice.one_in(4) {
            let sink = push(drawing, "invoices.upsert", Shape::Sink, Some(flow), false);
            link(drawing, node, sink, TYPES[dice.roll(5)], EdgeKind::Data);
            sinks.push(sink);
            open.push(sink);
        }
    }
    let target = push(drawing, "quarantine.append", Shape::Sink, Some(flow), true);
    sinks.push(target);
    for node in open {
        if !dice.one_in(3) {
            link(drawing, node, target, "Failure", EdgeKind::Errors);
        }
    }
    if dice.one_in(2) {
        let count = push(drawing, "count", Shape::Sink, Some(flow), true);
        link(drawing, begin, count, "Done", EdgeKind::Done);
    }
}

fn push(
    drawing: &mut Drawing,
    label: &str,
    shape: Shape,
    cluster: Option<usize>,
    side: bool,
) -> usize {
    drawing.nodes.push(Node {
        id: format!("{}/{label}", drawing.nodes.len()),
        label: label.into(),
        detail: None,
        facts: vec![],
        shape,
        cluster,
        dotted: false,
        side,
    });
    drawing.nodes.len() - 1
}

fn link(drawing: &mut Drawing, from: usize, to: usize, label: &str, kind: EdgeKind) {
    drawing.edges.push(Edge { from, to, label: label.into(), kind });
}
