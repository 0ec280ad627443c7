//! The retry budget of a sink: a sick service is not stormed.

use std::time::Duration;

/// Tokens that a sink begins with, and has at most.
const TOKENS_MAX: i64 = 500;
/// What a retry takes.
const RETRY: i64 = 5;
/// What a retry takes when the try before it had no answer in time.
const RETRY_AFTER_TIMEOUT: i64 = 10;
/// What comes back in a second.
const TOKENS_A_SECOND: i64 = 5;

/// A token, in the unit of the level.
const TOKEN: i64 = 1_000_000_000;

/// A token bucket that retries are paid from.
///
/// It holds 500 tokens. A retry takes 5, or 10 when the try before it had no answer in time. A try
/// that gets something through gives 1 back. A retry that finds too few waits.
///
/// Tokens also come back by time, 5 a second: when all that is left to write are retries, no
/// success would ever bring one. So a sick service sees at most one retry a second more than it
/// answers well, and about a hundred at once before that.
///
/// What is left over of a write that was partly accepted is the rest of the work and no storm: it
/// costs nothing. Neither does the breaker's probe, whose pace is its own.
#[derive(Debug)]
pub(crate) struct Budget {
    /// In billionths of a token.
    level: i64,
    /// When the level was this.
    at_ns: i64,
}

/// What the next try costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// Not a retry, or of rows that the service has not refused.
    Free,
    Retry,
    RetryAfterTimeout,
}

impl Budget {
    pub fn new() -> Budget {
        Budget { level: TOKENS_MAX * TOKEN, at_ns: 0 }
    }

    /// Takes the tokens of a try; says how long it takes until they are there when they are not.
    pub fn take(&mut self, cost: Cost, now_ns: i64) -> Result<(), Duration> {
        let cost = TOKEN
            * match cost {
                Cost::Free => return Ok(()),
                Cost::Retry => RETRY,
                Cost::RetryAfterTimeout => RETRY_AFTER_TIMEOUT,
            };
        let passed = now_ns.saturating_sub(self.at_ns).max(0);
        self.add(passed.saturating_mul(TOKENS_A_SECOND));
        self.at_ns = now_ns;
        if self.level < cost {
            let missing = (cost - self.level) as u64;
            return Err(Duration::from_nanos(missing.div_ceil(TOKENS_A_SECOND as u64)));
        }
        self.level -= cost;
        Ok(())
    }

    /// A try got something through.
    pub fn succeeded(&mut self) {
        self.add(TOKEN);
    }

    fn add(&mut self, more: i64) {
        self.level = self.level.saturating_add(more).min(TOKENS_MAX * TOKEN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn a_hundred_retries_at_once_then_one_a_second() {
        let mut budget = Budget::new();
        assert!((0..100).all(|_| budget.take(Cost::Retry, SECOND).is_ok()));
        assert_eq!(budget.take(Cost::Free, SECOND), Ok(()));
        assert_eq!(budget.take(Cost::Retry, SECOND), Err(Duration::from_secs(1)));
        let timeout = budget.take(Cost::RetryAfterTimeout, SECOND);
        assert_eq!(timeout, Err(Duration::from_secs(2)));
        assert_eq!(budget.take(Cost::Retry, 2 * SECOND), Ok(()));
        (0..5).for_each(|_| budget.succeeded());
        assert_eq!(budget.take(Cost::Retry, 2 * SECOND), Ok(()));
        assert!(budget.take(Cost::Retry, 2 * SECOND).is_err());
        assert!((0..100).all(|_| budget.take(Cost::Retry, 1000 * SECOND).is_ok()));
        assert!(budget.take(Cost::Retry, 1000 * SECOND).is_err(), "never more than 500");
    }

    /// The tokens at `now`, added up from the beginning, a millisecond a step.
    fn naive(history: &[(i64, f64)], now_ms: i64) -> f64 {
        let (mut tokens, mut next) = (500.0, history.iter().peekable());
        for ms in 0..=now_ms {
            if ms > 0 {
                tokens = f64::min(tokens + 0.005, 500.0);
            }
            while let Some((_, change)) = next.next_if(|(at, _)| *at == ms) {
                tokens = f64::min(tokens + change, 500.0);
            }
        }
        tokens
    }

    #[test]
    fn it_gives_what_a_naive_model_gives() {
        let (mut given, mut kept) = (0, 0);
        for seed in 0..12 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut budget, mut history, mut now_ms) = (Budget::new(), Vec::new(), 0);
            // Success and time come between the takes, in any order.
            for _ in 0..300 {
                now_ms += random.i64(0..120);
                if random.u8(0..5) == 0 {
                    budget.succeeded();
                    history.push((now_ms, 1.0));
                    continue;
                }
                let (cost, tokens) = match random.bool() {
                    true => (Cost::Retry, 5.0),
                    false => (Cost::RetryAfterTimeout, 10.0),
                };
                let level = naive(&history, now_ms);
                let taken = budget.take(cost, now_ms * 1_000_000);
                assert!((0..=TOKENS_MAX * TOKEN).contains(&budget.level), "{}", budget.level);
                if (level - tokens).abs() > 0.001 {
                    assert_eq!(taken.is_ok(), level > tokens, "seed {seed} {level} {tokens}");
                }
                match taken {
                    Ok(()) => {
                        given += 1;
                        history.push((now_ms, -tokens));
                    }
                    Err(wait) => {
                        kept += 1;
                        let wanted = (tokens - level) / 5.0;
                        assert!((wait.as_secs_f64() - wanted).abs() < 0.001, "{wait:?} {wanted}");
                    }
                }
            }
        }
        assert!(given > 300 && kept > 300, "{given} {kept}");
    }
}
