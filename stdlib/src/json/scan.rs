//! The syntax of JSON: where each value begins and ends, and of what kind it is.

use wide::u8x16;

/// How deep values may be nested.
pub const DEPTH_MAX: usize = 64;

/// What a value is, before its type is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// The key is not there.
    #[default]
    Missing,
    /// What holds it is not there, or is no JSON: nothing to say about it.
    Absent,
    /// `null`
    Null,
    /// `true`
    True,
    /// `false`
    False,
    /// A number.
    Number,
    /// A string without escapes.
    Text,
    /// A string with escapes.
    Escaped,
    /// An object.
    Object,
    /// An array.
    Array,
}

/// A value and where it stands: `start..end` in bytes, for a string what is between the quotes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Its key was written as the field is; else only as lenient decoding takes it.
    pub exact: bool,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Token {
    /// The value's bytes in the text that was scanned.
    pub fn bytes<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.start as usize..self.end as usize]
    }
}

/// Why a text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Where, in bytes from the start of the text that was scanned.
    pub at: usize,
    /// Completes "at byte n, …".
    pub what: &'static str,
}

/// Scans a part of a text, which is UTF-8.
#[derive(Clone, Copy, Debug)]
pub struct Scanner<'a> {
    /// Up to the end of the part.
    text: &'a [u8],
    /// The same and what is behind it, so that whole blocks can be looked at.
    room: &'a [u8],
    /// The next byte.
    pub at: usize,
}

/// A name as a key: `"name":`, to be compared in one go.
#[derive(Clone, Debug)]
pub struct Key {
    /// Empty where there are several ways to write it.
    text: Vec<u8>,
    /// It again, up to 32 bytes.
    halves: [u8x16; 2],
    /// The bits of these bytes; none in a longer one.
    mask: u32,
}

impl Key {
    /// The key of a name.
    pub fn new(name: &str) -> Key {
        let text = match name.bytes().any(is_stop) {
            true => Vec::new(),
            false => format!("\"{name}\":").into_bytes(),
        };
        let mut block = [0; 32];
        let len = if text.len() <= block.len() { text.len() } else { 0 };
        block[..len].copy_from_slice(&text[..len]);
        Key { text, halves: halves(&block), mask: ((1u64 << len) - 1) as u32 }
    }

    /// How many bytes it has.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// True where a text begins with it that goes on for 32 bytes.
    #[inline(always)]
    pub(super) fn begins(&self, text: &[u8; 32]) -> bool {
        let [low, high] = halves(text);
        let same = low.simd_eq(self.halves[0]).to_bitmask()
            | high.simd_eq(self.halves[1]).to_bitmask() << 16;
        same & self.mask == self.mask && self.mask != 0
    }
}

#[inline(always)]
fn halves(block: &[u8; 32]) -> [u8x16; 2] {
    let half = |at: usize| u8x16::new(block[at..].first_chunk().copied().unwrap_or_default());
    [half(0), half(16)]
}

