//! The intents of a `batch` node, as a pure state machine: of each partition of a source that
//! replays, up to where everything is delivered (the anchor), and where the batches end that were
//! sent since.
//!
//! A change is believed when it is durable, not before. The anchor only moves on; ends that it has
//! passed are forgotten, because rows before it are not sent again.

use crate::fault::Fault;
use std::collections::{BTreeMap, BTreeSet};

/// Ends that are kept at most: more than batches that can be in flight.
const CUTS_MAX: usize = if cfg!(test) { 1 << 12 } else { 1 << 20 };

/// A partition's id.
type Id = [u8; 16];

/// What is kept of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Everything before it is delivered.
    pub anchor: u64,
    /// Behind the anchor.
    pub cuts: BTreeSet<u64>,
}

/// What is durable of all partitions that were opened.
#[derive(Debug, Default)]
pub(crate) struct Cuts {
    entries: BTreeMap<Id, Entry>,
}

/// What has to be made durable.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Change {
    entries: BTreeMap<Id, Entry>,
}

impl Cuts {
    /// What is durable of a partition; `None` = nobody has asked the store yet.
    pub fn get(&self, partition: &Id) -> Option<&Entry> {
        self.entries.get(partition)
    }

    /// The store holds `value` of a partition. `None` = that was not written by this program.
    pub fn opened(&mut self, partition: Id, value: Option<&[u8]>) -> Option<Entry> {
        let entry = match value {
            Some(value) => Entry::parse(value)?,
            None => Entry::default(),
        };
        self.entries.insert(partition, entry.clone());
        Some(entry)
    }

    /// Batches are to end here.
    ///
    /// # Errors
    /// More ends would be kept than could be read again.
    pub fn record(&self, ends: impl IntoIterator<Item = (Id, u64)>) -> Result<Change, Fault> {
        let change = self.change(ends, |entry, end| {
            if end > entry.anchor {
                entry.cuts.insert(end);
            }
        });
        match change.entries.values().all(|entry| entry.cuts.len() <= CUTS_MAX) {
            true => Ok(change),
            false => Err(too_many()),
        }
    }

    /// Everything before these ends is delivered.
    pub fn anchor(&self, ends: impl IntoIterator<Item = (Id, u64)>) -> Change {
        self.change(ends, |entry, end| {
            if end > entry.anchor {
                entry.anchor = end;
                entry.cuts.retain(|cut| *cut > end);
            }
        })
    }

    /// The change is durable.
    pub fn stored(&mut self, change: Change) {
        self.entries.extend(change.entries);
    }

    fn change(
        &self,
        ends: impl IntoIterator<Item = (Id, u64)>,
        apply: impl Fn(&mut Entry, u64),
    ) -> Change {
        let mut entries: BTreeMap<Id, Entry> = BTreeMap::new();
        for (partition, end) in ends {
            let known = || self.entries.get(&partition).cloned().unwrap_or_default();
            apply(entries.entry(partition).or_insert_with(known), end);
        }
        entries.retain(|id, entry| self.entries.get(id) != Some(entry));
        Change { entries }
    }
}

impl Change {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Each partition that changes, and the value to store of it.
    pub fn values(&self) -> impl Iterator<Item = (&Id, Vec<u8>)> {
        self.entries.iter().map(|(id, entry)| (id, entry.print()))
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
            let step: u64 = step.parse().ok().filter(|step| *step > 0)?;
            for _ in 0..times.parse::<u64>().ok()? {
                last = step.checked_add(last).filter(|_| cuts.len() < CUTS_MAX)?;
                cuts.insert(last);
            }
        }
        Some(Entry { anchor, cuts })
    }
}

fn too_many() -> Fault {
    let message = format!("more than {CUTS_MAX} batches of one partition wait to be delivered");
    Fault::service("batches_in_flight", message)
        .help("let batches hold more rows, or let fewer rows be in flight")
}

#[cfg(test)]
mod tests;
