//! The little XML that requests carry: elements and text.

use super::error::Error;

/// The deepest element of S3's requests, with room.
const DEPTH_MAX: usize = 8;

/// An element.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The text of the first child of a name.
    pub(super) fn child(&self, name: &str) -> Option<&str> {
        let found = self.children.iter().find(|child| child.name == name);
        found.map(|child| child.text.as_str())
    }
}

/// Reads a document whose root has this name.
pub(super) fn parse(bytes: &[u8], root: &str) -> Result<Element, Error> {
    let wrong = || Error::of("MalformedXML");
    let text = std::str::from_utf8(bytes).map_err(|_| wrong())?;
    let mut reader = Reader { rest: text };
    reader.skip();
    let element = reader.element(0).ok_or_else(wrong)?;
    reader.skip();
    match element.name == root && reader.rest.is_empty() {
        true => Ok(element),
        false => Err(wrong()),
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// Passes blanks, comments and declarations.
    fn skip(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            let end = match self.rest {
                rest if rest.starts_with("<!--") => "-->",
                rest if rest.starts_with("<?") => "?>",
                _ => return,
            };
            match self.rest.split_once(end) {
                Some((_, rest)) => self.rest = rest,
                None => return,
            }
        }
    }

    fn element(&mut self, depth: usize) -> Option<Element> {
        let (head, rest) = self.rest.strip_prefix('<')?.split_once('>')?;
        self.rest = rest;
        let empty = head.ends_with('/');
        let name = head.trim_end_matches('/').split_whitespace().next()?;
        let name = name.rsplit(':').next()?.to_owned();
        if name.is_empty() || name.starts_with(['/', '!', '?']) || depth > DEPTH_MAX {
            return None;
        }
        let mut element = Element { name, ..Element::default() };
        if empty {
            return Some(element);
        }
        loop {
            let at = self.rest.find('<')?;
            element.text.push_str(&unescape(&self.rest[..at])?);
            self.rest = &self.rest[at..];
            if self.rest.starts_with("<!--") {
                self.skip();
            } else if let Some(close) = self.rest.strip_prefix("</") {
                let (name, rest) = close.split_once('>')?;
                self.rest = rest;
                let name = name.trim().rsplit(':').next()?;
                return (name == element.name).then_some(element);
            } else {
                element.children.push(self.element(depth + 1)?);
            }
        }
    }
}

/// Text with its entities replaced.
fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (entity, after) = after.split_once(';')?;
        out.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let number = entity.strip_prefix('#')?;
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)?
            }
        });
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read() {
        let text = "<?xml version=\"1.0\"?>\n<!-- x --><D xmlns=\"a\"><K>a&amp;b&#32;&#x41;</K>\
                    <Q/><K> </K></D>\n";
        let read = parse(text.as_bytes(), "D").expect("a document");
        assert_eq!(read.child("K"), Some("a&b A"));
        let names: Vec<&str> = read.children.iter().map(|child| child.name.as_str()).collect();
        assert_eq!(names, ["K", "Q", "K"]);
    }

    #[test]
    fn wrong_documents_are_refused() {
        let deep = format!("{}{}", "<D>".repeat(20), "</D>".repeat(20));
        for text in ["", "x", "<D>", "<D></E>", "<E></E>", "<D></D>x", "<D>&x;</D>", "<D/", &deep] {
            let error = parse(text.as_bytes(), "D").expect_err(text);
            assert_eq!(error.code, "MalformedXML", "{text}");
        }
    }
}
