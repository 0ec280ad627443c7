//! `flowc nodes`: what every node does, takes and sends, from what it says of itself.

mod describe;
mod markdown;

pub use markdown::page;

use crate::cli::{NodesArgs, NodesFormat};
use crate::exit::{Exit, Stop};
use crate::io::Io;
use crate::load::nearest;
use crate::render::Style;
use dsl::spec::{NodeKind, NodeSpec};

/// Prints the list, or all about the nodes of a name.
///
/// # Errors
/// There is no such node, or the output cannot be written.
pub fn run(args: &NodesArgs, io: &mut Io) -> Result<Exit, Stop> {
    let specs = stdlib::registry::specs();
    let text = match (args.format, &args.name) {
        (NodesFormat::Markdown, _) => page(&specs),
        (NodesFormat::Human, None) => list(&specs, io.style),
        (NodesFormat::Human, Some(name)) => {
            let found = find(&specs, name)?;
            let pages: Vec<String> =
                found.iter().map(|spec| describe::node(spec, io.style)).collect();
            pages.join("\n")
        }
    };
    io.out.write_all(text.as_bytes())?;
    Ok(Exit::Done)
}

/// The node of that name, or all whose name begins with it: `csv` finds `csv.decode`.
fn find(specs: &[&'static NodeSpec], name: &str) -> Result<Vec<&'static NodeSpec>, Stop> {
    if let Some(spec) = specs.iter().find(|spec| spec.path == name) {
        return Ok(vec![spec]);
    }
    let part = |spec: &&&'static NodeSpec| spec.path.split('.').any(|part| part == name);
    let found: Vec<&'static NodeSpec> = specs.iter().filter(part).copied().collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let stop = Stop::usage(format!("there is no node `{name}`"));
    let help = match nearest(name, specs.iter().map(|spec| spec.path)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`flowc nodes` lists them all".to_owned(),
    };
    Err(stop.help(help))
}

/// The kinds in the order of a graph, with their headings.
const KINDS: [(NodeKind, &str); 3] =
    [(NodeKind::Source, "Sources"), (NodeKind::Transform, "Transforms"), (NodeKind::Sink, "Sinks")];

/// One line a node, under the three places of a graph.
fn list(specs: &[&'static NodeSpec], style: Style) -> String {
    let width = specs.iter().map(|spec| spec.path.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (kind, heading) in KINDS {
        text.push_str(&style.paint("1", heading));
        text.push('\n');
        for spec in specs.iter().filter(|spec| spec.kind == kind) {
            let name = style.paint("36", &format!("{:width$}", spec.path));
            text.push_str(&format!("  {name}  {}\n", spec.summary));
        }
        text.push('\n');
    }
    text.push_str("`flowc nodes NAME` tells all about one.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_found_by_its_name_or_a_part_of_it() {
        let specs = stdlib::registry::specs();
        let found = find(&specs, "csv.decode").expect("a node");
        assert_eq!(found.len(), 1);
        let found = find(&specs, "http").expect("two nodes");
        assert_eq!(found.iter().map(|spec| spec.path).collect::<Vec<_>>().len(), 2);
        let stop = find(&specs, "csv.decod").expect_err("no such node");
        assert!(stop.text(Style::plain()).0.contains("did you mean `csv.decode`?"));
    }

    #[test]
    fn every_node_is_in_the_list() {
        let specs = stdlib::registry::specs();
        let text = list(&specs, Style::plain());
        for spec in &specs {
            assert!(text.contains(&format!("  {} ", spec.path)), "{}", spec.path);
        }
    }
}
