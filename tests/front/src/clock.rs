//! The front's clock: the machine's, plus what tests advance it by. Nothing else reads the time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

const DAY_MS: i64 = 86_400_000;

/// Milliseconds since 1970, in UTC; advanced by tests.
#[derive(Debug, Default)]
pub struct Clock {
    advanced_ms: AtomicI64,
    skew_ms: AtomicI64,
    moved: Notify,
}

impl Clock {
    /// The time of the front: limits, retention, iterators and buffers go by it.
    pub fn now_ms(&self) -> i64 {
        machine_ms() + self.advanced_ms.load(Ordering::SeqCst)
    }

    /// The time that signatures and `Date` go by: it is not advanced, but may be wrong by a skew.
    pub fn wall_ms(&self) -> i64 {
        machine_ms() + self.skew_ms.load(Ordering::SeqCst)
    }

    /// Moves the front's time on; who waits for a time looks again.
    pub fn advance(&self, by_ms: i64) {
        self.advanced_ms.fetch_add(by_ms, Ordering::SeqCst);
        self.moved.notify_waiters();
    }

    /// How wrong the time of signatures is.
    pub fn set_skew(&self, skew_ms: i64) {
        self.skew_ms.store(skew_ms, Ordering::SeqCst);
    }

    /// Back to the machine's time.
    pub fn reset(&self) {
        self.set_skew(0);
        self.advanced_ms.store(0, Ordering::SeqCst);
        self.moved.notify_waiters();
    }

    /// Waits until the front's time is `at_ms`, however it gets there.
    pub async fn until(&self, at_ms: i64) {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            let left_ms = at_ms - self.now_ms();
            if left_ms <= 0 {
                return;
            }
            let wait = Duration::from_millis(left_ms as u64);
            let _ = tokio::time::timeout(wait, moved).await;
        }
    }
}

fn machine_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as i64)
}

/// A moment as calendars have it, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The year, as 2026.
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
    /// 0 to 23.
    pub hour: i64,
    /// 0 to 59.
    pub minute: i64,
    /// 0 to 59.
    pub second: i64,
    /// 0 to 999.
    pub milli: i64,
}

/// Which moment a time is.
pub fn moment(at_ms: i64) -> Moment {
    let (days, rest) = (at_ms.div_euclid(DAY_MS), at_ms.rem_euclid(DAY_MS));
    // Years begin in March here, so that a leap day is the last of its year.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    Moment {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day: of_year - (153 * march + 2) / 5 + 1,
        hour: rest / 3_600_000,
        minute: rest / 60_000 % 60,
        second: rest / 1_000 % 60,
        milli: rest % 1_000,
    }
}

/// The time of a moment.
pub fn moment_ms(of: Moment) -> i64 {
    let year = of.year - i64::from(of.month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let march = if of.month > 2 { of.month - 3 } else { of.month + 9 };
    let of_year = (153 * march + 2) / 5 + of.day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    let days = era * 146_097 + of_era - 719_468;
    let seconds = (of.hour * 60 + of.minute) * 60 + of.second;
    days * DAY_MS + seconds * 1_000 + of.milli
}

/// `20261123T004931Z`, as signatures have it.
pub fn basic(at_ms: i64) -> String {
    let at = moment(at_ms);
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        at.year, at.month, at.day, at.hour, at.minute, at.second
    )
}

/// What `basic` writes, read.
pub fn parse_basic(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if !text.is_ascii() || bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |from: usize, to: usize| {
        let digits = &text[from..to];
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<i64>().ok()).flatten()
    };
    let of = Moment {
        year: number(0, 4)?,
        month: number(4, 6)?,
        day: number(6, 8)?,
        hour: number(9, 11)?,
        minute: number(11, 13)?,
        second: number(13, 15)?,
        milli: 0,
    };
    (moment(moment_ms(of)) == of).then(|| moment_ms(of))
}

/// `2026-11-23T00:49:31.000Z`.
pub fn iso(at_ms: i64) -> String {
    let at = moment(at_ms);
    let day = format!("{:04}-{:02}-{:02}", at.year, at.month, at.day);
    format!("{day}T{:02}:{:02}:{:02}.{:03}Z", at.hour, at.minute, at.second, at.milli)
}

/// `Mon, 23 Nov 2026 00:49:31 GMT`, as headers have it.
pub fn http_date(at_ms: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let at = moment(at_ms);
    let day = DAYS[at_ms.div_euclid(DAY_MS).rem_euclid(7) as usize];
    let month = MONTHS[(at.month - 1) as usize];
    let time = format!("{:02}:{:02}:{:02}", at.hour, at.minute, at.second);
    format!("{day}, {:02} {month} {:04} {time} GMT", at.day, at.year)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_calendar_days() {
        assert_eq!(basic(0), "19700101T000000Z");
        assert_eq!(iso(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(http_date(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        for day in (-400_000..400_000).step_by(37) {
            let at_ms = day * DAY_MS + 12_345_678;
            assert_eq!(moment_ms(moment(at_ms)), at_ms);
        }
    }

    #[test]
    fn signing_times_are_read_strictly() {
        assert_eq!(parse_basic("20261123T004931Z").map(basic).unwrap(), "20261123T004931Z");
        for wrong in ["20261123T004931", "20261323T004931Z", "20260230T000000Z", "2026112 T004931Z"]
        {
            assert_eq!(parse_basic(wrong), None, "{wrong}");
        }
    }

    #[tokio::test]
    async fn advancing_wakes_who_waits() {
        let clock = std::sync::Arc::new(Clock::default());
        let waiting = clock.clone();
        let at_ms = clock.now_ms() + 3_600_000;
        let task = tokio::spawn(async move { waiting.until(at_ms).await });
        tokio::task::yield_now().await;
        clock.advance(3_600_001);
        task.await.expect("it wakes");
        assert!(clock.now_ms() - clock.wall_ms() > 3_599_000, "signatures are not advanced");
    }
}
