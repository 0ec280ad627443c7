//! Where batches end: a pure state machine, one for each partition.
//!
//! Every end is recorded before its batch is sent. As long as an earlier run has recorded ends
//! further on, those are the only ones, so a replay that begins at the start of a batch makes the
//! same batches, whatever the clock does and whatever limits the flow has now.

use crate::batch::Group;
use std::collections::BTreeSet;

/// The limits of a batch; the one that is reached first closes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CutLimits {
    /// Rows at most.
    pub max: u64,
    /// Payload bytes at most; a larger row is a batch of its own.
    pub size: u64,
}

/// One row, as far as cuts depend on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CutRow {
    /// Its first sequence number.
    pub first: u64,
    /// One past its last; a joined row has several.
    pub end: u64,
    pub bytes: u64,
    pub arrival_ns: i64,
}

/// A batch that is closed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Closed {
    pub group: Group,
    /// One past its last sequence number.
    pub end: u64,
}

/// What one row does.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Cuts {
    /// An earlier run has delivered it.
    pub skip: bool,
    /// The open batch, closed before the row.
    pub before: Option<Closed>,
    /// The open batch, closed with the row as its last.
    pub after: Option<Closed>,
}

#[derive(Debug)]
pub(crate) struct Cutter {
    limits: CutLimits,
    /// Ends of batches of an earlier run that are still to come.
    recorded: BTreeSet<u64>,
    /// Everything before it was delivered by an earlier run.
    anchor: u64,
    /// Added to ids: the partition, where the sequence numbers alone are not unique.
    tag: Option<String>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    first: u64,
    end: u64,
    time_ns: i64,
    count: u64,
    size: u64,
}

impl Cutter {
    pub fn new(limits: CutLimits, anchor: u64, recorded: BTreeSet<u64>) -> Cutter {
        Cutter { limits, recorded, anchor, tag: None, open: None }
    }

    /// Adds `tag` to every id.
    pub fn tagged(mut self, tag: Option<String>) -> Cutter {
        self.tag = tag;
        self
    }

    pub fn push(&mut self, row: CutRow) -> Cuts {
        if row.end <= self.anchor {
            return Cuts { skip: true, ..Cuts::default() };
        }
        let mut cuts = Cuts::default();
        if self.open.as_ref().is_some_and(|open| self.ends_before(open, &row)) {
            cuts.before = self.close();
        }
        self.forget(row.first);
        let open = self.open.get_or_insert(Open {
            first: row.first,
            end: row.end,
            time_ns: row.arrival_ns,
            count: 0,
            size: 0,
        });
        open.first = open.first.min(row.first);
        open.end = open.end.max(row.end);
        open.count += 1;
        open.size += row.bytes;
        let full = open.count >= self.limits.max || open.size >= self.limits.size;
        let ends = match self.recorded.first() {
            Some(recorded) => *recorded == row.end,
            None => full,
        };
        if ends {
            cuts.after = self.close();
        }
        cuts
    }

    fn ends_before(&self, open: &Open, row: &CutRow) -> bool {
        match self.recorded.first() {
            Some(recorded) => *recorded <= row.first,
            None => open.size + row.bytes > self.limits.size,
        }
    }

    /// Recorded ends up to here have passed.
    fn forget(&mut self, upto: u64) {
        while self.recorded.first().is_some_and(|recorded| *recorded <= upto) {
            self.recorded.pop_first();
        }
    }

    /// An earlier run has said where the open batch ends: the rows up to there will come.
    pub fn is_bound(&self) -> bool {
        !self.recorded.is_empty()
    }

