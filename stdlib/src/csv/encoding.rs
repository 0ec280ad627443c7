//! The encodings of text files.

/// An encoding in which ASCII is ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, strict.
    Utf8,
    /// ISO-8859-1: each byte is the character of its number.
    Latin1,
    /// Windows-1252: as Latin-1, with letters and quotes at 80 to 9F; five bytes mean nothing.
    Windows1252,
}

impl Encoding {
    /// The encoding of a name: `utf-8`, `latin-1`, `windows-1252`.
    pub fn of(name: &str) -> Option<Encoding> {
        match name {
            "utf-8" => Some(Encoding::Utf8),
            "latin-1" => Some(Encoding::Latin1),
            "windows-1252" => Some(Encoding::Windows1252),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "utf-8",
            Encoding::Latin1 => "latin-1",
            Encoding::Windows1252 => "windows-1252",
        }
    }

    /// Appends a text as UTF-8. The error is the first byte that is none of the encoding; nothing
    /// is appended then.
    pub fn push(self, text: &[u8], out: &mut Vec<u8>) -> Result<(), u8> {
        if text.is_ascii() {
            out.extend_from_slice(text);
            return Ok(());
        }
        match self {
            Encoding::Utf8 => match std::str::from_utf8(text) {
                Ok(text) => out.extend_from_slice(text.as_bytes()),
                Err(error) => return Err(text[error.valid_up_to()]),
            },
            Encoding::Latin1 => {
                out.extend_from_slice(encoding_rs::mem::decode_latin1(text).as_bytes());
            }
            Encoding::Windows1252 => {
                let free = |byte: &&u8| matches!(byte, 0x81 | 0x8D | 0x8F | 0x90 | 0x9D);
                if let Some(byte) = text.iter().find(free) {
                    return Err(*byte);
                }
                let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(text);
                out.extend_from_slice(text.as_bytes());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, bytes: &[u8]) -> Result<String, u8> {
        let mut out = Vec::new();
        Encoding::of(name).unwrap().push(bytes, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn each_encoding_is_exact() {
        assert_eq!(text("latin-1", b"\xA35 \x80\x9F").unwrap(), "£5 \u{80}\u{9F}");
        assert_eq!(text("windows-1252", b"\xA35 \x80\x93").unwrap(), "£5 €“");
        assert_eq!(text("windows-1252", b"a\x81"), Err(0x81));
        assert_eq!(text("utf-8", "£5".as_bytes()).unwrap(), "£5");
        assert_eq!(text("utf-8", b"a\xA3"), Err(0xA3));
        assert_eq!(Encoding::of("utf-16"), None);
    }
}
