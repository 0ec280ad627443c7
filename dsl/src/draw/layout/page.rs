//! The whole page: flows and resources in ranks, lines between them, and at the right the resources
//! that only failures reach.

use super::cluster::{Inner, TAIL, inner};
use super::geometry::{Path, Point, Rect};
use super::layered::{Block, Layered, Link, layered};
use super::size::{LABEL_FONT, mono, size};
use super::{ClusterBox, Label, Line, Scene, joined_width, put};
use crate::draw::model::{Drawing, Edge, EdgeKind};
use std::collections::{BTreeMap, BTreeSet};

/// Space around everything.
const MARGIN: f64 = 24.0;
/// Space for the title of the page.
const HEAD: f64 = 46.0;
/// Space between flows and resources of a rank.
const APART: f64 = 26.0;
/// Space between ranks that are joined by upright lines only.
const GAP: f64 = 42.0;
/// Space between ranks with a curve between them.
const GAP_CURVED: f64 = 56.0;
/// Space between two upright lines at the edge of the page.
const TRACK: f64 = 24.0;

/// Lays a drawing out.
pub fn scene(drawing: &Drawing) -> Scene {
    let mut page = Page::new(drawing);
    page.link();
    page.place();
    page.draw_links();
    page.draw_back();
    page.draw_buses();
    page.finish()
}

/// A flow or a resource, as a box of the outer layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    Cluster(usize),
    Resource(usize),
}

struct Page<'a> {
    drawing: &'a Drawing,
    inners: Vec<Inner>,
    items: Vec<Item>,
    /// Edges that the layered layout has, and those that run back up.
    forward: Vec<(&'a Edge, Link)>,
    back: Vec<&'a Edge>,
    /// Resources that only failures reach, with the edges to them.
    buses: BTreeMap<usize, Vec<&'a Edge>>,
    placed: Layered,
    /// Top and bottom of each rank.
    rows: Vec<(f64, f64)>,
    left: f64,
    scene: Scene,
}

