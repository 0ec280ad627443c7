//! Which records of which producer a stream has: so that sending again is harmless.

use std::collections::{BTreeMap, HashMap};

/// Producers that are remembered at most. Beyond it the half that has been silent longest is
/// forgotten: what such a producer sends again is stored again.
const PRODUCERS_MAX: usize = 1 << 18;

/// The sequence numbers of all producers.
#[derive(Debug, Default)]
pub struct Seen {
    producers: HashMap<[u8; 16], Numbers>,
    ticks: u64,
}

/// The sequence numbers of one producer.
#[derive(Debug, Default)]
struct Numbers {
    /// First and one past the last; apart from each other. A tree, because the shards of a stream
    /// are read one after the other when it is opened, and each fills the gaps of those before it.
    spans: BTreeMap<u64, u64>,
    touched: u64,
}

impl Seen {
    /// The parts of `first .. first + len` that are not there yet, in order.
    pub fn missing(&self, producer: &[u8; 16], first: u64, len: u32) -> Vec<(u64, u32)> {
        let end = first.saturating_add(u64::from(len));
        let Some(numbers) = self.producers.get(producer) else {
            return if len == 0 { vec![] } else { vec![(first, len)] };
        };
        let mut at = first;
        let mut missing = Vec::new();
        if let Some((_, &to)) = numbers.spans.range(..=first).next_back() {
            at = at.max(to.min(end));
        }
        let next = first.saturating_add(1);
        for (&from, &to) in numbers.spans.range(next..end.max(next)) {
            if from > at {
                missing.push((at, (from - at) as u32));
            }
            at = to.min(end);
        }
        if at < end {
            missing.push((at, (end - at) as u32));
        }
        missing
    }

    /// Remembers `first .. first + len`.
    pub fn add(&mut self, producer: &[u8; 16], first: u64, len: u32) {
        if len == 0 {
            return;
        }
        if self.producers.len() >= PRODUCERS_MAX && !self.producers.contains_key(producer) {
            self.forget_half();
        }
        self.ticks += 1;
        let numbers = self.producers.entry(*producer).or_default();
        numbers.touched = self.ticks;
        numbers.add(first, first.saturating_add(u64::from(len)));
    }

    /// One past the highest number of a producer.
    pub fn end(&self, producer: &[u8; 16]) -> u64 {
        let spans = self.producers.get(producer).map(|numbers| &numbers.spans);
        spans.and_then(|spans| spans.last_key_value()).map_or(0, |(_, &end)| end)
    }

    /// Forgets the lower half of each producer's numbers, where there are more than `max` stretches
    /// in all.
    pub fn keep(&mut self, max: usize) {
        if self.producers.values().map(|numbers| numbers.spans.len()).sum::<usize>() <= max {
            return;
        }
        for numbers in self.producers.values_mut() {
            let middle = numbers.spans.keys().nth(numbers.spans.len() / 2).copied();
            if let Some(middle) = middle {
                numbers.spans = numbers.spans.split_off(&middle);
            }
        }
    }

    fn forget_half(&mut self) {
        let mut ticks: Vec<u64> = self.producers.values().map(|numbers| numbers.touched).collect();
        let middle = ticks.len() / 2;
        let (_, &mut limit, _) = ticks.select_nth_unstable(middle);
        self.producers.retain(|_, numbers| numbers.touched > limit);
    }
}

impl Numbers {
    fn add(&mut self, mut first: u64, mut end: u64) {
        // The spans that touch the new one become one with it.
        while let Some((&from, &to)) = self.spans.range(..=end).next_back() {
            if to < first {
                break;
            }
            self.spans.remove(&from);
            (first, end) = (first.min(from), end.max(to));
        }
        self.spans.insert(first, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const P: [u8; 16] = [7; 16];

    #[test]
    fn what_is_there_is_not_missing() {
        let mut seen = Seen::default();
        assert_eq!(seen.missing(&P, 0, 10), [(0, 10)]);
        seen.add(&P, 0, 10);
        seen.add(&P, 20, 5);
        assert_eq!(seen.missing(&P, 0, 10), []);
        assert_eq!(seen.missing(&P, 5, 25), [(10, 10), (25, 5)]);
        assert_eq!(seen.missing(&P, 24, 3), [(25, 2)]);
        assert_eq!(seen.missing(&[8; 16], 5, 2), [(5, 2)], "another producer");
        seen.add(&P, 10, 10);
        assert_eq!(seen.producers[&P].spans, [(0, 25)].into(), "neighbours are one span");
    }

    /// Against a plain set, over many random additions.
    #[test]
    fn agrees_with_a_set() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..200 {
            let (mut seen, mut set) = (Seen::default(), BTreeSet::new());
            for _ in 0..40 {
                let (first, len) = (random.u64(0..100), random.u32(0..12));
                let missing: Vec<u64> = seen
                    .missing(&P, first, len)
                    .iter()
                    .flat_map(|&(first, len)| first..first + u64::from(len))
                    .collect();
                let all = first..first + u64::from(len);
                let expected: Vec<u64> = all.clone().filter(|n| !set.contains(n)).collect();
                assert_eq!(missing, expected);
                seen.add(&P, first, len);
                set.extend(all);
            }
        }
    }

    #[test]
    fn the_longest_silent_are_forgotten() {
        let mut seen = Seen::default();
        let id = |n: u32| {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&n.to_le_bytes());
            id
        };
        for n in 0..PRODUCERS_MAX as u32 + 1 {
            seen.add(&id(n), 0, 1);
        }
        assert!(seen.producers.len() <= PRODUCERS_MAX / 2 + 1);
        assert_eq!(seen.missing(&id(PRODUCERS_MAX as u32), 0, 1), []);
        assert_eq!(seen.missing(&id(0), 0, 1), [(0, 1)]);
    }
}
