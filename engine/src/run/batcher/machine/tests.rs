//! The machine against a model that keeps everything that has come and cuts it from the start each
//! time.

mod crash;

use super::*;
use crate::ack::{Ack, Completions, Origin, ReadId, SourceFacts};
use crate::batch::Rows;
use crate::testing;
use std::collections::BTreeSet;

const MS: i64 = 1_000_000;

/// Rows of a partition, each of its bytes, numbered from `first`.
fn rows(partition: &str, first: u64, bytes: &[u64]) -> Rows {
    let payloads: Vec<Vec<u8>> = bytes.iter().map(|bytes| vec![0; *bytes as usize]).collect();
    let ids = testing::ids(partition, first, bytes.len());
    Rows { ids, ..testing::payload(&payloads) }
}

/// The same, of a source that replays.
fn tracked(rows: Rows, id: ReadId, completions: &Arc<Completions>) -> Batch {
    let facts = SourceFacts { replays: true, one_partition: true, from_start: false };
    let origin = Origin::new(id, &rows.ids, false, facts, completions);
    Batch { rows, ack: Ack::of(Arc::new(origin)) }
}

/// What has happened to a partition.
#[derive(Clone, Copy, Debug)]
enum Said {
    Row {
        seq: u64,
        bytes: u64,
        at: i64,
    },
    /// The clock, a stall (`at` is `i64::MAX`) or the end of the input.
    Close {
        at: i64,
        ended: bool,
    },
}

/// What is left to the model of one partition, and all that was said since.
#[derive(Debug, Default)]
struct Model {
    left: Entry,
    said: Vec<Said>,
}

/// What a partition should have come to.
#[derive(Debug, Default)]
struct Wanted {
    skipped: u64,
    /// Number, bytes of each row, and when each batch was closed.
    closed: Vec<(Vec<(u64, u64)>, i64)>,
    open: Vec<(u64, u64)>,
    /// When the clock is to close what is open.
    due: Option<i64>,
}

impl Model {
    fn wanted(&self, options: &Options) -> Wanted {
        let CutLimits { max, size } = options.limits;
        let (mut wanted, mut opened, mut now) = (Wanted::default(), 0, 0);
        let bound = |first: u64| self.left.cuts.iter().copied().find(|end| *end > first);
        let sum = |open: &[(u64, u64)]| open.iter().map(|row| row.1).sum::<u64>();
        for said in &self.said {
            let mut close = |open: &mut Vec<(u64, u64)>, now| {
                wanted.closed.push((std::mem::take(open), now));
            };
            match *said {
                Said::Row { seq, .. } if seq < self.left.anchor => wanted.skipped += 1,
                Said::Row { seq, bytes, at } => {
                    now = at;
                    let open = &mut wanted.open;
                    let ends_before = open.first().is_some_and(|first| match bound(first.0) {
                        Some(end) => end <= seq,
                        None => sum(open) + bytes > size,
                    });
                    if ends_before {
                        close(open, at);
                    }
                    if open.is_empty() {
                        opened = at;
                    }
                    open.push((seq, bytes));
                    let ends_after = match bound(open[0].0) {
                        Some(end) => end == seq + 1,
                        None => open.len() as u64 >= max || sum(open) >= size,
                    };
                    if ends_after {
                        close(open, at);
                    }
                }
                Said::Close { at, ended } => {
                    now = if at == i64::MAX { now } else { at };
                    let open = &mut wanted.open;
                    let Some((first, _)) = open.first() else { continue };
                    let due = options.wait.map(|wait| opened + nanos(wait));
                    let waited = at == i64::MAX || due.is_some_and(|due| due <= at);
                    if waited && (ended || bound(*first).is_none()) {
                        close(open, now);
                    }
                }
            }
        }
        let free = wanted.open.first().is_some_and(|first| bound(first.0).is_none());
        wanted.due = options.wait.filter(|_| free).map(|wait| opened + nanos(wait));
        wanted
    }
}

