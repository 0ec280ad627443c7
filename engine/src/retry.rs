//! When to try again: full jitter, limited by time without progress.

use crate::ctx::{Ctx, nanos};
use crate::fault::{Fault, FaultClass};
use std::time::Duration;

/// How long a source's read, a commit or a checkpoint is tried again.
pub(crate) const RETRY_FOR: Duration = Duration::from_secs(300);
/// How long an answer that nobody has seen before counts as one that may pass.
const UNKNOWN_FOR: Duration = Duration::from_secs(600);

/// How fast, how long and how often a call is tried again.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The longest wait after the first try; after each further one twice as long …
    pub wait_first: Duration,
    /// … up to this.
    pub wait_max: Duration,
    /// It is given up after so long without progress; after 10 minutes at the earliest while every
    /// answer is an unknown one.
    pub retry_for: Duration,
    /// It is given up after so many tries without progress.
    pub tries_max: u32,
}

impl Default for Pace {
    /// 50 ms to 20 s, for 5 minutes, however many tries that are.
    fn default() -> Pace {
        Pace {
            wait_first: Duration::from_millis(50),
            wait_max: Duration::from_secs(20),
            retry_for: RETRY_FOR,
            tries_max: u32::MAX,
        }
    }
}

/// The waits of one call that is tried again: with full jitter, a random one up to
/// `min(wait_max, wait_first × 2^tries)`, and at least what the service asks for. A call is given
/// up when it has made no progress for its time or its tries, or at once when another try cannot
/// help. A pure state machine: time is what it is told.
#[derive(Debug)]
pub struct Backoff {
    random: fastrand::Rng,
    pace: Pace,
    tries: u32,
    /// The first fault without progress.
    since_ns: Option<i64>,
    /// The first of the faults that were all unknown.
    unknown_ns: Option<i64>,
}

impl Backoff {
    /// At the usual pace, for so long without progress. The same seed waits the same.
    pub fn new(seed: u64, retry_for: Duration) -> Backoff {
        Backoff::at(seed, Pace { retry_for, ..Pace::default() })
    }

    /// At a pace of its own.
    pub fn at(seed: u64, pace: Pace) -> Backoff {
        let random = fastrand::Rng::with_seed(seed);
        Backoff { random, pace, tries: 0, since_ns: None, unknown_ns: None }
    }

    /// Something was done: the waits begin anew.
    pub fn progress(&mut self) {
        self.tries = 0;
        self.since_ns = None;
        self.unknown_ns = None;
    }

    /// How long to wait before the next try, after `fault` at `now_ns`, nanoseconds of any clock.
    ///
    /// # Errors
    /// The fault to give up with: of class [`FaultClass::Service`] when the call cannot succeed or
    /// its time is over, the fault as it is when its tries are over, because who made the call may
    /// try all of it again.
    pub fn next(&mut self, fault: Fault, now_ns: i64) -> Result<Duration, Fault> {
        if matches!(fault.class, FaultClass::Service | FaultClass::Records) {
            return Err(Fault { class: FaultClass::Service, ..fault });
        }
        if let Some(limit) = self.expired(fault.class, now_ns) {
            return Err(self.given_up(fault, limit));
        }
        if self.tries.saturating_add(1) >= self.pace.tries_max {
            return Err(fault);
        }
        let Pace { wait_first, wait_max, .. } = self.pace;
        let most = wait_first.saturating_mul(1_u32.checked_shl(self.tries).unwrap_or(u32::MAX));
        let most = most.min(wait_max).as_nanos() as u64;
        self.tries += 1;
        let wait = Duration::from_nanos(self.random.u64(0..=most));
        Ok(wait.max(fault.retry_after.unwrap_or_default()))
    }

    /// The time that is over, if one is.
    fn expired(&mut self, class: FaultClass, now_ns: i64) -> Option<Duration> {
        let over = |since_ns: i64, limit| now_ns.saturating_sub(since_ns) >= nanos(limit);
        let since_ns = *self.since_ns.get_or_insert(now_ns);
        if class != FaultClass::Unknown {
            self.unknown_ns = None;
            return over(since_ns, self.pace.retry_for).then_some(self.pace.retry_for);
        }
        let unknown_ns = *self.unknown_ns.get_or_insert(now_ns);
        let all = self.pace.retry_for.max(UNKNOWN_FOR);
        match over(unknown_ns, UNKNOWN_FOR) {
            true => Some(UNKNOWN_FOR),
            false => over(since_ns, all).then_some(all),
        }
    }

