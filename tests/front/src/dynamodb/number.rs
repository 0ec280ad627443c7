//! DynamoDB numbers: decimals of at most 38 significant digits, never through floating point.

use std::cmp::Ordering;
use std::fmt;

use super::error::{Error, validation};

/// Significant digits that AWS keeps.
const DIGITS_MAX: usize = 38;
/// Largest power of ten of the first digit.
const MAGNITUDE_MAX: i64 = 125;
/// Smallest power of ten of the first digit.
const MAGNITUDE_MIN: i64 = -130;

const TOO_MANY_DIGITS: &str = "Attempting to store more than 38 significant digits in a Number";
const OVERFLOW: &str =
    "Number overflow. Attempting to store a number with magnitude larger than supported range";
const UNDERFLOW: &str =
    "Number underflow. Attempting to store a number with magnitude smaller than supported range";

/// `±digits × 10^exponent`; no zero stands first or last in the digits, zero has none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Number {
    negative: bool,
    /// Each 0–9, the most significant first.
    digits: Vec<u8>,
    exponent: i64,
}

impl Number {
    /// Reads AWS's text of a number: sign, digits, point, exponent.
    pub(crate) fn parse(text: &str) -> Result<Number, Error> {
        let Some((negative, digits, exponent)) = decimal(text) else {
            return Err(validation(match text.is_empty() {
                true => "The parameter cannot be converted to a numeric value".into(),
                false => format!("The parameter cannot be converted to a numeric value: {text}"),
            }));
        };
        Number::checked(negative, digits, exponent)
    }

    /// A whole number.
    pub(crate) fn from_usize(value: usize) -> Number {
        let digits = value.to_string().bytes().map(|digit| digit - b'0').collect();
        Number::normal(false, digits, 0)
    }

    /// Without zeros at either end.
    fn normal(negative: bool, mut digits: Vec<u8>, mut exponent: i64) -> Number {
        let zeros = digits.iter().take_while(|digit| **digit == 0).count();
        digits.drain(..zeros);
        while digits.last() == Some(&0) {
            digits.pop();
            exponent += 1;
        }
        match digits.is_empty() {
            true => Number { negative: false, digits, exponent: 0 },
            false => Number { negative, digits, exponent },
        }
    }

    fn checked(negative: bool, digits: Vec<u8>, exponent: i64) -> Result<Number, Error> {
        let number = Number::normal(negative, digits, exponent);
        if number.digits.is_empty() {
            return Ok(number);
        }
        if number.magnitude() > MAGNITUDE_MAX {
            return Err(validation(OVERFLOW));
        }
        if number.magnitude() < MAGNITUDE_MIN {
            return Err(validation(UNDERFLOW));
        }
        match number.digits.len() > DIGITS_MAX {
            true => Err(validation(TOO_MANY_DIGITS)),
            false => Ok(number),
        }
    }

    /// The power of ten of the first digit.
    fn magnitude(&self) -> i64 {
        self.exponent + self.digits.len() as i64 - 1
    }

    /// What it counts towards an item's size, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        self.digits.len().div_ceil(2) + 1 + usize::from(self.negative)
    }

    /// The sum; more than 38 digits or a magnitude out of range is refused.
    pub(crate) fn add(&self, other: &Number) -> Result<Number, Error> {
        let exponent = self.exponent.min(other.exponent);
        let (a, b) = (self.scaled(exponent), other.scaled(exponent));
        if self.negative == other.negative {
            return Number::checked(self.negative, sum(&a, &b), exponent);
        }
        match magnitudes(&a, &b) {
            Ordering::Less => Number::checked(other.negative, difference(&b, &a), exponent),
            _ => Number::checked(self.negative, difference(&a, &b), exponent),
        }
    }

    /// The difference, refused as a sum is.
    pub(crate) fn subtract(&self, other: &Number) -> Result<Number, Error> {
        self.add(&Number { negative: !other.negative, ..other.clone() })
    }

    /// The digits at a smaller exponent, the least significant first.
    fn scaled(&self, exponent: i64) -> Vec<u8> {
        if self.digits.is_empty() {
            return Vec::new();
        }
        let mut digits = vec![0; (self.exponent - exponent) as usize];
        digits.extend(self.digits.iter().rev());
        digits
    }
}

/// Sign, digits and exponent of a well-formed text.
fn decimal(text: &str) -> Option<(bool, Vec<u8>, i64)> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() == 0 {
        return None;
    }
    let all = whole.bytes().chain(fraction.bytes());
    let digits = all.map(|byte| byte.is_ascii_digit().then(|| byte - b'0'));
    let digits = digits.collect::<Option<Vec<u8>>>()?;
    Some((negative, digits, i64::from(exponent) - fraction.len() as i64))
}

/// Compares magnitudes whose digits run from the least significant.
fn magnitudes(a: &[u8], b: &[u8]) -> Ordering {
    let length = |digits: &[u8]| digits.iter().rposition(|digit| *digit != 0);
    let by_length = length(a).cmp(&length(b));
    let digits = |digits: &[u8]| digits.iter().rev().skip_while(|d| **d == 0).copied().collect();
    by_length.then_with(|| {
        let (a, b): (Vec<u8>, Vec<u8>) = (digits(a), digits(b));
        a.cmp(&b)
    })
}

