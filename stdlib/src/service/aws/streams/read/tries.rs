//! When a call of the reader itself is tried again.

use engine::fault::{Fault, FaultClass};
use std::time::Duration;

/// The longest wait after the first try.
const WAIT_FIRST: Duration = Duration::from_millis(100);
/// The longest wait between two tries.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// How long it is tried again without success.
const RETRY_FOR_NS: i64 = 300_000_000_000;

/// The tries of one kind of call.
#[derive(Debug, Default)]
pub struct Tries {
    tries: u32,
    since_ns: Option<i64>,
}

impl Tries {
    /// It went through.
    pub fn done(&mut self) {
        *self = Tries::default();
    }

    /// How long to wait (with full jitter) before the next try.
    ///
    /// # Errors
    /// The fault, when the call must not be tried again, or was tried for long enough.
    pub fn next(&mut self, fault: Fault, now_ns: i64) -> Result<Duration, Fault> {
        let since_ns = *self.since_ns.get_or_insert(now_ns);
        if fault.class == FaultClass::Service {
            return Err(fault);
        }
        if now_ns.saturating_sub(since_ns) >= RETRY_FOR_NS {
            let message = format!("{}; given up after {} tries", fault.message, self.tries + 1);
            return Err(Fault { class: FaultClass::Service, message, ..fault });
        }
        let most = WAIT_FIRST.saturating_mul(1 << self.tries.min(10)).min(WAIT_MAX);
        self.tries += 1;
        let wait = Duration::from_nanos(fastrand::u64(0..=most.as_nanos() as u64));
        Ok(wait.max(fault.retry_after.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_tried_for_five_minutes() {
        let busy = || Fault::throttle("busy", "busy");
        let mut tries = Tries::default();
        assert!(tries.next(busy(), 0).is_ok_and(|wait| wait <= WAIT_FIRST));
        assert!((0..20).all(|_| tries.next(busy(), 5).is_ok_and(|wait| wait <= WAIT_MAX)));
        let given_up = tries.next(busy(), RETRY_FOR_NS).unwrap_err();
        assert_eq!(given_up.class, FaultClass::Service);
        tries.done();
        assert!(tries.next(busy(), RETRY_FOR_NS).is_ok());
        assert!(tries.next(Fault::service("gone", "gone"), 0).is_err());
    }
}
