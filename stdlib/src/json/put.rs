//! Values into a buffer that has room for them: each is put at `at`, and the answer is where the
//! next one goes. Every function may also write over up to [`SLACK`] bytes behind that place, so
//! that most values are one copy of a fixed size.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use engine::expr::{decimal as exact, time};
use std::ops::Range;

/// Room that a buffer has behind what is put into it.
pub const SLACK: usize = 64;

/// Bytes that a byte of text takes at most.
pub const ESCAPED_MAX: usize = 6;

const BLOCK: usize = 32;
const EIGHT_DIGITS: u64 = 100_000_000;
const ZEROS: u64 = 0x3030_3030_3030_3030;
const SECOND_NS: i64 = 1_000_000_000;
const DAY_S: i64 = 86_400;

/// Puts bytes.
#[inline]
pub fn bytes(bytes: &[u8], out: &mut [u8], at: usize) -> usize {
    out[at..at + bytes.len()].copy_from_slice(bytes);
    at + bytes.len()
}

/// Puts a part of `from`: as a whole block where something stands behind it.
#[inline(always)]
pub fn part(from: &[u8], part: Range<usize>, out: &mut [u8], at: usize) -> usize {
    let source = from[part.start..].first_chunk::<BLOCK>();
    if let (Some(source), Some(room), true) =
        (source, out[at..].first_chunk_mut::<BLOCK>(), part.len() <= BLOCK)
    {
        *room = *source;
        return at + part.len();
    }
    long_part(from, part, out, at)
}

#[inline(never)]
fn long_part(from: &[u8], part: Range<usize>, out: &mut [u8], at: usize) -> usize {
    bytes(&from[part], out, at)
}

/// True for a byte that a JSON string cannot hold as it is.
#[inline]
fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// How many bytes of a text need an escape.
pub fn specials(text: &[u8]) -> usize {
    // Without a branch a byte and in sums of a byte, so that sixteen are looked at together.
    let count = |part: &[u8]| part.iter().map(|&byte| u8::from(is_special(byte))).sum::<u8>();
    text.chunks(255).map(|part| usize::from(count(part))).sum()
}

/// Puts text with the escapes it needs.
#[inline(never)]
pub fn escaped(text: &[u8], out: &mut [u8], mut at: usize) -> usize {
    let mut rest = text;
    while let Some(next) = rest.iter().position(|&byte| is_special(byte)) {
        at = bytes(&rest[..next], out, at);
        at = escape(rest[next], out, at);
        rest = &rest[next + 1..];
    }
    bytes(rest, out, at)
}

fn escape(byte: u8, out: &mut [u8], at: usize) -> usize {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let letter = match byte {
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0C => b'f',
        b'"' | b'\\' => byte,
        _ => {
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
            return bytes(&[b'\\', b'u', b'0', b'0', high, low], out, at);
        }
    };
    bytes(&[b'\\', letter], out, at)
}

/// The eight digits of a number below 10^8, the first in the lowest byte.
#[inline]
fn digits(number: u64) -> u64 {
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x7F_0000_007F;
    let twos = hundreds | (fours - 100 * hundreds) << 16;
    let tens = ((twos * 103) >> 10) & 0x000F_000F_000F_000F;
    tens | (twos - 10 * tens) << 8
}

/// How many zeros stand in front of the first digit.
#[inline]
fn leading(digits: u64) -> usize {
    digits.trailing_zeros() as usize / 8
}

/// Puts the first eight bytes of a number.
#[inline]
fn eight(text: u64, out: &mut [u8], at: usize) {
    bytes(&text.to_le_bytes(), out, at);
}

/// Puts an integer.
#[inline]
pub fn int(value: i64, out: &mut [u8], at: usize) -> usize {
    out[at] = b'-';
    whole(value.unsigned_abs(), out, at + usize::from(value < 0))
}

#[inline]
fn whole(value: u64, out: &mut [u8], at: usize) -> usize {
    if value >= EIGHT_DIGITS {
        return long(value, out, at);
    }
    let digits = digits(value);
    let skip = leading(digits).min(7);
    eight((digits | ZEROS) >> (skip * 8), out, at);
    at + 8 - skip
}

#[inline(never)]
fn long(value: u64, out: &mut [u8], at: usize) -> usize {
    let at = whole(value / EIGHT_DIGITS, out, at);
    eight(digits(value % EIGHT_DIGITS) | ZEROS, out, at);
    at + 8
}

