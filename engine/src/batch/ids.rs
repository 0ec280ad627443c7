//! The ids of rows: slices, filters, joins and ranges of them.

use super::{Partition, RowIds, Run};
use arrow_array::{Array, BooleanArray};
use arrow_select::filter::prep_null_mask_filter;
use std::ops::Range;
use std::sync::Arc;

impl RowIds {
    /// The ids `first`, `first + 1`, … of `len` rows that arrived together.
    pub fn range(partition: Arc<Partition>, first: u64, len: usize, arrival_ns: i64) -> RowIds {
        let mut ids = RowIds { partition, runs: Vec::with_capacity(1) };
        ids.push(first, len, arrival_ns);
        ids
    }

    /// Ids of no rows.
    pub fn empty(partition: Arc<Partition>) -> RowIds {
        RowIds { partition, runs: Vec::new() }
    }

    /// Adds the ids of `len` more rows; joins them to the last run where they go on from it.
    pub fn push(&mut self, first: u64, len: usize, arrival_ns: i64) {
        if len == 0 {
            return;
        }
        let len = u32::try_from(len).expect("a batch holds fewer than 2^32 rows");
        if let Some(last) = self.runs.last_mut() {
            let follows = last.first + u64::from(last.len) == first;
            let sum = last.len.checked_add(len).filter(|_| last.arrival_ns == arrival_ns);
            if let (true, Some(sum)) = (follows, sum) {
                last.len = sum;
                return;
            }
        }
        self.runs.push(Run { first, len, arrival_ns });
    }

    /// How many ids.
    pub fn len(&self) -> usize {
        self.runs.iter().map(|run| run.len as usize).sum()
    }

    /// No ids.
    pub fn is_empty(&self) -> bool {
        self.runs.iter().all(|run| run.len == 0)
    }

    /// The sequence number of row `row`, which must be there.
    pub fn seq_at(&self, row: usize) -> u64 {
        let mut before = 0;
        for run in &self.runs {
            if row - before < run.len as usize {
                return run.first + (row - before) as u64;
            }
            before += run.len as usize;
        }
        panic!("row {row} of {before}")
    }

