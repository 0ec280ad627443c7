//! The formats of `to_char`: read once here, so that a wrong one is a problem of the query.

/// What formats there are, for a help.
pub(super) const HELP: &str = "patterns are YYYY, YY, Q, MM, MON, Mon, MONTH, Month, WW, IW, DDD, \
    DD, D, DY, Dy, DAY, Day, HH24, HH12, HH, MI, SS, MS, US, AM; of numbers 9, 0, `.`, `,` and FM";

/// A piece of a format of timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'f> {
    /// Copied as it is.
    Text(&'f str),
    /// Replaced by a part of the timestamp: one of [`PATTERNS`], as written there.
    Pattern(&'static str),
}

/// The patterns of timestamps; a longer one stands before its beginnings.
pub const PATTERNS: [&str; 28] = [
    "YYYY", "YY", "Q", "MONTH", "Month", "month", "MON", "Mon", "mon", "MM", "MI", "MS", "WW",
    "IW", "DDD", "DAY", "Day", "day", "DY", "Dy", "dy", "DD", "D", "HH24", "HH12", "HH", "SS",
    "US",
];

/// The pieces of a format of timestamps; an unknown pattern is the error.
pub fn time(format: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = format;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (text, after) = quoted.split_once('"').unwrap_or((quoted, ""));
            pieces.push(Piece::Text(text));
            rest = after;
            continue;
        }
        let meridian = ["AM", "PM", "am", "pm"].iter().find(|word| rest.starts_with(**word));
        let upper = rest.to_ascii_uppercase();
        let exact = PATTERNS.iter().find(|pattern| rest.starts_with(**pattern));
        let any = PATTERNS.iter().find(|pattern| upper.starts_with(**pattern));
        if let Some(word) = meridian {
            pieces.push(Piece::Pattern(word));
            rest = &rest[2..];
        } else if let Some(pattern) = exact.or(any) {
            pieces.push(Piece::Pattern(pattern));
            rest = &rest[pattern.len()..];
        } else if rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            return Err(rest[..end].to_string());
        } else {
            let end = rest.find(|c: char| c.is_ascii_alphabetic() || c == '"');
            let end = end.unwrap_or(rest.len());
            pieces.push(Piece::Text(&rest[..end]));
            rest = &rest[end..];
        }
    }
    Ok(pieces)
}

/// A format of numbers: `999,990.00`, with `FM` for no padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberFormat {
    /// No blanks in front.
    pub fill: bool,
    /// The characters before the point: `9`, `0` and `,`.
    pub whole: String,
    /// The characters behind the point: `9` and `0`.
    pub part: String,
}

/// Reads a format of numbers; what is no pattern is the error.
pub fn number(format: &str) -> Result<NumberFormat, String> {
    let upper = format.to_ascii_uppercase();
    let (fill, digits) = match upper.strip_prefix("FM") {
        Some(digits) => (true, digits),
        None => (false, upper.as_str()),
    };
    let (whole, part) = digits.split_once(['.', 'D']).unwrap_or((digits, ""));
    let whole = whole.replace('G', ",");
    let odd = whole.chars().find(|c| !"90,".contains(*c));
    let odd = odd.or_else(|| part.chars().find(|c| !"90".contains(*c)));
    match odd {
        Some(odd) => Err(odd.to_string()),
        None if whole.is_empty() && part.is_empty() => Err(format.to_string()),
        None => Ok(NumberFormat { fill, whole, part: part.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::{Piece, number, time};

    #[test]
    fn formats_are_read() {
        let pieces = time("YYYY-MM \"at\" HH24").unwrap_or_default();
        assert_eq!(pieces.first(), Some(&Piece::Pattern("YYYY")));
        assert_eq!(pieces.last(), Some(&Piece::Pattern("HH24")));
        assert_eq!(pieces[4], Piece::Text("at"));
        assert_eq!(time("yyyy-mm").map(|pieces| pieces.len()), Ok(3));
        assert_eq!(time("TZ"), Err("TZ".into()));
        assert_eq!(number("999,990.00").map(|format| format.part), Ok("00".into()));
        assert_eq!(number("99X"), Err("X".into()));
    }
}
