//! Where everything of a drawing stands: boxes, flows, lines and their labels. Lengths are pixels.
//!
//! Two layered layouts, one in the other: the nodes of each flow, then flows and resources. So a
//! flow is always one rectangle, and lines between flows run in the gaps between the ranks.

mod cluster;
mod geometry;
mod layered;
mod page;
mod side;
mod size;

pub use geometry::{Path, Point, Rect, short};
pub use size::{DETAIL_FONT, LABEL_FONT, TITLE_FONT, lines_of, node_font};

use super::model::{Drawing, EdgeKind};

/// A laid out drawing.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// The whole.
    pub width: f64,
    /// The whole.
    pub height: f64,
    /// For each node of the drawing, its box.
    pub boxes: Vec<Rect>,
    /// For each flow of the drawing, its rectangle and where its title ends on the right side.
    pub clusters: Vec<ClusterBox>,
    /// The lines.
    pub lines: Vec<Line>,
    /// The labels of the lines.
    pub labels: Vec<Label>,
}

/// Where a flow is.
#[derive(Clone, Debug, Default)]
pub struct ClusterBox {
    /// Its outline.
    pub rect: Rect,
    /// The left end of its title's base line.
    pub title: Point,
}

/// A line of a drawing.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its course.
    pub path: Path,
    /// What travels on it.
    pub kind: EdgeKind,
    /// It ends in an arrow head; else it joins another line.
    pub arrow: bool,
}

/// The label of a line.
#[derive(Clone, Debug)]
pub struct Label {
    /// The left end of its base line.
    pub at: Point,
    /// Its text.
    pub text: String,
    /// What travels on its line.
    pub kind: EdgeKind,
    /// It stands within a flow.
    pub inside: bool,
}

/// Lays a drawing out.
pub fn scene(drawing: &Drawing) -> Scene {
    page::scene(drawing)
}

#[cfg(test)]
mod tests;
