//! A lease as a row of the state table, with the attribute names of KCL 2.

use super::position::{Checkpoint, Position};
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::HashMap;

/// The key attribute.
pub const KEY: &str = "leaseKey";
/// Who holds it.
pub const OWNER: &str = "leaseOwner";
/// Rises with each renewal.
pub const COUNTER: &str = "leaseCounter";
/// Where reading goes on.
pub const CHECKPOINT: &str = "checkpoint";
/// The number within a packed record.
pub const SUB: &str = "checkpointSubSequenceNumber";
/// How often the owner has changed since the position last moved.
pub const SWITCHES: &str = "ownerSwitchesSinceCheckpoint";
/// The shards that it came of.
pub const PARENTS: &str = "parentShardId";
/// The shards that came of it.
pub const CHILDREN: &str = "childShardIds";
/// The first place on the ring of hashes.
pub const FIRST_HASH: &str = "startingHashKey";
/// The last place on the ring of hashes.
pub const LAST_HASH: &str = "endingHashKey";
/// How many records of the shard are behind the position. Not of KCL.
pub const ROW: &str = "flowcRow";
/// The record that row 0 stands for: rows are numbered from there. Not of KCL.
pub const FIRST: &str = "flowcFirst";
/// Of a lease that begins with `LATEST`: when it was made, milliseconds since 1970 UTC. Not of KCL.
pub const SINCE: &str = "flowcSince";
/// What only KCL 3 writes.
pub const OF_KCL3: [&str; 3] = ["throughputKBps", "checkpointOwner", "entityType"];

/// A row as it comes and goes.
pub type Item = HashMap<String, AttributeValue>;

/// One shard's lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The shard.
    pub shard: String,
    /// Who holds it.
    pub owner: Option<String>,
    /// Rises with each renewal.
    pub counter: u64,
    /// Where reading goes on.
    pub checkpoint: Checkpoint,
    /// How many records of the shard are behind the position.
    pub row: u64,
    /// The record that row 0 stands for; `None` as long as nothing was read.
    pub first: Option<String>,
    /// Of a lease that begins with `LATEST`: when it was made, milliseconds since 1970 UTC.
    pub since_ms: Option<u64>,
    /// The shards that it came of.
    pub parents: Vec<String>,
    /// Its part of the ring, as AWS writes it.
    pub hashes: Option<(String, String)>,
}

impl Lease {
    /// A lease that nobody holds yet.
    pub fn new(shard: &str, checkpoint: Checkpoint, parents: Vec<String>) -> Lease {
        Lease {
            shard: shard.to_owned(),
            owner: None,
            counter: 0,
            checkpoint,
            row: 0,
            first: None,
            since_ms: None,
            parents,
            hashes: None,
        }
    }

    /// Reads a row; `None` where it is no lease.
    pub fn read(shard: &str, item: &Item) -> Option<Lease> {
        let sub = number(item, SUB).unwrap_or(0);
        let checkpoint = Checkpoint::parse(text(item, CHECKPOINT)?, sub)?;
        let parents = item.get(PARENTS).and_then(|parents| parents.as_ss().ok());
        let hashes = text(item, FIRST_HASH).zip(text(item, LAST_HASH));
        let first = text(item, FIRST);
        // Set back by hand: it begins with row 0, whatever the row was.
        let (row, first) = match checkpoint {
            Checkpoint::After(_) => (number(item, ROW), first),
            _ => (None, first.filter(|first| first.bytes().all(|byte| byte.is_ascii_digit()))),
        };
        Some(Lease {
            shard: shard.to_owned(),
            owner: text(item, OWNER).map(str::to_owned),
            counter: number(item, COUNTER)?,
            checkpoint,
            row: row.unwrap_or(0),
            first: first.map(str::to_owned),
            since_ms: number(item, SINCE),
            parents: parents.cloned().unwrap_or_default(),
            hashes: hashes.map(|(first, last)| (first.to_owned(), last.to_owned())),
        })
    }

    /// The row of a new lease.
    pub fn item(&self, key: String) -> Item {
        let s = |text: &str| AttributeValue::S(text.to_owned());
        let n = |number: u64| AttributeValue::N(number.to_string());
        let sub = match &self.checkpoint {
            Checkpoint::After(position) => position.sub,
            _ => 0,
        };
        let mut item = HashMap::from([
            (KEY.to_owned(), AttributeValue::S(key)),
            (COUNTER.to_owned(), n(self.counter)),
            (CHECKPOINT.to_owned(), s(self.checkpoint.text())),
            (SUB.to_owned(), n(sub)),
            (SWITCHES.to_owned(), n(0)),
            (ROW.to_owned(), n(self.row)),
        ]);
        if let Some(since_ms) = self.since_ms {
            item.insert(SINCE.to_owned(), n(since_ms));
        }
        if !self.parents.is_empty() {
            item.insert(PARENTS.to_owned(), AttributeValue::Ss(self.parents.clone()));
        }
        if let Some((first, last)) = &self.hashes {
            item.insert(FIRST_HASH.to_owned(), s(first));
            item.insert(LAST_HASH.to_owned(), s(last));
        }
        item
    }

    /// The position of the last settled record, if there is one.
    pub fn position(&self) -> Option<&Position> {
        match &self.checkpoint {
            Checkpoint::After(position) => Some(position),
            _ => None,
        }
    }

    /// Everything in the shard is settled.
    pub fn is_ended(&self) -> bool {
        self.checkpoint == Checkpoint::ShardEnd
    }
}

/// A text attribute.
pub fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// A number attribute.
pub fn number(item: &Item, name: &str) -> Option<u64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let seq = "9".repeat(56);
        let mut lease =
            Lease::new("s1", Checkpoint::After(Position::new(&seq, u64::MAX)), vec!["s0".into()]);
        lease.hashes = Some(("0".into(), u128::MAX.to_string()));
        lease.counter = u64::MAX;
        lease.row = u64::MAX;
        lease.since_ms = Some(1_764_000_000_123);
        assert_eq!(Lease::read("s1", &lease.item("k".into())), Some(lease.clone()));
        let sentinel = Lease::new("s1", Checkpoint::TrimHorizon, Vec::new());
        assert_eq!(Lease::read("s1", &sentinel.item("k".into())), Some(sentinel));
        let mut item = lease.item("k".into());
        item.insert(OWNER.into(), AttributeValue::S("w".into()));
        assert_eq!(Lease::read("s1", &item).unwrap().owner.as_deref(), Some("w"));
        item.insert(FIRST.into(), AttributeValue::S("after 9.3".into()));
        let back = Checkpoint::TrimHorizon.text().to_owned();
        item.insert(CHECKPOINT.into(), AttributeValue::S(back));
        let back = Lease::read("s1", &item).unwrap();
        assert_eq!((back.row, back.first), (0, None), "it was set back");
        item.remove(CHECKPOINT);
        assert_eq!(Lease::read("s1", &item), None);
    }
}
