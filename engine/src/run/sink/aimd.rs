//! How many writes may be tried at once: one more after each clean round trip, three tenths fewer
//! when the service asks for less or becomes slow.

/// Writes at once to begin with.
const FIRST: usize = 4;
/// A round trip is slow when it takes longer than this many times the usual one …
const SLOW_TIMES: i64 = 2;
/// … and so much longer at least: less says nothing about a service.
const SLOW_NS: i64 = 50_000_000;
/// The usual round trip is forgotten by this part with each round trip.
const FORGETS: i64 = 16;

/// Additive increase, multiplicative decrease.
///
/// A round trip is over when a write ends that began after the last change. Its time is the mean of
/// all writes that ended within it; the usual one is the least of these means, forgotten slowly, so
/// that a service that has become slower for good is not held down for ever.
///
/// - A write that is throttled takes 3 tenths away at once, when it began after the last cut.
/// - A slow round trip takes 3 tenths away.
/// - Any other adds one, when as many writes as allowed were under way within it.
#[derive(Debug)]
pub(crate) struct Aimd {
    most: usize,
    /// In tenths of a write, between 10 and `10 × most`.
    tenths: usize,
    /// The last change, or end of a round trip.
    since_ns: i64,
    cut_ns: i64,
    /// Within this round trip: writes that ended, how long they took, and whether all that were
    /// allowed were under way.
    ended: i64,
    took_ns: i64,
    used: bool,
    usual_ns: Option<i64>,
}

/// A try that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub began_ns: i64,
    pub now_ns: i64,
    pub throttled: bool,
    /// Tries under way, this one included.
    pub under_way: usize,
}

impl Aimd {
    pub fn new(most: usize) -> Aimd {
        let most = most.max(1);
        Aimd {
            most,
            tenths: FIRST.min(most) * 10,
            since_ns: i64::MIN,
            cut_ns: i64::MIN,
            ended: 0,
            took_ns: 0,
            used: false,
            usual_ns: None,
        }
    }

    /// There is something to find out; else [`Aimd::ended`] need not be told.
    pub fn learns(&self) -> bool {
        self.most > 1
    }

    /// Writes that may be tried at once.
    pub fn size(&self) -> usize {
        self.tenths / 10
    }

    /// The service was away: what is known of it is old.
    pub fn begin_anew(&mut self, now_ns: i64) {
        self.tenths = self.tenths.min(FIRST * 10);
        self.usual_ns = None;
        self.end_round_trip(now_ns);
    }

    /// A try has ended.
    pub fn ended(&mut self, ended: Ended) {
        let Ended { began_ns, now_ns, throttled, under_way } = ended;
        self.used |= under_way >= self.size();
        if throttled {
            if began_ns >= self.cut_ns {
                self.cut(now_ns);
            }
            return;
        }
        self.ended += 1;
        self.took_ns = self.took_ns.saturating_add(now_ns.saturating_sub(began_ns).max(0));
        if began_ns < self.since_ns {
            return;
        }
        let took_ns = self.took_ns / self.ended;
        let usual_ns = self.usual_ns.unwrap_or(took_ns);
        let slow = took_ns > usual_ns.saturating_mul(SLOW_TIMES) && took_ns - usual_ns > SLOW_NS;
        self.usual_ns = Some(took_ns.min(usual_ns.saturating_add(usual_ns / FORGETS)));
        if slow {
            return self.cut(now_ns);
        }
        if self.used {
            self.tenths = (self.tenths + 10).min(self.most * 10);
        }
        self.end_round_trip(now_ns);
    }

    fn cut(&mut self, now_ns: i64) {
        self.tenths = (self.tenths * 7 / 10).max(10);
        self.cut_ns = now_ns;
        self.end_round_trip(now_ns);
    }

