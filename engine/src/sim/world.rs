//! The world: what is there before, between and after the lives of the simulated process.

use super::clock::SimClock;
use super::faults::{Faults, Window};
use super::trace::Trace;
use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The date at which every world begins: 2026-01-01T00:00:00Z.
const BEGAN_NS: i64 = 1_767_225_600_000_000_000;

/// A simulated world; a clone is the same world.
#[derive(Clone)]
pub struct World(Arc<Inner>);

struct Inner {
    seed: u64,
    trace: Trace,
    state: Mutex<State>,
    /// The life that goes on, or went on last, has ended: nothing can happen in it any more.
    dead: AtomicBool,
    crash: Notify,
}

/// A request that arrives late.
type Late = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    /// How long the world is there, up to the beginning of this life.
    before: Duration,
    began: Option<Instant>,
    /// How far the wall clock was set.
    stepped_ns: i64,
    lives: u64,
    /// Points of this life that are still to pass before it crashes.
    points_left: Option<u64>,
    faults: Faults,
    streams: BTreeMap<String, fastrand::Rng>,
    /// By the time they arrive, and the number of the call.
    late: BTreeMap<(Duration, u64), Late>,
    calls: u64,
    hooks: Vec<Arc<dyn Fn() + Send + Sync>>,
    counts: BTreeMap<&'static str, u64>,
}

/// What is decided of a life before it begins. Times count from the world's beginning.
#[derive(Clone, Debug, Default)]
pub struct Life {
    /// The process is killed.
    pub crash_at: Option<Duration>,
    /// The process is killed at this point of its life: each call of a service has three, before
    /// its request is on the wire, before it arrives, and before the reply does.
    pub crash_point: Option<u64>,
    /// The process stands still from a moment on, for so long (SIGSTOP and SIGCONT).
    pub pauses: Vec<(Duration, Duration)>,
}

impl World {
    /// A world in which nothing goes wrong yet.
    pub fn new(seed: u64) -> World {
        World(Arc::new(Inner {
            seed,
            trace: Trace::default(),
            state: Mutex::default(),
            dead: AtomicBool::new(false),
            crash: Notify::new(),
        }))
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// Every event so far.
    pub fn trace(&self) -> &Trace {
        &self.0.trace
    }

    /// Notes an event, now.
    pub fn event(&self, what: &str, numbers: &[u64]) {
        self.0.trace.event(self.now(), what, numbers);
    }

    /// A random stream of its own, from its beginning; it depends on the seed and the name alone.
    pub fn random(&self, name: &str) -> fastrand::Rng {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0.seed.to_le_bytes()).update(name.as_bytes());
        let mut seed = [0; 8];
        seed.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        fastrand::Rng::with_seed(u64::from_le_bytes(seed))
    }

    /// The next of the random stream of that name, which goes on where the last call has left it;
    /// with it, the faults.
    pub fn draw<T>(&self, name: &str, draw: impl FnOnce(&mut fastrand::Rng, &Faults) -> T) -> T {
        let mut state = self.state();
        let State { streams, faults, .. } = &mut *state;
        if !streams.contains_key(name) {
            streams.insert(name.to_owned(), self.random(name));
        }
        let random = streams.get_mut(name).expect("just put there");
        draw(random, faults)
    }

    /// How long the world is there.
    pub fn now(&self) -> Duration {
        self.state().now()
    }

    /// The wall clock of a process that begins now; called within a life.
    pub fn clock(&self) -> Arc<SimClock> {
        Arc::new(SimClock::at(self.wall_ns()))
    }

    /// What the wall clock shows, nanoseconds since 1970 UTC.
    pub fn wall_ns(&self) -> i64 {
        let state = self.state();
        let now_ns = i64::try_from(state.now().as_nanos()).unwrap_or(i64::MAX);
        BEGAN_NS.saturating_add(now_ns).saturating_add(state.stepped_ns)
    }

    /// Time passes between two lives.
    pub fn skip(&self, time: Duration) {
        self.state().before += time;
    }

    /// Sets the wall clock on or back.
    pub fn step_clock(&self, by_ns: i64) {
        self.state().stepped_ns += by_ns;
        self.event("clock", &[by_ns as u64]);
    }

    /// Waits until the world is there for so long; called within a life.
    pub async fn until(&self, at: Duration) {
        tokio::time::sleep(at.saturating_sub(self.now())).await;
    }

    /// What will go wrong.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// One window more.
    pub fn add_fault(&self, window: Window) {
        self.state().faults.windows.push(window);
    }

