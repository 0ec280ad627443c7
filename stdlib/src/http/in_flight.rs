//! The rows that a client has sent and has no answer for: what `Flowc-After` of the next request
//! names.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// First row to last row of each write under way, by producer.
type Writes = BTreeMap<([u8; 16], u64), u64>;

/// The writes under way.
#[derive(Debug, Default)]
pub struct InFlight {
    writes: Mutex<Writes>,
}

impl InFlight {
    /// A write of rows `first` to `last` begins, for the first time or again.
    pub fn begin(&self, producer: [u8; 16], first: u64, last: u64) {
        let mut writes = self.writes();
        writes.retain(|(of, from), to| *of != producer || *to < first || last < *from);
        writes.insert((producer, first), last);
    }

    /// The write that begins with row `first` is answered.
    pub fn end(&self, producer: [u8; 16], first: u64) {
        self.writes().remove(&(producer, first));
    }

    /// The last row of the producer that is under way before row `first`.
    pub fn before(&self, producer: [u8; 16], first: u64) -> Option<u64> {
        let writes = self.writes();
        let mut before = writes.range((producer, 0)..(producer, first)).rev();
        before.find_map(|(_, last)| (*last < first).then_some(*last))
    }

    fn writes(&self) -> MutexGuard<'_, Writes> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_follows_the_nearest_one_without_an_answer() {
        let (rows, a, b) = (InFlight::default(), [1; 16], [2; 16]);
        rows.begin(a, 0, 9);
        rows.begin(a, 10, 19);
        rows.begin(b, 5, 7);
        rows.begin(a, 20, 29);
        assert_eq!((rows.before(a, 0), rows.before(b, 5)), (None, None));
        assert_eq!((rows.before(a, 10), rows.before(a, 20)), (Some(9), Some(19)));
        // The later rows of a write do not wait for its own.
        assert_eq!(rows.before(a, 25), Some(19));
        rows.end(a, 10);
        assert_eq!(rows.before(a, 20), Some(9));
        // Only rows 4 to 9 are sent again.
        rows.begin(a, 4, 9);
        assert_eq!((rows.before(a, 4), rows.before(a, 20)), (None, Some(9)));
        rows.end(a, 4);
        assert_eq!(rows.before(a, 20), None);
    }
}
