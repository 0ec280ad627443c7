//! A random graph as plain data: nodes, edges, sources, sinks, and what must become of each row.

use dsl::plan::Port;
use engine::node::SinkLimits;
use fastrand::Rng;
use std::ops::Range;
use std::time::Duration;

/// What a node does.
#[derive(Clone, Debug)]
pub enum Work {
    /// By number.
    Source(usize),
    /// Makes records of lines; one in so many fails (0 = none).
    Decode(u64),
    Pass,
    /// Takes out one row in so many.
    Filter(u64),
    /// Fails one row in so many.
    Fail(u64),
    Route,
    Merge,
    Batch {
        max: u64,
        size: u64,
        wait_ms: u64,
    },
    /// By number.
    Sink(usize),
    Drop,
}

/// How a source gets its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A log with partitions, read again from the committed position.
    Log,
    /// Chunks of a file of lines, which a decoder puts together.
    Lines,
    /// Clients that send a request again until it is answered well; a partition is a client.
    Push,
}

#[derive(Clone, Debug)]
pub struct SourceShape {
    pub node: usize,
    pub kind: SourceKind,
    /// Of each partition, its rows.
    pub rows: Vec<Range<u64>>,
    pub read_max: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkKind {
    /// An append log that drops rows it has seen; in order per key where it is strict and writes
    /// one at a time.
    Stream,
    /// Objects, put by the batch's name.
    Objects,
    /// An upsert of the newest row of each key.
    Table,
    /// As a stream, of failures.
    Quarantine,
}

#[derive(Clone, Debug)]
pub struct SinkShape {
    pub kind: SinkKind,
    pub limits: SinkLimits,
    pub strict: bool,
    /// Refuses one row in so many for good (0 = none) …
    pub refuses: u64,
    /// … without saying which.
    pub unnamed: bool,
    pub node: usize,
}

#[derive(Clone, Debug, Default)]
pub struct Shape {
    pub nodes: Vec<Work>,
    pub edges: Vec<(usize, Port, usize)>,
    pub sources: Vec<SourceShape>,
    pub sinks: Vec<SinkShape>,
    pub rows: u64,
}

/// One row in `of`, the same ones whenever it is asked.
pub fn roll(row: u64, node: usize, of: u64) -> bool {
    let mixed = (row + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (node as u64 + 1) << 17;
    of > 0 && (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33 & 0xffff < 65_536 / of
}

/// The end of a branch that leads nowhere yet.
#[derive(Clone, Debug)]
struct Tip {
    node: usize,
    port: Port,
    /// All sources above can send their rows again, so batches come out the same.
    replays: bool,
    batched: bool,
    /// The sources above.
    from: Vec<usize>,
}

impl Shape {
    pub fn draw(random: &mut Rng) -> Shape {
        let mut shape = Shape::default();
        let mut tips = Vec::new();
        for _ in 0..1 + random.usize(0..3).min(random.usize(0..3)) {
            tips.push(shape.source(random));
        }
        for _ in 0..random.usize(1..5) {
            tips = shape.grow(random, tips);
        }
        for tip in tips {
            shape.end(random, tip);
        }
        shape.failures(random);
        shape
    }

    fn add(&mut self, work: Work) -> usize {
        self.nodes.push(work);
        self.nodes.len() - 1
    }

    fn source(&mut self, random: &mut Rng) -> Tip {
        let number = self.sources.len();
        let node = self.add(Work::Source(number));
        let kind = match random.u8(0..5) {
            0 => SourceKind::Lines,
            1 => SourceKind::Push,
            _ => SourceKind::Log,
        };
        let partitions = if kind == SourceKind::Lines { 1 } else { random.usize(1..4) };
        let rows = (0..partitions).map(|_| {
            let first = self.rows;
            self.rows += random.u64(100..900);
            first..self.rows
        });
        let (rows, read_max) = (rows.collect(), random.usize(1..40));
        self.sources.push(SourceShape { node, kind, rows, read_max });
        let replays = kind != SourceKind::Push;
        let (port, from) = (Port::Out, vec![number]);
        let tip = Tip { node, port, replays, batched: false, from };
        if random.u8(0..5) == 0 {
            let drop = self.add(Work::Drop);
            self.edges.push((node, Port::Done, drop));
        }
        match kind {
            SourceKind::Lines => {
                let fails = if random.bool() { random.u64(5..80) } else { 0 };
                self.step(tip, Work::Decode(fails))
            }
            _ => tip,
        }
    }

    /// Puts a node behind a tip.
    fn step(&mut self, tip: Tip, work: Work) -> Tip {
        let node = self.add(work);
        self.edges.push((tip.node, tip.port, node));
        Tip { node, port: Port::Out, ..tip }
    }

    fn grow(&mut self, random: &mut Rng, tips: Vec<Tip>) -> Vec<Tip> {
        let mut grown = Vec::new();
        for tip in tips {
            if tip.batched || grown.len() > 6 {
                grown.push(tip);
                continue;
            }
            match random.u8(0..10) {
                0 | 1 => grown.extend([tip.clone(), tip]),
                2 => grown.push(self.step(tip, Work::Pass)),
                3 => grown.push(self.step(tip, Work::Filter(random.u64(2..20)))),
                4 => grown.push(self.step(tip, Work::Fail(random.u64(3..60)))),
                5 => {
                    let arm = self.step(tip, Work::Route);
                    let port = |name: &str| Port::Named(name.to_owned());
                    grown.push(Tip { port: port("0"), ..arm.clone() });
                    grown.push(Tip { port: port("1"), ..arm });
                }
                6 if random.u8(0..3) > 0 => grown.push(self.batch(random, tip)),
                _ => grown.push(tip),
            }
        }
        if grown.len() > 1 && random.u8(0..3) == 0 {
            grown = self.merge(random, grown);
        }
        grown
    }

    fn batch(&mut self, random: &mut Rng, tip: Tip) -> Tip {
        let max = if random.bool() { random.u64(1..60) } else { 1_000 };
        let size = if random.bool() { random.u64(20..2_000) } else { 1 << 20 };
        // Clients wait for their answers.
        let waits = if tip.replays { 4 } else { 2 };
        let wait_ms = [50, 1_000, 30_000, 600_000][random.usize(0..waits)];
        let tip = self.step(tip, Work::Batch { max, size, wait_ms });
        Tip { batched: true, ..tip }
    }

    /// Joins some of the tips in one node.
    fn merge(&mut self, random: &mut Rng, tips: Vec<Tip>) -> Vec<Tip> {
        let (joined, mut left): (Vec<Tip>, Vec<Tip>) =
            tips.into_iter().partition(|tip| !tip.batched && random.bool());
        if joined.len() < 2 {
            left.extend(joined);
            return left;
        }
        let node = self.add(Work::Merge);
        let replays = joined.iter().all(|tip| tip.replays);
        let mut from = Vec::new();
        for tip in joined {
            from.extend(tip.from);
            self.edges.push((tip.node, tip.port, node));
        }
        left.push(Tip { node, port: Port::Out, replays, batched: false, from });
        left
    }

    /// Leads a tip into a sink, perhaps one that is there already.
    fn end(&mut self, random: &mut Rng, mut tip: Tip) {
        if !tip.batched && random.u8(0..3) == 0 {
            tip = self.batch(random, tip);
        }
        if random.u8(0..20) == 0 {
            let node = self.add(Work::Drop);
            self.edges.push((tip.node, tip.port, node));
            return;
        }
        let shared = |sink: &&SinkShape| sink.kind == SinkKind::Stream;
        if !tip.batched
            && random.u8(0..3) == 0
            && let Some(sink) = self.sinks.iter().find(shared)
        {
            self.edges.push((tip.node, tip.port, sink.node));
            return;
        }
        let kind = match random.u8(0..3) {
            _ if tip.batched && tip.replays => SinkKind::Objects,
            0 => SinkKind::Table,
            _ => SinkKind::Stream,
        };
        let node = self.sink(random, kind);
        self.edges.push((tip.node, tip.port, node));
    }

    fn sink(&mut self, random: &mut Rng, kind: SinkKind) -> usize {
        let number = self.sinks.len();
        let node = self.add(Work::Sink(number));
        let strict = kind == SinkKind::Stream && random.bool();
        let concurrency = if strict { 1 } else { random.usize(1..7) };
        let whole = kind == SinkKind::Objects;
        let limits = SinkLimits {
            rows_max: random.usize(1..60),
            bytes_max: if random.bool() { random.usize(10..3_000) } else { 1 << 20 },
            linger: Duration::from_millis([0, 0, 20, 1_000][random.usize(0..4)]),
            concurrency,
            in_flight_bytes_max: random.usize(100..20_000),
            align: if random.u8(0..4) == 0 { random.u64(2..50) } else { 0 },
            whole,
            retry_for: Duration::from_secs([5, 60, 300][random.usize(0..3)]),
        };
        let refuses = match kind {
            SinkKind::Stream | SinkKind::Table if random.bool() => random.u64(3..60),
            _ => 0,
        };
        let unnamed = random.u8(0..3) == 0;
        self.sinks.push(SinkShape { kind, limits, strict, refuses, unnamed, node });
        node
    }

    /// Leads the failures of all nodes into one or two quarantines.
    fn failures(&mut self, random: &mut Rng) {
        let fails = |work: &Work, sinks: &[SinkShape]| match work {
            Work::Decode(of) | Work::Fail(of) => *of > 0,
            Work::Sink(sink) => sinks[*sink].refuses > 0,
            _ => false,
        };
        let all: Vec<usize> =
            (0..self.nodes.len()).filter(|node| fails(&self.nodes[*node], &self.sinks)).collect();
        let mut quarantine = None;
        for node in all {
            let to = match quarantine {
                Some(to) if random.u8(0..4) > 0 => to,
                _ => self.sink(random, SinkKind::Quarantine),
            };
            quarantine = Some(to);
            self.edges.push((node, Port::Errors, to));
        }
    }

    /// How often a row must be in each sink, and whether it fails anywhere.
    pub fn becomes(&self, source: usize, row: u64) -> (Vec<u8>, bool) {
        let mut copies = vec![0; self.sinks.len()];
        let mut fails = false;
        self.follow(self.sources[source].node, &Port::Out, row, &mut copies, &mut fails);
        (copies, fails)
    }

    fn follow(&self, node: usize, port: &Port, row: u64, copies: &mut [u8], fails: &mut bool) {
        for (_, _, to) in self.edges.iter().filter(|edge| edge.0 == node && edge.1 == *port) {
            let port = match &self.nodes[*to] {
                Work::Decode(of) | Work::Fail(of) if roll(row, *to, *of) => Port::Errors,
                Work::Filter(of) if roll(row, *to, *of) => continue,
                Work::Route => Port::Named(arm(row, *to).to_owned()),
                Work::Sink(sink) if roll(row, *to, self.sinks[*sink].refuses) => Port::Errors,
                Work::Sink(sink) => {
                    copies[*sink] += 1;
                    continue;
                }
                Work::Drop => continue,
                _ => Port::Out,
            };
            *fails |= port == Port::Errors;
            self.follow(*to, &port, row, copies, fails);
        }
    }
}

/// The arm of a `route` that a row takes.
pub fn arm(row: u64, node: usize) -> &'static str {
    if roll(row, node, 3) { "0" } else { "1" }
}