/// The driver of a machine, with everything that it has sent, by partition.
struct Shell {
    machine: Machine,
    options: Options,
    models: BTreeMap<&'static str, Model>,
    sent: BTreeMap<&'static str, Vec<Vec<(u64, u64)>>>,
    recorded: BTreeSet<(String, u64)>,
    skipped: u64,
    now: i64,
}

/// The last is of a source that cannot send its rows again.
const PARTITIONS: [&str; 3] = ["a", "b", "once"];

impl Shell {
    fn new(random: &mut fastrand::Rng) -> Shell {
        let limits = CutLimits { max: random.u64(1..12), size: random.u64(1..80) };
        let wait = random.bool().then(|| Duration::from_millis(random.u64(0..60)));
        let options = Options { node: 0, limits, wait, any_order: false, bytes_max: u64::MAX };
        let left = |name: &str, random: &mut fastrand::Rng| {
            let anchor = random.u64(0..30);
            let cuts = (0..random.u8(0..4)).map(|_| anchor + random.u64(1..60)).collect();
            if name == "once" { Entry::default() } else { Entry { anchor, cuts } }
        };
        let model = |random: &mut _, name| Model { left: left(name, random), said: Vec::new() };
        Shell {
            machine: Machine::new(options),
            options,
            models: PARTITIONS.iter().map(|name| (*name, model(random, name))).collect(),
            sent: BTreeMap::new(),
            recorded: BTreeSet::new(),
            skipped: 0,
            now: 0,
        }
    }

    fn tell(&mut self, event: Event) {
        let mut outputs = VecDeque::new();
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let told = self.machine.handle(event, self.now, &mut outputs);
            told.unwrap_or_else(|fault| panic!("{fault}"));
            while let Some(output) = outputs.pop_front() {
                next = self.perform(output);
                if next.is_some() {
                    break;
                }
            }
        }
        assert!(outputs.is_empty());
    }

    fn perform(&mut self, output: Output) -> Option<Event> {
        match output {
            Output::Load { partition, .. } => {
                let model = &self.models[partition.name.as_str()];
                return Some(Event::Loaded(model.left.clone()));
            }
            Output::Record(ends) => {
                assert!(ends.len() <= CLOSED_MAX + PARTITIONS.len() + 12, "{}", ends.len());
                let ends = ends.into_iter().map(|(partition, end)| (partition.name.clone(), end));
                self.recorded.extend(ends);
                return Some(Event::Recorded);
            }
            Output::Took { skipped, .. } => self.skipped += skipped,
            Output::Send(Batch { rows, .. }) => {
                let name = rows.ids.partition.name.clone();
                let name = PARTITIONS.into_iter().find(|known| *known == name);
                let name = name.unwrap_or_else(|| panic!("one of the three"));
                let end = rows.ids.last().unwrap_or_default() + 1;
                let is_recorded = self.recorded.contains(&(name.to_owned(), end));
                assert!(is_recorded || name == "once", "sent before it was recorded");
                let bytes = testing::payloads(&rows).into_iter().map(|row| row.len() as u64);
                self.sent.entry(name).or_default().push(rows.ids.seqs().zip(bytes).collect());
            }
        }
        None
    }

    /// Compares with the model. Closed batches may wait for others, but not for long.
    fn check(&self, flushed: bool, what: &str) {
        let wake = self.machine.wake_ns();
        let is_by = |due: i64| wake.is_some_and(|wake| wake <= due);
        let (mut waiting, mut skipped) = (0, 0);
        for (name, model) in &self.models {
            let wanted = model.wanted(&self.options);
            let none = Vec::new();
            let sent = self.sent.get(name).unwrap_or(&none);
            let closed: Vec<_> = wanted.closed.iter().map(|(rows, _)| rows.clone()).collect();
            assert!(closed.starts_with(sent), "{what}: {name}: {closed:?}\n{sent:?}");
            let unsent = &wanted.closed[sent.len()..];
            assert!(unsent.is_empty() || !flushed && *name != "once", "{what}: {name}");
            waiting += unsent.len();
            for (_, at) in unsent {
                assert!(is_by(at + nanos(RECORD_AFTER)), "{what}: {name} waits from {at}");
            }
            assert!(wanted.due.is_none_or(is_by), "{what}: {name} is due, wakes {wake:?}");
            skipped += wanted.skipped;
        }
        assert!(waiting < CLOSED_MAX, "{what}: {waiting}");
        assert_eq!(self.skipped, skipped, "{what}");
    }

    /// Each partition gets what has happened to all.
    fn close(&mut self, at: i64, ended: bool) {
        self.models.values_mut().for_each(|model| model.said.push(Said::Close { at, ended }));
    }
}

