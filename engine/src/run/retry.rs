//! When to try again: full jitter, limited by time without progress.

use crate::ctx::{Ctx, nanos};
use crate::fault::Fault;
use std::time::Duration;

/// The longest wait between two tries.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// The longest wait after the first try.
const WAIT_FIRST: Duration = Duration::from_millis(50);
/// How long a source's read, a commit or a checkpoint is tried again.
pub(crate) const RETRY_FOR: Duration = Duration::from_secs(300);

/// The waits of one call that is tried again.
#[derive(Debug)]
pub(crate) struct Backoff {
    random: fastrand::Rng,
    retry_for: Duration,
    tries: u32,
    since_ns: Option<i64>,
}

impl Backoff {
    pub fn new(seed: u64, retry_for: Duration) -> Backoff {
        let random = fastrand::Rng::with_seed(seed);
        Backoff { random, retry_for, tries: 0, since_ns: None }
    }

    /// Something was done: the waits begin anew.
    pub fn progress(&mut self) {
        self.tries = 0;
        self.since_ns = None;
    }

    /// How long to wait before the next try; the fault to give up with when it must not or need not
    /// be tried again.
    pub fn next(&mut self, fault: Fault, now_ns: i64) -> Result<Duration, Fault> {
        use crate::fault::FaultClass::Service;
        if fault.class == Service {
            return Err(fault);
        }
        let since_ns = *self.since_ns.get_or_insert(now_ns);
        if now_ns.saturating_sub(since_ns) >= nanos(self.retry_for) {
            let (message, tries) = (&fault.message, self.tries + 1);
            let message = format!("{message}; given up after {:?}, try {tries}", self.retry_for);
            return Err(Fault { class: Service, message, ..fault });
        }
        let most = WAIT_FIRST.saturating_mul(1_u32.checked_shl(self.tries).unwrap_or(u32::MAX));
        let most = most.min(WAIT_MAX).as_nanos() as u64;
        self.tries += 1;
        let wait = Duration::from_nanos(self.random.u64(0..=most));
        Ok(wait.max(fault.retry_after.unwrap_or_default()))
    }
}

/// The waits between the tries of one call of the engine's own: a read, a commit, a checkpoint.
pub(crate) struct Retry<'a> {
    ctx: &'a Ctx,
    backoff: Backoff,
}

impl<'a> Retry<'a> {
    pub fn new(ctx: &'a Ctx, seed: u64) -> Retry<'a> {
        Retry { ctx, backoff: Backoff::new(seed, RETRY_FOR) }
    }

    /// Waits before the next try.
    ///
    /// # Errors
    /// The fault, when the call must not be tried again.
    pub async fn wait(&mut self, fault: Fault) -> Result<(), Fault> {
        let wait = self.backoff.next(fault, self.ctx.clock.now_ns())?;
        self.ctx.clock.sleep(wait).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy() -> Fault {
        Fault::throttle("busy", "the service is busy")
    }

    #[test]
    fn waits_grow_to_twenty_seconds_and_begin_anew_on_progress() {
        let (mut longest, mut early) = ([Duration::ZERO; 16], Duration::ZERO);
        for seed in 0..500 {
            let mut backoff = Backoff::new(seed, RETRY_FOR);
            for most in &mut longest {
                *most = backoff.next(busy(), 0).map_or(*most, |wait| wait.max(*most));
            }
            backoff.progress();
            early = early.max(backoff.next(busy(), 0).unwrap_or(WAIT_MAX));
        }
        for (tries, most) in longest.iter().enumerate() {
            let limit = (WAIT_FIRST * (1 << tries)).min(WAIT_MAX);
            assert!(*most <= limit && *most > limit / 2, "try {tries}: {most:?} of {limit:?}");
        }
        assert!(early <= WAIT_FIRST);
    }

    #[test]
    fn the_same_seed_waits_the_same() {
        let waits = || {
            let mut backoff = Backoff::new(7, RETRY_FOR);
            (0..20).map(|_| backoff.next(busy(), 0)).collect::<Vec<_>>()
        };
        assert_eq!(waits(), waits());
    }

    #[test]
    fn gives_up_after_the_time_and_at_once_on_a_service_fault() {
        let mut backoff = Backoff::new(1, Duration::from_secs(10));
        assert!(backoff.next(busy(), 5).is_ok());
        assert!(backoff.next(busy(), 5 + 9_999_999_999).is_ok());
        let given_up = backoff.next(busy(), 5 + 10_000_000_000);
        assert!(given_up.is_err_and(|fault| fault.message.contains("given up after 10s, try 3")));
        let denied = Fault::service("denied", "no");
        assert_eq!(backoff.next(denied.clone(), 5), Err(denied));
    }

    #[test]
    fn waits_as_long_as_the_service_asks() {
        let fault = Fault { retry_after: Some(Duration::from_secs(30)), ..busy() };
        assert_eq!(Backoff::new(1, RETRY_FOR).next(fault, 0), Ok(Duration::from_secs(30)));
    }
}