/// True for a byte that is not a string's as it stands: its end, an escape, a control character.
fn is_stop(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Which bytes of a text are not a string's as they stand: a bit for each.
#[inline(always)]
pub(super) fn stops(text: &[u8; 32]) -> u32 {
    let bits = |block: u8x16| {
        let stops = block.simd_eq(u8x16::splat(b'"'))
            | block.simd_eq(u8x16::splat(b'\\'))
            | block.min(u8x16::splat(0x1F)).simd_eq(block);
        stops.to_bitmask()
    };
    let [low, high] = halves(text);
    bits(low) | bits(high) << 16
}

/// How long a number without sign and exponent is that `text` begins with; `None` where it is no
/// number or goes on to the end of `text`.
#[inline(always)]
pub(super) fn short_number(text: &[u8; 16]) -> Option<usize> {
    let block = u8x16::new(*text);
    let digits = block - u8x16::splat(b'0');
    let is_digit = digits.min(u8x16::splat(9)).simd_eq(digits);
    // With an end behind the block.
    let others = !is_digit.to_bitmask() & 0xFFFF | 1 << 16;
    let points = others & block.simd_eq(u8x16::splat(b'.')).to_bitmask();
    let whole = others.trailing_zeros() as usize;
    let second = (others & (others - 1)).trailing_zeros() as usize;
    // No branches: which numbers have a point is not to be foreseen.
    let end = if points >> whole & 1 == 1 { second } else { whole };
    let zeros = (whole > 1) & (text[0] == b'0');
    if (end >= 16) | (whole == 0) | (end == whole + 1) | zeros {
        return None;
    }
    (!matches!(text[end], b'.' | b'e' | b'E')).then_some(end)
}

impl<'a> Scanner<'a> {
    /// Begins at byte `at`; the text ends where `text` ends.
    pub fn new(text: &'a [u8], at: usize) -> Scanner<'a> {
        Scanner::part(text, at, text.len())
    }

    /// Begins at byte `at` of a text that ends at `end`.
    #[inline]
    pub fn part(text: &'a [u8], at: usize, end: usize) -> Scanner<'a> {
        Scanner { text: &text[..end], room: text, at }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// What is wrong at the next byte.
    pub fn error<T>(&self, what: &'static str) -> Result<T, SyntaxError> {
        Err(SyntaxError { at: self.at, what })
    }

    /// Passes blanks.
    #[inline]
    pub fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Passes blanks and then `byte`, if it is there.
    #[inline]
    pub fn eat(&mut self, byte: u8) -> bool {
        // Mostly there is no blank.
        if self.peek() != Some(byte) {
            self.blanks();
            if self.peek() != Some(byte) {
                return false;
            }
        }
        self.at += 1;
        true
    }

    /// Passes blanks and then a key with its colon, if it is this one, written without an escape.
    #[inline]
    pub fn eat_key(&mut self, key: &Key) -> bool {
        if self.peek() != Some(b'"') {
            self.blanks();
        }
        let there = match self.room.get(self.at..).and_then(|rest| rest.first_chunk()) {
            Some(block) if key.len() <= block.len() => key.begins(block),
            _ => key.len() > 0 && self.text[self.at..].starts_with(&key.text),
        };
        let there = there && self.at + key.len() <= self.text.len();
        self.at += if there { key.len() } else { 0 };
        there
    }

    /// Passes any key with its colon.
    pub fn key(&mut self) -> Result<Token, SyntaxError> {
        self.blanks();
        if self.peek() != Some(b'"') {
            return self.error("a key in quotes is missing");
        }
        let key = self.string()?;
        if self.eat(b':') { Ok(key) } else { self.error("`:` is missing") }
    }

    /// After blanks, nothing is left.
    pub fn at_end(&mut self) -> bool {
        self.blanks();
        self.at == self.text.len()
    }

    /// Passes one value of any kind; `depth` is how deep it stands.
    #[inline]
    pub fn value(&mut self, depth: usize) -> Result<Token, SyntaxError> {
        self.blanks();
        let start = self.at;
        let kind = match self.peek() {
            Some(b'"') => return self.string(),
            Some(b'{') => return self.object(depth, |_, _| ()),
            Some(b'[') => return self.array(depth, |_| ()),
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                Kind::Number
            }
            Some(b't') => self.word(b"true", Kind::True)?,
            Some(b'f') => self.word(b"false", Kind::False)?,
            Some(b'n') => self.word(b"null", Kind::Null)?,
            None => return self.error("a value is missing"),
            Some(_) => return self.error("this begins no value"),
        };
        Ok(self.token(kind, start, self.at))
    }

    #[inline]
    fn token(&self, kind: Kind, start: usize, end: usize) -> Token {
        Token { kind, exact: true, start: start as u32, end: end as u32 }
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<Kind, SyntaxError> {
        if !self.text[self.at..].starts_with(word) {
            return self.error("this begins no value");
        }
        self.at += word.len();
        Ok(kind)
    }

    /// Passes a number: a short one at a glance.
    #[inline]
    fn number(&mut self) -> Result<(), SyntaxError> {
        let start = self.at + usize::from(self.peek() == Some(b'-'));
        let block = self.room.get(start..).and_then(|rest| rest.first_chunk());
        match block.and_then(short_number) {
            Some(len) if start + len <= self.text.len() => self.at = start + len,
            _ => self.long_number()?,
        }
        Ok(())
    }

    #[inline(never)]
    fn long_number(&mut self) -> Result<(), SyntaxError> {
        self.at += usize::from(self.peek() == Some(b'-'));
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { self.error("a digit is missing") } else { Ok(()) }
    }

    /// Where the first byte stands from here on that is not a string's as it stands; the end of the
    /// text where none does.
    #[inline]
    fn stop(&self) -> usize {
        let mut at = self.at;
        while let Some(block) = self.room.get(at..).and_then(|rest| rest.first_chunk()) {
            let stops = stops(block);
            if stops != 0 {
                return (at + stops.trailing_zeros() as usize).min(self.text.len());
            }
            at += block.len();
        }
        let rest = self.text.get(at..).unwrap_or_default();
        rest.iter().position(|&byte| is_stop(byte)).map_or(self.text.len(), |stop| at + stop)
    }

    /// Passes a string.
    #[inline]
    fn string(&mut self) -> Result<Token, SyntaxError> {
        self.at += 1;
        let start = self.at;
        self.at = self.stop();
        if self.peek() != Some(b'"') {
            return self.long_string(start);
        }
        self.at += 1;
        Ok(self.token(Kind::Text, start, self.at - 1))
    }

    /// Passes the rest of a string that began at `start` and holds more than plain text.
    #[inline(never)]
    fn long_string(&mut self, start: usize) -> Result<Token, SyntaxError> {
        let mut kind = Kind::Text;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    kind = Kind::Escaped;
                    self.escape()?;
                }
                Some(0..=0x1F) => return self.error("a control character stands in a string"),
                Some(_) => self.at = self.stop(),
                None => return self.error("a string is not closed"),
            }
        }
        let token = self.token(kind, start, self.at);
        self.at += 1;
        Ok(token)
    }

    fn escape(&mut self) -> Result<(), SyntaxError> {
        match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let unit = self.unit(self.at);
                let pair = match unit {
                    Some(0xD800..=0xDBFF) => {
                        matches!(self.unit(self.at + 6), Some(0xDC00..=0xDFFF))
                    }
                    Some(0xDC00..=0xDFFF) | None => return self.error("no such escape"),
                    Some(_) => {
                        self.at += 6;
                        return Ok(());
                    }
                };
                if !pair {
                    return self.error("half of a surrogate pair");
                }
                self.at += 12;
            }
            _ => return self.error("no such escape"),
        }
        Ok(())
    }

    /// The code unit of `\uXXXX` at `at`.
    fn unit(&self, at: usize) -> Option<u16> {
        let digits = self.text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        let digits = std::str::from_utf8(digits).ok()?;
        // `from_str_radix` alone would take a sign.
        let hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if hex { u16::from_str_radix(digits, 16).ok() } else { None }
    }

    /// Passes an object, which begins here; `each` gets every key and its value.
    pub fn object(
        &mut self,
        depth: usize,
        mut each: impl FnMut(Token, Token),
    ) -> Result<Token, SyntaxError> {
        if depth >= DEPTH_MAX {
            return self.error("values are nested more than 64 deep");
        }
        let start = self.at;
        self.at += 1;
        if !self.eat(b'}') {
            loop {
                let key = self.key()?;
                let value = self.value(depth + 1)?;
                each(key, value);
                if self.eat(b'}') {
                    break;
                }
                if !self.eat(b',') {
                    return self.error("`,` or `}` is missing");
                }
            }
        }
        Ok(self.token(Kind::Object, start, self.at))
    }

    /// Passes an array, which begins here; `each` gets every item.
    pub fn array(
        &mut self,
        depth: usize,
        mut each: impl FnMut(Token),
    ) -> Result<Token, SyntaxError> {
        if depth >= DEPTH_MAX {
            return self.error("values are nested more than 64 deep");
        }
        let start = self.at;
        self.at += 1;
        if !self.eat(b']') {
            loop {
                each(self.value(depth + 1)?);
                if self.eat(b']') {
                    break;
                }
                if !self.eat(b',') {
                    return self.error("`,` or `]` is missing");
                }
            }
        }
        Ok(self.token(Kind::Array, start, self.at))
    }
}

/// Appends the text of a string with escapes, as [`Scanner`] accepted it.
pub fn unescape(escaped: &[u8], out: &mut Vec<u8>) {
    let mut rest = escaped;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let letter = rest[at + 1];
        rest = &rest[at + 2..];
        let plain = match letter {
            b'b' => 0x08,
            b'f' => 0x0C,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let units = std::str::from_utf8(&rest[..4]).unwrap_or_default();
                let unit = |digits: &str| u32::from_str_radix(digits, 16).unwrap_or_default();
                let mut code = unit(units);
                rest = &rest[4..];
                if (0xD800..0xDC00).contains(&code) {
                    let low = unit(std::str::from_utf8(&rest[2..6]).unwrap_or_default());
                    code = 0x1_0000 + ((code - 0xD800) << 10) + low.wrapping_sub(0xDC00);
                    rest = &rest[6..];
                }
                let letter = char::from_u32(code).expect("the scanner took only whole characters");
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            plain => plain,
        };
        out.push(plain);
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests;
