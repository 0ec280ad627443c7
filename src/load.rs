//! Reading `.flow` files, and what the user asks of them, into a plan.

use crate::cli::PlanArgs;
use crate::exit::{Exit, Stop};
use crate::io::Io;
use crate::render;
use dsl::ast::{self, ItemKind};
use dsl::check::{Request, compile};
use dsl::plan::Plan;
use dsl::problem::{Problem, Severity};
use dsl::span::{FileId, SourceMap};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// A checked file that may be run, drawn or looked into.
#[derive(Debug)]
pub struct Loaded {
    /// The text.
    pub files: SourceMap,
    /// The plan.
    pub plan: Plan,
}

/// Reads and checks a file for one profile and these flows (none = all). Problems are printed to
/// `io.err`; warnings alone do not stop.
///
/// # Errors
/// The file cannot be read or has errors; a flow, profile or parameter is not in it.
pub fn plan(
    path: &Path,
    args: &PlanArgs,
    flows: &[String],
    run: bool,
    io: &mut Io,
) -> Result<Loaded, Stop> {
    let mut files = SourceMap::default();
    let root = read(path, &mut files)?;
    let request = request(&files, root, args, flows, run, &io.env.0)?;
    let (plan, problems) = compile(&files, root, &stdlib::registry::specs(), &request);
    if !problems.is_empty() {
        write!(io.err, "{}", render::render(&files, &problems, io.err_style))?;
    }
    match plan {
        Some(plan) if !has_errors(&problems) => Ok(Loaded { files, plan }),
        _ => Err(Stop::Quiet(Exit::Problems)),
    }
}

/// What is asked of a file.
///
/// # Errors
/// A flow, profile or parameter is not in it.
pub fn request(
    files: &SourceMap,
    root: FileId,
    args: &PlanArgs,
    flows: &[String],
    run: bool,
    env: &BTreeMap<String, String>,
) -> Result<Request, Stop> {
    let names = Names::of(files, root);
    let params = names.params(&args.params, env)?;
    names.require("flow", &names.flows, flows)?;
    names.require("profile", &names.profiles, args.profile.as_slice())?;
    Ok(Request { profile: args.profile.clone(), params, flows: flows.to_vec(), run })
}

/// True when one of the problems is an error.
pub fn has_errors(problems: &[Problem]) -> bool {
    problems.iter().any(|problem| problem.severity == Severity::Error)
}

/// Reads a file into `files`.
///
/// # Errors
/// It is not there, is no UTF-8 text, or is too large.
pub fn read(path: &Path, files: &mut SourceMap) -> Result<FileId, Stop> {
    let shown = path.display().to_string();
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => {
            Stop::usage(format!("there is no file `{shown}`")).help_if(near_file(path))
        }
        ErrorKind::IsADirectory => Stop::usage(format!("`{shown}` is a directory"))
            .help("give the .flow files in it, one by one"),
        _ => Stop::usage(format!("cannot read `{shown}`: {error}")),
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Stop::usage(format!("`{shown}` is over 16 MiB; is it a .flow file?")));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(files.add(shown, text)),
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..good].iter().filter(|&&b| b == b'\n').count() + 1;
            let message = format!("`{shown}` is not UTF-8 text: a wrong byte in line {line}");
            Err(Stop::usage(message).help("save the file as UTF-8"))
        }
    }
}

/// `did you mean …?` for a file that is not there.
fn near_file(path: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_str()?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names: Vec<String> = std::fs::read_dir(dir)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".flow"))
        .collect();
    let near = nearest(wanted, names.iter().map(String::as_str))?;
    Some(format!("did you mean `{}`?", path.with_file_name(near).display()))
}

/// The name nearest to `word`, at an edit distance of at most a third of its length.
pub fn nearest<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let limit = (word.chars().count() / 3).max(1);
    let lower = word.to_lowercase();
    names
        .into_iter()
        .map(|name| (strsim::osa_distance(&lower, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name)
}

/// `there is no KIND `WORD` in FILE`, with what there is.
pub fn unknown(kind: &str, word: &str, file: &str, names: &[String]) -> Stop {
    let stop = Stop::usage(format!("there is no {kind} `{word}` in {file}"));
    if let Some(near) = nearest(word, names.iter().map(String::as_str)) {
        return stop.help(format!("did you mean `{near}`?"));
    }
    if names.is_empty() {
        return stop.help(format!("it declares no {kind}"));
    }
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    stop.help(format!("its {kind}s are {}", names.join(", ")))
}

/// What a file declares and a command line may name.
struct Names {
    file: String,
    flows: Vec<String>,
    profiles: Vec<String>,
    params: Vec<String>,
}

impl Names {
    fn of(files: &SourceMap, root: FileId) -> Names {
        let (parsed, _): (ast::File, _) = dsl::parse::parse(files, root);
        let file = files.file(root).path.clone();
        let mut names = Names { file, flows: vec![], profiles: vec![], params: vec![] };
        for item in &parsed.items {
            match &item.kind {
                ItemKind::Flow { name, .. } => names.flows.push(name.node.clone()),
                ItemKind::Profile { name, .. } => names.profiles.push(name.node.clone()),
                ItemKind::Param { name, .. } => names.params.push(name.node.clone()),
                _ => {}
            }
        }
        names
    }

    fn require(&self, kind: &str, known: &[String], asked: &[String]) -> Result<(), Stop> {
        match asked.iter().find(|name| !known.contains(name)) {
            Some(name) => Err(unknown(kind, name, &self.file, known)),
            None => Ok(()),
        }
    }

    /// `--param name=value`, and `FLOW_<NAME>` for the others.
    fn params(
        &self,
        given: &[String],
        env: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, Stop> {
        let mut params = BTreeMap::new();
        for name in &self.params {
            if let Some(value) = env.get(&format!("FLOW_{}", name.to_uppercase())) {
                params.insert(name.clone(), value.clone());
            }
        }
        for param in given {
            let Some((name, value)) = param.split_once('=') else {
                let message = format!("`--param {param}` has no value");
                return Err(Stop::usage(message).help(format!("write `--param {param}=VALUE`")));
            };
            self.require("param", &self.params, &[name.to_owned()])?;
            params.insert(name.to_owned(), value.to_owned());
        }
        Ok(params)
    }
}

#[cfg(test)]
mod tests;
