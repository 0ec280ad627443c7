//! A drawing for Graphviz.

use super::model::{Drawing, Edge, EdgeKind, Node, Shape};
use crate::ast::ResourceKind;
use std::fmt::Write;

const HEAD: &str = r##"  rankdir=TB
  bgcolor="transparent"
  fontname="Helvetica"
  nodesep=0.35
  ranksep=0.45
  node [fontname="Courier", fontsize=11, style=filled, fillcolor="#f6f8fa", color="#57606a"]
  edge [fontname="Courier", fontsize=9, color="#57606a", fontcolor="#57606a", arrowsize=0.7]
"##;

/// The drawing in the DOT language.
pub fn text(drawing: &Drawing) -> String {
    let mut dot = String::from("digraph flows {\n");
    dot.push_str(HEAD);
    let title = format!("{} · profile {}", drawing.title, drawing.profile);
    push(&mut dot, format_args!("  label={}\n  labelloc=t\n", quoted(&title)));
    for (at, cluster) in drawing.clusters.iter().enumerate() {
        let label = quoted(&format!("{} · {}", cluster.name, cluster.guarantee));
        push(&mut dot, format_args!("  subgraph cluster_{at} {{\n    label={label}\n"));
        push(&mut dot, format_args!("    labeljust=l\n    style=rounded\n    color=\"#afb8c1\"\n"));
        push(
            &mut dot,
            format_args!("    tooltip={}\n", quoted(cluster.doc.as_deref().unwrap_or(""))),
        );
        for node in drawing.nodes.iter().filter(|node| node.cluster == Some(at)) {
            push(&mut dot, format_args!("    {}\n", statement(node)));
        }
        dot.push_str("  }\n");
    }
    for node in drawing.nodes.iter().filter(|node| node.cluster.is_none()) {
        push(&mut dot, format_args!("  {}\n", statement(node)));
    }
    for edge in &drawing.edges {
        push(&mut dot, format_args!("  {}\n", line(drawing, edge)));
    }
    dot.push_str("}\n");
    dot
}

fn push(dot: &mut String, text: std::fmt::Arguments) {
    let written = dot.write_fmt(text);
    assert!(written.is_ok(), "a string takes everything");
}

fn statement(node: &Node) -> String {
    let (shape, fill, color) = look(node.shape);
    let label = match &node.detail {
        Some(detail) => format!("{}\n{detail}", node.label),
        None => node.label.clone(),
    };
    let style = match (node.dotted, node.shape) {
        (true, _) => "filled,dotted",
        (_, Shape::Transform) => "filled,rounded",
        _ => "filled",
    };
    format!(
        "{} [label={}, shape={shape}, style={style:?}, fillcolor={fill:?}, color={color:?}, \
         tooltip={}]",
        quoted(&node.id),
        quoted(&label),
        quoted(&node.facts.join("\n")),
    )
}

fn look(shape: Shape) -> (&'static str, &'static str, &'static str) {
    match shape {
        Shape::Source => ("ellipse", "#dafbe1", "#1a7f37"),
        Shape::Transform => ("box", "#eef3fb", "#4a6fa5"),
        Shape::Sink => ("hexagon", "#fff1e5", "#bc4c00"),
        Shape::Resource(ResourceKind::Stream) => ("cds", "#f3effc", "#6e52b5"),
        Shape::Resource(ResourceKind::Delivery) => ("box3d", "#f3effc", "#6e52b5"),
        Shape::Resource(ResourceKind::Bucket) => ("invtrapezium", "#f3effc", "#6e52b5"),
        Shape::Resource(ResourceKind::Table) => ("cylinder", "#f3effc", "#6e52b5"),
        Shape::Resource(ResourceKind::Queue) => ("component", "#f3effc", "#6e52b5"),
    }
}

fn line(drawing: &Drawing, edge: &Edge) -> String {
    let style = match edge.kind {
        EdgeKind::Data => "",
        EdgeKind::Errors => ", style=dashed, color=\"#d1848a\", fontcolor=\"#b35960\"",
        EdgeKind::Done => ", style=dotted, color=\"#8c959f\"",
        EdgeKind::Network => ", style=bold",
    };
    let label = match edge.kind {
        EdgeKind::Network => format!("HTTP {}", edge.label),
        _ => edge.label.clone(),
    };
    format!(
        "{} -> {} [label={}{style}]",
        quoted(&drawing.nodes[edge.from].id),
        quoted(&drawing.nodes[edge.to].id),
        quoted(&format!(" {label} ")),
    )
}

/// A quoted string of DOT: `"` and `\` are escaped, a line break is `\n`.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}
