//! The order in which the objects of a bucket are numbered: what is found together by time and key,
//! behind what was found before. A pure state machine; its chunks are what is stored.

use std::collections::HashMap;

/// Objects of one stored chunk.
pub const CHUNK: usize = 1_000;

/// What tells an object from all others of its bucket: the beginning of the hash of key and etag.
pub type Mark = [u8; 16];

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// When it was put, nanoseconds since 1970.
    pub at_ns: i64,
    pub key: String,
    pub etag: String,
    pub size: u64,
}

impl Found {
    /// The mark.
    pub fn mark(&self) -> Mark {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.key.as_bytes()).update(&[0]).update(self.etag.as_bytes());
        let mut mark = Mark::default();
        mark.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        mark
    }
}

/// The numbers of a bucket's objects.
#[derive(Debug, Default)]
pub struct Order {
    marks: Vec<Mark>,
    numbers: HashMap<Mark, u64>,
}

impl Order {
    /// The number of the next object.
    pub fn next(&self) -> u64 {
        self.marks.len() as u64
    }

    /// The number of an object that is known.
    pub fn number(&self, mark: &Mark) -> Option<u64> {
        self.numbers.get(mark).copied()
    }

    /// Those objects that are not known, in the order in which they are numbered.
    pub fn new_of(&self, found: &[Found]) -> Vec<Mark> {
        let mut new: Vec<(&Found, Mark)> =
            found.iter().map(|object| (object, object.mark())).collect();
        new.retain(|(_, mark)| !self.numbers.contains_key(mark));
        new.sort_by(|(a, _), (b, _)| (a.at_ns, &a.key).cmp(&(b.at_ns, &b.key)));
        new.into_iter().map(|(_, mark)| mark).collect()
    }

    /// Numbers objects; they are stored.
    pub fn extend(&mut self, marks: &[Mark]) {
        for mark in marks {
            self.numbers.entry(*mark).or_insert(self.marks.len() as u64);
            self.marks.push(*mark);
        }
    }

    /// The chunk that is written next: its number, what is stored of it, and how many more fit.
    pub fn last_chunk(&self) -> (usize, Option<Vec<u8>>, usize) {
        let (number, begun) = (self.marks.len() / CHUNK, self.marks.len() % CHUNK);
        let stored = (begun > 0).then(|| self.marks[self.marks.len() - begun..].concat());
        (number, stored, CHUNK - begun)
    }
}

/// The marks of a stored chunk; `None` where it is none.
pub fn parse_chunk(stored: &[u8]) -> Option<Vec<Mark>> {
    let (marks, rest) = stored.as_chunks::<16>();
    (rest.is_empty() && marks.len() <= CHUNK && !marks.is_empty()).then(|| marks.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(at_ns: i64, key: &str) -> Found {
        Found { at_ns, key: key.into(), etag: "e".into(), size: 1 }
    }

    #[test]
    fn new_objects_are_numbered_by_time_and_key_behind_the_old() {
        let mut order = Order::default();
        let first = [found(5, "b"), found(3, "z"), found(5, "a")];
        order.extend(&order.new_of(&first));
        let number = |order: &Order, object: &Found| order.number(&object.mark());
        assert_eq!(first.each_ref().map(|each| number(&order, each)), [Some(2), Some(0), Some(1)]);
        // One that was put earlier, but is found later; and one put anew under its name.
        let again = Found { etag: "f".into(), ..found(9, "a") };
        let second = [found(5, "b"), again.clone(), found(1, "y")];
        order.extend(&order.new_of(&second));
        assert_eq!((number(&order, &second[2]), number(&order, &again)), (Some(3), Some(4)));
        assert!(order.new_of(&second).is_empty());
    }

    #[test]
    fn chunks_are_filled_one_after_the_other() {
        let mut order = Order::default();
        assert_eq!(order.last_chunk(), (0, None, CHUNK));
        let marks: Vec<Mark> = (0..CHUNK as u128 + 2).map(|n| n.to_le_bytes()).collect();
        order.extend(&marks[..2]);
        let (number, stored, room) = order.last_chunk();
        assert_eq!((number, room), (0, CHUNK - 2));
        assert_eq!(parse_chunk(&stored.unwrap()), Some(marks[..2].to_vec()));
        order.extend(&marks[2..]);
        assert_eq!(order.last_chunk(), (1, Some(marks[CHUNK..].concat()), CHUNK - 2));
        assert_eq!(order.next(), CHUNK as u64 + 2);
        for damaged in [&[1; 15][..], &[], &[1; 16 * (CHUNK + 1)]] {
            assert_eq!(parse_chunk(damaged), None);
        }
    }
}
