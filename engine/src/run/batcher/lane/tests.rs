//! A source, a `batch` and a bucket that may be killed at any step: whatever has been stored, the
//! next run makes the same batches, and every row is in exactly one.

use super::*;
use crate::ack::{Ack, Completions, Origin, SourceFacts};
use crate::ledger::Ledger;
use crate::testing;
use std::collections::BTreeMap;

const ROWS: u64 = 120;

/// What survives a kill.
#[derive(Clone, Default)]
struct Disk {
    position: u64,
    entry: Entry,
    /// By id: first and last row.
    objects: BTreeMap<String, (u64, u64)>,
}

/// One process.
struct Process<'a> {
    random: fastrand::Rng,
    disk: &'a mut Disk,
    /// Steps that are left before it is killed.
    steps: u64,
    next: u64,
    lane: Option<Lane>,
    ledger: Ledger,
    completions: Arc<Completions>,
    /// Batches that are sent and not stored.
    in_flight: Vec<Batch>,
}

/// Killed.
struct Killed;

impl Process<'_> {
    fn new(disk: &mut Disk, seed: u64, steps: u64) -> Process<'_> {
        Process {
            random: fastrand::Rng::with_seed(seed),
            next: disk.position,
            disk,
            steps,
            lane: None,
            ledger: Ledger::default(),
            completions: Arc::default(),
            in_flight: Vec::new(),
        }
    }

    fn step(&mut self) -> Result<(), Killed> {
        self.steps = self.steps.checked_sub(1).ok_or(Killed)?;
        Ok(())
    }

    fn run(&mut self) -> Result<(), Killed> {
        while self.next < ROWS {
            match self.random.u8(0..10) {
                0..4 => self.read()?,
                4 => self.close(false)?,
                5..8 => self.store()?,
                _ => self.commit()?,
            }
        }
        self.close(true)?;
        while !self.in_flight.is_empty() {
            self.store()?;
        }
        self.commit()
    }

    fn read(&mut self) -> Result<(), Killed> {
        let len = self.random.u64(1..20).min(ROWS - self.next);
        let payloads: Vec<Vec<u8>> =
            (self.next..self.next + len).map(|n| vec![0; n as usize * 7 % 11]).collect();
        let ids = testing::ids("orders/0", self.next, len as usize);
        let rows = Rows { ids: ids.clone(), ..testing::payload(&payloads) };
        self.next += len;
        let id = self.ledger.open(0, len, self.next);
        let facts = SourceFacts { replays: true, one_partition: true, from_start: false };
        let origin = Origin::new(id, &ids, false, facts, &self.completions);
        let batch = Batch { rows, ack: Ack::of(Arc::new(origin)) };
        let limits = CutLimits { max: 13, size: 50 };
        let left = &self.disk.entry;
        let lane = self.lane.get_or_insert_with(|| Lane::new(4, limits, &batch, left.clone()));
        let pushed = lane.push(batch, 0).unwrap_or_else(|fault| panic!("{fault}"));
        self.send(pushed.ends, pushed.closed)
    }

    /// The clock, or the end of the input, closes the batch.
    fn close(&mut self, input_ended: bool) -> Result<(), Killed> {
        match self.lane.as_mut().and_then(|lane| lane.close(input_ended)) {
            Some((end, batch)) => self.send(vec![end], vec![batch]),
            None => Ok(()),
        }
    }

    /// Ends are recorded, then the batches are sent.
    fn send(&mut self, ends: Vec<u64>, batches: Vec<Batch>) -> Result<(), Killed> {
        if !ends.is_empty() {
            self.step()?;
            self.disk.entry.cuts.extend(ends);
            self.step()?;
        }
        self.in_flight.extend(batches);
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
        let bounds = rows.ids.first().zip(rows.ids.last()).unwrap_or_default();
        self.step()?;
        let before = self.disk.objects.insert(id, bounds);
        assert!(before.is_none_or(|before| before == bounds), "an object changed its content");
        self.step()?;
        ack.settle(Verdict::Settled);
        Ok(())
    }

    /// The anchor first, then the position.
    fn commit(&mut self) -> Result<(), Killed> {
        for completed in self.completions.take() {
            self.ledger.settle(&completed, 0);
        }
        for commit in self.ledger.take_due(0, true) {
            for anchor in commit.anchors {
                self.step()?;
                self.disk.entry.anchor = self.disk.entry.anchor.max(anchor.end);
                self.disk.entry.cuts.retain(|cut| *cut > anchor.end);
            }
            self.step()?;
            self.disk.position = commit.upto;
        }
        Ok(())
    }
}

fn check(disk: &Disk, what: &str) {
    let mut bounds: Vec<(u64, u64)> = disk.objects.values().copied().collect();
    bounds.sort_unstable();
    let mut next = 0;
    for (first, last) in bounds {
        assert_eq!(first, next, "{what}: lost or twice");
        next = last + 1;
    }
    assert_eq!((next, disk.position), (ROWS, ROWS), "{what}");
}

#[test]
fn killed_at_any_step_every_row_is_in_one_batch() {
    for seed in 0..12 {
        for steps in 0.. {
            let mut disk = Disk::default();
            let whole = Process::new(&mut disk, seed, steps).run().is_ok();
            if !whole {
                let _ = Process::new(&mut disk, seed + 1000, steps / 2).run();
                assert!(Process::new(&mut disk, seed + 2000, u64::MAX).run().is_ok());
            }
            check(&disk, &format!("seed {seed}, killed after {steps} steps"));
            if whole {
                break;
            }
        }
    }
}

#[test]
fn rows_out_of_order_are_a_fault() {
    let limits = CutLimits { max: 10, size: 100 };
    let batch = |first| {
        let completions = Arc::default();
        let ids = testing::ids("orders/0", first, 1);
        let facts = SourceFacts { replays: true, ..SourceFacts::default() };
        let id = crate::ack::ReadId { partition: 0, number: 0 };
        let origin = Origin::new(id, &ids, false, facts, &completions);
        let rows = Rows { ids, ..testing::payload(&["x"]) };
        Batch { rows, ack: Ack::of(Arc::new(origin)) }
    };
    let mut lane = Lane::new(0, limits, &batch(5), Entry::default());
    assert!(lane.push(batch(5), 0).is_ok());
    assert!(lane.push(batch(5), 0).is_err_and(|fault| fault.code == "row_order"));
    // Failures come in any order, and nothing is bound to come again.
    let left = Entry { anchor: 2, cuts: [9, 20].into() };
    let mut lane = Lane::new(0, limits, &batch(7), left).in_any_order(true);
    let pushed = lane.push(batch(7), 3).unwrap();
    assert!(pushed.closed.is_empty() && lane.waits_since_ns() == Some(3));
    assert!(lane.push(batch(5), 4).unwrap().closed.is_empty());
    assert_eq!(lane.push(batch(1), 4).unwrap().skipped, 1);
    let (end, closed) = lane.close(false).unwrap();
    assert_eq!((end, closed.rows.len()), (8, 2));
    assert!(closed.rows.group.unwrap().id.starts_with("00000000000000000005-00000000000000000007"));
    // What comes again as it was is cut as it was.
    let pushed = lane.push(batch(19), 5).unwrap();
    assert_eq!(pushed.ends, [20]);
}
