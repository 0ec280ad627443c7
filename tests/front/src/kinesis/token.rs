//! Iterators and page tokens: text that only the front makes, and that says nothing to others.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::sigv4::keyed;

const KEY: &[u8] = b"the front's own tokens";

/// A text, sealed.
pub fn seal(text: &str) -> String {
    let mut bytes = keyed(KEY, text.as_bytes())[..16].to_vec();
    // Not to be read by eye: AWS's own are encrypted.
    bytes.extend(text.bytes().enumerate().map(|(at, byte)| byte ^ 0x5a ^ at as u8));
    STANDARD.encode(bytes)
}

/// The text, if the seal is the front's.
pub fn open(token: &str) -> Option<String> {
    let bytes = STANDARD.decode(token).ok()?;
    let (mac, rest) = bytes.split_at_checked(16)?;
    let text: Vec<u8> = rest.iter().enumerate().map(|(at, byte)| byte ^ 0x5a ^ at as u8).collect();
    let text = String::from_utf8(text).ok()?;
    (keyed(KEY, text.as_bytes())[..16] == *mac).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_tokens_open() {
        let token = seal("a text\nof two lines");
        assert_eq!(open(&token).as_deref(), Some("a text\nof two lines"));
        assert_eq!(open(&token.replace('A', "B")[..token.len() - 4]), None);
        assert_eq!(open("AAAA"), None);
    }
}
