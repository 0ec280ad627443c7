//! Exact decimals as text: parsing, writing, changing the scale. Never through a binary float.

/// Why a text is not a decimal of the wanted type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalError {
    /// It is no number.
    Syntax,
    /// It has digits behind the point that the scale cannot hold.
    Scale,
    /// It has more digits than the precision.
    Precision,
}

impl DecimalError {
    /// Completes "the value …".
    pub fn what(self) -> &'static str {
        match self {
            DecimalError::Syntax => "is no number",
            DecimalError::Scale => "has too many digits behind the point",
            DecimalError::Precision => "has too many digits",
        }
    }
}

const POWERS: [i128; 39] = {
    let mut powers = [1; 39];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

/// `10^exponent`, up to `10^38`.
#[inline]
pub fn power(exponent: u8) -> i128 {
    POWERS[usize::from(exponent)]
}

/// The largest absolute value of `decimal(precision, _)`, as an integer.
pub fn max(precision: u8) -> i128 {
    power(precision) - 1
}

/// The digits of a number's text, at `scale`: `2.55` at scale 3 is 2550. Takes a sign, a fraction
/// and an exponent (`1.5e3`); digits that the scale cannot hold must be zero.
pub fn parse(text: &[u8], precision: u8, scale: u8) -> Result<i128, DecimalError> {
    if let Some(unscaled) = parse_short(text, precision, scale) {
        return Ok(unscaled);
    }
    let number = Number::split(text).ok_or(DecimalError::Syntax)?;
    let mut unscaled: i128 = 0;
    let point = number.whole.len() as i64 + number.exponent;
    let digits = number.whole.iter().chain(number.fraction);
    let mut position = 0i64;
    for &digit in digits {
        position += 1;
        if position - point > i64::from(scale) {
            if digit != b'0' {
                return Err(DecimalError::Scale);
            }
            continue;
        }
        unscaled = times_ten(unscaled, digit - b'0')?;
    }
    while unscaled != 0 && position < point.saturating_add(i64::from(scale)) {
        position += 1;
        unscaled = times_ten(unscaled, 0)?;
    }
    if unscaled > max(precision) {
        return Err(DecimalError::Precision);
    }
    Ok(if number.negative { -unscaled } else { unscaled })
}

fn times_ten(unscaled: i128, digit: u8) -> Result<i128, DecimalError> {
    let next = unscaled.checked_mul(10).and_then(|tens| tens.checked_add(i128::from(digit)));
    next.ok_or(DecimalError::Precision)
}

/// The common shape: at most 18 digits, no exponent. `None` where the long way has to decide.
fn parse_short(text: &[u8], precision: u8, scale: u8) -> Option<i128> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut unscaled: i64 = 0;
    let mut behind: Option<u8> = None;
    for &byte in digits {
        match byte {
            b'0'..=b'9' => {
                unscaled = unscaled * 10 + i64::from(byte - b'0');
                behind = behind.map(|count| count + 1);
            }
            b'.' if behind.is_none() => behind = Some(0),
            _ => return None,
        }
    }
    let behind = match behind {
        None => 0,
        Some(0) => return None,
        Some(_) if digits[0] == b'.' => return None,
        Some(count) => count,
    };
    if behind > scale {
        return None;
    }
    let unscaled = i128::from(unscaled).checked_mul(power(scale - behind))?;
    let signed = if negative { -unscaled } else { unscaled };
    (unscaled <= max(precision)).then_some(signed)
}

/// A number's text in its parts; leading zeros of the whole part are left out.
struct Number<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Number<'a> {
    fn split(text: &'a [u8]) -> Option<Number<'a>> {
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let (whole, rest) = digits(rest);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => digits(rest),
            rest => (&rest[..0], rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => exponent(rest)?,
            _ => return None,
        };
        let zeros = whole.iter().take_while(|&&digit| digit == b'0').count();
        Some(Number { negative, whole: &whole[zeros..], fraction, exponent })
    }
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

/// The exponent's digits, held within ±10,000: beyond that only zero is a decimal.
fn exponent(text: &[u8]) -> Option<i64> {
    let (sign, rest) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        rest => (1, rest),
    };
    let (number, rest) = digits(rest);
    if number.is_empty() || !rest.is_empty() {
        return None;
    }
    let value = number.iter().fold(0i64, |sum, digit| {
        sum.saturating_mul(10).saturating_add(i64::from(digit - b'0')).min(10_000)
    });
    Some(sign * value)
}

/// The shortest exact text of a decimal: 2550 at scale 3 is `2.55`, 5000 is `5`.
pub fn write(out: &mut Vec<u8>, unscaled: i128, scale: u8) {
    let (mut digits, mut left) = (unscaled.unsigned_abs(), scale);
    // 64-bit division is several times faster, and nearly every number fits.
    if let Ok(mut short) = u64::try_from(digits) {
        while left > 0 && short.is_multiple_of(10) {
            short /= 10;
            left -= 1;
        }
        return write_digits(out, unscaled < 0 && short > 0, short, left);
    }
    while left > 0 && digits.is_multiple_of(10) {
        digits /= 10;
        left -= 1;
    }
    write_wide(out, unscaled < 0, digits, left);
}

/// The text of a decimal with all digits of its scale: 5000 at scale 3 is `5.000`.
pub fn write_full(out: &mut Vec<u8>, unscaled: i128, scale: u8) {
    match u64::try_from(unscaled.unsigned_abs()) {
        Ok(short) => write_digits(out, unscaled < 0, short, scale),
        Err(_) => write_wide(out, unscaled < 0, unscaled.unsigned_abs(), scale),
    }
}

