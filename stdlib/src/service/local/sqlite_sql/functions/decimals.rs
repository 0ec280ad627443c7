//! Decimals: arithmetic, rounding, casts. Arguments that end in a scale and a precision are those
//! of the result; precision 0 stands for an int.

use super::{Args, Given, scalar, text};
use crate::service::local::sqlite_sql::wide::{error, overflow, put};
use dsl::sql::literal;
use dsl::value::decimal_text;
use rusqlite::{Connection, Result};

pub(super) fn register(connection: &Connection) -> Result<()> {
    // a, its scale, b, its scale, scale, precision
    scalar(connection, "rs_dadd", 6, |args| sum(args, 1))?;
    scalar(connection, "rs_dsub", 6, |args| sum(args, -1))?;
    scalar(connection, "rs_dmul", 6, mul)?;
    scalar(connection, "rs_ddiv", 6, div)?;
    scalar(connection, "rs_drem", 6, rem)?;
    scalar(connection, "rs_dneg", 2, |args| given(-args.decimal(0)?, args.small(1)?))?;
    // x, scale, precision
    scalar(connection, "rs_dabs", 3, |args| given(args.decimal(0)?.abs(), args.small(2)?))?;
    scalar(connection, "rs_dsign", 3, |args| {
        let one = rescaled(args.decimal(0)?.signum(), 0, args.small(1)?)?;
        given(one, args.small(2)?)
    })?;
    // x, its scale, scale, precision
    scalar(connection, "rs_dcast", 4, |args| {
        let unscaled = rescaled(args.decimal(0)?, args.small(1)?, args.small(2)?)?;
        given(unscaled, args.small(3)?)
    })?;
    scalar(connection, "rs_dround", 6, round)?;
    scalar(connection, "rs_decimal_text", 2, |args| {
        text(decimal_text(args.decimal(0)?, args.small(1)?))
    })?;
    scalar(connection, "rs_decimal_float", 2, |args| {
        let digits = decimal_text(args.decimal(0)?, args.small(1)?);
        super::float(digits.parse().map_err(|_| overflow())?)
    })?;
    scalar(connection, "rs_text_decimal", 3, |args| {
        let written = args.text(0)?;
        let Some((unscaled, scale)) = literal::decimal(written) else {
            return Err(error(format!("`{written}` is not a decimal")));
        };
        given(rescaled(unscaled, scale, args.small(1)?)?, args.small(2)?)
    })?;
    scalar(connection, "rs_float_decimal", 3, |args| {
        let (float, scale) = (args.get::<f64>(0)?, args.small(1)?);
        // the shortest digits that mean the float, so that 2.675 rounds as it is written
        let digits = format!("{float}");
        let (whole, part) = digits.split_once('.').unwrap_or((&digits, ""));
        let part = &part[..part.len().min(36)];
        let (unscaled, from) = literal::decimal(&format!("{whole}.{part}")).ok_or_else(overflow)?;
        given(rescaled(unscaled, from, scale)?, args.small(2)?)
    })
}

fn given(unscaled: i128, precision: u8) -> Result<Given> {
    put(unscaled, precision).map(Some)
}

fn rescaled(unscaled: i128, from: u8, to: u8) -> Result<i128> {
    literal::rescale(unscaled, from, to).ok_or_else(overflow)
}

fn sum(args: &Args, sign: i128) -> Result<Given> {
    let (scale, precision) = (args.small(4)?, args.small(5)?);
    let left = rescaled(args.decimal(0)?, args.small(1)?, scale)?;
    let right = rescaled(args.decimal(2)?, args.small(3)?, scale)?;
    given(left.checked_add(sign * right).ok_or_else(overflow)?, precision)
}

fn mul(args: &Args) -> Result<Given> {
    let product = args.decimal(0)?.checked_mul(args.decimal(2)?).ok_or_else(overflow)?;
    let scale = args.small(1)? + args.small(3)?;
    given(rescaled(product, scale, args.small(4)?)?, args.small(5)?)
}