    fn given_up(&self, fault: Fault, limit: Duration) -> Fault {
        let (message, tries) = (&fault.message, self.tries + 1);
        let mut message = format!("{message}; given up after {limit:?}, try {tries}");
        if fault.class == FaultClass::Unknown {
            message.push_str(": flowc does not know this answer and took it for one that passes");
        }
        Fault { class: FaultClass::Service, message, ..fault }
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

    const WAIT_FIRST: Duration = Duration::from_millis(50);
    const WAIT_MAX: Duration = Duration::from_secs(20);

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
    fn gives_up_after_its_tries_with_the_fault_as_it_is() {
        let pace = Pace { tries_max: 3, wait_max: WAIT_FIRST, ..Pace::default() };
        let mut backoff = Backoff::at(1, pace);
        for _ in 0..2 {
            assert!((0..2).all(|_| backoff.next(busy(), 0).is_ok_and(|wait| wait <= WAIT_FIRST)));
            assert_eq!(backoff.next(busy(), 0), Err(busy()));
            backoff.progress();
        }
    }

    #[test]
    fn waits_as_long_as_the_service_asks() {
        let fault = Fault { retry_after: Some(Duration::from_secs(30)), ..busy() };
        assert_eq!(Backoff::new(1, RETRY_FOR).next(fault, 0), Ok(Duration::from_secs(30)));
    }

    #[test]
    fn an_unknown_fault_is_one_that_passes_for_ten_minutes_and_then_is_not() {
        const SECOND: i64 = 1_000_000_000;
        let odd = || Fault::unknown("TeapotException", "the service is a teapot");
        let mut backoff = Backoff::new(1, Duration::from_secs(10));
        assert!(backoff.next(odd(), 0).is_ok());
        assert!(backoff.next(odd(), 599 * SECOND).is_ok(), "longer than its time");
        let fault = backoff.next(odd(), 600 * SECOND).unwrap_err();
        assert_eq!(fault.class, FaultClass::Service);
        assert!(fault.message.contains("given up after 600s, try 3: flowc does not know"));

        let mut backoff = Backoff::new(1, Duration::from_secs(3600));
        assert!(backoff.next(odd(), 0).is_ok());
        assert!(backoff.next(busy(), 599 * SECOND).is_ok(), "another answer");
        assert!(backoff.next(odd(), 601 * SECOND).is_ok());
        assert!(backoff.next(odd(), 1200 * SECOND).is_ok());
        assert!(backoff.next(odd(), 1201 * SECOND).is_err());
    }

    #[test]
    fn a_fault_of_records_where_none_can_be_named_is_one_of_the_service() {
        let fault = Backoff::new(1, RETRY_FOR).next(Fault::records("bad", "one is bad"), 0);
        assert_eq!(fault, Err(Fault::service("bad", "one is bad")));
    }

    /// What [`Backoff`] should say to a series of faults, worked out from all of it each time.
    fn gives_up(faults: &[(i64, FaultClass)], retry_for: Duration) -> bool {
        let (now, class) = faults[faults.len() - 1];
        let first = faults[0].0;
        let same = faults.iter().rev().take_while(|(_, class)| *class == FaultClass::Unknown);
        let limit = match class {
            FaultClass::Unknown => retry_for.max(UNKNOWN_FOR),
            _ => retry_for,
        };
        let unknown = same.last().is_some_and(|(at, _)| now - at >= nanos(UNKNOWN_FOR));
        unknown || now - first >= nanos(limit)
    }

    #[test]
    fn it_gives_up_where_a_naive_model_does() {
        let mut given_up = 0;
        for seed in 0..2_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let retry_for = Duration::from_secs(random.u64(1..2_000));
            let mut backoff = Backoff::new(seed, retry_for);
            let (mut now, mut faults) = (0, Vec::new());
            for _ in 0..40 {
                now += random.i64(0..200_000_000_000);
                if random.u8(..) < 8 {
                    backoff.progress();
                    faults.clear();
                }
                let fault = match random.u8(0..4) {
                    0 => Fault::throttle("x", "x"),
                    1 => Fault::transient("x", "x"),
                    _ => Fault::unknown("x", "x"),
                };
                faults.push((now, fault.class));
                let wait = backoff.next(fault, now);
                assert_eq!(wait.is_err(), gives_up(&faults, retry_for), "seed {seed}: {faults:?}");
                if wait.is_err() {
                    given_up += 1;
                    break;
                }
            }
        }
        assert!(given_up > 500, "{given_up}");
    }
}