fn write_digits(out: &mut Vec<u8>, negative: bool, mut digits: u64, scale: u8) {
    let mut text = [b'0'; 41];
    let mut at = text.len();
    let mut written = 0;
    while digits > 0 || written <= scale {
        if written == scale && scale > 0 {
            at -= 1;
            text[at] = b'.';
        }
        at -= 1;
        text[at] = b'0' + (digits % 10) as u8;
        digits /= 10;
        written += 1;
    }
    if negative {
        at -= 1;
        text[at] = b'-';
    }
    out.extend_from_slice(&text[at..]);
}

/// The same for more digits than 64 bits hold.
fn write_wide(out: &mut Vec<u8>, negative: bool, digits: u128, scale: u8) {
    let digits = format!("{digits:0width$}", width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    if negative {
        out.push(b'-');
    }
    out.extend_from_slice(whole.as_bytes());
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction.as_bytes());
    }
}

/// Writes an integer.
pub fn write_int(out: &mut Vec<u8>, value: i64) {
    write_digits(out, value < 0, value.unsigned_abs(), 0);
}

/// Parses a 64-bit integer: a sign and digits, nothing else.
pub fn parse_int(text: &[u8]) -> Option<i64> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if rest.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    for &byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Counted downwards, because the smallest integer has no positive twin.
        value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// Brings a decimal to a larger or equal scale; `None` = more than 38 digits.
pub fn widen(unscaled: i128, from: u8, to: u8) -> Option<i128> {
    debug_assert!(from <= to, "widen goes to the larger scale");
    unscaled.checked_mul(power(to - from)).filter(|wide| wide.unsigned_abs() < 10u128.pow(38))
}

/// Divides, rounding half away from zero; `None` for a zero divisor or an overflow.
pub fn divide_round(dividend: i128, divisor: i128) -> Option<i128> {
    let quotient = dividend.checked_div(divisor)?;
    let rest = dividend.checked_rem(divisor)?.unsigned_abs();
    if rest >= divisor.unsigned_abs() - rest {
        let away = if (dividend < 0) == (divisor < 0) { 1 } else { -1 };
        return quotient.checked_add(away);
    }
    Some(quotient)
}

/// Brings a decimal to any scale, rounding half away from zero; `None` = more than 38 digits.
pub fn rescale(unscaled: i128, from: u8, to: u8) -> Option<i128> {
    if from <= to {
        return widen(unscaled, from, to);
    }
    divide_round(unscaled, power(from - to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(unscaled: i128, scale: u8) -> String {
        let mut out = Vec::new();
        write(&mut out, unscaled, scale);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_to_decimal_is_exact() {
        let cases: [(&str, i128); 12] = [
            ("2.55", 2550),
            ("-11062.06", -11_062_060),
            ("38970", 38_970_000),
            ("0", 0),
            ("-0", 0),
            ("0.001", 1),
            ("+1.5", 1500),
            (".5", 500),
            ("5.", 5000),
            ("2.5500000000000000000000", 2550),
            ("1e3", 1_000_000),
            ("0e99999999999", 0),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text.as_bytes(), 10, 3), Ok(expected), "{text}");
        }
        assert_eq!(parse(b"12345e-4", 10, 4), Ok(12345));
        assert_eq!(parse(b"99999999999999999999999999999999999999", 38, 0), Ok(max(38)));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for text in ["", "-", ".", "abc", "1.2.3", "1e", "1 ", "0x1", "--1", "NaN", "1,5"] {
            assert_eq!(parse(text.as_bytes(), 10, 3), Err(DecimalError::Syntax), "{text}");
        }
        assert_eq!(parse(b"2.5555", 10, 3), Err(DecimalError::Scale));
        assert_eq!(parse(b"1e-4", 10, 3), Err(DecimalError::Scale));
        assert_eq!(parse(b"12345678", 10, 3), Err(DecimalError::Precision));
        assert_eq!(parse(b"1e9999999999", 38, 0), Err(DecimalError::Precision));
        assert_eq!(parse(&[b'9'; 60], 38, 0), Err(DecimalError::Precision));
    }

    #[test]
    fn decimal_to_text_is_the_shortest_exact_one() {
        assert_eq!(text(2550, 3), "2.55");
        assert_eq!(text(5000, 3), "5");
        assert_eq!(text(-1, 3), "-0.001");
        assert_eq!(text(0, 3), "0");
        assert_eq!(text(100, 0), "100");
        assert_eq!(text(-max(38), 38), format!("-0.{}", "9".repeat(38)));
        assert_eq!(text(max(38) / 10 * 10, 3), format!("{}.99", "9".repeat(35)));
        assert_eq!(text(-i128::from(u64::MAX), 38), "-0.00000000000000000018446744073709551615");
        let mut full = Vec::new();
        write_full(&mut full, 5000, 3);
        assert_eq!(full, b"5.000");
    }

    #[test]
    fn integers_reach_both_ends() {
        for value in [i64::MIN, -1, 0, 7, i64::MAX] {
            let mut out = Vec::new();
            write_int(&mut out, value);
            assert_eq!(out, value.to_string().into_bytes());
            assert_eq!(parse_int(&out), Some(value));
        }
        for text in ["9223372036854775808", "-9223372036854775809", "", "-", "1.0", " 1"] {
            assert_eq!(parse_int(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        assert_eq!(rescale(2545, 3, 2), Some(255));
        assert_eq!(rescale(-2545, 3, 2), Some(-255));
        assert_eq!(rescale(2544, 3, 2), Some(254));
        assert_eq!(divide_round(-7, 2), Some(-4));
        assert_eq!(divide_round(1, 0), None);
        assert_eq!(widen(max(38), 0, 1), None);
    }
}
