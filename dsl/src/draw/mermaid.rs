//! A drawing for Mermaid, as Markdown on GitHub shows it.

use super::model::{Drawing, Edge, EdgeKind, Node, Shape};
use crate::ast::ResourceKind;

const CLASSES: &str = "  classDef source fill:#dafbe1,stroke:#1a7f37,color:#1f2328
  classDef transform fill:#eef3fb,stroke:#4a6fa5,color:#1f2328
  classDef sink fill:#fff1e5,stroke:#bc4c00,color:#1f2328
  classDef resource fill:#f3effc,stroke:#6e52b5,color:#1f2328
  classDef dotted stroke-dasharray:2 3
";

/// The drawing in Mermaid's flowchart language.
pub fn text(drawing: &Drawing) -> String {
    let mut text = String::from("flowchart TB\n");
    for (at, cluster) in drawing.clusters.iter().enumerate() {
        let title = quoted(&format!("{} · {}", cluster.name, cluster.guarantee));
        text.push_str(&format!("  subgraph flow{at} [{title}]\n"));
        for (index, node) in drawing.nodes.iter().enumerate() {
            if node.cluster == Some(at) {
                text.push_str(&format!("    {}\n", statement(index, node)));
            }
        }
        text.push_str("  end\n");
    }
    for (index, node) in drawing.nodes.iter().enumerate() {
        if node.cluster.is_none() {
            text.push_str(&format!("  {}\n", statement(index, node)));
        }
    }
    for edge in &drawing.edges {
        text.push_str(&format!("  {}\n", line(edge)));
    }
    text.push_str(CLASSES);
    let dotted = drawing.nodes.iter().enumerate().filter(|(_, node)| node.dotted);
    let dotted: Vec<String> = dotted.map(|(index, _)| format!("n{index}")).collect();
    if !dotted.is_empty() {
        text.push_str(&format!("  class {} dotted\n", dotted.join(",")));
    }
    text
}

fn statement(index: usize, node: &Node) -> String {
    let (open, close, class) = match node.shape {
        Shape::Source => ("([", "])", "source"),
        Shape::Transform => ("[", "]", "transform"),
        Shape::Sink => ("{{", "}}", "sink"),
        Shape::Resource(ResourceKind::Stream) => (">", "]", "resource"),
        Shape::Resource(ResourceKind::Delivery) => ("[[", "]]", "resource"),
        Shape::Resource(ResourceKind::Bucket) => ("[\\", "/]", "resource"),
        Shape::Resource(ResourceKind::Table) => ("[(", ")]", "resource"),
        Shape::Resource(ResourceKind::Queue) => ("[/", "/]", "resource"),
    };
    let label = match &node.detail {
        Some(detail) => format!("{}<br/>{detail}", escape(&node.label)),
        None => escape(&node.label),
    };
    format!("n{index}{open}\"{label}\"{close}:::{class}")
}

fn line(edge: &Edge) -> String {
    let (arrow, label) = match edge.kind {
        EdgeKind::Data => ("-->", edge.label.clone()),
        EdgeKind::Errors | EdgeKind::Done => ("-.->", edge.label.clone()),
        EdgeKind::Network => ("==>", format!("HTTP {}", edge.label)),
    };
    format!("n{} {arrow}|{}| n{}", edge.from, quoted(&label), edge.to)
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escape(text))
}

/// Quotes and angle brackets as entities.
fn escape(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}
