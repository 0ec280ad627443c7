//! The headers that name the rows of a request, so that a request which is sent again after a lost
//! reply is recognised, and requests under way together keep their order:
//! `Flowc-Producer: <32 hex digits>`, `Flowc-Rows: 500-576,578-999`, `Flowc-After: 499`.

use engine::batch::Run;
use std::fmt::Write;

/// Who numbered the rows: a partition's id, 32 hex digits.
pub const PRODUCER: &str = "flowc-producer";
/// Their sequence numbers: ranges, both ends included, ascending, one number a record.
pub const ROWS: &str = "flowc-rows";
/// The row that was sent just before these and is not answered yet; absent where there is none.
pub const AFTER: &str = "flowc-after";
/// A sequence number is below this.
const SEQ_END: u64 = 1 << 63;
/// Ranges in one request at most, so that the header stays small.
pub const RANGES_MAX: usize = 500;

/// The value of [`PRODUCER`].
pub fn producer_text(id: &[u8; 16]) -> String {
    id.iter().fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads the value of [`PRODUCER`].
pub fn parse_producer(text: &str) -> Result<[u8; 16], String> {
    let number = match text.len() {
        32 if text.bytes().all(|b| b.is_ascii_hexdigit()) => u128::from_str_radix(text, 16).ok(),
        _ => None,
    };
    match number {
        Some(number) => Ok(number.to_be_bytes()),
        None => Err(format!("`Flowc-Producer` must be 32 hex digits, not `{}`", short(text))),
    }
}

/// The value of [`ROWS`]; `None` where the numbers do not ascend.
pub fn rows_text(seqs: impl IntoIterator<Item = u64>) -> Option<String> {
    let mut text = String::new();
    for (first, last) in ranges(seqs)? {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = match first == last {
            true => write!(text, "{comma}{first}"),
            false => write!(text, "{comma}{first}-{last}"),
        };
    }
    Some(text)
}

/// Reads the value of [`ROWS`]: runs without arrival, ascending, none empty.
pub fn parse_rows(text: &str) -> Result<Vec<Run>, String> {
    let mut runs: Vec<Run> = Vec::new();
    let mut free = 0;
    for part in text.split(',') {
        let part = part.trim();
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Some(first), Some(last)) = (number(first), number(last)) else {
            return Err(format!("`Flowc-Rows` must be like `0-76,78-499`, not `{}`", short(text)));
        };
        let len = last.checked_sub(first).and_then(|n| u32::try_from(n + 1).ok());
        match len {
            Some(len) if first >= free => runs.push(Run { first, len, arrival_ns: 0 }),
            _ => {
                let part = short(part);
                return Err(format!("the ranges of `Flowc-Rows` must ascend; `{part}` does not"));
            }
        }
        free = last + 1;
    }
    Ok(runs)
}

/// Reads the value of [`AFTER`]: a row before the first of `runs`.
pub fn parse_after(text: &str, runs: &[Run]) -> Result<u64, String> {
    let after =
        number(text.trim()).filter(|after| runs.first().is_some_and(|run| *after < run.first));
    after.ok_or_else(|| {
        format!("`Flowc-After` must be a row before those of `Flowc-Rows`, not `{}`", short(text))
    })
}

/// Numbers as ranges, both ends included; `None` where they do not ascend.
fn ranges(seqs: impl IntoIterator<Item = u64>) -> Option<Vec<(u64, u64)>> {
    let mut found: Vec<(u64, u64)> = Vec::new();
    for seq in seqs {
        match found.last_mut() {
            Some(before) if before.1 >= seq => return None,
            Some(before) if before.1 + 1 == seq => before.1 = seq,
            _ => found.push((seq, seq)),
        }
    }
    Some(found)
}

fn number(text: &str) -> Option<u64> {
    match !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse().ok().filter(|number| *number < SEQ_END),
        false => None,
    }
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(first: u64, len: u32) -> Run {
        Run { first, len, arrival_ns: 0 }
    }

    #[test]
    fn rows_are_said_and_read_back() {
        let seqs = (0..77).chain([78, 80, 81]);
        assert_eq!(rows_text(seqs).as_deref(), Some("0-76,78,80-81"));
        assert_eq!((rows_text([1, 1]), rows_text([2, 1])), (None, None));
        assert_eq!(parse_rows("0-76, 78,80-81").unwrap(), [run(0, 77), run(78, 1), run(80, 2)]);
        let last = SEQ_END - 1;
        assert_eq!(parse_rows(&last.to_string()).unwrap(), [run(last, 1)]);
        for bad in ["", "-", "1-", "a", "5-4", "0-4,4", "3,1", "+1", "0-99999999999", "1,,2"] {
            assert!(parse_rows(bad).is_err(), "{bad}");
        }
        assert!(parse_rows(&format!("{last},0")).is_err());
        assert!(parse_rows(&SEQ_END.to_string()).is_err());
    }

    #[test]
    fn after_is_a_row_before_all() {
        assert_eq!(parse_after("499", &[run(500, 1)]), Ok(499));
        for bad in ["500", "501", "", "x", "-1"] {
            assert!(parse_after(bad, &[run(500, 1)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_producer_is_32_hex_digits() {
        let id = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255];
        assert_eq!(producer_text(&id), "000102030405060708090a0b0c0d0eff");
        assert_eq!(parse_producer("000102030405060708090A0b0c0d0eff").unwrap(), id);
        for bad in
            ["", "12", "+00102030405060708090a0b0c0d0eff", "g00102030405060708090a0b0c0d0eff"]
        {
            assert!(parse_producer(bad).is_err(), "{bad}");
        }
    }
}
