//! `flowc show`: what a resource holds.

mod failures;

use crate::cli::{RowFormat, ShowArgs};
use crate::exit::{Exit, Stop, fault};
use crate::io::Io;
use crate::load::{self, unknown};
use crate::rows::Printer;
use dsl::ast::ResourceKind;
use dsl::plan::{Plan, PlanResource};
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
    let rows_max = if args.limit == 0 { usize::MAX } else { args.limit };
    let inspector = inspector(&plan)?.at_most(rows_max);
    if let Some(key) = &args.key {
        return object(&inspector, resource, key, io);
    }
    let failures = failures::holds_failures(resource);
    let shown = match failures {
        true => failures::show(inspector, resource, args.format == RowFormat::Table),
        false => inspector.show(resource),
    };
    let shown = shown.map_err(|error| fault(&error))?;
    let (format, limit, style) = (args.format, args.limit, io.style);
    let row_lines_max = if failures { 4 } else { 1 };
    let json_columns = &["item", "payload", "record", "meta"];
    let whole_columns: &[&str] = if failures { &["node", "code"] } else { &[] };
    let more = false;
    let printer =
        Printer { format, style, limit, row_lines_max, json_columns, whole_columns, more };
    let (printed, _) = printer.print(&shown.columns, shown.rows, io.out)?;
    if let Some(why) = nothing(&plan, resource).filter(|_| printed == 0) {
        writeln!(io.err, "{why}")?;
    }
    Ok(Exit::Done)
}

/// Why a resource may hold nothing, where there is a reason that a person may not think of.
fn nothing(plan: &Plan, resource: &PlanResource) -> Option<String> {
    if !Path::new(plan.local_dir.as_deref()?).exists() {
        return Some(format!("nothing has run here yet: `flowc run {}` does", plan.file));
    }
    let bucket = &plan.resources[resource.into?].name;
    let name = &resource.name;
    let look = format!("flowc show {} {bucket}", plan.file);
    Some(format!("`{name}` has handed over what it held: `{look}`"))
}

/// Prints an object of a bucket as it is.
fn object(
    inspector: &Inspector,
    resource: &PlanResource,
    key: &str,
    io: &mut Io,
) -> Result<Exit, Stop> {
    let name = &resource.name;
    if resource.kind != ResourceKind::Bucket {
        let kind = resource.kind.word();
        let message = format!("`--key` prints an object of a bucket, and `{name}` is a {kind}");
        return Err(Stop::usage(message));
    }
    match inspector.object(resource, key).map_err(|error| fault(&error))? {
        Some(content) => io.out.write_all(&content)?,
        None => {
            let message = format!("bucket `{name}` has no object `{key}`");
            return Err(Stop::usage(message).help("`flowc show` without `--key` lists them"));
        }
    }
    Ok(Exit::Done)
}

/// A look into the services of the plan's profile.
///
/// # Errors
/// The provider is not configured, or this build does not have it.
pub fn inspector(plan: &Plan) -> Result<Inspector, Stop> {
    Inspector::of(plan).map_err(|error| fault(&error))
}