    /// What will go wrong, and went wrong.
    pub fn faults(&self) -> Faults {
        self.state().faults.clone()
    }

    /// Counts something by name: faults that have happened, crashes, …
    pub fn count(&self, name: &'static str) {
        *self.state().counts.entry(name).or_default() += 1;
    }

    /// All counts.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.state().counts.clone()
    }

    /// How many lives have begun.
    pub fn lives(&self) -> u64 {
        self.state().lives
    }

    /// One life of the process: its result, or `None` when it has crashed. Blocks the thread, and
    /// drops everything the life has left.
    ///
    /// # Panics
    /// The future panics, or it is called within a life.
    pub fn live<T, F: Future<Output = T>>(
        &self,
        life: Life,
        body: impl FnOnce() -> F,
    ) -> Option<T> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime of one thread");
        runtime.block_on(async {
            let lives = self.begin(life.crash_point);
            self.event("life", &[lives]);
            let mut body = pin!(body());
            let mut crash = pin!(self.crashed(life.crash_at));
            let mut pauses = life.pauses.into_iter();
            let result = loop {
                let pause = pauses.next();
                let mut paused = pin!(self.pause(pause));
                tokio::select! {
                    biased;
                    () = &mut crash => break None,
                    () = &mut paused => (),
                    result = &mut body => break Some(result),
                }
            };
            self.end(result.is_none());
            result
        })
    }

    /// Crashes the life that goes on, here and now: nothing that it does from now on has an effect.
    /// The caller should wait for ever, see [`World::alive`].
    pub fn crash(&self) {
        if !self.0.dead.swap(true, Ordering::Relaxed) {
            self.0.crash.notify_one();
        }
    }

    /// Done at every crash: what forgets what was not durable.
    pub fn on_crash(&self, hook: Box<dyn Fn() + Send + Sync>) {
        self.state().hooks.push(Arc::from(hook));
    }

    /// A point where the life may crash; else it goes on at once.
    pub async fn point(&self) {
        let crashes = match &mut self.state().points_left {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        };
        if crashes {
            self.crash();
        }
        self.alive().await;
    }

    /// Goes on only while the life does; a dead one waits here for ever.
    pub async fn alive(&self) {
        if self.0.dead.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }

    /// Lets the late requests arrive whose time has come.
    pub fn deliver_due(&self) {
        let now = self.now();
        self.deliver_upto(now);
    }

    /// Lets all late requests arrive: the end of the world.
    pub fn deliver_all(&self) {
        self.deliver_upto(Duration::MAX);
    }

    pub(super) fn deliver_later(&self, after: Duration, number: u64, late: Late) {
        let mut state = self.state();
        let at = state.now() + after;
        state.late.insert((at, number), late);
    }

    /// The number of the next call of any service.
    pub(super) fn next_call(&self) -> u64 {
        let mut state = self.state();
        state.calls += 1;
        state.calls
    }

    fn deliver_upto(&self, at: Duration) {
        loop {
            let mut state = self.state();
            let Some(entry) = state.late.first_entry().filter(|entry| entry.key().0 <= at) else {
                return;
            };
            let ((_, number), late) = entry.remove_entry();
            drop(state);
            self.event("late", &[number]);
            late();
        }
    }

    fn begin(&self, crash_point: Option<u64>) -> u64 {
        self.0.dead.store(false, Ordering::Relaxed);
        let mut state = self.state();
        state.began = Some(Instant::now());
        state.lives += 1;
        state.points_left = crash_point;
        state.lives
    }

    fn end(&self, crashed: bool) {
        self.event(if crashed { "crash" } else { "end" }, &[]);
        self.0.dead.store(true, Ordering::Relaxed);
        let mut state = self.state();
        state.before = state.now();
        state.began = None;
        let hooks = if crashed { state.hooks.clone() } else { Vec::new() };
        drop(state);
        hooks.iter().for_each(|hook| hook());
    }

    async fn crashed(&self, at: Option<Duration>) {
        let time = async {
            match at {
                Some(at) => self.until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.0.crash.notified() => (),
            () = time => (),
        }
    }

    async fn pause(&self, pause: Option<(Duration, Duration)>) {
        let Some((at, long)) = pause else { return std::future::pending().await };
        self.until(at).await;
        self.event("pause", &[long.as_millis() as u64]);
        self.count("pause");
        tokio::time::advance(long).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    fn now(&self) -> Duration {
        self.before + self.began.map(|began| began.elapsed()).unwrap_or_default()
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("seed", &self.0.seed).finish_non_exhaustive()
    }
}
