//! The breaker of a sink: a service that answers nothing well is left alone but for one try.

use std::time::Duration;

/// Nothing gets through for so long …
const FAILING_NS: i64 = 10_000_000_000;
/// … in so many tries at least: the breaker opens.
const TRIES_MIN: u32 = 5;
/// From the opening to the first probe; twice as long after each one that fails, up to the longest.
const PROBE_FIRST: Duration = Duration::from_secs(1);
const PROBE_MAX: Duration = Duration::from_secs(30);

/// Closed, it counts. When for 10 s every try has failed, and at least 5 have, it opens: no write
/// is tried. After 1 s, then 2, 4, 8, 16 and every 30 s, one try may begin, the probe. The first
/// try that gets anything through closes it, the probe or one that began earlier.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    state: State,
}

#[derive(Debug)]
enum State {
    /// The first of the tries that have all failed, and how many they are.
    Closed { since_ns: i64, failed: u32 },
    /// The next probe, and how long it was waited for.
    Open { probe_ns: i64, wait: Duration },
    /// A probe is under way.
    Probing { wait: Duration },
}

impl Default for State {
    fn default() -> State {
        State::Closed { since_ns: 0, failed: 0 }
    }
}

/// Whether a try may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    Free,
    /// As the probe.
    Probe,
    /// Not before so long, or before something changes.
    Wait(Option<Duration>),
}

impl Breaker {
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// Asked before each try.
    pub fn pass(&mut self, now_ns: i64) -> Pass {
        match self.state {
            State::Closed { .. } => Pass::Free,
            State::Probing { .. } => Pass::Wait(None),
            State::Open { probe_ns, wait } if now_ns >= probe_ns => {
                self.state = State::Probing { wait };
                Pass::Probe
            }
            State::Open { probe_ns, .. } => {
                Pass::Wait(Some(Duration::from_nanos(probe_ns.saturating_sub(now_ns) as u64)))
            }
        }
    }

    /// A try got something through.
    pub fn succeeded(&mut self) {
        self.state = State::default();
    }

    /// A try got nothing through.
    pub fn failed(&mut self, probe: bool, now_ns: i64) {
        self.state = match self.state {
            State::Closed { failed: 0, .. } => State::Closed { since_ns: now_ns, failed: 1 },
            State::Closed { since_ns, failed } => {
                let failed = failed.saturating_add(1);
                match failed >= TRIES_MIN && now_ns.saturating_sub(since_ns) >= FAILING_NS {
                    true => open(PROBE_FIRST, now_ns),
                    false => State::Closed { since_ns, failed },
                }
            }
            State::Probing { wait } if probe => open((wait * 2).min(PROBE_MAX), now_ns),
            // It began before the breaker opened, and says nothing new.
            State::Probing { wait } => State::Probing { wait },
            State::Open { probe_ns, wait } => State::Open { probe_ns, wait },
        };
    }
}

fn open(wait: Duration, now_ns: i64) -> State {
    State::Open { probe_ns: now_ns.saturating_add(wait.as_nanos() as i64), wait }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        (0..=10).for_each(|second| breaker.failed(false, second * SECOND));
        assert!(!breaker.is_closed());
        breaker
    }

    #[test]
    fn it_opens_after_ten_seconds_in_which_everything_failed() {
        let mut breaker = Breaker::default();
        (0..100).for_each(|n| breaker.failed(false, n * SECOND / 11));
        assert!(breaker.is_closed(), "nine seconds");
        breaker.succeeded();
        (10..20).for_each(|second| breaker.failed(false, second * SECOND));
        assert!(breaker.is_closed(), "nine seconds since something got through");
        breaker.failed(false, 20 * SECOND);
        assert!(!breaker.is_closed());
        let mut slow = Breaker::default();
        (0..4).for_each(|n| slow.failed(false, n * 20 * SECOND));
        assert!(slow.is_closed(), "four tries");
    }

    #[test]
    fn one_probe_after_one_two_four_and_at_last_thirty_seconds() {
        let (mut breaker, mut now) = (opened(), 10 * SECOND);
        for wait in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!(breaker.pass(now), Pass::Wait(Some(Duration::from_secs(wait))));
            now += wait as i64 * SECOND;
            assert_eq!(breaker.pass(now - 1), Pass::Wait(Some(Duration::from_nanos(1))));
            assert_eq!(breaker.pass(now), Pass::Probe);
            assert_eq!(breaker.pass(now), Pass::Wait(None), "one at a time");
            breaker.failed(false, now);
            assert_eq!(breaker.pass(now), Pass::Wait(None), "an earlier try is no probe");
            breaker.failed(true, now);
        }
        breaker.succeeded();
        assert_eq!(breaker.pass(now), Pass::Free);
        assert!(breaker.is_closed());
    }

    /// What has happened: a try's end (as a probe or not, well or not), or a probe's beginning.
    #[derive(Clone, Copy, Debug)]
    enum Said {
        Well,
        Failed { probe: bool },
        Probe,
    }

    /// Whether a try may begin at `now`, worked out from all that has happened.
    fn naive(history: &[(i64, Said)], now: i64) -> Pass {
        let last = history.iter().rposition(|(_, said)| matches!(said, Said::Well));
        let since = &history[last.map_or(0, |at| at + 1)..];
        let opens = |n: usize| {
            let fails = &since[..=n];
            fails.len() >= 5 && fails[n].0 - fails[0].0 >= 10 * SECOND
        };
        let Some(opened) = (0..since.len()).find(|n| opens(*n)) else { return Pass::Free };
        let mut wait = 1;
        let (mut at, mut probing) = (since[opened].0, false);
        for (when, said) in &since[opened + 1..] {
            match said {
                Said::Probe => probing = true,
                Said::Failed { probe: true } => {
                    (at, probing, wait) = (*when, false, (wait * 2).min(30));
                }
                _ => (),
            }
        }
        match now - (at + wait * SECOND) {
            _ if probing => Pass::Wait(None),
            late if late >= 0 => Pass::Probe,
            early => Pass::Wait(Some(Duration::from_nanos(-early as u64))),
        }
    }

    #[test]
    fn it_is_where_a_naive_model_is() {
        let mut opened = 0;
        for seed in 0..400 {
            let mut random = fastrand::Rng::with_seed(seed);
            let well = random.u32(0..12);
            let (mut breaker, mut history, mut now) = (Breaker::default(), Vec::new(), 0);
            let mut under_way: Vec<bool> = Vec::new();
            for _ in 0..120 {
                now += random.i64(0..4 * SECOND);
                let pass = breaker.pass(now);
                assert_eq!(pass, naive(&history, now), "seed {seed}: {history:?}");
                match pass {
                    Pass::Free => under_way.push(false),
                    Pass::Probe => {
                        history.push((now, Said::Probe));
                        under_way.push(true);
                        opened += 1;
                    }
                    Pass::Wait(_) => (),
                }
                while !under_way.is_empty() && random.bool() {
                    let probe = under_way.swap_remove(random.usize(0..under_way.len()));
                    if random.u32(0..100) < well {
                        breaker.succeeded();
                        history.push((now, Said::Well));
                        // A probe that is still under way when it closes is a try like others.
                        under_way.iter_mut().for_each(|probe| *probe = false);
                    } else {
                        breaker.failed(probe, now);
                        history.push((now, Said::Failed { probe }));
                    }
                }
            }
        }
        assert!(opened > 500, "{opened}");
    }
}
