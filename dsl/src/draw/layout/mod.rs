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

/// Between the labels of several lines that arrive at one place.
const OR: &str = " / ";

/// Adds a label; at a place that has one already the texts are joined.
fn put(labels: &mut Vec<Label>, label: Label) {
    match labels.iter_mut().find(|other| other.at == label.at) {
        _ if label.text.is_empty() => {}
        None => labels.push(label),
        Some(other) if other.text.split(OR).any(|text| text == label.text) => {}
        Some(other) => other.text = format!("{}{OR}{}", other.text, label.text),
    }
}

/// The width of the label that lines with these texts have where they arrive at one place, with its
/// distance from the line.
fn joined_width<'a>(texts: impl Iterator<Item = &'a str>) -> f64 {
    let mut labels = Vec::new();
    let (at, kind) = (Point::default(), EdgeKind::Data);
    texts.for_each(|text| put(&mut labels, Label { at, text: text.into(), kind, inside: true }));
    labels.first().map_or(0.0, |label| 7.0 + size::mono(&label.text, LABEL_FONT))
}

/// Lays a drawing out.
pub fn scene(drawing: &Drawing) -> Scene {
    page::scene(drawing)
}

#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;
