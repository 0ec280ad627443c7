//! Sending failed records again: what the quarantine holds, what was sent before, and the part of
//! a plan that takes a record in where it failed.
//!
//! Of each node there is a log of the failures that were sent, and a position in it: what is before
//! the position is settled. A failure is in the log before it is sent, so that a replay that was
//! broken off goes on with the same records in the same order, before anything else.

pub mod entrance;
pub mod failure;
pub mod log;
pub mod part;
pub mod scan;

pub use log::Log;
pub use part::{drain, part};
pub use scan::{Entry, OfNode, Scan, Source, Wanted, scan};

/// Failures that one run sends at most; a replay of more is several runs.
pub const SESSION_MAX: usize = 1 << 16;

/// Some failures of one node, in the order in which they are sent.
pub struct Session {
    /// The node they failed at.
    pub node: String,
    /// The number of the replay of that node.
    pub number: u64,
    /// The failures; the place of the first in the log is that of the next.
    pub entries: Vec<Entry>,
    /// Where they lie: bucket and key, by number.
    pub objects: std::sync::Arc<Vec<(String, String)>>,
    /// What was sent before.
    pub log: Log,
}

impl Session {
    /// `ingest/csv.decode#3`: tells this replay from all other runs.
    pub fn label(&self) -> String {
        format!("{}#{}", self.node, self.number)
    }
}

/// The sessions of a node: first what a replay has begun and not ended, then the rest.
pub fn session(
    of: &mut OfNode,
    objects: &std::sync::Arc<Vec<(String, String)>>,
    log: Log,
) -> Option<Session> {
    let (number, mut entries) = match of.begun.is_empty() {
        false => (log.session(), std::mem::take(&mut of.begun)),
        true => {
            let rest = of.new.split_off(of.new.len().min(SESSION_MAX));
            (log.session() + 1, std::mem::replace(&mut of.new, rest))
        }
    };
    if entries.is_empty() {
        return None;
    }
    if number > log.session() {
        in_order(&mut entries);
        let first = log.len();
        entries.iter_mut().zip(first..).for_each(|(entry, place)| entry.place = place);
    }
    let (node, objects) = (of.node.clone(), objects.clone());
    Some(Session { node, number, entries, objects, log })
}

/// Keeps the places that a partition has among the others, and puts its rows there in their own
/// order: batches and streams take the rows of a partition by rising numbers.
fn in_order(entries: &mut [Entry]) {
    let mut places: std::collections::HashMap<[u8; 16], Vec<usize>> = Default::default();
    for (place, entry) in entries.iter().enumerate() {
        places.entry(entry.partition).or_default().push(place);
    }
    let mut sorted: Vec<Option<Entry>> = vec![None; entries.len()];
    for places in places.values() {
        let mut own: Vec<&Entry> = places.iter().map(|place| &entries[*place]).collect();
        own.sort_by_key(|entry| entry.seq);
        for (place, entry) in places.iter().zip(own) {
            sorted[*place] = Some(entry.clone());
        }
    }
    for (entry, sorted) in entries.iter_mut().zip(sorted) {
        *entry = sorted.expect("each place is of one partition");
    }
}

#[cfg(test)]
mod tests;
