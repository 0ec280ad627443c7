//! Numbers of up to sixteen digits, eight digits at a time.

use wide::u8x16;

const EIGHT_DIGITS: u64 = 100_000_000;
const ZEROS: u64 = 0x3030_3030_3030_3030;
const POWERS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, EIGHT_DIGITS];

/// A number without an exponent, as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    /// It has a minus.
    pub negative: bool,
    /// All of its digits.
    pub digits: u64,
    /// How many of them stand behind the point, up to eight.
    pub behind: usize,
}

impl Short {
    /// Reads `text[start..end]`. `None` where it takes longer: more digits, an exponent, no number,
    /// or too close to the end of `text`.
    #[inline(always)]
    pub fn read(text: &[u8], start: usize, end: usize) -> Option<Short> {
        let block = text.get(start..)?.first_chunk::<16>()?;
        let negative = block[0] == b'-';
        let points = u8x16::new(*block).simd_eq(u8x16::splat(b'.')).to_bitmask();
        let (len, first) = (end - start, start + usize::from(negative));
        let point = (points | 1 << len.min(16)).trailing_zeros() as usize;
        if point < len {
            let (whole, behind) = (start + point - first, len - point - 1);
            if behind > 8 {
                return None;
            }
            let digits = eight(text, first, whole)? * POWERS[behind];
            let digits = digits + eight(text, end - behind, behind)?;
            return Some(Short { negative, digits, behind });
        }
        let digits = match end - first {
            len @ ..9 => eight(text, first, len)?,
            len => eight(text, first, len - 8)? * EIGHT_DIGITS + eight(text, end - 8, 8)?,
        };
        Some(Short { negative, digits, behind: 0 })
    }

    /// The whole number.
    #[inline]
    pub fn int(self) -> Option<i64> {
        let value = i64::try_from(self.digits).ok()?;
        (self.behind == 0).then_some(if self.negative { -value } else { value })
    }

    /// The float nearest to it.
    #[inline]
    pub fn float(self) -> Option<f64> {
        // Both are exact, so their quotient is the nearest float.
        let value = self.digits as f64 / POWERS[self.behind] as f64;
        (self.digits < 1 << 53).then_some(if self.negative { -value } else { value })
    }

    /// The digits at a scale, where that is not below `behind` and they are at most `max`.
    #[inline]
    pub fn decimal(self, scale: usize, max: u64) -> Option<i128> {
        let power = POWERS.get(scale.checked_sub(self.behind)?)?;
        let value = self.digits.checked_mul(*power).filter(|&value| value <= max)?;
        Some(i128::from(if self.negative { -(value as i64) } else { value as i64 }))
    }
}

/// The number of `len` digits at `at`, one to eight; `None` for anything else.
#[inline(always)]
fn eight(text: &[u8], at: usize, len: usize) -> Option<u64> {
    let digits = u64::from_le_bytes(*text.get(at..)?.first_chunk()?) ^ ZEROS;
    // The last digit in the highest byte, zeros below the first.
    let digits = digits << 64usize.checked_sub(8 * len).filter(|&shift| shift < 64)?;
    let large = digits.wrapping_add(0x7676_7676_7676_7676) | digits;
    if large & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let twos = digits.wrapping_mul(2561) >> 8 & 0x00FF_00FF_00FF_00FF;
    let fours = twos.wrapping_mul(6_553_601) >> 16 & 0x0000_FFFF_0000_FFFF;
    Some(fours.wrapping_mul(42_949_672_960_001) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::expr::{decimal, parse_float};

    fn read(text: &str) -> Option<Short> {
        let room = format!("x{text},\"a number follows\"");
        Short::read(room.as_bytes(), 1, 1 + text.len())
    }

    #[test]
    fn numbers_are_as_the_language_reads_them() {
        let mut random = fastrand::Rng::with_seed(9);
        for _ in 0..50_000 {
            let digits = random.u64(..) >> random.u32(..64);
            let mut text = digits.to_string();
            if random.bool() {
                text.insert(random.usize(..=text.len()), '.');
            }
            if random.bool() {
                text.insert(0, '-');
            }
            if random.u8(..4) == 0 {
                let at = random.usize(..text.len());
                text.replace_range(at..=at, ["e", "-", " ", "+", "/", ":", "\"", "}"][at % 8]);
            }
            let Some(short) = read(&text) else { continue };
            let (bytes, scale) = (text.as_bytes(), random.u8(..12));
            assert_eq!(short.int(), decimal::parse_int(bytes), "{text}");
            if let Some(float) = short.float() {
                assert_eq!(parse_float(bytes).map(f64::to_bits), Some(float.to_bits()), "{text}");
            }
            if let Some(exact) = short.decimal(usize::from(scale), 9_999_999_999) {
                assert_eq!(decimal::parse(bytes, 10, scale), Ok(exact), "{text}");
            }
        }
    }

    #[test]
    fn the_usual_ones_are_short() {
        let short = |negative, digits, behind| Some(Short { negative, digits, behind });
        assert_eq!(read("6"), short(false, 6, 0));
        assert_eq!(read("-80995"), short(true, 80_995, 0));
        assert_eq!(read("2.55"), short(false, 255, 2));
        assert_eq!(read("-0.0"), short(true, 0, 1));
        assert_eq!(read("1234567890123456"), short(false, 1_234_567_890_123_456, 0));
        assert_eq!(read("123456789.5"), None);
        for text in ["", "-", "1e3", "12345678901234567", "--1", "1.-1", "1 "] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