/// Puts a decimal, exact and as short as it can be: 2550 at scale 3 is `2.55`, 5000 is `5`.
#[inline]
pub fn decimal(unscaled: i128, scale: u8, out: &mut [u8], at: usize) -> usize {
    let behind = usize::from(scale);
    match u64::try_from(unscaled.unsigned_abs()) {
        Ok(short) if short < EIGHT_DIGITS && (1..8).contains(&behind) => {
            out[at] = b'-';
            let at = at + usize::from(unscaled < 0);
            let (digits, before) = (digits(short), 8 - behind);
            let skip = leading(digits).min(before - 1);
            let text = digits | ZEROS;
            eight(text >> (skip * 8), out, at);
            let at = at + before - skip;
            // No zeros at the end, and then no point.
            let kept = behind.saturating_sub(digits.leading_zeros() as usize / 8);
            out[at] = b'.';
            eight(text >> (before * 8), out, at + 1);
            at + kept + usize::from(kept > 0)
        }
        Ok(short) if behind == 0 => {
            out[at] = b'-';
            whole(short, out, at + usize::from(unscaled < 0))
        }
        Ok(short) if behind < 20 => long_decimal(unscaled < 0, short, behind, out, at),
        _ => wide_decimal(unscaled, scale, out, at),
    }
}

#[inline(never)]
fn wide_decimal(unscaled: i128, scale: u8, out: &mut [u8], at: usize) -> usize {
    let mut text = Vec::with_capacity(41);
    exact::write(&mut text, unscaled, scale);
    bytes(&text, out, at)
}

/// A decimal of up to 20 digits, `behind` of them behind the point.
#[inline(never)]
fn long_decimal(negative: bool, value: u64, behind: usize, out: &mut [u8], at: usize) -> usize {
    let mut text = [0; 24];
    eight(digits(value / EIGHT_DIGITS / EIGHT_DIGITS) | ZEROS, &mut text, 0);
    eight(digits(value / EIGHT_DIGITS % EIGHT_DIGITS) | ZEROS, &mut text, 8);
    eight(digits(value % EIGHT_DIGITS) | ZEROS, &mut text, 16);
    let (before, fraction) = text.split_at(text.len() - behind);
    let zeros = before.iter().take_while(|&&digit| digit == b'0').count();
    let kept = fraction.iter().rposition(|&digit| digit != b'0').map_or(0, |last| last + 1);
    out[at] = b'-';
    let at = bytes(&before[zeros.min(before.len() - 1)..], out, at + usize::from(negative));
    if kept == 0 {
        return at;
    }
    let at = bytes(b".", out, at);
    bytes(&fraction[..kept], out, at)
}

/// Puts the shortest number that reads back to the same float. Floats in flowc are finite: what is
/// not has become a failure where it arose.
#[inline]
pub fn float(value: f64, out: &mut [u8], at: usize) -> usize {
    let near = value as i64;
    // Below 2^53 every whole number is a float, and the shortest text of it all of its digits.
    if near as f64 == value && near.unsigned_abs() < 1 << 53 {
        out[at] = b'-';
        let at = whole(near.unsigned_abs(), out, at + usize::from(value.is_sign_negative()));
        return bytes(b".0", out, at);
    }
    shortest(value, out, at)
}

#[inline(never)]
fn shortest(value: f64, out: &mut [u8], at: usize) -> usize {
    let mut room = &mut out[at..];
    let before = room.len();
    let written = serde_json::to_writer(&mut room, &value);
    assert!(written.is_ok(), "a float writes into memory");
    at + before - room.len()
}

/// Puts RFC 3339 in UTC: `2010-12-01T08:26:00Z`; a fraction only where there is one, in three, six
/// or nine digits.
#[inline(never)]
pub fn timestamp(ns: i64, out: &mut [u8], at: usize) -> usize {
    let seconds = ns.div_euclid(SECOND_NS);
    let fraction = ns.rem_euclid(SECOND_NS) as u64;
    let of_day = seconds.rem_euclid(DAY_S) as u64;
    let at = date(seconds.div_euclid(DAY_S) as i32, out, at);
    let clock = of_day / 3600 * 10_000 + of_day / 60 % 60 * 100 + of_day % 60;
    let [_, _, h1, h2, m1, m2, s1, s2] = (digits(clock) | ZEROS).to_le_bytes();
    let at = bytes(&[b'T', h1, h2, b':', m1, m2, b':', s1, s2], out, at);
    let at = if fraction == 0 { at } else { second_part(fraction, out, at) };
    bytes(b"Z", out, at)
}

