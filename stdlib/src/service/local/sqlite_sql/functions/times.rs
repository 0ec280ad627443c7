//! Timestamps in microseconds and dates in days since 1970-01-01, both of the proleptic Gregorian
//! calendar in UTC. A week begins on Monday.

use super::{Args, Given, int, scalar, text};
use crate::service::local::sqlite_sql::wide::error;
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, Timelike};
use dsl::sql::format::{self, Piece};
use dsl::sql::literal;
use rusqlite::{Connection, Error, Result};

const DAY_US: i64 = 86_400_000_000;

pub(super) fn register(connection: &Connection) -> Result<()> {
    scalar(connection, "rs_text_time", 1, |args| {
        let written = args.text(0)?;
        let time = literal::timestamp_us(written);
        int(time.ok_or_else(|| error(format!("`{written}` is not a timestamp")))?)
    })?;
    scalar(connection, "rs_text_date", 1, |args| {
        let written = args.text(0)?;
        let date = literal::date_days(written);
        int(date.ok_or_else(|| error(format!("`{written}` is not a date")))?.into())
    })?;
    scalar(connection, "rs_time_date", 1, |args| int(args.int(0)?.div_euclid(DAY_US)))?;
    scalar(connection, "rs_date_time", 1, |args| {
        int(args.int(0)?.checked_mul(DAY_US).ok_or_else(out_of_range)?)
    })?;
    scalar(connection, "rs_time_text", 1, |args| text(shown(args.int(0)?)?))?;
    scalar(connection, "rs_date_text", 1, |args| {
        let midnight = args.int(0)?.checked_mul(DAY_US).ok_or_else(out_of_range)?;
        text(time(midnight)?.format("%Y-%m-%d").to_string())
    })?;
    scalar(connection, "rs_date_trunc", 2, |args| int(truncated(args.text(0)?, args.int(1)?)?))?;
    scalar(connection, "rs_date_part", 2, |args| int(part(args.text(0)?, args.int(1)?)?))?;
    scalar(connection, "rs_date_add", 3, |args| {
        int(moved(args.text(0)?, args.int(1)?, args.int(2)?)?)
    })?;
    scalar(connection, "rs_date_diff", 3, |args| {
        let (from, to) = (index(args.text(0)?, args.int(1)?)?, index(args.text(0)?, args.int(2)?)?);
        int(to.checked_sub(from).ok_or_else(out_of_range)?)
    })?;
    scalar(connection, "rs_last_day", 1, |args| {
        let first = day(args.int(0)?)?.with_day(1);
        let next = first.and_then(|first| first.checked_add_months(Months::new(1)));
        let last = next.and_then(|next| next.checked_sub_days(Days::new(1)));
        int(since_1970(last.ok_or_else(out_of_range)?))
    })?;
    scalar(connection, "rs_to_char_time", 2, to_char)
}

fn out_of_range() -> Error {
    error("timestamp out of range")
}

fn time(micros: i64) -> Result<NaiveDateTime> {
    let time = DateTime::from_timestamp_micros(micros);
    time.map(|time| time.naive_utc()).ok_or_else(out_of_range)
}

fn day(micros: i64) -> Result<NaiveDate> {
    Ok(time(micros)?.date())
}

fn since_1970(day: NaiveDate) -> i64 {
    day.signed_duration_since(NaiveDate::default()).num_days()
}

fn midnight(day: Option<NaiveDate>) -> Result<i64> {
    let days = since_1970(day.ok_or_else(out_of_range)?);
    days.checked_mul(DAY_US).ok_or_else(out_of_range)
}

/// `2010-12-01 08:26:00`, with the microseconds only where there are some.
fn shown(micros: i64) -> Result<String> {
    let time = time(micros)?;
    let fraction = if micros.rem_euclid(1_000_000) == 0 { "" } else { "%.6f" };
    Ok(time.format(&format!("%Y-%m-%d %H:%M:%S{fraction}")).to_string())
}

/// Microseconds in a part of fixed length.
fn fixed(part: &str) -> Option<i64> {
    Some(match part {
        "microsecond" => 1,
        "millisecond" => 1_000,
        "second" => 1_000_000,
        "minute" => 60_000_000,
        "hour" => 3_600_000_000,
        "day" => DAY_US,
        "week" => 7 * DAY_US,
        _ => return None,
    })
}