#[test]
fn batches_are_those_of_a_naive_model() {
    let (mut batches, mut skipped) = (0, 0);
    for seed in 0..150 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut shell = Shell::new(&mut random);
        let mut next = [0_u64; 3];
        for step in 0..60 {
            let what = format!("seed {seed}, step {step}, {:?}", shell.options);
            shell.now += random.i64(0..8) * MS;
            let partition = random.usize(0..3);
            match random.u8(0..10) {
                0 => {
                    shell.close(i64::MAX, false);
                    shell.tell(Event::Stalled);
                    shell.check(true, &what);
                }
                1..4 => {
                    // As late as it wanted, or some other time.
                    let wake = shell.machine.wake_ns().filter(|_| random.bool());
                    shell.now = shell.now.max(wake.unwrap_or(0));
                    shell.close(shell.now, false);
                    shell.tell(Event::Tick);
                    shell.check(false, &what);
                }
                _ => {
                    next[partition] += random.u64(0..3) * random.u64(0..4);
                    let first = next[partition];
                    let most = random.u64(1..30);
                    let bytes: Vec<u64> =
                        (0..random.usize(1..10)).map(|_| random.u64(0..most)).collect();
                    next[partition] += bytes.len() as u64;
                    let (name, at) = (PARTITIONS[partition], shell.now);
                    let rows = rows(name, first, &bytes);
                    let id = ReadId { partition: 0, number: 0 };
                    let batch = match name {
                        "once" => Batch { rows, ack: Ack::none() },
                        _ => tracked(rows, id, &Arc::default()),
                    };
                    let said = (first..).zip(bytes);
                    let said = said.map(|(seq, bytes)| Said::Row { seq, bytes, at });
                    shell.models.get_mut(name).into_iter().for_each(|model| {
                        model.said.extend(said.clone());
                    });
                    shell.tell(Event::Rows(batch));
                    shell.check(false, &what);
                }
            }
        }
        let complete = random.bool();
        shell.close(i64::MAX, complete);
        shell.tell(Event::InputEnded { complete });
        shell.check(true, &format!("seed {seed}, the end"));
        batches += shell.sent.values().map(Vec::len).sum::<usize>();
        skipped += shell.skipped;
    }
    assert!(batches > 4_000 && skipped > 500, "{batches} {skipped}");
}

#[test]
fn what_it_holds_fails_when_it_is_dropped() {
    let completions = Arc::<Completions>::default();
    let limits = CutLimits { max: 1, size: 1 };
    let mut machine = Machine::new(Options {
        node: 0,
        limits,
        wait: None,
        any_order: false,
        bytes_max: u64::MAX,
    });
    let mut outputs = VecDeque::new();
    let batch = tracked(rows("a", 0, &[1]), ReadId { partition: 0, number: 0 }, &completions);
    assert!(machine.handle(Event::Rows(batch), 0, &mut outputs).is_ok());
    assert!(matches!(outputs.pop_front(), Some(Output::Load { .. })));
    assert!(machine.handle(Event::Loaded(Entry::default()), 0, &mut outputs).is_ok());
    assert!(matches!(outputs.pop_front(), Some(Output::Took { rows: 1, skipped: 0 })));
    assert!(machine.handle(Event::Stalled, 0, &mut outputs).is_ok());
    let Some(Output::Record(ends)) = outputs.pop_front() else { panic!("{outputs:?}") };
    assert_eq!((ends.len(), ends[0].1), (1, 1));
    assert!(outputs.is_empty() && completions.take().is_empty());
    drop(machine);
    assert_eq!(completions.take()[0].outcome.verdict, Verdict::Failed);
}
