//! What the tests of the local services share.

use engine::ctx::Clock;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A clock that moves by one at every look.
struct Ticks(AtomicI64);

impl Clock for Ticks {
    fn now_ns(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// A clock that moves by one nanosecond at every look, from 1000.
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(Ticks(AtomicI64::new(1000)))
}
