//! A number of bytes that batches take and give back.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A budget in bytes, 4 GiB at most. Fair: who came first takes first.
#[derive(Debug)]
pub(crate) struct Budget {
    left: Arc<Semaphore>,
    max: u32,
}

/// Bytes taken of a budget, given back when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub fn new(bytes: u64) -> Budget {
        let max = u32::try_from(bytes).unwrap_or(u32::MAX).max(1);
        Budget { left: Arc::new(Semaphore::new(max as usize)), max }
    }

    /// Waits until so many bytes are free, or all of them for more than there are. Cancel-safe.
    pub async fn take(&self, bytes: u64) -> Held {
        // The semaphore is never closed.
        Held { _permit: self.left.clone().acquire_many_owned(self.share(bytes)).await.ok() }
    }

    /// The same without a wait; `None` = they are not free.
    pub fn try_take(&self, bytes: u64) -> Option<Held> {
        let permit = self.left.clone().try_acquire_many_owned(self.share(bytes)).ok()?;
        Some(Held { _permit: Some(permit) })
    }

    fn share(&self, bytes: u64) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn what_is_too_large_passes_alone() {
        let budget = Budget::new(10);
        let four = budget.take(4).now_or_never().expect("there is room");
        assert!(budget.take(7).now_or_never().is_none());
        let six = budget.take(6).now_or_never().expect("it just fits");
        assert!(budget.take(1).now_or_never().is_none());
        assert!(budget.take(0).now_or_never().is_some(), "nothing always fits");
        drop((four, six));
        let large = budget.take(1 << 40).now_or_never().expect("nothing else is there");
        assert!(budget.take(1).now_or_never().is_none());
        drop(large);
        assert!(budget.take(10).now_or_never().is_some());
    }
}
