//! A wait that a driver's loop can be woken by, and set anew.

use futures::future::BoxFuture;
use std::fmt;

/// At most one future that is waited for.
#[derive(Default)]
pub(crate) struct Timer(Option<BoxFuture<'static, ()>>);

impl Timer {
    pub fn set(&mut self, wait: BoxFuture<'static, ()>) {
        self.0 = Some(wait);
    }

    pub fn clear(&mut self) {
        self.0 = None;
    }

    pub fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Waits for it, for ever where none is set; then none is set. Cancel-safe.
    pub async fn fired(&mut self) {
        match &mut self.0 {
            Some(wait) => wait.await,
            None => std::future::pending().await,
        }
        self.0 = None;
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timer").field(&self.is_set()).finish()
    }
}