/// Rounded half away from zero.
fn div(args: &Args) -> Result<Given> {
    let (left, right) = (args.decimal(0)?, args.decimal(2)?);
    if right == 0 {
        return Err(error("division by zero"));
    }
    // left / 10^s1 divided by right / 10^s2, times 10^s
    let shift = i32::from(args.small(4)?) + i32::from(args.small(3)?) - i32::from(args.small(1)?);
    let power = 10_u128.checked_pow(shift.unsigned_abs()).ok_or_else(overflow)?;
    let (up, down) = if shift >= 0 { (power, 1) } else { (1, power) };
    let divisor = right.unsigned_abs().checked_mul(down).ok_or_else(overflow)?;
    let (quotient, rest) = mul_div(left.unsigned_abs(), up, divisor).ok_or_else(overflow)?;
    let quotient = quotient + u128::from(rest >= divisor - rest);
    let quotient = i128::try_from(quotient).map_err(|_| overflow())?;
    given(quotient * left.signum() * right.signum(), args.small(5)?)
}

/// `a * b / c` and the rest of it, without loss on the way; `None` where the quotient has over 128
/// bits.
fn mul_div(a: u128, b: u128, c: u128) -> Option<(u128, u128)> {
    if let Some(product) = a.checked_mul(b) {
        return Some((product / c, product % c));
    }
    // the product in two halves, then long division by bits
    const HALF: u128 = u64::MAX as u128;
    let (a1, a0, b1, b0) = (a >> 64, a & HALF, b >> 64, b & HALF);
    let low = a0 * b0;
    let (mid, carried) = (a1 * b0 + (low >> 64)).overflowing_add(a0 * b1);
    let high = a1 * b1 + (mid >> 64) + (u128::from(carried) << 64);
    let low = (mid << 64) | (low & HALF);
    if high >= c {
        return None;
    }
    let (mut rest, mut quotient) = (high, 0_u128);
    for bit in (0..128).rev() {
        let carry = rest >> 127;
        rest = (rest << 1) | ((low >> bit) & 1);
        quotient <<= 1;
        if carry == 1 || rest >= c {
            rest = rest.wrapping_sub(c);
            quotient |= 1;
        }
    }
    Some((quotient, rest))
}

/// With the sign of the left side.
fn rem(args: &Args) -> Result<Given> {
    let (scale, precision) = (args.small(4)?, args.small(5)?);
    let left = rescaled(args.decimal(0)?, args.small(1)?, scale)?;
    let right = rescaled(args.decimal(2)?, args.small(3)?, scale)?;
    match left.checked_rem(right) {
        Some(rest) => given(rest, precision),
        None => Err(error("division by zero")),
    }
}

/// x, its scale, digits, scale, precision, mode (0 round, 1 trunc, 2 floor, 3 ceil).
fn round(args: &Args) -> Result<Given> {
    let (unscaled, from, digits) = (args.decimal(0)?, args.small(1)?, args.int(2)?);
    let (scale, precision, mode) = (args.small(3)?, args.small(4)?, args.small(5)?);
    let drop = (i64::from(from).saturating_sub(digits)).clamp(0, 39) as u32;
    let Some(unit) = 10_i128.checked_pow(drop) else { return given(0, precision) };
    let (down, rest) = (unscaled.div_euclid(unit), unscaled.rem_euclid(unit));
    let steps = match mode {
        0 => literal::rescale(unscaled, drop as u8, 0).ok_or_else(overflow)?,
        1 => unscaled / unit,
        2 => down,
        _ => down + i128::from(rest > 0),
    };
    let rounded = steps.checked_mul(unit).ok_or_else(overflow)?;
    given(rescaled(rounded, from, scale)?, precision)
}

#[cfg(test)]
mod tests {
    use super::mul_div;

    #[test]
    fn long_division_is_exact() {
        let big = 10_u128.pow(37);
        assert_eq!(mul_div(big, big, big), Some((big, 0)));
        assert_eq!(mul_div(big + 7, big, big), Some((big + 7, 0)));
        assert_eq!(mul_div(u128::MAX, u128::MAX, u128::MAX), Some((u128::MAX, 0)));
        assert_eq!(mul_div(u128::MAX, 2, u128::MAX - 1), Some((2, 2)));
        assert_eq!(mul_div(u128::MAX, 10, 5), None);
        assert_eq!(mul_div(7, 3, 2), Some((10, 1)));
        // (10^30 + 1) * 10^20 = 10^50 + 10^20, by 3 * 10^12
        let (quotient, rest) =
            mul_div(10_u128.pow(30) + 1, 10_u128.pow(20), 3 * 10_u128.pow(12)).unwrap_or_default();
        assert_eq!(quotient, 33_333_333_333_333_333_333_333_333_333_366_666_666);
        assert_eq!(rest, 2 * 10_u128.pow(12));
    }
}
