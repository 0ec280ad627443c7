//! Some lines at the foot of a terminal that are drawn again and again, with others printed above.

use std::io::{self, Write};

/// The lines, and how many of them stand on the terminal now. The cursor always rests on the line
/// below them, so that what the terminal echoes (`^C`) does not move them.
pub struct Painter<W> {
    out: W,
    lines: Vec<String>,
    drawn: usize,
}

impl<W: Write> Painter<W> {
    /// Nothing is drawn yet.
    pub fn new(out: W) -> Painter<W> {
        Painter { out, lines: Vec::new(), drawn: 0 }
    }

    /// Draws these lines in place of the last ones.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn draw(&mut self, lines: Vec<String>) -> io::Result<()> {
        self.lines = lines;
        self.paint(None)
    }

    /// Prints a line above the others.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn print(&mut self, line: &str) -> io::Result<()> {
        self.paint(Some(line))
    }

    /// Takes the lines away.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn clear(&mut self) -> io::Result<()> {
        self.lines.clear();
        self.paint(None)
    }

    /// Goes to the first line and writes over what stands there, line by line: a terminal would
    /// keep what is erased at once among the lines that have scrolled away.
    fn paint(&mut self, above: Option<&str>) -> io::Result<()> {
        let mut text = String::from("\r");
        if self.drawn > 0 {
            text.push_str(&format!("\x1b[{}A", self.drawn));
        }
        for line in above.into_iter().chain(self.lines.iter().map(String::as_str)) {
            text.push_str(&format!("{line}\x1b[K\n"));
        }
        let written = self.lines.len() + usize::from(above.is_some());
        let stale = self.drawn.saturating_sub(written);
        text.push_str(&"\x1b[K\n".repeat(stale));
        text.push_str("\x1b[K");
        if stale > 0 {
            text.push_str(&format!("\x1b[{stale}A"));
        }
        self.drawn = self.lines.len();
        self.write(&text)
    }

    /// In one piece, so that the terminal does not flicker.
    fn write(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_drawn_in_place_and_others_above_them() {
        let mut out = Vec::new();
        let mut painter = Painter::new(&mut out);
        painter.draw(vec!["a 1".into(), "b 1".into()]).expect("memory");
        painter.print("a line").expect("memory");
        painter.draw(vec!["a 2".into()]).expect("memory");
        painter.clear().expect("memory");
        let expected = "\ra 1\x1b[K\nb 1\x1b[K\n\x1b[K\
                        \r\x1b[2Aa line\x1b[K\na 1\x1b[K\nb 1\x1b[K\n\x1b[K\
                        \r\x1b[2Aa 2\x1b[K\n\x1b[K\n\x1b[K\x1b[1A\
                        \r\x1b[1A\x1b[K\n\x1b[K\x1b[1A";
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }
}
