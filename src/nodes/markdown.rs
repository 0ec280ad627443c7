//! All nodes as the page `docs/nodes.md`.

use super::KINDS;
use super::describe::{delivery, given, kind, ports, ty, types, usage};
use dsl::spec::NodeSpec;

const HEAD: &str = "\
# The nodes

Written by `flowc nodes --format markdown`, from what each node says of itself;
`UPDATE_GOLDEN=1 cargo test` rewrites it. In the types, `T` is any record, `W` any wire type,
`R` what the resource declares, and `claim` the type behind `as`.
";

/// The page.
pub fn page(specs: &[&'static NodeSpec]) -> String {
    let mut text = HEAD.to_owned();
    for (place, heading) in KINDS {
        text.push_str(&format!("\n| {} | |\n|---|---|\n", heading.to_lowercase()));
        for spec in specs.iter().filter(|spec| spec.kind == place) {
            let anchor = spec.path.replace('.', "");
            text.push_str(&format!("| [`{}`](#{anchor}) | {} |\n", spec.path, spec.summary));
        }
    }
    for (place, heading) in KINDS {
        text.push_str(&format!("\n## {heading}\n"));
        for spec in specs.iter().filter(|spec| spec.kind == place) {
            node(&mut text, spec);
        }
    }
    text
}

fn node(text: &mut String, spec: &NodeSpec) {
    text.push_str(&format!("\n### `{}`\n\n", spec.path));
    let first = kind(spec);
    text.push_str(&format!("{} *({first})*\n", spec.summary));
    if !spec.doc.is_empty() {
        text.push_str(&format!("\n{}\n", spec.doc.trim()));
    }
    text.push_str(&format!("\n```\n{}\n```\n\n", usage(spec)));
    for line in types(spec) {
        text.push_str(&format!("- `{line}`\n"));
    }
    for line in ports(spec) {
        let (port, doc) = line.split_once("  ").unwrap_or((&line, ""));
        text.push_str(&format!("- `{port}`: {doc}\n"));
    }
    for line in delivery(spec) {
        text.push_str(&format!("- {line}\n"));
    }
    options(text, spec);
    if !spec.fails.is_empty() {
        text.push_str("\n| fails | when |\n|---|---|\n");
        for fail in spec.fails {
            text.push_str(&format!("| `{}` | {} |\n", fail.code, cell(fail.when)));
        }
    }
    for example in spec.examples {
        text.push_str(&format!("\n{}:\n\n", example.title.trim_end_matches(['.', ':'])));
        text.push_str(&format!("```\n{}\n```\n", example.flow.trim_matches('\n')));
    }
}

fn options(text: &mut String, spec: &NodeSpec) {
    if spec.options.is_empty() {
        return;
    }
    text.push_str("\n| option | takes | | example |\n|---|---|---|---|\n");
    for option in spec.options {
        let doc = format!("{} {}", option.doc, given(option));
        text.push_str(&format!(
            "| `{}` | {} | {} | `{}` |\n",
            option.name,
            cell(&ty(option)),
            cell(doc.trim_end()),
            cell(option.example),
        ));
    }
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
