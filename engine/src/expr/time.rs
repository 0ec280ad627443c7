//! Timestamps and dates as text: RFC 3339, strftime formats, time zones.

use chrono::format::{Item, Parsed, StrftimeItems, parse as chrono_parse};
use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use chrono_tz::Tz;

const SECOND_NS: i64 = 1_000_000_000;
const DAY_S: i64 = 86_400;

/// Why a text is not a timestamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeError {
    /// It does not fit the format.
    Format,
    /// It is before 1677-09-21 or after 2262-04-11, the ends of 64-bit nanoseconds.
    Range,
    /// The clocks of this zone were put forward over it.
    Skipped(Tz),
}

/// Completes "the value …".
impl std::fmt::Display for TimeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TimeError::Format => f.write_str("does not fit the format"),
            TimeError::Range => f.write_str("is outside the years 1678 to 2261"),
            TimeError::Skipped(zone) => {
                write!(f, "does not exist in {zone}: the clocks were put forward over it")
            }
        }
    }
}

/// Days since 1970-01-01 of a day of the proleptic Gregorian calendar; `None` where there is no
/// such day.
pub fn days(year: i32, month: u32, day: u32) -> Option<i32> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if day < 1 || day > last {
        return None;
    }
    // Counted from March, so that the leap day is the last of its year.
    let shifted = year - i32::from(month <= 2);
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month as i32 + 9) % 12) + 2) / 5 + day as i32 - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// Year, month and day of a number of days since 1970-01-01.
pub fn civil(days: i32) -> (i32, u32, u32) {
    let shifted = i64::from(days) + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    ((year + era * 400 + i64::from(month <= 2)) as i32, month as u32, day as u32)
}

/// Nanoseconds since 1970 UTC of an RFC 3339 text: `2010-12-01T08:26:00Z`, with a fraction of up to
/// nine digits, `Z` or an offset; a blank may stand for the `T`.
pub fn parse_rfc3339(text: &[u8]) -> Result<i64, TimeError> {
    let (ns, rest) = parse_local(text).ok_or(TimeError::Format)?;
    let offset_s = match rest {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let hours = two(&[*h1, *h2]).filter(|&hours| hours < 24).ok_or(TimeError::Format)?;
            let minutes = two(&[*m1, *m2]).filter(|&m| m < 60).ok_or(TimeError::Format)?;
            let offset = i64::from(hours * 3600 + minutes * 60);
            if *sign == b'-' { -offset } else { offset }
        }
        _ => return Err(TimeError::Format),
    };
    nanoseconds(ns - i128::from(offset_s) * i128::from(SECOND_NS))
}

/// The same without `Z` or offset, as UTC; seconds may be missing: `2010-12-01 08:26`.
pub fn parse_naive(text: &[u8]) -> Result<i64, TimeError> {
    match parse_local(text) {
        Some((ns, [])) => nanoseconds(ns),
        _ => Err(TimeError::Format),
    }
}

/// A time with the month first, as UTC: `12/1/2010 8:26`, with or without seconds.
pub fn parse_month_first(text: &[u8]) -> Result<i64, TimeError> {
    use Step::{Literal, Part, Year};
    const STEPS: [Step; 11] = [
        Part(0),
        Literal(b'/'),
        Part(1),
        Literal(b'/'),
        Year,
        Literal(b' '),
        Part(2),
        Literal(b':'),
        Part(3),
        Literal(b':'),
        Part(4),
    ];
    let seconds = parse_steps(&STEPS[..9], text).or_else(|| parse_steps(&STEPS, text));
    nanoseconds(i128::from(seconds.ok_or(TimeError::Format)?) * i128::from(SECOND_NS))
}

/// A date, a time and what stands behind them.
fn parse_local(text: &[u8]) -> Option<(i128, &[u8])> {
    let day = parse_day(text.get(..10)?)?;
    let [b'T' | b't' | b' ', h1, h2, b':', m1, m2, rest @ ..] = text.get(10..)? else {
        return None;
    };
    let (hour, minute) = (two(&[*h1, *h2])?, two(&[*m1, *m2])?);
    let (second, mut rest) = match rest {
        [b':', s1, s2, rest @ ..] => (two(&[*s1, *s2])?, rest),
        rest => (0, rest),
    };
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut fraction = 0i64;
    if let [b'.', digits @ ..] = rest {
        let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 || count > 9 {
            return None;
        }
        let value = digits[..count].iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        fraction = value * 10i64.pow(9 - count as u32);
        rest = &digits[count..];
    }
    let seconds = i64::from(day) * DAY_S + i64::from(hour * 3600 + minute * 60 + second);
    Some((i128::from(seconds) * i128::from(SECOND_NS) + i128::from(fraction), rest))
}

