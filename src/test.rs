//! `flowc test --faults`: runs the flows of a file in the deterministic simulation, and judges
//! them by what they promise.

mod report;

use crate::cli::TestArgs;
use crate::exit::{Exit, Stop, fault};
use crate::io::Io;
use crate::load::{self, Loaded};
use dsl::plan::Plan;
use report::{Ran, Report};
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};
use stdlib::service::sim::course::{self, Ask, Course};
use stdlib::service::sim::{self, feed, verdict};

/// Seeds that are run where nobody says how many.
const SEEDS: u64 = 10;
/// Seeds that are ready and not printed yet, at most.
const READY_MAX: usize = 64;

/// Runs the seeds and prints what became of them.
///
/// # Errors
/// The file has problems, the arguments do not fit, or the flows cannot be simulated.
pub fn run(args: &TestArgs, io: &mut Io) -> Result<Exit, Stop> {
    if !args.faults {
        let message = "the `test` blocks of a file are checked, but cannot be run yet";
        let file = args.file.display();
        return Err(Stop::usage(message).help(format!(
            "`flowc test {file} --faults` runs its flows on simulated services, with faults"
        )));
    }
    let seeds = seeds(args)?;
    let Loaded { mut plan, .. } = load::plan(&args.file, &args.plan, &args.flows, true, io)?;
    if plan.flows.is_empty() {
        let stop = Stop::usage(format!("there is no flow in {}", plan.file));
        return Err(stop.help("a flow says what runs: `flow name { … }`"));
    }
    drivable(&plan)?;
    sim::prepare(&mut plan);
    let long = Duration::from_secs_f64(args.hours * 3600.0);
    let mut report = Report::new(args, &plan, seeds.clone(), io.style);
    write!(io.out, "{}", report.head(&feed::driven(&plan)))?;
    io.out.flush()?;
    let began = Instant::now();
    let reference = Ask { plan: &plan, seed: 0, long, faults: false, trace: false, bug: None };
    let reference = course::run(&reference).map_err(|error| fault(&error))?;
    if let Some(broken) = &reference.broken {
        let message = format!("even without faults the flows do not come to an end: {broken}");
        return Err(Stop::said(Exit::Problems, message));
    }
    write!(io.out, "{}", report.reference(&reference))?;
    let all = Seeds { plan: &plan, long, trace: args.trace.is_some(), reference: &reference };
    all.run(seeds, |ran| {
        if let (Some(path), Some(course)) = (&args.trace, &ran.course) {
            write_trace(path, course)?;
        }
        write!(io.out, "{}", report.line(&ran))?;
        io.out.flush()?;
        report.add(ran);
        Ok(())
    })?;
    write!(io.out, "{}", report.end(began.elapsed()))?;
    Ok(if report.is_well() { Exit::Done } else { Exit::Problems })
}

fn seeds(args: &TestArgs) -> Result<Range<u64>, Stop> {
    let first = args.seed.unwrap_or(1);
    let count = args.seeds.unwrap_or(if args.seed.is_some() { 1 } else { SEEDS });
    if args.trace.is_some() && count != 1 {
        let stop = Stop::usage("`--trace` writes the events of one seed");
        return Err(stop.help("name it with `--seed`, without `--seeds`"));
    }
    first
        .checked_add(count)
        .map(|end| first..end)
        .ok_or_else(|| Stop::usage(format!("there are no {count} seeds from {first} on")))
}

/// Refuses flows of which nothing would run.
fn drivable(plan: &Plan) -> Result<(), Stop> {
    let undriven = feed::undriven(plan);
    match undriven.is_empty() {
        true => Ok(()),
        false => {
            Err(Stop::usage(format!("these flows cannot be simulated: {}", undriven.join("; ")))
                .help("name flows that can: `flowc test FILE FLOW … --faults`"))
        }
    }
}

fn write_trace(path: &Path, course: &Course) -> Result<(), Stop> {
    let mut text = course.trace.join("\n");
    text.push('\n');
    std::fs::write(path, text).map_err(|error| {
        Stop::said(Exit::Failed, format!("cannot write `{}`: {error}", path.display()))
    })
}

/// What all seeds share.
struct Seeds<'a> {
    plan: &'a Plan,
    long: Duration,
    trace: bool,
    reference: &'a Course,
}

impl Seeds<'_> {
    /// Runs seeds on all cores, each on one thread; they are handed over in order.
    fn run(
        &self,
        seeds: Range<u64>,
        mut take: impl FnMut(Ran) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let (next, enough) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
        let (ready, done) = sync_channel(READY_MAX);
        std::thread::scope(|scope| {
            for _ in 0..threads.min((seeds.end - seeds.start).try_into().unwrap_or(threads)) {
                let ready = ready.clone();
                scope.spawn(|| self.work(&next, seeds.end, &enough, ready));
            }
            drop(ready);
            let (mut waiting, mut at) = (BTreeMap::new(), seeds.start);
            while let Ok(ran) = done.recv() {
                waiting.insert(ran.seed, ran);
                while let Some(ran) = waiting.remove(&at) {
                    at += 1;
                    if let Err(stop) = take(ran) {
                        enough.store(true, Ordering::Relaxed);
                        return Err(stop);
                    }
                }
            }
            Ok(())
        })
    }

    fn work(&self, next: &AtomicU64, end: u64, enough: &AtomicBool, ready: SyncSender<Ran>) {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end || enough.load(Ordering::Relaxed) {
                return;
            }
            // Who takes them has stopped.
            if ready.send(self.one(seed)).is_err() {
                return;
            }
        }
    }

    fn one(&self, seed: u64) -> Ran {
        let Seeds { plan, long, trace, reference } = *self;
        let ask = Ask { plan, seed, long, faults: true, trace, bug: None };
        let ran = catch_unwind(AssertUnwindSafe(|| course::run(&ask)));
        match ran {
            Ok(Ok(mut course)) => {
                let verdict = verdict::judge(reference, &course);
                // Only the facts are kept of many seeds.
                course.end = Default::default();
                Ran { seed, verdict, course: Some(course) }
            }
            Ok(Err(fault)) => Ran::broken(seed, fault.to_string()),
            Err(_) => Ran::broken(seed, "a panic, printed above".to_owned()),
        }
    }
}
