//! `flowc show`: what a resource holds.

use crate::cli::ShowArgs;
use crate::exit::{Exit, Stop, fault};
use crate::io::Io;
use crate::load::{self, unknown};
use crate::rows::Printer;
use dsl::plan::Plan;
use std::path::Path;
use stdlib::service::inspect::Inspector;

/// Prints what a resource holds.
///
/// # Errors
/// There is no such resource, it cannot be read, or the output cannot be written.
pub fn run(args: &ShowArgs, io: &mut Io) -> Result<Exit, Stop> {
    let plan = load::plan(&args.file, &args.plan, &[], false, io)?.plan;
    let Some(resource) = plan.resource(&args.resource) else {
        let names: Vec<String> = plan.resources.iter().map(|r| r.name.clone()).collect();
        return Err(unknown("resource", &args.resource, &plan.file, &names));
    };
    let shown = inspector(&plan)?.show(resource).map_err(|error| fault(&error))?;
    let (format, limit, style) = (args.format, args.limit, io.style);
    let printer = Printer { format, style, limit, json_columns: &["item", "payload"] };
    printer.print(&shown.columns, shown.rows, io.out)?;
    Ok(Exit::Done)
}

/// A look into the directory of the plan's profile.
///
/// # Errors
/// The profile is not a local one.
pub fn inspector(plan: &Plan) -> Result<Inspector, Stop> {
    Ok(Inspector::open(local_dir(plan)?, plan))
}

/// The directory of the plan's profile.
///
/// # Errors
/// The profile is not a local one.
pub fn local_dir(plan: &Plan) -> Result<&Path, Stop> {
    match &plan.local_dir {
        Some(dir) => Ok(Path::new(dir)),
        None => {
            let message = format!(
                "profile `{}` needs AWS, and this build has no AWS connectors yet",
                plan.profile
            );
            let help = "use `--profile local`, or declare one: profile local = \
                        emulate(aws, dir: \"out/local\")";
            Err(Stop::said(Exit::Problems, message).help(help))
        }
    }
}
