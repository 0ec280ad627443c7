//! Texts, counted in characters; and numbers as formatted text.

use super::{Args, Given, int, scalar, text};
use crate::service::local::sqlite_sql::wide::{error, overflow};
use dsl::sql::{format, literal};
use rusqlite::{Connection, Result};

/// Bytes that a function may make of one value.
const TEXT_BYTES_MAX: usize = 16 << 20;

pub(super) fn register(connection: &Connection) -> Result<()> {
    scalar(connection, "rs_upper", 1, |args| text(args.text(0)?.to_uppercase()))?;
    scalar(connection, "rs_lower", 1, |args| text(args.text(0)?.to_lowercase()))?;
    scalar(connection, "rs_initcap", 1, |args| text(initcap(args.text(0)?)))?;
    scalar(connection, "rs_length", 1, |args| int(args.text(0)?.chars().count() as i64))?;
    scalar(connection, "rs_substring", -1, substring)?;
    scalar(connection, "rs_left", 2, |args| {
        let count = args.text(0)?.chars().count() as i64;
        text(slice(args.text(0)?, 0, part(args.int(1)?, count)))
    })?;
    scalar(connection, "rs_right", 2, |args| {
        let count = args.text(0)?.chars().count() as i64;
        text(slice(args.text(0)?, count - part(args.int(1)?, count), count))
    })?;
    scalar(connection, "rs_split_part", 3, split_part)?;
    scalar(connection, "rs_replace", 3, |args| {
        let (whole, old, new) = (args.text(0)?, args.text(1)?, args.text(2)?);
        let times = if old.is_empty() { 0 } else { whole.matches(old).count() };
        bounded(whole.len().saturating_add(times.saturating_mul(new.len())))?;
        text(if old.is_empty() { whole.to_string() } else { whole.replace(old, new) })
    })?;
    scalar(connection, "rs_reverse", 1, |args| {
        text(args.text(0)?.chars().rev().collect::<String>())
    })?;
    scalar(connection, "rs_repeat", 2, |args| {
        let times = usize::try_from(args.int(1)?).unwrap_or(0);
        bounded(args.text(0)?.len().saturating_mul(times))?;
        text(args.text(0)?.repeat(times))
    })?;
    scalar(connection, "rs_lpad", -1, |args| {
        let (whole, fill) = padding(args)?;
        text(format!("{fill}{whole}"))
    })?;
    scalar(connection, "rs_rpad", -1, |args| {
        let (whole, fill) = padding(args)?;
        text(format!("{whole}{fill}"))
    })?;
    scalar(connection, "rs_strpos", 2, |args| {
        let (whole, part) = (args.text(0)?, args.text(1)?);
        let before = |at: usize| whole[..at].chars().count() as i64 + 1;
        int(whole.find(part).map_or(0, before))
    })?;
    scalar(connection, "rs_chr", 1, |args| {
        let code = args.int(0)?;
        match u32::try_from(code).ok().and_then(char::from_u32) {
            Some(c) => text(c),
            None => Err(error(format!("there is no character {code}"))),
        }
    })?;
    scalar(connection, "rs_ascii", 1, |args| {
        int(args.text(0)?.chars().next().map_or(0, |c| i64::from(u32::from(c))))
    })?;
    scalar(connection, "rs_like", 4, like)?;
    scalar(connection, "rs_to_char_number", 3, to_char_number)
}

fn bounded(bytes: usize) -> Result<()> {
    if bytes > TEXT_BYTES_MAX { Err(error("a text would be over 16 MiB")) } else { Ok(()) }
}

/// The characters `from..to`, from 0.
fn slice(text: &str, from: i64, to: i64) -> &str {
    let byte = |at: i64| {
        let at = usize::try_from(at).unwrap_or(0);
        text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte)
    };
    let (start, end) = (byte(from), byte(to));
    if start < end { &text[start..end] } else { "" }
}

/// How many characters `left` and `right` take: a negative number leaves that many out.
fn part(asked: i64, count: i64) -> i64 {
    if asked < 0 { (count + asked.max(-count)).max(0) } else { asked.min(count) }
}

/// The place is counted from 1; places before the text count, but hold nothing.
fn substring(args: &Args) -> Result<Given> {
    let start = args.int(1)?.saturating_sub(1);
    let end = match args.len() > 2 {
        true if args.int(2)? < 0 => return Err(error("a substring has a negative length")),
        true => start.saturating_add(args.int(2)?),
        false => i64::MAX,
    };
    text(slice(args.text(0)?, start.max(0), end.max(0)))
}

fn split_part(args: &Args) -> Result<Given> {
    let (whole, delimiter, number) = (args.text(0)?, args.text(1)?, args.int(2)?);
    let Some(index) = usize::try_from(number).ok().and_then(|number| number.checked_sub(1)) else {
        return Err(error("the parts of `split_part` are counted from 1"));
    };
    if delimiter.is_empty() {
        return text(if index == 0 { whole } else { "" });
    }
    text(whole.split(delimiter).nth(index).unwrap_or(""))
}

fn initcap(whole: &str) -> String {
    let mut inside = false;
    let mut capital = |c: char| -> String {
        let begins = c.is_alphanumeric() && !inside;
        inside = c.is_alphanumeric();
        if begins { c.to_uppercase().collect() } else { c.to_lowercase().collect() }
    };
    whole.chars().map(&mut capital).collect()
}

/// The text, cut to the length, and what fills it up.
fn padding<'a>(args: &'a Args) -> Result<(&'a str, String)> {
    let length = args.int(1)?.max(0);
    bounded(usize::try_from(length).unwrap_or(usize::MAX))?;
    let fill = if args.len() > 2 { args.text(2)? } else { " " };
    let whole = slice(args.text(0)?, 0, length);
    let missing = usize::try_from(length).unwrap_or(0) - whole.chars().count();
    Ok((whole, fill.chars().cycle().take(missing).collect()))
}