/// Months in a part of calendar length.
fn months(part: &str) -> i64 {
    match part {
        "month" => 1,
        "quarter" => 3,
        "year" => 12,
        "decade" => 120,
        "century" => 1_200,
        "millennium" => 12_000,
        other => unreachable!("the checker lets no part `{other}` pass"),
    }
}

/// How many such parts have begun since a fixed moment.
fn index(part: &str, micros: i64) -> Result<i64> {
    if part == "week" {
        // 1970-01-01 was a Thursday
        return Ok((micros.div_euclid(DAY_US) + 3).div_euclid(7));
    }
    if let Some(length) = fixed(part) {
        return Ok(micros.div_euclid(length));
    }
    let day = day(micros)?;
    let year = i64::from(day.year());
    // centuries and millennia begin with the year 1
    let year = if matches!(part, "century" | "millennium") { year - 1 } else { year };
    Ok((year * 12 + i64::from(day.month0())).div_euclid(months(part)))
}

fn truncated(part: &str, micros: i64) -> Result<i64> {
    let index = index(part, micros)?;
    if part == "week" {
        return (index * 7 - 3).checked_mul(DAY_US).ok_or_else(out_of_range);
    }
    if let Some(length) = fixed(part) {
        return index.checked_mul(length).ok_or_else(out_of_range);
    }
    let month = index * months(part);
    let year = month.div_euclid(12) + i64::from(matches!(part, "century" | "millennium"));
    let year = i32::try_from(year).map_err(|_| out_of_range())?;
    midnight(NaiveDate::from_ymd_opt(year, month.rem_euclid(12) as u32 + 1, 1))
}

fn part(part: &str, micros: i64) -> Result<i64> {
    let time = time(micros)?;
    let year = i64::from(time.year());
    Ok(match part {
        "microsecond" => micros.rem_euclid(1_000_000),
        "millisecond" => micros.rem_euclid(1_000_000) / 1_000,
        "second" => time.second().into(),
        "minute" => time.minute().into(),
        "hour" => time.hour().into(),
        "day" => time.day().into(),
        "week" => time.iso_week().week().into(),
        "month" => time.month().into(),
        "quarter" => time.quarter().into(),
        "year" => year,
        "decade" => year.div_euclid(10),
        "century" => (year - 1).div_euclid(100) + 1,
        "millennium" => (year - 1).div_euclid(1_000) + 1,
        "dow" => time.weekday().num_days_from_sunday().into(),
        "doy" => time.ordinal().into(),
        _ => micros.div_euclid(1_000_000),
    })
}

/// A day that the month does not have is its last.
fn moved(part: &str, count: i64, micros: i64) -> Result<i64> {
    if let Some(length) = fixed(part) {
        let distance = count.checked_mul(length).ok_or_else(out_of_range)?;
        return micros.checked_add(distance).ok_or_else(out_of_range);
    }
    let count = count.checked_mul(months(part)).ok_or_else(out_of_range)?;
    let by = u32::try_from(count.unsigned_abs()).map_err(|_| out_of_range())?;
    let day = day(micros)?;
    let moved = match count < 0 {
        true => day.checked_sub_months(Months::new(by)),
        false => day.checked_add_months(Months::new(by)),
    };
    let midnight = midnight(moved)?;
    midnight.checked_add(micros.rem_euclid(DAY_US)).ok_or_else(out_of_range)
}

fn to_char(args: &Args) -> Result<Given> {
    let (time, pattern) = (time(args.int(0)?)?, args.text(1)?);
    let pieces = format::time(pattern);
    let pieces = pieces.map_err(|odd| error(format!("`{odd}` is no pattern of `to_char`")))?;
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => (*text).to_string(),
        Piece::Pattern(pattern) => written(&time, pattern),
    };
    text(pieces.iter().map(piece).collect::<String>())
}