fn second_part(ns: u64, out: &mut [u8], at: usize) -> usize {
    let at = bytes(&[b'.', b'0' + (ns / EIGHT_DIGITS) as u8], out, at);
    eight(digits(ns % EIGHT_DIGITS) | ZEROS, out, at);
    match ns {
        _ if ns.is_multiple_of(1_000_000) => at + 2,
        _ if ns.is_multiple_of(1_000) => at + 5,
        _ => at + 8,
    }
}

/// Puts `2010-12-01`.
#[inline(never)]
pub fn date(days: i32, out: &mut [u8], at: usize) -> usize {
    let (year, month, day) = time::civil(days);
    let Ok(year @ 0..=9999) = u64::try_from(year) else {
        let mut text = Vec::with_capacity(16);
        time::write_date(&mut text, days);
        return bytes(&text, out, at);
    };
    let date = year * 10_000 + u64::from(month * 100 + day);
    let [y1, y2, y3, y4, m1, m2, d1, d2] = (digits(date) | ZEROS).to_le_bytes();
    bytes(&[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2], out, at)
}

/// Puts base64 text.
pub fn base64(bytes: &[u8], out: &mut [u8], at: usize) -> usize {
    let written = STANDARD.encode_slice(bytes, &mut out[at..]);
    at + written.expect("there is room for four characters for three bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(put: impl Fn(&mut [u8], usize) -> usize) -> String {
        let mut out = [b'#'; 128];
        let end = put(&mut out, 1);
        assert_eq!(out[0], b'#');
        String::from_utf8(out[1..end].to_vec()).unwrap()
    }

    /// Numbers of every length.
    fn numbers() -> impl Iterator<Item = i64> {
        let mut random = fastrand::Rng::with_seed(5);
        let ends = [0, 1, 9, 10, 99_999_999, 100_000_000, i64::MAX, i64::MIN, 1 << 53];
        let random = (0..20_000).map(move |_| random.i64(..) >> random.u32(..64));
        ends.into_iter().chain(random).flat_map(|number| [number, number.wrapping_neg()])
    }

    #[test]
    fn integers() {
        for number in numbers() {
            assert_eq!(text(|out, at| int(number, out, at)), number.to_string());
        }
    }

    #[test]
    fn decimals_are_as_the_language_writes_them() {
        for (number, scale) in numbers().zip((0..=38).cycle()) {
            for number in [i128::from(number), i128::from(number) * 1_000_000_007 * 1000] {
                let mut wanted = Vec::new();
                exact::write(&mut wanted, number, scale);
                let wanted = String::from_utf8(wanted).unwrap();
                assert_eq!(text(|out, at| decimal(number, scale, out, at)), wanted);
            }
        }
    }

    #[test]
    fn floats_are_as_serde_writes_them() {
        let mut random = fastrand::Rng::with_seed(6);
        let bits = (0..20_000).map(|_| f64::from_bits(random.u64(..)));
        let whole = numbers().map(|number| number as f64);
        let parts = numbers().map(|number| number as f64 / 1000.0);
        let ends = [0.0, -0.0, 0.1, 1e300, f64::MIN_POSITIVE, f64::MAX, 9_007_199_254_740_993.0];
        for float in bits.chain(whole).chain(parts).chain(ends).filter(|float| float.is_finite()) {
            let wanted = serde_json::to_string(&float).unwrap();
            assert_eq!(text(|out, at| super::float(float, out, at)), wanted);
        }
    }

    #[test]
    fn times_are_as_the_language_writes_them() {
        for number in numbers() {
            let mut wanted = Vec::new();
            time::write_rfc3339(&mut wanted, number);
            let wanted = String::from_utf8(wanted).unwrap();
            assert_eq!(text(|out, at| timestamp(number, out, at)), wanted);
            let mut wanted = Vec::new();
            time::write_date(&mut wanted, number as i32);
            let wanted = String::from_utf8(wanted).unwrap();
            assert_eq!(text(|out, at| date(number as i32, out, at)), wanted);
        }
    }
}
