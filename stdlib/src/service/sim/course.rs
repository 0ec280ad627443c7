//! One course of events: the flows of a plan in the world of one seed, life after life, until all
//! of the input is through.

use super::end::End;
use super::faults::{Interruption, Schedule, services};
use super::feed::Feed;
use super::tally::Written;
use super::{Bug, Cloud};
use crate::outside::Threads;
use crate::registry::registry_in;
use dsl::plan::Plan;
use dsl::value::Value;
use engine::ctx::Ctx;
use engine::fault::Fault;
use engine::run::{Live, Report, RunError};
use engine::sim::{Life, World};
use engine::summary::Summary;
use engine::testing;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Rows that a source may have on their way, at most.
pub const IN_FLIGHT_ROWS_MAX: u64 = 16_384;
/// How long the run may take from the moment on from which nothing goes wrong any more.
const PATIENCE: Duration = Duration::from_secs(6 * 3600);
/// How long a run without an end is watched from that moment on.
const WATCH: Duration = Duration::from_secs(20 * 60);
/// Lives at most.
const LIVES_MAX: u64 = 20_000;
/// Lives that may fail in a row from that moment on.
const FAILURES_MAX: usize = 3;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The flows, prepared (see [`super::prepare`]).
    pub plan: &'a Plan,
    /// Of everything that happens.
    pub seed: u64,
    /// How long the world is sick, about.
    pub long: Duration,
    /// Without faults and crashes it is a reference.
    pub faults: bool,
    /// Keeps the trace as text.
    pub trace: bool,
    /// A bug in the simulated services, to see that it is found.
    pub bug: Option<Bug>,
}

/// What happened.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// What lies in the sinks.
    pub end: End,
    /// What was written, and how often.
    pub written: BTreeMap<String, Written>,
    /// How long it took, in its own time.
    pub simulated: Duration,
    /// Processes that have run.
    pub lives: u64,
    /// Of them, killed.
    pub crashes: u64,
    /// Of them, told to stop.
    pub stops: u64,
    /// Of them, ended by a fault of a node.
    pub failures: u64,
    /// Faults that were injected into calls, by kind.
    pub injected: BTreeMap<&'static str, u64>,
    /// Stretches of time in which a service was sick.
    pub windows: usize,
    /// Records that came in.
    pub rows_in: u64,
    /// Why it did not come to its end: the run got stuck, or its counts do not balance.
    pub broken: Option<String>,
    /// The hash of the trace.
    pub trace_hash: String,
    /// Events in it.
    pub events: u64,
    /// Its text, where it was asked for.
    pub trace: Vec<String>,
}

/// Runs it.
///
/// # Errors
/// The plan cannot be simulated.
pub fn run(ask: &Ask<'_>) -> Result<Course, Fault> {
    let world = World::new(ask.seed);
    if ask.trace {
        world.trace().keep_text();
    }
    let cloud = Cloud::new(&world, ask.plan)?.with_bug(ask.bug);
    let schedule = match ask.faults {
        true => Schedule::draw(&world, ask.long, &services(ask.plan)),
        false => Schedule::default(),
    };
    world.set_faults(schedule.faults.clone());
    let feed = Feed::of(ask.plan, schedule.input);
    let lives = Lives { plan: ask.plan, world, cloud, schedule, feed: Arc::new(feed) };
    let mut course = Course { windows: lives.schedule.faults.windows.len(), ..Course::default() };
    lives.run(&mut course);
    lives.world.deliver_all();
    course.end = lives.cloud.end(ask.plan);
    course.written = lives.cloud.tally().all();
    course.simulated = lives.world.now();
    course.lives = lives.world.lives();
    course.injected = lives.world.counts();
    let trace = lives.world.trace();
    (course.trace_hash, course.events) = (trace.hash()[..16].to_owned(), trace.events());
    course.trace = trace.lines();
    Ok(course)
}

/// The process, again and again.
struct Lives<'a> {
    plan: &'a Plan,
    world: World,
    cloud: Cloud,
    schedule: Schedule,
    feed: Arc<Feed>,
}

/// How a life ended.
struct Lived {
    report: Report,
    /// It was told to.
    stopped: bool,
}

