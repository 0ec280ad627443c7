//! One seed: a world, its graph, its faults, and lives until everything is where it must be.

use crate::clients::Clients;
use crate::nodes::{self, Outside};
use crate::shape::{Shape, SinkKind, SourceKind};
use crate::sinks::{Store, partition_key};
use crate::sources::Feed;
use crate::state::Stored;
use crate::truth::{Sums, Truth};
use dsl::plan::Plan;
use engine::ctx::Ctx;
use engine::registry::Registry;
use engine::run::{Live, Report, RunError, run};
use engine::sim::{Faults, Kind, Latency, Life, Service, World};
use engine::testing;
use fastrand::Rng;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Input comes for so long, at least.
const INPUT: Duration = Duration::from_secs(3_600);
/// Faults and crashes end here.
const FAULTS: Duration = Duration::from_secs(3_500);
/// Then everything must have arrived within this time after the last input.
const PROGRESS: Duration = Duration::from_secs(3_600);
/// Lives at most.
const LIVES_MAX: u64 = 400;

/// What a seed has come to.
pub struct End {
    pub seed: u64,
    pub hash: String,
    pub time: Duration,
    pub sums: Sums,
    pub counts: BTreeMap<&'static str, u64>,
    pub violation: Option<String>,
    pub lines: Vec<String>,
    pub shape: Arc<Shape>,
}

struct Seed {
    world: World,
    shape: Arc<Shape>,
    truth: Truth,
    outside: Outside,
    plan: Plan,
    registry: Registry,
    stored: Stored,
    random: Rng,
    options: Options,
}

struct Options {
    channel_batches: usize,
    in_flight_rows_max: u64,
}

/// Runs a seed to its end; with `text` it tells every event.
pub fn simulate(seed: u64, text: bool) -> End {
    let world = World::new(seed);
    if text {
        world.trace().keep_text();
    }
    let shape = Arc::new(Shape::draw(&mut world.random("shape")));
    let mut seed = Seed::new(world, shape);
    seed.live();
    let Seed { world, shape, truth, .. } = seed;
    End {
        seed: world.seed(),
        hash: world.trace().hash(),
        time: world.now(),
        sums: truth.sums(),
        counts: world.counts(),
        violation: truth.violation(),
        lines: world.trace().lines(),
        shape,
    }
}

impl Seed {
    fn new(world: World, shape: Arc<Shape>) -> Seed {
        let truth = Truth::new(&world, &shape);
        let arrivals = Arc::new(arrivals(&shape, &mut world.random("arrivals")));
        let mut outside = Outside::default();
        for (number, source) in shape.sources.iter().enumerate() {
            let (feed, clients) = match source.kind {
                SourceKind::Push => {
                    (None, Some(clients(&world, &shape, &truth, number, &arrivals)))
                }
                _ => (Some(feed(&world, &shape, &truth, number, &arrivals)), None),
            };
            outside.feeds.push(feed);
            outside.clients.push(clients);
        }
        for number in 0..shape.sinks.len() {
            let service = Service::new(&world, &format!("sink{number}"), Latency::default());
            let (shape, truth) = (shape.clone(), truth.clone());
            let state = Arc::default();
            outside.stores.push(Store { number, shape, truth, service, state });
        }
        world.set_faults(faults(&shape, &mut world.random("faults")));
        let mut random = world.random("lives");
        let options = Options {
            channel_batches: random.usize(1..5),
            in_flight_rows_max: random.u64(20..1_000),
        };
        let (plan, registry) = (nodes::plan(&shape), nodes::registry(&world, &shape, &outside));
        let stored = Stored::new(&world);
        Seed { world, shape, truth, outside, plan, registry, stored, random, options }
    }

    fn live(&mut self) {
        while self.truth.violation().is_none() && !self.one_life() {
            if self.world.lives() >= LIVES_MAX {
                self.truth.violated("it begins anew again and again".into());
            }
            self.world.skip(Duration::from_millis(self.random.u64(0..30_000)));
            if self.random.u8(0..8) == 0 {
                let hour = 3_600_000_000_000;
                self.world.step_clock(if self.random.bool() { hour } else { -hour });
            }
        }
        if let Some(rest) = INPUT.checked_sub(self.world.now()) {
            // All was through before its time: it runs again, with nothing to do.
            self.world.skip(rest);
            if self.truth.violation().is_none() && !self.one_life() {
                self.truth.violated("it had ended well, and does not when it runs again".into());
            }
        }
        self.world.deliver_all();
        self.confirm();
        self.truth.check_doubled();
        if self.truth.violation().is_none() {
            self.truth.check_end();
            self.check_tables();
        }
    }

