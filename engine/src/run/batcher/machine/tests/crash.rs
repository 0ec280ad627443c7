//! A source of two partitions, a `batch` and a bucket that may be killed at any step, or told to
//! stop: whatever has been stored, the next run makes the same batches, also with other limits, and
//! every row is in exactly one.

use super::super::super::cuts::{Change, Cuts};
use super::*;
use crate::ledger::Ledger;

const ROWS: u64 = 60;
const NAMES: [&str; 2] = ["orders/0", "orders/1"];

/// What survives a kill.
#[derive(Clone, Default)]
struct Disk {
    positions: [u64; 2],
    cuts: BTreeMap<[u8; 16], Vec<u8>>,
    /// By partition and id: first and last row.
    objects: BTreeMap<(String, String), (u64, u64)>,
}

/// One process.
struct Process<'a> {
    random: fastrand::Rng,
    disk: &'a mut Disk,
    /// Steps that are left before it is killed.
    steps: u64,
    next: [u64; 2],
    now: i64,
    machine: Machine,
    cuts: Cuts,
    ledger: Ledger,
    completions: Arc<Completions>,
    /// Batches that are sent and not stored.
    in_flight: Vec<Batch>,
}

/// Killed.
struct Killed;

impl Process<'_> {
    fn new(disk: &mut Disk, seed: u64, steps: u64) -> Process<'_> {
        let mut random = fastrand::Rng::with_seed(seed);
        let limits = CutLimits { max: random.u64(3..15), size: random.u64(20..60) };
        let wait = Some(Duration::from_millis(random.u64(5..50)));
        let machine =
            Machine::new(Options { node: 4, limits, wait, any_order: false, bytes_max: u64::MAX });
        Process {
            random,
            next: disk.positions,
            disk,
            steps,
            now: 0,
            machine,
            cuts: Cuts::default(),
            ledger: Ledger::default(),
            completions: Arc::default(),
            in_flight: Vec::new(),
        }
    }

    /// Something durable is about to happen, or has just happened.
    fn step(&mut self) -> Result<(), Killed> {
        self.steps = self.steps.checked_sub(1).ok_or(Killed)?;
        Ok(())
    }

    fn run(&mut self, stops: bool) -> Result<(), Killed> {
        let mut complete = true;
        while self.next.iter().any(|next| *next < ROWS) {
            self.now += self.random.i64(0..3) * MS;
            match self.random.u8(0..12) {
                0..5 => self.read()?,
                5 if self.random.u8(0..6) == 0 => self.tell(Event::Stalled)?,
                5..7 => self.tell(Event::Tick)?,
                7..10 => self.store()?,
                10 if stops && self.random.u8(0..8) == 0 => {
                    complete = false;
                    break;
                }
                _ => self.commit()?,
            }
        }
        self.tell(Event::InputEnded { complete })?;
        while !self.in_flight.is_empty() {
            self.store()?;
        }
        self.commit()
    }

    fn read(&mut self) -> Result<(), Killed> {
        let partition = self.random.usize(0..2);
        let first = self.next[partition];
        let len = self.random.u64(1..20).min(ROWS - first);
        if len == 0 {
            return Ok(());
        }
        let bytes: Vec<u64> = (first..first + len).map(|n| n * 7 % 11).collect();
        self.next[partition] += len;
        let id = self.ledger.open(partition as u32, len, first + len);
        let batch = tracked(rows(NAMES[partition], first, &bytes), id, &self.completions);
        self.tell(Event::Rows(batch))
    }

    fn tell(&mut self, event: Event) -> Result<(), Killed> {
        let mut outputs = VecDeque::new();
        let told = self.machine.handle(event, self.now, &mut outputs);
        told.unwrap_or_else(|fault| panic!("{fault}"));
        while let Some(output) = outputs.pop_front() {
            let event = match output {
                Output::Load { partition, .. } => {
                    let value = self.disk.cuts.get(&partition.id);
                    let entry = self.cuts.opened(partition.id, value.map(Vec::as_slice));
                    Event::Loaded(entry.unwrap_or_else(|| panic!("it was written so")))
                }
                Output::Record(ends) => {
                    let ends = ends.into_iter().map(|(partition, end)| (partition.id, end));
                    let change = self.cuts.record(ends).unwrap_or_else(|fault| panic!("{fault}"));
                    self.keep(change)?;
                    Event::Recorded
                }
                Output::Took { .. } => continue,
                Output::Send(batch) => {
                    self.in_flight.push(batch);
                    continue;
                }
            };
            let told = self.machine.handle(event, self.now, &mut outputs);
            told.unwrap_or_else(|fault| panic!("{fault}"));
        }
        Ok(())
    }

    fn keep(&mut self, change: Change) -> Result<(), Killed> {
        self.step()?;
        self.disk.cuts.extend(change.values().map(|(id, value)| (*id, value)));
        self.step()?;
        self.cuts.stored(change);
        Ok(())
    }

    /// Some batch is stored, and some time later acknowledged.
    fn store(&mut self) -> Result<(), Killed> {
        if self.in_flight.is_empty() {
            return Ok(());
        }
        let Batch { rows, ack } =
            self.in_flight.swap_remove(self.random.usize(0..self.in_flight.len()));
        let id = rows.group.as_ref().map(|group| group.id.clone()).unwrap_or_default();
        let key = (rows.ids.partition.name.clone(), id);
        let bounds = rows.ids.first().zip(rows.ids.last()).unwrap_or_default();
        self.step()?;
        let before = self.disk.objects.insert(key, bounds);
        assert!(before.is_none_or(|before| before == bounds), "an object changed its content");
        self.step()?;
        ack.settle(Verdict::Settled);
        Ok(())
    }

    /// The anchors first, then the position.
    fn commit(&mut self) -> Result<(), Killed> {
        for completed in self.completions.take() {
            self.ledger.settle(&completed, 0);
        }
        for commit in self.ledger.take_due(0, true) {
            let anchors = commit.anchors.iter().map(|anchor| (anchor.partition.id, anchor.end));
            let change = self.cuts.anchor(anchors);
            self.keep(change)?;
            self.step()?;
            self.disk.positions[commit.partition as usize] = commit.upto;
        }
        Ok(())
    }
}

