//! One flow: its nodes in ranks, and at its right what only failures and `done` events reach.
//!
//! Lines to the right side leave their nodes sideways and join in one upright line for each
//! receiver (a bus), so that the errors of a flow are one quiet line.

use super::geometry::{Path, Point, Rect};
use super::layered::{Block, Layered, Link, layered};
use super::size::{LABEL_FONT, mono, size, title_width};
use super::{Label, Line, joined_width, put};
use crate::draw::model::{Drawing, Edge, EdgeKind, Shape};
use std::collections::{BTreeMap, BTreeSet};

/// Space between the outline of a flow and what is in it.
const PAD: f64 = 14.0;
/// Space for the title.
const HEAD: f64 = 30.0;
/// Space between nodes of a rank.
const APART: f64 = 20.0;
/// Space between ranks that are joined by upright lines only.
const GAP: f64 = 31.0;
/// Space between ranks with a curve between them.
const GAP_CURVED: f64 = 46.0;
/// The last part of every line is upright; its label stands beside it.
pub const TAIL: f64 = 18.0;
/// From a bus to the node it leads to.
pub const BUS: f64 = 16.0;

/// A laid out flow, from its own left top corner.
#[derive(Clone, Debug, Default)]
pub struct Inner {
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
    /// Boxes by node of the drawing.
    pub boxes: BTreeMap<usize, Rect>,
    /// Lines within the flow.
    pub lines: Vec<Line>,
    /// Their labels.
    pub labels: Vec<Label>,
    /// The left end of the title's base line.
    pub title: Point,
    /// Where lines to other places leave: below every box, by node.
    pub exits: BTreeMap<usize, Point>,
}

/// Lays out the nodes of a flow. `entries` are the nodes that lines from elsewhere reach, `exits`
/// those that lines to elsewhere leave.
pub fn inner(
    drawing: &Drawing,
    cluster: usize,
    entries: &BTreeSet<usize>,
    exits: &BTreeSet<usize>,
) -> Inner {
    let mut flow = Flow::new(drawing, cluster);
    let side = flow.side_nodes();
    let main: Vec<usize> = flow.nodes.iter().copied().filter(|n| !side.contains(n)).collect();
    let parts = flow.components(&side);
    let tables = flow.tables(main, exits);
    flow.place(&tables, parts);
    flow.draw_main(&tables);
    flow.draw_side();
    flow.finish(entries, exits, &tables)
}

/// A flow under construction.
pub(super) struct Flow<'a> {
    drawing: &'a Drawing,
    cluster: usize,
    nodes: Vec<usize>,
    pub(super) edges: Vec<&'a Edge>,
    pub(super) inner: Inner,
    /// The layered main part, or a part at the side.
    pub(super) parts: Vec<Part>,
    /// Top of each rank, and its bottom.
    pub(super) rows: Vec<(f64, f64)>,
}

/// Boxes and links for the layered layout.
struct Tables {
    /// The node of each block; none for the place where a line passes down to the edge of the flow.
    nodes: Vec<Option<usize>>,
    blocks: Vec<Block>,
    links: Vec<Link>,
    /// The edge of each link; none for a line to the edge of the flow.
    edges: Vec<Option<Edge>>,
}

/// A laid out part.
pub(super) struct Part {
    pub(super) nodes: Vec<Option<usize>>,
    placed: Layered,
    first_rank: usize,
    x: f64,
}

impl<'a> Flow<'a> {
    fn new(drawing: &'a Drawing, cluster: usize) -> Flow<'a> {
        let inside = |node: usize| drawing.nodes[node].cluster == Some(cluster);
        let nodes = (0..drawing.nodes.len()).filter(|&node| inside(node)).collect();
        let edges = drawing.edges.iter().filter(|e| inside(e.from) && inside(e.to)).collect();
        let (parts, rows) = (Vec::new(), Vec::new());
        Flow { drawing, cluster, nodes, edges, inner: Inner::default(), parts, rows }
    }

    /// The nodes at the side, unless something of the main part can be reached from them.
    fn side_nodes(&self) -> BTreeSet<usize> {
        let mut side: BTreeSet<usize> =
            self.nodes.iter().copied().filter(|&n| self.drawing.nodes[n].side).collect();
        while let Some(edge) =
            self.edges.iter().find(|e| side.contains(&e.from) && !side.contains(&e.to))
        {
            side.remove(&edge.from);
        }
        side
    }

    /// The side nodes, in groups that are joined by lines.
    fn components(&self, side: &BTreeSet<usize>) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = side.iter().map(|&node| vec![node]).collect();
        for edge in &self.edges {
            let find = |node| groups.iter().position(|group| group.contains(&node));
            if let (Some(a), Some(b)) = (find(edge.from), find(edge.to))
                && a != b
            {
                let moved = groups.remove(a.max(b));
                groups[a.min(b)].extend(moved);
            }
        }
        groups
    }

