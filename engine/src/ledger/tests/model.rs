//! Positions, places to resume, anchors, and when commits are due, over several partitions, worked
//! out from all that has happened each time.

use super::*;

/// What became of a read, and when.
#[derive(Clone, Debug)]
enum End {
    Failed,
    Settled { at: i64, order: usize, resume: Option<u64>, anchors: Vec<(usize, u64)> },
}

#[derive(Clone, Debug)]
struct Read {
    end: u64,
    rows: u64,
    became: Option<End>,
}

#[derive(Default)]
struct Lane {
    reads: Vec<Read>,
    /// Reads that are committed.
    committed: usize,
    committed_ns: Option<i64>,
}

/// What a lane has to commit.
#[derive(Debug, PartialEq)]
struct Wanted {
    upto: u64,
    resume: Option<u64>,
    /// By `batch` node.
    anchors: BTreeMap<usize, u64>,
}

impl Lane {
    /// Of each read of the settled prefix: when it came to be in it, and in which order.
    fn prefix(&self) -> Vec<(i64, usize)> {
        let (mut prefix, mut latest) = (Vec::new(), (i64::MIN, 0));
        for read in &self.reads {
            let Some(End::Settled { at, order, .. }) = read.became else { break };
            latest = (latest.0.max(at), latest.1.max(order));
            prefix.push(latest);
        }
        prefix
    }

    /// Whether a decoder had said where to resume before that.
    fn resumes(&self, before: usize) -> bool {
        self.reads.iter().any(|read| match &read.became {
            Some(End::Settled { order, resume, .. }) => *order <= before && resume.is_some(),
            _ => false,
        })
    }

    /// The reads that a position can be behind.
    fn ends(&self) -> Vec<usize> {
        let may_end = |(index, (_, order)): (usize, &(i64, usize))| {
            let resume = match &self.reads[index].became {
                Some(End::Settled { resume, .. }) => resume.is_some(),
                _ => false,
            };
            (index >= self.committed && (resume || !self.resumes(*order))).then_some(index)
        };
        self.prefix().iter().enumerate().filter_map(may_end).collect()
    }

    fn due_ns(&self) -> Option<i64> {
        let first = *self.ends().first()?;
        Some(self.committed_ns.unwrap_or(self.prefix()[first].0) + SECOND)
    }

    fn wanted(&mut self, now: i64, all: bool) -> Option<Wanted> {
        let last = *self.ends().last()?;
        let taken = &self.reads[self.committed..=last];
        let rows: u64 = taken.iter().map(|read| read.rows).sum();
        if !all && rows < COMMIT_ROWS && self.due_ns().is_none_or(|due| due > now) {
            return None;
        }
        let mut anchors = BTreeMap::new();
        for read in taken {
            let Some(End::Settled { anchors: of, .. }) = &read.became else { continue };
            for (node, end) in of {
                let known = anchors.entry(*node).or_insert(0);
                *known = (*known).max(*end);
            }
        }
        let Some(End::Settled { resume, .. }) = self.reads[last].became else { return None };
        let upto = self.reads[last].end;
        (self.committed, self.committed_ns) = (last + 1, Some(now));
        Some(Wanted { upto, resume, anchors })
    }

    /// Nothing of it is left: it is as one that was never read.
    fn forget(&mut self) {
        if self.committed == self.reads.len() && !self.resumes(usize::MAX) {
            self.committed_ns = None;
        }
    }
}

fn found(commit: &Commit) -> Wanted {
    let mut anchors = BTreeMap::new();
    for anchor in &commit.anchors {
        let known = anchors.entry(anchor.node).or_insert(0);
        *known = anchor.end.max(*known);
    }
    let resume = commit.resume.as_ref().map(|resume| resume.offset);
    Wanted { upto: commit.upto, resume, anchors }
}

/// The ledger and its model.
struct World {
    random: fastrand::Rng,
    ledger: Ledger,
    lanes: [Lane; 3],
    open: Vec<(usize, usize, ReadId)>,
    settled: usize,
    now: i64,
    commits: usize,
}

impl World {
    fn read(&mut self) {
        let lane = self.random.usize(0..3);
        let reads = &mut self.lanes[lane].reads;
        let rows = self.random.u64(0..60) * self.random.u64(0..60);
        let end = reads.last().map_or(0, |read| read.end) + rows + 1;
        let id = self.ledger.open(lane as u32, rows, end);
        self.open.push((lane, reads.len(), id));
        reads.push(Read { end, rows, became: None });
    }

    /// `decodes`: some reads of the first lane end where a decoder can resume.
    fn settle(&mut self, fails: u8, decodes: bool) {
        let (lane, index, id) = self.open.swap_remove(self.random.usize(0..self.open.len()));
        self.settled += 1;
        let read = &mut self.lanes[lane].reads[index];
        if self.random.u8(0..200) < fails {
            read.became = Some(End::Failed);
            self.ledger.settle(&completed(id, Verdict::Failed), self.now);
            return;
        }
        let resume = (decodes && lane == 0 && self.random.bool()).then(|| read.end - 1);
        let anchors: Vec<(usize, u64)> = (0..self.random.usize(0..3))
            .map(|_| (self.random.usize(0..2), read.end + self.random.u64(0..9)))
            .collect();
        let mut completed = completed(id, Verdict::Settled);
        completed.resume = resume.map(|offset| Arc::new(Resume { offset, ..Resume::default() }));
        let partition = testing::partition("orders/0");
        let anchor = |(node, end): &(usize, u64)| Anchor {
            node: *node,
            partition: partition.clone(),
            end: *end,
        };
        completed.anchors = anchors.iter().map(anchor).collect();
        self.ledger.settle(&completed, self.now);
        let (at, order) = (self.now, self.settled);
        read.became = Some(End::Settled { at, order, resume, anchors });
    }

    fn commit(&mut self, all: bool, what: &str) {
        let due = self.lanes.iter().filter_map(Lane::due_ns).min();
        assert_eq!(self.ledger.next_due_ns(), due, "{what}");
        let found: Vec<(u32, Wanted)> = self
            .ledger
            .take_due(self.now, all)
            .iter()
            .map(|commit| (commit.partition, found(commit)))
            .collect();
        let now = self.now;
        let wanted = self.lanes.iter_mut().zip(0..);
        let wanted: Vec<(u32, Wanted)> =
            wanted.filter_map(|(lane, n)| Some((n, lane.wanted(now, all)?))).collect();
        assert_eq!(found, wanted, "{what}");
        self.commits += found.len();
        self.lanes.iter_mut().for_each(Lane::forget);
    }
}

#[test]
fn commits_are_those_of_a_naive_model() {
    let mut commits = 0;
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (fails, decodes) = (random.u8(0..4), random.bool());
        let (ledger, lanes, open) = (Ledger::default(), Default::default(), Vec::new());
        let mut world = World { random, ledger, lanes, open, settled: 0, now: 0, commits: 0 };
        for step in 0..150 {
            world.now += world.random.i64(0..SECOND / 8);
            match world.random.u8(0..10) {
                0..4 => world.read(),
                4..8 if !world.open.is_empty() => world.settle(fails, decodes),
                action => world.commit(action == 9, &format!("seed {seed}, step {step}")),
            }
        }
        while !world.open.is_empty() {
            world.settle(fails, decodes);
        }
        world.commit(true, &format!("seed {seed}, the end"));
        commits += world.commits;
    }
    assert!(commits > 3_000, "{commits}");
}
