//! `flowc check`: every problem of some files, for people and for programs.

mod formats;
mod plan;

use crate::cli::{CheckArgs, CheckFormat, PlanArgs};
use crate::exit::{Exit, Stop, fault};
use crate::io::Io;
use crate::load::{self, has_errors, read};
use crate::render::{self, plural};
use crate::up;
use dsl::check::{Request, compile};
use dsl::plan::Plan;
use dsl::problem::Problem;
use dsl::span::{FileId, SourceMap};
use stdlib::service::provision;

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
        let request = request(args, &files, root, io)?;
        let (plan, mut problems) = compile(&files, root, &specs, &request);
        if args.online
            && let Some(plan) = plan.as_ref().filter(|_| !has_errors(&problems))
        {
            problems.extend(online(plan, io)?);
        }
        checked.push(Checked { root, problems, plan });
    }
    let text = match args.format {
        CheckFormat::Human => human(&files, &checked, io.style),
        CheckFormat::Json => formats::json(&files, &checked),
        CheckFormat::Github => formats::github(&files, &checked),
        CheckFormat::Sarif => formats::sarif(&files, &checked),
    };
    io.out.write_all(text.as_bytes())?;
    if args.report {
        for plan in checked.iter().filter_map(|file| file.plan.as_ref()) {
            report(args, plan, io)?;
        }
    }
    let bad = checked.iter().any(|file| has_errors(&file.problems));
    Ok(unread.unwrap_or(if bad { Exit::Problems } else { Exit::Done }))
}

/// What a run of the plan would take, with what its provider adds to it.
fn report(args: &CheckArgs, plan: &Plan, io: &mut Io) -> Result<(), Stop> {
    let mut plan = plan.clone();
    stdlib::service::prepare(&mut plan);
    let setting = crate::run::setting(&plan, args.memory, &io.env)?;
    let text = plan::text(&plan, &setting, io.style);
    Ok(write!(io.out, "\n{text}")?)
}

/// What is asked of a file: without profile and parameters, what can be said of all of them.
fn request(args: &CheckArgs, files: &SourceMap, root: FileId, io: &Io) -> Result<Request, Stop> {
    let PlanArgs { profile, params } = &args.plan;
    if !args.online && !args.report && profile.is_none() && params.is_empty() {
        return Ok(Request::default());
    }
    load::request(files, root, &args.plan, &[], args.online || args.report, &io.env.0)
}

/// What the provider of the plan's profile says.
fn online(plan: &Plan, io: &mut Io) -> Result<Vec<Problem>, Stop> {
    let runtime = up::runtime()?;
    let site = runtime.block_on(provision::site(plan)).map_err(|error| fault(&error))?;
    let Some(site) = site else {
        let profile = &plan.profile;
        writeln!(io.err, "profile `{profile}` is emulated on this machine: nobody is asked")?;
        return Ok(Vec::new());
    };
    let clock = engine::ctx::SystemClock::new();
    Ok(runtime.block_on(site.check(engine::ctx::Clock::now_ns(&clock))))
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
