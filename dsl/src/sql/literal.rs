//! Texts as values: what a cast from text reads.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

/// Microseconds since 1970-01-01 of `2010-12-01`, `2010-12-01 08:26`, `2010-12-01 08:26:00.5`,
/// with `T` for the blank and with a zone, if need be.
pub fn timestamp_us(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)) {
        return Some(time.timestamp_micros());
    }
    let text = text.replacen('T', " ", 1);
    let formats = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S%.f"];
    let times = formats.iter().filter_map(|format| {
        NaiveDateTime::parse_from_str(&text, format).ok().map(|time| time.and_utc())
    });
    let midnight = || Some(i64::from(date_days(&text)?) * 86_400_000_000);
    times.map(|time| time.timestamp_micros()).next().or_else(midnight)
}

/// Days since 1970-01-01 of `2010-12-01`.
pub fn date_days(text: &str) -> Option<i32> {
    let date = ["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d"]
        .iter()
        .find_map(|format| NaiveDate::parse_from_str(text.trim(), format).ok())?;
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// `true`, `t`, `yes`, `y`, `1` and their opposites, in any case.
pub fn bool(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// A decimal at its own scale; see [`super::decimal`].
pub fn decimal(text: &str) -> Option<(i128, u8)> {
    match super::decimal::parse(text)? {
        crate::value::Value::Decimal { unscaled, scale } => Some((unscaled, scale)),
        _ => None,
    }
}

/// `unscaled` at scale `from`, at scale `to`; rounded half away from zero; `None` on overflow.
pub fn rescale(unscaled: i128, from: u8, to: u8) -> Option<i128> {
    if to >= from {
        return unscaled.checked_mul(10_i128.checked_pow(u32::from(to - from))?);
    }
    let unit = 10_i128.checked_pow(u32::from(from - to))?;
    let (whole, rest) = (unscaled / unit, unscaled % unit);
    let up = rest.unsigned_abs() >= unit.unsigned_abs().div_ceil(2);
    Some(if up { whole + unscaled.signum() } else { whole })
}

#[cfg(test)]
mod tests {
    use super::{date_days, rescale, timestamp_us};

    #[test]
    fn times_are_read() {
        let noon = 1_291_204_800_000_000;
        assert_eq!(timestamp_us("2010-12-01 12:00:00"), Some(noon));
        assert_eq!(timestamp_us("2010-12-01T12:00"), Some(noon));
        assert_eq!(timestamp_us("2010-12-01T13:00:00+01:00"), Some(noon));
        assert_eq!(timestamp_us("2010-12-01 12:00:00.000001"), Some(noon + 1));
        assert_eq!(timestamp_us("2010-12-01"), Some(noon - 43_200_000_000));
        assert_eq!(timestamp_us("12/1/2010"), None);
        assert_eq!(date_days("1970-01-02"), Some(1));
        assert_eq!(date_days("2010-02-30"), None);
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        assert_eq!(rescale(25, 1, 0), Some(3));
        assert_eq!(rescale(-25, 1, 0), Some(-3));
        assert_eq!(rescale(24, 1, 0), Some(2));
        assert_eq!(rescale(-149, 2, 0), Some(-1));
        assert_eq!(rescale(15, 0, 2), Some(1_500));
        assert_eq!(rescale(i128::MAX, 0, 1), None);
    }
}