    /// One life of the process; true when all is done.
    fn one_life(&mut self) -> bool {
        self.truth.begin();
        self.outside.feeds.iter().flatten().for_each(Feed::begin);
        self.outside.clients.iter().flatten().for_each(Clients::begin);
        let now = self.world.now();
        let (life, stop) = self.plan_life(now);
        let stopped = stop.is_some();
        let limit = now.max(INPUT) + PROGRESS;
        let (world, stored) = (self.world.clone(), self.stored.clone());
        let (plan, registry) = (self.plan.clone(), &self.registry);
        let options = &self.options;
        let ended = self.world.live(life, || async move {
            let ctx = Ctx {
                clock: world.clock(),
                checkpoints: Arc::new(stored),
                seed: world.seed(),
                channel_batches: options.channel_batches,
                in_flight_rows_max: options.in_flight_rows_max,
                ..testing::ctx()
            };
            let told = world.clone();
            let shutdown = async move {
                match stop {
                    Some(at) => told.until(at).await,
                    None => std::future::pending().await,
                }
                told.event("stop", &[]);
            };
            let live = Live::default();
            tokio::select! {
                biased;
                report = run(plan, registry, &ctx, &live, shutdown) => Some(report),
                () = world.until(limit) => None,
            }
        });
        let done = self.is_done();
        // Nodes fail only in a life in which something goes wrong.
        let ended_at = self.world.now();
        let windows = self.world.faults().windows;
        let goes_wrong = windows.iter().any(|w| w.from < ended_at && w.until > now);
        match &ended {
            None => self.world.count("crash"),
            Some(None) => self.truth.violated("no progress after the last fault".into()),
            Some(Some(report)) => self.check_report(report, goes_wrong, done, stopped),
        }
        let well = matches!(&ended, Some(Some(report)) if report.errors.is_empty());
        self.account();
        done && well
    }

    fn plan_life(&mut self, now: Duration) -> (Life, Option<Duration>) {
        let trouble = self.in_trouble(now);
        let random = &mut self.random;
        let mut soon = |most_s: u64| {
            let most_ms = if random.u8(0..4) == 0 { 3_000 } else { most_s * 1_000 };
            (random.u8(0..3) > 0).then(|| now + Duration::from_millis(random.u64(0..most_ms)))
        };
        let (crash_at, stop, pause) = (soon(1_500), soon(6_000), soon(4_000));
        let crash_at = trouble.or(crash_at);
        let before = |at: &Duration| *at < FAULTS;
        let at_point = now < FAULTS && random.u8(0..3) == 0;
        let most = if random.bool() { 60 } else { 2_000 };
        let crash_point = at_point.then(|| random.u64(0..most));
        let pauses =
            pause.filter(before).map(|at| (at, Duration::from_millis(random.u64(0..90_000))));
        let life = Life {
            crash_at: crash_at.filter(before),
            crash_point,
            pauses: pauses.into_iter().collect(),
        };
        (life, stop.filter(before))
    }

    /// A moment to crash at while something goes wrong already, for half of the lives.
    fn in_trouble(&mut self, now: Duration) -> Option<Duration> {
        let windows = self.world.faults().windows;
        let next = windows.iter().filter(|window| window.from >= now).min_by_key(|w| w.from)?;
        let long_ms = (next.until - next.from).as_millis() as u64;
        let at = next.from + Duration::from_millis(self.random.u64(0..=long_ms));
        self.random.bool().then_some(at)
    }

    /// The errors of a report must have a reason, and an end without errors must be one.
    fn check_report(&self, report: &Report, may_fail: bool, done: bool, stopped: bool) {
        for error in &report.errors {
            let (node, fault) = match error {
                RunError::Balance { node, equation } => {
                    return self.truth.violated(format!("{node} does not balance: {equation}"));
                }
                RunError::Undelivered { rows } => {
                    self.check_undelivered(*rows);
                    continue;
                }
                RunError::Node { node, fault } => (node, fault),
                RunError::ErrorsTarget { flow, fault } => (flow, fault),
                RunError::State { fault } => (&"state".to_owned(), fault),
                RunError::StateChanged { .. } => {
                    return self.truth.violated("it does not know its own state".into());
                }
            };
            self.world.event(&fault.code, &[]);
            self.world.count("failed run");
            let own = ["row_order", "checkpoint_format", "not_kept", "sink_answer", "row_index"];
            let bug = fault.code == "panic" && !fault.message.contains("on purpose");
            if !may_fail || own.contains(&fault.code.as_str()) || bug {
                self.truth.violated(format!("{node} fails without a reason: {fault}"));
            }
        }
        if report.errors.is_empty() && !done && !stopped {
            self.truth.violated("it ends before everything is done".into());
        }
        if report.errors.is_empty() {
            let again: usize =
                self.outside.feeds.iter().flatten().map(|f| f.uncommitted().len()).sum();
            let lines = self.shape.sources.iter().any(|s| s.kind == SourceKind::Lines);
            if again > 0 && !lines {
                self.truth.violated(format!("it ends well with {again} rows to send again"));
            }
        }
    }

    /// The number that a run ends with: at least what was read and is not where it must be, and at
    /// most all that this life has taken in. (A position whose reply was lost counts as not stored,
    /// and requests that wait outside do not count.) Of chunks it says nothing.
    fn check_undelivered(&self, told: u64) {
        if self.shape.sources.iter().any(|source| source.kind == SourceKind::Lines) {
            return;
        }
        let feeds = || self.outside.feeds.iter().flatten();
        let left = feeds().flat_map(Feed::uncommitted).filter(|row| self.truth.is_left(*row));
        let clients = self.outside.clients.iter().flatten().flat_map(Clients::unanswered);
        let least = left.count() as u64;
        let most = feeds().map(Feed::handed_out).sum::<u64>() + clients.count() as u64;
        if told < least || told > most {
            let what = format!("{told} rows are told as not delivered, not {least} to {most}");
            self.truth.violated(what);
        }
    }

