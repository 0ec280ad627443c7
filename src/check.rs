//! `flowc check`: every problem of some files, for people and for programs.

mod formats;

use crate::cli::{CheckArgs, CheckFormat};
use crate::exit::{Exit, Stop};
use crate::io::Io;
use crate::load::{has_errors, read};
use crate::render::{self, plural};
use dsl::check::{Request, compile};
use dsl::plan::Plan;
use dsl::problem::Problem;
use dsl::span::{FileId, SourceMap};

/// A checked file.
pub struct Checked {
    /// The file.
    pub root: FileId,
    /// Its problems.
    pub problems: Vec<Problem>,
    /// Its plan, where no problem is an error.
    pub plan: Option<Plan>,
}

/// Checks the files and prints what is wrong with them.
///
/// # Errors
/// The output cannot be written. A file that cannot be read is told, and the others are checked.
pub fn run(args: &CheckArgs, io: &mut Io) -> Result<Exit, Stop> {
    let mut files = SourceMap::default();
    let specs = stdlib::registry::specs();
    let mut roots = Vec::new();
    let mut unread = None;
    for path in &args.files {
        match read(path, &mut files) {
            Ok(root) => roots.push(root),
            Err(stop) => {
                // The other files are checked all the same.
                let (text, exit) = stop.text(io.err_style);
                write!(io.err, "{text}")?;
                unread = Some(exit);
            }
        }
    }
    if let Some(exit) = unread.filter(|_| roots.is_empty()) {
        return Ok(exit);
    }
    let mut checked = Vec::new();
    for root in roots {
        let (plan, problems) = compile(&files, root, &specs, &Request::default());
        checked.push(Checked { root, problems, plan });
    }
    let text = match args.format {
        CheckFormat::Human => human(&files, &checked, io.style),
        CheckFormat::Json => formats::json(&files, &checked),
        CheckFormat::Github => formats::github(&files, &checked),
        CheckFormat::Sarif => formats::sarif(&files, &checked),
    };
    io.out.write_all(text.as_bytes())?;
    let bad = checked.iter().any(|file| has_errors(&file.problems));
    Ok(unread.unwrap_or(if bad { Exit::Problems } else { Exit::Done }))
}

/// The reports, then a line for each file without problems.
fn human(files: &SourceMap, checked: &[Checked], style: render::Style) -> String {
    let problems: Vec<Problem> =
        checked.iter().flat_map(|file| file.problems.iter().cloned()).collect();
    let mut text = render::render(files, &problems, style);
    for file in checked.iter().filter(|file| file.problems.is_empty()) {
        text.push_str(&clean(files, file));
    }
    text
}

/// `flows/ecommerce.flow: 6 flows, 28 nodes, 8 resources, no problems`
fn clean(files: &SourceMap, file: &Checked) -> String {
    let path = &files.file(file.root).path;
    match &file.plan {
        Some(plan) => format!("{path}: {}, no problems\n", counts(plan)),
        None => format!("{path}: no problems\n"),
    }
}

fn counts(plan: &Plan) -> String {
    let counts = [
        (plan.flows.iter().filter(|flow| !flow.hidden).count(), "flow"),
        (plan.graph.node_count(), "node"),
        (plan.resources.len(), "resource"),
    ];
    let counts: Vec<String> = counts.iter().map(|(n, word)| plural(*n, word)).collect();
    counts.join(", ")
}

#[cfg(test)]
mod tests;
