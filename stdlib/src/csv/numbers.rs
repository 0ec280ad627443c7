//! Short numbers from their text, eight bytes at once.

/// The digits of a short number: what most fields hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    /// With a minus.
    pub negative: bool,
    /// All digits, as if there were no point; less than 2^53.
    pub digits: u64,
    /// How many of them stand behind the point.
    pub behind: u32,
}

/// `10^exponent`, as integers.
pub const POWERS: [i64; 16] = {
    let mut powers = [1; 16];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

/// `10^exponent`, as floats, all of them exact.
const FLOATS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

impl Short {
    /// Reads `bytes[start..end]`: an optional minus, digits and at most one point between digits,
    /// 15 digits at most. `None` = it is something else, a number or not.
    #[inline(always)]
    pub fn read(bytes: &[u8], start: usize, end: usize) -> Option<Short> {
        let negative = start < end && bytes[start] == b'-';
        let start = start + usize::from(negative);
        let len = end.wrapping_sub(start);
        match bytes.get(start..).and_then(<[u8]>::first_chunk::<8>) {
            Some(window) if len.wrapping_sub(1) < 8 => {
                let (digits, behind) = eight(u64::from_le_bytes(*window), len as u32)?;
                Some(Short { negative, digits, behind })
            }
            _ => Short::read_longer(bytes.get(start..end)?, negative),
        }
    }

    #[inline(never)]
    fn read_longer(text: &[u8], negative: bool) -> Option<Short> {
        let point = text.iter().position(|&byte| byte == b'.');
        let behind = point.map_or(0, |point| text.len() - point - 1);
        let count = text.len() - usize::from(point.is_some());
        if count == 0 || count > 15 || point == Some(0) || point.is_some() && behind == 0 {
            return None;
        }
        let mut digits = 0;
        for (at, byte) in text.iter().enumerate() {
            let digit = byte.wrapping_sub(b'0');
            if digit < 10 {
                digits = digits * 10 + u64::from(digit);
            } else if point != Some(at) {
                return None;
            }
        }
        Some(Short { negative, digits, behind: behind as u32 })
    }

    /// As an integer.
    #[inline(always)]
    pub fn int(self) -> Option<i64> {
        let value = self.digits as i64;
        (self.behind == 0).then_some(if self.negative { -value } else { value })
    }

    /// As an integer of `10^-scale`, not more than `max`; 18 digits at most.
    #[inline(always)]
    pub fn decimal(self, scale: u32, max: i64) -> Option<i64> {
        let power = *POWERS.get(scale.checked_sub(self.behind)? as usize)?;
        let value = (self.digits as i64).checked_mul(power).filter(|&value| value <= max)?;
        Some(if self.negative { -value } else { value })
    }

    /// As a float: one exact number by another, so the quotient is the nearest.
    #[inline(always)]
    pub fn float(self) -> f64 {
        let value = self.digits as f64 / FLOATS[self.behind as usize];
        if self.negative { -value } else { value }
    }
}

const ZEROS: u64 = 0x3030_3030_3030_3030;
const POINTS: u64 = 0x2E2E_2E2E_2E2E_2E2E;
const ONES: u64 = 0x0101_0101_0101_0101;
const TOPS: u64 = 0x8080_8080_8080_8080;

/// The digits of the first `len` bytes of a word, 1 to 8, and how many stand behind a point.
#[inline(always)]
fn eight(window: u64, len: u32) -> Option<(u64, u32)> {
    // The text at the top, with nothing below: the first character is in the lowest byte used.
    let mut word = window << (64 - 8 * len);
    let mut count = len;
    let mut behind = 0;
    let differs = word ^ POINTS;
    let points = differs.wrapping_sub(ONES) & !differs & TOPS;
    if points != 0 {
        let byte = points.trailing_zeros() / 8;
        behind = 7 - byte;
        if behind == 0 || byte == 8 - len {
            return None;
        }
        let below = word & ((1 << (8 * byte)) - 1);
        let above = word >> (8 * byte + 8) << (8 * byte + 8);
        word = below << 8 | above;
        count -= 1;
    }
    let word = (word | ZEROS >> 1 >> (8 * count - 1)) ^ ZEROS;
    if (word.wrapping_add(0x7676_7676_7676_7676) | word) & TOPS != 0 {
        return None;
    }
    let pairs = word * 10 + (word >> 8);
    let (low, high) = (pairs & 0xFF_0000_00FF, pairs >> 16 & 0xFF_0000_00FF);
    let low = low.wrapping_mul(0x000F_4240_0000_0064);
    let high = high.wrapping_mul(0x0000_2710_0000_0001);
    Some((low.wrapping_add(high) >> 32, behind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::expr::{decimal, parse_float};

    fn read(text: &str) -> Option<Short> {
        let padded = [text.as_bytes(), b",1.5,....9999"].concat();
        let found = Short::read(&padded, 0, text.len());
        assert_eq!(found, Short::read(text.as_bytes(), 0, text.len()), "{text}");
        found
    }

    #[test]
    fn common_shapes_and_no_others() {
        let short = |negative, digits, behind| Some(Short { negative, digits, behind });
        assert_eq!(read("0"), short(false, 0, 0));
        assert_eq!(read("-2.55"), short(true, 255, 2));
        assert_eq!(read("17850.0"), short(false, 178_500, 1));
        assert_eq!(read("12345678"), short(false, 12_345_678, 0));
        assert_eq!(read("-1234567.8"), short(true, 12_345_678, 1));
        assert_eq!(read("123456789012345"), short(false, 123_456_789_012_345, 0));
        for other in [
            "",
            "-",
            ".",
            "-.",
            "5.",
            ".5",
            "1.2.3",
            "1..2",
            "+1",
            "1e3",
            " 1",
            "1 ",
            "--1",
            "a",
            "1a",
            "1234567/",
            "1:",
            "\u{B2}",
            "1234567890123456",
            "12345678.",
            ".12345678",
            "NaN",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn the_same_as_the_long_way() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..20_000 {
            let len = random.usize(1..17);
            let text: String =
                (0..len).map(|_| *random.choice(b"00123456789..-").unwrap() as char).collect();
            let Some(short) = read(&text) else { continue };
            let float = parse_float(text.as_bytes()).unwrap();
            assert_eq!(short.float().to_bits(), float.to_bits(), "{text}");
            if let Some(int) = short.int() {
                assert_eq!(decimal::parse_int(text.as_bytes()), Some(int), "{text}");
            }
            let long = decimal::parse(text.as_bytes(), 10, 3);
            match short.decimal(3, decimal::max(10) as i64) {
                Some(decimal) => assert_eq!(long, Ok(i128::from(decimal)), "{text}"),
                // Zeros behind the scale do not count.
                None => assert!(long.is_err() || text.ends_with('0'), "{text}"),
            }
        }
    }
}
