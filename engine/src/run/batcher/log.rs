//! What a `batch` node keeps durably, for each partition of a source that replays: up to where
//! everything is delivered (the anchor), and the ends of the batches that were sent since.
//!
//! The driver of the source moves the anchor, before it commits a position; ends that the anchor
//! has passed are forgotten.

use crate::ack::Anchor;
use crate::batch::Partition;
use crate::ctx::Checkpoints;
use crate::fault::Fault;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Ends that are kept at most: more than batches that can be in flight.
const CUTS_MAX: usize = 1 << 20;

pub(crate) struct CutLog {
    node: String,
    checkpoints: Arc<dyn Checkpoints>,
    entries: Mutex<BTreeMap<[u8; 16], Entry>>,
}

/// What is kept of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub anchor: u64,
    pub cuts: BTreeSet<u64>,
}

impl CutLog {
    pub fn new(node: &str, checkpoints: Arc<dyn Checkpoints>) -> CutLog {
        CutLog { node: node.to_owned(), checkpoints, entries: Mutex::default() }
    }

    /// What earlier runs have left; nothing with `from_start`.
    ///
    /// # Errors
    /// The store fails, or what it holds was not written by this program.
    pub async fn open(&self, partition: &Partition, from_start: bool) -> Result<Entry, Fault> {
        let mut entries = self.entries.lock().await;
        if let Some(entry) = entries.get(&partition.id) {
            return Ok(entry.clone());
        }
        let key = self.key(&partition.id);
        let entry = match self.checkpoints.load(&key).await? {
            Some(_) if from_start => {
                self.checkpoints.store(vec![(key, None)]).await?;
                Entry::default()
            }
            Some(value) => Entry::parse(&value).ok_or_else(|| damaged(&key))?,
            None => Entry::default(),
        };
        entries.insert(partition.id, entry.clone());
        Ok(entry)
    }

    /// Stores ends of batches; durable when it returns.
    ///
    /// # Errors
    /// The store fails; the batches must not be sent.
    pub async fn record(&self, ends: &[(Arc<Partition>, u64)]) -> Result<(), Fault> {
        self.update(ends, |entry, end| entry.cuts.insert(end)).await
    }

    /// Moves anchors on; durable when it returns.
    ///
    /// # Errors
    /// The store fails; the position must not be committed.
    pub async fn anchor(&self, anchors: &[Anchor]) -> Result<(), Fault> {
        let ends: Vec<(Arc<Partition>, u64)> =
            anchors.iter().map(|anchor| (anchor.partition.clone(), anchor.end)).collect();
        let advance = |entry: &mut Entry, end| {
            let moves = end > entry.anchor;
            if moves {
                entry.anchor = end;
                entry.cuts.retain(|cut| *cut > end);
            }
            moves
        };
        self.update(&ends, advance).await
    }

    async fn update(
        &self,
        ends: &[(Arc<Partition>, u64)],
        change: impl Fn(&mut Entry, u64) -> bool,
    ) -> Result<(), Fault> {
        let mut entries = self.entries.lock().await;
        let mut changed: BTreeMap<[u8; 16], Entry> = BTreeMap::new();
        for (partition, end) in ends {
            let known = entries.get(&partition.id).cloned().unwrap_or_default();
            let mut entry = changed.remove(&partition.id).unwrap_or(known);
            change(&mut entry, *end);
            changed.insert(partition.id, entry);
        }
        changed.retain(|id, entry| entries.get(id) != Some(entry));
        if changed.is_empty() {
            return Ok(());
        }
        let pairs = changed.iter().map(|(id, entry)| (self.key(id), Some(entry.print())));
        self.checkpoints.store(pairs.collect()).await?;
        entries.extend(changed);
        Ok(())
    }

    fn key(&self, partition: &[u8; 16]) -> String {
        let hex: String = partition.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("batch/{}/{hex}", self.node)
    }
}

