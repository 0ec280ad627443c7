//! Random graphs under random faults and crashes, an hour and more of simulated time for each seed.
//!
//! `cargo test -p engine --test simulation` runs some seeds;
//! `cargo test --release -p engine --test simulation -- --seeds 10000` many, `--from N` begins with
//! another than the first, and `--trace N` tells every event of one. Each seed is one thread, and
//! the same seed has the same trace.

mod clients;
mod nodes;
mod seed;
mod shape;
mod sinks;
mod sources;
mod state;
mod truth;

use seed::{End, simulate};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Seeds of a short run.
const SEEDS: u64 = 100;
/// Every so many seeds are run twice, to compare their traces.
const TWICE: u64 = 25;
/// Seeds that fail are printed so often at most.
const FAILURES_MAX: usize = 10;
/// A seed is done in far less than a second; one that takes this long never ends.
const SEED_MAX: Duration = Duration::from_secs(180);

/// The seeds under way, and since when.
type UnderWay = Mutex<BTreeMap<u64, Instant>>;

/// The sums of all seeds.
#[derive(Default)]
struct Total {
    seeds: u64,
    time: Duration,
    rows: u64,
    stored: u64,
    doubled: u64,
    allowed: u64,
    in_flight_peak: u64,
    /// Copies held beyond those that must be there.
    excess: u64,
    twice: u64,
    /// Of those run twice, how many had another trace the second time.
    differ: u64,
    counts: BTreeMap<&'static str, u64>,
    failures: Vec<String>,
    failed: u64,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.get(at + 1)?.parse::<u64>().ok()
    };
    std::panic::set_hook(Box::new(|info| {
        let text = info.to_string();
        if !text.contains("on purpose") {
            eprintln!("{text}");
        }
    }));
    if let Some(seed) = number("--trace") {
        return trace(seed);
    }
    simulate_all(&number)
}

fn simulate_all(number: &dyn Fn(&str) -> Option<u64>) -> ExitCode {
    let (seeds, from) = (number("--seeds").unwrap_or(SEEDS), number("--from").unwrap_or(0));
    let began = Instant::now();
    let next = AtomicU64::new(from);
    let (total, under_way) = (Mutex::new(Total::default()), UnderWay::default());
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
    let (ended, end) = channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let ended = ended.clone();
            scope.spawn(|| {
                let _ended = ended;
                work(&next, from + seeds, &total, &under_way);
            });
        }
        drop(ended);
        watch(&end, &total, &under_way, began);
    });
    let total = total.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    print(&total, began.elapsed());
    if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Until all workers have ended; a seed that never does fails, and ends everything, since nothing
/// can take its thread from it.
fn watch(end: &Receiver<()>, total: &Mutex<Total>, under_way: &UnderWay, began: Instant) {
    while end.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
        let under_way = under_way.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let stuck = under_way.iter().find(|(_, since)| since.elapsed() > SEED_MAX);
        let Some((seed, _)) = stuck else { continue };
        let mut total = total.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        total.failed += 1;
        let stuck = format!("seed {seed}: it does not end within {SEED_MAX:?} of real time");
        total.failures.insert(0, stuck);
        print(&total, began.elapsed());
        println!("the seeds after it were not run");
        std::process::exit(1);
    }
}

fn work(next: &AtomicU64, end: u64, total: &Mutex<Total>, under_way: &UnderWay) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return;
        }
        let begun = Instant::now();
        under_way.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(seed, begun);
        let first = simulate(seed, false);
        let again = seed.is_multiple_of(TWICE).then(|| simulate(seed, false).hash);
        under_way.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).remove(&seed);
        let mut total = total.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        total.add(first, again);
    }
}

impl Total {
    fn add(&mut self, end: End, again: Option<String>) {
        self.seeds += 1;
        self.time += end.time;
        self.rows += end.sums.rows;
        self.stored += end.sums.stored;
        self.doubled += end.sums.doubled;
        self.allowed += end.sums.allowed;
        self.excess += end.sums.excess;
        self.in_flight_peak = self.in_flight_peak.max(end.sums.in_flight_peak);
        for (name, count) in end.counts {
            *self.counts.entry(name).or_default() += count;
        }
        self.twice += u64::from(again.is_some());
        let differs = again.is_some_and(|hash| hash != end.hash);
        self.differ += u64::from(differs);
        let differs = differs.then(|| "its two traces differ".to_owned());
        if let Some(violation) = end.violation.or(differs) {
            self.failed += 1;
            self.failures.push(format!("seed {}: {violation}", end.seed));
        }
    }
}

fn print(total: &Total, took: Duration) {
    for failure in total.failures.iter().take(FAILURES_MAX) {
        println!("{failure}");
    }
    if total.failed > 0 {
        println!("to see one: cargo test -p engine --test simulation -- --trace SEED");
    }
    let Total { seeds, rows, stored, doubled, allowed, excess, .. } = total;
    let Total { twice, differ, counts, failed, .. } = total;
    let (hours, real) = (total.time.as_secs_f64() / 3600.0, took.as_secs_f64());
    let ratio = total.time.as_secs_f64() / real.max(1e-9);
    let counts: Vec<String> = counts.iter().map(|(name, n)| format!("{name} {n}")).collect();
    println!(
        "simulation: {seeds} seeds, {hours:.0} simulated hours in {real:.1} s ({ratio:.0} times \
         real time), {twice} run twice, {differ} of them with another trace; {rows} rows, \
         {stored} copies stored, {doubled} sent again (bound {allowed}), {excess} after dedupe; \
         {} rows of a source in flight at most; {failed} seeds failed; {}",
        total.in_flight_peak,
        counts.join(", ")
    );
}

fn trace(seed: u64) -> ExitCode {
    let end = simulate(seed, true);
    println!("{:#?}", end.shape);
    end.lines.iter().for_each(|line| println!("{line}"));
    println!("{} events, {}", end.lines.len(), end.hash);
    println!("{:?} {:?}", end.sums, end.counts);
    match end.violation {
        Some(violation) => {
            println!("seed {seed}: {violation}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}