    fn end_round_trip(&mut self, now_ns: i64) {
        self.since_ns = now_ns;
        (self.ended, self.took_ns, self.used) = (0, 0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    /// Rounds in which all that are allowed are under way and take `took_ms`; the sizes after each.
    fn rounds(aimd: &mut Aimd, now_ns: &mut i64, took_ms: &[i64]) -> Vec<usize> {
        let mut sizes = Vec::new();
        for took_ms in took_ms {
            let (began_ns, under_way) = (*now_ns, aimd.size());
            *now_ns += took_ms * MS;
            for left in (1..=under_way).rev() {
                let now_ns = *now_ns;
                aimd.ended(Ended { began_ns, now_ns, throttled: false, under_way: left });
            }
            sizes.push(aimd.size());
        }
        sizes
    }

    fn throttle(aimd: &mut Aimd, began_ns: i64, now_ns: i64) -> usize {
        aimd.ended(Ended { began_ns, now_ns, throttled: true, under_way: 1 });
        aimd.size()
    }

    #[test]
    fn it_begins_with_four_and_grows_by_one_a_round_trip_to_its_most() {
        let (mut aimd, mut now) = (Aimd::new(7), 0);
        assert_eq!(aimd.size(), 4);
        assert_eq!(rounds(&mut aimd, &mut now, &[10; 5]), [5, 6, 7, 7, 7]);
        assert_eq!(Aimd::new(2).size(), 2);
        assert_eq!(Aimd::new(0).size(), 1);
        assert!(!Aimd::new(1).learns());
    }

    #[test]
    fn it_does_not_grow_while_fewer_are_under_way() {
        let mut aimd = Aimd::new(8);
        for now in 0..100 {
            let ended = Ended { began_ns: now, now_ns: now, throttled: false, under_way: 3 };
            aimd.ended(ended);
        }
        assert_eq!(aimd.size(), 4);
    }

    #[test]
    fn a_throttle_cuts_once_a_round_trip() {
        let (mut aimd, mut now) = (Aimd::new(10), 0);
        rounds(&mut aimd, &mut now, &[10; 6]);
        let began = now;
        assert_eq!(throttle(&mut aimd, began, now + 5 * MS), 7);
        assert_eq!(throttle(&mut aimd, began, now + 6 * MS), 7, "it began before the cut");
        assert_eq!(throttle(&mut aimd, now + 5 * MS, now + 9 * MS), 4);
        let mut sizes = Vec::new();
        for round in 2..8 {
            sizes.push(throttle(&mut aimd, now + round * 10 * MS, now + round * 10 * MS + MS));
        }
        assert_eq!(sizes, [3, 2, 1, 1, 1, 1]);
        now += 100 * MS;
        assert_eq!(rounds(&mut aimd, &mut now, &[10; 3]), [2, 3, 4]);
    }

    #[test]
    fn a_slow_round_trip_cuts_and_is_the_usual_one_after_a_while() {
        let (mut aimd, mut now) = (Aimd::new(20), 0);
        rounds(&mut aimd, &mut now, &[100; 16]);
        assert_eq!(rounds(&mut aimd, &mut now, &[150; 4]), [20; 4]);
        // The first write of a round trip ends it, the others are of the next one.
        assert_eq!(rounds(&mut aimd, &mut now, &[400; 4]), [20, 14, 9, 6]);
        let sizes = rounds(&mut aimd, &mut now, &[400; 60]);
        assert_eq!(*sizes.last().unwrap(), 20, "{sizes:?}");
        // A few milliseconds more are no sign of anything.
        let (mut aimd, mut now) = (Aimd::new(6), 0);
        assert_eq!(rounds(&mut aimd, &mut now, &[1, 40, 1, 50]), [5, 6, 6, 6]);
    }

    /// The size after all of `all`, worked out from the beginning, in halves of a step.
    fn naive(most: usize, all: &[Ended]) -> usize {
        let (mut size, mut usual) = (4.0_f64.min(most as f64), None::<f64>);
        let (mut last, mut last_cut) = (0, 0);
        let began_after =
            |change: usize, ended: &Ended| change == 0 || ended.began_ns >= all[change - 1].now_ns;
        for (at, ended) in all.iter().enumerate() {
            let trip = &all[last..=at];
            let mut change = None;
            if ended.throttled {
                change = began_after(last_cut, ended).then_some(true);
            } else if began_after(last, ended) {
                let good: Vec<f64> = trip
                    .iter()
                    .filter(|ended| !ended.throttled)
                    .map(|ended| (ended.now_ns - ended.began_ns) as f64)
                    .collect();
                let mean = (good.iter().sum::<f64>() / good.len() as f64).floor();
                let before = usual.unwrap_or(mean);
                usual = Some(mean.min(before + (before / 16.0).floor()));
                change = Some(mean > 2.0 * before && mean - before > 5e7);
            }
            let Some(cut) = change else { continue };
            let whole = (size + 1e-6) as usize;
            if cut {
                size = f64::max((size * 7.0 + 1e-6).floor() / 10.0, 1.0);
                last_cut = at + 1;
            } else if trip.iter().any(|ended| ended.under_way >= whole) {
                size = f64::min(size + 1.0, most as f64);
            }
            last = at + 1;
        }
        (size + 1e-6) as usize
    }

    #[test]
    fn it_is_where_a_naive_model_is() {
        let (mut cuts, mut grows) = (0, 0);
        for seed in 0..150 {
            let mut random = fastrand::Rng::with_seed(seed);
            let most = random.usize(1..40);
            let throttles = random.u32(0..30);
            let (mut aimd, mut all, mut now) = (Aimd::new(most), Vec::new(), 0);
            let mut under_way: Vec<i64> = Vec::new();
            for _ in 0..150 {
                while under_way.len() < aimd.size() && random.u8(0..8) > 0 {
                    under_way.push(now);
                }
                now += random.i64(0..60) * MS + 1;
                if under_way.is_empty() {
                    continue;
                }
                let began_ns = under_way.swap_remove(random.usize(0..under_way.len()));
                let throttled = random.u32(0..100) < throttles;
                let under_way = under_way.len() + 1;
                let before = aimd.size();
                let ended = Ended { began_ns, now_ns: now, throttled, under_way };
                all.push(ended);
                aimd.ended(ended);
                assert_eq!(aimd.size(), naive(most, &all), "seed {seed}, {} ended", all.len());
                assert!((1..=most).contains(&aimd.size()));
                cuts += usize::from(aimd.size() < before);
                grows += usize::from(aimd.size() > before);
            }
        }
        assert!(cuts > 300 && grows > 300, "{cuts} {grows}");
    }
}