    fn tables(&self, nodes: Vec<usize>, exits: &BTreeSet<usize>) -> Tables {
        let mut tables = Tables { nodes: vec![], blocks: vec![], links: vec![], edges: vec![] };
        let at: BTreeMap<usize, usize> =
            nodes.iter().enumerate().map(|(index, &node)| (node, index)).collect();
        for &node in &nodes {
            let (w, _) = size(&self.drawing.nodes[node]);
            let label = self.label_width(node);
            let sends =
                self.edges.iter().any(|edge| edge.from == node && at.contains_key(&edge.to));
            let last = self.drawing.nodes[node].shape == Shape::Sink && !sends;
            let right = (w / 2.0).max(label);
            tables.nodes.push(Some(node));
            tables.blocks.push(Block { left: w / 2.0, right, last });
        }
        for edge in &self.edges {
            if let (Some(&from), Some(&to)) = (at.get(&edge.from), at.get(&edge.to)) {
                tables.links.push(Link { from, to, from_dx: 0.0, to_dx: 0.0 });
                tables.edges.push(Some((*edge).clone()));
            }
        }
        for &node in exits.iter().filter(|node| at.contains_key(node)) {
            if self.edges.iter().any(|edge| edge.from == node && at.contains_key(&edge.to)) {
                let (from, to) = (at[&node], tables.nodes.len());
                tables.nodes.push(None);
                tables.blocks.push(Block { left: 4.0, right: 4.0, last: true });
                tables.links.push(Link { from, to, from_dx: 0.0, to_dx: 0.0 });
                tables.edges.push(None);
            }
        }
        tables
    }

    /// The width that the labels of the lines to a node need at its right.
    pub(super) fn label_width(&self, node: usize) -> f64 {
        let edges = self.edges.iter().filter(|edge| edge.to == node);
        joined_width(edges.map(|edge| edge.label.as_str()))
    }

    /// Gives all nodes their places: the main part, the side parts right of it, the rows.
    fn place(&mut self, tables: &Tables, groups: Vec<Vec<usize>>) {
        let main = layered(&tables.blocks, &tables.links, APART, false);
        let mut sides = Vec::new();
        for group in groups {
            let side = self.tables(group, &BTreeSet::new());
            let placed = layered(&side.blocks, &side.links, APART, false);
            sides.push((side, placed));
        }
        let ranks =
            sides.iter().map(|(_, placed)| placed.ranks).fold(main.ranks.max(1), usize::max);
        let first_rank = ranks - main.ranks.max(1);
        self.parts.push(Part { nodes: tables.nodes.clone(), placed: main, first_rank, x: PAD });
        let mut sides: Vec<(Tables, Layered, usize)> = sides
            .into_iter()
            .map(|(side, placed)| {
                let first = self.side_rank(tables, &side, &placed, ranks);
                (side, placed, first)
            })
            .collect();
        sides.sort_by_key(|(_, _, first)| std::cmp::Reverse(*first));
        let right = self.place_columns(tables, sides);
        let main = &self.parts[0].placed;
        let ends = main.x.iter().zip(&tables.blocks).map(|(x, block)| PAD + x + block.right);
        self.inner.w = ends.fold(right, f64::max) + PAD;
        self.rows(ranks, tables);
        self.boxes();
    }