/// One pattern of `to_char`; full names are filled to nine characters.
fn written(time: &NaiveDateTime, pattern: &str) -> String {
    let cased = |name: String| match pattern {
        upper if upper.chars().all(|c| c.is_ascii_uppercase()) => name.to_uppercase(),
        lower if lower.chars().all(|c| c.is_ascii_lowercase()) => name.to_lowercase(),
        _ => name,
    };
    let named = |format: &str| cased(time.format(format).to_string());
    match pattern {
        "YYYY" => format!("{:04}", time.year()),
        "YY" => format!("{:02}", time.year().rem_euclid(100)),
        "Q" => time.quarter().to_string(),
        "MONTH" | "Month" | "month" => format!("{:9}", named("%B")),
        "MON" | "Mon" | "mon" => named("%b"),
        "DAY" | "Day" | "day" => format!("{:9}", named("%A")),
        "DY" | "Dy" | "dy" => named("%a"),
        "MM" => format!("{:02}", time.month()),
        "MI" => format!("{:02}", time.minute()),
        "SS" => format!("{:02}", time.second()),
        "MS" => format!("{:03}", time.nanosecond() / 1_000_000),
        "US" => format!("{:06}", time.nanosecond() / 1_000),
        "WW" => format!("{:02}", time.ordinal0() / 7 + 1),
        "IW" => format!("{:02}", time.iso_week().week()),
        "DDD" => format!("{:03}", time.ordinal()),
        "DD" => format!("{:02}", time.day()),
        "D" => (time.weekday().num_days_from_sunday() + 1).to_string(),
        "HH24" => format!("{:02}", time.hour()),
        "HH12" | "HH" => format!("{:02}", time.hour12().1),
        "AM" | "PM" => if time.hour12().0 { "PM" } else { "AM" }.into(),
        _ => if time.hour12().0 { "pm" } else { "am" }.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{index, literal, moved, part, shown, truncated, written};

    fn us(text: &str) -> i64 {
        literal::timestamp_us(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn dates_are_truncated() {
        for (name, expected) in [
            ("millisecond", "2011-11-17 13:45:59.123"),
            ("hour", "2011-11-17 13:00:00"),
            ("day", "2011-11-17"),
            ("week", "2011-11-14"),
            ("month", "2011-11-01"),
            ("quarter", "2011-10-01"),
            ("year", "2011-01-01"),
            ("decade", "2010-01-01"),
            ("century", "2001-01-01"),
            ("millennium", "2001-01-01"),
        ] {
            let cut = truncated(name, us("2011-11-17 13:45:59.123456")).unwrap_or(0);
            assert_eq!(cut, us(expected), "{name}");
        }
        // before 1970, and a Sunday
        assert_eq!(truncated("hour", us("1969-12-31 23:59:59")).ok(), Some(us("1969-12-31 23:00")));
        assert_eq!(truncated("week", us("2011-12-11")).ok(), Some(us("2011-12-05")));
    }

    #[test]
    fn dates_move_by_the_calendar() {
        assert_eq!(moved("month", 1, us("2011-01-31 08:00")).ok(), Some(us("2011-02-28 08:00")));
        assert_eq!(moved("year", -1, us("2012-02-29")).ok(), Some(us("2011-02-28")));
        assert_eq!(moved("week", 2, us("2011-01-01")).ok(), Some(us("2011-01-15")));
        assert!(moved("year", i64::MAX, 0).is_err() && moved("day", i64::MAX, 0).is_err());
    }

    #[test]
    fn parts_and_boundaries_are_counted() {
        let time = us("2009-09-09 12:08:43.101");
        assert_eq!(part("millisecond", time).ok(), Some(101));
        assert_eq!(part("dow", us("2011-12-11")).ok(), Some(0));
        assert_eq!(part("century", us("2000-12-31")).ok(), Some(20));
        let between = |part: &str, from: &str, to: &str| {
            index(part, us(to)).unwrap_or(0) - index(part, us(from)).unwrap_or(0)
        };
        assert_eq!(between("year", "2008-12-31", "2009-01-01"), 1);
        assert_eq!(between("week", "2009-01-01", "2009-12-31"), 52);
        assert_eq!(between("quarter", "1998-07-01", "2009-01-01"), 42);
    }

    #[test]
    fn times_are_written() {
        let time = super::time(us("2011-11-07 15:04:05.06")).unwrap_or_default();
        let all = ["YYYY", "Mon", "MONTH", "D", "HH12", "AM", "US", "WW"];
        let all: Vec<String> = all.iter().map(|pattern| written(&time, pattern)).collect();
        assert_eq!(all.join("|"), "2011|Nov|NOVEMBER |2|03|PM|060000|45");
        assert_eq!(shown(us("2010-12-01 08:26")).ok().as_deref(), Some("2010-12-01 08:26:00"));
        assert_eq!(shown(1).ok().as_deref(), Some("1970-01-01 00:00:00.000001"));
    }
}
