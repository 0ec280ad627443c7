//! Drawings of a plan: DOT, Mermaid, SVG, JSON. Plan in, text out.

mod dot;
mod json;
mod layout;
mod mermaid;
mod model;
mod svg;

pub use json::text as json;

use crate::plan::Plan;

/// The plan for Graphviz.
pub fn dot(plan: &Plan) -> String {
    dot::text(&model::drawing(plan))
}

/// The plan for Mermaid.
pub fn mermaid(plan: &Plan) -> String {
    mermaid::text(&model::drawing(plan))
}

/// The plan as a picture that needs no other program.
pub fn svg(plan: &Plan) -> String {
    svg::text(&model::drawing(plan))
}

#[cfg(test)]
mod tests;
