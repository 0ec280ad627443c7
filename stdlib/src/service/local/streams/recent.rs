//! The last groups of a log in memory, so that a reader that has caught up needs no disk.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Larger groups are not kept: there the disk costs little beside the records.
const GROUP_BYTES_MAX: usize = 256 << 10;
/// Bytes that are kept at most.
const BYTES_MAX: usize = 1 << 20;

/// The groups that were written last; each begins where the one before it ends.
#[derive(Debug, Default)]
pub struct Recent {
    kept: RwLock<Kept>,
    /// Somebody reads this log.
    read: AtomicBool,
}

#[derive(Debug, Default)]
struct Kept {
    groups: VecDeque<Group>,
    bytes: usize,
}

/// Frames that were written together.
#[derive(Clone, Debug)]
pub struct Group {
    /// Their offsets.
    pub rows: Range<u64>,
    /// The frames, as in the segment.
    pub bytes: Arc<[u8]>,
}

impl Recent {
    /// Somebody reads: from now on groups are kept.
    pub fn wanted(&self) {
        self.read.store(true, Ordering::Relaxed);
    }

    /// Keeps a group, the next one, where somebody reads and it is small.
    pub fn keep(&self, rows: Range<u64>, frames: &[u8]) {
        if !self.read.load(Ordering::Relaxed) {
            return;
        }
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if frames.len() > GROUP_BYTES_MAX {
            *kept = Kept::default();
            return;
        }
        assert!(kept.groups.back().is_none_or(|last| last.rows.end == rows.start), "no gap");
        kept.bytes += frames.len();
        kept.groups.push_back(Group { rows, bytes: frames.into() });
        while kept.bytes > BYTES_MAX {
            let Some(oldest) = kept.groups.pop_front() else { break };
            kept.bytes -= oldest.bytes.len();
        }
    }

    /// The group that has the record `from`, and all behind it; `None` where it is not kept.
    pub fn behind(&self, from: u64) -> Option<Vec<Group>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let first = kept.groups.partition_point(|group| group.rows.end <= from);
        kept.groups.get(first).filter(|group| group.rows.start <= from)?;
        Some(kept.groups.range(first..).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(recent: &Recent, from: u64) -> Option<Vec<u64>> {
        let groups = recent.behind(from)?;
        Some(groups.iter().map(|group| group.rows.start).collect())
    }

    #[test]
    fn what_was_written_last_is_kept_once_somebody_reads() {
        let recent = Recent::default();
        recent.keep(0..3, b"xyz");
        assert_eq!(starts(&recent, 0), None);
        recent.wanted();
        recent.keep(3..5, b"ab");
        recent.keep(5..6, b"c");
        assert_eq!(starts(&recent, 2), None, "before somebody read");
        assert_eq!(starts(&recent, 3), Some(vec![3, 5]));
        assert_eq!(starts(&recent, 4), Some(vec![3, 5]));
        assert_eq!(starts(&recent, 5), Some(vec![5]));
        assert_eq!(starts(&recent, 6), None, "not written yet");
    }

    #[test]
    fn the_oldest_go_and_a_large_group_leaves_none() {
        let recent = Recent::default();
        recent.wanted();
        let group = vec![0; GROUP_BYTES_MAX];
        for n in 0..8 {
            recent.keep(n..n + 1, &group);
        }
        let kept = (BYTES_MAX / GROUP_BYTES_MAX) as u64;
        assert_eq!(starts(&recent, 8 - kept - 1), None);
        assert_eq!(starts(&recent, 8 - kept).map(|groups| groups.len() as u64), Some(kept));
        recent.keep(8..9, &vec![0; GROUP_BYTES_MAX + 1]);
        assert_eq!(starts(&recent, 8), None);
        recent.keep(9..10, b"x");
        assert_eq!((starts(&recent, 8), starts(&recent, 9)), (None, Some(vec![9])));
    }
}
