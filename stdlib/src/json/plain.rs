//! Objects as programs write them: keys in the order of the type, some of them left out, values
//! without escapes and with nothing inside, no blanks but one behind a comma or colon. One pass
//! without a call; everything else is left to the scanner.

use super::scan::{Kind, Token, short_number, stops};
use super::shape::Shape;

/// Puts the values of the object that is `text[start..end]` into the cells of the fields. False
/// where it is anything else, or too close to the end of `text`; then the cells mean nothing.
pub fn object(
    text: &[u8],
    start: usize,
    end: usize,
    fields: &[Shape],
    cells: &mut [Token],
) -> bool {
    scan(text, start, fields, cells) == Some(end)
}

/// Where the object ends. A function of its own, so that all it needs is in registers.
#[inline(never)]
fn scan(text: &[u8], start: usize, fields: &[Shape], cells: &mut [Token]) -> Option<usize> {
    if text.get(start) != Some(&b'{') {
        return None;
    }
    let mut at = start + 1;
    let (mut fields, mut cells) = (fields.iter(), cells.iter_mut());
    loop {
        let block = text.get(at..)?.first_chunk()?;
        let cell = loop {
            let (field, cell) = (fields.next()?, cells.next()?);
            if field.key.begins(block) {
                at += field.key.len();
                break cell;
            }
            *cell = Token::default();
        };
        at += usize::from(text.get(at) == Some(&b' '));
        let (token, end) = value(text, at)?;
        *cell = token;
        at = end + 1;
        match text.get(end) {
            Some(b',') => at += usize::from(text.get(at) == Some(&b' ')),
            Some(b'}') => break,
            _ => return None,
        }
    }
    cells.for_each(|cell| *cell = Token::default());
    Some(at)
}

/// A value and where it ends.
#[inline(always)]
fn value(text: &[u8], at: usize) -> Option<(Token, usize)> {
    let block = text.get(at..)?.first_chunk::<16>()?;
    let (kind, len) = match block[0] {
        b'"' => {
            let end = string_end(text, at + 1)?;
            return Some((token(Kind::Text, at + 1, end), end + 1));
        }
        b'n' if block.starts_with(b"null") => (Kind::Null, 4),
        b't' if block.starts_with(b"true") => (Kind::True, 4),
        b'f' if block.starts_with(b"false") => (Kind::False, 5),
        b'-' => (Kind::Number, 1 + short_number(text.get(at + 1..)?.first_chunk()?)?),
        _ => (Kind::Number, short_number(block)?),
    };
    Some((token(kind, at, at + len), at + len))
}

/// Where a string without escapes ends that goes on at `at`.
#[inline(always)]
fn string_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let block = text.get(at..)?.first_chunk::<32>()?;
        let found = stops(block);
        if found != 0 {
            let end = at + found.trailing_zeros() as usize;
            return (text[end] == b'"').then_some(end);
        }
        at += block.len();
    }
}

#[inline(always)]
fn token(kind: Kind, start: usize, end: usize) -> Token {
    Token { kind, exact: true, start: start as u32, end: end as u32 }
}