/// `1 ANCHOR STEPxTIMES …`: the version of the form, then how far it is from the anchor to the
/// first end and from each end to the next, and how often in a row.
impl Entry {
    fn print(&self) -> Vec<u8> {
        let mut steps: Vec<(u64, u64)> = Vec::new();
        let mut last = self.anchor;
        for cut in &self.cuts {
            match steps.last_mut() {
                Some((step, times)) if *step == cut - last => *times += 1,
                _ => steps.push((cut - last, 1)),
            }
            last = *cut;
        }
        let mut text = format!("1 {}", self.anchor);
        for (step, times) in steps {
            text.push_str(&format!(" {step}x{times}"));
        }
        text.into_bytes()
    }

    fn parse(value: &[u8]) -> Option<Entry> {
        let mut words = std::str::from_utf8(value).ok()?.strip_prefix("1 ")?.split(' ');
        let anchor = words.next()?.parse().ok()?;
        let (mut last, mut cuts) = (anchor, BTreeSet::new());
        for word in words {
            let (step, times) = word.split_once('x')?;
            let step: u64 = step.parse().ok()?;
            for _ in 0..times.parse::<u64>().ok()? {
                last = step.checked_add(last).filter(|_| cuts.len() < CUTS_MAX)?;
                cuts.insert(last);
            }
        }
        Some(Entry { anchor, cuts })
    }
}

fn damaged(key: &str) -> Fault {
    let message = format!("the checkpoint `{key}` is not one of this version of flowc");
    Fault::service("checkpoint_format", message)
        .help("run the version that wrote it, or remove the state directory to begin anew")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, MemoryCheckpoints};

    fn entry(anchor: u64, cuts: &[u64]) -> Entry {
        Entry { anchor, cuts: cuts.iter().copied().collect() }
    }

    #[test]
    fn entries_are_printed_and_parsed() {
        for entry in [entry(0, &[]), entry(5, &[7]), entry(0, &[1, u64::MAX])] {
            assert_eq!(Entry::parse(&entry.print()), Some(entry));
        }
        assert_eq!(entry(500, &[1000, 1500, 1600]).print(), b"1 500 500x2 100x1");
        for damaged in [
            &b""[..],
            b"2 5",
            b"1",
            b"1 x",
            b"1 5 ",
            b"1 5 6x",
            b"1 9 9x9x",
            b"1 0 1x9999999",
            b"\xff",
        ] {
            assert_eq!(Entry::parse(damaged), None, "{damaged:?}");
        }
    }

    #[tokio::test]
    async fn cuts_are_kept_until_the_anchor_passes_them() {
        let checkpoints = MemoryCheckpoints::default();
        let partition = testing::partition("orders/0");
        let open = || CutLog::new("f/batch", Arc::new(checkpoints.clone()));
        let log = open();
        assert_eq!(log.open(&partition, false).await, Ok(entry(0, &[])));
        for end in [10, 20, 30] {
            assert_eq!(log.record(&[(partition.clone(), end)]).await, Ok(()));
        }
        let anchor = |end| [Anchor { node: 0, partition: partition.clone(), end }];
        assert_eq!(log.anchor(&anchor(20)).await, Ok(()));
        let stores = checkpoints.stores();
        assert_eq!(log.anchor(&anchor(15)).await, Ok(()), "it never goes back");
        assert_eq!(checkpoints.stores(), stores, "and stores nothing");
        assert_eq!(open().open(&partition, false).await, Ok(entry(20, &[30])));
        assert_eq!(open().open(&partition, true).await, Ok(entry(0, &[])));
        assert_eq!(checkpoints.all().len(), 0);
    }

    #[tokio::test]
    async fn nothing_is_believed_that_is_not_stored() {
        let checkpoints = MemoryCheckpoints::default();
        let partition = testing::partition("orders/0");
        let log = CutLog::new("f/batch", Arc::new(checkpoints.clone()));
        checkpoints.fail_with(Some(Fault::service("disk_full", "no space")));
        assert!(log.record(&[(partition.clone(), 10)]).await.is_err());
        checkpoints.fail_with(None);
        assert_eq!(log.open(&partition, false).await, Ok(entry(0, &[])));
    }
}