impl Lives<'_> {
    fn run(&self, course: &mut Course) {
        let mut next = self.schedule.interruptions.iter().copied().peekable();
        let mut failed = Vec::new();
        loop {
            let healthy = self.world.now() >= self.schedule.ends;
            let lived = self.one(&mut next, course);
            // What was on its way when the process died comes now, or never.
            self.world.deliver_due();
            if self.world.now() >= self.schedule.ends + PATIENCE {
                let hours = PATIENCE.as_secs() / 3600;
                course.broken = Some(format!(
                    "it does not come to an end: {hours} h after the last fault it still runs"
                ));
                return;
            }
            let Some(Lived { report, stopped }) = lived else {
                course.crashes += 1;
                self.pause("down", 20_000);
                continue;
            };
            course.stops += u64::from(stopped);
            course.rows_in = course.rows_in.max(rows_in(self.plan, &report.summary));
            if let Some(RunError::Balance { node, equation }) =
                report.errors.iter().find(|error| matches!(error, RunError::Balance { .. }))
            {
                course.broken = Some(format!("the counts of `{node}` do not balance: {equation}"));
                return;
            }
            let faults: Vec<String> = report.errors.iter().filter_map(told).collect();
            if faults.is_empty() && self.is_through(stopped) {
                return;
            }
            if !faults.is_empty() {
                course.failures += 1;
                failed.extend(healthy.then_some(faults));
            }
            if failed.len() > FAILURES_MAX || self.world.lives() >= LIVES_MAX {
                let why = failed.pop().unwrap_or_default().join("; ");
                course.broken = Some(format!("it does not get on after the last fault: {why}"));
                return;
            }
            self.pause("restart", 60_000);
        }
    }

    /// Nothing is left to do.
    fn is_through(&self, stopped: bool) -> bool {
        match self.feed.is_needed() {
            true => self.feed.is_through() && self.world.now() >= self.watched(),
            false => !stopped,
        }
    }

    /// When a run that does not end by itself has been watched for long enough.
    fn watched(&self) -> Duration {
        self.schedule.ends.max(self.schedule.input) + WATCH
    }

    fn pause(&self, name: &str, most_ms: u64) {
        let wait = self.world.draw(name, |random, _| random.u64(100..most_ms));
        self.world.skip(Duration::from_millis(wait));
    }

    /// One process, until it ends or is broken off.
    fn one(
        &self,
        next: &mut Peekable<impl Iterator<Item = (Duration, Interruption)>>,
        course: &mut Course,
    ) -> Option<Lived> {
        let now = self.world.now();
        while next.next_if(|(at, _)| *at <= now).is_some() {}
        let (mut crash_at, mut stop_at) = (self.schedule.ends + PATIENCE, None);
        match next.peek() {
            Some((at, Interruption::Crash)) => crash_at = *at,
            Some((at, Interruption::Stop)) => stop_at = Some(*at),
            None if self.feed.is_needed() => {
                stop_at = Some(self.watched().max(now + WATCH / 2));
            }
            None => (),
        }
        self.cloud.tally().kill_after(self.fuse());
        let life = Life { crash_at: Some(crash_at), ..Life::default() };
        let rows = &mut course.rows_in;
        let lived = self.world.live(life, || self.process(stop_at));
        if let Some(lived) = &lived {
            *rows = (*rows).max(rows_in(self.plan, &lived.report.summary));
        }
        lived
    }

    /// After how many writes the process is killed; 0 = it is not.
    fn fuse(&self) -> u64 {
        match self.world.now() < self.schedule.ends {
            true => self.world.draw("fuses", |random, _| match random.u8(0..3) {
                0 => 1 << random.u32(0..10),
                _ => 0,
            }),
            false => 0,
        }
    }

    async fn process(&self, stop_at: Option<Duration>) -> Lived {
        let life = self.cloud.life(self.threads());
        let feeding =
            self.feed.clone().run(self.world.clone(), self.cloud.clone(), life.outside.net.clone());
        if self.feed.is_needed() {
            tokio::spawn(feeding);
        }
        let registry = registry_in(life.outside);
        let ctx = Ctx {
            clock: self.world.clock(),
            checkpoints: life.checkpoints,
            seed: self.world.draw("runs", |random, _| random.u64(..)),
            channel_batches: 4,
            in_flight_rows_max: IN_FLIGHT_ROWS_MAX,
            drain: Duration::from_secs(30),
            ..testing::ctx()
        };
        let (world, stopped) = (self.world.clone(), Arc::new(AtomicBool::new(false)));
        let told = stopped.clone();
        let shutdown = async move {
            match stop_at {
                Some(at) => world.until(at).await,
                None => std::future::pending().await,
            }
            world.event("stop", &[]);
            told.store(true, Ordering::Relaxed);
        };
        let live = Live::default();
        let report = engine::run::run(self.plan.clone(), &registry, &ctx, &live, shutdown).await;
        Lived { report, stopped: stopped.load(Ordering::Relaxed) }
    }

    /// The disk of the input: so slow that reading takes most of the time there is.
    fn threads(&self) -> Threads {
        let files = self.plan.graph.node_weights().filter(|node| node.op == "file.read");
        let paths = files.filter_map(|node| node.options.get("path").and_then(Value::as_text));
        let sizes = paths.map(|path| std::fs::metadata(path).map_or(0, |file| file.len()));
        let largest = sizes.max().unwrap_or(0);
        if self.schedule.input.is_zero() {
            return Threads::Run { pause: Duration::ZERO, chunk_bytes: usize::MAX };
        }
        let chunks = self.world.random("chunks").u64(50..500);
        let chunk_bytes = usize::try_from(largest.div_ceil(chunks).max(128)).unwrap_or(1 << 20);
        let chunks = largest.div_ceil(chunk_bytes as u64).clamp(1, 1_000);
        Threads::Run { pause: self.schedule.input / chunks as u32, chunk_bytes }
    }
}

/// A fault as a person reads it; rows that were not delivered in time are none.
fn told(error: &RunError) -> Option<String> {
    match error {
        RunError::Node { node, fault } => Some(format!("{node}: {fault}")),
        RunError::ErrorsTarget { flow, fault } => Some(format!("errors of {flow}: {fault}")),
        RunError::State { fault } => Some(format!("the state of earlier lives: {fault}")),
        RunError::StateChanged { .. } => Some("a life does not know the state before it".into()),
        RunError::Balance { .. } => None,
        RunError::Undelivered { .. } => None,
    }
}

/// The records that came in from outside, of the nodes that read or decode them.
fn rows_in(plan: &Plan, summary: &Summary) -> u64 {
    let mut rows = 0;
    for (node, counts) in plan.graph.node_indices().zip(&summary.nodes) {
        let source =
            plan.graph.neighbors_directed(node, petgraph::Direction::Incoming).count() == 0;
        if !source || !plan.graph[node].fed_by.is_empty() {
            continue;
        }
        let behind = plan.graph.neighbors(node).find_map(|next| summary.nodes.get(next.index()));
        let decoded = behind.map_or(0, |next| next.rows_out + next.failed);
        rows += decoded.max(counts.rows_out);
    }
    rows
}