/// Days since 1970-01-01 of `2010-12-01`.
pub fn parse_date(text: &[u8]) -> Option<i32> {
    if text.len() == 10 { parse_day(text) } else { None }
}

fn parse_day(text: &[u8]) -> Option<i32> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return None };
    let year = two(&[*y1, *y2])? * 100 + two(&[*y3, *y4])?;
    days(year as i32, two(&[*m1, *m2])?, two(&[*d1, *d2])?)
}

fn two(digits: &[u8; 2]) -> Option<u32> {
    let [tens, ones] = digits.map(|byte| u32::from(byte.wrapping_sub(b'0')));
    (tens < 10 && ones < 10).then_some(tens * 10 + ones)
}

fn nanoseconds(ns: i128) -> Result<i64, TimeError> {
    i64::try_from(ns).map_err(|_| TimeError::Range)
}

/// Writes RFC 3339 in UTC: `2010-12-01T08:26:00Z`; a fraction only where there is one, in three,
/// six or nine digits.
pub fn write_rfc3339(out: &mut Vec<u8>, ns: i64) {
    let seconds = ns.div_euclid(SECOND_NS);
    let fraction = ns.rem_euclid(SECOND_NS) as u32;
    let of_day = seconds.rem_euclid(DAY_S) as u32;
    write_date(out, seconds.div_euclid(DAY_S) as i32);
    out.push(b'T');
    write_digits(out, of_day / 3600, 2);
    out.push(b':');
    write_digits(out, of_day / 60 % 60, 2);
    out.push(b':');
    write_digits(out, of_day % 60, 2);
    if fraction != 0 {
        out.push(b'.');
        if fraction.is_multiple_of(1_000_000) {
            write_digits(out, fraction / 1_000_000, 3);
        } else if fraction.is_multiple_of(1_000) {
            write_digits(out, fraction / 1_000, 6);
        } else {
            write_digits(out, fraction, 9);
        }
    }
    out.push(b'Z');
}

/// Writes `2010-12-01`.
pub fn write_date(out: &mut Vec<u8>, days: i32) {
    let (year, month, day) = civil(days);
    match u32::try_from(year) {
        Ok(year @ 0..=9999) => write_digits(out, year, 4),
        _ => out.extend_from_slice(format!("{year:+05}").as_bytes()),
    }
    out.push(b'-');
    write_digits(out, month, 2);
    out.push(b'-');
    write_digits(out, day, 2);
}

fn write_digits(out: &mut Vec<u8>, value: u32, width: usize) {
    let mut text = [b'0'; 9];
    let mut rest = value;
    for byte in text[..width].iter_mut().rev() {
        *byte = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&text[..width]);
}

/// A strftime format in a zone, for reading local timestamps.
///
/// Numbers may be written without their leading zero. A format without a time means midnight, one
/// with an offset (`%z`) needs no zone. A local time that happens twice, when the clocks are put
/// back, is the earlier of the two; one that never happens is [`TimeError::Skipped`].
#[derive(Clone, Debug)]
pub struct TimeFormat {
    format: String,
    zone: Tz,
    steps: Option<Vec<Step>>,
    last: (Vec<u8>, i64),
}

/// A piece of a format that is read without chrono.
#[derive(Clone, Copy, Debug)]
enum Step {
    Literal(u8),
    Year,
    /// Month, day, hour, minute, second: the index in the parts.
    Part(usize),
}

impl TimeFormat {
    /// Checks a format and a zone's name; the error is a sentence for a person.
    pub fn new(format: &str, zone: &str) -> Result<TimeFormat, String> {
        let zone = parse_zone(zone)?;
        let mut items = StrftimeItems::new(format);
        if items.any(|item| matches!(item, Item::Error)) {
            return Err(format!("`{format}` is no strftime format"));
        }
        let steps = steps(format);
        Ok(TimeFormat { format: format.into(), zone, steps, last: (Vec::new(), 0) })
    }

    /// The format as it was written.
    pub fn format(&self) -> &str {
        &self.format
    }

    /// Nanoseconds since 1970 UTC. Remembers the last text, because neighbours are often equal.
    pub fn parse(&mut self, text: &[u8]) -> Result<i64, TimeError> {
        if !text.is_empty() && self.last.0 == text {
            return Ok(self.last.1);
        }
        let ns = match self.steps.as_deref().and_then(|steps| parse_steps(steps, text)) {
            Some(seconds) if self.zone == Tz::UTC => {
                seconds.checked_mul(SECOND_NS).ok_or(TimeError::Range)?
            }
            Some(seconds) => {
                let local = DateTime::from_timestamp(seconds, 0).ok_or(TimeError::Range)?;
                self.in_zone(local.naive_utc())?
            }
            None => self.parse_slow(text)?,
        };
        self.last.0.clear();
        self.last.0.extend_from_slice(text);
        self.last.1 = ns;
        Ok(ns)
    }

