//! A stream: its shards over time, its status, and what it keeps.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::ACCOUNT;
use crate::kinesis::rate::{ReadRate, WriteRate};
use crate::kinesis::sequence::{LAST, Sequence};
use crate::service_error::ServiceError;

/// A record as it is kept.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its count within the shard: its place, and part of its sequence number.
    pub count: u64,
    /// When it came, by the front's clock.
    pub at_ms: i64,
    /// The partition key.
    pub key: String,
    /// The data as base64, as it was sent and as it is read.
    pub data: Bytes,
    /// Of the data, decoded, and the key.
    pub bytes: usize,
}

/// A shard, open or closed.
#[derive(Debug)]
pub struct Shard {
    /// Its number, also in its sequence numbers.
    pub number: u32,
    /// The shards it came from: none, one, or two.
    pub parents: Vec<u32>,
    /// The first hash key it holds.
    pub start: u128,
    /// The last one.
    pub end: u128,
    /// The second in its sequence numbers; a child's is later than its parents'.
    pub made_s: u64,
    /// When it was opened.
    pub opened_ms: i64,
    /// When it was closed, if it was.
    pub closed_ms: Option<i64>,
    /// What it keeps, by rising count.
    pub records: VecDeque<Record>,
    /// The count of the next record.
    pub next: u64,
    /// How fast it may be written.
    pub writes: WriteRate,
    /// How fast it may be read.
    pub reads: ReadRate,
}

/// `shardId-000000000007`.
pub fn shard_id(number: u32) -> String {
    format!("shardId-{number:012}")
}

/// The number in a shard's id.
pub fn shard_number(id: &str) -> Option<u32> {
    let digits = id.strip_prefix("shardId-")?;
    let number = digits.parse().ok()?;
    (shard_id(number) == id).then_some(number)
}

impl Shard {
    fn new(number: u32, start: u128, end: u128, made_s: u64, opened_ms: i64) -> Shard {
        Shard {
            number,
            parents: Vec::new(),
            start,
            end,
            made_s,
            opened_ms,
            closed_ms: None,
            records: VecDeque::new(),
            next: 1,
            writes: WriteRate::default(),
            reads: ReadRate::default(),
        }
    }

    /// Its id.
    pub fn id(&self) -> String {
        shard_id(self.number)
    }

    /// True while it takes records.
    pub fn is_open(&self) -> bool {
        self.closed_ms.is_none()
    }

    /// The sequence number of a count.
    pub fn sequence(&self, count: u64, at_ms: i64) -> Sequence {
        let (made_s, shard) = (self.made_s, self.number);
        // A record's second is never before its shard's: numbers rise whatever the clock does.
        let time_s = (at_ms.max(0) as u64 / 1_000).max(made_s);
        Sequence { made_s, shard, count, time_s }
    }

    /// Where its numbers begin.
    pub fn first(&self) -> Sequence {
        self.sequence(0, self.opened_ms)
    }

    /// Where they end, once it is closed.
    pub fn last(&self) -> Option<Sequence> {
        self.closed_ms.map(|closed_ms| self.sequence(LAST, closed_ms))
    }

    /// Drops what is older than the retention.
    pub fn trim(&mut self, before_ms: i64) {
        while self.records.front().is_some_and(|record| record.at_ms < before_ms) {
            self.records.pop_front();
        }
    }
}

/// A registered consumer of enhanced fan-out.
#[derive(Clone, Debug)]
pub struct Consumer {
    /// Its name.
    pub name: String,
    /// With the second it was made.
    pub arn: String,
    /// When it was made.
    pub made_ms: i64,
    /// When it is ACTIVE.
    pub active_ms: i64,
    /// The last subscription of each shard: when, and its number.
    pub subscribed: BTreeMap<u32, (i64, u64)>,
}

impl Consumer {
    /// `CREATING` or `ACTIVE`.
    pub fn status(&self, now_ms: i64) -> &'static str {
        if now_ms < self.active_ms { "CREATING" } else { "ACTIVE" }
    }
}

