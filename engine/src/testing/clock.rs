//! A clock that moves only when a test moves it.

use crate::ctx::{Clock, nanos};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::oneshot;

/// A clock that moves only by [`ManualClock::advance`]; a clone is the same clock.
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    now_ns: i64,
    sleepers: Vec<(i64, oneshot::Sender<()>)>,
}

impl ManualClock {
    /// A clock that shows `now_ns`, nanoseconds since 1970 UTC.
    pub fn at(now_ns: i64) -> ManualClock {
        let inner = Inner { now_ns, sleepers: Vec::new() };
        ManualClock { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Moves it on and wakes who has slept long enough.
    pub fn advance(&self, duration: Duration) {
        let mut inner = self.inner();
        inner.now_ns = inner.now_ns.saturating_add(nanos(duration));
        let now_ns = inner.now_ns;
        let (due, waiting) = inner.sleepers.drain(..).partition(|(at, _)| *at <= now_ns);
        inner.sleepers = waiting;
        drop(inner);
        let due: Vec<(i64, oneshot::Sender<()>)> = due;
        due.into_iter().for_each(|(_, wake)| drop(wake));
    }

    /// How many sleep.
    pub fn sleepers(&self) -> usize {
        self.inner().sleepers.iter().filter(|(_, wake)| !wake.is_closed()).count()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Clock for ManualClock {
    fn now_ns(&self) -> i64 {
        self.inner().now_ns
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        if duration.is_zero() {
            return Box::pin(std::future::ready(()));
        }
        let (wake, woken) = oneshot::channel();
        let mut inner = self.inner();
        let at = inner.now_ns.saturating_add(nanos(duration));
        inner.sleepers.push((at, wake));
        Box::pin(woken.map(|_| ()))
    }
}