/// The sum, the most significant digit first.
fn sum(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let mut total: Vec<u8> = Vec::new();
    for at in 0..a.len().max(b.len()) {
        let digit = a.get(at).unwrap_or(&0) + b.get(at).unwrap_or(&0) + carry;
        total.push(digit % 10);
        carry = digit / 10;
    }
    total.push(carry);
    total.reverse();
    total
}

/// `a - b` of magnitudes with `a ≥ b`, the most significant digit first.
fn difference(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut total: Vec<u8> = Vec::new();
    for at in 0..a.len().max(b.len()) {
        let taken = b.get(at).unwrap_or(&0) + borrow;
        let digit = *a.get(at).unwrap_or(&0);
        borrow = u8::from(digit < taken);
        total.push(digit + borrow * 10 - taken);
    }
    total.reverse();
    total
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        let sign = |number: &Number| match (number.digits.is_empty(), number.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let by_sign = sign(self).cmp(&sign(other));
        if by_sign != Ordering::Equal || self.digits.is_empty() {
            return by_sign;
        }
        let by_size = self.magnitude().cmp(&other.magnitude());
        let by_size = by_size.then_with(|| self.digits.cmp(&other.digits));
        if self.negative { by_size.reverse() } else { by_size }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As AWS returns it: plain, without an exponent and without zeros at the end of a fraction.
impl fmt::Display for Number {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.digits.is_empty() {
            return out.write_str("0");
        }
        let digits: String = self.digits.iter().map(|digit| char::from(digit + b'0')).collect();
        let sign = if self.negative { "-" } else { "" };
        let point = digits.len() as i64 + self.exponent;
        if self.exponent >= 0 {
            write!(out, "{sign}{digits}{}", "0".repeat(self.exponent as usize))
        } else if point > 0 {
            let (whole, fraction) = digits.split_at(point as usize);
            write!(out, "{sign}{whole}.{fraction}")
        } else {
            write!(out, "{sign}0.{}{digits}", "0".repeat(-point as usize))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"))
    }

    fn refusal(text: &str) -> String {
        Number::parse(text).expect_err(text).message
    }

    #[test]
    fn numbers_return_as_aws_writes_them() {
        let cases = [
            ("0", "0"),
            ("-0", "0"),
            ("0.000", "0"),
            ("001", "1"),
            ("1.50", "1.5"),
            ("-12.340e1", "-123.4"),
            ("1e3", "1000"),
            ("1E-5", "0.00001"),
            (".5", "0.5"),
            ("5.", "5"),
            ("+7", "7"),
            ("99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
            (
                "1000000000000000000000000000000000000000000",
                "1000000000000000000000000000000000000000000",
            ),
        ];
        for (from, to) in cases {
            assert_eq!(number(from).to_string(), to, "{from}");
        }
    }

    #[test]
    fn numbers_out_of_the_range_are_refused() {
        assert_eq!(refusal("123456789012345678901234567890123456789"), TOO_MANY_DIGITS);
        assert_eq!(refusal("-1.23456789012345678901234567890123456789"), TOO_MANY_DIGITS);
        assert_eq!(refusal("1e126"), OVERFLOW);
        assert_eq!(refusal("-1e126"), OVERFLOW);
        assert_eq!(refusal("1e-131"), UNDERFLOW);
        number("9.9999999999999999999999999999999999999E+125");
        number("1E-130");
        assert_eq!(refusal(""), "The parameter cannot be converted to a numeric value");
        for bad in ["b", "1x", "1e", "--1", ".", "0x10", "NaN", "Infinity", "1 2", "1 ", " 1"] {
            let said = format!("The parameter cannot be converted to a numeric value: {bad}");
            assert_eq!(refusal(bad), said);
        }
    }

    #[test]
    fn arithmetic_is_exact() {
        let add = |a: &str, b: &str| number(a).add(&number(b)).expect("fits").to_string();
        let sub = |a: &str, b: &str| number(a).subtract(&number(b)).expect("fits").to_string();
        assert_eq!(add("0.1", "0.2"), "0.3");
        assert_eq!(add("-5", "3"), "-2");
        assert_eq!(add("5", "-5"), "0");
        assert_eq!(add("999", "1"), "1000");
        assert_eq!(add("0", "-1.5"), "-1.5");
        assert_eq!(sub("1", "0.01"), "0.99");
        assert_eq!(sub("100", "1000"), "-900");
        let widest = number("1e100").add(&number("1")).expect_err("101 digits");
        assert_eq!(widest.message, TOO_MANY_DIGITS);
    }

    #[test]
    fn numbers_are_ordered_by_value() {
        let sorted = ["-100", "-9.5", "-9", "0", "0.001", "1", "1.5", "9", "10", "1e20"];
        for (at, low) in sorted.iter().enumerate() {
            for high in &sorted[at + 1..] {
                assert!(number(low) < number(high), "{low} < {high}");
            }
        }
        assert_eq!(number("1.0"), number("1"));
    }
}
