//! A number that only rises, and that many wait for. Who has waited first is woken first, so that
//! the same run does the same in the same order; tokio's `watch` wakes in a random one.

use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// The number.
#[derive(Debug, Default)]
pub struct Level {
    at: AtomicU64,
    risen: Notify,
}

impl Level {
    /// Where it is.
    pub fn get(&self) -> u64 {
        self.at.load(Ordering::Acquire)
    }

    /// Raises it, where it is lower.
    pub fn rise(&self, to: u64) {
        if self.at.fetch_max(to, Ordering::AcqRel) < to {
            self.risen.notify_waiters();
        }
    }

    /// Waits until it is at `at` or higher. Cancel-safe.
    pub async fn reached(&self, at: u64) {
        loop {
            // Made before the look: a rise in between is not missed.
            let risen = self.risen.notified();
            if self.get() >= at {
                return;
            }
            risen.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[tokio::test]
    async fn who_has_waited_first_is_woken_first() {
        let (level, order) = (Arc::new(Level::default()), Arc::new(Mutex::new(Vec::new())));
        let wait = |n: u64| {
            let (level, order) = (level.clone(), order.clone());
            tokio::spawn(async move {
                level.reached(1 + n % 2).await;
                order.lock().unwrap().push(n);
            })
        };
        let tasks: Vec<_> = (0..20).map(wait).collect();
        tokio::task::yield_now().await;
        level.rise(1);
        level.rise(1);
        tokio::task::yield_now().await;
        level.rise(2);
        for task in tasks {
            task.await.unwrap();
        }
        let (even, odd) = ((0..20).step_by(2), (1..20).step_by(2));
        assert_eq!(*order.lock().unwrap(), even.chain(odd).collect::<Vec<_>>());
        level.rise(1);
        assert_eq!(level.get(), 2);
    }
}