    /// Puts the side parts into columns, several in one where their ranks are free. Gives the right
    /// end of the last column.
    fn place_columns(&mut self, tables: &Tables, sides: Vec<(Tables, Layered, usize)>) -> f64 {
        let mut columns: Vec<Vec<(Tables, Layered, usize)>> = Vec::new();
        for side in sides {
            let (first, last) = (side.2, side.2 + side.1.ranks);
            let free = |column: &&mut Vec<(Tables, Layered, usize)>| {
                column.iter().all(|(_, p, other)| last <= *other || other + p.ranks <= first)
            };
            match columns.iter_mut().find(free) {
                Some(column) => column.push(side),
                None => columns.push(vec![side]),
            }
        }
        let mut right = 0.0_f64;
        for column in columns {
            let reach = column.iter().map(|(side, _, first)| self.reach(tables, side, *first));
            let beside = reach.fold(right, f64::max);
            let x = if beside > 0.0 { beside + BUS + 8.0 } else { PAD };
            for (side, placed, first_rank) in column {
                let ends =
                    placed.x.iter().zip(&side.blocks).map(|(at, block)| x + at + block.right);
                right = ends.fold(right, f64::max);
                self.parts.push(Part { nodes: side.nodes, placed, first_rank, x });
            }
        }
        right
    }

    /// The first rank of a side part: beside its only sender, else as low as can be.
    fn side_rank(&self, tables: &Tables, side: &Tables, placed: &Layered, ranks: usize) -> usize {
        let mut senders = self.senders(tables, side);
        senders.dedup();
        match senders[..] {
            [rank] if placed.ranks == 1 => rank,
            _ => ranks - placed.ranks,
        }
    }

    /// The ranks of the nodes of the main part that send to a side part, in order.
    fn senders(&self, tables: &Tables, side: &Tables) -> Vec<usize> {
        let main = &self.parts[0];
        let rank_of = |node: usize| {
            let at = tables.nodes.iter().position(|&other| other == Some(node))?;
            Some(main.first_rank + main.placed.rank[at])
        };
        let to_side = self.edges.iter().filter(|edge| side.nodes.contains(&Some(edge.to)));
        let mut senders: Vec<usize> = to_side.filter_map(|edge| rank_of(edge.from)).collect();
        senders.sort_unstable();
        senders
    }

    /// How far the main part reaches to the right beside a side part and the bus to it; above the
    /// first line to the bus it may reach further.
    fn reach(&self, tables: &Tables, side: &Tables, first_rank: usize) -> f64 {
        let main = &self.parts[0];
        let first = self.senders(tables, side).first().copied();
        let first = first.unwrap_or(first_rank).min(first_rank);
        let mut right = 0.0_f64;
        for (index, block) in tables.blocks.iter().enumerate() {
            let (x, rank) =
                (main.x + main.placed.x[index], main.first_rank + main.placed.rank[index]);
            if rank >= first {
                right = right.max(x + block.left);
            }
            if rank >= first_rank.min(first + 1) {
                right = right.max(x + block.right);
            }
        }
        main.placed.via.iter().flatten().map(|x| main.x + x + 4.0).fold(right, f64::max)
    }

    /// The top and bottom of each rank.
    fn rows(&mut self, ranks: usize, tables: &Tables) {
        let mut heights = vec![0.0_f64; ranks];
        let mut curved = vec![false; ranks];
        for part in &self.parts {
            for (index, node) in part.nodes.iter().enumerate() {
                let rank = part.first_rank + part.placed.rank[index];
                let height = node.map_or(0.0, |node| size(&self.drawing.nodes[node]).1);
                heights[rank] = heights[rank].max(height);
            }
        }
        let main = &self.parts[0];
        for (index, link) in tables.links.iter().enumerate() {
            let mut xs = vec![main.placed.x[link.from]];
            xs.extend(&main.placed.via[index]);
            xs.push(main.placed.x[link.to]);
            for (step, pair) in xs.windows(2).enumerate() {
                let rank = main.first_rank + main.placed.rank[link.from] + step;
                curved[rank] |= (pair[0] - pair[1]).abs() > 0.75;
            }
        }
        let mut y = HEAD;
        for (height, curved) in heights.iter().zip(curved) {
            self.rows.push((y, y + height));
            y += height + if curved { GAP_CURVED } else { GAP };
        }
        self.inner.h = self.rows.last().map_or(HEAD, |row| row.1) + PAD;
    }

    fn boxes(&mut self) {
        for part in &self.parts {
            for (index, node) in part.nodes.iter().enumerate() {
                let Some(node) = *node else { continue };
                let (w, h) = size(&self.drawing.nodes[node]);
                let (top, bottom) = self.rows[part.first_rank + part.placed.rank[index]];
                let x = part.x + part.placed.x[index] - w / 2.0;
                self.inner.boxes.insert(node, Rect { x, y: top + (bottom - top - h) / 2.0, w, h });
            }
        }
    }

