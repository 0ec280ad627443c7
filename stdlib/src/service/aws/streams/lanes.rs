//! Which entries of an append may be sent: of each lane (a key, where its order is kept) at most
//! one that is not acknowledged.
//!
//! A pure state machine. Without lanes every entry may go at once.

use std::collections::VecDeque;

const NONE: u32 = u32::MAX;

/// The entries of one append.
#[derive(Debug)]
pub struct Lanes {
    bytes: Vec<u32>,
    /// The entry behind this one in its lane.
    next: Vec<u32>,
    ready: VecDeque<u32>,
    ready_bytes: u64,
}

/// What one request takes.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// Entries at most.
    pub entries_max: usize,
    /// Bytes at most, keys included.
    pub bytes_max: u64,
}

impl Lanes {
    /// Entries in order: the lane of each, if it has one, as a small dense number, and its bytes.
    pub fn new(entries: impl Iterator<Item = (Option<u32>, u32)>) -> Lanes {
        let mut lanes = Lanes {
            bytes: Vec::with_capacity(entries.size_hint().0),
            next: Vec::with_capacity(entries.size_hint().0),
            ready: VecDeque::new(),
            ready_bytes: 0,
        };
        let mut last: Vec<u32> = Vec::new();
        for (at, (lane, bytes)) in entries.enumerate() {
            let at = at as u32;
            lanes.bytes.push(bytes);
            lanes.next.push(NONE);
            let before = lane.and_then(|lane| {
                let lane = lane as usize;
                if last.len() <= lane {
                    last.resize(lane + 1, NONE);
                }
                let before = std::mem::replace(&mut last[lane], at);
                (before != NONE).then_some(before)
            });
            match before {
                Some(before) => lanes.next[before as usize] = at,
                None => lanes.free(at),
            }
        }
        lanes
    }

    /// The entries of the next request; none when it is better to wait for the answers of those
    /// under way (`idle` = there are none), or when nothing is left to send.
    pub fn request(&mut self, limits: RequestLimits, idle: bool) -> Vec<u32> {
        let full = self.ready.len() >= limits.entries_max || self.ready_bytes >= limits.bytes_max;
        let mut taken = Vec::new();
        if !full && !idle {
            return taken;
        }
        let mut room = limits.bytes_max;
        while let Some(&entry) = self.ready.front() {
            let bytes = u64::from(self.bytes[entry as usize]);
            let fits = taken.len() < limits.entries_max && bytes <= room;
            if !fits && !taken.is_empty() {
                break;
            }
            room = room.saturating_sub(bytes);
            self.ready_bytes -= bytes;
            self.ready.pop_front();
            taken.push(entry);
        }
        taken
    }

    /// An entry is stored: the next of its lane may go.
    pub fn stored(&mut self, entry: u32) {
        let next = std::mem::replace(&mut self.next[entry as usize], NONE);
        if next != NONE {
            self.free(next);
        }
    }

    /// An entry was not taken: it and all behind it in its lane, none of which was sent.
    pub fn failed(&mut self, entry: u32) -> Vec<u32> {
        let mut chain = vec![entry];
        let mut at = entry;
        loop {
            at = std::mem::replace(&mut self.next[at as usize], NONE);
            if at == NONE {
                return chain;
            }
            chain.push(at);
        }
    }

    fn free(&mut self, entry: u32) {
        self.ready.push_back(entry);
        self.ready_bytes += u64::from(self.bytes[entry as usize]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: RequestLimits = RequestLimits { entries_max: 3, bytes_max: 100 };

    fn lanes(of: &[u32]) -> Lanes {
        Lanes::new(of.iter().map(|lane| (Some(*lane), 10)))
    }

    #[test]
    fn without_lanes_requests_are_cut_by_entries_and_bytes() {
        let bytes = [10, 60, 50, 10, 200, 1, 1, 1, 1];
        let mut lanes = Lanes::new(bytes.iter().map(|bytes| (None, *bytes)));
        let mut requests = Vec::new();
        loop {
            let request = lanes.request(LIMITS, true);
            if request.is_empty() {
                break;
            }
            requests.push(request);
        }
        assert_eq!(requests, [vec![0, 1], vec![2, 3], vec![4], vec![5, 6, 7], vec![8]]);
    }

    #[test]
    fn a_key_is_under_way_at_most_once() {
        let mut lanes = lanes(&[0, 0, 1, 0, 2]);
        assert_eq!(lanes.request(LIMITS, true), [0, 2, 4]);
        lanes.stored(2);
        assert!(lanes.request(LIMITS, true).is_empty(), "key 0 waits for its first");
        lanes.stored(0);
        assert!(lanes.request(LIMITS, false).is_empty(), "others are under way: it may fill up");
        lanes.stored(4);
        assert_eq!(lanes.request(LIMITS, true), [1]);
        lanes.stored(1);
        assert_eq!(lanes.request(LIMITS, true), [3]);
        lanes.stored(3);
        assert!(lanes.request(LIMITS, true).is_empty());
    }

    #[test]
    fn behind_a_failed_entry_its_key_is_not_sent() {
        let mut lanes = lanes(&[0, 1, 0, 1, 0]);
        assert_eq!(lanes.request(LIMITS, true), [0, 1]);
        assert_eq!(lanes.failed(0), [0, 2, 4]);
        lanes.stored(1);
        assert_eq!(lanes.request(LIMITS, true), [3]);
        assert_eq!(lanes.failed(3), [3]);
        assert!(lanes.request(LIMITS, true).is_empty());
    }

    #[test]
    fn a_full_request_need_not_wait() {
        let mut lanes = lanes(&[0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(lanes.request(LIMITS, false), [0, 1, 2]);
        assert_eq!(lanes.request(LIMITS, false), [3, 4, 5]);
        assert!(lanes.request(LIMITS, false).is_empty());
        assert_eq!(lanes.request(LIMITS, true), [6]);
    }

    /// Whatever fails: each key's entries are sent in order, none is lost, none twice.
    #[test]
    fn any_answers_keep_the_order() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let of: Vec<u32> = (0..60).map(|_| random.u32(0..7)).collect();
            let mut left: Vec<u32> = (0..60).collect();
            let mut stored: Vec<u32> = Vec::new();
            while !left.is_empty() {
                let entries = left.clone();
                let mut lanes =
                    Lanes::new(entries.iter().map(|entry| (Some(of[*entry as usize]), 10)));
                left.clear();
                loop {
                    let request = lanes.request(LIMITS, true);
                    if request.is_empty() {
                        break;
                    }
                    for entry in request {
                        if random.u8(0..10) < 3 {
                            let again = lanes.failed(entry);
                            left.extend(again.iter().map(|at| entries[*at as usize]));
                        } else {
                            lanes.stored(entry);
                            stored.push(entries[entry as usize]);
                        }
                    }
                }
                left.sort_unstable();
            }
            for key in 0..7 {
                let of_key: Vec<u32> =
                    stored.iter().copied().filter(|entry| of[*entry as usize] == key).collect();
                assert!(of_key.is_sorted(), "seed {seed}, key {key}: {of_key:?}");
            }
            stored.sort_unstable();
            assert_eq!(stored, (0..60).collect::<Vec<u32>>(), "seed {seed}");
        }
    }
}