    /// The sequence numbers, in row order.
    pub fn seqs(&self) -> impl Iterator<Item = u64> + '_ {
        self.runs.iter().flat_map(|run| run.first..run.first + u64::from(run.len))
    }

    /// The first sequence number.
    pub fn first(&self) -> Option<u64> {
        self.runs.iter().find(|run| run.len > 0).map(|run| run.first)
    }

    /// The last sequence number.
    pub fn last(&self) -> Option<u64> {
        let last = self.runs.iter().rev().find(|run| run.len > 0)?;
        Some(last.first + u64::from(last.len) - 1)
    }

    /// When the first row arrived, nanoseconds since 1970 UTC.
    pub fn arrival_ns(&self) -> Option<i64> {
        self.runs.iter().find(|run| run.len > 0).map(|run| run.arrival_ns)
    }

    /// First and last sequence number, both included, of each stretch without a gap, in row order.
    pub fn ranges(&self) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::with_capacity(1);
        for run in self.runs.iter().filter(|run| run.len > 0) {
            let last = run.first + u64::from(run.len) - 1;
            match ranges.last_mut() {
                Some(range) if range.1 + 1 == run.first => range.1 = last,
                _ => ranges.push((run.first, last)),
            }
        }
        ranges
    }

    /// The ids of `rows`, by position.
    pub fn slice(&self, rows: Range<usize>) -> RowIds {
        let mut ids = RowIds::empty(self.partition.clone());
        self.copy_to(&mut ids, &[(rows.start, rows.end)]);
        ids
    }

    /// The ids of the rows for which `kept` is true; null counts as false. One flag a row.
    pub fn filter(&self, kept: &BooleanArray) -> RowIds {
        assert_eq!(kept.len(), self.len(), "one flag a row");
        let kept = match kept.null_count() {
            0 => kept.clone(),
            _ => prep_null_mask_filter(kept),
        };
        let stretches: Vec<(usize, usize)> = kept.values().set_slices().collect();
        let mut ids = RowIds::empty(self.partition.clone());
        self.copy_to(&mut ids, &stretches);
        ids
    }

    /// The ids of all parts, in order. At least one part; all of one partition.
    pub fn concat<'a>(parts: impl IntoIterator<Item = &'a RowIds>) -> RowIds {
        let mut parts = parts.into_iter();
        let mut ids = parts.next().expect("something to join").clone();
        for part in parts {
            assert!(ids.same_partition(part), "one partition");
            for run in &part.runs {
                ids.push(run.first, run.len as usize, run.arrival_ns);
            }
        }
        ids
    }

    /// Of the same partition.
    pub fn same_partition(&self, other: &RowIds) -> bool {
        Arc::ptr_eq(&self.partition, &other.partition) || self.partition.id == other.partition.id
    }

    /// Appends the ids at stretches of positions `(start, end)`, which rise, to `ids`.
    fn copy_to(&self, ids: &mut RowIds, stretches: &[(usize, usize)]) {
        let mut stretches = stretches.iter().copied().filter(|(start, end)| start < end);
        let mut wanted = stretches.next();
        let mut before = 0;
        for run in &self.runs {
            let after = before + run.len as usize;
            while let Some((start, end)) = wanted {
                if start >= after {
                    break;
                }
                let (from, to) = (start.max(before), end.min(after));
                ids.push(run.first + (from - before) as u64, to - from, run.arrival_ns);
                if end > after {
                    break;
                }
                wanted = stretches.next();
            }
            before = after;
        }
        assert!(wanted.is_none(), "rows past the last of {before}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(runs: &[(u64, usize, i64)]) -> RowIds {
        let partition = Partition { id: [7; 16], name: "orders/0".into() };
        let mut ids = RowIds::empty(Arc::new(partition));
        runs.iter().for_each(|&(first, len, arrival)| ids.push(first, len, arrival));
        ids
    }

    fn seqs(ids: &RowIds) -> Vec<u64> {
        ids.seqs().collect()
    }

    #[test]
    fn runs_that_go_on_are_one() {
        let ids = ids(&[(0, 3, 1), (3, 2, 1), (5, 1, 2), (9, 0, 2)]);
        assert_eq!(ids.runs.len(), 2);
        assert_eq!((ids.len(), ids.first(), ids.last()), (6, Some(0), Some(5)));
        assert_eq!((ids.seq_at(4), ids.seq_at(5), ids.arrival_ns()), (4, 5, Some(1)));
    }

    #[test]
    fn ranges_leave_out_gaps_only() {
        assert_eq!(ids(&[(0, 77, 1), (77, 3, 2), (81, 2, 2)]).ranges(), [(0, 79), (81, 82)]);
        assert_eq!(ids(&[]).ranges(), []);
    }

    #[test]
    fn every_slice_is_that_of_the_list() {
        let ids = ids(&[(10, 3, 1), (20, 1, 1), (30, 4, 2)]);
        let list = seqs(&ids);
        for start in 0..=list.len() {
            for end in start..=list.len() {
                assert_eq!(seqs(&ids.slice(start..end)), list[start..end], "{start}..{end}");
            }
        }
    }

    #[test]
    fn every_filter_is_that_of_the_list() {
        let ids = ids(&[(10, 3, 1), (20, 1, 1), (30, 4, 2)]);
        for mask in 0_u32..256 {
            let flags: Vec<Option<bool>> = (0..8).map(|bit| Some(mask >> bit & 1 == 1)).collect();
            let wanted = ids.seqs().zip(&flags).filter(|(_, flag)| **flag == Some(true));
            let wanted: Vec<u64> = wanted.map(|(seq, _)| seq).collect();
            assert_eq!(seqs(&ids.filter(&BooleanArray::from(flags))), wanted, "{mask:b}");
        }
        let null = BooleanArray::from(vec![None, Some(true), None, None, None, None, None, None]);
        assert_eq!(seqs(&ids.filter(&null)), [11]);
    }

    #[test]
    #[should_panic(expected = "rows past the last")]
    fn a_slice_past_the_end_is_a_bug() {
        ids(&[(0, 3, 1)]).slice(2..4);
    }
}