/// text, pattern, escape, 1 to ignore case.
fn like(args: &Args) -> Result<Given> {
    let escape = args.text(2)?.chars().next();
    let (whole, pattern) = (args.text(0)?, args.text(1)?);
    let found = match args.small(3)? {
        0 => matches(whole, pattern, escape),
        _ => matches(&whole.to_lowercase(), &pattern.to_lowercase(), escape),
    };
    int(i64::from(found))
}

/// One thing of a pattern.
#[derive(Clone, Copy, PartialEq)]
enum Wild {
    Any,
    One,
    Is(char),
}

/// Whether the text is as the pattern says. Goes back only to the last `%`.
fn matches(whole: &str, pattern: &str, escape: Option<char>) -> bool {
    let mut wilds = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        wilds.push(match c {
            c if Some(c) == escape => chars.next().map_or(Wild::Is(c), Wild::Is),
            '%' => Wild::Any,
            '_' => Wild::One,
            c => Wild::Is(c),
        });
    }
    let chars: Vec<char> = whole.chars().collect();
    let (mut at, mut wild) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while at < chars.len() {
        match wilds.get(wild) {
            Some(Wild::Any) => {
                back = Some((at, wild));
                wild += 1;
            }
            Some(Wild::One) => (at, wild) = (at + 1, wild + 1),
            Some(Wild::Is(c)) if *c == chars[at] => (at, wild) = (at + 1, wild + 1),
            _ => match back {
                Some((from, any)) => {
                    back = Some((from + 1, any));
                    (at, wild) = (from + 1, any + 1);
                }
                None => return false,
            },
        }
    }
    wilds[wild..].iter().all(|wild| *wild == Wild::Any)
}

/// x, format, the scale of x.
fn to_char_number(args: &Args) -> Result<Given> {
    let pattern = args.text(1)?;
    let format = format::number(pattern);
    let format = format.map_err(|odd| error(format!("`{odd}` is no pattern of `to_char`")))?;
    let part_digits = format.part.len() as u8;
    let unscaled = literal::rescale(args.decimal(0)?, args.small(2)?, part_digits);
    let unscaled = unscaled.ok_or_else(overflow)?;
    let digits = dsl::value::decimal_text(unscaled.abs(), part_digits);
    let (whole, part) = digits.split_once('.').unwrap_or((&digits, ""));
    let places = format.whole.chars().filter(|c| *c != ',').count();
    let whole = if whole == "0" { "" } else { whole };
    let body = match whole.len() > places {
        true => format.whole.replace(['9', '0'], "#"),
        false => filled(&format.whole, whole),
    };
    let part = match (format.fill, part) {
        (_, "") => String::new(),
        (true, part) => {
            // FM drops zeros at the end that stand for a 9
            let kept = format.part.rfind('0').map_or(0, |zero| zero + 1);
            let end = part.trim_end_matches('0').len().max(kept);
            format!(".{}", &part[..end])
        }
        (false, part) => format!(".{part}"),
    };
    let sign = if unscaled < 0 { "-" } else { "" };
    let blanks = body.len() - body.trim_start().len();
    let number = format!("{sign}{}{part}", body.trim_start());
    let width = if format.fill { 0 } else { blanks + 1 - sign.len() };
    text(format!("{}{number}", " ".repeat(width)))
}

/// The digits in their places, from the right; zeros from the first `0` on, blanks before.
fn filled(places: &str, digits: &str) -> String {
    let mut digits = digits.chars().rev();
    let zero_from = places.find('0').unwrap_or(places.len());
    let mut reversed = Vec::new();
    let mut more = true;
    for (at, place) in places.char_indices().rev() {
        if place == ',' {
            let left = more || at > zero_from;
            reversed.push(if left { ',' } else { ' ' });
            continue;
        }
        match digits.next() {
            Some(digit) => reversed.push(digit),
            None if at >= zero_from => reversed.push('0'),
            None => reversed.push(' '),
        }
        more = digits.clone().next().is_some();
    }
    reversed.into_iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::{filled, initcap, matches, slice};

    #[test]
    fn patterns_match_as_in_redshift() {
        for (text, pattern, expected) in [
            ("WHITE HANGING HEART", "WHITE%", true),
            ("WHITE HANGING HEART", "%HANG%RT", true),
            ("WHITE HANGING HEART", "white%", false),
            ("abc", "a_c", true),
            ("abc", "a_", false),
            ("a%c", "a\\%c", true),
            ("abc", "a\\%c", false),
            ("", "%", true),
            ("", "", true),
            ("é", "_", true),
            ("aaab", "%a%b", true),
            ("aaa", "%b", false),
        ] {
            assert_eq!(matches(text, pattern, Some('\\')), expected, "{text} like {pattern}");
        }
    }

    #[test]
    fn characters_are_counted() {
        assert_eq!(slice("äöü", 1, 2), "ö");
        assert_eq!(slice("äöü", 2, 99), "ü");
        assert_eq!(slice("äöü", 5, 9), "");
        assert_eq!(initcap("WHITE hanging-heart"), "White Hanging-Heart");
    }

    #[test]
    fn digits_fill_their_places() {
        assert_eq!(filled("999,999", "1234"), "  1,234");
        assert_eq!(filled("999,999", "12"), "     12");
        assert_eq!(filled("990", ""), "  0");
        assert_eq!(filled("000", "7"), "007");
        assert_eq!(filled("000,000", "7"), "000,007");
    }
}
