//! How large texts and boxes are. A drawing cannot ask the font of its reader, so widths are those
//! of the widest usual fonts.

use super::super::model::{Cluster, Node, Shape};
use crate::ast::ResourceKind;
use unicode_width::UnicodeWidthStr;

/// Font size of a node's name.
const NODE_FONT: f64 = 12.0;
/// Font size of the name of a node that only failures or events reach.
const SIDE_FONT: f64 = 10.5;
/// Font size of a node's second line.
pub const DETAIL_FONT: f64 = 9.5;
/// Font size of a line's label.
pub const LABEL_FONT: f64 = 10.0;
/// Font size of a flow's title.
pub const TITLE_FONT: f64 = 12.5;

/// Width of a character of a monospaced font, in font sizes.
const MONO: f64 = 0.605;
/// Width of an average character of a bold sans-serif font, in font sizes.
const BOLD: f64 = 0.66;
/// The same, not bold.
const SANS: f64 = 0.58;

/// The width of a monospaced text.
pub fn mono(text: &str, font: f64) -> f64 {
    text.width() as f64 * font * MONO
}

/// The width of a flow's title: its name and, smaller, its guarantee.
pub fn title_width(cluster: &Cluster) -> f64 {
    name_width(cluster) + 6.0 + cluster.guarantee.width() as f64 * LABEL_FONT * SANS
}

/// The width of a flow's name.
pub fn name_width(cluster: &Cluster) -> f64 {
    cluster.name.width() as f64 * TITLE_FONT * BOLD
}

/// The lines of a node: its name, and what stands smaller below it. The verbs of resources that
/// only take failures are cut at the dot, to be narrow.
pub fn lines_of(node: &Node) -> (String, Option<String>) {
    match node.label.rsplit_once('.') {
        Some((name, verb)) if node.side => (name.to_owned(), Some(format!(".{verb}"))),
        _ => (node.label.clone(), node.detail.clone()),
    }
}

/// The font size of a node's name.
pub fn node_font(node: &Node) -> f64 {
    if node.side { SIDE_FONT } else { NODE_FONT }
}

/// Width and height of a node's box.
pub fn size(node: &Node) -> (f64, f64) {
    let (first, second) = lines_of(node);
    let text =
        mono(&first, node_font(node)).max(second.iter().fold(0.0, |_, s| mono(s, DETAIL_FONT)));
    let two = if second.is_some() { 12.0 } else { 0.0 };
    let (padding, height) = match node.shape {
        Shape::Source => (28.0, 30.0),
        Shape::Transform => (22.0, 30.0),
        Shape::Sink => (30.0, 30.0),
        Shape::Resource(ResourceKind::Stream) => (48.0, 34.0),
        Shape::Resource(ResourceKind::Delivery) => (44.0, 34.0),
        Shape::Resource(ResourceKind::Bucket) => (44.0, 42.0),
        Shape::Resource(ResourceKind::Table) => (32.0, 42.0),
        Shape::Resource(ResourceKind::Queue) => (40.0, 34.0),
    };
    ((text + padding).round(), height + two)
}