fn check(disk: &Disk, what: &str) {
    for (name, position) in NAMES.iter().zip(disk.positions) {
        let of = disk.objects.iter().filter(|((partition, _), _)| partition == name);
        let mut bounds: Vec<(u64, u64)> = of.map(|(_, bounds)| *bounds).collect();
        bounds.sort_unstable();
        let mut next = 0;
        for (first, last) in bounds {
            assert_eq!(first, next, "{what}: lost or twice");
            next = last + 1;
        }
        assert_eq!((next, position), (ROWS, ROWS), "{what}");
    }
}

#[test]
fn killed_at_any_step_every_row_is_in_one_batch() {
    for seed in 0..8 {
        for steps in 0.. {
            let mut disk = Disk::default();
            let whole = Process::new(&mut disk, seed, steps).run(false).is_ok();
            if !whole {
                let _ = Process::new(&mut disk, seed + 1000, steps / 2).run(false);
                assert!(Process::new(&mut disk, seed + 2000, u64::MAX).run(false).is_ok());
            }
            check(&disk, &format!("seed {seed}, killed after {steps} steps"));
            if whole {
                break;
            }
        }
    }
}

#[test]
fn killed_and_stopped_again_and_again_every_row_is_in_one_batch() {
    for seed in 0..150 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut disk = Disk::default();
        for run in 0..30 {
            let steps = random.u64(0..60);
            let _ = Process::new(&mut disk, seed * 100 + run, steps).run(true);
        }
        assert!(Process::new(&mut disk, seed, u64::MAX).run(false).is_ok());
        check(&disk, &format!("seed {seed}"));
    }
}
