//! `flowc run`: runs the flows of a file until all records are stored, and says what it did.

pub(crate) mod errors;
pub(crate) mod failpoints;
mod json;
pub(crate) mod progress;
pub(crate) mod signals;
pub(crate) mod summary;

use crate::cli::RunArgs;
use crate::exit::{Exit, Stop, fault};
use crate::io::{Env, Io};
use crate::load::{self, Loaded};
use dsl::span::SourceMap;
use dsl::value::size_text;
use engine::ctx::{Clock, Ctx, GraphChange, SystemClock};
use engine::memory::{Limits, Setting, Worst};
use engine::registry::Registry;
use engine::run::{Live, Report};
use progress::Display;
use signals::Signals;
use std::sync::Arc;
use stdlib::service;
pub use summary::seconds;

/// Batches that wait between two nodes, at most.
const CHANNEL_BATCHES: usize = 4;
/// Rows that a source may have on their way, at most.
const IN_FLIGHT_ROWS_MAX: u64 = 262_144;
/// Threads that wait for the disk, at most. Each keeps memory for its next work, so a run does not
/// take more the longer it lasts; and a disk is not faster for more of them.
const DISK_THREADS_MAX: usize = 8;

/// Runs the flows and prints the summary.
///
/// # Errors
/// The file has problems, the services cannot be opened, or the output cannot be written.
pub fn run(args: &RunArgs, io: &mut Io) -> Result<Exit, Stop> {
    if failpoints::is_list(args) {
        return failpoints::list(io);
    }
    let Loaded { files, mut plan } = load::plan(&args.file, &args.plan, &args.flows, true, io)?;
    if plan.flows.is_empty() {
        let stop = Stop::usage(format!("there is no flow in {}", plan.file));
        return Err(stop.help("a flow says what runs: `flow name { … }`"));
    }
    service::prepare(&mut plan);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().max_blocking_threads(DISK_THREADS_MAX).build();
    let runtime = runtime.map_err(|error| {
        Stop::said(Exit::Failed, format!("cannot start the threads of the run: {error}"))
    })?;
    let display = Display::new(&plan, args.json, io);
    let live = Live::default();
    let limits = setting(&plan, args.memory, &io.env)?.limits;
    let ended = runtime.block_on(job(args, limits, plan.clone(), &live, display));
    // What still waits for a disk or a socket after a second signal is not waited for.
    runtime.shutdown_background();
    let report = match ended? {
        Some(report) => report,
        None => {
            let message = errors::undelivered("stopped at once", live.in_flight_rows());
            return Err(Stop::said(Exit::Undelivered, message).help(errors::AGAIN));
        }
    };
    say(args, &files, &plan, &report, io)
}

/// How a run of this machine is set up, with budgets that fit `memory` in bytes.
///
/// # Errors
/// The graph does not fit.
pub fn setting(plan: &dsl::plan::Plan, memory: Option<u64>, env: &Env) -> Result<Setting, Stop> {
    // As the runtime counts them.
    let told = env.0.get("TOKIO_WORKER_THREADS").and_then(|threads| threads.parse().ok());
    let cores = || std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let mut setting = Setting {
        limits: Limits::default(),
        in_flight_rows_max: IN_FLIGHT_ROWS_MAX,
        channel_batches: CHANNEL_BATCHES as u64,
        threads: told.unwrap_or_else(cores),
    };
    if let Some(bytes) = memory {
        setting.limits =
            Worst::within(plan, &setting, &stdlib::memory::of, bytes).map_err(|least| {
                let (asked, least) = (size_text(bytes), size_text(least.div_ceil(1 << 20) << 20));
                let message = format!("the graph does not fit into `--memory {asked}`");
                let help = format!(
                    "it may take {least} even with the smallest budgets; `flowc check --plan` \
                     says where"
                );
                Stop::usage(message).help(help)
            })?;
    }
    Ok(setting)
}

/// Opens the services and drives the run. `None` = stopped at once by a second signal.
async fn job(
    args: &RunArgs,
    limits: Limits,
    plan: dsl::plan::Plan,
    live: &Live,
    mut display: Display,
) -> Result<Option<Report>, Stop> {
    let signals = Signals::new();
    let mut signals = signals
        .map_err(|error| Stop::said(Exit::Failed, format!("cannot listen to signals: {error}")))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let failpoints = failpoints::armed(&args.failpoints)?;
    let opened = service::open(&plan, clock.clone(), failpoints.clone())
        .await
        .map_err(|error| fault(&error))?;
    let registry: Registry = stdlib::registry::registry(opened.services.clone());
    let ctx = Ctx {
        failpoints,
        seed: clock.now_ns().unsigned_abs(),
        clock,
        checkpoints: opened.checkpoints.clone(),
        keep_running: args.keep_running,
        from_start: args.from_start,
        graph_change: match args.accept_state_change {
            true => GraphChange::Accepted,
            false => GraphChange::Refused,
        },
        channel_batches: CHANNEL_BATCHES,
        in_flight_rows_max: IN_FLIGHT_ROWS_MAX,
        memory: limits,
        drain: args.drain,
        log: display.log(),
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut stop = Some(stop);
    let shutdown = async {
        // A dropped sender means that nobody can stop the run any more.
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let mut running = std::pin::pin!(engine::run::run(plan, &registry, &ctx, live, shutdown));
    let mut tick = tokio::time::interval(display.every());
    loop {
        tokio::select! {
            report = &mut running => {
                display.close();
                failpoints::say(args, &ctx.failpoints, &display);
                return Ok(Some(report));
            }
            keyboard = signals.next() => {
                if keyboard {
                    display.after_echo();
                }
                let Some(stop) = stop.take() else {
                    display.close();
                    return Ok(None);
                };
                // The run may have ended in this moment; then there is nothing to stop.
                let _ = stop.send(());
                display.say("stopping: storing what is in flight; once more to stop at once");
            }
            _ = tick.tick() => display.update(&live.snapshot()),
        }
    }
}

/// Prints the summary and what went wrong; gives the exit code.
fn say(
    args: &RunArgs,
    files: &SourceMap,
    plan: &dsl::plan::Plan,
    report: &Report,
    io: &mut Io,
) -> Result<Exit, Stop> {
    let exit = errors::exit(&report.errors);
    if args.json {
        writeln!(io.out, "{}", json::line(plan, report, exit))?;
    } else {
        let text = summary::text(plan, &report.summary, report.errors.is_empty(), io.style);
        write!(io.out, "{text}")?;
    }
    io.out.flush()?;
    for error in &report.errors {
        write!(io.err, "{}", errors::text(error, plan, files, io.err_style))?;
    }
    Ok(exit)
}