    fn parse_slow(&self, text: &[u8]) -> Result<i64, TimeError> {
        let text = std::str::from_utf8(text).map_err(|_| TimeError::Format)?;
        let mut parsed = Parsed::new();
        chrono_parse(&mut parsed, text, StrftimeItems::new(&self.format))
            .map_err(|_| TimeError::Format)?;
        if parsed.offset().is_some() || parsed.timestamp().is_some() {
            let instant = match parsed.to_datetime() {
                Ok(instant) => instant.to_utc(),
                Err(_) => {
                    let naive = parsed.to_naive_datetime_with_offset(0);
                    naive.map_err(|_| TimeError::Format)?.and_utc()
                }
            };
            return instant.timestamp_nanos_opt().ok_or(TimeError::Range);
        }
        let date = parsed.to_naive_date().map_err(|_| TimeError::Format)?;
        let time = match parsed.to_naive_time() {
            Ok(time) => time,
            Err(_) if parsed.hour_mod_12().is_none() && parsed.minute().is_none() => NaiveTime::MIN,
            Err(_) => return Err(TimeError::Format),
        };
        self.in_zone(date.and_time(time))
    }

    fn in_zone(&self, local: NaiveDateTime) -> Result<i64, TimeError> {
        let instant = match self.zone.from_local_datetime(&local) {
            LocalResult::Single(instant) | LocalResult::Ambiguous(instant, _) => instant,
            LocalResult::None => return Err(TimeError::Skipped(self.zone)),
        };
        instant.timestamp_nanos_opt().ok_or(TimeError::Range)
    }
}

/// A time zone by its IANA name; the error is a sentence with a help.
pub fn parse_zone(name: &str) -> Result<Tz, String> {
    name.parse().map_err(|_| format!("`{name}` is no time zone; write `UTC` or `Europe/London`"))
}

/// The format as steps, where it is one of `%Y %m %d %H %M %S %T %F` and literals, and says all of
/// a date.
fn steps(format: &str) -> Option<Vec<Step>> {
    let format = format.replace("%T", "%H:%M:%S").replace("%F", "%Y-%m-%d");
    let mut steps = Vec::new();
    let mut bytes = format.bytes();
    while let Some(byte) = bytes.next() {
        steps.push(match byte {
            b'%' => match bytes.next()? {
                b'Y' => Step::Year,
                b'm' => Step::Part(0),
                b'd' => Step::Part(1),
                b'H' => Step::Part(2),
                b'M' => Step::Part(3),
                b'S' => Step::Part(4),
                _ => return None,
            },
            byte if byte.is_ascii_whitespace() && byte != b' ' => return None,
            byte => Step::Literal(byte),
        });
    }
    let count = |wanted: usize| {
        steps.iter().filter(|step| matches!(step, Step::Part(part) if *part == wanted)).count()
    };
    let years = steps.iter().filter(|step| matches!(step, Step::Year)).count();
    let whole = years == 1 && count(0) == 1 && count(1) == 1 && (2..5).all(|part| count(part) <= 1);
    (whole && count(2) >= count(3) && count(3) >= count(4)).then_some(steps)
}

/// Local seconds since 1970, or `None` where chrono has to decide.
fn parse_steps(steps: &[Step], text: &[u8]) -> Option<i64> {
    let mut year = 0;
    let mut parts = [0u32; 5];
    let mut rest = text;
    for step in steps {
        match step {
            Step::Literal(byte) => rest = rest.strip_prefix(&[*byte])?,
            Step::Year => {
                let (digits, after) = rest.split_first_chunk::<4>()?;
                if after.first().is_some_and(u8::is_ascii_digit) {
                    return None;
                }
                year = two(&[digits[0], digits[1]])? * 100 + two(&[digits[2], digits[3]])?;
                rest = after;
            }
            Step::Part(part) => {
                let (value, after) = one_or_two(rest)?;
                parts[*part] = value;
                rest = after;
            }
        }
    }
    let [month, day, hour, minute, second] = parts;
    if !rest.is_empty() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let day = days(year as i32, month, day)?;
    Some(i64::from(day) * DAY_S + i64::from(hour * 3600 + minute * 60 + second))
}

fn one_or_two(text: &[u8]) -> Option<(u32, &[u8])> {
    let (&first, rest) = text.split_first()?;
    if !first.is_ascii_digit() {
        return None;
    }
    let value = u32::from(first - b'0');
    match rest {
        [second @ b'0'..=b'9', rest @ ..] => Some((value * 10 + u32::from(second - b'0'), rest)),
        rest => Some((value, rest)),
    }
}

