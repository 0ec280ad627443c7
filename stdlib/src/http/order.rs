//! The order of a producer's requests, where it has several under way on several connections.
//!
//! A request says which row was sent just before its own and is not answered yet (`Flowc-After`).
//! It is handed over only when that row has been, so the rows of a producer come to the source in
//! the order in which they were sent. A producer that sends a request again says anew what is not
//! answered then, so nobody waits for what will not come.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Producers that are remembered at most; of one that is forgotten, requests are refused until it
/// says that nothing is before them.
const PRODUCERS_MAX: usize = 1024;

/// How far each producer's rows have been handed over.
#[derive(Debug, Default)]
pub struct Order {
    producers: Mutex<Producers>,
    moved: Notify,
}

#[derive(Debug, Default)]
struct Producers {
    /// The highest row that was handed over, and when (a count of all moves).
    taken: BTreeMap<[u8; 16], (u64, u64)>,
    moves: u64,
}

impl Order {
    /// Rows of a producer up to `last` have been handed over.
    pub fn take(&self, producer: [u8; 16], last: u64) {
        let mut producers = self.producers();
        producers.moves += 1;
        let now = producers.moves;
        let known = producers.taken.entry(producer).or_insert((last, now));
        *known = (known.0.max(last), now);
        if producers.taken.len() > PRODUCERS_MAX {
            let oldest = producers.taken.iter().min_by_key(|(_, (_, at))| *at);
            let oldest = oldest.map(|(producer, _)| *producer);
            oldest.and_then(|producer| producers.taken.remove(&producer));
        }
        drop(producers);
        self.moved.notify_waiters();
    }

    /// Waits until row `after` of a producer has been handed over. Cancel-safe.
    pub async fn reached(&self, producer: [u8; 16], after: u64) {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            // From here on no move is missed.
            moved.as_mut().enable();
            if self.producers().taken.get(&producer).is_some_and(|(last, _)| *last >= after) {
                return;
            }
            moved.await;
        }
    }

    fn producers(&self) -> MutexGuard<'_, Producers> {
        self.producers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn a_request_waits_for_the_row_before_it() {
        let order = Order::default();
        let mut second = Box::pin(order.reached([1; 16], 9));
        assert!(second.as_mut().now_or_never().is_none());
        order.take([2; 16], 50);
        order.take([1; 16], 4);
        assert!(second.as_mut().now_or_never().is_none());
        order.take([1; 16], 9);
        second.await;
        order.take([1; 16], 3);
        assert!(order.reached([1; 16], 7).now_or_never().is_some());
    }

    #[tokio::test]
    async fn the_producer_that_was_still_for_longest_is_forgotten() {
        let order = Order::default();
        let id = |n: usize| (n as u128).to_be_bytes();
        for n in 0..=PRODUCERS_MAX {
            order.take(id(n), 1);
            order.take(id(0), 1);
        }
        assert!(order.reached(id(0), 1).now_or_never().is_some());
        assert!(order.reached(id(1), 1).now_or_never().is_none());
        assert!(order.reached(id(2), 1).now_or_never().is_some());
    }
}
