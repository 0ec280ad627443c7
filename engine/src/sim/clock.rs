//! The clock of a simulated process.

use crate::ctx::{Clock, nanos};
use futures::future::BoxFuture;
use std::time::Duration;
use tokio::time::Instant;

/// As [`crate::ctx::SystemClock`]: the wall clock is read once, when the process begins, and
/// counted on from there. So one that is set (`World::step_clock`) shows in the next life only.
#[derive(Clone, Debug)]
pub struct SimClock {
    began_ns: i64,
    began: Instant,
}

impl SimClock {
    /// A clock that shows `now_ns`, nanoseconds since 1970 UTC; made within a life.
    pub(super) fn at(now_ns: i64) -> SimClock {
        SimClock { began_ns: now_ns, began: Instant::now() }
    }
}

impl Clock for SimClock {
    fn now_ns(&self) -> i64 {
        self.began_ns.saturating_add(nanos(self.began.elapsed()))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