/// What happens when a transition ends.
#[derive(Clone, Debug)]
pub enum Pending {
    /// Nothing but the status.
    Nothing,
    /// Shards are closed, others opened: each with its range and parents.
    Reshard(Vec<Step>),
    /// The stream is gone.
    Delete,
}

/// One split or merge.
#[derive(Clone, Debug)]
pub enum Step {
    /// A shard, and the first hash key of its second child.
    Split(u32, u128),
    /// Two neighbours, the first named first.
    Merge(u32, u32),
}

/// A stream.
#[derive(Debug)]
pub struct Stream {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// When it was made.
    pub made_ms: i64,
    /// `CREATING`, `ACTIVE`, `UPDATING`, `DELETING`.
    pub status: &'static str,
    /// When the status ends, and what happens then.
    pub pending: Option<(i64, Pending)>,
    /// `PROVISIONED` or `ON_DEMAND`.
    pub mode: String,
    /// How long records are kept.
    pub retention_hours: i64,
    /// The most a record may have, its key included.
    pub record_max_bytes: usize,
    /// All shards that are not expired, by number.
    pub shards: BTreeMap<u32, Shard>,
    /// Consumers by name.
    pub consumers: BTreeMap<String, Consumer>,
    next_shard: u32,
    last_made_s: u64,
}

impl Stream {
    /// A stream with its first shards, CREATING until `active_ms`.
    pub fn new(region: &str, name: &str, shards: u32, now_ms: i64, active_ms: i64) -> Stream {
        let mut stream = Stream {
            name: name.to_owned(),
            arn: format!("arn:aws:kinesis:{region}:{ACCOUNT}:stream/{name}"),
            made_ms: now_ms,
            status: "CREATING",
            pending: Some((active_ms, Pending::Nothing)),
            mode: "PROVISIONED".into(),
            retention_hours: 24,
            record_max_bytes: 1024 * 1024,
            shards: BTreeMap::new(),
            consumers: BTreeMap::new(),
            next_shard: 0,
            last_made_s: 0,
        };
        let made_s = stream.epoch(now_ms);
        let bounds = bounds(shards);
        for pair in bounds.windows(2) {
            stream.open(pair[0], pair[1].wrapping_sub(1), made_s, now_ms, Vec::new());
        }
        stream
    }

    /// A second that is later than that of all shards.
    fn epoch(&mut self, now_ms: i64) -> u64 {
        let made_s = (now_ms.max(0) as u64 / 1_000).max(self.last_made_s + 1);
        self.last_made_s = made_s;
        made_s
    }

    fn open(&mut self, start: u128, end: u128, made_s: u64, at_ms: i64, parents: Vec<u32>) -> u32 {
        let number = self.next_shard;
        self.next_shard += 1;
        let mut shard = Shard::new(number, start, end, made_s, at_ms);
        shard.parents = parents;
        self.shards.insert(number, shard);
        number
    }

    /// Ends what is due: transitions, retention. False when the stream is gone.
    pub fn settle(&mut self, now_ms: i64) -> bool {
        if let Some((at_ms, _)) = self.pending
            && at_ms <= now_ms
            && let Some((_, pending)) = self.pending.take()
        {
            self.status = "ACTIVE";
            match pending {
                Pending::Nothing => {}
                Pending::Delete => return false,
                Pending::Reshard(steps) => {
                    steps.iter().for_each(|step| self.reshard(step, at_ms));
                }
            }
        }
        let before_ms = now_ms - self.retention_hours * 3_600_000;
        self.shards.retain(|_, shard| shard.closed_ms.is_none_or(|at_ms| at_ms >= before_ms));
        self.shards.values_mut().for_each(|shard| shard.trim(before_ms));
        true
    }

    fn close(&mut self, number: u32, at_ms: i64) -> (u128, u128) {
        let Some(shard) = self.shards.get_mut(&number) else { return (0, 0) };
        shard.closed_ms = Some(at_ms);
        (shard.start, shard.end)
    }