/// Writes a timestamp by a strftime format, in UTC. The format must be one that
/// [`check_format`] takes.
pub fn write_format(out: &mut String, ns: i64, format: &str) {
    use std::fmt::Write;
    let written = write!(out, "{}", DateTime::from_timestamp_nanos(ns).format(format));
    assert!(written.is_ok(), "the checker promised the strftime format `{format}`");
}

/// Writes a date by a strftime format without parts of a day.
pub fn write_date_format(out: &mut String, days: i32, format: &str) {
    let (year, month, day) = civil(days);
    if let Some(date) = NaiveDate::from_ymd_opt(year, month, day) {
        use std::fmt::Write;
        let written = write!(out, "{}", date.and_time(NaiveTime::MIN).and_utc().format(format));
        assert!(written.is_ok(), "the checker promised the strftime format `{format}`");
    }
}

/// True for a strftime format that can be written.
pub fn check_format(format: &str) -> bool {
    !StrftimeItems::new(format).any(|item| matches!(item, Item::Error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(ns: i64) -> String {
        let mut out = Vec::new();
        write_rfc3339(&mut out, ns);
        String::from_utf8(out).unwrap()
    }

    fn read(format: &str, zone: &str, text: &str) -> Result<String, TimeError> {
        TimeFormat::new(format, zone).unwrap().parse(text.as_bytes()).map(written)
    }

    #[test]
    fn days_and_civil_are_inverse() {
        assert_eq!(days(1970, 1, 1), Some(0));
        assert_eq!(days(2010, 12, 1), Some(14944));
        assert_eq!(days(2000, 2, 29), Some(11016));
        assert_eq!(days(1900, 2, 29), None);
        assert_eq!(days(2011, 4, 31), None);
        for day in (-800_000..800_000).step_by(13) {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), Some(day));
        }
    }

    #[test]
    fn rfc3339_there_and_back() {
        for text in [
            "2010-12-01T08:26:00Z",
            "1969-12-31T23:59:59.999Z",
            "2262-04-11T23:47:16.854775807Z",
            "2010-12-01T08:26:00.000001Z",
        ] {
            assert_eq!(written(parse_rfc3339(text.as_bytes()).unwrap()), text);
        }
        let shifted = parse_rfc3339(b"2010-12-01T08:26:00.5+01:30").unwrap();
        assert_eq!(written(shifted), "2010-12-01T06:56:00.500Z");
        for text in ["", "2010-12-01", "2010-13-01T00:00:00Z", "2010-12-01T08:26:00", "12/1/2010"] {
            assert_eq!(parse_rfc3339(text.as_bytes()), Err(TimeError::Format), "{text}");
        }
        assert_eq!(parse_rfc3339(b"2300-01-01T00:00:00Z"), Err(TimeError::Range));
    }

    #[test]
    fn local_formats() {
        let us = "%m/%d/%Y %H:%M";
        assert_eq!(read(us, "UTC", "12/1/2010 8:26").unwrap(), "2010-12-01T08:26:00Z");
        assert_eq!(read(us, "UTC", "01/04/2011 10:00").unwrap(), "2011-01-04T10:00:00Z");
        assert_eq!(read(us, "Europe/London", "7/1/2011 9:00").unwrap(), "2011-07-01T08:00:00Z");
        assert_eq!(read("%d.%m.%y %I:%M %p", "UTC", "1.12.10 8:26 PM").unwrap(), {
            "2010-12-01T20:26:00Z"
        });
        assert_eq!(read("%Y-%m-%d", "UTC", "2010-12-01").unwrap(), "2010-12-01T00:00:00Z");
        let offset = read("%Y-%m-%d %H:%M %z", "Asia/Tokyo", "2010-12-01 08:26 +0100");
        assert_eq!(offset.unwrap(), "2010-12-01T07:26:00Z");
        for text in ["13/1/2010 8:26", "12/1/2010", "12/1/2010 8:26:00", "2010-12-01 08:26", ""] {
            assert_eq!(read(us, "UTC", text), Err(TimeError::Format), "{text}");
        }
    }

    #[test]
    fn clocks_put_back_and_forward() {
        let format = "%Y-%m-%d %H:%M";
        let twice = read(format, "Europe/London", "2011-10-30 01:30");
        assert_eq!(twice.unwrap(), "2011-10-30T00:30:00Z");
        let never = read(format, "Europe/London", "2011-03-27 01:30");
        assert_eq!(never, Err(TimeError::Skipped(Tz::Europe__London)));
        assert!(TimeFormat::new(format, "Europe/Lundon").is_err());
        assert!(TimeFormat::new("%Q", "UTC").is_err());
    }
}
