//! `flowc up`: makes what a file needs of its provider and what is missing. The change is shown
//! first; nothing is ever deleted or altered.

use crate::cli::UpArgs;
use crate::exit::{Exit, Stop, fault};
use crate::io::Io;
use crate::load;
use crate::render::{Style, plural};
use crate::table::{Cell, table};
use dsl::plan::Plan;
use std::io::{BufRead, IsTerminal};
use std::sync::Arc;
use stdlib::service::provision::{self, Action, Site, Step};
use tokio::runtime::Runtime;

/// What a person answers to a question; `None` = nobody is there to answer.
pub type Ask<'a> = &'a mut dyn FnMut(&str) -> Option<bool>;

/// Shows what is missing, asks, and makes it.
///
/// # Errors
/// The file has problems, the provider refuses, or the output cannot be written.
pub fn run(args: &UpArgs, io: &mut Io) -> Result<Exit, Stop> {
    let plan = load::plan(&args.file, &args.plan, &[], true, io)?.plan;
    let runtime = runtime()?;
    let site = runtime.block_on(provision::site(&plan)).map_err(|error| fault(&error))?;
    let Some(site) = site else {
        writeln!(io.out, "{}", nothing_needed(&plan))?;
        return Ok(Exit::Done);
    };
    make(&runtime, &*site, &plan, args.yes, io, &mut on_the_terminal)
}

/// The threads that wait for the network.
///
/// # Errors
/// The system gives none.
pub fn runtime() -> Result<Arc<Runtime>, Stop> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let failed = |error| Stop::said(Exit::Failed, format!("cannot wait for the network: {error}"));
    Ok(Arc::new(runtime.map_err(failed)?))
}

fn nothing_needed(plan: &Plan) -> String {
    let profile = &plan.profile;
    format!("profile `{profile}` is emulated on this machine: nothing needs to be made")
}

/// Asks on the terminal of the process.
fn on_the_terminal(question: &str) -> Option<bool> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return None;
    }
    // The question goes where the answer comes from, not into the output.
    let mut err = std::io::stderr();
    std::io::Write::write_all(&mut err, question.as_bytes()).ok()?;
    let mut line = String::new();
    stdin.lock().read_line(&mut line).ok()?;
    Some(["y", "yes"].contains(&line.trim().to_lowercase().as_str()))
}

/// The work on one site.
///
/// # Errors
/// The provider refuses, or the output cannot be written.
pub fn make(
    runtime: &Runtime,
    site: &dyn Site,
    plan: &Plan,
    yes: bool,
    io: &mut Io,
    ask: Ask<'_>,
) -> Result<Exit, Stop> {
    let steps = runtime.block_on(site.look()).map_err(|error| fault(&error))?;
    write!(io.out, "{}", shown(plan, site, &steps, io.style))?;
    let missing: Vec<&Step> = steps.iter().filter(|step| step.action == Action::Create).collect();
    let differs = steps.iter().filter(|step| step.action == Action::Differs).count();
    let end = if differs > 0 { Exit::Problems } else { Exit::Done };
    if missing.is_empty() {
        let said = match differs {
            0 => "nothing is missing".to_owned(),
            _ => format!("{} must be changed by hand", plural(differs, "thing")),
        };
        writeln!(io.out, "{said}")?;
        return Ok(end);
    }
    io.out.flush()?;
    let question = format!("make {}? [y/N] ", plural(missing.len(), "thing"));
    match yes.then_some(true).or_else(|| ask(&question)) {
        Some(true) => {}
        Some(false) => {
            writeln!(io.out, "nothing was made")?;
            return Ok(Exit::Problems);
        }
        None => {
            let message = "nothing was made: nobody is here to say yes";
            let help = format!("`flowc up {} --profile {} --yes`", plan.file, plan.profile);
            return Err(Stop::said(Exit::Problems, message).help(help));
        }
    }
    for step in missing {
        runtime.block_on(site.make(step)).map_err(|error| fault(&error))?;
        writeln!(io.out, "{} {}", io.style.paint("32", "made"), step.what)?;
        io.out.flush()?;
    }
    Ok(end)
}

