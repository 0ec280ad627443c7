//! `--failpoint`: what tests arm, and what happens there.

use super::progress::Display;
use crate::cli::RunArgs;
use crate::exit::{Exit, Stop};
use crate::io::Io;
use engine::failpoint::{Action, Failpoint, Failpoints};
use std::io::Write;
use std::time::Duration;

/// How long a failpoint pauses.
const PAUSE: Duration = Duration::from_secs(1);
/// The value that only counts hits.
const COUNT: &str = "count";
/// The value that prints all names.
const LIST: &str = "list";

/// Only the names are asked for.
pub fn is_list(args: &RunArgs) -> bool {
    args.failpoints.iter().any(|text| text == LIST)
}

/// Prints all names, and when each is reached.
///
/// # Errors
/// The output cannot be written.
pub fn list(io: &mut Io) -> Result<Exit, Stop> {
    for (name, when) in stdlib::failpoints::all() {
        writeln!(io.out, "{name:<28}{when}")?;
    }
    Ok(Exit::Done)
}

/// What the arguments arm.
///
/// # Errors
/// One is written wrong, or there is no such failpoint.
pub fn armed(given: &[String]) -> Result<Failpoints, Stop> {
    if given.is_empty() {
        return Ok(Failpoints::default());
    }
    let mut points = Vec::new();
    for text in given.iter().filter(|text| *text != COUNT) {
        let point = Failpoint::parse(text)
            .map_err(|wrong| Stop::usage(format!("`--failpoint {text}`: {wrong}")))?;
        let of_replay = stdlib::failpoints::REPLAY.iter().copied();
        if !stdlib::failpoints::all().chain(of_replay).any(|(name, _)| name == point.name) {
            let stop = Stop::usage(format!("there is no failpoint `{}`", point.name));
            return Err(stop.help("`flowc run FILE --failpoint list` prints them all"));
        }
        points.push(point);
    }
    Ok(Failpoints::armed(points, |action, name| match action {
        Action::Crash => {
            // The last words of the process: no destructor runs, nothing is stored.
            let _ = writeln!(std::io::stderr(), "failpoint {name}: crash");
            std::process::abort();
        }
        _ => std::thread::sleep(PAUSE),
    }))
}

/// Says how often each was hit, where that was asked for.
pub fn say(args: &RunArgs, failpoints: &Failpoints, display: &Display) {
    if args.failpoints.iter().any(|text| text == COUNT) {
        for (name, hits) in failpoints.hits() {
            display.say(&format!("failpoint {name}: {hits}"));
        }
    }
}