impl<'a> Page<'a> {
    fn new(drawing: &'a Drawing) -> Page<'a> {
        let crossing = |edge: &&Edge| {
            let (from, to) = (&drawing.nodes[edge.from], &drawing.nodes[edge.to]);
            from.cluster.is_none() || from.cluster != to.cluster || edge.kind == EdgeKind::Network
        };
        let crossing: Vec<&Edge> = drawing.edges.iter().filter(crossing).collect();
        let entries: BTreeSet<usize> = crossing.iter().map(|edge| edge.to).collect();
        let exits: BTreeSet<usize> = crossing.iter().map(|edge| edge.from).collect();
        let clusters = 0..drawing.clusters.len();
        let inners = clusters.map(|at| inner(drawing, at, &entries, &exits)).collect();
        let mut page = Page {
            drawing,
            inners,
            items: Vec::new(),
            forward: Vec::new(),
            back: crossing,
            buses: BTreeMap::new(),
            placed: Layered::default(),
            rows: Vec::new(),
            left: MARGIN,
            scene: Scene::default(),
        };
        page.sort_items();
        page
    }

    /// Puts resources that only failures reach aside; the others and the flows are items.
    fn sort_items(&mut self) {
        let drawing = self.drawing;
        for node in (0..drawing.nodes.len()).filter(|&n| drawing.nodes[n].cluster.is_none()) {
            let errors = |edge: &&&Edge| edge.kind == EdgeKind::Errors && edge.to == node;
            let to: Vec<&Edge> = self.back.iter().filter(errors).copied().collect();
            let all = self.back.iter().filter(|e| e.to == node || e.from == node).count();
            if !to.is_empty() && to.len() == all {
                self.back.retain(|edge| edge.to != node);
                self.buses.insert(node, to);
            } else {
                self.items.push(Item::Resource(node));
            }
        }
        self.items.extend((0..drawing.clusters.len()).map(Item::Cluster));
        // In the order of the file, resources after the flow that first writes them.
        let first = |item: &Item| match *item {
            Item::Cluster(at) => (at, 0),
            Item::Resource(node) => {
                let writers = self.back.iter().filter(|edge| edge.to == node);
                let clusters = writers.filter_map(|e| drawing.nodes[e.from].cluster);
                (clusters.min().unwrap_or(0), 1 + node)
            }
        };
        let mut items = std::mem::take(&mut self.items);
        items.sort_by_key(first);
        self.items = items;
    }

    fn item_of(&self, node: usize) -> usize {
        let item = match self.drawing.nodes[node].cluster {
            Some(cluster) => Item::Cluster(cluster),
            None => Item::Resource(node),
        };
        let found = self.items.iter().position(|&other| other == item);
        found.expect("every node is in an item, except those of the buses")
    }

    /// Where a line meets a node, from the anchor of its item.
    fn port(&self, node: usize, leaving: bool) -> f64 {
        let Some(cluster) = self.drawing.nodes[node].cluster else { return 0.0 };
        let inner = &self.inners[cluster];
        let x = inner.boxes[&node].center().x;
        if leaving { inner.exits.get(&node).map_or(x, |exit| exit.x) } else { x }
    }

    /// Sorts the edges into those that go down and those that would close a cycle.
    fn link(&mut self) {
        let edges = std::mem::take(&mut self.back);
        let mut open: Vec<(usize, usize)> = Vec::new();
        for edge in edges {
            let (from, to) = (self.item_of(edge.from), self.item_of(edge.to));
            if from == to || reaches(&open, to, from) {
                self.back.push(edge);
                continue;
            }
            open.push((from, to));
            let (from_dx, to_dx) = (self.port(edge.from, true), self.port(edge.to, false));
            self.forward.push((edge, Link { from, to, from_dx, to_dx }));
        }
    }

    fn place(&mut self) {
        let blocks: Vec<Block> = self.items.iter().map(|&item| self.block(item)).collect();
        let links: Vec<Link> = self.forward.iter().map(|(_, link)| *link).collect();
        self.placed = layered(&blocks, &links, APART, true);
        self.left = MARGIN + TRACK * self.back.len() as f64;
        self.rows();
        self.scene.boxes = vec![Rect::default(); self.drawing.nodes.len()];
        self.scene.clusters = vec![ClusterBox::default(); self.drawing.clusters.len()];
        for (at, item) in self.items.clone().into_iter().enumerate() {
            let corner =
                Point::new(self.left + self.placed.x[at], self.rows[self.placed.rank[at]].0);
            match item {
                Item::Cluster(cluster) => self.put_cluster(cluster, corner),
                Item::Resource(node) => self.put_resource(node, corner),
            }
        }
    }

    /// The top and bottom of each rank.
    fn rows(&mut self) {
        let mut heights = vec![0.0_f64; self.placed.ranks];
        let mut curved = vec![false; self.placed.ranks];
        for (at, &item) in self.items.iter().enumerate() {
            let rank = self.placed.rank[at];
            heights[rank] = heights[rank].max(self.height(item));
        }
        for (index, (_, link)) in self.forward.iter().enumerate() {
            let mut xs = vec![self.placed.x[link.from] + link.from_dx];
            xs.extend(&self.placed.via[index]);
            xs.push(self.placed.x[link.to] + link.to_dx);
            for (step, pair) in xs.windows(2).enumerate() {
                curved[self.placed.rank[link.from] + step] |= (pair[0] - pair[1]).abs() > 0.75;
            }
        }
        let above = if self.back.is_empty() { 0.0 } else { GAP };
        let mut y = HEAD + MARGIN + above;
        for (height, curved) in heights.into_iter().zip(curved) {
            self.rows.push((y, y + height));
            y += height + if curved { GAP_CURVED } else { GAP };
        }
    }

    fn height(&self, item: Item) -> f64 {
        match item {
            Item::Cluster(cluster) => self.inners[cluster].h,
            Item::Resource(node) => size(&self.drawing.nodes[node]).1,
        }
    }

    fn block(&self, item: Item) -> Block {
        let labels = |node: usize| {
            let forward = self.forward.iter().map(|(edge, _)| *edge);
            let to = forward.chain(self.back.iter().copied()).filter(|edge| edge.to == node);
            let texts: Vec<String> = to.map(label_of).collect();
            joined_width(texts.iter().map(String::as_str))
        };
        match item {
            Item::Cluster(cluster) => {
                let inner = &self.inners[cluster];
                let ends = inner.boxes.iter().map(|(&node, b)| b.center().x + labels(node));
                Block { left: 0.0, right: ends.fold(inner.w, f64::max), last: false }
            }
            Item::Resource(node) => {
                let half = size(&self.drawing.nodes[node]).0 / 2.0;
                Block { left: half, right: half.max(labels(node)), last: false }
            }
        }
    }

    fn put_cluster(&mut self, cluster: usize, corner: Point) {
        let inner = std::mem::take(&mut self.inners[cluster]);
        let rect = Rect { x: corner.x, y: corner.y, w: inner.w, h: inner.h };
        self.scene.clusters[cluster] = ClusterBox { rect, title: inner.title.shift(corner) };
        for (&node, rect) in &inner.boxes {
            self.scene.boxes[node] = rect.shift(corner);
        }
        let lines = inner.lines.iter().cloned();
        self.scene.lines.extend(lines.map(|line| Line { path: line.path.shift(corner), ..line }));
        let labels = inner.labels.iter().cloned();
        self.scene.labels.extend(labels.map(|label| Label { at: label.at.shift(corner), ..label }));
        let exits = inner.exits.iter().map(|(&node, exit)| (node, exit.shift(corner))).collect();
        self.inners[cluster] = Inner { exits, ..inner };
    }

    fn put_resource(&mut self, node: usize, corner: Point) {
        let (w, h) = size(&self.drawing.nodes[node]);
        self.scene.boxes[node] = Rect { x: corner.x - w / 2.0, y: corner.y, w, h };
    }

    /// Where a line leaves a node for another item.
    fn exit(&self, node: usize) -> Point {
        let rect = self.scene.boxes[node];
        let foot = Point::new(rect.center().x, rect.bottom());
        let cluster = self.drawing.nodes[node].cluster;
        cluster.and_then(|cluster| self.inners[cluster].exits.get(&node).copied()).unwrap_or(foot)
    }

    /// The lines from rank to rank.
    fn draw_links(&mut self) {
        for index in 0..self.forward.len() {
            let (edge, link) = self.forward[index];
            let mut rank = self.placed.rank[link.from];
            let mut path = Path::from(self.exit(edge.from));
            for via in &self.placed.via[index] {
                path = path.down(self.rows[rank].1);
                rank += 1;
                path = path.fall(Point::new(self.left + via, self.rows[rank].0));
            }
            path = path.down(self.rows[rank].1);
            let head = self.scene.boxes[edge.to];
            let (x, top) = (head.center().x, self.rows[rank + 1].0);
            path = path.fall(Point::new(x, top - TAIL)).to(Point::new(x, head.y));
            self.push_line(path, edge, Point::new(x + 7.0, top - 7.0));
        }
    }

    fn push_line(&mut self, path: Path, edge: &Edge, at: Point) {
        self.scene.lines.push(Line { path, kind: edge.kind, arrow: true });
        let (text, kind) = (label_of(edge), edge.kind);
        put(&mut self.scene.labels, Label { at, text, kind, inside: false });
    }

    /// The lines that run back up, along the left edge of the page.
    fn draw_back(&mut self) {
        for (track, edge) in std::mem::take(&mut self.back).into_iter().enumerate() {
            let rank = |node| self.placed.rank[self.item_of(node)];
            let (from, to) = (rank(edge.from), rank(edge.to));
            let shift = 5.0 * (track % 4) as f64;
            let margin = MARGIN + TRACK * track as f64;
            let (start, head) = (self.exit(edge.from), self.scene.boxes[edge.to]);
            let below = self.rows[from].1 + 8.0 + shift;
            let above = self.rows[to].0 - TAIL - 10.0 - shift;
            let x = head.center().x;
            let path = Path::from(start).corners(&[
                Point::new(start.x, below),
                Point::new(margin, below),
                Point::new(margin, above),
                Point::new(x, above),
                Point::new(x, head.y),
            ]);
            self.push_line(path, edge, Point::new(x + 7.0, self.rows[to].0 - 7.0));
        }
    }

    /// The resources that only failures reach, each at the foot of an upright line at the right.
    fn draw_buses(&mut self) {
        for (track, (node, edges)) in std::mem::take(&mut self.buses).into_iter().enumerate() {
            let (w, h) = size(&self.drawing.nodes[node]);
            let last = self.rows.last().copied().unwrap_or((HEAD, HEAD));
            let half = w / 2.0;
            let bus = (self.right_of(|_| true) + TRACK)
                .max(self.right_of(|r| r.bottom() > last.0) + half + APART);
            let shift = 5.0 * (track % 4) as f64;
            let mut branches: Vec<(Path, f64)> =
                edges.iter().map(|edge| self.branch(edge.from, bus, shift)).collect();
            join_levels(&mut branches);
            let low = branches.iter().map(|branch| branch.1).fold(0.0, f64::max);
            let high = branches.iter().map(|branch| branch.1).fold(f64::MAX, f64::min);
            let top = last.0.max(low + TAIL + 20.0);
            for (path, _) in branches {
                self.scene.lines.push(Line { path, kind: EdgeKind::Errors, arrow: false });
            }
            let path = Path::from(Point::new(bus, high + 8.0)).to(Point::new(bus, top));
            self.push_line(path, edges[0], Point::new(bus + 7.0, top - 7.0));
            self.scene.boxes[node] = Rect { x: bus - half, y: top, w, h };
        }
    }

    /// The right end of the boxes and flows that are wanted.
    fn right_of(&self, wanted: impl Fn(&Rect) -> bool) -> f64 {
        let clusters = self.scene.clusters.iter().map(|cluster| cluster.rect);
        let boxes = self.scene.boxes.iter().copied();
        clusters.chain(boxes).filter(|r| wanted(r)).map(|r| r.right()).fold(MARGIN, f64::max)
    }

    /// From a node of a flow to the bus: sideways where nothing stands right of it, else through
    /// the gap below.
    fn branch(&self, node: usize, bus: f64, shift: f64) -> (Path, f64) {
        let rect = self.scene.boxes[node];
        let y = rect.center().y;
        let way = Rect { x: rect.right() + 1.0, y: y - 1.0, w: bus - rect.right(), h: 2.0 };
        let own = self.drawing.nodes[node].cluster;
        let clusters = self.scene.clusters.iter().enumerate();
        let blocked = clusters.filter(|(at, _)| Some(*at) != own).any(|(_, c)| c.rect.meets(&way))
            || self.scene.boxes.iter().any(|other| other.meets(&way));
        let (start, level) = if blocked {
            let rank = self.placed.rank[self.item_of(node)];
            (self.exit(node), self.rows[rank].1 + 10.0 + shift)
        } else {
            (Point::new(rect.right(), y), y)
        };
        let path = Path::from(start);
        let turn = Point::new(start.x, level);
        let end = [Point::new(bus, level), Point::new(bus, level + 8.0)];
        let path = if blocked { path.corners(&[turn, end[0], end[1]]) } else { path.corners(&end) };
        (path, level)
    }

    fn finish(mut self) -> Scene {
        let labels = self.scene.labels.iter();
        let texts = labels.map(|label| label.at.x + mono(&label.text, LABEL_FONT));
        let courses = self.scene.lines.iter().flat_map(|line| line.path.points());
        let courses: Vec<Point> = courses.collect();
        let right = texts.chain(courses.iter().map(|p| p.x));
        let right = right.fold(self.right_of(|_| true), f64::max);
        let clusters = self.scene.clusters.iter().map(|cluster| cluster.rect.bottom());
        let boxes = self.scene.boxes.iter().map(Rect::bottom);
        let lines = courses.iter().map(|p| p.y);
        self.scene.width = right + MARGIN;
        self.scene.height = clusters.chain(boxes).chain(lines).fold(HEAD, f64::max) + MARGIN;
        self.scene
    }
}

/// The label of a line between items.
fn label_of(edge: &Edge) -> String {
    match edge.kind {
        EdgeKind::Network => format!("HTTP {}", edge.label),
        _ => edge.label.clone(),
    }
}

/// True when `to` can be reached from `from`.
fn reaches(links: &[(usize, usize)], from: usize, to: usize) -> bool {
    let mut open = vec![from];
    let mut seen = BTreeSet::new();
    while let Some(at) = open.pop() {
        if at == to {
            return true;
        }
        if seen.insert(at) {
            open.extend(links.iter().filter(|link| link.0 == at).map(|link| link.1));
        }
    }
    false
}

/// Of branches that run to the bus at one height only the longest runs all the way; the others end
/// on it, so that dashes do not lie on dashes.
fn join_levels(branches: &mut [(Path, f64)]) {
    for at in 0..branches.len() {
        let (start, level) = (branches[at].0.start, branches[at].1);
        let upright = (start.y - level).abs() > 1.0;
        let longer =
            |other: &(Path, f64)| (other.1 - level).abs() < 0.5 && other.0.start.x < start.x - 1.0;
        if upright && branches.iter().any(longer) {
            let corner = [Point::new(start.x, level), Point::new(start.x + 8.0, level)];
            branches[at].0 = Path::from(start).corners(&corner);
        }
    }
}
