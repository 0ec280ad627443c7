//! Lines within a flow to what only failures and `done` events reach: they leave their nodes
//! sideways and join in one upright line for each receiver, the bus.

use super::cluster::{BUS, Flow, TAIL};
use super::geometry::{Path, Point, Rect};
use super::size::{LABEL_FONT, mono};
use super::{EdgeKind, Line};
use crate::draw::model::Edge;
use std::collections::BTreeMap;

impl Flow<'_> {
    /// The lines from the main part to the side parts.
    pub(super) fn draw_side(&mut self) {
        let here: BTreeMap<usize, usize> = self
            .parts
            .iter()
            .enumerate()
            .flat_map(|(part, p)| p.nodes.iter().flatten().map(move |&node| (node, part)))
            .collect();
        let mut buses: BTreeMap<usize, Vec<&Edge>> = BTreeMap::new();
        for edge in &self.edges {
            if here[&edge.from] == 0 && here[&edge.to] != 0 {
                buses.entry(edge.to).or_default().push(edge);
            }
        }
        for (root, edges) in buses {
            self.draw_bus(root, &edges);
        }
    }

    /// All lines to one node at the side: branches that join in an upright line left of it.
    fn draw_bus(&mut self, root: usize, edges: &[&Edge]) {
        let target = self.inner.boxes[&root];
        let (bus, y) = (target.x - BUS, target.center().y);
        let mut levels = Vec::new();
        for edge in edges {
            let (path, level) = self.branch(edge.from, target);
            let straight = (level - y).abs() < 1.0;
            let path = if straight {
                path.to(Point::new(target.x, y))
            } else {
                let down = if level < y { 8.0 } else { -8.0 };
                path.corners(&[Point::new(bus, level), Point::new(bus, level + down)])
            };
            self.inner.lines.push(Line { path, kind: edge.kind, arrow: straight });
            levels.push(level);
        }
        for far in
            [levels.iter().copied().fold(y, f64::min), levels.iter().copied().fold(y, f64::max)]
        {
            if (far - y).abs() >= 1.0 {
                let from = if far < y { far + 8.0 } else { far - 8.0 };
                let points = [Point::new(bus, y), Point::new(target.x, y)];
                let path = Path::from(Point::new(bus, from)).corners(&points);
                self.inner.lines.push(Line { path, kind: edges[0].kind, arrow: true });
            }
        }
        let width = mono(&edges[0].label, LABEL_FONT);
        let level = levels.iter().all(|level| (level - y).abs() < 1.0);
        let from = edges.iter().map(|edge| self.inner.boxes[&edge.from].right());
        let room = target.x - from.fold(0.0, f64::max) > width + 24.0;
        let at = if level && room {
            Point::new(target.x - width - 11.0, y - 5.0)
        } else {
            Point::new(bus + 7.0, target.y - 6.0)
        };
        self.push_label(at, edges[0]);
    }

    /// From a node sideways towards its bus: straight, where nothing stands in the way, else
    /// through the gap below or above. Gives the line and the height at which it meets the bus.
    fn branch(&self, node: usize, target: Rect) -> (Path, f64) {
        let from = self.inner.boxes[&node];
        let start = Point::new(from.right(), from.center().y);
        let way = Rect {
            x: from.right() + 1.0,
            y: start.y - 1.0,
            w: target.x - from.right() - 2.0,
            h: 2.0,
        };
        let boxes = self.inner.boxes.values().any(|other| other.meets(&way));
        let passes = |line: &Line| {
            line.kind == EdgeKind::Data
                && line
                    .path
                    .points()
                    .iter()
                    .any(|p| way.x < p.x && p.x < way.right() && (p.y - start.y).abs() < 6.0)
        };
        if !boxes && !self.inner.lines.iter().any(passes) {
            return (Path::from(start), start.y);
        }
        let row = self.rows.iter().find(|row| row.0 <= start.y && start.y <= row.1);
        let (top, bottom) = row.copied().unwrap_or((from.y, from.bottom()));
        let level = if target.center().y > bottom { bottom + 7.0 } else { top - TAIL - 4.0 };
        let label = from.center().x + self.label_width(node);
        let x = from.right().max(label) + 7.0;
        let path = Path::from(start);
        (
            path.corners(&[
                Point::new(x, start.y),
                Point::new(x, level),
                Point::new(x + 9.0, level),
            ]),
            level,
        )
    }
}