/// The change as a table.
fn shown(plan: &Plan, site: &dyn Site, steps: &[Step], style: Style) -> String {
    let row = |step: &Step| {
        let sign = match step.action {
            Action::Create => "+ create",
            Action::Exists => "= exists",
            Action::Differs => "! differs",
        };
        let notes = match step.notes.as_slice() {
            [] => step.how.clone(),
            notes => notes.join("; "),
        };
        let whole = |text: &str| Cell { whole: true, ..Cell::text(text) };
        vec![whole(sign), whole(&step.what), Cell::text(&step.why), Cell::text(notes)]
    };
    let rows: Vec<Vec<Cell>> = steps.iter().map(row).collect();
    let header = ["", "what", "for", "how"].map(String::from);
    let (text, _) = table(&header, &rows, NOTE_LINES_MAX, style);
    format!("profile `{}`, {}\n\n{text}\n", plan.profile, site.place())
}

/// Lines of what differs, at most.
const NOTE_LINES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Env;
    use async_trait::async_trait;
    use dsl::problem::Problem;
    use engine::fault::Fault;
    use std::sync::Mutex;

    struct Fake(Mutex<Vec<Step>>);

    #[async_trait]
    impl Site for Fake {
        fn place(&self) -> String {
            "region r".into()
        }

        async fn look(&self) -> Result<Vec<Step>, Fault> {
            Ok(self.0.lock().unwrap().clone())
        }

        async fn make(&self, step: &Step) -> Result<(), Fault> {
            self.0.lock().unwrap()[step.index].action = Action::Exists;
            Ok(())
        }

        async fn check(&self, _: i64) -> Vec<Problem> {
            Vec::new()
        }
    }

    fn step(index: usize, action: Action, what: &str) -> Step {
        let notes = match action {
            Action::Differs => vec!["its key is a (S): bind another".to_owned()],
            _ => Vec::new(),
        };
        let (how, why) = ("1 shard".to_owned(), "orders".to_owned());
        Step { action, what: what.into(), how, why, notes, index }
    }

    fn up(site: &Fake, yes: bool, answer: Option<bool>) -> (Result<Exit, Stop>, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let plan = Plan { file: "a.flow".into(), profile: "aws".into(), ..Plan::default() };
        let mut io = Io {
            out: &mut out,
            err: &mut err,
            style: Style::plain(),
            err_style: Style::plain(),
            err_terminal: false,
            env: Env::default(),
        };
        let ended = make(&runtime().unwrap(), site, &plan, yes, &mut io, &mut |_| answer);
        (ended, String::from_utf8(out).unwrap())
    }

    #[test]
    fn what_is_missing_is_shown_asked_for_and_made_once() {
        let steps =
            vec![step(0, Action::Exists, "bucket `b`"), step(1, Action::Create, "stream `s`")];
        let site = Fake(Mutex::new(steps));
        let (ended, text) = up(&site, false, Some(false));
        assert_eq!(ended.unwrap(), Exit::Problems);
        assert!(text.contains("+ create  stream `s`  orders  1 shard"), "{text}");
        assert!(text.ends_with("nothing was made\n"), "{text}");
        let (ended, text) = up(&site, false, None);
        let (said, exit) = ended.unwrap_err().text(Style::plain());
        assert!(said.contains("--yes") && exit == Exit::Problems, "{said}");
        assert!(!text.contains("made"), "{text}");
        let (ended, text) = up(&site, true, None);
        assert_eq!(ended.unwrap(), Exit::Done);
        assert!(text.ends_with("made stream `s`\n"), "{text}");
        let (ended, text) = up(&site, true, None);
        assert_eq!(ended.unwrap(), Exit::Done);
        assert!(text.ends_with("nothing is missing\n"), "{text}");
    }

    #[test]
    fn what_differs_is_left_to_a_person() {
        let site = Fake(Mutex::new(vec![step(0, Action::Differs, "table `t`")]));
        let (ended, text) = up(&site, true, None);
        assert_eq!(ended.unwrap(), Exit::Problems);
        assert!(text.contains("! differs") && text.contains("its key is a (S)"), "{text}");
        assert!(text.ends_with("1 thing must be changed by hand\n"), "{text}");
    }
}
