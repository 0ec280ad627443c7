//! Drawings of a plan: DOT, Mermaid, SVG, JSON.
