//! Decimals in SQLite values: narrow ones as integers, wide ones as blobs of 16 bytes that sort as
//! the numbers do.

use rusqlite::types::{ToSqlOutput, Value, ValueRef};

/// Digits that fit a 64-bit integer.
const NARROW_DIGITS: u8 = 18;

/// True when a decimal of that precision is an integer.
pub(super) fn is_narrow(precision: u8) -> bool {
    precision <= NARROW_DIGITS
}

/// An error of a value.
pub(super) fn error(message: impl Into<String>) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(message.into().into())
}

/// The error of a number with too many digits.
pub(super) fn overflow() -> rusqlite::Error {
    error("numeric overflow: more than 38 digits, or more than the type holds")
}

/// The 16 bytes of a wide decimal: the sign bit turned, largest byte first.
pub(super) fn bytes(unscaled: i128) -> [u8; 16] {
    (unscaled as u128 ^ (1 << 127)).to_be_bytes()
}

/// The number in either form.
pub(super) fn get(value: ValueRef<'_>) -> rusqlite::Result<i128> {
    match value {
        ValueRef::Integer(int) => Ok(int.into()),
        ValueRef::Blob(blob) => match <[u8; 16]>::try_from(blob) {
            Ok(bytes) => Ok((u128::from_be_bytes(bytes) ^ (1 << 127)) as i128),
            Err(_) => Err(error("damaged decimal")),
        },
        _ => Err(error("a decimal is stored as something else")),
    }
}

/// The number as a decimal of that precision; precision 0 stands for an int of 64 bits.
///
/// # Errors
/// It does not fit.
pub(super) fn put(unscaled: i128, precision: u8) -> rusqlite::Result<ToSqlOutput<'static>> {
    if precision == 0 {
        let int = i64::try_from(unscaled).map_err(|_| error("integer overflow"))?;
        return Ok(ToSqlOutput::from(int));
    }
    if unscaled.unsigned_abs() >= 10_u128.pow(precision.min(38).into()) {
        return Err(overflow());
    }
    Ok(match is_narrow(precision) {
        true => ToSqlOutput::from(unscaled as i64),
        false => ToSqlOutput::Owned(Value::Blob(bytes(unscaled).to_vec())),
    })
}

#[cfg(test)]
mod tests {
    use super::{bytes, get, put};
    use rusqlite::types::ValueRef;

    #[test]
    fn wide_decimals_sort_as_numbers() {
        let numbers = [i128::MIN, -10_i128.pow(30), -1, 0, 1, 255, 256, 10_i128.pow(37), i128::MAX];
        for pair in numbers.windows(2) {
            assert!(bytes(pair[0]) < bytes(pair[1]), "{pair:?}");
        }
        for number in numbers {
            assert_eq!(get(ValueRef::Blob(&bytes(number))).ok(), Some(number));
        }
        assert_eq!(get(ValueRef::Integer(-5)).ok(), Some(-5));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert!(put(999, 3).is_ok() && put(1_000, 3).is_err() && put(-1_000, 3).is_err());
        assert!(put(10_i128.pow(38) - 1, 38).is_ok() && put(10_i128.pow(38), 38).is_err());
        assert!(put(i64::MAX.into(), 0).is_ok() && put(i128::from(i64::MAX) + 1, 0).is_err());
    }
}
