//! One node, for a terminal.

use crate::render::{Style, wrap};
use dsl::spec::{BodySpec, ClaimSpec, NodeKind, NodeSpec, OptionSpec, OptionTy};

/// Before the lines of a section.
const INDENT: &str = "    ";

/// All about a node.
pub fn node(spec: &NodeSpec, style: Style) -> String {
    let mut text = format!("{}  {}\n", style.paint("1;36", spec.path), kind(spec));
    text.push_str(&format!("  {}\n", spec.summary));
    for line in spec.doc.lines() {
        text.push_str(format!("  {line}").trim_end());
        text.push('\n');
    }
    section(&mut text, "Use", &[usage(spec)], style);
    section(&mut text, "Types", &types(spec), style);
    section(&mut text, "Ports", &ports(spec), style);
    section(&mut text, "Options", &options(spec, style), style);
    section(&mut text, "Fails when", &fails(spec), style);
    section(&mut text, "Delivery", &delivery(spec), style);
    for example in spec.examples {
        let lines: Vec<String> =
            example.flow.trim_matches('\n').lines().map(str::to_owned).collect();
        section(&mut text, &format!("Example: {}", example.title), &lines, style);
    }
    text
}

/// `source`, `verb of a stream, source`
pub fn kind(spec: &NodeSpec) -> String {
    let place = match spec.kind {
        NodeKind::Source => "source",
        NodeKind::Transform => "transform",
        NodeKind::Sink => "sink",
    };
    match spec.resource {
        Some(resource) => format!("{place}, a verb of every {}", resource.word()),
        None => place.to_owned(),
    }
}

/// `csv.decode(encoding: "latin-1") as T`
pub fn usage(spec: &NodeSpec) -> String {
    let name = match spec.resource {
        Some(resource) => format!("NAME.{}    # NAME: a {}", spec.verb(), resource.word()),
        None => spec.path.to_owned(),
    };
    let (name, comment) = match name.split_once("    #") {
        Some((name, comment)) => (name.to_owned(), format!("    #{comment}")),
        None => (name, String::new()),
    };
    let needed: Vec<&str> =
        spec.options.iter().filter(|option| option.required).map(|option| option.example).collect();
    let mut usage = name;
    if !needed.is_empty() {
        usage.push_str(&format!("({})", needed.join(", ")));
    }
    match spec.body {
        BodySpec::None => {}
        BodySpec::Record => usage.push_str(" { … }"),
        BodySpec::Required => usage.push_str(" { … }"),
        BodySpec::Condition => usage.push_str(" CONDITION"),
    }
    if spec.claim == ClaimSpec::Required {
        usage.push_str(" as T");
    }
    usage + &comment
}

/// What arrives and what is sent, a line for each rule.
pub fn types(spec: &NodeSpec) -> Vec<String> {
    let rules = spec.signatures.iter();
    rules
        .map(|rule| match rule.split_once("->") {
            Some((input, output)) => match (input.trim(), output.trim()) {
                ("", output) => format!("sends {output}"),
                (input, "") => format!("accepts {input}"),
                (input, output) => format!("{input} -> {output}"),
            },
            None => (*rule).to_owned(),
        })
        .collect()
}

/// The ports beside the first output.
pub fn ports(spec: &NodeSpec) -> Vec<String> {
    let mut ports: Vec<String> =
        spec.ports.iter().map(|port| format!(".{}  {}", port.name, port.doc)).collect();
    if !spec.fails.is_empty() {
        ports.push(".errors  a Failure for each record that fails".to_owned());
    }
    if spec.kind == NodeKind::Source {
        ports.push(".done  one event for each record whose branches are all stored".to_owned());
    }
    ports
}

/// The options: name, what it takes, and, wrapped beside them, what it is for.
fn options(spec: &NodeSpec, style: Style) -> Vec<String> {
    let name = spec.options.iter().map(|option| option.name.len()).max().unwrap_or(0);
    let wide = spec.options.iter().map(|option| ty(option).chars().count()).max().unwrap_or(0);
    let indent = name + wide + 4;
    let width = style.width.saturating_sub(indent + INDENT.len()).max(24);
    let mut lines = Vec::new();
    for option in spec.options {
        let mut words = Vec::new();
        wrap(format!("{} {}", option.doc, given(option)).trim_end(), width, &mut words);
        let head = format!("{:name$}  {:wide$}", option.name, ty(option));
        for (at, words) in words.iter().enumerate() {
            let head = if at == 0 { head.as_str() } else { "" };
            lines.push(format!("{head:0$}{words}", indent));
        }
    }
    lines
}

/// What an option takes.
pub fn ty(option: &OptionSpec) -> String {
    match option.ty {
        OptionTy::Text => "text".into(),
        OptionTy::Choice(words) => words.join(" | "),
        OptionTy::Int => "int".into(),
        OptionTy::Size => "size".into(),
        OptionTy::Duration => "duration".into(),
        OptionTy::Bool => "bool".into(),
        OptionTy::Path => "path".into(),
        OptionTy::Template => "text with holes".into(),
    }
}

/// `Default 500.`, `Must be given.`, with the range.
pub fn given(option: &OptionSpec) -> String {
    let mut words = Vec::new();
    if let Some((least, most)) = option.range {
        words.push(format!("{} to {}.", bound(option.ty, least), bound(option.ty, most)));
    }
    if option.required {
        words.push("Must be given.".to_owned());
    } else if let Some(default) = option.default {
        words.push(format!("Default {default}."));
    }
    words.join(" ")
}

fn bound(ty: OptionTy, value: i64) -> String {
    match ty {
        OptionTy::Size => dsl::value::size_text(value.unsigned_abs()),
        OptionTy::Duration => dsl::value::duration_text(value),
        _ => crate::render::thousands(value.unsigned_abs()),
    }
}

fn fails(spec: &NodeSpec) -> Vec<String> {
    let width = spec.fails.iter().map(|fail| fail.code.len()).max().unwrap_or(0);
    spec.fails.iter().map(|fail| format!("{:width$}  {}", fail.code, fail.when)).collect()
}

/// The facts that a guarantee rests on.
pub fn delivery(spec: &NodeSpec) -> Vec<String> {
    let facts = [
        (spec.delivery.replays, "can send the same records again"),
        (spec.delivery.holds_ack, "answers its sender only when the records are stored"),
        (spec.delivery.idempotent, "writing the same records again changes nothing"),
    ];
    facts.iter().filter(|(holds, _)| *holds).map(|(_, words)| (*words).to_owned()).collect()
}

fn section(text: &mut String, heading: &str, lines: &[String], style: Style) {
    if lines.is_empty() {
        return;
    }
    text.push_str(&format!("\n  {}\n", style.paint("1", heading)));
    for line in lines {
        text.push_str(format!("{INDENT}{line}").trim_end());
        text.push('\n');
    }
}
