//! The event ids of a shard's last records: what comes again is dropped.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

/// Ids that are remembered, for each shard.
pub const IDS: usize = 262_144;

/// The last ids of a shard.
#[derive(Debug)]
pub struct Window {
    most: usize,
    known: HashSet<u128, BuildHasherDefault<Hashed>>,
    order: VecDeque<u128>,
}

/// Ids are hashes already.
#[derive(Debug, Default)]
pub struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, id: u128) {
        self.0 = id as u64;
    }
}

impl Window {
    /// An empty one, for so many ids.
    pub fn new(most: usize) -> Window {
        Window { most, known: HashSet::default(), order: VecDeque::new() }
    }

    /// The ids, oldest first.
    pub fn ids(&self) -> Vec<u128> {
        self.order.iter().copied().collect()
    }

    /// Notes an id; false when it was there.
    pub fn is_new(&mut self, id: u128) -> bool {
        if !self.known.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_remembers_the_last_and_forgets_the_oldest() {
        let mut window = Window::new(3);
        let new: Vec<bool> = [1, 2, 1, 3, 2, 4, 1, 4].map(|id| window.is_new(id)).to_vec();
        assert_eq!(new, [true, true, false, true, false, true, true, false]);
        assert!(window.known.len() == 3 && window.order.len() == 3);
    }
}
