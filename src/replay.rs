//! `flowc replay`: sends failed records through their flows again, each once.

mod drive;
mod said;

use crate::cli::ReplayArgs;
use crate::exit::{Exit, Stop, fault};
use crate::io::Io;
use crate::load::{self, Loaded, unknown};
use crate::render;
use crate::run::failpoints;
use drive::{Ended, Runs};
use dsl::plan::Plan;
use dsl::span::SourceMap;
use dsl::ty::Ty;
use engine::ctx::{Clock, SystemClock};
use engine::expr::{Compiled, Env, compile};
use said::Sent;
use std::sync::Arc;
use stdlib::replay::{self, Log, OfNode, Scan, Source, Wanted};
use stdlib::service::{self, Opened};

/// What the condition is called in problems.
const GIVEN: &str = "--where";

/// Sends what was chosen.
///
/// # Errors
/// The file or the condition has problems, nothing holds failures, the services cannot be opened,
/// or the output cannot be written.
pub fn run(args: &ReplayArgs, io: &mut Io) -> Result<Exit, Stop> {
    let condition = match &args.condition {
        Some(text) => Some(condition(text, io)?),
        None => None,
    };
    let Loaded { files, mut plan } = load::plan(&args.file, &args.plan, &[], true, io)?;
    let flows: Vec<String> = plan.flows.iter().map(|flow| flow.name.clone()).collect();
    if let Some(flow) = args.flow.as_ref().filter(|flow| !flows.contains(flow)) {
        return Err(unknown("flow", flow, &plan.file, &flows));
    }
    if replay::scan::quarantines(&plan).is_empty() {
        let message = format!("no bucket of {} holds failures", plan.file);
        return Err(Stop::usage(message).help(
            "send them to one, then they can be sent again:\n\n    bucket quarantine : \
             ndjson<Failure>\n    errors -> quarantine.append",
        ));
    }
    service::prepare(&mut plan);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Stop::said(Exit::Failed, format!("cannot start the threads of the run: {error}"))
    })?;
    let ended = runtime.block_on(job(args, condition, &files, &plan, io));
    // What still waits for a disk or a socket after a second signal is not waited for.
    runtime.shutdown_background();
    ended
}

/// The condition, checked against the fields of a failure.
fn condition(text: &str, io: &mut Io) -> Result<Compiled, Stop> {
    let mut files = SourceMap::default();
    let file = files.add(GIVEN, format!("where {}", text.replace(['\n', '\r'], " ")));
    let (condition, problems) = dsl::check::condition(&files, file, &Ty::failure());
    if !problems.is_empty() {
        write!(io.err, "{}", render::render(&files, &problems, io.err_style))?;
    }
    condition.map(|condition| compile(&condition)).ok_or(Stop::Quiet(Exit::Usage))
}

async fn job(
    args: &ReplayArgs,
    condition: Option<Compiled>,
    files: &SourceMap,
    plan: &Plan,
    io: &mut Io<'_>,
) -> Result<Exit, Stop> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let failpoints = failpoints::armed(&args.failpoints)?;
    let opened = service::open(plan, clock.clone(), failpoints.clone())
        .await
        .map_err(|error| fault(&error))?;
    let mut runs = Runs::new(files, &opened, clock.clone(), failpoints)?;
    if let Some(drain) = replay::drain(plan).filter(|_| !args.dry_run)
        && let Ended::Stopped(exit) = runs.run(drain, None, io).await?
    {
        return Ok(exit);
    }
    let env = |condition| (condition, Env::with(clock.clone(), 0, GIVEN));
    let limit = if args.limit == 0 { replay::scan::WANTED_MAX } else { args.limit };
    let wanted = Wanted { flow: args.flow.clone(), condition: condition.map(env), limit };
    let services = &opened.services;
    let source = Source { plan, services, checkpoints: opened.checkpoints.clone() };
    let mut scan = replay::scan(&source, &wanted).await.map_err(|error| fault(&error))?;
    write!(io.out, "{}", said::found(&scan))?;
    if args.dry_run {
        write!(io.out, "{}", said::would_send(&scan, io.style))?;
        return said::cannot(&scan, plan, io);
    }
    let mut sent = Vec::new();
    let exit = send(&mut runs, plan, &opened, &mut scan, &mut sent, io).await?;
    write!(io.out, "{}", said::sent(plan, &sent, exit == Exit::Done, runs.elapsed(), io.style))?;
    io.out.flush()?;
    let lacking = said::cannot(&scan, plan, io)?;
    Ok(if exit == Exit::Done { lacking } else { exit })
}

/// Sends all sessions of all nodes, one after the other.
async fn send(
    runs: &mut Runs<'_>,
    plan: &Plan,
    opened: &Opened,
    scan: &mut Scan,
    sent: &mut Vec<Sent>,
    io: &mut Io<'_>,
) -> Result<Exit, Stop> {
    let objects = Arc::new(std::mem::take(&mut scan.objects));
    // In the order of the plan: what comes first in a flow is sent first.
    let places = plan.graph.node_weights().map(|node| node.id.as_str());
    let places: Vec<&str> = places.collect();
    scan.nodes.sort_by_key(|of| places.iter().position(|id| *id == of.node));
    for of in scan.nodes.iter_mut().filter(|of| of.begun_cannot == 0) {
        loop {
            let log = log(opened, of).await?;
            let begun = !of.begun.is_empty();
            let Some(session) = replay::session(of, &objects, log) else { break };
            if begun {
                let count = render::plural(session.entries.len(), "record");
                writeln!(
                    io.err,
                    "{}: goes on with {count} of a replay that was broken off",
                    of.node
                )?;
            }
            let (part, failures) = (replay::part(plan, &session), session.entries.len() as u64);
            match runs.run(part, Some(session), io).await? {
                Ended::Well(summary) => sent.push(Sent::of(plan, &of.node, failures, &summary)),
                Ended::Stopped(exit) => return Ok(exit),
            }
            if begun {
                // What the quarantine holds no longer is not waited for.
                let mut log = self::log(opened, of).await?;
                let len = log.len();
                log.settle(len).await.map_err(|error| fault(&error))?;
            }
        }
    }
    Ok(Exit::Done)
}

async fn log(opened: &Opened, of: &OfNode) -> Result<Log, Stop> {
    Log::load(opened.checkpoints.clone(), &of.node).await.map_err(|error| fault(&error))
}