    fn reshard(&mut self, step: &Step, at_ms: i64) {
        let made_s = self.epoch(at_ms);
        match *step {
            Step::Split(number, middle) => {
                let (start, end) = self.close(number, at_ms);
                self.open(start, middle - 1, made_s, at_ms, vec![number]);
                self.open(middle, end, made_s, at_ms, vec![number]);
            }
            Step::Merge(one, other) => {
                let (a, b) = (self.close(one, at_ms), self.close(other, at_ms));
                let (start, end) = (a.0.min(b.0), a.1.max(b.1));
                self.open(start, end, made_s, at_ms, vec![one, other]);
            }
        }
    }

    /// The steps to shards of equal size. Shards of the middle of the way are numbered as
    /// `reshard` will number them.
    pub fn uniform(&self, target: u32) -> Vec<Step> {
        let (mut steps, mut next) = (Vec::new(), self.next_shard);
        let open = self.shards.values().filter(|shard| shard.is_open());
        let mut pieces: Vec<(u128, u128, u32)> =
            open.map(|shard| (shard.start, shard.end, shard.number)).collect();
        pieces.sort_unstable();
        let bounds = bounds(target);
        for middle in &bounds[1..bounds.len() - 1] {
            let within = |piece: &(u128, u128, u32)| piece.0 < *middle && *middle <= piece.1;
            let Some(at) = pieces.iter().position(within) else { continue };
            let (start, end, number) = pieces[at];
            steps.push(Step::Split(number, *middle));
            let halves = [(start, middle - 1, next), (*middle, end, next + 1)];
            pieces.splice(at..=at, halves);
            next += 2;
        }
        let mut at = 0;
        while at + 1 < pieces.len() {
            if bounds.contains(&pieces[at + 1].0) {
                at += 1;
                continue;
            }
            let (first, second) = (pieces[at], pieces[at + 1]);
            steps.push(Step::Merge(first.2, second.2));
            pieces.splice(at..=at + 1, [(first.0, second.1, next)]);
            next += 1;
        }
        steps
    }

    /// The open shard that holds a hash key.
    pub fn shard_of(&mut self, hash: u128) -> Option<&mut Shard> {
        self.shards
            .values_mut()
            .find(|shard| shard.is_open() && shard.start <= hash && hash <= shard.end)
    }

    /// How many shards are open.
    pub fn open_shards(&self) -> usize {
        self.shards.values().filter(|shard| shard.is_open()).count()
    }

    /// The shards that came from one.
    pub fn children(&self, number: u32) -> impl Iterator<Item = &Shard> {
        self.shards.values().filter(move |shard| shard.parents.contains(&number))
    }

    /// `Stream X under account Y`.
    pub fn title(&self) -> String {
        format!("Stream {} under account {ACCOUNT}", self.name)
    }

    /// An error unless the stream is ACTIVE.
    pub fn must_be_active(&self) -> Result<(), ServiceError> {
        if self.status == "ACTIVE" {
            return Ok(());
        }
        let title = self.title();
        Err(ServiceError::in_use(format!("{title} not ACTIVE, instead in state {}", self.status)))
    }

    /// A shard by its id.
    pub fn shard(&mut self, id: &str) -> Result<&mut Shard, ServiceError> {
        let name = &self.name;
        let text = format!("Could not find shard {id} in stream {name} under account {ACCOUNT}.");
        let shard = shard_number(id).and_then(|number| self.shards.get_mut(&number));
        shard.ok_or_else(|| ServiceError::not_found(text))
    }
}

/// The first hash keys of equal shards, and 2^128, which is 0, at the end.
fn bounds(shards: u32) -> Vec<u128> {
    let count = u128::from(shards);
    let (size, rest) = (u128::MAX / count, u128::MAX % count + 1);
    // 2^128 = size × count + rest; AWS gives what is left to the last shard.
    let size = if rest == count { size.wrapping_add(1) } else { size };
    let mut bounds: Vec<u128> = (0..count).map(|at| size.wrapping_mul(at)).collect();
    bounds.push(0);
    bounds
}