    /// The lines within the main part.
    fn draw_main(&mut self, tables: &Tables) {
        for (index, link) in tables.links.iter().enumerate() {
            let Some(edge) = &tables.edges[index] else { continue };
            let path = self.descent(0, index, link, tables);
            self.push_line(path, edge, true);
        }
        for part in 1..self.parts.len() {
            let nodes: Vec<usize> = self.parts[part].nodes.iter().flatten().copied().collect();
            let side = self.tables(nodes, &BTreeSet::new());
            for (index, link) in side.links.iter().enumerate() {
                let Some(edge) = &side.edges[index] else { continue };
                let path = self.descent(part, index, link, &side);
                self.push_line(path, edge, true);
            }
        }
    }

    /// The course of a line from the foot of its sender down to the head of its receiver.
    fn descent(&self, part: usize, index: usize, link: &Link, tables: &Tables) -> Path {
        let part = &self.parts[part];
        let x = |block: usize| part.x + part.placed.x[block];
        let foot = match tables.nodes[link.from] {
            Some(node) => self.inner.boxes[&node].bottom(),
            None => HEAD,
        };
        let mut rank = part.first_rank + part.placed.rank[link.from];
        let mut path = Path::from(Point::new(x(link.from), foot));
        for via in &part.placed.via[index] {
            path = path.down(self.rows[rank].1);
            rank += 1;
            path = path.fall(Point::new(part.x + via, self.rows[rank].0));
        }
        path = path.down(self.rows[rank].1);
        let row = self.rows[rank + 1];
        let head = match tables.nodes[link.to] {
            Some(node) => self.inner.boxes[&node].y,
            None => row.1,
        };
        path.fall(Point::new(x(link.to), row.0 - TAIL)).to(Point::new(x(link.to), head))
    }

    /// A line and its label, beside its last, upright part.
    fn push_line(&mut self, path: Path, edge: &Edge, arrow: bool) {
        let end = path.end();
        let at = Point::new(end.x + 7.0, end.y - 7.0);
        self.inner.lines.push(Line { path, kind: edge.kind, arrow });
        self.push_label(at, edge);
    }

    pub(super) fn push_label(&mut self, at: Point, edge: &Edge) {
        let (text, kind) = (edge.label.clone(), edge.kind);
        put(&mut self.inner.labels, Label { at, text, kind, inside: true });
    }

    /// The title, and where lines leave the flow.
    fn finish(
        mut self,
        entries: &BTreeSet<usize>,
        exits: &BTreeSet<usize>,
        tables: &Tables,
    ) -> Inner {
        for &node in exits {
            if let Some(rect) = self.inner.boxes.get(&node) {
                let foot = Point::new(rect.center().x, rect.bottom());
                self.inner.exits.insert(node, foot);
            }
        }
        for (index, link) in tables.links.iter().enumerate() {
            if let (None, Some(node)) = (&tables.edges[index], tables.nodes[link.from]) {
                let path = self.descent(0, index, link, tables);
                self.inner.exits.insert(node, path.end());
                self.inner.lines.push(Line { path, kind: EdgeKind::Data, arrow: false });
            }
        }
        let width = title_width(&self.drawing.clusters[self.cluster]);
        let entries = entries.iter().filter_map(|n| Some(self.inner.boxes.get(n)?.center().x));
        let mut taken: Vec<(f64, f64)> = entries.map(|x| (x, x)).collect();
        let high = self.inner.labels.iter().filter(|label| label.at.y < HEAD + 2.0);
        taken.extend(high.map(|l| (l.at.x, l.at.x + mono(&l.text, LABEL_FONT))));
        let free = |x: f64| !taken.iter().any(|t| x - 8.0 < t.1 && t.0 < x + width + 8.0);
        self.inner.w = self.inner.w.max(width + 2.0 * PAD);
        let mut x = self.inner.w - PAD - width;
        if !free(x) {
            let right = taken.iter().map(|t| t.1).fold(0.0, f64::max) + 9.0;
            x = if free(12.0) { 12.0 } else { right };
            self.inner.w = self.inner.w.max(x + width + PAD);
        }
        self.inner.title = Point::new(x, 19.0);
        self.inner
    }
}