    fn is_done(&self) -> bool {
        let feed = |feed: &Feed| {
            let rows = &self.shape.sources[feed.number].rows;
            let committed = feed.lock().committed.clone();
            rows.iter().zip(committed).all(|(rows, upto)| rows.end - rows.start == upto)
        };
        let clients = |clients: &Clients| clients.are_done();
        self.outside.feeds.iter().flatten().all(feed)
            && self.outside.clients.iter().flatten().all(clients)
    }

    /// What the next life may send again, after what this one has was checked.
    fn account(&self) {
        self.confirm();
        self.truth.check_doubled();
        for feed in self.outside.feeds.iter().flatten() {
            self.truth.allow(feed.uncommitted().into_iter());
        }
        for clients in self.outside.clients.iter().flatten() {
            self.truth.allow(clients.unanswered().into_iter());
        }
    }

    fn confirm(&self) {
        for store in &self.outside.stores {
            self.truth.allow_rows(store.number, store.take_unconfirmed());
        }
    }

    fn check_tables(&self) {
        for store in &self.outside.stores {
            if self.shape.sinks[store.number].kind != SinkKind::Table {
                continue;
            }
            let mut wanted = BTreeMap::new();
            for (number, source) in self.shape.sources.iter().enumerate() {
                for row in source.rows.iter().cloned().flatten() {
                    if self.shape.becomes(number, row).0[store.number] > 0 {
                        wanted.insert(partition_key(&self.shape, row), row);
                    }
                }
            }
            store.check_table(&wanted);
        }
    }
}

fn feed(
    world: &World,
    shape: &Arc<Shape>,
    truth: &Truth,
    number: usize,
    arrivals: &Arc<Vec<Duration>>,
) -> Feed {
    let rows = &shape.sources[number].rows;
    let feed = Feed {
        number,
        shape: shape.clone(),
        truth: truth.clone(),
        service: Service::new(world, &format!("source{number}"), Latency::default()),
        arrivals: arrivals.clone(),
        lines: Arc::new(Feed::file(rows[0].clone())),
        state: Arc::default(),
    };
    feed.lock().committed = vec![0; rows.len()];
    feed
}

fn clients(
    world: &World,
    shape: &Arc<Shape>,
    truth: &Truth,
    number: usize,
    arrivals: &Arc<Vec<Duration>>,
) -> Clients {
    let count = shape.sources[number].rows.len();
    Clients {
        number,
        world: world.clone(),
        shape: shape.clone(),
        truth: truth.clone(),
        arrivals: arrivals.clone(),
        state: Arc::new(std::sync::Mutex::new(vec![Default::default(); count])),
        changed: Arc::default(),
    }
}

/// When each row is there: in bursts, over the whole time.
fn arrivals(shape: &Shape, random: &mut Rng) -> Vec<Duration> {
    let mut all = Vec::with_capacity(shape.rows as usize);
    for rows in shape.sources.iter().flat_map(|source| &source.rows) {
        let gaps = rows.clone().map(|_| match random.u8(0..20) {
            0 => random.f64() * 300.0,
            1..5 => random.f64(),
            _ => 0.001,
        });
        let mut at = 0.0;
        let times: Vec<f64> = gaps
            .map(|gap| {
                at += gap;
                at
            })
            .collect();
        all.extend(times.iter().map(|time| INPUT.mul_f64(time / at)));
    }
    all
}

/// What goes wrong: for each window a service, and something that can happen to it.
fn faults(shape: &Shape, random: &mut Rng) -> Faults {
    let sink = [
        Kind::Slow(Duration::from_secs(20)),
        Kind::Hang,
        Kind::Transient,
        Kind::Throttle,
        Kind::Denied,
        Kind::Unknown,
        Kind::LostReply,
        Kind::Late(Duration::from_secs(90)),
        Kind::Partial,
        Kind::Partial,
        Kind::Panic,
    ];
    let source = &sink[..7];
    let local =
        [Kind::Slow(Duration::from_secs(2)), Kind::Transient, Kind::LostReply, Kind::Denied];
    let mut faults = Faults::default();
    for _ in 0..random.usize(0..16) {
        let (service, kinds) = match random.u8(0..10) {
            0 => ("checkpoints".to_owned(), &local[..]),
            1 => ("code".to_owned(), &[Kind::Panic][..]),
            2 | 3 => (format!("source{}", random.usize(0..shape.sources.len())), source),
            _ if shape.sinks.is_empty() => continue,
            _ => (format!("sink{}", random.usize(0..shape.sinks.len())), &sink[..]),
        };
        let drawn = Faults::draw(random, &[&service], kinds, FAULTS, 1);
        faults.windows.extend(drawn.windows);
    }
    faults
}