    /// Closes the open batch now.
    pub fn close(&mut self) -> Option<Closed> {
        let open = self.open.take()?;
        self.forget(open.end);
        let mut id = format!("{:020}-{:020}", open.first, open.end - 1);
        if let Some(tag) = &self.tag {
            id = format!("{id}-{tag}");
        }
        let Open { time_ns, count, size, end, .. } = open;
        Some(Closed { group: Group { id, time_ns, count, size }, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cutter(max: u64, size: u64, recorded: &[u64]) -> Cutter {
        Cutter::new(CutLimits { max, size }, 0, recorded.iter().copied().collect())
    }

    /// First and last of each batch that rows `seqs` of `bytes` each make, and of the open one.
    fn cut(cutter: &mut Cutter, seqs: &[u64], bytes: u64) -> Vec<(u64, u64)> {
        let mut closed = Vec::new();
        for &seq in seqs {
            let arrival_ns = seq as i64;
            let cuts = cutter.push(CutRow { first: seq, end: seq + 1, bytes, arrival_ns });
            closed.extend(cuts.before.into_iter().chain(cuts.after));
        }
        closed.extend(cutter.close());
        let bounds = closed.iter().map(|batch| {
            assert_eq!(batch.group.count * bytes, batch.group.size);
            (batch.group.time_ns as u64, batch.end - 1)
        });
        bounds.collect()
    }

    #[test]
    fn the_first_limit_closes() {
        let seqs: Vec<u64> = (0..7).collect();
        assert_eq!(cut(&mut cutter(3, 1000, &[]), &seqs, 10), [(0, 2), (3, 5), (6, 6)]);
        assert_eq!(cut(&mut cutter(100, 25, &[]), &seqs, 10), [(0, 1), (2, 3), (4, 5), (6, 6)]);
        assert_eq!(cut(&mut cutter(100, 30, &[]), &seqs, 10), [(0, 2), (3, 5), (6, 6)]);
        assert_eq!(cut(&mut cutter(100, 5, &[]), &[0, 1], 10), [(0, 0), (1, 1)]);
    }

    #[test]
    fn recorded_places_are_cut_again_also_between_rows() {
        let seqs = [0, 1, 2, 5, 6, 9];
        assert_eq!(cut(&mut cutter(100, 1000, &[3, 7]), &seqs, 1), [(0, 2), (5, 6), (9, 9)]);
        assert_eq!(cut(&mut cutter(100, 1000, &[4]), &seqs, 1), [(0, 2), (5, 9)]);
        assert_eq!(cut(&mut cutter(100, 1000, &[8]), &seqs, 1), [(0, 6), (9, 9)]);
    }

    #[test]
    fn limits_begin_behind_the_last_recorded_place() {
        let seqs = [0, 1, 2, 5, 6, 9];
        assert_eq!(cut(&mut cutter(2, 2, &[6]), &seqs, 1), [(0, 5), (6, 9)]);
        let mut cutter = cutter(2, 2, &[6]);
        cutter.push(CutRow { first: 0, end: 1, bytes: 1, arrival_ns: 0 });
        assert!(cutter.is_bound());
    }

    #[test]
    fn what_was_delivered_is_skipped() {
        let mut cutter = Cutter::new(CutLimits { max: 2, size: 100 }, 3, BTreeSet::new());
        let row = |seq| CutRow { first: seq, end: seq + 1, bytes: 1, arrival_ns: 0 };
        assert!(cutter.push(row(2)).skip && cutter.close().is_none());
        assert_eq!(cutter.push(row(3)), Cuts::default());
        let id = cutter.push(row(4)).after.map(|closed| closed.group.id);
        assert_eq!(id.as_deref(), Some("00000000000000000003-00000000000000000004"));
    }

    #[test]
    fn a_tag_tells_partitions_apart() {
        let mut cutter = cutter(1, 100, &[]).tagged(Some("a1b2c3d4".into()));
        let cuts = cutter.push(CutRow { first: 7, end: 9, bytes: 1, arrival_ns: 5 });
        let group = cuts.after.map(|closed| closed.group);
        let id = "00000000000000000007-00000000000000000008-a1b2c3d4".to_owned();
        assert_eq!(group, Some(Group { id, time_ns: 5, count: 1, size: 1 }));
    }
}
