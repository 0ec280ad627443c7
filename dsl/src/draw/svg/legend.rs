//! What the outlines and lines mean; only what the drawing has.

use super::super::layout::{Path, Point, Rect, Scene};
use super::super::model::{Drawing, EdgeKind, Shape};
use super::{escape, line_class, shape_class, shapes, short};
use crate::ast::ResourceKind;

/// The legend, to be put below the scene.
pub struct Legend {
    /// SVG.
    pub text: String,
    /// The width it needs.
    pub width: f64,
    /// The height it needs.
    pub height: f64,
}

const FONT: f64 = 10.5;
const ROW: f64 = 26.0;
const MARGIN: f64 = 24.0;

/// One sign and what it means.
enum Sign {
    Box(Shape, bool),
    Line(EdgeKind),
}

/// The legend of a drawing.
pub fn legend(drawing: &Drawing, scene: &Scene) -> Legend {
    let mut text = String::new();
    let (mut x, mut y) = (MARGIN, scene.height + 4.0);
    let right = scene.width.max(520.0) - MARGIN;
    text.push_str(&format!(
        "<path class=\"flow\" fill=\"none\" d=\"M{} {}H{}\"/>\n",
        short(MARGIN),
        short(y - 10.0),
        short(right),
    ));
    for (sign, words) in signs(drawing) {
        let width = 34.0 + words.len() as f64 * FONT * 0.54 + 14.0;
        if x > MARGIN && x + width > right + 18.0 {
            (x, y) = (MARGIN, y + ROW);
        }
        text.push_str(&draw(&sign, x, y));
        text.push_str(&format!(
            "<text class=\"quiet\" x=\"{}\" y=\"{}\" font-size=\"{FONT}\">{}</text>\n",
            short(x + 34.0),
            short(y + 12.0),
            escape(words),
        ));
        x += width;
    }
    Legend { text, width: right + MARGIN, height: y + ROW + 6.0 - scene.height }
}

fn signs(drawing: &Drawing) -> Vec<(Sign, &'static str)> {
    let shapes = [
        (Shape::Source, "source"),
        (Shape::Transform, "transform"),
        (Shape::Sink, "sink"),
        (Shape::Resource(ResourceKind::Stream), "stream"),
        (Shape::Resource(ResourceKind::Queue), "queue"),
        (Shape::Resource(ResourceKind::Delivery), "delivery"),
        (Shape::Resource(ResourceKind::Bucket), "bucket"),
        (Shape::Resource(ResourceKind::Table), "table"),
    ];
    let has = |shape: Shape| drawing.nodes.iter().any(|node| node.shape == shape);
    let mut signs: Vec<(Sign, &str)> = shapes
        .into_iter()
        .filter(|(shape, _)| has(*shape))
        .map(|(shape, words)| (Sign::Box(shape, false), words))
        .collect();
    if drawing.nodes.iter().any(|node| node.dotted) {
        signs.push((Sign::Box(Shape::Transform, true), "implied codec"));
    }
    let lines = [
        (EdgeKind::Data, "records"),
        (EdgeKind::Network, "over HTTP"),
        (EdgeKind::Errors, "failures"),
        (EdgeKind::Done, "when all is stored"),
    ];
    for (kind, words) in lines {
        if drawing.edges.iter().any(|edge| edge.kind == kind) {
            signs.push((Sign::Line(kind), words));
        }
    }
    signs
}

fn draw(sign: &Sign, x: f64, y: f64) -> String {
    match sign {
        Sign::Box(shape, dotted) => {
            let tall = matches!(
                shape,
                Shape::Resource(
                    ResourceKind::Bucket | ResourceKind::Table | ResourceKind::Delivery
                )
            );
            let r = match tall {
                true => Rect { x, y: y - 3.0, w: 26.0, h: 22.0 },
                false => Rect { x, y, w: 26.0, h: 16.0 },
            };
            let class = if *dotted { " dotted" } else { "" };
            shapes::outline(*shape, r, &format!("{}{class}", shape_class(*shape)))
        }
        Sign::Line(kind) => {
            let path = Path::from(Point::new(x, y + 8.0)).to(Point::new(x + 26.0, y + 8.0));
            format!("<path class=\"{}\" d=\"{path}\"/>", line_class(*kind))
        }
    }
}
