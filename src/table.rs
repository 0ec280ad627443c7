//! Text in columns that fit into a terminal.

use crate::render::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Between two columns.
const GAP: &str = "  ";
/// A column is never narrower.
const COLUMN_MIN: usize = 4;

/// One cell, in one line.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Its text; line breaks are blanks.
    pub text: String,
    /// Numbers stand to the right.
    pub number: bool,
}

/// Header, rule, rows. The widest columns are narrowed until a row fits; what is longer than
/// `lines_max` lines is cut.
pub fn table(header: &[String], rows: &[Vec<Cell>], lines_max: usize, style: Style) -> String {
    let numbers: Vec<bool> =
        (0..header.len()).map(|at| rows.iter().any(|row| row[at].number)).collect();
    let wanted = (0..header.len())
        .map(|at| rows.iter().map(|row| row[at].text.width()).fold(header[at].width(), usize::max));
    let widths = fit(wanted.collect(), style.width);
    let mut text = String::new();
    let names: Vec<Vec<String>> =
        header.iter().zip(&widths).map(|(name, &width)| broken(name, width, 1)).collect();
    for line in lines(&names, &widths, &numbers) {
        text.push_str(&format!("{}\n", style.paint("1", &line)));
    }
    let rule: Vec<String> = widths.iter().map(|&width| "─".repeat(width)).collect();
    text.push_str(&format!("{}\n", rule.join(GAP)));
    for row in rows {
        let cells: Vec<Vec<String>> = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| broken(&cell.text, width, lines_max))
            .collect();
        for line in lines(&cells, &widths, &numbers) {
            text.push_str(&format!("{line}\n"));
        }
    }
    text
}

/// The widths of columns that fit: the widest are cut, down to one common width.
fn fit(wanted: Vec<usize>, width: usize) -> Vec<usize> {
    let gaps = GAP.len() * wanted.len().saturating_sub(1);
    let room = width.saturating_sub(gaps);
    let sum = |most: usize| wanted.iter().map(|w| (*w).min(most)).sum::<usize>();
    let widest = wanted.iter().copied().max().unwrap_or(0).min(width);
    let most = (COLUMN_MIN..=widest).rev().find(|&most| sum(most) <= room);
    wanted.iter().map(|w| (*w).min(most.unwrap_or(COLUMN_MIN))).collect()
}

/// The lines of a row of cells.
fn lines(cells: &[Vec<String>], widths: &[usize], numbers: &[bool]) -> Vec<String> {
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    let line = |at: usize| {
        let parts = cells.iter().enumerate().map(|(column, cell)| {
            let text = cell.get(at).map_or("", String::as_str);
            let blanks = " ".repeat(widths[column].saturating_sub(text.width()));
            if numbers[column] { format!("{blanks}{text}") } else { format!("{text}{blanks}") }
        });
        parts.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    };
    (0..height).map(line).collect()
}

/// A text in lines of at most `width` columns, broken at blanks where it can be; the last of
/// `lines_max` lines ends in `…` when there is more.
fn broken(text: &str, width: usize, lines_max: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = text;
    while rest.width() > width {
        if lines.len() + 1 == lines_max {
            lines.push(format!("{}…", &rest[..prefix(rest, width.saturating_sub(1))]));
            return lines;
        }
        let most = prefix(rest, width).max(rest.chars().next().map_or(0, char::len_utf8));
        let (end, next) = match rest[..most].rfind(' ') {
            Some(blank) if blank > most / 2 => (blank, blank + 1),
            _ => (most, most),
        };
        lines.push(rest[..end].to_owned());
        rest = &rest[next..];
    }
    lines.push(rest.to_owned());
    lines
}

/// How many bytes of a text fit into some columns.
fn prefix(text: &str, columns: usize) -> usize {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > columns {
            return at;
        }
    }
    text.len()
}

/// The beginning of a text that fits into some columns, with `…` where it is cut.
pub fn clip(text: &str, columns: usize) -> String {
    broken(text, columns, 1).swap_remove(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_columns_are_narrowed() {
        assert_eq!(fit(vec![5, 40, 10], 80), [5, 40, 10]);
        assert_eq!(fit(vec![5, 60, 60], 60), [5, 25, 25]);
        assert_eq!(fit(vec![90, 90], 10), [4, 4]);
    }

    #[test]
    fn long_texts_are_broken_at_blanks_then_cut() {
        assert_eq!(broken("one two three", 8, 3), ["one two", "three"]);
        assert_eq!(broken("abcdefghij", 4, 3), ["abcd", "efgh", "ij"]);
        assert_eq!(broken("abcdefghij", 4, 2), ["abcd", "efg…"]);
        assert_eq!(clip("größer", 4), "grö…");
        assert_eq!(clip("wide 表表", 7), "wide …");
    }

    #[test]
    fn numbers_stand_to_the_right() {
        let cell = |text: &str, number| Cell { text: text.into(), number };
        let rows =
            [vec![cell("a", false), cell("1", true)], vec![cell("bcd", false), cell("22", true)]];
        let text = table(&["x".into(), "n".into()], &rows, 1, Style::plain());
        assert_eq!(text, "x     n\n───  ──\na     1\nbcd  22\n");
    }
}
