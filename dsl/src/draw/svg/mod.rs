//! A drawing as SVG: one file, no fonts, no scripts, light and dark as its reader likes it.

mod legend;
mod shapes;

use super::layout::{
    DETAIL_FONT, LABEL_FONT, Label, Line, Point, Rect, Scene, TITLE_FONT, lines_of, node_font,
    scene, short,
};
use super::model::{Drawing, EdgeKind, Node, Shape};

/// Colours, light and dark.
const STYLE: &str = include_str!("style.css");
/// Generic families, so that every reader has one.
const SANS: &str = "ui-sans-serif,system-ui,'Segoe UI',Helvetica,Arial,sans-serif";
/// The same, of one width.
const MONO: &str = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace";

/// The picture.
pub fn text(drawing: &Drawing) -> String {
    let scene = scene(drawing);
    let legend = legend::legend(drawing, &scene);
    let width = scene.width.max(legend.width).ceil();
    let (w, h) = (short(width), short((scene.height + legend.height).ceil()));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" \
         height=\"{h}\" role=\"img\" aria-label=\"{title}\" font-family=\"{SANS}\">\n\
         <title>{title}</title>\n<style>\n{STYLE}.mono{{font-family:{MONO}}}\n</style>\n\
         <rect class=\"page\" width=\"{w}\" height=\"{h}\" rx=\"8\"/>\n",
        title = escape(&drawing.title),
    );
    svg.push_str(&format!(
        "<text class=\"title\" x=\"24\" y=\"36\" font-size=\"17\">{}</text>\n\
         <text class=\"quiet\" x=\"24\" y=\"54\" font-size=\"11\">profile {}</text>\n",
        escape(&drawing.title),
        escape(&drawing.profile),
    ));
    clusters(&mut svg, drawing, &scene);
    for line in &scene.lines {
        svg.push_str(&course(line));
    }
    for (node, rect) in drawing.nodes.iter().zip(&scene.boxes) {
        svg.push_str(&node_box(node, *rect));
    }
    for label in &scene.labels {
        svg.push_str(&line_label(label));
    }
    svg.push_str(&legend.text);
    svg.push_str("</svg>\n");
    svg
}

fn clusters(svg: &mut String, drawing: &Drawing, scene: &Scene) {
    for (cluster, place) in drawing.clusters.iter().zip(&scene.clusters) {
        let r = place.rect;
        svg.push_str(&format!(
            "<g><rect class=\"flow\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"10\"/>",
            short(r.x),
            short(r.y),
            short(r.w),
            short(r.h),
        ));
        if let Some(doc) = &cluster.doc {
            svg.push_str(&format!("<title>{}</title>", escape(doc)));
        }
        svg.push_str(&format!(
            "<text x=\"{}\" y=\"{}\" font-size=\"{TITLE_FONT}\"><tspan class=\"title\">{}</tspan>\
             <tspan class=\"quiet\" font-size=\"{LABEL_FONT}\" dx=\"6\">{}</tspan></text></g>\n",
            short(place.title.x),
            short(place.title.y),
            escape(&cluster.name),
            cluster.guarantee,
        ));
    }
}

/// The class of a line.
fn line_class(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Data => "line",
        EdgeKind::Network => "line network",
        EdgeKind::Errors => "line errors",
        EdgeKind::Done => "line done",
    }
}

fn course(line: &Line) -> String {
    let mut text = format!("<path class=\"{}\" d=\"{}\"/>\n", line_class(line.kind), line.path);
    if line.arrow {
        let points = line.path.points();
        let end = points[points.len() - 1];
        let before = points.iter().rev().find(|p| (p.x - end.x).hypot(p.y - end.y) > 3.0);
        text.push_str(&head(before.copied().unwrap_or(line.path.start), end, line.kind));
    }
    text
}

/// An arrow head at `end`, coming from `before`.
fn head(before: Point, end: Point, kind: EdgeKind) -> String {
    let length = (end.x - before.x).hypot(end.y - before.y).max(0.01);
    let (ux, uy) = ((end.x - before.x) / length, (end.y - before.y) / length);
    let at = |along: f64, aside: f64| {
        let x = end.x - ux * along - uy * aside;
        let y = end.y - uy * along + ux * aside;
        format!("{} {}", short(x), short(y))
    };
    let class = if kind == EdgeKind::Errors { "head head-errors" } else { "head" };
    format!(
        "<path class=\"{class}\" d=\"M{}L{}L{}Z\"/>\n",
        at(0.0, 0.0),
        at(7.0, 3.6),
        at(7.0, -3.6)
    )
}

/// The class of an outline.
fn shape_class(shape: Shape) -> &'static str {
    match shape {
        Shape::Source => "source",
        Shape::Transform => "transform",
        Shape::Sink => "sink",
        Shape::Resource(_) => "resource",
    }
}

fn node_box(node: &Node, rect: Rect) -> String {
    let dotted = if node.dotted { " dotted" } else { "" };
    let class = format!("{}{dotted}", shape_class(node.shape));
    let (first, second) = lines_of(node);
    let middle = shapes::text_center(node.shape, rect);
    let mut text = format!("<g><title>{}</title>", escape(&node.facts.join("\n")));
    text.push_str(&shapes::outline(node.shape, rect, &class));
    let up = if second.is_some() { -2.0 } else { 4.0 };
    text.push_str(&centered("text mono", middle.x, middle.y + up, node_font(node), &first));
    if let Some(second) = second {
        text.push_str(&centered("quiet mono", middle.x, middle.y + 11.0, DETAIL_FONT, &second));
    }
    text.push_str("</g>\n");
    text
}

/// A text around a point of its base line.
fn centered(class: &str, x: f64, y: f64, font: f64, text: &str) -> String {
    format!(
        "<text class=\"{class}\" x=\"{}\" y=\"{}\" font-size=\"{font}\" \
         text-anchor=\"middle\">{}</text>",
        short(x),
        short(y),
        escape(text),
    )
}

fn line_label(label: &Label) -> String {
    let errors = if label.kind == EdgeKind::Errors { " label-errors" } else { "" };
    let inside = if label.inside { " label-in" } else { "" };
    format!(
        "<text class=\"label mono{inside}{errors}\" x=\"{}\" y=\"{}\" font-size=\"{LABEL_FONT}\" \
         stroke-width=\"3\" paint-order=\"stroke\" stroke-linejoin=\"round\">{}</text>\n",
        short(label.at.x),
        short(label.at.y),
        escape(&label.text),
    )
}

/// Text for XML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
